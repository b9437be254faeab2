//! Rows for people: one table a rule, a block a window, columns aligned.
//!
//! A long result is cut: what is left out is said, and where all of it can be had.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tailwater_engine::model::render::{duration, time};
use tailwater_engine::model::{Row, RuleId, Value};
use tailwater_engine::plan::Plan;

use super::rows::rule;

/// Rows of one rule that are shown: the first ones.
const ROWS_SHOWN_MAX: usize = 40;

/// Characters of a cell; longer ones end in `…`.
const CELL_CHARS_MAX: usize = 48;

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    count: usize,
}

/// The tables of all rules.
#[derive(Default)]
pub(super) struct Tables {
    by_rule: BTreeMap<RuleId, Table>,
}

impl Tables {
    pub(super) fn add(&mut self, _plan: &Plan, row: &Row) {
        let table = self.by_rule.entry(row.rule).or_default();
        table.count += 1;
        if table.rows.len() < ROWS_SHOWN_MAX {
            table.rows.push(row.clone());
        }
    }

    pub(super) fn write(&self, plan: &Plan, out: &mut impl Write) -> io::Result<()> {
        for (index, (id, table)) in self.by_rule.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            write_table(plan, *id, table, out)?;
        }
        Ok(())
    }
}

fn write_table(plan: &Plan, id: RuleId, table: &Table, out: &mut impl Write) -> io::Result<()> {
    let (name, rule) = rule(plan, id);
    let values = rule.values.iter().map(|(name, _)| name);
    let header: Vec<String> = ["window".to_owned()]
        .into_iter()
        .chain(rule.key_names.iter().chain(values).map(ToString::to_string))
        .collect();
    let mut lines = vec![header];
    let mut window = None;
    for row in &table.rows {
        let this = (row.start_ns, row.end_ns);
        let label = if window == Some(this) { String::new() } else { window_label(row) };
        window = Some(this);
        let keys = row.key.iter().enumerate().map(|(index, value)| match (row.is_other, index) {
            (true, 0) => "(other)".to_owned(),
            (true, _) => String::new(),
            (false, _) => cell(value),
        });
        let values = row.values.iter().map(cell);
        lines.push([label].into_iter().chain(keys).chain(values).collect());
    }
    let keys = rule.key_names.len();
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    writeln!(out, "{name}")?;
    for line in &lines {
        let mut text = String::from("  ");
        for (column, field) in line.iter().enumerate() {
            let pad = " ".repeat(widths[column] - field.chars().count());
            // Keys read from the left, numbers line up on the right.
            if column <= keys {
                text.push_str(field);
                text.push_str(&pad);
            } else {
                text.push_str(&pad);
                text.push_str(field);
            }
            text.push_str("  ");
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    if table.count > table.rows.len() {
        let more = table.count - table.rows.len();
        writeln!(out, "  … {more} more rows; `--format jsonl` or `csv` gives all of them")?;
    }
    Ok(())
}

fn window_label(row: &Row) -> String {
    format!("{} +{}", time(row.start_ns), duration(row.end_ns - row.start_ns))
}

fn cell(value: &Value) -> String {
    let text = value.to_string().replace(['\n', '\r', '\t', '\u{1b}'], " ");
    if text.chars().count() <= CELL_CHARS_MAX {
        return text;
    }
    let kept: String = text.chars().take(CELL_CHARS_MAX - 1).collect();
    format!("{kept}…")
}
