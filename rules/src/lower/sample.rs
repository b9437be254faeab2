//! Samplings: lines with their filters, thresholds and keys.

use std::sync::Arc;

use tailwater_dsl::hir::{
    self, Declaration, RuleFact, Sample, SampleGoal, SampleMeasure as Measure, SampleVerb as Verb,
};
use tailwater_engine::model::{ColumnSpec, Field, RuleId};
use tailwater_engine::plan::{
    Plan, Rule, RuleKind, RulePlace, SampleFact, SampleFit, SampleKeys, SampleLine, SampleMeasure,
    SampleRule, SampleVerb, SampledFrom,
};
use tailwater_engine::sampling::{Goal, Rate, RateLimit, Threshold};
use xxhash_rust::xxh3::xxh3_64;

use super::expr::lower as lower_expr;
use super::row_names::RowNames;
use super::sample_facts::{self, SampleNames};
use super::signal::{demand, resolve};
use super::stream::{Composed, Origin, Streams};
use super::{NotYet, not_yet, route, sample_items, sample_late};

/// Puts a sampling into the plan.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    sample: &Sample,
) -> Result<(), Vec<NotYet>> {
    let source = streams.compose(plan, &sample.input, declaration.range)?;
    let name = name_of(plan, streams, sample);
    match source.origin {
        Origin::Rows(_) if let Some(late) = route::leaving(plan, &source) => {
            sample_late::lower(plan, streams, (sample, &source, &name), late)?;
        }
        Origin::Rows(input) => {
            let rule = plan.row_inputs[input as usize].rule;
            traces(plan, streams, declaration, (sample, &source, &name, rule))?;
        }
        Origin::Signal(_) => {
            sample_items::lower(plan, streams, declaration, (sample, &source, &name))?;
        }
    }
    route::note(plan, &name, &sample.to, None);
    Ok(())
}

/// `sample logs`; a second one of the same source is `sample logs 2`.
fn name_of(plan: &Plan, streams: &Streams<'_>, sample: &Sample) -> String {
    let first = format!("sample {}", streams.source_name(&sample.input));
    let is_taken = |name: &str| plan.rules.iter().any(|rule| *rule.name == *name);
    let mut name = first.clone();
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = format!("{first} {number}");
    }
    name
}

/// A sampling of traces.
fn traces(
    plan: &mut Plan,
    streams: &Streams<'_>,
    declaration: &Declaration,
    (sample, source, name, rule): (&Sample, &Composed, &str, RuleId),
) -> Result<(), Vec<NotYet>> {
    let range = declaration.range;
    if !matches!(plan.rules[rule.0 as usize].kind, RuleKind::Traces(_)) {
        return Err(not_yet("`sample` of these rows", range));
    }
    let (mut lines, mut identity) = (Vec::new(), vec![name.to_owned()]);
    let (asked, facts) = sample_facts::facts(plan, streams, sample, rule)?;
    for line in &sample.lines {
        let fits = match &line.when {
            None => SampleFit::All,
            Some(when) => {
                let Origin::Rows(input) = source.origin else { return Err(Vec::new()) };
                let rows = RowNames { plan: &mut *plan, streams, input, columns: &source.columns };
                SampleFit::Row(lower_expr(when, &mut SampleNames { rows, asked: &asked })?)
            }
        };
        let keys = keys_of(&line.verb).iter().map(|key| source.lower(plan, streams, key));
        let keys = SampleKeys::Row(keys.collect::<Result<_, _>>()?);
        let verb = verb(&line.verb);
        identity.push(format!("{} {} {verb:?} {}", line.name, line.is_shadow, texts(line)));
        let (name, is_shadow) = (Arc::from(&*line.name), line.is_shadow);
        lines.push(SampleLine { name, is_shadow, verb, fits, keys });
    }
    identity.extend(asked.iter().map(|(fact, _)| question(streams, fact)));
    identity.push(format!("{} {}", sample.logs_follow, sample.links_together));
    let links = if sample.links_together { sample_facts::links(plan, streams, rule) } else { None };
    let logs = if sample.logs_follow {
        Some(sample_facts::logs(plan, streams, (sample, rule), range)?)
    } else {
        None
    };
    let RuleKind::Traces(traces) = &plan.rules[rule.0 as usize].kind else { return Ok(()) };
    let (signal, timeline) = (traces.signal, traces.timeline);
    let signal = &mut plan.signals[signal as usize];
    signal.raw = true;
    let trace_state = demand(signal, ColumnSpec::Field(Field::TraceState));
    if let RuleKind::Traces(traces) = &mut plan.rules[rule.0 as usize].kind {
        traces.sampled = Some(trace_state);
    }
    plan.rules.push(Rule {
        name: Arc::from(name),
        kind: RuleKind::Sample(Box::new(SampleRule {
            from: SampledFrom::Traces { rule, filter: source.condition.clone() },
            lines,
            is_shadow: sample.is_shadow,
            mark: sample.mark.as_deref().map(Arc::from),
            facts,
            named_by: Vec::new(), // known when all rules are
            named_wait_ns: 0,
            logs,
            links,
            hash: xxh3_64(identity.join("\n").as_bytes()),
        })),
        place: RulePlace { timelines: vec![timeline], ..RulePlace::default() },
    });
    Ok(())
}

/// What a line's verdicts depend on, as text.
pub(super) fn texts(line: &hir::SampleLine) -> String {
    let keys = keys_of(&line.verb).iter().map(text).collect::<Vec<_>>();
    format!("{:?} {keys:?}", line.when.as_ref().map(text))
}

/// An expression without its places in the text, which change with every edit.
fn text(expr: &hir::Expr) -> String {
    let shown = format!("{:?}", expr.kind);
    let mut parts = shown.split("range: TextRange {");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('}').map_or(part, |rest| rest.1));
    }
    // Nor the numbers of declarations, which change with every other one.
    let mut parts = text.split("DeclarationId(");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once(')').map_or(part, |rest| rest.1));
    }
    text
}

/// A question about another rule by that rule's name.
pub(super) fn question(streams: &Streams<'_>, fact: &RuleFact) -> String {
    match fact {
        RuleFact::Matched(source) => format!("matched {}", streams.source_name(source)),
        RuleFact::Firing(source) => format!("firing {}", streams.source_name(source)),
        RuleFact::Named => "named".to_owned(),
    }
}

pub(super) fn keys_of(verb: &Verb) -> &[hir::Expr] {
    match verb {
        Verb::Rate { by, .. } | Verb::Target { by, .. } => by,
        Verb::Drop | Verb::Keep(_) => &[],
    }
}

pub(super) fn verb(verb: &Verb) -> SampleVerb {
    let measure = |measure: Measure| match measure {
        Measure::Items => SampleMeasure::Cases,
        Measure::Spans => SampleMeasure::Items,
        Measure::Bytes => SampleMeasure::Bytes,
    };
    match verb {
        Verb::Drop => SampleVerb::Drop,
        Verb::Keep(share) => SampleVerb::Keep(Threshold::of_share(*share)),
        Verb::Rate { per_second, measure: of, .. } => {
            SampleVerb::Rate(RateLimit::of(Rate::of_number(*per_second)), measure(*of))
        }
        Verb::Target { goal, measure: of, .. } => {
            let goal = match goal {
                SampleGoal::PerSecond(rate) => Goal::Rate(Rate::of_number(*rate)),
                SampleGoal::Share(share) => Goal::Share((share * 1e6).round() as u64),
            };
            SampleVerb::Target(goal, measure(*of))
        }
    }
}

/// Key columns as indices, once it is known how many decoded ones come before the computed ones.
pub(super) fn resolve_keys(plan: &mut Plan) {
    let signals: Vec<u32> = plan.signals.iter().map(|s| s.columns.len() as u32).collect();
    for rule in &mut plan.rules {
        let RuleKind::Sample(sample) = &mut rule.kind else { continue };
        if let Some(logs) = &mut sample.logs {
            logs.trace_id = resolve(signals[logs.signal as usize], logs.trace_id);
        }
        let SampledFrom::Items { signal, asking, .. } = &mut sample.from else { continue };
        let columns = signals[*signal as usize];
        let asked = asking.keys.iter_mut().flatten().chain(&mut asking.values);
        asked.for_each(|column| *column = resolve(columns, *column));
        for line in &mut sample.lines {
            if let SampleKeys::Columns(keys) = &mut line.keys {
                keys.iter_mut().for_each(|key| *key = resolve(columns, *key));
            }
        }
    }
}

/// A sampling that decides on each item by itself: by its lines, whose facts are what they ask
/// about. Which rules name items is known when all rules are.
pub(super) fn of_items(
    sample: &Sample,
    from: SampledFrom,
    (lines, facts): (Vec<SampleLine>, Vec<SampleFact>),
    identity: &[String],
) -> SampleRule {
    SampleRule {
        from,
        lines,
        is_shadow: sample.is_shadow,
        mark: sample.mark.as_deref().map(Arc::from),
        facts,
        named_by: Vec::new(),
        named_wait_ns: 0,
        logs: None,
        links: None,
        hash: xxh3_64(identity.join("\n").as_bytes()),
    }
}
