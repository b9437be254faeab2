//! Expectations of samplings against what they did.

use std::collections::BTreeSet;

use tailwater_dsl::hir::{Expect, ExpectKind, Literal, Test, duration_text};
use tailwater_engine::plan::{Plan, RuleKind, SampleRule};
use tailwater_engine::runtime::TraceExplained;

use super::expect::is_then;
use super::given::id;
use super::{Said, TEST_START_NS};

/// Bytes of a trace id.
const TRACE_ID_BYTES: usize = 16;

/// The traces that expectations name, each once.
pub(super) fn traces_of(test: &Test) -> BTreeSet<[u8; 16]> {
    let samples = test.expect.iter().filter(|e| matches!(e.kind, ExpectKind::Sample { .. }));
    samples.filter_map(|expect| Some(id_of(text(expect, "trace.id")?))).collect()
}

fn id_of(text: &str) -> [u8; 16] {
    u128::from_str_radix(&id(text, TRACE_ID_BYTES), 16).unwrap_or_default().to_be_bytes()
}

fn text<'e>(expect: &'e Expect, name: &str) -> Option<&'e str> {
    expect.values.iter().find_map(|(key, value)| match value {
        Literal::String(text) if key == name => Some(text.as_str()),
        _ => None,
    })
}

pub(super) fn sampled_words(name: &str, is_kept: bool, expect: &Expect) -> String {
    let what = match text(expect, "trace.id") {
        Some(id) => format!("trace `{id}`"),
        None => "a case".to_owned(),
    };
    let verb = if is_kept { "kept" } else { "dropped" };
    let line = text(expect, "line").map_or(String::new(), |line| format!(" by line `{line}`"));
    format!("{what} {verb} by `sample {name}`{line}")
}

/// What is found, and how much of it fits.
pub(super) fn verdicts(
    plan: &Plan,
    name: &str,
    said: &Said,
    expect: &Expect,
    is_kept: bool,
) -> (Vec<String>, usize) {
    let (mut found, mut matching) = (Vec::new(), 0);
    for (rule, sample) in samplings(plan, name) {
        let wanted = text(expect, "line");
        let is_line = |at: u16| {
            let line = &sample.lines[usize::from(at)];
            wanted.map_or(!line.is_shadow, |wanted| wanted == &*line.name)
        };
        if let Some(id) = text(expect, "trace.id") {
            let own = said.explained.iter().filter(|of| of.rule.0 as usize == rule);
            for of in own.filter(|of| of.trace_id == id_of(id)) {
                let Some(verdict) = of.verdict else { continue };
                let fits = verdict.is_kept == is_kept && is_line(verdict.line);
                matching += usize::from(fits && is_then(expect.moment, of.closed_ns));
                found.push(told(sample, of, verdict.is_kept, verdict.line));
            }
            continue;
        }
        for (at, line) in (0..).zip(&sample.lines) {
            let counts =
                said.samples.iter().find(|((id, of), _)| (id.0 as usize, *of) == (rule, at));
            let Some((_, counts)) = counts else { continue };
            let dropped = counts.cases - counts.kept;
            if is_line(at) {
                matching += (if is_kept { counts.kept } else { dropped }) as usize;
            }
            found.push(format!("line `{}`: {} kept, {dropped} dropped", line.name, counts.kept));
        }
    }
    (found, matching)
}

/// The samplings of a source: `sample shop`, and where there are more of them `sample shop 2`.
fn samplings<'p>(plan: &'p Plan, name: &str) -> impl Iterator<Item = (usize, &'p SampleRule)> {
    let first = format!("sample {name}");
    plan.rules.iter().enumerate().filter_map(move |(index, rule)| {
        let rest = rule.name.strip_prefix(first.as_str())?;
        let is_further = || rest.strip_prefix(' ').is_some_and(|n| n.parse::<u32>().is_ok());
        match &rule.kind {
            RuleKind::Sample(sample) if rest.is_empty() || is_further() => Some((index, &**sample)),
            _ => None,
        }
    })
}

fn told(sample: &SampleRule, of: &TraceExplained, is_kept: bool, line: u16) -> String {
    let at = duration_text(of.closed_ns.saturating_sub(TEST_START_NS));
    let verb = if is_kept { "kept" } else { "dropped" };
    format!("{at}  {verb} by line `{}`", sample.lines[usize::from(line)].name)
}
