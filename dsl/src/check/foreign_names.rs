//! Names that other systems have for fields: read as attributes they would be null for ever,
//! without a word.
//!
//! It knows names and no items.

use super::Checker;
use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, FieldRef};
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

/// Functions of other systems, in small letters, and what is written here.
const FUNCTIONS: [(&str, &str); 20] = [
    ("histogram_quantile", "`p95(value)` of points of a histogram merges their buckets"),
    ("sum_over_time", "`sum(value)`: the time is the window's, behind `over`"),
    ("avg_over_time", "`avg(value)`: the time is the window's, behind `over`"),
    ("max_over_time", "`max(value)`: the time is the window's, behind `over`"),
    ("min_over_time", "`min(value)`: the time is the window's, behind `over`"),
    ("irate", "`rate(value)` is per second, over the window"),
    ("ismatch", "`name matches r\"^GET\"`"),
    ("percentiles", "say one by one: `p50(duration), p95(duration)`"),
    ("countif", "`count() where status == error`"),
    ("count_if", "`count() where status == error`"),
    ("sumif", "`sum(x) where status == error`"),
    ("bin", "windows stand in `over tumbling(5m)`"),
    ("time_bucket", "windows stand in `over tumbling(5m)`"),
    ("date_trunc", "windows stand in `over tumbling(5m)`"),
    (
        "now",
        "rules see no clock, so that a replay says the same; an item's time is `time` or `end`",
    ),
    ("current_timestamp", "rules see no clock, so that a replay says the same"),
    ("isnull", "`x == null`"),
    ("isnotnull", "`x != null`"),
    ("ifnull", "`a ?? b` is `a`, or `b` where `a` is null"),
    ("nvl", "`a ?? b` is `a`, or `b` where `a` is null"),
];

/// What to write instead of a function of another system.
pub(super) fn foreign_function(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|known| known.0.eq_ignore_ascii_case(name)).map(|known| known.1)
}

/// How other systems say whose attribute it is, in front of its key.
const OWNERS: [(&str, &str); 7] = [
    ("resource.attributes", "resource"),
    ("span.attributes", "item"),
    ("log.attributes", "item"),
    ("scope.attributes", "scope"),
    ("attributes", "attr"),
    ("resource", "resource"),
    ("span", "item"),
];

/// What is read by `resource["…"]` and the like, where a path of another system means that.
fn owned(path: &str) -> Option<(&'static str, &str)> {
    if OWNERS.iter().any(|owner| owner.0 == path) {
        return None; // told where it is indexed
    }
    OWNERS.iter().find_map(|(owner, here)| {
        let key = path.strip_prefix(owner)?.strip_prefix('.')?;
        Some((*here, key))
    })
}

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
    pub(super) fn lint_foreign_name(
        &mut self,
        (prefix, path): (&str, &str),
        range: TextRange,
        fields: &[String],
    ) {
        let is_field = |field: &str| field == SERVICE || fields.iter().any(|known| known == field);
        let known = FOREIGN.iter().find(|(foreign, field)| *foreign == path && is_field(field));
        let Some((_, field)) = known else { return self.lint_owned((prefix, path), range) };
        let message =
            format!("`{prefix}{path}` is no field, and read as an attribute of that name");
        let written = format!("{prefix}{field}");
        let whole = format!("{prefix}attr[\"{path}\"]");
        self.report(
            Diagnostic::new(codes::FOREIGN_NAME, range, message)
                .label("null where an item has no such attribute")
                .note(format!("the field is `{field}`"))
                .help(format!("write `{written}`, or `{whole}` if the attribute is meant"))
                .guess(range, written),
        );
    }

    /// Warns of `resource.service.name`, `attributes.http.route`, `span.http.route`.
    fn lint_owned(&mut self, (prefix, path): (&str, &str), range: TextRange) {
        let Some((here, key)) = owned(path) else { return };
        let message = format!("`{prefix}{path}` is read as an attribute of that whole name");
        let written = match here {
            "resource" => format!("{prefix}resource[\"{key}\"]"),
            _ => format!("{prefix}{key}"),
        };
        let whole = format!("{prefix}attr[\"{path}\"]");
        self.report(
            Diagnostic::new(codes::FOREIGN_NAME, range, message)
                .label("null where an item has no such attribute")
                .note(format!("an attribute `{key}` is read by its key alone, wherever it stands"))
                .help(format!("write `{written}`, or `{whole}` if it is really called so"))
                .guess(range, written),
        );
    }

    /// Warns of `attributes["http.route"]`.
    pub(super) fn lint_owner(&mut self, path: &str, range: TextRange) {
        let Some((_, here)) = OWNERS.iter().find(|owner| owner.0 == path) else { return };
        let message = format!("`{path}` is read as an attribute of that name");
        self.report(
            Diagnostic::new(codes::FOREIGN_NAME, range, message)
                .label("null where an item has no such attribute")
                .help(format!("attributes are read by `{here}[\"…\"]`"))
                .guess(range, *here),
        );
    }

    /// Warns of a filter that reads attributes of the names that columns get behind it.
    pub(super) fn lint_named_later(
        &mut self,
        filter: Option<&Expr>,
        later: &[ast::Binding],
        clause: &str,
    ) {
        let mut read: Vec<(String, TextRange)> = Vec::new();
        if let Some(filter) = filter {
            filter.walk(&mut |expr| match &expr.kind {
                // `attr["n"]` is longer than its key.
                ExprKind::Field(FieldRef::Attribute { key, .. })
                    if expr.range.bytes().len() == key.len() =>
                {
                    read.push((key.clone(), expr.range));
                }
                _ => {}
            });
        }
        for (key, range) in read {
            let named = |binding: &&ast::Binding| match (&binding.name, &binding.value.kind) {
                (Some(name), _) => name.text == key,
                (None, ast::ExprKind::Call(call)) => call.name.text == key,
                _ => false,
            };
            // `set { route: route ?? "(none)" }` is made of that attribute.
            let made =
                later.iter().find(named).filter(|made| !made.value.paths().any(|path| path == key));
            let Some(made) = made else { continue };
            let help = match clause {
                "select" => "write `having …` for columns of `select`",
                _ => "let another stream read this one, with this condition",
            };
            let message =
                format!("`{key}` is read as an attribute: `where` stands before `{clause}`");
            self.report(
                Diagnostic::new(codes::FOREIGN_NAME, range, message)
                    .because(made.range, "is not known to `where`")
                    .help(format!("{help}, or `attr[\"{key}\"]` if the attribute is meant")),
            );
        }
    }
}
