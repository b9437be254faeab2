//! Repeated messages: the first is told, then one each half minute with how many were not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tailwater_engine::clock::Clock;

/// Between two messages of one name, nanoseconds.
const EVERY_NS: i64 = 30_000_000_000;

/// Names that are followed; messages of further ones share a place.
const NAMES_MAX: usize = 1_000;

/// Who has said something, when last, and how often since.
pub(super) struct Repeats {
    clock: Clock,
    seen: Mutex<BTreeMap<String, (i64, u64)>>,
}

impl Repeats {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Whether a message is told, and what to say of those that were not.
    pub(super) fn admits(&self, name: &str) -> Option<String> {
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
        Some(match std::mem::take(untold) {
            0 => String::new(),
            count => format!(" (and {count} times before)"),
        })
    }
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
        assert_eq!(repeats.admits("a"), Some(String::new()));
        assert_eq!(repeats.admits("b"), Some(String::new()));
        assert_eq!((repeats.admits("a"), repeats.admits("a")), (None, None));
        time.store(EVERY_NS, Ordering::Relaxed);
        assert_eq!(repeats.admits("a").as_deref(), Some(" (and 2 times before)"));
        assert_eq!(repeats.admits("a"), None);
    }
}
