//! What a run may take of the machine: one number for the memory of telemetry on its way in.

use tailwater_engine::limits::MESSAGE_BYTES_MAX;

use super::measure::Bytes;
use super::section::{Section, Setting, Visit};
use super::settings::Intake;

/// Bounds of a run as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) memory: Setting<Option<Bytes>>,
}

impl Section for Bounds {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "Bytes of telemetry that may be held before it is in the log, bodies under way and \
                   frames that wait together: a third for bodies, unless `intake` says otherwise.";
        visit.scalar("memory", doc, &mut self.memory);
    }
}

/// Bytes that bodies under way need at least: one message as it came, and decompressed.
const READING_MIN: u64 = 2 * MESSAGE_BYTES_MAX as u64;

/// Bytes that are needed at least.
pub(super) const MEMORY_MIN: u64 = READING_MIN + MESSAGE_BYTES_MAX as u64;

impl Bounds {
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
