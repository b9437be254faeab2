//! What becomes of the traces that rows name as exemplars.

use serde::{Deserialize, Serialize};

/// The verdict on a trace that a row has named as an exemplar before it was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExemplarVerdict {
    /// The trace.
    pub trace_id: [u8; 16],
    /// Whether it is kept.
    pub is_kept: bool,
}

/// The member of an exemplar that says what became of its trace, where rules sample traces:
/// `kept`, `dropped` or `open`.
pub const EXEMPLAR_MARK: &str = "sampled";
