//! Flat rows: plain NDJSON and CSV, by a mapping from columns to fields and attributes.
//!
//! Invariant: a column is either a field by the mapping or an attribute under its own name. An
//! attribute of a flat row is found as the item's own and as the resource's, because a flat row
//! does not say which it is.

mod csv;
mod mapping;
mod ndjson;
mod row;
mod severity;
mod target;
mod time;

pub(super) use csv::decode as decode_csv;
pub(super) use csv::header_names;
pub(crate) use mapping::{Column, Columns};
pub(super) use mapping::{by_common_names, field_columns, known_columns, signal_of_names};
pub(super) use ndjson::{decode as decode_ndjson, next_line, object};
pub(super) use row::{Row, member_of};
pub(super) use target::{FlatSource, Meaning};
pub(super) use time::Unit;
