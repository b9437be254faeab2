//! CSV, its items cut to bounds.
//!
//! Invariant: the columns stay; an attribute beyond a bound is empty, which is what CSV has for one
//! that is not there. There is no place for how many were dropped.

use super::csv::{Field, after_line, put_quoted, put_record, record};
use super::trim::{Bound, Trim};

/// Writes a payload again where a record in it is beyond a bound; says whether one is.
pub(super) fn trim(
    trim: &Trim,
    data: &[u8],
    is_field: &dyn Fn(&[u8]) -> bool,
    out: &mut Vec<u8>,
) -> bool {
    let mut pos = 0;
    let Some(header) = record(data, &mut pos) else { return false };
    let is_attribute: Vec<bool> =
        header.iter().map(|field| !is_field(field.text.trim_ascii())).collect();
    out.extend_from_slice(&data[..pos]);
    let mut is_changed = false;
    while pos < data.len() {
        let start = pos;
        let Some(fields) = record(data, &mut pos) else {
            pos = after_line(data, start);
            out.extend_from_slice(&data[start..pos]);
            continue;
        };
        let mut kept = 0;
        is_changed |= put_record(&fields, &data[start..pos], out, |at, field, out| {
            if is_attribute.get(at) != Some(&true) || field.text.is_empty() {
                out.extend_from_slice(field.raw);
                return false;
            }
            kept += 1;
            if kept > trim.most(Bound::Attributes) {
                trim.add(Bound::Attributes, 1);
                return true;
            }
            put_value(trim, field, out)
        });
    }
    is_changed
}

/// Writes an attribute that stays, cut where it is too long; says whether it was.
fn put_value(trim: &Trim, field: &Field<'_>, out: &mut Vec<u8>) -> bool {
    let cut = if is_number(field.raw) { None } else { trim.cut(&field.text) };
    match cut {
        Some(cut) => put_quoted(cut, out),
        None => out.extend_from_slice(field.raw),
    }
    cut.is_some()
}

/// Whether a field as it stands may be a number: those have no length. What is in quotes is text.
fn is_number(raw: &[u8]) -> bool {
    std::str::from_utf8(raw).is_ok_and(|text| text.parse::<f64>().is_ok())
}
