//! Patterns between the stages: what becomes of their events, and what they find as rows.
//!
//! Where a pattern reads telemetry only, a key's events meet on the worker of its virtual shard, in
//! the closing stage; where it reads rows, all of them on the worker of the rule. Must not know
//! what a run is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alert::Alert;
use super::clock::UNSEEN;
use super::close::{Closed, rule_watermark_ns};
use super::pattern_events::hash_of;
use super::relate::{top_ns, watch};
use crate::keyed_events::{Event, Place};
use crate::model::{Row, RowKind, RuleId, Value};
use crate::pattern::{Found, FoundKind, Matcher, MatcherState};
use crate::plan::eval::{eval_columns, eval_row};
use crate::plan::{
    PatternInput, PatternRule, PatternSource, PatternSymbol, Plan, REGISTERS_FROM, RowTime,
    RuleKind, START_PLACE, VALUES_FROM,
};
use crate::self_metrics::{EngineGauges, Holder};

/// The first place number of rules among the sources: rows come behind items of their time.
pub(super) const RULES_FROM: u32 = 1 << 31;

/// The patterns of a plan.
pub(crate) fn patterns(plan: &Plan) -> impl Iterator<Item = (RuleId, &PatternRule)> {
    plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Pattern(pattern) => Some((RuleId(index as u32), &**pattern)),
        _ => None,
    })
}

/// The patterns that live in one stage of one worker.
pub(crate) struct Patterns {
    own: Vec<Own>,
    /// By rule of the plan: its index among them.
    places: Vec<Option<u32>>,
}

/// One of them.
struct Own {
    id: RuleId,
    matcher: Matcher,
    /// Rows taken so far.
    rows: u64,
    /// Whether it reads rows of rules.
    reads_rows: bool,
}

/// What a snapshot holds of them, by hash.
pub(crate) type PatternsState = Vec<(u64, MatcherState)>;

/// Where time stands: of all timelines, before the epoch and after it.
#[derive(Clone, Copy)]
pub(crate) struct Watermarks<'a> {
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
        let mut states = MatcherState::by_rule(restored);
        let own = patterns(plan).filter(|(id, _)| is_mine(*id)).map(|(id, rule)| {
            let state = states.remove(&rule.hash).unwrap_or_default();
            let is_row = |input: &PatternInput| matches!(input.from, PatternSource::Rows { .. });
            let (rows, reads_rows) = (state.rows, rule.inputs.iter().any(is_row));
            Own { id, matcher: Matcher::new(&Arc::new(rule.clone()), state), rows, reads_rows }
        });
        let own: Vec<Own> = own.collect();
        let mut places = vec![None; plan.rules.len()];
        for (index, one) in own.iter().enumerate() {
            places[one.id.0 as usize] = Some(index as u32);
        }
        Self { own, places }
    }

    /// Tells what they hold on a worker: each worker has its own keys.
    pub(crate) fn tell(&self, gauges: &EngineGauges, worker: usize) {
        for Own { id, matcher, .. } in &self.own {
            let (keys, bytes) = matcher.held();
            gauges.set_instances(worker, id.0 as usize, keys);
            gauges.set_state_bytes(Holder::Windows, worker, id.0 as usize, bytes);
        }
    }

    pub(crate) fn state(&self) -> PatternsState {
        self.own.iter().map(|own| (own.matcher.rule().hash, own.matcher.state(own.rows))).collect()
    }

    /// Takes the events of an epoch, then decides what the watermark has passed.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        events: Vec<Event>,
        (fed, watermarks): (&[Row], Watermarks<'_>),
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        self.take(events, out);
        let mut watching: BTreeMap<RuleId, Vec<usize>> = BTreeMap::new();
        for (index, alert) in alerts.iter().enumerate() {
            watching.entry(alert.source()).or_default().push(index);
        }
        for own in &mut self.own {
            let id = own.id;
            if own.reads_rows {
                let counts = &mut out.rules[id.0 as usize];
                let mut refused = 0;
                let of_nobody = row_events(plan, id, fed, &mut own.rows, |event| {
                    counts.taken += 1;
                    counts.used += 1;
                    refused += u64::from(!own.matcher.push(event));
                });
                counts.refuse(of_nobody);
                counts.refused += refused;
            }
            let timeout = own.matcher.rule().timeout;
            let watchers = [Some(id), timeout].into_iter().flatten();
            let watchers = watchers.filter_map(|rule| Some((rule, watching.get(&rule)?)));
            let watermark_ns = rule_watermark_ns(plan, id, watermarks.after);
            // A row says what was decided at the end of its window, 1 ns behind its own time.
            let shift_ns = i64::from(plan.rules[id.0 as usize].place.is_behind);
            let to_ns = match watermark_ns {
                UNSEEN => continue,
                i64::MAX => watermark_ns,
                watermark_ns => watermark_ns - shift_ns,
            };
            let rows = own.decide(plan, (to_ns, shift_ns), out);
            for (rule, index) in
                watchers.flat_map(|(rule, all)| all.iter().map(move |at| (rule, at)))
            {
                let read: Vec<Row> = rows.iter().filter(|r| r.rule == rule).cloned().collect();
                let before_ns = rule_watermark_ns(plan, id, watermarks.before);
                let between = (before_ns, watermark_ns, top_ns(plan, id, watermarks.after));
                watch(&mut alerts[*index], plan, &read, between, &mut out.transitions);
            }
            out.rows.extend(rows);
        }
    }

    /// Takes the events of an epoch; of those that a bound has no room for, the last in the log.
    fn take(&mut self, mut events: Vec<Event>, out: &mut Closed) {
        let bytes = events.iter().map(Event::bytes).sum();
        if self.own.iter().any(|own| !own.matcher.has_room(bytes)) {
            events.sort_by_key(Event::in_log);
        }
        for event in events {
            let (rule, own) = (event.rule.0 as usize, self.places[event.rule.0 as usize]);
            let Some(own) = own else { continue };
            let is_taken = self.own[own as usize].matcher.push(event);
            out.rules[rule].refused += u64::from(!is_taken);
        }
    }
}

impl Own {
    /// Decides what has been passed up to a time: rows in output order.
    fn decide(&mut self, plan: &Plan, (to_ns, shift_ns): (i64, i64), out: &mut Closed) -> Vec<Row> {
        if !self.matcher.is_due(to_ns) {
            return Vec::new();
        }
        let (found, refused) = self.matcher.advance(to_ns);
        out.rules[self.id.0 as usize].refused += refused;
        let rule = self.matcher.rule();
        let behind = before_end(plan, &rule.inputs);
        let row = |found: &Found| row(self.id, rule, found, (shift_ns, &behind));
        let mut rows: Vec<Row> = found.iter().map(row).collect();
        rows.sort_by(Row::output_cmp);
        for row in rows.iter().filter(|row| Some(row.rule) == rule.timeout) {
            let counts = &mut out.rules[row.rule.0 as usize];
            counts.taken += 1;
            counts.used += 1;
        }
        rows
    }
}

/// The sources among what a rule takes whose rows count 1 ns before their end.
pub(super) fn before_end(plan: &Plan, inputs: &[PatternInput]) -> Vec<u32> {
    let source = |input: &PatternInput| match input.from {
        PatternSource::Rows { input, rule } => {
            let is_behind = plan.row_inputs[input as usize].time == RowTime::BeforeEnd;
            is_behind.then_some(RULES_FROM + rule.0)
        }
        PatternSource::Signal { .. } => None,
    };
    inputs.iter().filter_map(source).collect()
}

/// Rows of rules as events of a rule that takes them. How many rows of the group `other` were left
/// out, as they have no key that the rule asks for: they are many keys together.
pub(super) fn row_events(
    plan: &Plan,
    id: RuleId,
    fed: &[Row],
    taken: &mut u64,
    mut push: impl FnMut(Event),
) -> u64 {
    let mut of_nobody = 0;
    let Some(takes) = plan.rules[id.0 as usize].kind.events() else { return 0 };
    for row in fed.iter().filter(|row| row.kind == RowKind::Final) {
        for (input, source) in takes.inputs.iter().enumerate() {
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
            let time_ns = known.time.of(row);
            let source_id = RULES_FROM + row.rule.0;
            let place = Place { time_ns, source: source_id, seq: *taken, at: 0, signal: 0 };
            for (key, mask) in masks_by_key(takes.symbols, input, is_true) {
                let value = |column: &u32| columns[*column as usize].clone();
                let is_key = |column: &u32| known.reads_key(*column, row.key.len() as u32);
                if row.is_other && key.iter().any(is_key) {
                    of_nobody += 1;
                    continue;
                }
                let key: Vec<Value> = key.iter().map(value).collect();
                let mut slots = vec![Value::Null; takes.slots as usize];
                for (slot, column) in &source.slots {
                    slots[*slot as usize] = value(column);
                }
                let key_hash = hash_of(&key);
                push(Event { rule: id, place, key_hash, key, mask, slots });
            }
        }
        *taken += 1;
    }
    of_nobody
}

/// The symbols of an input that a row is, by what they have for a key.
fn masks_by_key(
    symbols: &[PatternSymbol],
    input: usize,
    is_true: impl Fn(u32) -> bool,
) -> Vec<(&[u32], u128)> {
    let mut masks: Vec<(&[u32], u128)> = Vec::new();
    for (at, symbol) in symbols.iter().enumerate() {
        if symbol.input as usize != input || !symbol.filter.is_none_or(&is_true) {
            continue;
        }
        match masks.iter_mut().find(|(key, _)| *key == symbol.key) {
            Some((_, mask)) => *mask |= 1 << at,
            None => masks.push((&symbol.key, 1 << at)),
        }
    }
    masks
}

/// What was found as a row.
fn row(id: RuleId, rule: &PatternRule, found: &Found, (shift_ns, behind): (i64, &[u32])) -> Row {
    let mut values: Vec<Value> = Vec::with_capacity(rule.values.len() + 1);
    for (_, expr) in &rule.values {
        let mut column = |at: u32| {
            if at == START_PLACE {
                found.start.as_value()
            } else if at >= VALUES_FROM {
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
    let is_behind = behind.contains(&found.start.source);
    Row {
        rule: of,
        decision_ns: end_ns,
        start_ns: found.start.time_ns.saturating_add(i64::from(is_behind)),
        end_ns,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::from(&found.key[..]),
        values,
    }
}

/// Events on their way to a stage of the same worker, by epoch and rule.
#[derive(Default)]
pub(crate) struct EventsBetween(BTreeMap<(u64, RuleId), Vec<Event>>);

impl EventsBetween {
    pub(crate) fn put(&mut self, epoch: u64, event: Event) {
        self.0.entry((epoch, event.rule)).or_default().push(event);
    }

    /// Takes what was put for the rules of which a condition holds.
    pub(crate) fn take(&mut self, epoch: u64, is_mine: impl Fn(RuleId) -> bool) -> Vec<Event> {
        let range = (epoch, RuleId(0))..=(epoch, RuleId(u32::MAX));
        let own = self.0.extract_if(range, |(_, pattern), _| is_mine(*pattern));
        own.flat_map(|(_, events)| events).collect()
    }
}
