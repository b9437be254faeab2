//! Rows for people: one table a rule, a block a window, columns aligned.
//!
//! A long result is cut in its middle: what is left out is counted, and where all of it can be had
//! is said. Memory is bounded by the rows that are shown.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use tailwater_engine::model::render::{duration, time};
use tailwater_engine::model::{Row, RowKind, RuleId, Value};
use tailwater_engine::plan::Plan;

use super::TableStyle;
use super::rows::rule_of;
use crate::log::is_unsafe;
use crate::terminal::Style;

/// Rows of one rule that are shown: the first ones.
const ROWS_FIRST: usize = 24;

/// Rows of one rule that are shown: the last ones.
const ROWS_LAST: usize = 12;

/// Characters of a cell; longer ones end in `…`.
const CELL_CHARS_MAX: usize = 48;

/// Characters that a key column keeps when the terminal is narrow.
const CELL_CHARS_MIN: usize = 12;

#[derive(Default)]
struct Table {
    first: Vec<Row>,
    last: VecDeque<Row>,
    count: usize,
}

/// The tables of all rules.
pub(super) struct Tables {
    by_rule: BTreeMap<RuleId, Table>,
    style: TableStyle,
}

impl Tables {
    pub(super) fn new(style: TableStyle) -> Self {
        Self { by_rule: BTreeMap::new(), style }
    }

    pub(super) fn add(&mut self, row: &Row) {
        let table = self.by_rule.entry(row.rule).or_default();
        table.count += 1;
        if self.style.shows_all || table.first.len() < ROWS_FIRST {
            table.first.push(row.clone());
            return;
        }
        if table.last.len() == ROWS_LAST {
            table.last.pop_front();
        }
        table.last.push_back(row.clone());
    }

    pub(super) fn write(&self, plan: &Plan, text: &mut String) {
        for (index, (id, table)) in self.by_rule.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            self.write_table(plan, *id, table, text);
        }
    }

    fn write_table(&self, plan: &Plan, id: RuleId, table: &Table, text: &mut String) {
        let (name, rule) = rule_of(plan, id);
        let values = rule.value_names().into_iter();
        let header = std::iter::once("window".to_owned())
            .chain(rule.key_names().iter().chain(values).map(ToString::to_string))
            .collect();
        let mut lines: Vec<Vec<String>> = vec![header];
        lines.extend(rows_of(&table.first));
        let skip_at = lines.len();
        lines.extend(rows_of(&table.last));
        let keys = rule.key_names().len();
        let widths = widths(&lines, keys, self.style.width);
        let _ = writeln!(text, "{}", Style::Bold.paint(name, self.style.is_colored));
        let hidden = table.count - table.first.len() - table.last.len();
        for (index, line) in lines.iter().enumerate() {
            if index == skip_at && hidden > 0 {
                let note =
                    format!("  … {hidden} more rows: `-v`, `--format jsonl` or `csv` has all");
                let _ = writeln!(text, "{}", Style::Dim.paint(&note, self.style.is_colored));
            }
            let style = if index == 0 { Some(Style::Dim) } else { None };
            let _ = writeln!(text, "{}", self.line(line, &widths, keys, style));
        }
    }

    fn line(&self, fields: &[String], widths: &[usize], keys: usize, all: Option<Style>) -> String {
        let mut text = String::from("  ");
        for (column, (field, &width)) in fields.iter().zip(widths).enumerate() {
            let field = shortened(field, width);
            let pad = " ".repeat(width - field.chars().count());
            // Keys read from the left, numbers line up on the right.
            let (before, after) = if column <= keys { ("", &*pad) } else { (&*pad, "") };
            let _ = write!(text, "{before}{field}{after}  ");
        }
        let text = text.trim_end();
        let is_other = fields.get(1).is_some_and(|field| field == OTHER);
        let style = if is_other { Some(Style::Yellow) } else { all };
        style.map_or(text.to_owned(), |style| style.paint(text, self.style.is_colored))
    }
}

/// What stands in place of the key of the groups beyond the limit.
const OTHER: &str = "(other)";

fn rows_of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> impl Iterator<Item = Vec<String>> {
    let mut window = None;
    rows.into_iter().map(move |row| {
        let this = (row.start_ns, row.end_ns, row.kind);
        let label = if window == Some(this) { String::new() } else { window_label(row) };
        window = Some(this);
        let keys = row.key.iter().enumerate().map(|(index, value)| match (row.is_other, index) {
            (true, 0) => OTHER.to_owned(),
            (true, _) => String::new(),
            (false, _) => cell(value),
        });
        std::iter::once(label).chain(keys).chain(row.values.iter().map(cell)).collect()
    })
}

/// Widths of columns; where the terminal is narrow, key columns give way, the widest first.
fn widths(lines: &[Vec<String>], keys: usize, terminal: Option<usize>) -> Vec<usize> {
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let Some(terminal) = terminal else { return widths };
    let total = |widths: &[usize]| widths.iter().map(|width| width + 2).sum::<usize>();
    while total(&widths) > terminal {
        let Some(widest) = (1..=keys).max_by_key(|&column| widths[column]) else { break };
        if widths[widest] <= CELL_CHARS_MIN {
            break;
        }
        widths[widest] -= 1;
    }
    widths
}

fn window_label(row: &Row) -> String {
    // What is of one item, such as a trace, has a moment and no window.
    let label = match row.end_ns - row.start_ns {
        ..=1 => time(row.start_ns),
        length_ns => format!("{} +{}", time(row.start_ns), duration(length_ns)),
    };
    match row.kind {
        RowKind::Final => label,
        RowKind::Revision(number) => format!("{label} (revision {number})"),
        RowKind::Retraction => format!("{label} (withdrawn)"),
    }
}

/// A value as a cell, without what would move the terminal's cursor.
pub(super) fn cell(value: &Value) -> String {
    shortened(&one_line(value), CELL_CHARS_MAX)
}

/// A value whole, on one line, without what would change how the text around it reads.
pub(super) fn one_line(value: &Value) -> String {
    let text = value.to_string();
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

fn shortened(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars.saturating_sub(1)).collect();
    format!("{kept}…")
}
