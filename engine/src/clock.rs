//! Clocks of listeners and sinks: the only place of the engine that looks at one.
//!
//! Invariant: wall-clock time is data (a frame's arrival, a tick) and enters through a function
//! that the owner gives; monotonic time only decides when to stop waiting.
//!
//! A machine's clock is set, forward or back, by hand or by whoever keeps its time. What measures
//! how long something took must not see that; what others are told must not go back for it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use tokio::time::Instant;

/// Tells the time, nanoseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's clock as it is, wherever it is set. A time before 1970 is 0.
#[expect(
    clippy::disallowed_methods,
    reason = "times for people and certificates are the machine's"
)]
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// The machine's clock, except that it does not go back behind the time that has passed since the
/// first look: where it was set back, time goes on as it passes until the machine's clock has come
/// as far. Where it was set ahead, it is followed, there and back. For what is told to others.
pub fn system_clock() -> Clock {
    let wall = wall_clock();
    Arc::new(move || begun().later_ns(wall(), since_begun()))
}

/// Time as it passes from the first look at a clock on, however the machine's clock is set in
/// between. For what asks how long ago something was: silence, expiry.
pub fn steady_clock() -> Clock {
    begun();
    Arc::new(|| begun().steady_ns(since_begun()))
}

/// Now, for deadlines.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// When the process looked at its clock first, nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
struct Begun(i64);

impl Begun {
    fn steady_ns(self, passed: Duration) -> i64 {
        self.0.saturating_add(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX))
    }

    fn later_ns(self, wall_ns: i64, passed: Duration) -> i64 {
        wall_ns.max(self.steady_ns(passed))
    }
}

/// One beginning for all clocks of a process, so that they agree while nobody sets the machine's.
static BEGUN: OnceLock<(Begun, std::time::Instant)> = OnceLock::new();

#[expect(clippy::disallowed_methods, reason = "where passing time is measured from")]
fn beginning() -> &'static (Begun, std::time::Instant) {
    BEGUN.get_or_init(|| (Begun(wall_clock()()), std::time::Instant::now()))
}

fn begun() -> Begun {
    beginning().0
}

#[expect(clippy::disallowed_methods, reason = "how long it is since the beginning")]
fn since_begun() -> Duration {
    std::time::Instant::now().duration_since(beginning().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;
    const HOUR: i64 = 3_600 * S;

    /// What a clock that is never back says while the machine's says this much beyond passing time.
    fn told(jumps_ns: &[i64]) -> Vec<i64> {
        let begun = Begun(HOUR);
        let at = |second: usize| Duration::from_secs(second as u64);
        let wall = |second: usize, jump_ns: i64| begun.steady_ns(at(second)) + jump_ns;
        let told = jumps_ns.iter().enumerate();
        told.map(|(second, jump)| begun.later_ns(wall(second, *jump), at(second))).collect()
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on() {
        let told = told(&[0, 0, -HOUR, -HOUR, 0]);
        assert_eq!(told, [HOUR, HOUR + S, HOUR + 2 * S, HOUR + 3 * S, HOUR + 4 * S]);
    }

    #[test]
    fn a_clock_that_was_wrong_from_the_start_is_put_right() {
        assert_eq!(told(&[0, 5 * HOUR]), [HOUR, 6 * HOUR + S]);
    }

    #[test]
    fn passing_time_is_never_before_its_beginning_nor_beyond_its_range() {
        assert_eq!(Begun(7).steady_ns(Duration::ZERO), 7);
        assert_eq!(Begun(7).steady_ns(Duration::MAX), i64::MAX);
    }

    #[test]
    fn clocks_of_a_process_agree() {
        let (steady, system, wall) = (steady_clock(), system_clock(), wall_clock());
        let (first, second, third) = (steady(), system(), wall());
        assert!(first > 0 && second >= first && (third - first).abs() < 60 * S);
        assert!(steady() >= first && system() >= second);
    }
}
