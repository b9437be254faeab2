//! The rows and states behind an alert as JSON lines, version 1: one object a step, in order of
//! key and time.
//!
//! `alert`, `key`, `time`, `state` (from then on), `changed` (whether the step changed it), `since`
//! and `held` (of changes: how long the condition had held, nanoseconds), `when` and `until`
//! (`text`, `values`, `holds`, which is null where unknown), `row` (null where there was none).

use std::fmt::Write as _;

use tailwater_engine::model::render::{time, write_json_text};

use super::super::rows::{JSON_VERSION, alert, json_window, key_object, object, values_object};
use super::{Condition, Group, Step, Why, held_ns, is_active};

impl Why {
    pub(super) fn json(&self, shows: &dyn Fn(i64, i64) -> bool, out: &mut String) {
        for (group, instance) in &self.instances {
            let mut pending_ns = None;
            for step in &instance.steps {
                let start_ns = step.row.as_ref().map_or(step.time_ns, |row| row.start_ns);
                if shows(start_ns, step.time_ns) {
                    self.json_step(group, step, pending_ns, out);
                }
                if let Some(transition) = &step.transition {
                    pending_ns = is_active(transition.state).then_some(transition.since_ns);
                }
            }
        }
    }

    fn json_step(&self, group: &Group, step: &Step, pending_ns: Option<i64>, out: &mut String) {
        let (name, rule, source) = alert(&self.plan, self.alert);
        let _ = write!(out, "{{\"v\":{JSON_VERSION},\"alert\":");
        write_json_text(name, out);
        if group.0 {
            out.push_str(",\"other\":true");
        }
        out.push_str(",\"key\":");
        key_object(group.0, source, &group.1, out);
        let _ = write!(out, ",\"time\":\"{}\"", time(step.time_ns));
        let _ = write!(out, ",\"state\":\"{}\"", step.state.word());
        let _ = write!(out, ",\"changed\":{}", step.transition.is_some());
        if let Some(transition) = &step.transition {
            let held_ns = held_ns(transition, pending_ns);
            let since_ns = transition.decision_ns.saturating_sub(held_ns);
            let _ = write!(out, ",\"since\":\"{}\",\"held\":{held_ns}", time(since_ns));
        }
        if let Some(row) = &step.row {
            out.push_str(",\"when\":");
            json_condition(&self.condition(&rule.when, row), out);
            if let Some(until) = &rule.until {
                out.push_str(",\"until\":");
                json_condition(&self.condition(until, row), out);
            }
            out.push_str(",\"row\":{\"rule\":");
            write_json_text(self.source().0, out);
            json_window(row, out);
            out.push_str(",\"values\":");
            values_object(source, row, out);
            out.push('}');
        } else {
            out.push_str(",\"row\":null");
        }
        out.push_str("}\n");
    }
}

fn json_condition(condition: &Condition, out: &mut String) {
    out.push_str("{\"text\":");
    write_json_text(&condition.text, out);
    out.push_str(",\"values\":");
    object(condition.values.iter().map(|(name, value)| (&**name, value)), out);
    let holds = match condition.holds {
        Some(true) => "true",
        Some(false) => "false",
        None => "null",
    };
    let _ = write!(out, ",\"holds\":{holds}}}");
}
