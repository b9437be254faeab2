//! What a live run says of itself: its metrics, its log, its words to the service manager, its end.

mod deploy;
mod ending;
mod logs;
mod metrics;
mod traces;

pub(crate) use crate::live_run::{Run, path};

/// Rules whose rows and alerts come a second after the spans behind them.
pub(crate) const RULES: &str = "redact { keys deny [\"*.password\"] }\n\
    stream s = spans lateness 0s\n\
    aggregate http from s by service.name over tumbling(1s) select { n: count(), p99(duration) }\n\
    alert Many from http when n > 1 on no data keep severity page";
