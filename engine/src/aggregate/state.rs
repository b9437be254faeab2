//! One accumulator kind for many slots, as columns.
//!
//! Invariant: what a slot gives when it is taken is what single updates in any order would have
//! made. Knows neither keys nor time beyond the order of rows.

use super::distinct::Distinct;
use super::kind::AccumulatorKind;
use super::partial::{OrderKey, Partial};
use super::pick::{Collected, Exemplars};
use super::sketch::{NumberUnit, Sketch};
use super::top::Top;
use super::update::{Number, number, update_one};
use crate::model::{Batch, Column};

/// Where the rows of a batch stand in their keys' order.
#[derive(Debug, Clone, Copy)]
pub struct OrderColumn<'a> {
    /// Event times by row.
    pub times: &'a [i64],
    /// Source, by name order.
    pub source: u32,
    /// Frame.
    pub frame_seq: u64,
}

impl OrderColumn<'_> {
    pub(super) fn key(&self, row: u32) -> OrderKey {
        let time_ns = self.times[row as usize];
        OrderKey { time_ns, source: self.source, frame_seq: self.frame_seq, row }
    }
}

/// The state of one accumulator kind, by slot.
pub struct Accumulators {
    kind: AccumulatorKind,
    states: States,
}

enum States {
    Counts(Vec<u64>),
    Sketches(Vec<Sketch>),
    /// Kinds whose updates are dominated by the values themselves.
    Partials(Vec<Partial>),
}

impl Accumulators {
    /// No slots yet.
    pub fn new(kind: &AccumulatorKind) -> Self {
        let states = match kind {
            AccumulatorKind::Count => States::Counts(Vec::new()),
            AccumulatorKind::Sketch { .. } => States::Sketches(Vec::new()),
            _ => States::Partials(Vec::new()),
        };
        Self { kind: *kind, states }
    }

    fn empty(&self) -> Partial {
        match self.kind {
            AccumulatorKind::Count => Partial::Count(0),
            AccumulatorKind::Sum | AccumulatorKind::SumSquares => Partial::Sum(None),
            AccumulatorKind::Min => Partial::Min(None),
            AccumulatorKind::Max => Partial::Max(None),
            AccumulatorKind::First => Partial::First(None),
            AccumulatorKind::Last => Partial::Last(None),
            AccumulatorKind::Sketch { digits } => Partial::Sketch(Sketch::new(digits)),
            AccumulatorKind::Truth => Partial::Truth(0, 0),
            AccumulatorKind::Histogram => Partial::Histogram(Box::default()),
            AccumulatorKind::Distinct { precision } => Partial::Distinct(Distinct::new(precision)),
            AccumulatorKind::Top => Partial::Top(Top::default()),
            AccumulatorKind::Collect { limit } => Partial::Collected(Collected::new(limit)),
            AccumulatorKind::Exemplar { order } => Partial::Exemplars(Exemplars::new(order)),
            AccumulatorKind::Series => Partial::Series(Box::default()),
            AccumulatorKind::Apdex { .. } => Partial::Apdex([0; 3]),
        }
    }

    /// Makes room for slots `0..slots`.
    pub fn ensure_slots(&mut self, slots: usize) {
        let empty = self.empty();
        match (&mut self.states, empty) {
            (States::Counts(v), _) if v.len() < slots => v.resize(slots, 0),
            (States::Sketches(v), Partial::Sketch(empty)) if v.len() < slots => {
                v.resize(slots, empty);
            }
            (States::Partials(v), empty) if v.len() < slots => v.resize(slots, empty),
            _ => {}
        }
    }

    /// Adds rows to slots: `rows[i]` goes to `slots[i]`. Arguments are whole columns. Each row
    /// counts as often as the batch says that it stands for.
    pub fn update(
        &mut self,
        rows: &[u32],
        slots: &[u32],
        arguments: &[&Column],
        batch: &Batch,
        order: &OrderColumn<'_>,
    ) {
        match &mut self.states {
            States::Counts(counts) => {
                let each = u64::from(batch.stands_for);
                slots.iter().for_each(|slot| counts[*slot as usize] += each);
            }
            States::Sketches(sketches) => {
                if let Some(column) = arguments.first() {
                    for _ in 0..batch.stands_for {
                        update_sketches(sketches, rows, slots, column);
                    }
                }
            }
            States::Partials(partials) => {
                let times = if self.kind.adds_up() { batch.stands_for } else { 1 };
                for (&row, &slot) in rows.iter().zip(slots) {
                    let partial = &mut partials[slot as usize];
                    for _ in 0..times {
                        update_one(self.kind, partial, arguments, row, batch, order);
                    }
                }
            }
        }
    }

    /// Takes what a slot holds and leaves it empty.
    pub fn take(&mut self, slot: u32) -> Partial {
        let empty = self.empty();
        match (&mut self.states, empty) {
            (States::Counts(v), _) => Partial::Count(std::mem::take(&mut v[slot as usize])),
            (States::Sketches(v), Partial::Sketch(empty)) => {
                Partial::Sketch(std::mem::replace(&mut v[slot as usize], empty))
            }
            (States::Sketches(v), _) => Partial::Sketch(v[slot as usize].clone()),
            (States::Partials(v), empty) => std::mem::replace(&mut v[slot as usize], empty),
        }
    }

    /// Bytes that all slots hold, without the texts of values.
    pub fn state_bytes(&self) -> usize {
        match &self.states {
            States::Counts(v) => v.capacity() * 8,
            States::Sketches(v) => {
                v.capacity() * size_of::<Sketch>() + v.iter().map(Sketch::heap_bytes).sum::<usize>()
            }
            States::Partials(v) => {
                let held: usize = v.iter().map(Partial::heap_bytes).sum();
                v.capacity() * size_of::<Partial>() + held
            }
        }
    }

    /// Bytes that every slot holds, whatever is in it.
    pub fn slot_bytes(&self) -> usize {
        match &self.states {
            States::Counts(_) => size_of::<u64>(),
            States::Sketches(_) => size_of::<Sketch>(),
            States::Partials(_) => size_of::<Partial>(),
        }
    }

    /// Bytes that a slot holds beyond those, without the texts of values.
    pub fn heap_bytes(&self, slot: u32) -> usize {
        match &self.states {
            States::Counts(_) => 0,
            States::Sketches(v) => v.get(slot as usize).map_or(0, Sketch::heap_bytes),
            States::Partials(v) => v.get(slot as usize).map_or(0, Partial::heap_bytes),
        }
    }

    /// A copy of what a slot holds.
    pub fn read(&self, slot: u32) -> Partial {
        match &self.states {
            States::Counts(v) => Partial::Count(v[slot as usize]),
            States::Sketches(v) => Partial::Sketch(v[slot as usize].clone()),
            States::Partials(v) => v[slot as usize].clone(),
        }
    }
}

fn update_sketches(sketches: &mut [Sketch], rows: &[u32], slots: &[u32], column: &Column) {
    let pairs = rows.iter().zip(slots).map(|(row, slot)| (*row as usize, *slot as usize));
    match column {
        Column::Durations(v) => {
            pairs.for_each(|(row, slot)| sketches[slot].add(v[row], NumberUnit::Duration));
        }
        Column::Ints(v) => {
            pairs.for_each(|(row, slot)| sketches[slot].add(v[row], NumberUnit::Int));
        }
        Column::Cells(v) => {
            for (row, slot) in pairs {
                match number(v[row]) {
                    Some(Number::Whole(n, unit)) => sketches[slot].add(n, unit),
                    Some(Number::Float(n, unit)) => sketches[slot].add_float(n, unit),
                    None => {}
                }
            }
        }
        _ => {}
    }
}
