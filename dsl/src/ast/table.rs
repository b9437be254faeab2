//! A `table` as written.

use super::{Name, StringText};

/// `csv("owners.csv") key service.name`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableSource {
    /// How the file is written.
    pub(crate) format: Name,
    pub(crate) file: StringText,
    /// What an item looks up, and the column that it is looked up in.
    pub(crate) key: Name,
}
