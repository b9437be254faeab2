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
    texts: Texts,
    /// Memory for one row.
    cells: Vec<Cell>,
}

/// A value of a row that a trace says beside its own.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Null,
    Bool(bool),
    Int(i64),
    Duration(i64),
    Text(&'static str),
    /// What spans carry, by number.
    Carried(u32),
}

/// Texts as cells: of those that spans carry by number, with the version of the number; of others
/// by their text.
#[derive(Default)]
struct Texts {
    carried: Vec<Option<(u32, Cell)>>,
    fixed: Vec<(&'static str, Cell)>,
    /// Of the cells.
    generation: u32,
}

impl Part {
    fn value(self, trace: &Assembled) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Duration(value) => Value::Duration(value),
            Self::Text(text) => Value::str(text),
            Self::Carried(number) => trace.values.get(number).clone(),
        }
    }
}

impl Texts {
    fn cell(&mut self, part: Part, trace: &Assembled, local: &mut LocalRows) -> Cell {
        match part {
            Part::Null => Cell::Null,
            Part::Bool(value) => Cell::Bool(value),
            Part::Int(value) => Cell::Int(value),
            Part::Duration(value) => Cell::Duration(value),
            Part::Text(text) => {
                if let Some((_, cell)) = self.fixed.iter().find(|(known, _)| *known == text) {
                    return *cell;
                }
                let cell = local.cell(&Value::str(text));
                self.fixed.push((text, cell));
                cell
            }
            Part::Carried(number) => {
                let version = trace.values.version(number);
                match self.carried.get(number as usize) {
                    Some(Some((known, cell))) if *known == version => *cell,
                    _ => self.learn((number, version), trace, local),
                }
            }
        }
    }

    fn learn(
        &mut self,
        (number, version): (u32, u32),
        trace: &Assembled,
        local: &mut LocalRows,
    ) -> Cell {
        let cell = local.cell(trace.values.get(number));
        // What fits no cell is a cell of one batch only.
        if !matches!(cell, Cell::Heap(_)) {
            let room = self.carried.len().max(number as usize + 1);
            self.carried.resize(room, None);
            self.carried[number as usize] = Some((version, cell));
        }
        cell
    }
}

impl Said {
    pub(super) fn new(plan: &Plan, rule: RuleId, restored: &LocalRowsState) -> Self {
        Self {
            rule,
            is_read_by_row: is_read_by_row(plan, rule),
            local: LocalRows::of(plan, rule, restored),
            texts: Texts::default(),
            cells: Vec::new(),
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

    /// Says the row of the trace itself: its id and its values.
    pub(super) fn say(
        &mut self,
        trace: &Assembled,
        id: &Value,
        values: &[Value],
        out: &mut Vec<Row>,
    ) {
        if let Some(local) = &mut self.local {
            self.cells.clear();
            for (at, value) in values.iter().enumerate() {
                let cell = if local.reads(at) { local.cell(value) } else { Cell::Null };
                self.cells.push(cell);
            }
            local.row(self.cells.iter().copied());
        }
        if self.is_read_by_row {
            out.push(self.final_row(trace, Arc::from([id.clone()]), values.to_vec()));
        }
    }

    /// Says a row that a trace says beside its own: its place among those, its values.
    pub(super) fn row<const N: usize>(
        &mut self,
        trace: &Assembled,
        place: i64,
        values: [Part; N],
        out: &mut Vec<Row>,
    ) {
        if let Some(local) = &mut self.local {
            let mut cells = [Cell::Null; N];
            for (at, (cell, part)) in cells.iter_mut().zip(values).enumerate() {
                if local.reads(at + 1) {
                    *cell = self.texts.cell(part, trace, local);
                }
            }
            local.row(std::iter::once(Cell::Int(place)).chain(cells));
        }
        if self.is_read_by_row {
            let id = Value::Bytes(Arc::from(&trace.id[..]));
            let values = values.iter().map(|part| part.value(trace)).collect();
            out.push(self.final_row(trace, Arc::from([id, Value::Int(place)]), values));
        }
    }

    fn final_row(&self, trace: &Assembled, key: Arc<[Value]>, values: Vec<Value>) -> Row {
        Row {
            rule: self.rule,
            decision_ns: trace.decided_ns,
            start_ns: trace.start_ns,
            end_ns: trace.decided_ns,
            kind: RowKind::Final,
            is_other: false,
            key,
            values,
        }
    }

    /// Aggregates what was said in an epoch.
    pub(super) fn step(&mut self, plan: &Plan, watermark_ns: i64, out: &mut Closed) {
        if let Some(local) = &mut self.local {
            local.step(plan, watermark_ns, out);
            if self.texts.generation != local.generation() {
                self.texts = Texts { generation: local.generation(), ..Texts::default() };
            }
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
