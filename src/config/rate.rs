//! How much a listener takes a second.

use std::time::Duration;

use tailwater_engine::ingest::listen::{Rate, RateLimits};

use super::measure::Bytes;
use super::scalar::Count;
use super::section::{Section, Setting, Visit};

/// The rates of a listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates {
    pub(crate) all: RateOf,
    pub(crate) sender: RateOf,
}

impl Rates {
    /// As a listener takes them.
    pub(crate) fn to_engine(&self) -> RateLimits {
        RateLimits { all: self.all.to_engine(), sender: self.sender.to_engine() }
    }
}

/// Two fields of a listener, not a part of their own.
impl Section for Rates {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "What is taken of all senders together; more is told to come back later.";
        visit.section("rate", doc, &mut self.all);
        let doc = "What is taken of each sender: a peer address, or a connection of this machine.";
        visit.section("sender_rate", doc, &mut self.sender);
    }
}

/// A rate.
#[derive(Debug, Clone)]
pub(crate) struct RateOf {
    pub(crate) items_per_second: Setting<Option<Count>>,
    pub(crate) bytes_per_second: Setting<Option<Bytes>>,
    pub(crate) burst: Setting<Duration>,
}

impl Default for RateOf {
    fn default() -> Self {
        Self {
            items_per_second: Setting::default(),
            bytes_per_second: Setting::default(),
            burst: Setting::new(Rate::default().burst),
        }
    }
}

impl RateOf {
    fn to_engine(&self) -> Rate {
        Rate {
            items_per_s: self.items_per_second.value.map(|count| count.0),
            bytes_per_s: self.bytes_per_second.value.map(|bytes| bytes.0),
            burst: self.burst.value,
        }
    }
}

impl Section for RateOf {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "Spans, log records, metric points or lines a second; any number if left out.";
        visit.scalar("items_per_second", doc, &mut self.items_per_second);
        let doc = "Bytes a second, after decompression; any number if left out.";
        visit.scalar("bytes_per_second", doc, &mut self.bytes_per_second);
        let doc = "What may come at once: as much as comes in this time at that rate.";
        visit.scalar("burst", doc, &mut self.burst);
    }
}
