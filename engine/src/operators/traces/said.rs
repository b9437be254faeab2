//! What is said of traces under one rule, to whoever reads it: rows for those who read them one by
//! one, and columns of rows for aggregates.

use std::sync::Arc;

use super::assembled::Assembled;
use crate::model::{Batch, Cell, Row, RowKind, RuleId, Value};
use crate::operators::close::Closed;
use crate::operators::local_rows::{
    LocalRows, LocalRowsState, RowCells, SharedTexts, is_read_by_row, push_cell, short_of,
};
use crate::plan::Plan;
use crate::self_metrics::EngineGauges;

/// Who reads what is said under one rule.
pub(super) struct Said {
    rule: RuleId,
    is_read_by_row: bool,
    local: Option<LocalRows>,
    texts: Texts,
    /// Those of the program.
    fixed_texts: &'static [&'static str],
}

/// A value of a row that a trace says beside its own.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Null,
    Bool(bool),
    Int(i64),
    Duration(i64),
    /// A text of the program, by its number among those of the rule's rows.
    Text(u8),
    /// What spans carry, by number.
    Carried(u32),
}

/// Texts as cells: of those that spans carry and of those of the program by number; of others by
/// where they lie.
#[derive(Default)]
struct Texts {
    carried: Vec<Option<Cell>>,
    fixed: Vec<Option<Cell>>,
    shared: SharedTexts,
    /// Of the cells, and of the numbers of what spans carry.
    generations: (u32, u32),
}

/// A row beside that of the trace itself.
struct PartRow<'a, const N: usize> {
    place: i64,
    values: &'a [Part; N],
    trace: &'a Assembled,
    texts: &'a mut Texts,
    fixed_texts: &'static [&'static str],
}

/// The row of a trace itself.
struct OwnRow<'a> {
    values: &'a [Value],
    texts: &'a mut Texts,
}

impl Part {
    fn value(self, trace: &Assembled, texts: &[&str]) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Duration(value) => Value::Duration(value),
            Self::Text(number) => Value::str(texts[usize::from(number)]),
            Self::Carried(number) => trace.values.get(number).clone(),
        }
    }
}

/// Numbers below this one are of what is no value that spans carry, in short keys.
const FIRST_CARRIED: u32 = 64;

impl<const N: usize> RowCells for PartRow<'_, N> {
    #[inline]
    fn short(&mut self, at: usize, _: &mut Batch) -> Option<u32> {
        match *self.values.get(at.checked_sub(1)?)? {
            Part::Null => Some(0),
            Part::Bool(value) => Some(1 + u32::from(value)),
            Part::Text(number) => Some(3 + u32::from(number)),
            Part::Carried(number) => number.checked_add(FIRST_CARRIED),
            Part::Int(_) | Part::Duration(_) => None,
        }
    }

    #[inline]
    fn cell(&mut self, at: usize, batch: &mut Batch) -> Cell {
        let Some(at) = at.checked_sub(1) else { return Cell::Int(self.place) };
        match self.values[at] {
            Part::Null => Cell::Null,
            Part::Bool(value) => Cell::Bool(value),
            Part::Int(value) => Cell::Int(value),
            Part::Duration(value) => Cell::Duration(value),
            Part::Text(number) => self.texts.fixed((self.fixed_texts, number), batch),
            Part::Carried(number) => match self.texts.carried.get(number as usize) {
                Some(Some(cell)) => *cell,
                _ => self.texts.learn(number, self.trace, batch),
            },
        }
    }

    /// Numbers go to their place at once: moved there as a whole, a cell would wait for its parts.
    #[inline]
    fn push(&mut self, at: usize, batch: &mut Batch, column: usize) {
        match at.checked_sub(1).map(|at| self.values[at]) {
            Some(Part::Duration(ns)) => push_cell(batch, column, Cell::Duration(ns)),
            Some(Part::Bool(value)) => push_cell(batch, column, Cell::Bool(value)),
            Some(Part::Int(value)) => push_cell(batch, column, Cell::Int(value)),
            Some(Part::Null) => push_cell(batch, column, Cell::Null),
            _ => {
                let cell = self.cell(at, batch);
                push_cell(batch, column, cell);
            }
        }
    }
}

impl RowCells for OwnRow<'_> {
    #[inline]
    fn short(&mut self, at: usize, batch: &mut Batch) -> Option<u32> {
        short_of(self.cell(at, batch))
    }

    #[inline]
    fn cell(&mut self, at: usize, batch: &mut Batch) -> Cell {
        match &self.values[at] {
            Value::Str(text) => self.texts.shared.cell(text, batch),
            value => batch.cell(value.clone()),
        }
    }
}

impl Texts {
    /// A text of the program.
    fn fixed(&mut self, (texts, number): (&[&str], u8), batch: &mut Batch) -> Cell {
        let room = self.fixed.len().max(usize::from(number) + 1);
        self.fixed.resize(room, None);
        let intern = || Cell::Str(batch.symbols.borrow_mut().intern(texts[usize::from(number)]));
        *self.fixed[usize::from(number)].get_or_insert_with(intern)
    }

    #[cold]
    fn learn(&mut self, number: u32, trace: &Assembled, batch: &mut Batch) -> Cell {
        let cell = batch.cell(trace.values.get(number).clone());
        // What fits no cell is a cell of one batch only.
        if !matches!(cell, Cell::Heap(_)) {
            let room = self.carried.len().max(number as usize + 1);
            self.carried.resize(room, None);
            self.carried[number as usize] = Some(cell);
        }
        cell
    }
}

impl Said {
    /// What is said under a rule, whose rows may have some texts of the program.
    pub(super) fn new(
        plan: &Plan,
        (rule, fixed_texts): (RuleId, &'static [&'static str]),
        restored: &LocalRowsState,
    ) -> Self {
        Self {
            rule,
            is_read_by_row: is_read_by_row(plan, rule),
            local: LocalRows::of(plan, rule, restored),
            texts: Texts::default(),
            fixed_texts,
        }
    }

    /// Whether anybody reads it.
    pub(super) fn is_asked(&self) -> bool {
        self.is_read_by_row || self.local.is_some()
    }

    /// What follows is said of this trace.
    pub(super) fn begin(&mut self, trace: &Assembled) {
        if let Some(local) = &mut self.local {
            let generations = (local.generation(), trace.values.generation());
            if self.texts.generations != generations {
                self.texts = Texts { generations, ..Texts::default() };
                local.forget_recent();
            }
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
            local.row(&mut OwnRow { values, texts: &mut self.texts });
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
        values: &[Part; N],
        out: &mut Vec<Row>,
    ) {
        if let Some(local) = &mut self.local {
            local.row(&mut PartRow {
                place,
                values,
                trace,
                texts: &mut self.texts,
                fixed_texts: self.fixed_texts,
            });
        }
        if self.is_read_by_row {
            let id = Value::Bytes(Arc::from(&trace.id[..]));
            let values = values.iter().map(|part| part.value(trace, self.fixed_texts)).collect();
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
