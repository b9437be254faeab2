//! What is taken out of telemetry before any rule sees it.

/// A `redact`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redact {
    /// Keys that leave, with wildcards.
    pub deny: Vec<String>,
    /// Where not empty, the only keys that stay.
    pub allow: Vec<String>,
    /// Keys whose whole values are replaced.
    pub keys: Vec<(String, RedactAction)>,
    /// Classes of text; each at most once.
    pub classes: Vec<RedactClass>,
    /// Name of the secret that hashes are keyed with.
    pub secret: Option<String>,
}

/// What is done with a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactClass {
    /// Its name in the catalogue.
    pub name: String,
    /// What becomes of what was found.
    pub action: RedactAction,
    /// Leading bits of an address that stay; `None` where nothing was said.
    pub keep_bits: Option<u8>,
}

/// What becomes of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedactAction {
    /// Replaced by a mark.
    Mask,
    /// The whole value leaves.
    Drop,
    /// Replaced by a keyed hash.
    Hash,
}
