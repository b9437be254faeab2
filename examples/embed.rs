//! The engine as a library: rules from a text, frames pushed from memory, rows and statistics
//! taken, shut down.

#![expect(clippy::print_stdout, reason = "an example shows what it has")]

use std::sync::Arc;

use bytes::Bytes;
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Options, SourceFile};
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, SourceId, SourceSpec,
};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::{Engine, EpochOutput};

const RULES: &str = "edition 1
stream requests = spans where kind == server lateness 5s
aggregate http from requests by service.name over tumbling(10s)
  select { n: count(), slowest: max(duration) }
";

fn main() -> anyhow::Result<()> {
    let plan = compile()?;
    let source = SourceSpec { name: Arc::from("memory"), has_arrival: false, mapping: None };
    let mut engine = Engine::builder(plan).sources(vec![source]).workers(2).build()?;
    for second in 0..60 {
        engine.push(frame(second))?;
        // Rows leave as soon as their windows close; a caller takes them when it likes.
        while let Some(output) = engine.poll() {
            show(&output);
        }
    }
    // The end closes the windows that are still open. Without it they stay open, and
    // `Engine::snapshot` is how to go on later.
    engine.push_body(FrameBody::End)?;
    let (outputs, _snapshots) = engine.finish()?;
    outputs.iter().for_each(show);
    let last = outputs.last().ok_or_else(|| anyhow::anyhow!("the end makes an output"))?;
    println!("taken {}, unaccounted {}", last.rules[0].taken, last.ledger.unaccounted());
    anyhow::ensure!(last.rules[0].taken == 60 && last.ledger.unaccounted() == 0);
    Ok(())
}

fn compile() -> anyhow::Result<Arc<Plan>> {
    let file = SourceFile { id: FileId(0), name: "embed".to_owned(), text: RULES.to_owned() };
    let catalog = tailwater_rules::catalog();
    let analysis = tailwater_dsl::compile(&[file], &catalog, &Options::default());
    let Some(program) = analysis.program else {
        let text = tailwater_dsl::diagnostic::human(&analysis.diagnostics, &analysis.files, false);
        anyhow::bail!("the rules have errors\n{text}");
    };
    let plan = tailwater_rules::lower(&program);
    Ok(Arc::new(plan.map_err(|missing| anyhow::anyhow!("not run yet: {missing:?}"))?))
}

/// One span a second, as an exporter would send it.
fn frame(second: i64) -> DataFrame {
    let start_ns = (1_767_225_600 + second) * 1_000_000_000;
    let end_ns = start_ns + 1_000_000 * (second + 1);
    let payload = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name",
        "value":{{"stringValue":"shop"}}}}]}},"scopeSpans":[{{"spans":[{{"name":"GET /","kind":2,
        "startTimeUnixNano":"{start_ns}","endTimeUnixNano":"{end_ns}"}}]}}]}}]}}"#
    );
    DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format: PayloadFormat::OtlpJson,
        compression: Compression::None,
        payload: Bytes::from(payload),
        place: 0,
    }
}

fn show(output: &EpochOutput) {
    for row in &output.rows {
        println!("{} requests, slowest {}", row.values[0], row.values[1]);
    }
}

/// Runs with the project's tests.
#[test]
fn the_example_runs() {
    assert!(main().is_ok());
}
