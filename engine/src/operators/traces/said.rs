//! What is said of traces under one rule, to whoever reads it: rows for those who read them one by
//! one, and columns of rows for aggregates.

use std::sync::Arc;

use super::assembled::Assembled;
use crate::model::{Cell, Row, RowKind, RuleId, Value};
use crate::operators::close::Closed;
use crate::operators::local_rows::{LocalRows, LocalRowsState, is_read_by_row};
use crate::plan::Plan;
use crate::self_metrics::EngineGauges;

/// Who reads what is said under one rule.
pub(super) struct Said {
    rule: RuleId,
    is_read_by_row: bool,
    local: Option<LocalRows>,
}

impl Said {
    pub(super) fn new(plan: &Plan, rule: RuleId, restored: &LocalRowsState) -> Self {
        Self {
            rule,
            is_read_by_row: is_read_by_row(plan, rule),
            local: LocalRows::of(plan, rule, restored),
        }
    }

    /// Whether anybody reads it.
    pub(super) fn is_asked(&self) -> bool {
        self.is_read_by_row || self.local.is_some()
    }

    /// What follows is said of this trace.
    pub(super) fn begin(&mut self, trace: &Assembled) {
        if let Some(local) = &mut self.local {
            local.begin(trace.decided_ns, trace.start_ns, trace.id);
        }
    }

    /// Says a row: its key, which begins with the trace's id, and its values.
    pub(super) fn say(
        &mut self,
        trace: &Assembled,
        key: &[Value],
        values: &[Value],
        out: &mut Vec<Row>,
    ) {
        if let Some(local) = &mut self.local {
            let mut cells: smallvec::SmallVec<[Cell; 16]> = smallvec::SmallVec::new();
            for (at, value) in key[1..].iter().chain(values).enumerate() {
                cells.push(if local.reads(at) { local.cell(value) } else { Cell::Null });
            }
            local.row(cells);
        }
        if self.is_read_by_row {
            out.push(Row {
                rule: self.rule,
                decision_ns: trace.decided_ns,
                start_ns: trace.start_ns,
                end_ns: trace.decided_ns,
                kind: RowKind::Final,
                is_other: false,
                key: Arc::from(key),
                values: values.to_vec(),
            });
        }
    }

    /// Aggregates what was said in an epoch.
    pub(super) fn step(&mut self, plan: &Plan, watermark_ns: i64, out: &mut Closed) {
        if let Some(local) = &mut self.local {
            local.step(plan, watermark_ns, out);
        }
    }

    /// Tells what is held on a worker.
    pub(super) fn tell(&mut self, gauges: &EngineGauges, worker: usize) {
        if let Some(local) = &mut self.local {
            local.tell(gauges, worker);
        }
    }

    /// What a snapshot holds.
    pub(super) fn state(&self) -> LocalRowsState {
        self.local.as_ref().map_or(LocalRowsState::new(), LocalRows::state)
    }
}
