//! Items on their way into patterns and correlations: which of a batch are something to which rule,
//! and when they are late.
//!
//! A batch is shown to those rules only that a filter says it is something to. Events behind the
//! watermark of their own stream are late. Must not know what becomes of an event.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::applied::owner_of;
use super::apply::Apply;
use super::decode::PreparedBatch;
use super::feeds::owner_of_rule;
use super::placed::Placed;
use crate::ingest::emit;
use crate::keyed_events::{Event, Place};
use crate::model::{ItemContent, RuleId, Value};
use crate::otlp::derive::packed;
use crate::plan::{PatternSource, PatternSymbol, Plan, SignalPlan};

/// What one rule takes of the items of one signal under one key.
struct Taker {
    rule: RuleId,
    /// Number of values that an event carries, and those that these items fill: slot, column.
    slots: (u32, Vec<(u32, u32)>),
    /// The slot of the item as it came.
    item_slot: Option<u32>,
    timeline: usize,
    dedupe: Option<u32>,
    late: Option<RuleId>,
    key: Vec<u32>,
    symbols: Symbols,
}

/// Symbols and their filters.
type Symbols = Vec<(u32, Option<u32>)>;

/// What the patterns and correlations of a plan take of items of one signal.
#[derive(Default)]
struct SignalTakers {
    takers: Vec<Taker>,
    /// Those that take items without a filter.
    always: Vec<u32>,
    /// By filter: those that take its items.
    by_filter: Vec<Vec<u32>>,
}

impl SignalTakers {
    fn add(&mut self, taker: Taker) {
        let index = self.takers.len() as u32;
        for (_, filter) in &taker.symbols {
            let readers = match filter {
                Some(filter) => &mut self.by_filter[*filter as usize],
                None => &mut self.always,
            };
            readers.push(index);
        }
        self.takers.push(taker);
    }

    /// Those that take any item of a batch, in the order of the plan: what a batch costs must not
    /// follow the number of patterns that it is nothing to.
    fn of(&self, batch: &PreparedBatch) -> impl Iterator<Item = &Taker> {
        let hits = batch.filters.hits().iter().flat_map(|hit| &self.by_filter[*hit as usize]);
        let mut takers: Vec<u32> = self.always.iter().chain(hits).copied().collect();
        takers.sort_unstable();
        takers.dedup();
        takers.into_iter().map(|index| &self.takers[index as usize])
    }
}

/// What the patterns and correlations of a plan take of items.
pub(super) struct Takers {
    /// By signal of the plan.
    by_signal: Vec<SignalTakers>,
}

impl Takers {
    pub(super) fn new(plan: &Plan) -> Self {
        let of = |plan: &SignalPlan| SignalTakers {
            by_filter: vec![Vec::new(); plan.filters.len()],
            ..SignalTakers::default()
        };
        let mut by_signal: Vec<SignalTakers> = plan.signals.iter().map(of).collect();
        let rules = plan.rules.iter().enumerate();
        for (id, rule) in rules.filter_map(|(id, rule)| Some((id, rule.kind.events()?))) {
            for (input, source) in rule.inputs.iter().enumerate() {
                let PatternSource::Signal { signal, timeline, dedupe, late } = source.from else {
                    continue;
                };
                let mut keys: Vec<(Vec<u32>, Symbols)> = Vec::new();
                let own = |(_, symbol): &(usize, &PatternSymbol)| symbol.input as usize == input;
                for (at, symbol) in rule.symbols.iter().enumerate().filter(own) {
                    let said = (at as u32, symbol.filter);
                    match keys.iter_mut().find(|(key, _)| *key == symbol.key) {
                        Some((_, symbols)) => symbols.push(said),
                        None => keys.push((symbol.key.clone(), vec![said])),
                    }
                }
                let takers = keys.into_iter().map(|(key, symbols)| Taker {
                    rule: RuleId(id as u32),
                    slots: (rule.slots, source.slots.clone()),
                    item_slot: source.item_slot,
                    timeline: timeline as usize,
                    dedupe,
                    late,
                    key,
                    symbols,
                });
                takers.for_each(|taker| by_signal[signal as usize].add(taker));
            }
        }
        Self { by_signal }
    }
}

impl Taker {
    /// The rows of a batch that are something to the rule, and what.
    fn rows(&self, batch: &PreparedBatch) -> Vec<(u32, u128)> {
        let mut rows: Vec<(u32, u128)> = Vec::new();
        for (symbol, filter) in &self.symbols {
            let bit = 1u128 << symbol;
            match filter {
                Some(filter) => {
                    rows.extend(batch.filters.of(*filter).iter().map(|row| (*row, bit)));
                }
                None => rows.extend((0..batch.batch.rows as u32).map(|row| (row, bit))),
            }
        }
        if self.symbols.len() > 1 {
            rows.sort_unstable();
            rows.dedup_by(|next, first| {
                let is_same = next.0 == first.0;
                if is_same {
                    first.1 |= next.1;
                }
                is_same
            });
        }
        rows
    }

    /// The items of rows as they came, where the rule reads that.
    fn contents(&self, batch: &PreparedBatch, rows: &[(u32, u128)]) -> Vec<Option<ItemContent>> {
        if self.item_slot.is_none() {
            return Vec::new();
        }
        let rows: Vec<u32> = rows.iter().map(|(row, _)| *row).collect();
        emit(&batch.batch, &rows)
    }

    fn event(&self, batch: &PreparedBatch, (row, mask): (u32, u128), place: Place) -> Event {
        let batch = &batch.batch;
        let value = |column: &u32| batch.value_at(&batch.columns[*column as usize], row as usize);
        let key: Vec<Value> = self.key.iter().map(value).collect();
        let (count, own) = &self.slots;
        let mut slots = vec![Value::Null; *count as usize];
        for (slot, column) in own {
            slots[*slot as usize] = value(column);
        }
        Event { rule: self.rule, place, key_hash: hash_of(&key), key, mask, slots }
    }
}

pub(super) fn hash_of(key: &[Value]) -> u128 {
    let mut bytes = Vec::with_capacity(64);
    key.iter().for_each(|value| value.encode_key(&mut bytes));
    xxh3_128(&bytes)
}

impl Apply {
    /// Sends what rules take of a batch as events to the workers of its keys.
    pub(super) fn pattern_events(&mut self, at: Placed<'_>) {
        let takers = Arc::clone(&self.takers);
        let signal = at.batch.batch.signal;
        let signal = self.plan.signals.iter().position(|plan| plan.signal == signal);
        let Some(signal) = signal else { return };
        // Most patterns follow one timeline: where a frame takes it is computed once.
        let mut known_end: Option<(usize, i64)> = None;
        for taker in takers.by_signal[signal].of(at.batch) {
            let end_ns = match known_end {
                Some((timeline, end_ns)) if timeline == taker.timeline => end_ns,
                _ => self.end_of_frame_ns(taker.timeline, at),
            };
            known_end = Some((taker.timeline, end_ns));
            self.events_of(taker, at, end_ns);
        }
    }

    /// Sends what one rule takes of a batch; `end_ns` is its watermark after the frame.
    fn events_of(&mut self, taker: &Taker, at: Placed<'_>, end_ns: i64) {
        let rows = taker.rows(at.batch);
        let Some(mut walk) = self.walk(taker.timeline, at) else { return };
        let mut contents = taker.contents(at.batch, &rows).into_iter();
        for (row, mask) in rows {
            let item = contents.next().flatten();
            let time_ns = walk.times[row as usize];
            if time_ns == 0 || walk.is_ahead(row) {
                continue; // counted by the ledger
            }
            if !self.is_new(taker.rule, taker.dedupe, at, row) {
                continue;
            }
            // Most frames lie whole ahead of where the watermark is after them.
            if time_ns <= end_ns {
                self.walk_to(row, &mut walk);
                if time_ns <= walk.watermark_ns {
                    self.late_event(taker, at.batch, (row, time_ns), walk.watermark_ns);
                    continue;
                }
            }
            self.rules[taker.rule.0 as usize].used += 1;
            let batch = &at.batch.batch;
            let place = Place {
                time_ns,
                source: at.source.0,
                seq: at.frame.seq,
                at: batch.offsets.get(row as usize).copied().unwrap_or(row),
                signal: batch.signal.index() as u8,
            };
            let mut event = taker.event(at.batch, (row, mask), place);
            if let (Some(slot), Some(item)) = (taker.item_slot, item) {
                event.slots[slot as usize] = packed(&item);
            }
            self.send_event(event);
        }
    }

    fn send_event(&mut self, event: Event) {
        let peers = self.outgoing.len();
        let worker = if self.plan.rules[event.rule.0 as usize].place.level == 0 {
            owner_of(event.key_hash, peers)
        } else {
            owner_of_rule(&self.plan, event.rule, peers)
        };
        self.outgoing[worker].pattern_events.push(event);
    }

    fn late_event(
        &mut self,
        taker: &Taker,
        batch: &PreparedBatch,
        (row, time_ns): (u32, i64),
        watermark_ns: i64,
    ) {
        let counts = &mut self.rules[taker.rule.0 as usize];
        counts.late += 1;
        counts.worst_late_ns = counts.worst_late_ns.max(watermark_ns.saturating_sub(time_ns));
        self.send_late(taker.late, batch, (row, time_ns), watermark_ns);
    }
}
