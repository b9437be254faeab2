//! Where the memory of a run is, and what `limits.memory` makes of it.
//!
//! Queues, bodies and what sinks hold have bounds of their own, counted before anything is made.
//! State of rules, pages, encoded batches and buffers have none in bytes: what they hold is looked
//! at again and again, and where all together would be more than the limit, the intake loses room.
//! A refusal comes before the input log, so a replay knows nothing of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tailwater_engine::limits::BYTES_IN_FLIGHT_MAX;

use super::exposition::Families;
use super::{Observed, SinkWatch};
use crate::args::LogLevel;
use crate::command::run::sinks::locked;
use crate::log::{Record, log};

/// How often it is looked at: rules grow by what an epoch brings, which is bounded.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Bytes beside those that wait for rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Parts {
    /// State of rules.
    state: u64,
    /// Texts that workers know.
    texts: u64,
    /// Series of pages for Prometheus.
    pages: u64,
    /// Batches that are being sent, encoded.
    encoded: u64,
    /// What Alertmanagers are told again.
    alerts: u64,
    /// What connections receive in.
    buffers: u64,
    /// What waits in sinks, bounded by them.
    sinks: u64,
}

impl Parts {
    fn sum(self) -> u64 {
        self.state
            + self.texts
            + self.pages
            + self.encoded
            + self.alerts
            + self.buffers
            + self.sinks
    }

    fn named(self) -> [(&'static str, u64); 7] {
        [
            ("state", self.state),
            ("texts", self.texts),
            ("pages", self.pages),
            ("encoded", self.encoded),
            ("alerts", self.alerts),
            ("buffers", self.buffers),
            ("sinks", self.sinks),
        ]
    }

    /// Bytes of room for what comes that must stay free, so that all fits into the limit.
    fn missing(self, room: u64, limit: u64) -> u64 {
        let epochs = BYTES_IN_FLIGHT_MAX as u64;
        self.sum().saturating_add(epochs).saturating_add(room).saturating_sub(limit)
    }
}

impl Observed {
    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        if let Some(gauges) = self.gauges.get() {
            let rules = 0..self.plan.rules.len();
            parts.state = rules.map(|rule| gauges.state_bytes(rule)).sum();
            parts.texts = gauges.text_bytes();
        }
        for page in &self.results {
            parts.pages += locked(&page.store).held_bytes() as u64;
        }
        for (_, listener) in &self.listeners {
            parts.buffers += listener.counts().buffer_bytes;
        }
        for watched in &self.sinks {
            match &watched.watch {
                SinkWatch::Push(watch) => {
                    parts.sinks += watch.held_bytes().0 as u64;
                    parts.encoded += watch.encoded_bytes() as u64;
                }
                SinkWatch::File(watch) => parts.sinks += watch.held_bytes().0 as u64,
                SinkWatch::Alertmanager(watch) => parts.alerts += watch.held_bytes(),
            }
        }
        parts
    }

    /// The rule with the most state, for people.
    fn largest(&self) -> Option<(String, u64)> {
        let gauges = self.gauges.get()?;
        let rules = self.plan.rules.iter().enumerate();
        let (bytes, name) =
            rules.map(|(at, rule)| (gauges.state_bytes(at), &rule.name)).max_by_key(|one| one.0)?;
        Some((name.to_string(), bytes))
    }

    /// Families about memory.
    pub(super) fn memory_families(&self, all: &mut Families) {
        for (part, bytes) in self.parts().named() {
            let help = "Bytes held beside what waits for rules, about, by what holds them";
            all.gauge("tailwater_memory_held_bytes", help).whole(&[("part", part)], bytes);
        }
        let help = "Bytes of room for frames and bodies that must stay free, for `limits.memory`";
        let reserved = self.reserved.load(Ordering::Relaxed);
        all.gauge("tailwater_intake_reserved_bytes", help).whole(&[], reserved);
    }

    /// Looks once; what the intake must leave free, and whether that is all of its room.
    fn look(&self, limit: u64) -> (Parts, bool) {
        let (parts, room) = (self.parts(), self.intake.room_bytes());
        let missing = parts.missing(room, limit);
        if self.reserved.swap(missing.min(room), Ordering::Relaxed) != missing.min(room) {
            self.intake.reserve(missing);
        }
        (parts, missing >= room)
    }
}

/// Keeps a run within its memory, without end.
pub(in crate::command::run) async fn guard(observed: Arc<Observed>, limit: u64) {
    let mut was_full = false;
    loop {
        let (parts, is_full) = observed.look(limit);
        if is_full != was_full {
            let (level, message) = if is_full {
                (LogLevel::Warn, full(parts, limit, observed.largest()))
            } else {
                let text = "there is room within `limits.memory` again: what comes is taken";
                (LogLevel::Warn, text.to_owned())
            };
            log(&Record { level, message: &message, fields: &[], left_out: 0 });
            was_full = is_full;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn full(parts: Parts, limit: u64, largest: Option<(String, u64)>) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let held = parts.named().into_iter().filter(|(_, bytes)| *bytes >= 1 << 20);
    let held: Vec<String> = held.map(|(part, bytes)| format!("{part} {}", mib(bytes))).collect();
    let rule = largest.filter(|(_, bytes)| *bytes >= 1 << 20).map_or_else(String::new, |one| {
        format!("; of rules `{}` holds most, {}", one.0, mib(one.1))
    });
    format!(
        "`limits.memory` ({}) is used up, nothing is taken until there is room: {}{rule}",
        mib(limit),
        held.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_is_held_elsewhere_takes_the_room_of_what_comes() {
        let parts = Parts { state: 50 * MIB, sinks: 10 * MIB, ..Parts::default() };
        // 32 MiB are for epochs.
        assert_eq!(parts.missing(192 * MIB, 300 * MIB), 0);
        assert_eq!(parts.missing(192 * MIB, 284 * MIB), 0);
        assert_eq!(parts.missing(192 * MIB, 283 * MIB), MIB);
        assert!(parts.missing(192 * MIB, 92 * MIB) >= 192 * MIB);
    }

    #[test]
    fn who_holds_it_is_told() {
        let parts = Parts { state: 50 * MIB, pages: 3 * MIB / 2, alerts: 5, ..Parts::default() };
        let told = full(parts, 224 * MIB, Some(("seen".to_owned(), 40 * MIB)));
        assert_eq!(
            told,
            "`limits.memory` (224.0 MiB) is used up, nothing is taken until there is room: state \
             50.0 MiB, pages 1.5 MiB; of rules `seen` holds most, 40.0 MiB"
        );
    }
}
