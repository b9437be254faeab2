//! The rows and states behind an alert, for people.

use std::fmt::Write as _;

use tailwater_engine::model::render::{duration, time};
use tailwater_engine::model::{AlertState, Row, Transition};
use tailwater_engine::plan::NoData;

use super::super::TableStyle;
use super::super::rows::alert;
use super::super::table::{cell, one_line};
use super::{Condition, Group, Instance, Step, Why, held_ns, is_active};
use crate::terminal::Style;

/// Rows in a line that change nothing and are shown one by one; longer stretches are summed up.
const QUIET_ROWS_SHOWN_MAX: usize = 2;

/// Instances that are shown without `-v`: the first ones by key.
const INSTANCES_SHOWN_MAX: usize = 20;

impl Why {
    pub(super) fn text(
        &self,
        style: TableStyle,
        shows: &dyn Fn(i64, i64) -> bool,
        text: &mut String,
    ) {
        self.head(style, text);
        let shown = |step: &&Step| shows(step.start_ns(), step.time_ns);
        let instances: Vec<(&Group, &Instance, Vec<&Step>)> = self
            .instances
            .iter()
            .map(|(group, instance)| (group, instance, instance.steps.iter().filter(shown)))
            .map(|(group, instance, steps)| (group, instance, steps.collect()))
            .filter(|(_, _, steps): &(_, _, Vec<&Step>)| !steps.is_empty())
            .collect();
        let at_most = if style.shows_all { usize::MAX } else { INSTANCES_SHOWN_MAX };
        for (group, instance, steps) in instances.iter().take(at_most) {
            text.push('\n');
            self.instance(group, instance, steps, style, text);
        }
        if instances.len() > at_most {
            let more = instances.len() - at_most;
            let _ = writeln!(text, "\n… {more} more groups: `-v` or `--format jsonl` has all");
        }
        if instances.is_empty() {
            let why = if self.instances.is_empty() {
                "the condition held in no row"
            } else {
                "nothing between `--from` and `--to`"
            };
            let _ = writeln!(text, "\nnothing to show: {why}");
        }
        if self.dropped > 0 {
            let dropped = self.dropped;
            let _ = writeln!(text, "\n{dropped} rows without a transition were left out");
        }
    }

    /// What the alert asks for, and how often it was asked.
    fn head(&self, style: TableStyle, text: &mut String) {
        let (name, rule, _) = alert(&self.plan, self.alert);
        let severity = rule.severity.as_deref().map(|word| format!(", {word}"));
        let name = Style::Bold.paint(name, style.is_colored);
        let source = self.source().0;
        let _ = writeln!(text, "{name} (alert{}) from {source}", severity.unwrap_or_default());
        if let Some(filter) = &rule.filter {
            let _ = writeln!(text, "  where       {}", self.written(filter));
        }
        let _ = writeln!(text, "  when        {}", self.written(&rule.when));
        if let Some(until) = &rule.until {
            let _ = writeln!(text, "  until       {}", self.written(until));
        }
        for (word, ns) in [("for", rule.for_ns), ("hold", rule.hold_ns)] {
            if ns > 0 {
                let _ = writeln!(text, "  {word:<11} {}", duration(ns));
            }
        }
        let _ = writeln!(text, "  on no data  {}", no_data(rule.no_data));
        let (seen, held) = (self.seen, self.held);
        let _ = writeln!(text, "  rows        {seen} seen, the condition held in {held}");
    }

    fn instance(
        &self,
        group: &Group,
        instance: &Instance,
        steps: &[&Step],
        style: TableStyle,
        text: &mut String,
    ) {
        let title = Style::Bold.paint(&self.key(group), style.is_colored);
        let _ = writeln!(text, "{title}");
        let (mut pending_ns, mut at) = (None, 0);
        while at < steps.len() {
            let quiet = steps[at..].iter().take_while(|step| step.transition.is_none()).count();
            if quiet > QUIET_ROWS_SHOWN_MAX && !style.shows_all {
                self.quiet_rows(&steps[at..at + quiet], style, text);
                at += quiet;
                continue;
            }
            let step = steps[at];
            self.step(step, pending_ns, style, text);
            if let Some(transition) = &step.transition {
                pending_ns = is_active(transition.state).then_some(transition.since_ns);
            }
            at += 1;
        }
        if is_active(instance.state) {
            let held = duration(self.last_ns.saturating_sub(instance.since_ns));
            let (last, word) = (time(self.last_ns), instance.state.word());
            let line = format!("  {last}  still {word} at the end, {held} after it began to hold");
            let _ = writeln!(text, "{}", Style::Dim.paint(&line, style.is_colored));
        }
    }

    fn quiet_rows(&self, steps: &[&Step], style: TableStyle, text: &mut String) {
        let holds = |step: &&&Step| step.row.as_ref().is_some_and(|row| self.holds(row));
        let held = steps.iter().filter(holds).count();
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return };
        let line = format!(
            "  … {} rows from {} to {} change nothing, the condition held in {held}: `-v` lists them",
            steps.len(),
            time(first.time_ns),
            time(last.time_ns)
        );
        let _ = writeln!(text, "{}", Style::Dim.paint(&line, style.is_colored));
    }

    fn holds(&self, row: &Row) -> bool {
        self.condition(&self.rule().when, row).holds == Some(true)
    }

    fn step(&self, step: &Step, pending_ns: Option<i64>, style: TableStyle, text: &mut String) {
        let word = match step.transition {
            Some(_) => step.state.word().to_owned(),
            None => format!("({})", step.state.word()),
        };
        let color = match (&step.transition, step.state) {
            (None, _) | (_, AlertState::Inactive) => Style::Dim,
            (_, AlertState::Firing) => Style::Red,
            (_, AlertState::Pending) => Style::Yellow,
            (_, AlertState::Resolved) => Style::Green,
        };
        let word = color.paint(&format!("{word:<10}"), style.is_colored);
        let reason = step.transition.as_ref().map(|one| self.reason(one, pending_ns));
        let line = format!("  {}  {word}  {}", time(step.time_ns), reason.unwrap_or_default());
        let _ = writeln!(text, "{}", line.trim_end());
        let rule = self.rule();
        if let Some(row) = &step.row {
            let _ = writeln!(text, "    when   {}", said(&self.condition(&rule.when, row)));
            if let (Some(until), AlertState::Firing | AlertState::Resolved) =
                (&rule.until, step.state)
            {
                let _ = writeln!(text, "    until  {}", said(&self.condition(until, row)));
            }
            let (name, source) = self.source();
            let values = source.value_names().into_iter().zip(&row.values);
            let values: Vec<String> =
                values.map(|(name, value)| format!("{name}={}", cell(value))).collect();
            let window = format!("{} to {}", time(row.start_ns), time(row.end_ns));
            let line = format!("    row    of {name}, {window}: {}", values.join(" "));
            let _ = writeln!(text, "{}", Style::Dim.paint(&line, style.is_colored));
        } else {
            let action = no_data(rule.no_data);
            let _ = writeln!(text, "    row    none in the window that ended: on no data {action}");
        }
        if let Some(transition) = step.transition.as_ref().filter(|one| is_active(one.state)) {
            let names = rule.annotations.iter().map(|(name, _)| name);
            for (name, value) in names.zip(&transition.annotations) {
                let _ = writeln!(text, "    {name}: {}", one_line(value));
            }
        }
    }

    /// How long the condition held, and what it waited for.
    fn reason(&self, transition: &Transition, pending_ns: Option<i64>) -> String {
        let rule = self.rule();
        let held = duration(held_ns(transition, pending_ns));
        match transition.state {
            AlertState::Pending => format!("must hold for {}", duration(rule.for_ns)),
            AlertState::Firing if rule.for_ns > 0 => {
                format!("held for {held} since {}", time(transition.since_ns))
            }
            AlertState::Firing => "at once".to_owned(),
            AlertState::Inactive => {
                format!("{held} after it began to hold, of {}", duration(rule.for_ns))
            }
            AlertState::Resolved => {
                format!("{held} after it began to hold, at {}", time(transition.since_ns))
            }
        }
    }

    fn key(&self, group: &Group) -> String {
        if group.0 {
            return "(other)".to_owned();
        }
        let names = self.source().1.key_names().iter();
        let pairs: Vec<String> = names
            .zip(&group.1)
            .map(|(name, value)| format!("{name}={}", one_line(value)))
            .collect();
        if pairs.is_empty() { "(one group)".to_owned() } else { pairs.join(" ") }
    }
}

impl Step {
    fn start_ns(&self) -> i64 {
        self.row.as_ref().map_or(self.time_ns, |row| row.start_ns)
    }
}

fn no_data(action: NoData) -> &'static str {
    match action {
        NoData::Resolve => "resolve",
        NoData::Fire => "fire",
        NoData::Keep => "keep",
    }
}

fn said(condition: &Condition) -> String {
    let word = match condition.holds {
        Some(true) => "true",
        Some(false) => "false",
        None => "unknown: a value is missing",
    };
    format!("{} is {word}", condition.text)
}
