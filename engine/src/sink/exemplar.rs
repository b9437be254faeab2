//! Items that stand for a row: what `exemplar()` gives, found among a row's values.

use crate::model::{EXEMPLAR_MARK, Row, Value};

/// An item that stands for a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: Option<[u8; 8]>,
    /// Durations in seconds; 1, a count of itself, where it stands for no value.
    pub(super) value: f64,
    /// Whether it stands for a value, and so for a bucket of a distribution.
    pub(super) has_value: bool,
    pub(super) time_ns: i64,
    /// Whether it is not known yet that its trace is kept.
    pub(super) is_open: bool,
}

/// The exemplars of a row: the first value that is a list of maps with a `trace_id`, without those
/// whose trace was dropped.
pub(super) fn exemplars(row: &Row) -> Vec<Exemplar> {
    let lists = row.values.iter().filter_map(|value| match value {
        Value::List(items) => Some(items.iter().filter_map(exemplar).collect::<Vec<_>>()),
        _ => None,
    });
    lists.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
}

/// Those that stand for a value.
pub(super) fn valued(exemplars: &[Exemplar]) -> Vec<Exemplar> {
    exemplars.iter().filter(|one| one.has_value).copied().collect()
}

fn exemplar(item: &Value) -> Option<Exemplar> {
    let Value::Map(entries) = item else { return None };
    let member = |name: &str| {
        entries.iter().find(|(key, _)| **key == *name).map_or(&Value::Null, |(_, value)| value)
    };
    let Value::Time(time_ns) = member("time") else { return None };
    let value = match member("value") {
        Value::Null => None,
        Value::Duration(ns) => Some(*ns as f64 / 1e9),
        value => Some(value.as_f64()?),
    };
    let mark = match member(EXEMPLAR_MARK) {
        Value::Str(mark) => &**mark,
        _ => "",
    };
    if mark == "dropped" {
        return None;
    }
    Some(Exemplar {
        is_open: mark == "open",
        trace_id: id(member("trace_id"))?,
        span_id: id(member("span_id")),
        value: value.unwrap_or(1.0),
        has_value: value.is_some(),
        time_ns: *time_ns,
    })
}

/// An id as bytes, or as their hex digits.
fn id<const BYTES: usize>(value: &Value) -> Option<[u8; BYTES]> {
    match value {
        Value::Bytes(bytes) => (**bytes).try_into().ok(),
        Value::Str(text) if text.len() == BYTES * 2 => {
            let mut id = [0; BYTES];
            for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                let digit = |at: usize| char::from(digits[at]).to_digit(16);
                *byte = (digit(0)? << 4 | digit(1)?) as u8;
            }
            Some(id)
        }
        _ => None,
    }
}

/// An id as text.
pub(super) fn hex(id: &[u8]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::with_capacity(id.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
