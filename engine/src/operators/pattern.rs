//! Patterns between the stages: items become their events, what they find becomes rows.
//!
//! Where a pattern reads telemetry only, a key's events meet on the worker of its virtual shard, in
//! the closing stage; where it reads rows, all of them on the worker of the rule. Events behind
//! the watermark of their own stream are late. Must not know what a run is.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::alert::Alert;
use super::applied::owner_of;
use super::apply::Apply;
use super::clock::UNSEEN;
use super::close::{Closed, rule_watermark_ns};
use super::decode::{PreparedBatch, PreparedFrame};
use super::facts::{ClockStep, Decisions, FrameDecision};
use super::feeds::owner_of_rule;
use super::relate::{top_ns, watch};
use crate::limits::AHEAD_MAX_NS;
use crate::model::{Column, Row, RowKind, RuleId, SourceId, Value};
use crate::pattern::{Event, Found, FoundKind, Matcher, MatcherState, Place};
use crate::plan::eval::{eval_columns, eval_row};
use crate::plan::{
    PatternRule, PatternSource, PatternSymbol, Plan, REGISTERS_FROM, RuleKind, VALUES_FROM,
};
use crate::self_metrics::{EngineGauges, Holder};

/// The first place number of rules among the sources: rows come behind items of their time.
const RULES_FROM: u32 = 1 << 31;

/// What one pattern takes of the items of one signal under one key.
struct Taker {
    pattern: RuleId,
    rule: Arc<PatternRule>,
    input: usize,
    timeline: usize,
    dedupe: Option<u32>,
    late: Option<RuleId>,
    key: Vec<u32>,
    symbols: Symbols,
}

/// Symbols and their filters.
type Symbols = Vec<(u32, Option<u32>)>;

/// What the patterns of a plan take of items.
pub(super) struct Takers {
    /// By signal of the plan.
    by_signal: Vec<Vec<Taker>>,
}

impl Takers {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut by_signal: Vec<Vec<Taker>> = Vec::new();
        by_signal.resize_with(plan.signals.len(), Vec::new);
        for (id, rule) in patterns(plan) {
            let rule = Arc::new(rule.clone());
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
                    pattern: id,
                    rule: Arc::clone(&rule),
                    input,
                    timeline: timeline as usize,
                    dedupe,
                    late,
                    key,
                    symbols,
                });
                by_signal[signal as usize].extend(takers);
            }
        }
        Self { by_signal }
    }
}

/// The patterns of a plan.
pub(crate) fn patterns(plan: &Plan) -> impl Iterator<Item = (RuleId, &PatternRule)> {
    plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Pattern(pattern) => Some((RuleId(index as u32), &**pattern)),
        _ => None,
    })
}

impl Taker {
    /// The rows of a batch that are something to the pattern, and what.
    fn rows(&self, batch: &PreparedBatch) -> Vec<(u32, u128)> {
        let mut rows: Vec<(u32, u128)> = Vec::new();
        for (symbol, filter) in &self.symbols {
            let bit = 1u128 << symbol;
            match filter {
                Some(filter) => {
                    rows.extend(batch.filters[*filter as usize].iter().map(|row| (*row, bit)));
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

    fn event(&self, batch: &PreparedBatch, (row, mask): (u32, u128), place: Place) -> Event {
        let batch = &batch.batch;
        let value = |column: &u32| batch.value_at(&batch.columns[*column as usize], row as usize);
        let key: Vec<Value> = self.key.iter().map(value).collect();
        let input = &self.rule.inputs[self.input];
        let mut slots = vec![Value::Null; self.rule.slots as usize];
        for (slot, column) in &input.slots {
            slots[*slot as usize] = value(column);
        }
        Event { pattern: self.pattern, place, key_hash: hash_of(&key), key, mask, slots }
    }
}

fn hash_of(key: &[Value]) -> u128 {
    let mut bytes = Vec::with_capacity(64);
    key.iter().for_each(|value| value.encode_key(&mut bytes));
    xxh3_128(&bytes)
}

/// The watermark of one timeline, row by row through a frame's batch.
struct Walk<'a> {
    times: &'a [i64],
    ahead: &'a [u32],
    bound_ns: i64,
    next: usize,
    high_ns: i64,
    watermark_ns: i64,
}

impl Apply {
    /// Sends what patterns take of a batch to the workers of its keys.
    pub(super) fn pattern_events(
        &mut self,
        (frame, batch): (&PreparedFrame, &PreparedBatch),
        (source, decision): (SourceId, &FrameDecision),
        decisions: &Decisions,
    ) {
        let takers = Arc::clone(&self.takers);
        let plan = Arc::clone(&self.plan);
        let signal = plan.signals.iter().position(|plan| plan.signal == batch.batch.signal);
        let Some(signal) = signal else { return };
        for taker in &takers.by_signal[signal] {
            let rows = taker.rows(batch);
            let timeline = &plan.timelines[taker.timeline];
            let time_column = plan.time_columns[timeline.time_column as usize];
            let Column::Times(times) = &batch.batch.columns[time_column.column as usize] else {
                continue;
            };
            let ahead = decision.ahead.iter().find(|(column, _)| *column == timeline.time_column);
            let mut walk = Walk {
                times,
                ahead: ahead.map_or(&[], |(_, rows)| rows),
                bound_ns: frame.arrival_ns.map_or(i64::MAX, |at| at.saturating_add(AHEAD_MAX_NS)),
                next: 0,
                high_ns: self.clock.high(timeline.time_column, source),
                watermark_ns: self.clock.watermark(taker.timeline),
            };
            // Most frames lie whole ahead of where the watermark is after them.
            let end_ns = self.end_of_frame_ns(taker.timeline, source, decision);
            for (row, mask) in rows {
                let time_ns = times[row as usize];
                if time_ns == 0 || walk.ahead.binary_search(&row).is_ok() {
                    continue; // counted by the ledger
                }
                let counts = &mut self.rules[taker.pattern.0 as usize];
                counts.taken += 1;
                let place = |dedupe| (dedupe, frame.seq, row);
                let is_duplicate = |dedupe| decisions.duplicates.binary_search(&place(dedupe));
                if taker.dedupe.is_some_and(|dedupe| is_duplicate(dedupe).is_ok()) {
                    counts.duplicates += 1;
                    continue;
                }
                if time_ns <= end_ns {
                    self.walk_to(row, &mut walk, (taker.timeline, source));
                    if time_ns <= walk.watermark_ns {
                        self.late_event(taker, batch, (row, time_ns), walk.watermark_ns);
                        continue;
                    }
                }
                self.rules[taker.pattern.0 as usize].used += 1;
                let place = Place { time_ns, source: source.0, seq: frame.seq, row };
                let event = taker.event(batch, (row, mask), place);
                let peers = self.outgoing.len();
                let worker = if plan.rules[taker.pattern.0 as usize].place.level == 0 {
                    owner_of(event.key_hash, peers)
                } else {
                    owner_of_rule(&plan, taker.pattern, peers)
                };
                self.outgoing[worker].pattern_events.push(event);
            }
        }
    }

    /// The watermark that a timeline will have after a frame.
    fn end_of_frame_ns(&self, line: usize, source: SourceId, decision: &FrameDecision) -> i64 {
        let timeline = &self.plan.timelines[line];
        let ClockStep::Data { highs, .. } = &decision.step else { return UNSEEN };
        let own = highs.iter().filter(|(column, _)| *column == timeline.time_column);
        let last_ns = own.map(|(_, high_ns)| *high_ns).max().unwrap_or(UNSEEN);
        let high_ns = self.clock.high(timeline.time_column, source).max(last_ns);
        self.clock.watermark_with(line, timeline, source, high_ns)
    }

    /// Lets a walk come to a row: the watermark is as of the row before.
    fn walk_to(&self, row: u32, walk: &mut Walk<'_>, (line, source): (usize, SourceId)) {
        let timeline = &self.plan.timelines[line];
        while walk.next < row as usize {
            let time_ns = walk.times[walk.next];
            let moves = time_ns != 0 && time_ns > walk.high_ns && time_ns <= walk.bound_ns;
            if moves && walk.ahead.binary_search(&(walk.next as u32)).is_err() {
                walk.high_ns = time_ns;
                walk.watermark_ns = self.clock.watermark_with(line, timeline, source, time_ns);
            }
            walk.next += 1;
        }
    }

    fn late_event(
        &mut self,
        taker: &Taker,
        batch: &PreparedBatch,
        (row, time_ns): (u32, i64),
        watermark_ns: i64,
    ) {
        let counts = &mut self.rules[taker.pattern.0 as usize];
        counts.late += 1;
        counts.worst_late_ns = counts.worst_late_ns.max(watermark_ns.saturating_sub(time_ns));
        self.send_late(taker.late, batch, (row, time_ns), watermark_ns);
    }
}

/// The patterns that live in one stage of one worker.
pub(crate) struct Patterns {
    own: Vec<(RuleId, Matcher)>,
    /// By pattern: rows taken so far.
    rows: BTreeMap<RuleId, u64>,
}

/// What a snapshot holds of them, by hash.
pub(crate) type PatternsState = Vec<(u64, MatcherState)>;

/// Where time stands: of all timelines, before the epoch and after it.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    pub(crate) before: &'a [(i64, i64)],
    pub(crate) after: &'a [(i64, i64)],
}

impl Patterns {
    /// The patterns of which a condition holds.
    pub(crate) fn new(
        plan: &Plan,
        is_mine: impl Fn(RuleId) -> bool,
        restored: PatternsState,
    ) -> Self {
        let mut states: BTreeMap<u64, MatcherState> = BTreeMap::new();
        for (hash, state) in restored {
            states.entry(hash).or_default().extend(state);
        }
        let mut rows = BTreeMap::new();
        let own = patterns(plan).filter(|(id, _)| is_mine(*id)).map(|(id, rule)| {
            let state = states.remove(&rule.hash).unwrap_or_default();
            rows.insert(id, state.rows);
            (id, Matcher::new(&Arc::new(rule.clone()), state))
        });
        let own = own.collect();
        Self { own, rows }
    }

    /// Tells what they hold on a worker: each worker has its own keys.
    pub(crate) fn tell(&self, gauges: &EngineGauges, worker: usize) {
        for (id, matcher) in &self.own {
            let (keys, bytes) = matcher.held();
            gauges.set_instances(worker, id.0 as usize, keys);
            gauges.set_state_bytes(Holder::Windows, worker, id.0 as usize, bytes);
        }
    }

    pub(crate) fn state(&self) -> PatternsState {
        let state = |(id, matcher): &(RuleId, Matcher)| {
            let rows = self.rows.get(id).copied().unwrap_or(0);
            (matcher.rule().hash, matcher.state(rows))
        };
        self.own.iter().map(state).collect()
    }

    /// Takes the events of an epoch, then decides what the watermark has passed.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        events: Vec<Event>,
        (fed, span): (&[Row], Span<'_>),
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        let mut by_pattern: BTreeMap<RuleId, Vec<Event>> = BTreeMap::new();
        for event in events {
            by_pattern.entry(event.pattern).or_default().push(event);
        }
        for (id, matcher) in &mut self.own {
            by_pattern.remove(id).into_iter().flatten().for_each(|event| matcher.push(event));
            let taken = self.rows.entry(*id).or_default();
            row_events(plan, (*id, matcher), fed, taken, out);
            let watermark_ns = rule_watermark_ns(plan, *id, span.after);
            // A row says what was decided at the end of its window, 1 ns behind its own time.
            let shift_ns = i64::from(plan.rules[id.0 as usize].place.level > 0);
            let to_ns = match watermark_ns {
                UNSEEN | i64::MAX => watermark_ns,
                watermark_ns => watermark_ns - shift_ns,
            };
            if to_ns == UNSEEN {
                continue;
            }
            let (found, refused) = matcher.advance(to_ns);
            out.rules[id.0 as usize].refused += refused;
            let mut rows: Vec<Row> =
                found.iter().map(|found| row(*id, matcher.rule(), found, shift_ns)).collect();
            rows.sort_by(Row::output_cmp);
            let timeout = matcher.rule().timeout;
            for row in rows.iter().filter(|row| Some(row.rule) == timeout) {
                let counts = &mut out.rules[row.rule.0 as usize];
                counts.taken += 1;
                counts.used += 1;
            }
            for alert in alerts.iter_mut() {
                let source = alert.source();
                if source != *id && Some(source) != timeout {
                    continue;
                }
                let own: Vec<Row> = rows.iter().filter(|r| r.rule == source).cloned().collect();
                let before_ns = rule_watermark_ns(plan, *id, span.before);
                let between = (before_ns, watermark_ns, top_ns(plan, *id, span.after));
                watch(alert, plan, &own, between, &mut out.transitions);
            }
            out.rows.extend(rows);
        }
    }
}

/// Rows of rules as events.
fn row_events(
    plan: &Plan,
    (id, matcher): (RuleId, &mut Matcher),
    fed: &[Row],
    taken: &mut u64,
    out: &mut Closed,
) {
    let rule = Arc::clone(matcher.rule());
    for row in fed.iter().filter(|row| row.kind == RowKind::Final) {
        for (input, source) in rule.inputs.iter().enumerate() {
            let PatternSource::Rows { input: at, .. } = source.from else { continue };
            let known = &plan.row_inputs[at as usize];
            if known.rule != row.rule {
                continue;
            }
            let mut columns = row.columns();
            columns.resize(known.columns as usize, Value::Null);
            for computed in &known.computed {
                columns.push(eval_row(computed, &columns));
            }
            let is_true = |filter: u32| {
                eval_row(&known.filters[filter as usize], &columns) == Value::Bool(true)
            };
            let mut keys: Vec<(&Vec<u32>, u128)> = Vec::new();
            for (symbol, one) in rule.symbols.iter().enumerate() {
                if one.input as usize != input || !one.filter.is_none_or(is_true) {
                    continue;
                }
                match keys.iter_mut().find(|(key, _)| **key == one.key) {
                    Some((_, mask)) => *mask |= 1 << symbol,
                    None => keys.push((&one.key, 1 << symbol)),
                }
            }
            let time_ns = plan.row_time_ns(row);
            let place = Place { time_ns, source: RULES_FROM + row.rule.0, seq: *taken, row: 0 };
            for (key, mask) in keys {
                let value = |column: &u32| columns[*column as usize].clone();
                let key: Vec<Value> = key.iter().map(value).collect();
                let mut slots = vec![Value::Null; rule.slots as usize];
                for (slot, column) in &source.slots {
                    slots[*slot as usize] = value(column);
                }
                let counts = &mut out.rules[id.0 as usize];
                counts.taken += 1;
                counts.used += 1;
                let key_hash = hash_of(&key);
                matcher.push(Event { pattern: id, place, key_hash, key, mask, slots });
            }
        }
        *taken += 1;
    }
}

/// What was found as a row.
fn row(id: RuleId, rule: &PatternRule, found: &Found, shift_ns: i64) -> Row {
    let mut values: Vec<Value> = Vec::with_capacity(rule.values.len() + 1);
    for (_, expr) in &rule.values {
        let mut column = |at: u32| {
            if at >= VALUES_FROM {
                values.get((at - VALUES_FROM) as usize).cloned().unwrap_or_default()
            } else if at >= REGISTERS_FROM {
                found.registers.value(rule, (at - REGISTERS_FROM) as usize)
            } else {
                found.key.get(at as usize).cloned().unwrap_or_default()
            }
        };
        let value = eval_columns(expr, &mut column);
        values.push(value);
    }
    let mut of = id;
    if let FoundKind::Timeout { symbol } = found.kind {
        values.push(Value::str(&rule.symbols[symbol as usize].name));
        of = rule.timeout.unwrap_or(id);
    }
    let end_ns = found.end_ns.saturating_add(shift_ns);
    let is_row = found.start.source >= RULES_FROM;
    Row {
        rule: of,
        decision_ns: end_ns,
        start_ns: found.start.time_ns.saturating_add(i64::from(is_row)),
        end_ns,
        kind: RowKind::Final,
        is_other: false,
        key: found.key.clone(),
        values,
    }
}

/// Events on their way to a stage of the same worker, by epoch and pattern.
#[derive(Default)]
pub(crate) struct EventsBetween(BTreeMap<(u64, RuleId), Vec<Event>>);

impl EventsBetween {
    pub(crate) fn put(&mut self, epoch: u64, event: Event) {
        self.0.entry((epoch, event.pattern)).or_default().push(event);
    }

    /// Takes what was put for the patterns of which a condition holds.
    pub(crate) fn take(&mut self, epoch: u64, is_mine: impl Fn(RuleId) -> bool) -> Vec<Event> {
        let range = (epoch, RuleId(0))..=(epoch, RuleId(u32::MAX));
        let own = self.0.extract_if(range, |(_, pattern), _| is_mine(*pattern));
        own.flat_map(|(_, events)| events).collect()
    }
}
