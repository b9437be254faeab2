//! Routes: items leave in log order, as soon as they are applied.

use std::sync::Arc;

use super::apply::Apply;
use super::placed::Placed;
use super::taken::Taking;
use crate::ingest::emit;
use crate::model::{EmittedItem, RuleId};
use crate::plan::{RoutedFrom, RuleKind};

impl Apply {
    /// Sends the items of a batch that routes take or samplings keep, and spans to their traces.
    pub(super) fn routed(&mut self, at: Placed<'_>) {
        let plan = Arc::clone(&self.plan);
        for (index, rule) in plan.rules.iter().enumerate() {
            let RuleKind::Route(route) = &rule.kind else { continue };
            let RoutedFrom::Items { filter, dedupe, timeline } = route.from else { continue };
            if plan.signals[route.signal as usize].signal == at.batch.batch.signal {
                self.route(Taking { rule: RuleId(index as u32), filter, dedupe, timeline }, at);
            }
        }
        self.sampled(at);
        self.following(at);
        self.trace_spans(at);
    }

    fn route(&mut self, taking: Taking, at: Placed<'_>) {
        let id = taking.rule;
        let Some(mut taken) = self.take(taking, at) else { return };
        let rows = std::mem::take(&mut taken.rows);
        for (&row, content) in rows.iter().zip(emit(&at.batch.batch, &rows)) {
            let decision_ns = taken.decision_ns(row);
            let Some(content) = content else {
                self.rules[id.0 as usize].refused += 1;
                continue;
            };
            let time_ns = taken.times[row as usize];
            self.outgoing[0].items.push(EmittedItem {
                rule: id,
                signal: at.batch.batch.signal,
                decision_ns,
                key: at.key(row, time_ns),
                content,
            });
        }
    }
}
