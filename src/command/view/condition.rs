//! What `--has` and `--where` ask: expressions of the rules language, of one span and of a whole
//! trace.
//!
//! The language has no expressions on their own, so each is the condition of a rule of ours. One of
//! a span becomes a filter over columns; one of a trace is answered by the engine itself, with
//! traces that stay open to the end of the recording.

use std::collections::BTreeSet;
use std::sync::Arc;

use tailwater_engine::Error;
use tailwater_engine::model::{DataFrame, FrameBody, Row, Signal, SourceSpec, Value};
use tailwater_engine::plan::{Plan, SignalPlan};
use tailwater_engine::runtime::Engine;

use crate::args::General;
use crate::rule_files::{RuleFile, compile};
use crate::trace::TraceId;

/// The rule that tells which traces a condition lets through.
const MATCHING: &str = "matching";

/// The plan of rules around an expression; `None`, and told why, if it does not compile.
fn plan(option: &str, text: String, general: General) -> Option<Arc<Plan>> {
    let file = RuleFile { path: None, name: option.to_owned(), text };
    let compiled = compile(&[file], Vec::new());
    if compiled.has_error() {
        compiled.tell(general);
    }
    compiled.plan
}

/// What an expression reads and asks of spans; `None`, and told why, if it does not compile.
pub(super) fn span_filter(expression: &str, general: General) -> Option<SignalPlan> {
    let text = format!(
        "stream matching = spans\n  where ({expression})\n  lateness 10s\n\naggregate counted from \
         matching\n  over tumbling(1m)\n  select {{ n: count() }}\n"
    );
    let plan = plan("--has", text, general)?;
    plan.signals.iter().find(|plan| plan.signal == Signal::Spans).cloned()
}

/// A condition on traces; `None`, and told why, if it does not compile. Nothing is late and nothing
/// closes before the recording ends.
pub(super) fn trace_plan(expression: &str, general: General) -> Option<Arc<Plan>> {
    let text = format!(
        "rows {MATCHING} = every_trace\n  where ({expression})\n  select {{ id: trace.id }}\n\n\
         stream every_span = spans lateness 10000h\ntraces every_trace from every_span\n  close \
         when age 10000h\n  limit spans 1_000_000\n"
    );
    plan("--where", text, general)
}

/// Which traces a condition lets through, as far as frames have come.
pub(super) struct Condition {
    engine: Engine,
    plan: Arc<Plan>,
    ids: BTreeSet<TraceId>,
}

impl Condition {
    /// Nothing has come yet.
    pub(super) fn new(plan: Arc<Plan>, sources: Vec<SourceSpec>) -> Result<Self, Error> {
        let engine = Engine::builder(Arc::clone(&plan)).sources(sources).build()?;
        Ok(Self { engine, plan, ids: BTreeSet::new() })
    }

    /// Takes a frame.
    pub(super) fn take(&mut self, frame: DataFrame) -> Result<(), Error> {
        self.engine.push_body(FrameBody::Data(frame))?;
        while let Some(output) = self.engine.poll() {
            note(&self.plan, &output.rows, &mut self.ids);
        }
        Ok(())
    }

    /// The ids of the traces, when everything has come.
    pub(super) fn finish(mut self) -> Result<BTreeSet<TraceId>, Error> {
        self.engine.push_body(FrameBody::End)?;
        for output in self.engine.finish()?.0 {
            note(&self.plan, &output.rows, &mut self.ids);
        }
        Ok(self.ids)
    }
}

fn note(plan: &Plan, rows: &[Row], ids: &mut BTreeSet<TraceId>) {
    for row in rows {
        let name = &plan.rules[row.rule.0 as usize].name;
        if let ([Value::Bytes(id), ..], MATCHING) = (row.values.as_slice(), &**name) {
            ids.extend(TraceId::try_from(&**id).ok());
        }
    }
}
