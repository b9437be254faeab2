//! What a run may take of the machine: one number for the memory of telemetry on its way in; and
//! how large an item may be.

use tailwater_engine::limits::MESSAGE_BYTES_MAX;
use tailwater_engine::redact::{Bound, ItemBounds};

use super::measure::Bytes;
use super::scalar::Count;
use super::section::{Section, Setting, Visit};
use super::settings::Intake;

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
        let doc = "Bytes of telemetry that may be held before it is in the log, bodies under way and \
                   frames that wait together: a third for bodies, unless `intake` says otherwise.";
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

/// Bytes that are needed at least.
pub(super) const MEMORY_MIN: u64 = READING_MIN + MESSAGE_BYTES_MAX as u64;

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

    /// Divides the memory between bodies under way and frames that wait. What `intake` says itself
    /// stays as it is.
    pub(super) fn divide(&self, intake: &mut Intake) {
        let Some(Bytes(memory)) = self.memory.value else { return };
        let part = |bytes: u64| Setting { value: Bytes(bytes), origin: self.memory.origin.clone() };
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
