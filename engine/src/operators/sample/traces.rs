//! Samplings of traces: decided when a trace closes, by the worker that holds it; from the first
//! line on that looks at other traces, by worker 0. Verdicts hold for spans that come later.

use std::sync::Arc;

use bytes::Bytes;

use super::explained::{TraceExplained, lines};
use super::follow::{followed, of_past};
use super::{Case, CaseKind, Held, LastStamp, Leaving, Tally, Timing, Weight};
use crate::model::{EmittedItem, ItemContent, ItemKey, RuleId, Signal, Value};
use crate::otlp::wire::field;
use crate::plan::eval::eval_row;
use crate::plan::{
    Plan, RuleKind, SampleFit, SampleKeys, SampleLine, SampleRule, SampleVerb, SampledFrom,
};
use crate::sampling::{
    DecisionsState, Past, Randomness, Reading, Threshold, Verdict, Verdicts, read_tracestate,
};

/// Number of the field `trace_state` of a span.
const TRACE_STATE: u64 = 3;

/// The column of the id in the row of a trace.
pub(crate) const ROW_ID: u32 = 2;

/// Who decides on the traces of a sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecidedBy {
    /// The worker that holds them.
    Itself,
    /// Worker 0 decides on some, or tells verdicts, and so remembers all.
    Both,
    /// Worker 0 decides on all.
    Worker0,
}

impl DecidedBy {
    fn of(sample: &SampleRule, is_told: bool) -> Self {
        if sample.is_ordered() {
            Self::Worker0
        } else if is_told || sample.lines.iter().any(|line| line.verb.is_global()) {
            Self::Both
        } else {
            Self::Itself
        }
    }
}

/// A sampling of traces on one worker.
pub(crate) struct TraceSampler {
    id: RuleId,
    rule: Arc<SampleRule>,
    by: DecidedBy,
    explained: Option<[u8; 16]>,
    reads_id: bool,
    /// Whether what leaves is looked at by nobody.
    is_unread: bool,
    verdicts: Verdicts,
    last: LastStamp,
}

/// What samplings say in an epoch.
#[derive(Default)]
pub(crate) struct Sampled {
    pub(crate) items: Vec<EmittedItem>,
    pub(crate) cases: Vec<Case>,
    pub(crate) tally: Tally,
    pub(crate) explained: Vec<TraceExplained>,
}

/// Spans as they leave, with their places in the log.
pub(crate) type Contents = Vec<(ItemKey, Option<ItemContent>)>;

/// A trace, for its verdict.
pub(crate) struct ClosedTrace<'a> {
    pub(crate) id: [u8; 16],
    /// The columns of its row.
    pub(crate) columns: &'a [Value],
    pub(crate) decision_ns: i64,
    /// Stated by one of its spans.
    pub(crate) randomness: Option<Randomness>,
    pub(crate) weight: Weight,
    pub(crate) timing: Timing,
}

/// A trace whose spans are to be written: they are written together with those of other traces.
pub(crate) enum SpansWanted {
    /// It leaves.
    Kept(KeptTrace),
    /// It leaves under the verdict of the spans before.
    Late(LateSpan),
    /// Worker 0 decides.
    Undecided(Box<Case>),
}

/// A span that came to a trace which had closed, or some, and leaves once it is written.
pub(crate) struct LateSpan {
    id: [u8; 16],
    at_ns: i64,
    /// What was known of its trace then; `None` where worker 0 knows.
    past: Option<Past>,
}

/// A trace that leaves, once its spans are written.
pub(crate) struct KeptTrace {
    id: [u8; 16],
    leaving: Leaving,
    decision_ns: i64,
}

impl TraceSampler {
    /// The samplings of the traces of a rule.
    pub(crate) fn of(plan: &Plan, traces: RuleId) -> Vec<Self> {
        let is_told = plan.has_sampled_exemplars();
        let rules = plan.rules.iter().enumerate();
        let own = rules.filter_map(|(index, rule)| match &rule.kind {
            RuleKind::Sample(sample) => match &sample.from {
                SampledFrom::Traces { rule, .. } if *rule == traces => Some(Self {
                    id: RuleId(index as u32),
                    by: DecidedBy::of(sample, is_told),
                    explained: plan.explained,
                    reads_id: plan.explained.is_some() || reads_id(sample),
                    is_unread: plan.items_unread && !is_told,
                    rule: Arc::new((**sample).clone()),
                    verdicts: Verdicts::default(),
                    last: LastStamp::default(),
                }),
                _ => None,
            },
            _ => None,
        });
        own.collect()
    }

    /// What a snapshot holds: hash of the rule, shard, verdicts.
    pub(crate) fn state(&self) -> impl Iterator<Item = (u64, u64, DecisionsState)> + '_ {
        self.verdicts.state().map(|(shard, state)| (self.rule.hash, shard, state))
    }

    /// Goes on from a state, where it is this rule's.
    pub(crate) fn restore(&mut self, hash: u64, shard: u64, state: &DecisionsState) {
        if hash == self.rule.hash {
            self.verdicts.restore(shard, state.clone());
        }
    }

    /// Whether the id of a trace is asked for among the columns of its row.
    pub(crate) fn reads_id(&self) -> bool {
        self.reads_id
    }

    /// Brings near what is looked at when a trace closes, by the hash of its id.
    pub(crate) fn prefetch(&self, hash: u64) {
        self.verdicts.prefetch(hash);
    }

    /// Whether of a trace's spans only their tracestates matter, for what is counted of those: the
    /// trace leaves, and nobody takes what leaves.
    pub(crate) fn only_counts(&self, trace: &SpansWanted) -> bool {
        self.is_unread && matches!(trace, SpansWanted::Kept(_))
    }

    /// A trace has closed.
    pub(crate) fn closed(
        &mut self,
        trace: &ClosedTrace<'_>,
        out: &mut Sampled,
    ) -> Option<SpansWanted> {
        let holds = |expr| matches!(eval_row(expr, trace.columns), Value::Bool(true));
        let SampledFrom::Traces { filter, .. } = &self.rule.from else { return None };
        let own = Randomness::of_trace_id(trace.id);
        let randomness = trace.randomness.unwrap_or(own);
        let is_taken = filter.as_ref().is_none_or(holds);
        let past = self.verdicts.past_of_closed(trace.id);
        if past != Past::Unknown {
            return self.again(trace, (past, randomness), is_taken, out);
        }
        if !is_taken {
            self.explain(trace, (0, randomness), None, out);
            return None;
        }
        if self.by == DecidedBy::Worker0 {
            self.note(trace, randomness);
            let case = self.whole(trace, randomness);
            return Some(SpansWanted::Undecided(Box::new(case)));
        }
        let (mut fits, mut decided) = (0_u128, None);
        for (index, line) in self.rule.lines.iter().enumerate() {
            let is_fit = match &line.fits {
                SampleFit::All => true,
                SampleFit::Filter(_) => false,
                SampleFit::Row(condition) => holds(condition),
            };
            if !is_fit {
                continue;
            }
            fits |= 1 << index;
            let threshold = match line.verb {
                SampleVerb::Drop => Threshold::NEVER,
                SampleVerb::Keep(threshold) => threshold,
                SampleVerb::Rate(..) | SampleVerb::Target(..) => {
                    let case = self.asking((index, fits), trace, randomness);
                    self.note(trace, randomness);
                    return Some(SpansWanted::Undecided(Box::new(case)));
                }
            };
            let is_kept = threshold.admits(randomness);
            let counts = out.tally.entry((self.id, index as u16)).or_default();
            counts.count(is_kept, trace.weight);
            if line.is_shadow {
                continue;
            }
            counts.decided(trace.timing, trace.decision_ns);
            decided = Some((index, threshold, is_kept));
            break;
        }
        let ((line, threshold, is_kept), decision_ns) = (decided?, trace.decision_ns);
        let (index, threshold_of) = (line as u16, Some(threshold));
        let at_ns = decision_ns;
        let verdict = Verdict { is_kept, line: index, threshold: threshold_of, randomness, at_ns };
        self.remember(trace, verdict, out);
        if self.explained == Some(trace.id) {
            let fits = self.fits(trace.columns);
            self.explain(trace, (fits, randomness), Some(verdict), out);
        }
        let leaves = is_kept || self.rule.is_shadow;
        let leaving = Leaving { line, threshold: Some(threshold), randomness };
        let kept = || SpansWanted::Kept(KeptTrace { id: trace.id, leaving, decision_ns });
        leaves.then(kept)
    }

    /// A trace has closed whose id had closed before: it follows that verdict, as spans do that
    /// came sooner.
    fn again(
        &mut self,
        trace: &ClosedTrace<'_>,
        (past, randomness): (Past, Randomness),
        is_taken: bool,
        out: &mut Sampled,
    ) -> Option<SpansWanted> {
        if self.by != DecidedBy::Itself {
            // Only that it closed is known here.
            let case = self.whole(trace, randomness);
            let case = Case { kind: CaseKind::Again(is_taken), ..case };
            return Some(SpansWanted::Undecided(Box::new(case)));
        }
        if self.explained == Some(trace.id) {
            let case = Case { columns: trace.columns.to_vec(), ..self.case(trace, randomness) };
            out.explained.push(TraceExplained::of_again(&self.rule, &case, past));
        }
        let (is_kept, leaving) = of_past(&self.rule, past, randomness);
        if !is_kept && !self.rule.is_shadow {
            let counts = out.tally.entry((self.id, leaving.line as u16)).or_default();
            counts.late_dropped += u64::from(trace.weight.items);
            return None;
        }
        let (id, at_ns) = (trace.id, trace.decision_ns);
        Some(SpansWanted::Late(LateSpan { id, at_ns, past: Some(past) }))
    }

    /// Remembers that a trace closed whose verdict is known elsewhere: as one dropped, which takes
    /// the least room.
    fn note(&mut self, trace: &ClosedTrace<'_>, randomness: Randomness) {
        let at_ns = trace.decision_ns;
        let closed = Verdict { is_kept: false, line: 0, threshold: None, randomness, at_ns };
        self.verdicts.remember(trace.id, closed);
    }

    /// The spans of a trace are written: they leave, or go where it is decided.
    pub(crate) fn written(&mut self, trace: SpansWanted, contents: Contents, out: &mut Sampled) {
        match trace {
            SpansWanted::Kept(trace) => self.leave(&trace, contents, out),
            SpansWanted::Late(late) => self.late_written(&late, contents, out),
            SpansWanted::Undecided(mut case) => {
                case.held = held(self.id, case.decision_ns, case.order, contents).collect();
                out.cases.push(*case);
            }
        }
    }

    fn leave(&mut self, trace: &KeptTrace, contents: Contents, out: &mut Sampled) {
        let held = held(self.id, trace.decision_ns, trace.id, contents);
        let counts = out.tally.entry((self.id, trace.leaving.line as u16)).or_default();
        let (rule, last) = (&self.rule, &mut self.last);
        out.items.extend(held.map(|held| held.kept(rule, trace.leaving, counts, last)));
    }

    /// Which conditions hold of a row, by line.
    fn fits(&self, columns: &[Value]) -> u128 {
        let is_fit = |line: &SampleLine| match &line.fits {
            SampleFit::All => true,
            SampleFit::Filter(_) => false,
            SampleFit::Row(when) => matches!(eval_row(when, columns), Value::Bool(true)),
        };
        let fits = self.rule.lines.iter().enumerate();
        fits.fold(0, |bits, (index, line)| bits | u128::from(is_fit(line)) << index)
    }

    /// Says what lines made of the trace that is asked for.
    fn explain(
        &self,
        trace: &ClosedTrace<'_>,
        (fits, randomness): (u128, Randomness),
        verdict: Option<Verdict>,
        out: &mut Sampled,
    ) {
        if self.explained != Some(trace.id) {
            return;
        }
        let last = verdict.map_or(0, |verdict| verdict.line);
        out.explained.push(TraceExplained {
            rule: self.id,
            trace_id: trace.id,
            start_ns: trace.timing.start_ns,
            closed_ns: trace.decision_ns,
            spans: trace.weight.items,
            bytes: trace.weight.bytes,
            early: trace.timing.early,
            randomness,
            columns: trace.columns.to_vec(),
            lines: lines(&self.rule, (fits, randomness), last, &[]),
            verdict,
            is_linked: false,
            is_again: false,
        });
    }

    /// A trace for worker 0, without its spans.
    fn case(&self, trace: &ClosedTrace<'_>, randomness: Randomness) -> Case {
        Case {
            rule: self.id,
            decision_ns: trace.decision_ns,
            order: trace.id,
            randomness,
            line: 0,
            fits: 0,
            keys: Vec::new(),
            weight: trace.weight,
            held: Vec::new(),
            kind: CaseKind::Undecided,
            timing: trace.timing,
            columns: Vec::new(),
        }
    }

    /// A trace for worker 0 to decide from the first line on, without its spans.
    fn whole(&self, trace: &ClosedTrace<'_>, randomness: Randomness) -> Case {
        if self.by == DecidedBy::Worker0 {
            return Case { columns: trace.columns.to_vec(), ..self.case(trace, randomness) };
        }
        self.asking((0, 0), trace, randomness)
    }

    /// A trace for worker 0 to decide from a line on, without its spans.
    fn asking(
        &self,
        (line, fits): (usize, u128),
        trace: &ClosedTrace<'_>,
        randomness: Randomness,
    ) -> Case {
        let fits = fits | self.fits(trace.columns);
        let mut keys = Vec::new();
        for (index, line) in self.rule.lines.iter().enumerate().skip(line) {
            if let (1, SampleKeys::Row(exprs)) = (fits >> index & 1, &line.keys)
                && !exprs.is_empty()
            {
                let values = exprs.iter().map(|expr| eval_row(expr, trace.columns)).collect();
                keys.push((index as u16, values));
            }
        }
        let is_told = self.explained == Some(trace.id);
        let columns = if is_told { trace.columns.to_vec() } else { Vec::new() };
        Case { line: line as u16, fits, keys, columns, ..self.case(trace, randomness) }
    }

    /// Remembers a verdict: here, or on worker 0 where that decides others of the rule.
    fn remember(&mut self, trace: &ClosedTrace<'_>, verdict: Verdict, out: &mut Sampled) {
        if self.by == DecidedBy::Itself {
            self.verdicts.remember(trace.id, verdict);
            return;
        }
        self.note(trace, verdict.randomness);
        let (id, at_ns) = (trace.id, trace.decision_ns);
        out.cases.push(self.bare(id, at_ns, CaseKind::Known(verdict), Vec::new()));
    }

    /// Something about a trace that needs no lines.
    fn bare(&self, id: [u8; 16], decision_ns: i64, kind: CaseKind, held: Vec<Held>) -> Case {
        Case {
            rule: self.id,
            decision_ns,
            order: id,
            randomness: Randomness::of_trace_id(id),
            line: 0,
            fits: 0,
            keys: Vec::new(),
            weight: Weight::default(),
            held,
            kind,
            timing: Timing::default(),
            columns: Vec::new(),
        }
    }

    /// A span came to a trace that had closed. Returned where it leaves, as far as is known here:
    /// it is written together with others.
    pub(crate) fn late(
        &mut self,
        (id, watermark_ns): ([u8; 16], i64),
        out: &mut Sampled,
    ) -> Option<LateSpan> {
        let past = self.verdicts.past(id);
        // One decided early lies behind the watermark, and before what follows it.
        let decided_ns = past.exact().map_or(i64::MIN, |verdict| verdict.at_ns);
        // Where an order is kept, what leaves at the watermark may have left.
        let ordered_ns = watermark_ns.saturating_add(i64::from(self.by == DecidedBy::Worker0));
        let at_ns = ordered_ns.max(decided_ns);
        let past = (self.by == DecidedBy::Itself).then_some(past);
        // Of what is not remembered a share is decided by what the span states: not yet read.
        let last = self.rule.lines.last().map(|line| line.verb);
        let by_itself = |past| past == Past::Unknown && matches!(last, Some(SampleVerb::Keep(_)));
        if let Some(past) = past.filter(|past| !by_itself(*past)) {
            let (is_kept, leaving) = of_past(&self.rule, past, Randomness::of_trace_id(id));
            if !is_kept && !self.rule.is_shadow {
                out.tally.entry((self.id, leaving.line as u16)).or_default().late_dropped += 1;
                return None;
            }
        }
        Some(LateSpan { id, at_ns, past })
    }

    /// A late span is written.
    pub(crate) fn late_written(&mut self, late: &LateSpan, contents: Contents, out: &mut Sampled) {
        let LateSpan { id, at_ns, past } = *late;
        let held: Vec<Held> = held(self.id, at_ns, id, contents).collect();
        match past {
            None => out.cases.push(self.bare(id, at_ns, CaseKind::LateSpans, held)),
            Some(past) => {
                let late = followed((self.id, &self.rule), past, held, &mut out.tally);
                out.items.extend(late);
            }
        }
    }
}

/// Whether a sampling reads the id in the row of a trace, as far as is easily told.
fn reads_id(sample: &SampleRule) -> bool {
    let SampledFrom::Traces { filter, .. } = &sample.from else { return false };
    let of_line = |line: &SampleLine| {
        let fits = if let SampleFit::Row(when) = &line.fits { Some(when.clone()) } else { None };
        let keys = if let SampleKeys::Row(keys) = &line.keys { keys.clone() } else { Vec::new() };
        fits.into_iter().chain(keys)
    };
    let mut reads = sample.is_ordered();
    let lines = sample.lines.iter().flat_map(of_line);
    for expr in filter.iter().cloned().chain(lines) {
        expr.columns(&mut |column| reads |= column == ROW_ID);
    }
    reads
}

/// Spans that may be kept, with what they say about sampling.
fn held(
    rule: RuleId,
    decision_ns: i64,
    trace_id: [u8; 16],
    contents: Contents,
) -> impl Iterator<Item = Held> {
    contents.into_iter().filter_map(move |(key, content)| {
        let content = content?;
        let state = field(&content.item, TRACE_STATE).map(|(_, bytes)| bytes).unwrap_or_default();
        let trace_state = Bytes::copy_from_slice(state);
        let arrived = read_tracestate(std::str::from_utf8(state).unwrap_or_default());
        let is_refused = arrived.reading == Reading::Refused;
        let (own, arrived) = arrived.settled(Randomness::of_trace_id(trace_id));
        let signal = Signal::Spans;
        let item = EmittedItem { rule, signal, decision_ns, key, content };
        Some(Held { item, trace_state, own: Some(own), arrived, is_refused })
    })
}
