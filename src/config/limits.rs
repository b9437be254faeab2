//! What a run may take of the machine: one number for the memory of what waits, from the sockets
//! to the sinks; and how large an item may be.

use std::collections::BTreeMap;

use tailwater_engine::limits::{BYTES_IN_FLIGHT_MAX, MESSAGE_BYTES_MAX};
use tailwater_engine::redact::{Bound, ItemBounds};

use super::measure::Bytes;
use super::scalar::Count;
use super::section::{Named, Section, Setting, Visit};
use super::settings::Intake;
use super::sinks::Sink;

/// Bounds of a run as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) memory: Setting<Option<Bytes>>,
    pub(crate) attributes: Setting<Option<Count>>,
    pub(crate) attribute_length: Setting<Option<Count>>,
    pub(crate) events: Setting<Option<Count>>,
    pub(crate) event_attributes: Setting<Option<Count>>,
    pub(crate) links: Setting<Option<Count>>,
    pub(crate) link_attributes: Setting<Option<Count>>,
    pub(crate) check_tracestate: Setting<bool>,
}

impl Section for Bounds {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "Bytes that may wait: bodies under way, frames, epochs and what sinks hold, together. \
                   A quarter is for sinks, of the rest a third for bodies, unless they say otherwise.";
        visit.scalar("memory", doc, &mut self.memory);
        let doc = "Attributes of a span or log record; further ones are dropped and counted in it.";
        visit.scalar("attributes", doc, &mut self.attributes);
        let doc = "Characters of a text in the value of an attribute; longer ones are cut.";
        visit.scalar("attribute_length", doc, &mut self.attribute_length);
        let doc = "Events of a span; further ones are dropped and counted in it.";
        visit.scalar("events", doc, &mut self.events);
        let doc = "Attributes of an event of a span.";
        visit.scalar("event_attributes", doc, &mut self.event_attributes);
        let doc = "Links of a span; further ones are dropped and counted in it.";
        visit.scalar("links", doc, &mut self.links);
        visit.scalar("link_attributes", "Attributes of a link.", &mut self.link_attributes);
        let doc = "Leave out tracestates of spans and links that break the rules of W3C.";
        visit.scalar("check_tracestate", doc, &mut self.check_tracestate);
    }
}

/// Bytes that bodies under way need at least: one message as it came, and decompressed.
const READING_MIN: u64 = 2 * MESSAGE_BYTES_MAX as u64;

/// Payload bytes of epochs under way.
const EPOCHS: u64 = BYTES_IN_FLIGHT_MAX as u64;

/// Bytes that are needed at least beside what sinks hold.
const BEFORE_SINKS_MIN: u64 = READING_MIN + MESSAGE_BYTES_MAX as u64 + EPOCHS;

/// Bytes that a sink's queue gets at least.
const QUEUE_MIN: u64 = 1 << 20;

/// Bytes that are needed at least by a run with these sinks.
pub(super) fn memory_min(sinks: &BTreeMap<String, Named<Sink>>) -> u64 {
    let (said, unsaid) = queues(sinks);
    BEFORE_SINKS_MIN + said + unsaid * QUEUE_MIN
}

/// What may be held beside bodies under way and frames that wait.
pub(super) fn held_elsewhere(sinks: &BTreeMap<String, Named<Sink>>) -> u64 {
    let held = |named: &Named<Sink>| {
        let queues = named.part.queues()?;
        Some(queues.0.saturating_mul(queues.1.value.0))
    };
    sinks.values().filter_map(held).fold(EPOCHS, u64::saturating_add)
}

/// Bytes of queues that say how many they hold, and the number of the others.
fn queues(sinks: &BTreeMap<String, Named<Sink>>) -> (u64, u64) {
    let all = sinks.values().filter_map(|named| named.part.queues());
    all.fold((0, 0), |(said, unsaid), (count, bytes)| {
        if bytes.is_said() {
            (count.saturating_mul(bytes.value.0).saturating_add(said), unsaid)
        } else {
            (said, unsaid + count)
        }
    })
}

impl Bounds {
    /// How large an item may be.
    pub(crate) fn of_items(&self) -> ItemBounds {
        let set = [
            (Bound::Attributes, &self.attributes),
            (Bound::AttributeLength, &self.attribute_length),
            (Bound::Events, &self.events),
            (Bound::EventAttributes, &self.event_attributes),
            (Bound::Links, &self.links),
            (Bound::LinkAttributes, &self.link_attributes),
        ];
        let most = |of: &Setting<Option<Count>>| of.value.map(|count| count.0 as u32);
        let checks_trace_state = self.check_tracestate.value;
        let first = ItemBounds::default().checking_trace_state(checks_trace_state);
        set.iter().fold(first, |bounds, (bound, of)| bounds.with(*bound, most(of)))
    }

    /// Divides the memory between sinks, bodies under way and frames that wait. What they say
    /// themselves stays as it is.
    pub(super) fn divide(&self, intake: &mut Intake, sinks: &mut BTreeMap<String, Named<Sink>>) {
        let Some(Bytes(whole)) = self.memory.value else { return };
        if whole < memory_min(sinks) {
            return; // a mistake, which is told
        }
        let part = |bytes: u64| Setting { value: Bytes(bytes), origin: self.memory.origin.clone() };
        let (said, unsaid) = queues(sinks);
        let left = whole.saturating_sub(BEFORE_SINKS_MIN).saturating_sub(said);
        let each = (whole / 4).min(left) / unsaid.max(1);
        for (_, bytes) in sinks.values_mut().filter_map(|named| named.part.queues_mut()) {
            if !bytes.is_said() {
                *bytes = part(each.min(bytes.value.0));
            }
        }
        let memory = whole.saturating_sub(held_elsewhere(sinks));
        match (intake.reading_bytes.is_said(), intake.bytes.is_said()) {
            (true, true) => {}
            (true, false) => {
                intake.bytes = part(memory.saturating_sub(intake.reading_bytes.value.0));
            }
            (false, true) => {
                intake.reading_bytes = part(memory.saturating_sub(intake.bytes.value.0));
            }
            (false, false) => {
                let reading = (memory / 3).max(READING_MIN);
                intake.reading_bytes = part(reading);
                intake.bytes = part(memory.saturating_sub(reading));
            }
        }
    }
}
