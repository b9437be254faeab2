//! Repeated messages: the first is told, then one each half minute with how many were not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tailwater_engine::clock::Clock;
use tailwater_engine::sink::push::Tell;

use crate::args::LogLevel;
use crate::log::{Record, log};

/// Between two messages of one name, nanoseconds.
const EVERY_NS: i64 = 30_000_000_000;

/// Names that are followed; messages of further ones share a place.
const NAMES_MAX: usize = 1_000;

/// Characters of a message that tell it from others.
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

/// Logs what goes wrong with sinks. Messages of a sink that differ only in their numbers are
/// repeats of each other.
pub(super) fn of_sinks(clock: &Clock) -> Tell {
    let repeats = Repeats::new(Arc::clone(clock));
    Arc::new(move |sink: &str, message: &str| {
        let Some(left_out) = repeats.admits(&likeness(sink, message)) else { return };
        let fields = [("sink", sink)];
        log(&Record { level: LogLevel::Warn, message, fields: &fields, left_out });
    })
}

/// What repeats of a message have in common.
fn likeness(sink: &str, message: &str) -> String {
    let message = message.chars().take(LIKENESS_CHARS);
    let letters = message.filter(|c| !c.is_ascii_digit());
    sink.chars().take(LIKENESS_CHARS).chain([':']).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

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
    fn numbers_alone_make_no_new_message() {
        assert_eq!(likeness("a", "3 items are lost"), likeness("a", "417 items are lost"));
        assert_ne!(likeness("a", "3 items are lost"), likeness("b", "3 items are lost"));
        assert_ne!(likeness("a", "it answered"), likeness("a", "no answer"));
    }
}
