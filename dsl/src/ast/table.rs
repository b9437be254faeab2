//! A `table` as written.

use super::{Name, StringText};

/// `csv("owners.csv") key service.name`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableSource {
    /// How the file is written.
    pub(crate) format: Name,
    pub(crate) file: StringText,
    /// What an item looks up, and the columns that it is looked up in; at least one.
    pub(crate) keys: Vec<Name>,
}
