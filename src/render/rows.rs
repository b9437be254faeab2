//! Rows and alert transitions as they leave: JSON lines, CSV, or tables for people.
//!
//! JSON lines are a stable format, version 1. A row: `v`, `rule`, `start`, `end` (RFC 3339),
//! `final`, `key`, `values`; `other: true` marks the groups beyond the limit, `revision` and
//! `retracted` the rows of `results every` and `results changes`. A transition: `v`, `alert`,
//! `time`, `state`, `since`, `key`, `labels`, `annotations`, `evidence` (the row behind it).
//! Durations are whole nanoseconds, sizes bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use tailwater_engine::model::render::{time, write_int, write_json_text, write_time};
use tailwater_engine::model::{Row, RowKind, RuleId, Transition, Value};
use tailwater_engine::plan::{AlertRule, Plan, Rule, RuleKind};

use super::TableStyle;
use super::alerts::Alerts;
use super::table::Tables;
use crate::args::Format;
use crate::output::{Output, WriteFailed};

/// Version of the JSON lines; it grows when a member changes its meaning or goes.
pub(crate) const JSON_VERSION: u32 = 1;

/// One thing that a run says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'a> {
    /// A row.
    Row(&'a Row),
    /// An alert changed its state.
    Transition(&'a Transition),
}

/// Writes rows and transitions in one format.
pub(crate) struct RowWriter {
    plan: Arc<Plan>,
    format: Format,
    tables: Tables,
    alerts: Alerts,
    /// CSV: the rule whose header was written last.
    header: Option<RuleId>,
    line: String,
}

/// The rule whose columns a row has, with its name.
pub(crate) fn rule_of(plan: &Plan, id: RuleId) -> (&str, &Rule) {
    let rule = &plan.rules[id.0 as usize];
    (&rule.name, rule)
}

/// The alert behind a transition, and the rule whose groups it has.
///
/// # Panics
/// If the id is another rule's: transitions are made by alerts.
pub(crate) fn alert(plan: &Plan, id: RuleId) -> (&str, &AlertRule, &Rule) {
    let rule = &plan.rules[id.0 as usize];
    match &rule.kind {
        RuleKind::Alert(alert) => (&rule.name, alert, rule_of(plan, alert.source).1),
        _ => unreachable!("transitions are made by alerts"),
    }
}

impl RowWriter {
    /// A writer for what a plan says.
    pub(crate) fn new(plan: Arc<Plan>, format: Format, style: TableStyle) -> Self {
        let (tables, alerts) = (Tables::new(style), Alerts::new(style));
        Self { plan, format, tables, alerts, header: None, line: String::new() }
    }

    /// Writes something, or gathers it for [`RowWriter::finish`].
    pub(crate) fn write(&mut self, said: Said<'_>, output: &mut Output) -> Result<(), WriteFailed> {
        self.line.clear();
        match (self.format, said) {
            (Format::Text, Said::Row(row)) => self.tables.add(row),
            (Format::Text, Said::Transition(transition)) => self.alerts.add(transition),
            (Format::Jsonl, Said::Row(row)) => self.json_row(row),
            (Format::Jsonl, Said::Transition(transition)) => self.json_transition(transition),
            (Format::Csv, Said::Row(row)) => self.csv_row(row),
            (Format::Csv, Said::Transition(transition)) => self.csv_transition(transition),
        }
        output.text(&self.line)
    }

    /// What was written last, where nothing is gathered: a JSON line with its end.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Writes what was gathered.
    pub(crate) fn finish(&self, output: &mut Output) -> Result<(), WriteFailed> {
        if self.format != Format::Text {
            return Ok(());
        }
        let mut text = String::new();
        self.tables.write(&self.plan, &mut text);
        self.alerts.write(&self.plan, &mut text);
        output.text(&text)
    }

    fn json_row(&mut self, row: &Row) {
        let (name, rule) = rule_of(&self.plan, row.rule);
        let line = &mut self.line;
        let _ = write!(line, "{{\"v\":{JSON_VERSION},\"rule\":");
        write_json_text(name, line);
        json_window(row, line);
        match row.kind {
            RowKind::Final => {}
            RowKind::Revision(number) => {
                let _ = write!(line, ",\"revision\":{number}");
            }
            RowKind::Retraction => line.push_str(",\"retracted\":true"),
        }
        line.push_str(",\"key\":");
        key_object(row.is_other, rule, &row.key, line);
        line.push_str(",\"values\":");
        values_object(rule, row, line);
        line.push_str("}\n");
    }

    fn json_transition(&mut self, transition: &Transition) {
        let (name, alert, source) = alert(&self.plan, transition.rule);
        let line = &mut self.line;
        let _ = write!(line, "{{\"v\":{JSON_VERSION},\"alert\":");
        write_json_text(name, line);
        let _ = write!(line, ",\"time\":\"{}\"", time(transition.decision_ns));
        let _ = write!(line, ",\"state\":\"{}\"", transition.state.word());
        let _ = write!(line, ",\"since\":\"{}\"", time(transition.since_ns));
        if let Some(severity) = &alert.severity {
            line.push_str(",\"severity\":");
            write_json_text(severity, line);
        }
        if transition.is_other {
            line.push_str(",\"other\":true");
        }
        line.push_str(",\"key\":");
        key_object(transition.is_other, source, &transition.key, line);
        for (member, names, values) in [
            ("labels", &alert.labels, &transition.labels),
            ("annotations", &alert.annotations, &transition.annotations),
        ] {
            let _ = write!(line, ",\"{member}\":");
            object(names.iter().map(|(name, _)| &**name).zip(values), line);
        }
        if let Some(row) = &transition.evidence {
            line.push_str(",\"evidence\":{\"rule\":");
            write_json_text(rule_of(&self.plan, row.rule).0, line);
            json_window(row, line);
            line.push_str(",\"values\":");
            values_object(source, row, line);
            line.push('}');
        }
        line.push_str("}\n");
    }

    fn csv_row(&mut self, row: &Row) {
        let (name, rule) = rule_of(&self.plan, row.rule);
        let line = &mut self.line;
        if self.header != Some(row.rule) {
            self.header = Some(row.rule);
            let values = rule.value_names().into_iter();
            csv_header("rule,start,end,kind,other", rule.key_names().iter().chain(values), line);
        }
        csv_field(name, line);
        for time_ns in [row.start_ns, row.end_ns] {
            line.push(',');
            write_time(time_ns, line);
        }
        match row.kind {
            RowKind::Final => line.push_str(",final"),
            RowKind::Revision(number) => {
                let _ = write!(line, ",revision {number}");
            }
            RowKind::Retraction => line.push_str(",retraction"),
        }
        line.push_str(if row.is_other { ",true" } else { ",false" });
        csv_values(row.key.iter().chain(&row.values), line);
    }

    fn csv_transition(&mut self, transition: &Transition) {
        let (name, alert, source) = alert(&self.plan, transition.rule);
        let line = &mut self.line;
        if self.header != Some(transition.rule) {
            self.header = Some(transition.rule);
            let names = alert.labels.iter().chain(&alert.annotations).map(|(name, _)| name);
            let names = source.key_names().iter().chain(names);
            csv_header("alert,time,state,since,severity,other", names, line);
        }
        csv_field(name, line);
        let (at, since) = (time(transition.decision_ns), time(transition.since_ns));
        let _ = write!(line, ",{at},{},{since},", transition.state.word());
        csv_field(alert.severity.as_deref().unwrap_or_default(), line);
        let _ = write!(line, ",{}", transition.is_other);
        let texts = transition.labels.iter().chain(&transition.annotations);
        csv_values(transition.key.iter().chain(texts), line);
    }
}

/// The members that say which window a row is of.
pub(super) fn json_window(row: &Row, line: &mut String) {
    line.push_str(",\"start\":\"");
    write_time(row.start_ns, line);
    line.push_str("\",\"end\":\"");
    write_time(row.end_ns, line);
    let is_final = row.kind == RowKind::Final;
    line.push_str(if is_final { "\",\"final\":true" } else { "\",\"final\":false" });
    if row.is_other {
        line.push_str(",\"other\":true");
    }
}

/// The key; of the groups beyond the limit there is none.
pub(super) fn key_object(is_other: bool, rule: &Rule, key: &[Value], line: &mut String) {
    let key = if is_other { &[] } else { key };
    object(rule.key_names().iter().map(|name| &**name).zip(key), line);
}

/// The selected values.
pub(super) fn values_object(rule: &Rule, row: &Row, line: &mut String) {
    object(rule.value_names().into_iter().map(|name| &**name).zip(&row.values), line);
}

/// Named values as a JSON object.
pub(crate) fn object<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>, line: &mut String) {
    line.push('{');
    for (index, (name, value)) in entries.enumerate() {
        if index > 0 {
            line.push(',');
        }
        write_json_text(name, line);
        line.push(':');
        value.write_json(line);
    }
    line.push('}');
}

fn csv_header<'a>(fixed: &str, names: impl Iterator<Item = &'a Arc<str>>, line: &mut String) {
    line.push_str(fixed);
    for name in names {
        line.push(',');
        csv_field(name, line);
    }
    line.push('\n');
}

/// Values as numbers in their base units, so that a spreadsheet can compute with them.
fn csv_values<'a>(values: impl Iterator<Item = &'a Value>, line: &mut String) {
    for value in values {
        line.push(',');
        match value {
            Value::Null => {}
            Value::Str(text) => csv_field(text, line),
            Value::Duration(number) | Value::Size(number) => write_int(*number, line),
            Value::Bytes(_) | Value::Time(_) | Value::Int(_) => value.write_plain(line),
            Value::Float(number) | Value::Ratio(number) => {
                let _ = write!(line, "{number}");
            }
            other => csv_field(&other.to_string(), line),
        }
    }
    line.push('\n');
}

/// A field by RFC 4180: quoted where it holds a comma, a quote or a line end.
fn csv_field(text: &str, line: &mut String) {
    if text.contains([',', '"', '\n', '\r']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}
