//! Names that other systems have for fields: read as attributes they would be null for ever,
//! without a word.
//!
//! It knows names and no items.

use super::Checker;
use crate::diagnostic::{Diagnostic, codes};
use crate::text_range::TextRange;

/// An attribute that every source with attributes is likely to have, and that is often misspelt.
const SERVICE: &str = "service.name";

/// What other systems call a field; a source may also have an attribute of that name.
const FOREIGN: [(&str, &str); 26] = [
    ("service", SERVICE),
    ("operation", "name"),
    ("operation_name", "name"),
    ("span_name", "name"),
    ("span.name", "name"),
    ("span_kind", "kind"),
    ("span.kind", "kind"),
    ("status_code", "status"),
    ("status.code", "status"),
    ("latency", "duration"),
    ("elapsed", "duration"),
    ("parent_span_id", "parent.id"),
    ("parentSpanId", "parent.id"),
    ("start_time", "start"),
    ("startTime", "start"),
    ("end_time", "end"),
    ("endTime", "end"),
    ("timestamp", "start"),
    ("timestamp", "time"),
    ("level", "severity"),
    ("loglevel", "severity"),
    ("log.level", "severity"),
    ("message", "body"),
    ("msg", "body"),
    ("metric_name", "name"),
    ("__name__", "name"),
];

/// The candidate that is the same words, joined or written in another way: `trace_id` and
/// `traceId` for `trace.id`.
pub(super) fn spelt_otherwise<'a>(name: &str, candidates: &'a [String]) -> Option<&'a str> {
    let letters = |name: &str| -> Vec<u8> {
        let kept = name.bytes().filter(|byte| !matches!(byte, b'.' | b'_'));
        kept.map(|byte| byte.to_ascii_lowercase()).collect()
    };
    let wanted = letters(name);
    let known = candidates.iter().map(String::as_str).chain([SERVICE]);
    known.into_iter().find(|known| *known != name && letters(known) == wanted)
}

impl Checker<'_> {
    /// Warns of an attribute whose name other systems have for a field of the source.
    pub(super) fn lint_foreign_name(&mut self, path: &str, range: TextRange, fields: &[String]) {
        let is_field = |field: &str| field == SERVICE || fields.iter().any(|known| known == field);
        let known = FOREIGN.iter().find(|(foreign, field)| *foreign == path && is_field(field));
        let Some((_, field)) = known else { return };
        let message = format!("`{path}` is no field, and read as an attribute of that name");
        self.report(
            Diagnostic::new(codes::FOREIGN_NAME, range, message)
                .label("null where an item has no such attribute")
                .note(format!("the field is `{field}`"))
                .help(format!("write `{field}`, or `attr[\"{path}\"]` if the attribute is meant"))
                .guess(range, *field),
        );
    }
}
