//! Items that leave, as lines of OTLP/JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tailwater_engine::model::EmittedItem;
use tailwater_engine::sink::otlp::{Encoding, item_requests};

/// Items of one line, at most.
const LINE_ITEMS_MAX: usize = 500;

/// An item as a line with its newline; `None` where JSON has no form for it.
pub(crate) fn item_line(item: &EmittedItem) -> Option<String> {
    let mut line = Vec::new();
    write_items(std::slice::from_ref(item), &mut line).ok()?;
    if line.is_empty() { None } else { String::from_utf8(line).ok() }
}

/// Writes items as lines, one request each: those of a rule together, in their order. What JSON
/// has no form for is left out; how many those are.
pub(crate) fn write_items(items: &[EmittedItem], out: &mut impl Write) -> io::Result<u64> {
    let mut by_rule: BTreeMap<_, Vec<&EmittedItem>> = BTreeMap::new();
    items.iter().for_each(|item| by_rule.entry(item.rule).or_default().push(item));
    let mut left_out = 0;
    for chunk in by_rule.values().flat_map(|items| items.chunks(LINE_ITEMS_MAX)) {
        for request in item_requests(Encoding::Json, chunk) {
            left_out += request.left_out as u64;
            if request.items > 0 {
                out.write_all(&request.body)?;
                out.write_all(b"\n")?;
            }
        }
    }
    Ok(left_out)
}
