//! Rows as they leave: JSON lines, CSV, or tables for people.
//!
//! JSON lines are a stable format, version 1: `rule`, `start`, `end` (RFC 3339), `final`, `key`,
//! `values`; `other: true` marks the groups beyond the limit. Durations are nanoseconds.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use tailwater_engine::model::render::{time, write_json_text};
use tailwater_engine::model::{Row, RowKind, RuleId, Value};
use tailwater_engine::plan::{AggregateRule, Plan, RuleKind};

use super::table::Tables;
use crate::args::Format;

/// Writes rows in one format.
pub struct RowWriter {
    plan: Arc<Plan>,
    format: Format,
    tables: Tables,
    /// CSV: the rule whose header was written last.
    header: Option<RuleId>,
    line: String,
}

/// The rule behind a row: its name and its columns.
pub(super) fn rule(plan: &Plan, id: RuleId) -> (&str, &AggregateRule) {
    let rule = &plan.rules[id.0 as usize];
    let RuleKind::Aggregate(aggregate) = &rule.kind;
    (&rule.name, aggregate)
}

impl RowWriter {
    /// A writer for the rows of a plan.
    pub fn new(plan: Arc<Plan>, format: Format) -> Self {
        Self { plan, format, tables: Tables::default(), header: None, line: String::new() }
    }

    /// Writes rows, or gathers them for [`RowWriter::finish`].
    pub fn write(&mut self, rows: &[Row], out: &mut impl Write) -> io::Result<()> {
        for row in rows {
            self.line.clear();
            match self.format {
                Format::Text => {
                    self.tables.add(&self.plan, row);
                    continue;
                }
                Format::Jsonl => self.json(row),
                Format::Csv => self.csv(row),
            }
            out.write_all(self.line.as_bytes())?;
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.format == Format::Text { self.tables.write(&self.plan, out) } else { Ok(()) }
    }

    fn json(&mut self, row: &Row) {
        let (name, rule) = rule(&self.plan, row.rule);
        let line = &mut self.line;
        line.push_str("{\"rule\":");
        write_json_text(name, line);
        let _ = write!(line, ",\"start\":\"{}\"", time(row.start_ns));
        let _ = write!(line, ",\"end\":\"{}\"", time(row.end_ns));
        let _ = write!(line, ",\"final\":{}", row.kind == RowKind::Final);
        if row.is_other {
            line.push_str(",\"other\":true");
        }
        line.push_str(",\"key\":");
        object(rule.key_names.iter().map(|name| &**name).zip(&row.key), line);
        line.push_str(",\"values\":");
        object(rule.values.iter().map(|(name, _)| &**name).zip(&row.values), line);
        line.push_str("}\n");
    }

    fn csv(&mut self, row: &Row) {
        let (name, rule) = rule(&self.plan, row.rule);
        let line = &mut self.line;
        if self.header != Some(row.rule) {
            self.header = Some(row.rule);
            line.push_str("rule,start,end,other");
            let names = rule.key_names.iter().chain(rule.values.iter().map(|(name, _)| name));
            for name in names {
                line.push(',');
                csv_field(name, line);
            }
            line.push('\n');
        }
        csv_field(name, line);
        let _ = write!(line, ",{},{},{}", time(row.start_ns), time(row.end_ns), row.is_other);
        for value in row.key.iter().chain(&row.values) {
            line.push(',');
            match value {
                Value::Null => {}
                Value::Str(text) => csv_field(text, line),
                Value::Duration(ns) => {
                    let _ = write!(line, "{ns}");
                }
                Value::Size(bytes) => {
                    let _ = write!(line, "{bytes}");
                }
                Value::Float(number) | Value::Ratio(number) => {
                    let _ = write!(line, "{number}");
                }
                other => csv_field(&other.to_string(), line),
            }
        }
        line.push('\n');
    }
}

fn object<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>, line: &mut String) {
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
