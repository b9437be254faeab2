//! Differences between two versions of rules, for people.

use std::fmt::Write as _;
use std::sync::Arc;

use tailwater_engine::model::render::time;

use super::difference::{
    AlertDifference, Change, Comparison, ItemDifference, Presence, RowDifference, Values,
};
use super::version::{Firing, Key, Place};
use crate::args::General;
use crate::terminal::Style;

/// Differences of one rule that are listed without `-v`.
const DIFFERENCES_SHOWN_MAX: usize = 20;

/// The report: alerts first, as they are what people are woken by.
pub(super) fn report(comparison: &Comparison, general: General) -> String {
    let (mut text, is_colored) = (String::new(), general.colors.on_stdout);
    let at_most = if general.is_verbose { usize::MAX } else { DIFFERENCES_SHOWN_MAX };
    let report = Report { is_colored, at_most };
    for alert in &comparison.alerts {
        report.alert(alert, &mut text);
    }
    for rule in &comparison.rules {
        report.rule(rule, &mut text);
    }
    for rule in &comparison.items {
        report.items(rule, &mut text);
    }
    text
}

struct Report {
    is_colored: bool,
    at_most: usize,
}

impl Report {
    fn alert(&self, alert: &AlertDifference, text: &mut String) {
        let count = counts(&alert.firings, "moved");
        self.title(&alert.name, "alert", alert.presence, &count, text);
        let lines = alert.firings.iter().map(firing_line);
        self.lines(alert.firings.len(), lines, text);
    }

    fn rule(&self, rule: &RowDifference, text: &mut String) {
        let count = counts(&rule.rows, "changed");
        self.title(&rule.name, "rows", rule.presence, &count, text);
        for (sign, style, columns) in
            [('-', Style::Red, &rule.columns_before), ('+', Style::Green, &rule.columns_after)]
        {
            for column in columns {
                let line = style.paint(&format!("{sign} column {column}"), self.is_colored);
                let _ = writeln!(text, "  {line}");
            }
        }
        self.lines(rule.rows.len(), rule.rows.iter().map(row_line), text);
    }

    fn items(&self, rule: &ItemDifference, text: &mut String) {
        let ItemDifference { added, removed, changed, before, after, .. } = rule;
        let count = format!(
            "{added} items added, {removed} removed, {changed} changed; {before} before, {after} after"
        );
        self.title(&rule.name, "telemetry", rule.presence, &count, text);
    }

    fn title(&self, name: &str, what: &str, presence: Presence, count: &str, text: &mut String) {
        let only = match presence {
            Presence::Both => "",
            Presence::OnlyBefore => ", only before",
            Presence::OnlyAfter => ", only after",
        };
        let name = Style::Bold.paint(name, self.is_colored);
        let _ = writeln!(text, "{name} ({what}{only}): {count}");
    }

    fn lines(&self, count: usize, lines: impl Iterator<Item = (Style, String)>, text: &mut String) {
        for (style, line) in lines.take(self.at_most) {
            let _ = writeln!(text, "  {}", style.paint(&line, self.is_colored));
        }
        if count > self.at_most {
            let _ = writeln!(text, "  … {} more: `-v` lists all", count - self.at_most);
        }
    }
}

fn counts<P, T>(changes: &[Change<P, T>], both: &str) -> String {
    let added = changes.iter().filter(|change| change.before.is_none()).count();
    let removed = changes.iter().filter(|change| change.after.is_none()).count();
    let other = changes.len() - added - removed;
    format!("{added} added, {removed} removed, {other} {both}")
}

fn firing_line(change: &Change<Key, Firing>) -> (Style, String) {
    let key = key_text(&change.place);
    match (&change.before, &change.after) {
        (Some(was), Some(is)) => {
            (Style::Yellow, format!("~ {}, was {}  {key}", period(is), period(was)))
        }
        (Some(was), None) => (Style::Red, format!("- {}  {key}", period(was))),
        (None, Some(is)) => (Style::Green, format!("+ {}  {key}", period(is))),
        (None, None) => (Style::Dim, key),
    }
}

/// From when to when it fired.
fn period(firing: &Firing) -> String {
    let to = firing.to_ns.map_or_else(|| "the end".to_owned(), time);
    format!("{} to {to}", time(firing.from_ns))
}

fn row_line(change: &Change<Place, Values>) -> (Style, String) {
    let (start_ns, end_ns, key) = &change.place;
    let title = format!("{} to {}  {}", time(*start_ns), time(*end_ns), key_text(key));
    match (&change.before, &change.after) {
        (Some(was), Some(is)) => {
            let pairs = was.iter().zip(is);
            let values: Vec<String> =
                pairs.map(|((name, was), (_, is))| format!("{name} {was} → {is}")).collect();
            (Style::Yellow, format!("~ {title}  {}", values.join(", ")))
        }
        (Some(was), None) => (Style::Red, format!("- {title}  {}", pairs(was))),
        (None, Some(is)) => (Style::Green, format!("+ {title}  {}", pairs(is))),
        (None, None) => (Style::Dim, title),
    }
}

fn key_text((is_other, key): &Key) -> String {
    if *is_other { "(other)".to_owned() } else { pairs(key) }
}

fn pairs(values: &[(Arc<str>, tailwater_engine::model::Value)]) -> String {
    let pairs: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(" ")
}
