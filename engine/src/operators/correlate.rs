//! Correlations between the stages: what was decided of items becomes rows.
//!
//! Items come by the way of a pattern's events, to the worker of their key or, where a side is
//! rows, to the worker of the rule. Must not know how items find each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alert::Alert;
use super::clock::UNSEEN;
use super::close::{Closed, rule_watermark_ns};
use super::pattern::{Watermarks, before_end, row_events};
use super::relate::{top_ns, watch};
use crate::correlate::{Correlator, CorrelatorState, Decided, Item, Outcome};
use crate::keyed_events::Event;
use crate::model::{Row, RowKind, RuleId, Value};
use crate::plan::eval::eval_columns;
use crate::plan::{CorrelateRule, KEY_FROM, Plan, RIGHT_FROM, RuleKind, VALUES_FROM};
use crate::self_metrics::{EngineGauges, Holder};

/// The correlations that live in one stage of one worker.
pub(crate) struct Correlations {
    own: Vec<(RuleId, Correlator)>,
    /// By correlation: rows taken so far.
    rows: BTreeMap<RuleId, u64>,
}

/// What a snapshot holds of them, by hash.
pub(crate) type CorrelationsState = Vec<(u64, CorrelatorState)>;

/// Whether an event is of a correlation.
pub(crate) fn is_correlated(plan: &Plan, event: &Event) -> bool {
    matches!(plan.rules[event.rule.0 as usize].kind, RuleKind::Correlate(_))
}

impl Correlations {
    /// The correlations of which a condition holds.
    pub(crate) fn new(
        plan: &Plan,
        is_mine: impl Fn(RuleId) -> bool,
        restored: CorrelationsState,
    ) -> Self {
        let mut states = CorrelatorState::by_rule(restored);
        let mut rows = BTreeMap::new();
        let all = plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
            RuleKind::Correlate(rule) => Some((RuleId(index as u32), rule)),
            _ => None,
        });
        let own = all.filter(|(id, _)| is_mine(*id)).map(|(id, rule)| {
            let state = states.remove(&rule.hash).unwrap_or_default();
            rows.insert(id, state.rows);
            (id, Correlator::new(&Arc::new((**rule).clone()), state))
        });
        let own = own.collect();
        Self { own, rows }
    }

    /// Tells what they hold on a worker: each worker has its own keys.
    pub(crate) fn tell(&self, gauges: &EngineGauges, worker: usize) {
        for (id, correlator) in &self.own {
            let (keys, bytes) = correlator.held();
            gauges.set_instances(worker, id.0 as usize, keys);
            gauges.set_state_bytes(Holder::Windows, worker, id.0 as usize, bytes);
        }
    }

    pub(crate) fn state(&self) -> CorrelationsState {
        let state = |(id, correlator): &(RuleId, Correlator)| {
            let rows = self.rows.get(id).copied().unwrap_or(0);
            (correlator.rule().hash, correlator.state(rows))
        };
        self.own.iter().map(state).collect()
    }

    /// Takes the items of an epoch, then decides what the watermark has passed.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        events: Vec<Event>,
        (fed, watermarks): (&[Row], Watermarks<'_>),
        alerts: &mut [Alert],
        out: &mut Closed,
    ) {
        let mut by_rule: BTreeMap<RuleId, Vec<Event>> = BTreeMap::new();
        for event in events {
            by_rule.entry(event.rule).or_default().push(event);
        }
        for (id, correlator) in &mut self.own {
            let mut events = by_rule.remove(id).unwrap_or_default();
            let taken = self.rows.entry(*id).or_default();
            let counts = &mut out.rules[id.0 as usize];
            let of_nobody = row_events(plan, *id, fed, taken, |event| {
                counts.taken += 1;
                counts.used += 1;
                events.push(event);
            });
            counts.refuse(of_nobody);
            if !correlator.has_room(events.iter().map(Event::bytes).sum()) {
                events.sort_by_key(Event::in_log);
            }
            for event in events {
                counts.refused += u64::from(!correlator.push(event));
            }
            let rows = decide(plan, (*id, correlator), watermarks, out);
            follow(plan, *id, &rows, watermarks, alerts, out);
            out.rows.extend(rows);
        }
    }
}

/// The rows of what the watermark has passed.
fn decide(
    plan: &Plan,
    (id, correlator): (RuleId, &mut Correlator),
    watermarks: Watermarks<'_>,
    out: &mut Closed,
) -> Vec<Row> {
    // A row says what was decided at the end of its window, 1 ns behind its own time.
    let shift_ns = i64::from(plan.rules[id.0 as usize].place.is_behind);
    let to_ns = match rule_watermark_ns(plan, id, watermarks.after) {
        UNSEEN => return Vec::new(),
        i64::MAX => i64::MAX,
        watermark_ns => watermark_ns - shift_ns,
    };
    let (decided, refused) = correlator.advance(to_ns);
    out.rules[id.0 as usize].refused += refused;
    let rule = Arc::clone(correlator.rule());
    let behind = before_end(plan, &rule.inputs);
    let rows = |decided: Decided| {
        let row = row(id, &rule, &decided, (shift_ns, &behind));
        let with_items = with_items(&rule, &decided, &row);
        std::iter::once(row).chain(with_items)
    };
    let mut rows: Vec<Row> = decided.into_iter().flat_map(rows).collect();
    rows.sort_by(Row::output_cmp);
    let is_other = |row: &&Row| rule.others.contains(&row.rule);
    for row in rows.iter().filter(is_other) {
        let counts = &mut out.rules[row.rule.0 as usize];
        counts.taken += 1;
        counts.used += 1;
    }
    rows
}

/// Lets the alerts over a correlation's outcomes follow them.
fn follow(
    plan: &Plan,
    id: RuleId,
    rows: &[Row],
    watermarks: Watermarks<'_>,
    alerts: &mut [Alert],
    out: &mut Closed,
) {
    let watermark_ns = rule_watermark_ns(plan, id, watermarks.after);
    if watermark_ns == UNSEEN {
        return;
    }
    for alert in alerts.iter_mut() {
        let source = alert.source();
        let is_outcome = matches!(
            &plan.rules[source.0 as usize].kind,
            RuleKind::Outcome(outcome) if outcome.of == id
        );
        if source != id && !is_outcome {
            continue;
        }
        let own: Vec<Row> = rows.iter().filter(|row| row.rule == source).cloned().collect();
        let before_ns = rule_watermark_ns(plan, id, watermarks.before);
        let between = (before_ns, watermark_ns, top_ns(plan, id, watermarks.after));
        watch(alert, plan, &own, between, &mut out.transitions);
    }
}

/// The row again with the items as they came, where a rule reads them.
fn with_items(rule: &CorrelateRule, decided: &Decided, row: &Row) -> Option<Row> {
    let of = rule.with_items[decided.outcome as usize]?;
    let mut row = Row { rule: of, ..row.clone() };
    for (item, slot) in [&decided.left, &decided.right].into_iter().zip(rule.item_slots) {
        let slots = item.as_ref().zip(slot);
        let value = slots.and_then(|(item, slot)| item.slots.get(slot as usize)).cloned();
        row.values.push(value.unwrap_or_default());
    }
    Some(row)
}

/// What was decided as a row.
fn row(
    id: RuleId,
    rule: &CorrelateRule,
    decided: &Decided,
    (shift_ns, behind): (i64, &[u32]),
) -> Row {
    let slot = |item: &Option<Item>, at: u32| {
        let slots = item.as_ref().map(|item| &item.slots);
        slots.and_then(|slots| slots.get(at as usize)).cloned().unwrap_or_default()
    };
    let mut values: Vec<Value> = Vec::with_capacity(rule.values.len());
    for (_, expr) in &rule.values {
        let mut column = |at: u32| {
            if at >= KEY_FROM {
                decided.key.get((at - KEY_FROM) as usize).cloned().unwrap_or_default()
            } else if at >= VALUES_FROM {
                values.get((at - VALUES_FROM) as usize).cloned().unwrap_or_default()
            } else if at >= RIGHT_FROM {
                slot(&decided.right, at - RIGHT_FROM)
            } else {
                slot(&decided.left, at)
            }
        };
        let value = eval_columns(expr, &mut column);
        values.push(value);
    }
    let [left_only, right_only, duplicates] = rule.others;
    let of = match decided.outcome {
        Outcome::Matched => id,
        Outcome::LeftOnly => left_only,
        Outcome::RightOnly => right_only,
        Outcome::Duplicate => duplicates,
    };
    let end_ns = decided.at_ns.saturating_add(shift_ns);
    let places = decided.left.iter().chain(&decided.right).map(|item| item.place);
    let start = places.min();
    let is_behind = start.is_some_and(|place| behind.contains(&place.source));
    let start_ns = start.map_or(end_ns, |place| place.time_ns);
    Row {
        rule: of,
        decision_ns: end_ns,
        start_ns: start_ns.saturating_add(i64::from(is_behind)),
        end_ns,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::from(&decided.key[..]),
        values,
    }
}
