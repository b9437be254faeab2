//! Differences between two versions of rules as JSON lines, version 1.
//!
//! One object a difference: `kind` (`alert`, `row`, `column`, `items`, `rule`), `rule`, `change`
//! (`added`, `removed`, `moved`, `changed`), and by kind `key`, `start`, `end`, `before`, `after`,
//! or how many items. The last object is of kind `summary`: `differences`, `rows_before`,
//! `rows_after`.

use std::fmt::Write as _;

use tailwater_engine::model::render::{time, write_json_text};

use super::difference::{
    AlertDifference, Change, Comparison, ItemDifference, Presence, RowDifference,
};
use super::version::{Firing, Key};
use crate::render::rows::{JSON_VERSION, object};

/// The report, and at its end the totals.
pub(super) fn report(comparison: &Comparison, rows: (usize, usize)) -> String {
    let mut out = String::new();
    comparison.alerts.iter().for_each(|one| alert(one, &mut out));
    comparison.rules.iter().for_each(|one| rows_rule(one, &mut out));
    comparison.items.iter().for_each(|one| items(one, &mut out));
    let _ = writeln!(
        out,
        "{{\"v\":{JSON_VERSION},\"kind\":\"summary\",\"differences\":{},\"rows_before\":{},\
         \"rows_after\":{}}}",
        comparison.count(),
        rows.0,
        rows.1
    );
    out
}

fn alert(alert: &AlertDifference, out: &mut String) {
    rule(&alert.name, alert.presence, out);
    for change in &alert.firings {
        head("alert", &alert.name, word(change, "moved"), out);
        key(&change.place, out);
        firing("before", change.before, out);
        firing("after", change.after, out);
        out.push_str("}\n");
    }
}

/// The columns of a rule that one version has alone, and its rows that differ.
fn rows_rule(one: &RowDifference, out: &mut String) {
    rule(&one.name, one.presence, out);
    let before = one.columns_before.iter().map(|column| (column, "removed"));
    let after = one.columns_after.iter().map(|column| (column, "added"));
    for (column, word) in before.chain(after) {
        head("column", &one.name, word, out);
        out.push_str(",\"column\":");
        write_json_text(column, out);
        out.push_str("}\n");
    }
    for change in &one.rows {
        head("row", &one.name, word(change, "changed"), out);
        let (start_ns, end_ns, group) = &change.place;
        let (start, end) = (time(*start_ns), time(*end_ns));
        let _ = write!(out, ",\"start\":\"{start}\",\"end\":\"{end}\"");
        key(group, out);
        for (member, values) in [("before", &change.before), ("after", &change.after)] {
            if let Some(values) = values {
                let _ = write!(out, ",\"{member}\":");
                object(values.iter().map(|(name, value)| (&**name, value)), out);
            }
        }
        out.push_str("}\n");
    }
}

/// How many items a route or a sampling lets through in one version alone.
fn items(one: &ItemDifference, out: &mut String) {
    rule(&one.name, one.presence, out);
    if one.has_items() {
        head("items", &one.name, "changed", out);
        let _ = write!(out, ",\"items_before\":{},\"items_after\":{}", one.before, one.after);
        let [added, removed, changed] = [one.added, one.removed, one.changed];
        let _ = write!(out, ",\"added\":{added},\"removed\":{removed},\"changed\":{changed}");
        out.push_str("}\n");
    }
}

fn head(kind: &str, rule: &str, change: &str, out: &mut String) {
    let _ = write!(out, "{{\"v\":{JSON_VERSION},\"kind\":\"{kind}\",\"rule\":");
    write_json_text(rule, out);
    let _ = write!(out, ",\"change\":\"{change}\"");
}

/// A rule of one version only is a difference of its own, also if it said nothing.
fn rule(name: &str, presence: Presence, out: &mut String) {
    let change = match presence {
        Presence::Both => return,
        Presence::OnlyBefore => "removed",
        Presence::OnlyAfter => "added",
    };
    head("rule", name, change, out);
    out.push_str("}\n");
}

fn word<P, T>(change: &Change<P, T>, both: &'static str) -> &'static str {
    match (&change.before, &change.after) {
        (Some(_), Some(_)) => both,
        (Some(_), None) => "removed",
        (None, _) => "added",
    }
}

fn key((is_other, key): &Key, out: &mut String) {
    if *is_other {
        out.push_str(",\"other\":true");
    }
    out.push_str(",\"key\":");
    object(key.iter().map(|(name, value)| (&**name, value)), out);
}

fn firing(member: &str, firing: Option<Firing>, out: &mut String) {
    let Some(firing) = firing else { return };
    let _ = write!(out, ",\"{member}\":{{\"fired\":\"{}\",\"resolved\":", time(firing.from_ns));
    match firing.to_ns {
        Some(to_ns) => {
            let _ = write!(out, "\"{}\"}}", time(to_ns));
        }
        None => out.push_str("null}"),
    }
}
