//! What became of the traces that rows name as exemplars.
//!
//! Where spans are sampled each by itself, a trace is kept once a span of it has left, by whichever
//! rule; until then it is open, as another span of it may yet be kept.
//!
//! A row waits for no verdict: it says of each of its exemplars whether the trace is kept, dropped
//! or still open. Invariant: what it says follows from its decision time alone, not from the cut
//! into epochs. A verdict counts where the watermarks that let the row leave had passed it for
//! certain; whoever sends exemplars on is told the others when they come.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decide::{Core, samplings};
use crate::limits::{EXEMPLARS_KEPT_MAX, EXEMPLARS_OPEN_MAX};
use crate::model::{
    EXEMPLAR_MARK, EmittedItem, ExemplarVerdict, Row, RowKind, RuleId, Signal, Transition, Value,
};
use crate::otlp::wire::field;
use crate::plan::{Plan, Rule, RuleKind, SampleRule, SampledFrom, Timeline};
use crate::sampling::Past;

/// Number of the field `trace_id` of a span.
const TRACE_ID: u64 = 1;

/// What a row says of the trace of an exemplar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Kept,
    Dropped,
    Open,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Dropped => "dropped",
            Self::Open => "open",
        }
    }
}

/// Which rules' rows know which verdicts.
#[derive(Debug, Default)]
pub(super) struct ExemplarMarks {
    is_on: bool,
    /// Whether spans are sampled each by itself.
    of_spans: bool,
    /// By rule: verdicts up to this long before a row's decision are known when it leaves,
    /// nanoseconds; `None` where none surely is.
    behind_ns: Vec<Option<i64>>,
}

impl ExemplarMarks {
    pub(super) fn new(plan: &Plan) -> Self {
        if !plan.has_sampled_exemplars() {
            return Self::default();
        }
        let rules = 0..plan.rules.len() as u32;
        let behind_ns = rules.map(|rule| behind_ns(plan, RuleId(rule))).collect();
        let of_spans = samplings(plan).any(|(_, sample)| plan.samples_spans(sample));
        Self { is_on: true, of_spans, behind_ns }
    }

    /// Notes the traces of spans that leave.
    pub(super) fn note_left(&self, core: &mut Core, items: &[EmittedItem]) {
        if !self.of_spans {
            return;
        }
        for item in items.iter().filter(|item| item.signal == Signal::Spans) {
            let id = field(&item.content.item, TRACE_ID).map(|(_, bytes)| bytes);
            let Some(id) = id.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) else { continue };
            if core.left.at_ns(&id).is_none_or(|at_ns| at_ns > item.decision_ns) {
                core.left.note(id, item.decision_ns, EXEMPLARS_KEPT_MAX);
                if core.awaited.at_ns(&id).is_some() {
                    core.told.push(id);
                }
            }
        }
    }

    /// Marks exemplars; gives verdicts that rows before had no knowledge of.
    pub(super) fn mark(
        &self,
        plan: &Plan,
        core: &mut Core,
        (rows, transitions): (&mut [Row], &mut [Transition]),
    ) -> Vec<ExemplarVerdict> {
        if !self.is_on {
            return Vec::new();
        }
        let mut told = std::mem::take(&mut core.told);
        for row in rows {
            let until_ns = match row.kind {
                RowKind::Final => self.until_ns(row.rule, row.decision_ns),
                // When a revision leaves follows the cut.
                RowKind::Revision(_) | RowKind::Retraction => i64::MIN,
            };
            mark_row(plan, core, (row, until_ns), &mut told);
        }
        for transition in transitions {
            let until_ns = self.until_ns(transition.rule, transition.decision_ns);
            if let Some(row) = &mut transition.evidence {
                mark_row(plan, core, (row, until_ns), &mut told);
            }
        }
        let ids: BTreeSet<[u8; 16]> = told.into_iter().collect();
        let known = ids.into_iter().filter_map(|trace_id| {
            let is_kept = match verdict(plan, core, trace_id, i64::MAX) {
                Mark::Kept => true,
                Mark::Dropped => false,
                Mark::Open => return None, // another sampling has not decided
            };
            core.awaited.forget(&trace_id);
            Some(ExemplarVerdict { trace_id, is_kept })
        });
        known.collect()
    }

    /// Up to when verdicts are surely known with a row or transition of a rule.
    fn until_ns(&self, rule: RuleId, decision_ns: i64) -> i64 {
        let behind_ns = self.behind_ns.get(rule.0 as usize).copied().flatten();
        behind_ns.map_or(i64::MIN, |ns| decision_ns.saturating_sub(ns))
    }
}

/// How far behind a rule's decisions verdicts may be that are known with them: by as much as the
/// timelines of samplings lag behind its own. Timelines that follow other times cannot be compared.
fn behind_ns(plan: &Plan, rule: RuleId) -> Option<i64> {
    let place = &plan.rules[rule.0 as usize].place;
    let own = place.timelines.iter().map(|line| &plan.timelines[*line as usize]);
    let of = own.clone().next()?;
    let is_alike =
        |line: &Timeline| (line.time_column, line.idle_ns) == (of.time_column, of.idle_ns);
    let own_ns = own.clone().map(|line| line.lateness_ns).max()?.saturating_add(place.delay_ns);
    let mut lags_ns = own_ns;
    let of_spans = samplings(plan).filter(|(_, sample)| decides_spans(plan, sample));
    let asked = of_spans.flat_map(|(id, sample)| sample.asked().chain([id]));
    for other in asked.chain(routes_of_spans(plan)) {
        let rule = &plan.rules[other.0 as usize];
        // What is decided as it comes does not wait for a watermark.
        let is_at_once = match &rule.kind {
            RuleKind::Sample(sample) => matches!(sample.from, SampledFrom::Items { .. }),
            kind => matches!(kind, RuleKind::Route(_)),
        };
        for line in rule.place.timelines.iter().map(|line| &plan.timelines[*line as usize]) {
            if !is_alike(line) {
                return None;
            }
            let lag_ns = line.lateness_ns.saturating_add(rule.place.delay_ns);
            lags_ns = lags_ns.max(if is_at_once { 0 } else { lag_ns });
        }
    }
    own.clone().all(is_alike).then(|| lags_ns.saturating_sub(own_ns))
}

/// Marks the exemplars of a row; those that it cannot know are awaited.
fn mark_row(
    plan: &Plan,
    core: &mut Core,
    (row, until_ns): (&mut Row, i64),
    told: &mut Vec<[u8; 16]>,
) {
    for value in &mut row.values {
        let Value::List(items) = &*value else { continue };
        if items.first().and_then(trace_of).is_none() {
            continue;
        }
        let marked = items.iter().map(|item| {
            let (Some(id), Value::Map(entries)) = (trace_of(item), item) else {
                return item.clone();
            };
            let mark = verdict(plan, core, id, until_ns);
            if mark == Mark::Open {
                if verdict(plan, core, id, i64::MAX) == Mark::Open {
                    core.awaited.note(id, row.decision_ns, EXEMPLARS_OPEN_MAX);
                } else {
                    told.push(id);
                }
            }
            let mut entries: Vec<_> = entries.iter().cloned().collect();
            entries.retain(|(name, _)| **name != *EXEMPLAR_MARK);
            entries.push((Arc::from(EXEMPLAR_MARK), Value::str(mark.word())));
            Value::map(entries)
        });
        *value = Value::List(marked.collect());
    }
}

/// The trace of a value that has the form of an exemplar.
fn trace_of(item: &Value) -> Option<[u8; 16]> {
    let Value::Map(entries) = item else { return None };
    let member = |name: &str| entries.iter().find(|(key, _)| **key == *name).map(|(_, v)| v);
    let (Some(Value::Bytes(id)), Some(_), Some(Value::Time(_))) =
        (member("trace_id"), member("value"), member("time"))
    else {
        return None;
    };
    <[u8; 16]>::try_from(&**id).ok()
}

/// Routes of spans, where spans are sampled each by itself: what they take has left, too.
fn routes_of_spans(plan: &Plan) -> impl Iterator<Item = RuleId> + '_ {
    let by_item = samplings(plan).any(|(_, sample)| plan.samples_spans(sample));
    let is_route = move |rule: &Rule| match &rule.kind {
        RuleKind::Route(route) => {
            by_item && plan.signals[route.signal as usize].signal == Signal::Spans
        }
        _ => false,
    };
    let rules = (0..).map(RuleId).zip(&plan.rules);
    rules.filter(move |(_, rule)| is_route(rule)).map(|(id, _)| id)
}

/// Whether a sampling decides which spans leave.
fn decides_spans(plan: &Plan, sample: &SampleRule) -> bool {
    matches!(sample.from, SampledFrom::Traces { .. }) || plan.samples_spans(sample)
}

/// What the samplings of traces have decided about a trace up to a time: one that keeps it is
/// enough.
fn verdict(plan: &Plan, core: &mut Core, id: [u8; 16], until_ns: i64) -> Mark {
    let by_item = samplings(plan).any(|(_, sample)| plan.samples_spans(sample)).then(|| {
        // More may leave at the time up to which all is known.
        let has_left = core.left.at_ns(&id).is_some_and(|at_ns| at_ns < until_ns);
        if has_left { Mark::Kept } else { Mark::Open }
    });
    let traces = samplings(plan).filter(|(_, s)| matches!(s.from, SampledFrom::Traces { .. }));
    let of_one = |(_, sample): (RuleId, &SampleRule)| match core.past(sample, id) {
        Past::Exact(verdict) if verdict.at_ns > until_ns => Mark::Open,
        Past::Exact(verdict) if verdict.is_kept || sample.is_shadow => Mark::Kept,
        Past::Exact(_) | Past::Dropped => Mark::Dropped,
        Past::Unknown => Mark::Open,
    };
    traces.map(of_one).chain(by_item).fold(Mark::Dropped, |all, one| match (all, one) {
        (Mark::Kept, _) | (_, Mark::Kept) => Mark::Kept,
        (Mark::Open, _) | (_, Mark::Open) => Mark::Open,
        _ => Mark::Dropped,
    })
}
