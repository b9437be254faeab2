//! Why a trace was kept or dropped: what each line of each sampling said of it.
//!
//! Nothing is decided again: the engine tells what its lines did when the trace closed. JSON lines,
//! version 1: one object a sampling and trace, see `docs/output.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tailwater_dsl::SourceFile;
use tailwater_dsl::hir::{DeclarationKind, Program, SampleLine};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::model::render::{duration, time, write_json_text};
use tailwater_engine::model::{RuleId, Value};
use tailwater_engine::plan::{Plan, RuleKind, SampleFit, SampleRule, SampledFrom};
use tailwater_engine::runtime::{EarlyClose, LineExplained, LineOutcome, TraceExplained};
use tailwater_engine::sampling::{Randomness, Threshold};

use super::rows::JSON_VERSION;
use super::summary::grouped;
use super::table::one_line;
use crate::args::Format;
use crate::exit::Usage;
use crate::output::{Output, WriteFailed};

/// Names of values that say nothing without the condition, whose text stands beside them.
const PLAIN: [&str; 6] = ["has", "any", "count", "root", "asked", "services"];

/// What is told of one trace.
pub(crate) struct WhyTrace {
    plan: Arc<Plan>,
    id: [u8; 16],
    /// By sampling: its lines as the rules write them.
    texts: BTreeMap<RuleId, Vec<String>>,
}

/// The id of a trace: 32 hex digits, not all 0.
pub(crate) fn trace_id(text: &str) -> Option<[u8; 16]> {
    let mut id = [0; 16];
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    (id != [0; 16]).then_some(id)
}

fn samplings(plan: &Plan) -> impl Iterator<Item = (RuleId, &SampleRule)> {
    plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Sample(sample) => Some((RuleId(index as u32), &**sample)),
        _ => None,
    })
}

impl WhyTrace {
    /// Gets ready to tell of a trace.
    ///
    /// # Errors
    /// If the rules sample no traces.
    pub(crate) fn new(
        plan: Arc<Plan>,
        id: [u8; 16],
        (program, files): (Option<&Program>, &[SourceFile]),
    ) -> Result<Self, Usage> {
        let is_of_traces = |of: &SampleRule| matches!(of.from, SampledFrom::Traces { .. });
        if !samplings(&plan).any(|(_, sample)| is_of_traces(sample)) {
            let text = "`--why TRACE` tells what a `sample` of traces did, and the rules hold none: \
                        `traces shop from spans close when …`, `sample shop { … }`";
            return Err(Usage(text.to_owned()));
        }
        let declared = program.into_iter().flat_map(|program| &program.declarations);
        let declared = declared.filter_map(|declaration| match &declaration.kind {
            DeclarationKind::Sample(sample) => Some(sample),
            _ => None,
        });
        let written = |line: &SampleLine| written(files, line.range);
        let texts = samplings(&plan)
            .zip(declared)
            .map(|((id, _), sample)| (id, sample.lines.iter().map(written).collect()))
            .collect();
        Ok(Self { plan, id, texts })
    }

    /// Writes what samplings made of the trace.
    pub(crate) fn write(
        &self,
        explained: &[TraceExplained],
        format: Format,
        output: &mut Output,
    ) -> Result<(), WriteFailed> {
        let mut out = String::new();
        if explained.is_empty() {
            self.nothing(format, &mut out);
        }
        for (at, one) in explained.iter().enumerate() {
            if format == Format::Jsonl {
                self.json(one, &mut out);
                continue;
            }
            if at > 0 {
                out.push('\n');
            }
            self.text(one, &mut out);
        }
        output.text(&out)
    }

    fn nothing(&self, format: Format, out: &mut String) {
        let id = hex(&self.id);
        let _ = if format == Format::Jsonl {
            writeln!(out, "{{\"v\":{JSON_VERSION},\"trace_id\":\"{id}\",\"found\":false}}")
        } else {
            writeln!(
                out,
                "trace {id}: no sampling has decided it as a whole. None of its spans was read, the \
                 stream of the traces took none, it was open at the end (`--open`), or all of its \
                 spans were late: such spans leave where the last line keeps a share that the \
                 trace is in, else not"
            )
        };
    }

    fn rule(&self, one: &TraceExplained) -> (&str, Option<&SampleRule>) {
        let rule = &self.plan.rules[one.rule.0 as usize];
        let sample = samplings(&self.plan).find(|(id, _)| *id == one.rule);
        (&rule.name, sample.map(|(_, sample)| sample))
    }

    /// The lines of a sampling: name, text, what came of it.
    fn lines<'a>(
        &'a self,
        one: &'a TraceExplained,
    ) -> impl Iterator<Item = (usize, &'a tailwater_engine::plan::SampleLine, &'a LineExplained)>
    {
        let lines = self.rule(one).1.map_or(&[][..], |sample| &sample.lines);
        lines.iter().zip(&one.lines).enumerate().map(|(at, (line, said))| (at, line, said))
    }

    fn line_text(&self, rule: RuleId, at: usize) -> &str {
        self.texts.get(&rule).and_then(|lines| lines.get(at)).map_or("", String::as_str)
    }

    /// The values that a line's condition reads of the trace, as far as they have names.
    fn values(&self, one: &TraceExplained, at: usize) -> Vec<(Arc<str>, Value)> {
        let Some(sample) = self.rule(one).1 else { return Vec::new() };
        let (SampledFrom::Traces { rule, .. }, SampleFit::Row(when)) =
            (&sample.from, &sample.lines[at].fits)
        else {
            return Vec::new();
        };
        let traces = &self.plan.rules[rule.0 as usize];
        let mut values: Vec<(Arc<str>, Value)> = Vec::new();
        when.columns(&mut |column| {
            let name = traces.column_name(column);
            let is_new = values.iter().all(|(known, _)| *known != name);
            if let (true, false, Some(value)) =
                (is_new, PLAIN.contains(&&*name), one.columns.get(column as usize))
            {
                values.push((name, value.clone()));
            }
        });
        values
    }

    fn text(&self, one: &TraceExplained, out: &mut String) {
        let (name, sample) = self.rule(one);
        let id = hex(&one.trace_id);
        let _ = writeln!(out, "trace {id}, {name}: {}", verdict_text(one, sample));
        let spans = grouped(u64::from(one.spans));
        let _ = write!(
            out,
            "  {spans} spans, {} bytes, began {}",
            grouped(one.bytes),
            time(one.start_ns)
        );
        let _ = write!(out, ", closed after {}", duration(one.closed_ns - one.start_ns));
        if let Some(early) = one.early {
            let _ = write!(out, ", early: {}", early_text(early));
        }
        let _ = writeln!(out, "\n  randomness {}", one.randomness.to_hex());
        if one.is_again {
            let _ = writeln!(out, "  {}", again_text(one));
            return;
        }
        if one.verdict.is_none() {
            out.push_str("  the `where` of its stream leaves it out: no line was asked\n");
            return;
        }
        for (at, line, said) in self.lines(one) {
            let text = self.line_text(one.rule, at);
            let named = if text.starts_with(&format!("{}:", line.name)) {
                text.to_owned()
            } else {
                format!("{}: {text}", line.name)
            };
            let decides = one.verdict.is_some_and(|verdict| verdict.line as usize == at);
            let mark = if decides { "▸" } else { " " };
            let _ = writeln!(out, "\n{mark} {named}");
            let values = self.values(one, at);
            if !values.is_empty() {
                let values =
                    values.iter().map(|(name, value)| format!("{name} = {}", one_line(value)));
                let _ = writeln!(out, "    {}", values.collect::<Vec<_>>().join(", "));
            }
            let _ = writeln!(out, "    {}", outcome_text(said, one.randomness, line.is_shadow));
            if decides && one.is_linked {
                out.push_str("    it kept a trace that is linked to this one\n");
            }
        }
    }

    fn json(&self, one: &TraceExplained, out: &mut String) {
        let (name, _) = self.rule(one);
        let id = hex(&one.trace_id);
        let _ =
            write!(out, "{{\"v\":{JSON_VERSION},\"trace_id\":\"{id}\",\"found\":true,\"rule\":");
        write_json_text(name, out);
        let _ = write!(out, ",\"start\":\"{}\"", time(one.start_ns));
        let _ = write!(out, ",\"closed\":\"{}\"", time(one.closed_ns));
        let _ = write!(out, ",\"spans\":{},\"bytes\":{}", one.spans, one.bytes);
        let early = one.early.map_or("null".to_owned(), |early| format!("\"{}\"", early.word()));
        let _ = write!(out, ",\"early\":{early},\"randomness\":\"{}\"", one.randomness.to_hex());
        out.push_str(",\"verdict\":");
        self.json_verdict(one, out);
        out.push_str(",\"lines\":[");
        for (at, line, said) in self.lines(one).filter(|_| one.verdict.is_some()) {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{{\"line\":");
            write_json_text(&line.name, out);
            out.push_str(",\"text\":");
            write_json_text(self.line_text(one.rule, at), out);
            let _ = write!(out, ",\"shadow\":{},\"holds\":{}", line.is_shadow, said.fits);
            let _ = write!(out, ",\"outcome\":\"{}\"", outcome_word(said.outcome));
            if let LineOutcome::Chance(threshold, _) | LineOutcome::Target(threshold, _) =
                said.outcome
            {
                out.push_str(",\"threshold\":");
                json_threshold(Some(threshold), out);
                let _ = write!(out, ",\"share\":{}", threshold.share());
            }
            out.push_str(",\"values\":");
            let values = self.values(one, at);
            super::rows::object(values.iter().map(|(name, value)| (&**name, value)), out);
            out.push('}');
        }
        out.push_str("]}\n");
    }

    fn json_verdict(&self, one: &TraceExplained, out: &mut String) {
        let Some(verdict) = one.verdict else {
            return out.push_str(if one.is_again {
                "{\"kept\":false,\"line\":null,\"linked\":false,\"again\":true,\"decided\":null,\
                 \"threshold\":null}"
            } else {
                "null"
            });
        };
        let _ = write!(out, "{{\"kept\":{},\"line\":", verdict.is_kept);
        let lines = self.rule(one).1.map_or(&[][..], |sample| &sample.lines);
        let line = lines.get(verdict.line as usize).map_or("", |line| &line.name);
        write_json_text(line, out);
        let _ = write!(out, ",\"linked\":{},\"again\":{}", one.is_linked, one.is_again);
        let _ = write!(out, ",\"decided\":\"{}\"", time(verdict.at_ns));
        out.push_str(",\"threshold\":");
        json_threshold(verdict.threshold.filter(|_| verdict.is_kept), out);
        out.push('}');
    }
}

/// What became of the trace in one sentence.
fn verdict_text(one: &TraceExplained, sample: Option<&SampleRule>) -> String {
    let (Some(verdict), Some(sample)) = (one.verdict, sample) else {
        return if one.is_again { "dropped" } else { "not sampled" }.to_owned();
    };
    let line = &sample.lines[verdict.line as usize].name;
    let would = if sample.is_shadow { "would be " } else { "" };
    match (verdict.is_kept, one.is_linked) {
        (true, true) => format!("{would}kept for a trace that is linked to it, by `{line}`"),
        (true, false) => format!("{would}kept by `{line}`"),
        (false, _) => format!("{would}dropped by `{line}`"),
    }
}

/// Why no line was asked about spans that came long after their trace was decided.
fn again_text(one: &TraceExplained) -> String {
    match one.verdict {
        Some(verdict) => format!(
            "came later: the trace was decided at {}, and what comes later follows its verdict",
            time(verdict.at_ns)
        ),
        None => "came later: the trace was dropped, and what comes later follows its verdict; \
                 which line dropped it is not remembered any more"
            .to_owned(),
    }
}

fn json_threshold(threshold: Option<Threshold>, out: &mut String) {
    match threshold.and_then(Threshold::to_hex) {
        Some(hex) => {
            let _ = write!(out, "\"{hex}\"");
        }
        None => out.push_str("null"),
    }
}

/// A line as the rules write it, in one line.
fn written(files: &[SourceFile], range: TextRange) -> String {
    let file = files.iter().find(|file| file.id == range.file);
    let text = file.and_then(|file| file.text.get(range.start as usize..range.end as usize));
    text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn early_text(early: EarlyClose) -> &'static str {
    match early {
        EarlyClose::Spans => "it had as many spans as a trace may have",
        EarlyClose::Bytes => "it had as many bytes as a trace may have",
        EarlyClose::Room => "there was no room for more open traces",
    }
}

fn outcome_word(outcome: LineOutcome) -> &'static str {
    match outcome {
        LineOutcome::Unfit => "unfit",
        LineOutcome::NotAsked => "not_asked",
        LineOutcome::Drop => "dropped",
        outcome if outcome.is_kept() => "kept",
        _ => "dropped",
    }
}

fn outcome_text(said: &LineExplained, randomness: Randomness, is_shadow: bool) -> String {
    let holds = match (said.outcome, said.fits) {
        (LineOutcome::Unfit, _) => return "does not hold".to_owned(),
        (LineOutcome::NotAsked, _) => {
            return "holds, and was not asked: a line before it had decided".to_owned();
        }
        _ => "holds",
    };
    let chance = |threshold: Threshold, is_kept: bool| {
        let than = if is_kept { "is at least" } else { "is below" };
        let hex = threshold.to_hex().unwrap_or_default();
        let share = threshold.share() * 100.0;
        format!(
            "randomness {} {than} the threshold {hex} (keeps {share:.4} %)",
            randomness.to_hex()
        )
    };
    let why = match said.outcome {
        LineOutcome::Chance(Threshold::ALWAYS, true) => "keeps all".to_owned(),
        LineOutcome::Chance(Threshold::NEVER, _) => "keeps nothing".to_owned(),
        LineOutcome::Chance(threshold, is_kept) => chance(threshold, is_kept),
        LineOutcome::Target(threshold, is_kept) => {
            format!("by the target, {}", chance(threshold, is_kept))
        }
        LineOutcome::Rate(true) => "the rate had room".to_owned(),
        LineOutcome::Rate(false) => "the rate had no room".to_owned(),
        _ => "drops all".to_owned(),
    };
    let verdict = if said.outcome.is_kept() { "kept" } else { "dropped" };
    let shadow = if is_shadow { ", in the shadow: decides nothing" } else { "" };
    format!("{holds}; {why}: {verdict}{shadow}")
}

/// An id as text.
fn hex(id: &[u8]) -> String {
    id.iter().fold(String::with_capacity(id.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_traces_are_32_hex_digits() {
        assert_eq!(trace_id("0000000000000000000000000000000A").map(|id| id[15]), Some(10));
        for wrong in ["", "0", "Slow", &"0".repeat(32), &"g".repeat(32), &"+1".repeat(16)] {
            assert_eq!(trace_id(wrong), None, "{wrong}");
        }
    }
}
