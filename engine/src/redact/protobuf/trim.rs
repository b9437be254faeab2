//! OTLP in protobuf, its items cut to bounds.
//!
//! A message is walked without writing first; only one that may be beyond a bound is written again.

use super::super::trim::{LISTS_MAX, List, Node, TRACE_STATE, Trim};
use super::{
    ARRAY, BYTES, Broken, ITEMS, KVLIST, Part, Parts, RAW, STRING, VALUE, VARINT, put_varint,
    varint, wrap,
};
use crate::limits::VALUE_DEPTH_MAX;

/// Writes a request again where an item in it is beyond a bound; says whether one is.
pub(in crate::redact) fn trim(trim: &Trim, data: &[u8], node: &Node, out: &mut Vec<u8>) -> bool {
    may_exceed(trim, data, node) && message(trim, data, node, out).unwrap_or(false)
}

fn list_of<'n>(node: &'n Node, part: &Part<'_>) -> Option<(usize, &'n List)> {
    let is_it = |(_, list): &(usize, &List)| list.number == part.number;
    node.lists.iter().enumerate().find(is_it).filter(|_| part.wire_type == BYTES)
}

fn child_of(node: &Node, part: &Part<'_>) -> Option<&'static Node> {
    let child = node.children.iter().find(|(number, ..)| *number == part.number);
    child.filter(|_| part.wire_type == BYTES).map(|(.., child)| *child)
}

fn is_trace_state(node: &Node, part: &Part<'_>) -> bool {
    node.has_trace_state && (part.number, part.wire_type) == (TRACE_STATE, BYTES)
}

/// Whether something in a message may be beyond a bound; `false` is certain.
fn may_exceed(trim: &Trim, data: &[u8], node: &Node) -> bool {
    if trim.is_small(data.len()) {
        return false;
    }
    let (mut counts, mut parts) = ([0; LISTS_MAX], Parts::new(data));
    while let Ok(Some(part)) = parts.next() {
        if let Some((at, list)) = list_of(node, &part) {
            counts[at] += 1;
            let is_beyond = counts[at] > trim.most(list.bound)
                || match list.of {
                    Some(of) => may_exceed(trim, part.value, of),
                    None => trim.length().is_some_and(|most| part.value.len() > most),
                };
            if is_beyond {
                return true;
            }
        } else if let Some(child) = child_of(node, &part) {
            if may_exceed(trim, part.value, child) {
                return true;
            }
        } else if is_trace_state(node, &part) && trim.may_refuse(part.value) {
            return true;
        }
    }
    false
}

/// Writes a message again; says whether anything changed.
fn message(trim: &Trim, data: &[u8], node: &Node, out: &mut Vec<u8>) -> Result<bool, Broken> {
    let (mut kept, mut dropped, mut stated) =
        ([0_u64; LISTS_MAX], [0_u64; LISTS_MAX], [0_u64; LISTS_MAX]);
    let (mut is_changed, mut parts) = (false, Parts::new(data));
    while let Some(part) = parts.next()? {
        if let Some((at, list)) = list_of(node, &part) {
            if kept[at] >= trim.most(list.bound) {
                dropped[at] += 1;
                continue;
            }
            kept[at] += 1;
            is_changed |= inner(&part, out, |out| match list.of {
                Some(of) => message(trim, part.value, of, out),
                None => attribute(trim, part.value, 0, out),
            });
        } else if let Some(child) = child_of(node, &part) {
            is_changed |= inner(&part, out, |out| message(trim, part.value, child, out));
        } else if let Some(at) = dropped_of(node, &part) {
            stated[at] = varint(part.value).map_or(0, |(count, _)| count); // the last one counts
        } else if is_trace_state(node, &part) && trim.refuses(part.value) {
            is_changed = true;
        } else {
            out.extend_from_slice(part.whole);
        }
    }
    for (at, list) in node.lists.iter().enumerate() {
        let count = dropped[at].saturating_add(stated[at]).min(u64::from(u32::MAX));
        if count > 0 {
            put_varint(u64::from(list.dropped_number << 3 | VARINT), out);
            put_varint(count, out);
        }
        if dropped[at] > 0 {
            trim.add(list.bound, dropped[at]);
            is_changed = true;
        }
    }
    Ok(is_changed)
}

fn dropped_of(node: &Node, part: &Part<'_>) -> Option<usize> {
    let at = node.lists.iter().position(|list| list.dropped_number == part.number);
    at.filter(|_| part.wire_type == VARINT)
}

/// Writes a field again by what the callback makes of it; one that cannot be walked stays.
fn inner(
    part: &Part<'_>,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<bool, Broken>,
) -> bool {
    let start = out.len();
    if let Ok(true) = write(out) {
        wrap(part.number, start, out);
        return true;
    }
    out.truncate(start);
    out.extend_from_slice(part.whole);
    false
}

/// Writes the fields of a message again, each by what the callback makes of it.
fn fields(
    data: &[u8],
    out: &mut Vec<u8>,
    mut each: impl FnMut(&Part<'_>, &mut Vec<u8>) -> Result<bool, Broken>,
) -> Result<bool, Broken> {
    let (mut is_changed, mut parts) = (false, Parts::new(data));
    while let Some(part) = parts.next()? {
        is_changed |= inner(&part, out, |out| each(&part, out));
    }
    Ok(is_changed)
}

fn attribute(trim: &Trim, data: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<bool, Broken> {
    if trim.length().is_none_or(|most| data.len() <= most) {
        return Ok(false);
    }
    fields(data, out, |part, out| match (part.number, part.wire_type) {
        (VALUE, BYTES) => value(trim, part.value, depth, out),
        _ => Ok(false),
    })
}

fn value(trim: &Trim, data: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<bool, Broken> {
    if depth >= VALUE_DEPTH_MAX {
        return Err(Broken);
    }
    let is_item = |part: &Part<'_>| (part.number, part.wire_type) == (ITEMS, BYTES);
    fields(data, out, |part, out| {
        let cut = match (part.number, part.wire_type) {
            (STRING, BYTES) => trim.cut(part.value),
            (RAW, BYTES) => trim.cut_bytes(part.value),
            (ARRAY, BYTES) => {
                return fields(part.value, out, |part, out| {
                    if is_item(part) { value(trim, part.value, depth + 1, out) } else { Ok(false) }
                });
            }
            (KVLIST, BYTES) => {
                return fields(part.value, out, |part, out| {
                    let is_item = is_item(part);
                    if is_item { attribute(trim, part.value, depth + 1, out) } else { Ok(false) }
                });
            }
            _ => None,
        };
        out.extend_from_slice(cut.unwrap_or_default());
        Ok(cut.is_some())
    })
}
