//! Samplings of items: what lines read of an item, and what travels with it where they ask about
//! other rules.

use std::sync::Arc;

use tailwater_dsl::hir::{Declaration, FieldRef, RuleFact, Sample};
use tailwater_engine::model::{AttributePlace, ColumnSpec, Field, Signal};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    AskingColumns, Plan, Rule, RuleKind, RulePlace, SampleAbout, SampleFact, SampleFit, SampleKeys,
    SampleLine, SampledFrom,
};
use tailwater_engine::sampling::{RANDOMNESS_KEY, THRESHOLD_KEY};

use super::expr::{Names, lower as lower_expr};
use super::sample::{keys_of, of_items, question, texts, verb};
use super::sample_facts::{Asked, asks, key_columns, of_rule, questions};
use super::signal::{demand, find_or_push};
use super::stream::{Composed, ItemNames, Streams, timeline};
use super::{NotYet, not_yet, wrong};

/// A sampling of items, each by itself.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    (sample, source, name): (&Sample, &Composed, &str),
) -> Result<(), Vec<NotYet>> {
    let range = declaration.range;
    let Some(index) = source.signal() else {
        return Err(not_yet("`sample` of these items", range));
    };
    let signal = plan.signals[index as usize].signal;
    if !matches!(signal, Signal::Spans | Signal::Logs | Signal::Metrics) {
        let what = format!("`sample` of {}, which OTLP has no message for,", signal.name());
        return Err(not_yet(&what, range));
    }
    let (asked, facts, mut asking) = facts(plan, streams, sample, (source, signal))?;
    let (mut lines, mut identity) = (Vec::new(), vec![format!("{name} {signal:?}")]);
    for line in &sample.lines {
        let fits = match &line.when {
            None => SampleFit::All,
            Some(when) if asks(when) => {
                let (asked, values) = (&asked, &mut asking.values);
                let mut names = AskingNames { plan, source, index, asked, values };
                SampleFit::Row(lower_expr(when, &mut names)?)
            }
            Some(when) => {
                let condition = source.lower(plan, streams, when)?;
                SampleFit::Filter(source.filter(plan, condition))
            }
        };
        let mut keys = Vec::new();
        for key in keys_of(&line.verb) {
            let key = source.lower(plan, streams, key)?;
            keys.push(source.column(plan, key));
        }
        let verb = verb(&line.verb);
        identity.push(format!("{} {} {verb:?} {}", line.name, line.is_shadow, texts(line)));
        let (name, is_shadow) = (Arc::from(&*line.name), line.is_shadow);
        let keys = SampleKeys::Columns(keys);
        lines.push(SampleLine { name, is_shadow, verb, fits, keys });
    }
    identity.extend(asked.iter().map(|(fact, _)| question(streams, fact)));
    let filter = source.condition.clone().map(|condition| source.filter(plan, condition));
    let timeline = timeline(plan, source, index);
    let signal_plan = &mut plan.signals[index as usize];
    signal_plan.raw = true;
    let stated = (signal == Signal::Logs).then(|| {
        [THRESHOLD_KEY, RANDOMNESS_KEY].map(|key| {
            let (place, key) = (AttributePlace::Item, Arc::from(key));
            demand(signal_plan, ColumnSpec::Attribute { place, key })
        })
    });
    let mut column =
        |field: Field, has: bool| has.then(|| demand(signal_plan, ColumnSpec::Field(field)));
    let from = SampledFrom::Items {
        signal: index,
        filter,
        dedupe: source.dedupe,
        timeline,
        trace_id: column(Field::TraceId, signal != Signal::Metrics),
        trace_state: column(Field::TraceState, signal == Signal::Spans),
        stated,
        asking,
    };
    plan.rules.push(Rule {
        name: Arc::from(name),
        kind: RuleKind::Sample(Box::new(of_items(sample, from, (lines, facts), &identity))),
        place: RulePlace { timelines: vec![timeline], ..RulePlace::default() },
    });
    Ok(())
}

/// The questions of all lines, each once: its answer stands where its keys came.
fn facts(
    plan: &mut Plan,
    streams: &Streams<'_>,
    sample: &Sample,
    items: (&Composed, Signal),
) -> Result<(Asked, Vec<SampleFact>, AskingColumns), Vec<NotYet>> {
    let (mut asked, mut facts, mut asking) = (Vec::new(), Vec::new(), AskingColumns::default());
    for (fact, range) in questions(sample) {
        let column = facts.len() as u32;
        asked.push((fact.clone(), Expr::Column(column)));
        let (RuleFact::Matched(source) | RuleFact::Firing(source)) = &fact else {
            if items.1 == Signal::Metrics {
                let what = "`named` asks whether the trace of an item was named, and data points \
                            have no trace";
                let help = "ask it of spans, log records or traces";
                return Err(wrong("E2008", (what.to_owned(), help.to_owned()), range));
            }
            let signal_plan = &mut plan.signals[items.0.signal().unwrap_or_default() as usize];
            asking.keys.push(vec![demand(signal_plan, ColumnSpec::Field(Field::TraceId))]);
            facts.push(SampleFact { about: SampleAbout::Named, column, reach_ns: None });
            continue;
        };
        let (of, is_match) = of_rule(plan, streams, source, range)?;
        let about = if is_match { SampleAbout::Matched(of) } else { SampleAbout::Firing(of) };
        let reach_ns = match &plan.rules[of.0 as usize].kind {
            RuleKind::Pattern(pattern) => Some(pattern.within_ns),
            _ => None,
        };
        let keys = key_columns(plan, streams, items, (of, source), range)?;
        asking.keys.push(keys.into_iter().map(|(column, _)| column).collect());
        facts.push(SampleFact { about, column, reach_ns });
    }
    Ok((asked, facts, asking))
}

/// The names of what travels with an item: answers first, then the values that are read.
struct AskingNames<'a> {
    plan: &'a mut Plan,
    source: &'a Composed,
    /// Of the signal.
    index: u32,
    asked: &'a Asked,
    values: &'a mut Vec<u32>,
}

impl Names for AskingNames<'_> {
    fn field(&mut self, field: &FieldRef) -> Option<Expr> {
        let signal = &mut self.plan.signals[self.index as usize];
        let value = ItemNames { signal, columns: &self.source.columns }.field(field)?;
        let column = self.source.column(self.plan, value);
        let place = find_or_push(self.values, column);
        Some(Expr::Column(self.asked.len() as u32 + place))
    }

    fn call(&mut self, _index: usize) -> Option<Expr> {
        None
    }

    fn fact(&mut self, fact: &RuleFact) -> Option<Expr> {
        self.asked.iter().find(|(known, _)| known == fact).map(|(_, column)| column.clone())
    }
}
