//! Repeated messages: the first is told, then one each half minute with how many were not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tailwater_engine::clock::{Clock, steady_clock};
use tailwater_engine::sink::{Report, Tell, Trouble};

use crate::args::LogLevel;
use crate::log::{Record, log};

/// Between two messages of one name, nanoseconds.
const EVERY_NS: i64 = 30_000_000_000;

/// Names that are followed; messages of further ones share a place.
const NAMES_MAX: usize = 1_000;

/// Characters of a sink's name that tell it from others.
const LIKENESS_CHARS: usize = 80;

/// Who has said something, when last, and how often since.
pub(super) struct Repeats {
    clock: Clock,
    seen: Mutex<BTreeMap<String, (i64, u64)>>,
}

impl Repeats {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Whether a message is told, and how many like it were not.
    pub(super) fn admits(&self, name: &str) -> Option<u64> {
        let now_ns = (self.clock)();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !seen.contains_key(name);
        let name = if is_new && seen.len() >= NAMES_MAX { "" } else { name };
        let (last_ns, untold) = seen.entry(name.to_owned()).or_insert((i64::MIN, 0));
        if now_ns.saturating_sub(*last_ns) < EVERY_NS {
            *untold += 1;
            return None;
        }
        *last_ns = now_ns;
        Some(std::mem::take(untold))
    }
}

/// Logs what goes wrong with sinks. Troubles of one kind with one sink are repeats of each other.
pub(super) fn of_sinks() -> Tell {
    let repeats = Repeats::new(steady_clock());
    Arc::new(move |report: &Report| {
        let Some(left_out) = repeats.admits(&likeness(report)) else { return };
        let items = if report.items == 0 { String::new() } else { report.items.to_string() };
        let outcome = match report.trouble {
            Trouble::Again(_) => "tried again",
            Trouble::Dropped(_) => "dropped",
            Trouble::Warning | Trouble::Files => "",
        };
        let fields = [
            ("sink", &*report.sink),
            ("outcome", outcome),
            ("reason", report.trouble.word()),
            ("items", &*items),
            ("rule", report.rule.as_deref().unwrap_or_default()),
            ("key", &*report.key),
        ];
        log(&Record { level: LogLevel::Warn, message: &report.text, fields: &fields, left_out });
    })
}

/// What repeats of a message have in common.
fn likeness(report: &Report) -> String {
    let sink = report.sink.chars().take(LIKENESS_CHARS);
    let is_dropped = matches!(report.trouble, Trouble::Dropped(_));
    sink.chain([if is_dropped { '!' } else { ':' }]).chain(report.trouble.word().chars()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use tailwater_engine::sink::{DropReason, Failure};

    use super::*;

    #[test]
    fn the_first_is_told_and_then_one_each_half_minute() {
        let time = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&time);
        let repeats = Repeats::new(Arc::new(move || clock.load(Ordering::Relaxed)));
        assert_eq!(repeats.admits("a"), Some(0));
        assert_eq!(repeats.admits("b"), Some(0));
        assert_eq!((repeats.admits("a"), repeats.admits("a")), (None, None));
        time.store(EVERY_NS, Ordering::Relaxed);
        assert_eq!(repeats.admits("a"), Some(2));
        assert_eq!(repeats.admits("a"), None);
    }

    #[test]
    fn troubles_of_one_kind_are_repeats_and_losses_are_told_beside_them() {
        let of = |sink: &str, trouble, items: u64| {
            let (text, key) = (format!("{items} bytes"), items.to_string());
            likeness(&Report { sink: Arc::from(sink), trouble, text, items, rule: None, key })
        };
        let busy = Trouble::Again(Failure::Busy);
        assert_eq!(of("a", busy, 3), of("a", busy, 417));
        assert_ne!(of("a", busy, 3), of("b", busy, 3));
        assert_ne!(of("a", busy, 3), of("a", Trouble::Again(Failure::Timeout), 3));
        let refused = (Trouble::Again(Failure::Refused), Trouble::Dropped(DropReason::Refused));
        assert_ne!(of("a", refused.0, 3), of("a", refused.1, 3));
    }
}
