//! CSV, its items cut to bounds.
//!
//! Invariant: the columns stay; an attribute beyond a bound is empty, which is what CSV has for one
//! that is not there. There is no place for how many were dropped.

use super::csv::{after_line, put_quoted, record};
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
        let (mark, mut kept, mut has_changed) = (out.len(), 0, false);
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            let is_bounded = is_attribute.get(at) == Some(&true) && !field.text.is_empty();
            kept += u64::from(is_bounded);
            if is_bounded && kept > trim.most(Bound::Attributes) {
                trim.add(Bound::Attributes, 1);
                has_changed = true;
            } else if is_bounded
                && !is_number(field.raw)
                && let Some(cut) = trim.cut(&field.text)
            {
                put_quoted(cut, out);
                has_changed = true;
            } else {
                out.extend_from_slice(field.raw);
            }
        }
        if has_changed {
            out.push(b'\n');
            is_changed = true;
        } else {
            out.truncate(mark);
            out.extend_from_slice(&data[start..pos]);
        }
    }
    is_changed
}

/// Whether a field as it stands may be a number: those have no length. What is in quotes is text.
fn is_number(raw: &[u8]) -> bool {
    std::str::from_utf8(raw).is_ok_and(|text| text.parse::<f64>().is_ok())
}
