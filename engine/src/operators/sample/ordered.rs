//! Samplings that decide in order of event time: what other rules say, traces, late spans and log
//! records wait until the watermark has passed them, and are then taken one by one.
//!
//! Invariant: what is decided at a time depends on what was said up to that time, on nothing later,
//! whatever the cut into epochs. Only the bound on bytes looks beyond.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::decide::{Core, Decided, Heard};
use super::explained::Tried;
use super::follow::{follow_logs, followed_logs};
use super::followers::Followers;
use super::linked::{Linked, Waiting, id_of, links_of};
use super::{Case, CaseKind, Held};
use crate::limits::{SAMPLE_LINKS_WAIT_NS, SAMPLE_WAITING_BYTES_MAX};
use crate::model::{AlertState, Row, RowKind, RuleId, Value};
use crate::operators::clock::UNSEEN;
use crate::operators::close::rule_watermark_ns;
use crate::plan::eval::eval_row;
use crate::plan::{Plan, SampleAbout, SampleFit, SampleKeys, SampleRule, SampledFrom};
use crate::sampling::{Facts, Past, Saying, Verdict};

/// In which order things of one time are taken: what holds at a time is known at that time, and
/// who waits for something waits to the very end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Rank {
    Said,
    Trace,
    Late,
    Log,
    LinksOver,
    LogOver,
}

/// Time, rank, trace id, place in the log or number.
type Place = (i64, Rank, [u8; 16], (u64, u32));

/// What waits for its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Event {
    /// About a question of the lines.
    Said(u16, Saying),
    Case(Box<Case>),
    /// A trace has waited for linked ones.
    LinksOver,
    /// A log record has waited for its trace.
    LogOver,
}

/// Who takes part in a sampling: the plan's rule.
pub(super) type Own<'a> = (RuleId, &'a SampleRule);

/// The state of one sampling.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Ordered {
    events: BTreeMap<Place, Event>,
    facts: Facts,
    followers: Followers,
    linked: Linked,
    /// Sayings heard so far: their order within one time.
    sayings: u64,
    /// Of events.
    bytes: u64,
    /// Cases among the events.
    cases: u64,
}

fn bytes_of(case: &Case) -> u64 {
    case.held.iter().map(Held::bytes).sum::<u64>() + size_of::<Case>() as u64
}

fn bytes_of_saying(saying: &Saying) -> u64 {
    let values = match saying {
        Saying::Matched(key) | Saying::Fired(key) | Saying::Calmed(key) => key.len(),
        Saying::Named(_) => 0,
    };
    (size_of::<(Place, Event)>() + values * size_of::<Value>()) as u64
}

impl Ordered {
    /// The state of a rule that may have another number by now.
    pub(super) fn adopted(mut self, rule: RuleId) -> Self {
        let own = |case: &mut Case| {
            case.rule = rule;
            case.held.iter_mut().for_each(|held| held.item.rule = rule);
        };
        for event in self.events.values_mut() {
            if let Event::Case(case) = event {
                own(case);
            }
        }
        self.linked.all_mut().for_each(own);
        self.followers.all_mut().for_each(|held| held.item.rule = rule);
        self
    }

    /// Lets a case wait for its time; an item that asks whether its trace was named for as long as
    /// that may take.
    pub(super) fn await_case(&mut self, sample: &SampleRule, mut case: Case) {
        if sample.named_wait_ns > 0
            && matches!(sample.from, SampledFrom::Items { .. })
            && sample.asks_from(case.line as usize, case.fits)
        {
            case.decision_ns = case.decision_ns.saturating_add(sample.named_wait_ns);
        }
        let (rank, place) = match case.kind {
            CaseKind::LateSpans => (Rank::Late, first_place(&case)),
            CaseKind::LogOf(_) => (Rank::Log, first_place(&case)),
            CaseKind::Undecided | CaseKind::Known(_) | CaseKind::Again(_) => (Rank::Trace, (0, 0)),
        };
        self.bytes += bytes_of(&case);
        self.cases += 1;
        let place = (case.decision_ns, rank, case.order, place);
        self.events.insert(place, Event::Case(Box::new(case)));
    }

    /// Notes what other rules have said that lines ask about.
    pub(super) fn hear(&mut self, sample: &SampleRule, heard: Heard<'_>) {
        for (question, fact) in sample.facts.iter().enumerate() {
            let question = question as u16;
            match fact.about {
                SampleAbout::Matched(rule) => {
                    let is_match = |row: &&Row| row.rule == rule && is_said(row);
                    for row in heard.rows.iter().filter(is_match) {
                        self.say(question, row.decision_ns, Saying::Matched(row.key.to_vec()));
                    }
                }
                SampleAbout::Firing(rule) => {
                    let own = heard.transitions.iter().filter(|one| one.rule == rule);
                    for one in own.filter(|one| !one.is_other) {
                        let key = one.key.clone();
                        let saying = match one.state {
                            AlertState::Firing => Saying::Fired(key),
                            _ => Saying::Calmed(key),
                        };
                        self.say(question, one.decision_ns, saying);
                    }
                }
                SampleAbout::Named => self.hear_names(sample, question, heard),
            }
        }
    }

    /// Notes the traces that rows and alerts name which leave.
    fn hear_names(&mut self, sample: &SampleRule, question: u16, heard: Heard<'_>) {
        let mut ids = Vec::new();
        let is_asked = |rule: RuleId| sample.named_by.contains(&rule);
        for row in heard.rows.iter().filter(|row| is_asked(row.rule) && is_said(row)) {
            row.key.iter().chain(&row.values).for_each(|value| names(value, &mut ids));
            let said = ids.drain(..);
            said.for_each(|id| self.say(question, row.decision_ns, Saying::Named(id)));
        }
        let fires = heard.transitions.iter().filter(|one| one.state == AlertState::Firing);
        for one in fires.filter(|one| is_asked(one.rule)) {
            let row = one.evidence.iter().flat_map(|row| row.key.iter().chain(&row.values));
            one.key.iter().chain(row).for_each(|value| names(value, &mut ids));
            one.labels.iter().chain(&one.annotations).for_each(|text| within(text, &mut ids));
            let said = ids.drain(..);
            said.for_each(|id| self.say(question, one.decision_ns, Saying::Named(id)));
        }
    }

    /// Bytes of what waits.
    pub(super) fn held_bytes(&self) -> u64 {
        self.bytes + self.followers.bytes() + self.linked.bytes()
    }

    /// Traces and items that wait for their verdict; not log records that wait for their trace's.
    pub(super) fn waiting(&self) -> u64 {
        self.cases + self.linked.len()
    }

    fn say(&mut self, question: u16, at_ns: i64, saying: Saying) {
        let place = (at_ns, Rank::Said, [0; 16], (self.sayings, 0));
        self.sayings += 1;
        self.bytes += bytes_of_saying(&saying);
        self.events.insert(place, Event::Said(question, saying));
    }

    /// Takes everything that the watermarks have passed; beyond the bound on bytes also what they
    /// have not.
    pub(super) fn step(
        &mut self,
        plan: &Plan,
        own: Own<'_>,
        core: &mut Core,
        times: &[(i64, i64)],
        out: &mut Decided<'_>,
    ) {
        let until_ns = passed_ns(plan, own, times);
        while let Some((&place, _)) = self.events.first_key_value() {
            let is_hurried = place.0 > until_ns;
            if is_hurried && self.held_bytes() <= SAMPLE_WAITING_BYTES_MAX as u64 {
                break;
            }
            let Some((_, event)) = self.events.pop_first() else { break };
            if is_hurried && matches!(place.1, Rank::Trace | Rank::LinksOver | Rank::LogOver) {
                let last = own.1.lines.len() as u16 - 1;
                out.tally.entry((own.0, last)).or_default().hurried += 1;
            }
            self.take(own, place, event, core, out);
        }
    }

    fn take(
        &mut self,
        own: Own<'_>,
        place: Place,
        event: Event,
        core: &mut Core,
        out: &mut Decided<'_>,
    ) {
        let (at_ns, _, id, tie) = place;
        match event {
            Event::Said(question, saying) => {
                self.bytes -= bytes_of_saying(&saying);
                if self.facts.take(question as usize, saying, at_ns) {
                    forgot(own, 1, out);
                }
            }
            Event::Case(case) => {
                self.bytes -= bytes_of(&case);
                self.cases -= 1;
                match case.kind {
                    CaseKind::LateSpans => {
                        if let Some(case) = self.linked.join(*case) {
                            core.late(own.1, case, out);
                        }
                    }
                    CaseKind::LogOf(_) => self.log(own, *case, core, out),
                    CaseKind::Undecided | CaseKind::Known(_) => self.trace(own, *case, core, out),
                    CaseKind::Again(_) => {
                        // Spans of one that waits for linked ones are decided with it.
                        let case = self.linked.join(*case);
                        let case = case.and_then(|case| core.again(own.1, case, out));
                        if let Some(case) = case {
                            self.trace(own, case, core, out);
                        }
                    }
                }
            }
            Event::LinksOver => {
                if let Some(mut waited) = self.linked.take(id) {
                    waited.verdict.at_ns = at_ns;
                    self.settle(own, waited.case, waited.verdict, &waited.tried, core, out);
                }
            }
            Event::LogOver => {
                let over = self.followers.over(id, tie);
                let over = over.into_iter().collect();
                let past = (Past::Unknown, at_ns);
                out.items.extend(followed_logs(own, past, over, out.tally));
            }
        }
    }

    /// A trace has closed, or an item's time has come.
    fn trace(&mut self, own: Own<'_>, mut case: Case, core: &mut Core, out: &mut Decided<'_>) {
        let sample = own.1;
        self.answer(sample, &mut case);
        let links = sample.links.and_then(|column| case.columns.get(column as usize));
        let links = links.map(|value| links_of(value, case.order)).unwrap_or_default();
        let mut tried: Vec<Tried> = Vec::new();
        let Some(mut verdict) = core.choose(sample, &case, &mut tried, out.tally) else { return };
        if !core.explains(case.order) {
            case.columns = Vec::new();
        }
        if sample.links.is_none() {
            self.settle(own, case, verdict, &tried, core, out);
            return;
        }
        if let Some(older) = self.linked.take(case.order) {
            // It was forgotten that it had closed: the earlier part has its verdict now.
            self.settle(own, older.case, older.verdict, &older.tried, core, out);
        }
        if !verdict.is_kept {
            let kept = |link: &[u8; 16]| match core.past(sample, *link) {
                Past::Exact(verdict) => verdict.is_kept.then_some(verdict.line),
                Past::Dropped | Past::Unknown => None,
            };
            let line = self.linked.awaited(case.order).or_else(|| links.iter().find_map(kept));
            let Some(line) = line else {
                let over_ns = case.decision_ns.saturating_add(SAMPLE_LINKS_WAIT_NS);
                let place = (over_ns, Rank::LinksOver, case.order, (0, 0));
                self.events.insert(place, Event::LinksOver);
                self.linked.wait(Waiting { case, verdict, tried, links });
                return;
            };
            verdict = pulled(line, &case, case.decision_ns);
            out.tally.entry((own.0, line)).or_default().linked += 1;
        }
        self.keep(own, Waiting { case, verdict, tried, links }, core, out);
    }

    /// A trace is kept, and with it those that wait next to it.
    fn keep(&mut self, own: Own<'_>, first: Waiting, core: &mut Core, out: &mut Decided<'_>) {
        let (line, at_ns) = (first.verdict.line, first.verdict.at_ns);
        let mut kept = vec![first];
        while let Some(trace) = kept.pop() {
            let (id, mut forgotten) = (trace.case.order, 0);
            let near = self.linked.kept((id, &trace.links), (line, at_ns), &mut forgotten);
            forgot(own, forgotten, out);
            self.settle(own, trace.case, trace.verdict, &trace.tried, core, out);
            for near in near {
                out.tally.entry((own.0, line)).or_default().linked += 1;
                let verdict = pulled(line, &near.case, at_ns);
                kept.push(Waiting { verdict, ..near });
            }
        }
    }

    /// A trace has its verdict: its log records follow.
    fn settle(
        &mut self,
        own: Own<'_>,
        case: Case,
        verdict: Verdict,
        tried: &[Tried],
        core: &mut Core,
        out: &mut Decided<'_>,
    ) {
        let id = case.order;
        core.settle(own.1, case, verdict, tried, out);
        let waiting = self.followers.of(id);
        if !waiting.is_empty() {
            out.items.extend(follow_logs(own, verdict, waiting, out.tally));
        }
    }

    /// A log record's time has come.
    fn log(&mut self, own: Own<'_>, case: Case, core: &mut Core, out: &mut Decided<'_>) {
        let Some(logs) = &own.1.logs else { return };
        let (id, tie) = (case.order, first_place(&case));
        let over_ns = case.decision_ns.saturating_add(logs.wait_ns);
        match core.past(own.1, id) {
            Past::Exact(verdict) if verdict.at_ns <= over_ns => {
                out.items.extend(follow_logs(own, verdict, case.held, out.tally));
            }
            Past::Dropped => {
                let past = (Past::Dropped, case.decision_ns);
                out.items.extend(followed_logs(own, past, case.held, out.tally));
            }
            Past::Exact(_) | Past::Unknown => {
                self.events.insert((over_ns, Rank::LogOver, id, tie), Event::LogOver);
                self.followers.wait(id, case.held);
            }
        }
    }

    /// Answers the questions of lines about a case, and finds which conditions hold.
    fn answer(&self, sample: &SampleRule, case: &mut Case) {
        for (question, fact) in sample.facts.iter().enumerate() {
            let Some(column) = case.columns.get_mut(fact.column as usize) else { continue };
            let holds = match fact.about {
                SampleAbout::Matched(_) => {
                    let start_ns = case.timing.start_ns;
                    let from_ns = fact.reach_ns.map_or(start_ns, |ns| start_ns.saturating_sub(ns));
                    self.facts.holds(question, column, from_ns)
                }
                SampleAbout::Firing(_) => self.facts.holds(question, column, i64::MIN),
                SampleAbout::Named => match sample.from {
                    SampledFrom::Traces { .. } => self.facts.is_named(case.order),
                    SampledFrom::Items { .. } => {
                        let mut ids = Vec::new();
                        names(column, &mut ids);
                        ids.into_iter().any(|id| self.facts.is_named(id))
                    }
                    SampledFrom::Late { .. } => false, // asks nothing
                },
            };
            *column = Value::Bool(holds);
        }
        for (index, line) in sample.lines.iter().enumerate() {
            let is_fit = match &line.fits {
                SampleFit::All => true,
                SampleFit::Filter(_) => false,
                SampleFit::Row(when) => eval_row(when, &case.columns) == Value::Bool(true),
            };
            case.fits |= u128::from(is_fit) << index;
            if let (true, SampleKeys::Row(exprs)) = (is_fit, &line.keys)
                && !exprs.is_empty()
            {
                let values = exprs.iter().map(|expr| eval_row(expr, &case.columns)).collect();
                case.keys.push((index as u16, values));
            }
        }
    }
}

/// Up to when nothing is to come, neither of what is decided nor of what is asked about.
fn passed_ns(plan: &Plan, (id, sample): Own<'_>, times: &[(i64, i64)]) -> i64 {
    let own_ns = match sample.from {
        SampledFrom::Traces { .. } | SampledFrom::Late { .. } => rule_watermark_ns(plan, id, times),
        // An item is decided at how far its timeline has come with it: none is to come before.
        SampledFrom::Items { timeline, .. } => match times.get(timeline as usize) {
            Some((i64::MAX, _)) => i64::MAX,
            Some((_, top_ns)) => *top_ns,
            None => UNSEEN,
        },
    };
    sample.asked().map(|rule| rule_watermark_ns(plan, rule, times)).fold(own_ns, i64::min)
}

/// Counts what was forgotten for want of room.
fn forgot(own: Own<'_>, count: u64, out: &mut Decided<'_>) {
    if count > 0 {
        let last = own.1.lines.len() as u16 - 1;
        out.tally.entry((own.0, last)).or_default().forgotten += count;
    }
}

/// The verdict of a trace that is kept for another one: it stands for no known number.
fn pulled(line: u16, case: &Case, at_ns: i64) -> Verdict {
    let randomness = case.randomness;
    Verdict { is_kept: true, line, threshold: None, randomness, at_ns }
}

/// The place of its first item in the log.
fn first_place(case: &Case) -> (u64, u32) {
    case.held.first().map_or((0, 0), |held| (held.item.key.frame_seq, held.item.key.row))
}

/// Whether a row is the last word, of a group of its own.
fn is_said(row: &Row) -> bool {
    row.kind == RowKind::Final && !row.is_other
}

/// The ids of traces in a value: 16 bytes, or 32 hex digits.
fn names(value: &Value, ids: &mut Vec<[u8; 16]>) {
    match value {
        Value::Bytes(bytes) => ids.extend(<[u8; 16]>::try_from(&**bytes)),
        Value::Str(text) => ids.extend(id_of(text)),
        Value::List(items) => items.iter().for_each(|item| names(item, ids)),
        Value::Map(entries) => entries.iter().for_each(|(_, value)| names(value, ids)),
        _ => {}
    }
}

/// The ids of traces in a text that people read: 32 hex digits that are no part of more.
fn within(value: &Value, ids: &mut Vec<[u8; 16]>) {
    let Value::Str(text) = value else { return names(value, ids) };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    ids.extend(words.filter_map(id_of));
}

#[cfg(test)]
mod tests;
