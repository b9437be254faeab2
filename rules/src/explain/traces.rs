//! Traces and samplings: what closes a trace, what is read of it, which line decides, and what
//! bounds the state.

use tailwater_engine::limits::{
    SAMPLE_KEYS_MAX, SHARDS, TRACE_CLOSED_KEPT_NS, VERDICTS_DROPPED_GENERATIONS,
    VERDICTS_DROPPED_PLACES, VERDICTS_KEPT_PER_SHARD, VERDICTS_RECENT_PER_SHARD,
};
use tailwater_engine::model::render::duration;
use tailwater_engine::model::{AttributePlace, ColumnSpec, RuleId};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    CloseTerm, KeyOf, NamedRead, Plan, ROW_KEY_FROM, Rule, RuleKind, SampleAbout, SampleFit,
    SampleKeys, SampleLine, SampleMeasure, SampleRule, SampleVerb, SampledFrom, SignalPlan,
    TraceField, TracePart, TraceRule, TraceValue,
};
use tailwater_engine::sampling::{Goal, Rate};
use tailwater_engine::trace::Structure;

use super::words::{column, expr, expression};

/// A rule that puts traces together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembling {
    /// The rule's name.
    pub rule: String,
    /// Which spans.
    pub input: String,
    /// When a trace closes, each way.
    pub closes: Vec<String>,
    /// What is read of a closed trace.
    pub reads: Vec<String>,
    /// The bound of its state, in words with numbers.
    pub bound: String,
}

/// A rule that keeps some and drops others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampling {
    /// The rule's name.
    pub rule: String,
    /// What is sampled.
    pub input: String,
    /// What it reads, for graphs.
    pub reads: Vec<String>,
    /// Its lines, the first that fits decides.
    pub lines: Vec<String>,
    /// Where it decides, and what follows its verdicts.
    pub decides: Vec<String>,
    /// The bound of its state, in words with numbers.
    pub bound: String,
}

pub(super) fn assembling(plan: &Plan, rule: &Rule, traces: &TraceRule) -> Assembling {
    let signal = &plan.signals[traces.signal as usize];
    let filter = traces.filter.map(|at| expr(signal, &signal.filters[at as usize]));
    let line = &plan.timelines[traces.timeline as usize];
    let mut reads: Vec<String> =
        traces.values.iter().map(|(_, value)| read(signal, traces, value)).collect();
    reads.extend(traces.operations.map(|_| part(rule, TracePart::Operations)));
    reads.extend(traces.edges.map(|_| part(rule, TracePart::Edges)));
    Assembling {
        rule: rule.name.to_string(),
        input: input(signal, filter),
        closes: traces.close.iter().map(closes).collect(),
        reads,
        bound: format!(
            "at most {} spans and {} MiB a trace, and {} spans in each of \
             {SHARDS} shards; beyond, the oldest traces are decided early and counted; a closed \
             trace is known for {} and {} of lateness",
            traces.spans_max,
            traces.bytes_max >> 20,
            traces.spans_per_shard_max(),
            duration(TRACE_CLOSED_KEPT_NS),
            duration(line.lateness_ns),
        ),
    }
}

fn input(signal: &SignalPlan, filter: Option<String>) -> String {
    let name = signal.signal.name();
    filter.map_or_else(|| name.to_owned(), |filter| format!("{name} where {filter}"))
}

fn part(rule: &Rule, part: TracePart) -> String {
    match part {
        TracePart::Operations => format!("{}.operations", rule.name),
        TracePart::Edges => format!("{}.edges", rule.name),
    }
}

fn closes(term: &CloseTerm) -> String {
    let root = term.root.then(|| "its root has come".to_owned());
    let quiet = term.quiet_ns.map(|ns| format!("no span has come for {}", duration(ns)));
    let age = term.age_ns.map(|ns| format!("its first span is {} old", duration(ns)));
    let parts: Vec<String> = [root, quiet, age].into_iter().flatten().collect();
    parts.join(" and ")
}

/// A value of a trace, as rules write it.
fn read(signal: &SignalPlan, traces: &TraceRule, value: &TraceValue) -> String {
    let spans = |of: &Structure| structure(signal, traces, of);
    let carried = |at: u32| column(signal, traces.carried[at as usize]);
    match value {
        TraceValue::Field(field) => field.path().to_owned(),
        TraceValue::Distinct(at) if is_service(signal, traces, *at) => {
            TraceField::Services.path().to_owned()
        }
        TraceValue::Distinct(at) => format!("all {}", carried(*at)),
        TraceValue::DistinctCount(_) => TraceField::ServiceCount.path().to_owned(),
        TraceValue::Keys(columns) => {
            let of_root = |at: u32| column(signal, traces.of_root[at as usize]);
            let name = |of: &KeyOf| match *of {
                KeyOf::Span(at) => carried(at),
                KeyOf::Root(at) => format!("root.{}", of_root(at)),
            };
            let names: Vec<String> = columns.iter().map(name).collect();
            format!("all {} together", names.join(", "))
        }
        TraceValue::Root(at) => format!("root.{}", column(signal, traces.of_root[*at as usize])),
        TraceValue::Has(of) => format!("has({})", spans(of)),
        TraceValue::Count(of) => format!("count({})", spans(of)),
        TraceValue::Any(at, of) => format!("any({}, {})", carried(*at), spans(of)),
        TraceValue::Named(NamedRead::Has, _) => "has(spans with names)".to_owned(),
        TraceValue::Named(NamedRead::Count, _) => "count(spans with names)".to_owned(),
        TraceValue::Named(NamedRead::Any(_), _) => "any(spans with names)".to_owned(),
        TraceValue::CriticalPath { .. } => "critical_path".to_owned(),
        TraceValue::CriticalPathDuration(_) => "critical_path.duration".to_owned(),
    }
}

fn is_service(signal: &SignalPlan, traces: &TraceRule, carried: u32) -> bool {
    let source = signal.columns.get(traces.carried[carried as usize] as usize);
    match source {
        Some(ColumnSpec::Attribute { place: AttributePlace::Resource, key }) => {
            &**key == "service.name"
        }
        _ => false,
    }
}

fn structure(signal: &SignalPlan, traces: &TraceRule, of: &Structure) -> String {
    let side = |of: &Structure| match of {
        Structure::Leaf(_) => structure(signal, traces, of),
        _ => format!("({})", structure(signal, traces, of)),
    };
    match of {
        Structure::Leaf(bit) => {
            let leaf = traces.leaves.get(*bit as usize).copied().flatten();
            let filter = leaf.map(|at| expr(signal, &signal.filters[at as usize]));
            format!("{{{}}}", filter.as_deref().unwrap_or("true"))
        }
        Structure::And(a, b) => format!("{} and {}", side(a), side(b)),
        Structure::Or(a, b) => format!("{} or {}", side(a), side(b)),
        Structure::Op(op, a, b) => format!("{} {} {}", side(a), op.text(), side(b)),
    }
}

pub(super) fn sampling(plan: &Plan, rule: &Rule, sample: &SampleRule) -> Sampling {
    let (what, reads, named) = sampled(plan, sample);
    let lines = sample.lines.iter().map(|line| one_line(plan, sample, line, &*named));
    let asked = sample.asked().map(|rule| name(plan, rule));
    Sampling {
        rule: rule.name.strip_prefix("sample ").unwrap_or(&rule.name).to_owned(),
        input: what,
        reads: reads.into_iter().chain(asked).collect(),
        lines: lines.collect(),
        decides: decides(plan, sample),
        bound: kept(sample),
    }
}

/// The bound of what a sampling remembers.
fn kept(sample: &SampleRule) -> String {
    let keyed = sample.lines.iter().any(|line| line.verb.is_global());
    let keys =
        if keyed { format!("at most {SAMPLE_KEYS_MAX} keys a line") } else { "none".to_owned() };
    if !matches!(sample.from, SampledFrom::Traces { .. }) {
        return keys;
    }
    let verdicts = format!(
        "in each of {SHARDS} shards the newest {VERDICTS_RECENT_PER_SHARD} verdicts and \
             {VERDICTS_KEPT_PER_SHARD} more to keep exactly, about {} dropped traces by a filter",
        VERDICTS_DROPPED_PLACES * VERDICTS_DROPPED_GENERATIONS * 3 / 4
    );
    if keyed { format!("{keys}; {verdicts}") } else { verdicts }
}

fn name(plan: &Plan, rule: RuleId) -> String {
    plan.rules[rule.0 as usize].name.to_string()
}

type Named<'a> = Box<dyn Fn(u32) -> String + 'a>;

/// What is sampled, the rule or signal that it comes from, and what its conditions speak of.
fn sampled<'a>(plan: &'a Plan, sample: &'a SampleRule) -> (String, Vec<String>, Named<'a>) {
    match &sample.from {
        SampledFrom::Items { signal, filter, asking, .. } => {
            let signal = &plan.signals[*signal as usize];
            let filter = filter.map(|at| expr(signal, &signal.filters[at as usize]));
            let reads = vec![signal.signal.name().to_owned()];
            let named = move |at: u32| {
                let value = at.checked_sub(asking.keys.len() as u32);
                let value = value.and_then(|at| asking.values.get(at as usize));
                asked(plan, sample, at)
                    .unwrap_or_else(|| value.map_or_else(String::new, |at| column(signal, *at)))
            };
            (input(signal, filter), reads, Box::new(named))
        }
        SampledFrom::Late { rule, filter, .. } => {
            let of = &plan.rules[rule.0 as usize];
            let named = move |at: u32| of.column_name(at).to_string();
            let what = super::late(plan, *rule, filter.as_ref());
            (what, vec![of.name.to_string()], Box::new(named))
        }
        SampledFrom::Traces { rule, filter } => {
            let of = &plan.rules[rule.0 as usize];
            let named = move |at: u32| of_trace(plan, sample, of, at);
            let filter =
                filter.as_ref().map(|filter| format!(" where {}", expression(filter, &named)));
            let what = format!("traces of {}{}", of.name, filter.unwrap_or_default());
            (what, vec![of.name.to_string()], Box::new(named))
        }
    }
}

/// What is asked about another rule, where the answer stands in a column.
fn asked(plan: &Plan, sample: &SampleRule, at: u32) -> Option<String> {
    let fact = sample.facts.iter().find(|fact| fact.column == at)?;
    Some(match fact.about {
        SampleAbout::Matched(rule) => format!("matched({})", name(plan, rule)),
        SampleAbout::Firing(rule) => format!("firing({})", name(plan, rule)),
        SampleAbout::Named => "named".to_owned(),
    })
}

/// A column of a row of traces: a value of the trace, or what is asked about another rule.
fn of_trace(plan: &Plan, sample: &SampleRule, of: &Rule, at: u32) -> String {
    if let Some(asked) = asked(plan, sample, at) {
        return asked;
    }
    let RuleKind::Traces(traces) = &of.kind else { return of.column_name(at).to_string() };
    let key = of.key_names().len() as u32 + ROW_KEY_FROM;
    let value = at.checked_sub(key).and_then(|at| traces.values.get(at as usize));
    let signal = &plan.signals[traces.signal as usize];
    value.map_or_else(|| of.column_name(at).to_string(), |(_, value)| read(signal, traces, value))
}

fn one_line(
    plan: &Plan,
    sample: &SampleRule,
    line: &SampleLine,
    named: &dyn Fn(u32) -> String,
) -> String {
    let fits = match &line.fits {
        SampleFit::All => "otherwise".to_owned(),
        SampleFit::Row(when) => format!("when {}", expression(when, named)),
        SampleFit::Filter(at) => {
            let SampledFrom::Items { signal, .. } = &sample.from else {
                return line.name.to_string();
            };
            let signal = &plan.signals[*signal as usize];
            format!("when {}", expr(signal, &signal.filters[*at as usize]))
        }
    };
    let keys: Vec<String> = match &line.keys {
        SampleKeys::Columns(columns) => {
            let SampledFrom::Items { signal, .. } = &sample.from else {
                return line.name.to_string();
            };
            let signal = &plan.signals[*signal as usize];
            columns.iter().map(|at| column(signal, *at)).collect()
        }
        SampleKeys::Row(exprs) => exprs.iter().map(|key: &Expr| expression(key, named)).collect(),
    };
    let by = if keys.is_empty() { String::new() } else { format!(" by {}", keys.join(", ")) };
    let shadow = if line.is_shadow { "shadow " } else { "" };
    format!("{}: {shadow}{}{by} {fits}", line.name, verb(line.verb))
}

fn verb(verb: SampleVerb) -> String {
    let measured = |measure| match measure {
        SampleMeasure::Cases => "",
        SampleMeasure::Items => " spans",
        SampleMeasure::Bytes => " bytes",
    };
    let written = |rate: Rate| {
        let per = match rate.period_s {
            60 => "m",
            3_600 => "h",
            86_400 => "d",
            _ => "s",
        };
        format!("{} per {per}", rate.micro as f64 / 1e6)
    };
    match verb {
        SampleVerb::Drop => "drop".to_owned(),
        SampleVerb::Keep(threshold) => {
            let percent = format!("{:.4}", threshold.share() * 100.0);
            format!("keep {}%", percent.trim_end_matches('0').trim_end_matches('.'))
        }
        SampleVerb::Rate(limit, measure) => {
            format!("keep rate {}{}", written(limit.rate), measured(measure))
        }
        SampleVerb::Target(Goal::Rate(rate), measure) => {
            format!("keep target {}{}", written(rate), measured(measure))
        }
        SampleVerb::Target(Goal::Share(millionths), measure) => {
            format!("keep target {}%{}", millionths as f64 / 10_000.0, measured(measure))
        }
    }
}

/// Where verdicts are found, and what goes with them.
fn decides(plan: &Plan, sample: &SampleRule) -> Vec<String> {
    let is_global = sample.lines.iter().any(|line| line.verb.is_global());
    let place = match (&sample.from, is_global || sample.is_ordered()) {
        (SampledFrom::Items { .. }, false) => "as each item comes, on the worker that has it",
        (SampledFrom::Items { .. }, true) | (SampledFrom::Late { .. }, _) => {
            "in order of time, on one worker"
        }
        (SampledFrom::Traces { .. }, false) => "when a trace closes, on the worker that has it",
        (SampledFrom::Traces { .. }, true) => {
            "when traces close, in order of (time, trace id), on one worker"
        }
    };
    let logs = sample.logs.as_ref().map(|logs| {
        format!("log records of a trace follow it, and wait up to {}", duration(logs.wait_ns))
    });
    let named = sample.asks_named().then(|| {
        let rules: Vec<String> = sample.named_by.iter().map(|rule| name(plan, *rule)).collect();
        let rules = if rules.is_empty() { "no rule".to_owned() } else { rules.join(", ") };
        match sample.named_wait_ns {
            0 => format!("named by {rules}"),
            wait_ns => format!("named by {rules}: items wait {} for it", duration(wait_ns)),
        }
    });
    let links = sample.links.map(|_| "traces that link to a kept one are kept".to_owned());
    let shadow = sample.is_shadow.then(|| "verdicts are only counted, all is kept".to_owned());
    [Some(place.to_owned()), named, logs, links, shadow].into_iter().flatten().collect()
}
