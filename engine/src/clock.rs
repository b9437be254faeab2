//! Clocks of listeners and sinks: the only place of the engine that looks at one.
//!
//! Invariant: wall-clock time is data (a frame's arrival) and enters through a function that the
//! owner gives; monotonic time only decides when to stop waiting.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time, nanoseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's clock. A time before 1970 is 0.
#[expect(clippy::disallowed_methods, reason = "arrival times are data that the log records")]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// Now, for deadlines.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
