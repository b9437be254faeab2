//! The body of a `redact` as written.

use super::{Name, NumberText, StringText};
use crate::text_range::TextRange;

/// A line of a `redact`: `values mask [email, card]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RedactLine {
    /// `keys` or `values`.
    pub(crate) subject: Name,
    /// What is done with them.
    pub(crate) action: Name,
    pub(crate) items: Vec<RedactItem>,
    /// The name in `key secret("…")`.
    pub(crate) secret: Option<StringText>,
    pub(crate) range: TextRange,
}

/// What a line of a `redact` is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RedactItem {
    /// Keys, by a text with wildcards.
    Keys(StringText),
    /// A class of values; `ipv4(keep: 16)`.
    Class { name: Name, keep: Option<(NumberText, TextRange)> },
}
