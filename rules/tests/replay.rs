//! Rules and spans in, lines out.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Options, SourceFile};
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, Row, SourceId, SourceSpec,
};
use tailwater_engine::plan::{Plan, RuleKind};
use tailwater_engine::runtime::Engine;
use tailwater_rules::{catalog, lower};

pub(crate) const BASE_S: i64 = 1_699_999_980;

/// One span as OTLP/JSON: times in milliseconds after the base.
pub(crate) fn span(service: &str, name: &str, start_ms: i64, length_ms: i64, rest: &str) -> String {
    let ns = |ms: i64| BASE_S * 1_000_000_000 + ms * 1_000_000;
    let (start, end) = (ns(start_ms), ns(start_ms + length_ms));
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},"scopeSpans":[{{"spans":[{{"name":"{name}","startTimeUnixNano":"{start}","endTimeUnixNano":"{end}"{rest}}}]}}]}}]}}"#
    )
}

/// Compiles rules.
pub(crate) fn plan(rules: &str) -> Result<Plan, String> {
    let file = SourceFile { id: FileId(0), name: "test.tw".to_owned(), text: rules.to_owned() };
    let analysis = tailwater_dsl::compile(&[file], &catalog(), &Options::default());
    let text = tailwater_dsl::diagnostic::human(&analysis.diagnostics, &analysis.files, false);
    let program = analysis.program.ok_or(text)?;
    lower(&program).map_err(|missing| format!("{missing:?}"))
}

/// Runs rules over lines with some workers; every row and transition as a line.
fn run_with(
    plan: &Arc<Plan>,
    lines: &[String],
    format: PayloadFormat,
    workers: usize,
) -> Vec<String> {
    let source = SourceSpec { name: Arc::from("test"), has_arrival: false, mapping: None };
    let builder = Engine::builder(Arc::clone(plan)).sources(vec![source]).workers(workers);
    let mut engine = builder.build().unwrap();
    for line in lines {
        let frame = DataFrame {
            source: SourceId(0),
            arrival_ns: Some(i64::MAX / 2),
            format,
            compression: Compression::None,
            payload: Bytes::from(line.clone()),
            place: 1,
        };
        engine.push(frame).unwrap();
    }
    engine.push_body(FrameBody::End).unwrap();
    let mut said = Vec::new();
    for output in engine.finish().unwrap().0 {
        assert_eq!(output.ledger.unaccounted(), 0);
        said.extend(output.rows.iter().map(|row| row_line(plan, row)));
        for transition in &output.transitions {
            let rule = &plan.rules[transition.rule.0 as usize];
            let RuleKind::Alert(alert) = &rule.kind else { panic!("an alert") };
            let at_s = transition.decision_ns / 1_000_000_000 - BASE_S;
            let mut line = format!("{} {} at {at_s}s", rule.name, transition.state.word());
            for ((name, _), value) in alert.labels.iter().zip(&transition.labels) {
                write!(line, " {name}={value}").unwrap();
            }
            for ((name, _), value) in alert.annotations.iter().zip(&transition.annotations) {
                write!(line, " {name}={value:?}", value = value.to_string()).unwrap();
            }
            said.push(line);
        }
    }
    said
}

fn row_line(plan: &Plan, row: &Row) -> String {
    let rule = &plan.rules[row.rule.0 as usize];
    let s = |ns: i64| (ns - BASE_S * 1_000_000_000) as f64 / 1e9;
    let mut line = format!("{} [{}, {})", rule.name, s(row.start_ns), s(row.end_ns));
    for (name, value) in rule.key_names().iter().zip(row.key.iter()) {
        write!(line, " {name}={value}").unwrap();
    }
    for (name, value) in rule.value_names().into_iter().zip(&row.values) {
        write!(line, " {name}={value}").unwrap();
    }
    line
}

/// Runs rules over lines; the same with 1, 2 and 4 workers.
pub(crate) fn run(rules: &str, lines: &[String]) -> Vec<String> {
    run_as(rules, lines, PayloadFormat::OtlpJson)
}

/// The same for lines of a format, each a frame of its own.
pub(crate) fn run_as(rules: &str, lines: &[String], format: PayloadFormat) -> Vec<String> {
    let plan = Arc::new(plan(rules).unwrap_or_else(|text| panic!("{text}")));
    let one = run_with(&plan, lines, format, 1);
    for workers in [2, 4] {
        assert_eq!(run_with(&plan, lines, format, workers), one);
    }
    one
}
