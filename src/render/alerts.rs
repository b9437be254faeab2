//! Alerts for people: what fired when, and the row that made it so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tailwater_engine::model::render::time;
use tailwater_engine::model::{AlertState, RuleId, Transition};
use tailwater_engine::plan::Plan;

use super::TableStyle;
use super::rows::{alert, rule_of};
use super::table::{cell, one_line};
use crate::terminal::Style;

/// Transitions of one alert that are shown: the first ones.
const TRANSITIONS_SHOWN_MAX: usize = 40;

#[derive(Default)]
struct Shown {
    transitions: Vec<Transition>,
    count: usize,
}

/// The transitions of all alerts.
pub(super) struct Alerts {
    by_rule: BTreeMap<RuleId, Shown>,
    style: TableStyle,
}

impl Alerts {
    pub(super) fn new(style: TableStyle) -> Self {
        Self { by_rule: BTreeMap::new(), style }
    }

    pub(super) fn add(&mut self, transition: &Transition) {
        let shown = self.by_rule.entry(transition.rule).or_default();
        shown.count += 1;
        if self.style.shows_all || shown.transitions.len() < TRANSITIONS_SHOWN_MAX {
            shown.transitions.push(transition.clone());
        }
    }

    pub(super) fn write(&self, plan: &Plan, text: &mut String) {
        for (id, shown) in &self.by_rule {
            let (name, alert, _) = alert(plan, *id);
            if !text.is_empty() {
                text.push('\n');
            }
            let severity = alert.severity.as_deref().map(|word| format!(", {word}"));
            let _ = writeln!(
                text,
                "{} (alert{})",
                Style::Bold.paint(name, self.style.is_colored),
                severity.unwrap_or_default()
            );
            for transition in &shown.transitions {
                self.transition(plan, transition, text);
            }
            if shown.count > shown.transitions.len() {
                let more = shown.count - shown.transitions.len();
                let note = format!("  … {more} more: `-v`, `--format jsonl` or `csv` has all");
                let _ = writeln!(text, "{}", Style::Dim.paint(&note, self.style.is_colored));
            }
        }
    }

    fn transition(&self, plan: &Plan, transition: &Transition, text: &mut String) {
        let (_, alert, source) = alert(plan, transition.rule);
        let style = match transition.state {
            AlertState::Firing => Style::Red,
            AlertState::Pending => Style::Yellow,
            AlertState::Resolved => Style::Green,
            AlertState::Inactive => Style::Dim,
        };
        let key = if transition.is_other {
            "(other)".to_owned()
        } else {
            pairs(source.key_names().iter().zip(&transition.key))
        };
        let word = format!("{:<8}", transition.state.word());
        let word = style.paint(&word, self.style.is_colored);
        let line = format!("  {}  {word}  {key}", time(transition.decision_ns));
        let _ = writeln!(text, "{}", line.trim_end());
        if transition.state != AlertState::Firing {
            return;
        }
        let annotations = alert.annotations.iter().map(|(name, _)| name);
        for (name, value) in annotations.zip(&transition.annotations) {
            let _ = writeln!(text, "    {name}: {}", one_line(value));
        }
        if let Some(row) = &transition.evidence {
            let (name, rule) = rule_of(plan, row.rule);
            let values = pairs(rule.value_names().into_iter().zip(&row.values));
            let row = if alert.is_per_item {
                format!("item of {}", time(row.start_ns)) // its rule is the alert's own
            } else {
                format!("row of {name}, {} to {}", time(row.start_ns), time(row.end_ns))
            };
            let values = if values.is_empty() { values } else { format!(": {values}") };
            let line = format!("    {row}{values}");
            let _ = writeln!(text, "{}", Style::Dim.paint(&line, self.style.is_colored));
        }
    }
}

fn pairs<'a>(
    pairs: impl Iterator<Item = (&'a std::sync::Arc<str>, &'a tailwater_engine::model::Value)>,
) -> String {
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", cell(value))).collect();
    pairs.join(" ")
}
