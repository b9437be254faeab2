//! The recordings that ship with the project give the numbers that an independent script computes
//! from the same files: `tests/check/windows.py`, whose answers are in `tests/data/expected/`.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use tailwater_engine::aggregate::{AccumulatorKind, Finisher};
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::model::{
    AttributePlace, ColumnSpec, Field, FrameBody, RowKind, RuleId, Signal, Value,
};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{
    AggregateCall, AggregateRule, Plan, Results, Rule, RuleKind, RulePlace, SignalPlan, Table,
    TableAccumulator, TableWindow, TimeColumn, Timeline, WindowShape,
};
use tailwater_engine::runtime::{Engine, EpochCut, EpochOutput};

const SECOND_NS: i64 = 1_000_000_000;
/// Two significant digits: half a unit of the second digit, and the resolution of 1 µs.
const PERCENTILE_ERROR: f64 = 0.01;
const PERCENTILE_UNIT_NS: f64 = 1_000.0;

/// What a rule asks for.
#[derive(Clone, Copy)]
struct Windows {
    size_s: i64,
    lateness_s: i64,
    by_start: bool,
}

/// Counts, errors and percentiles by service and name.
fn plan(windows: Windows) -> Arc<Plan> {
    let size_ns = windows.size_s * SECOND_NS;
    let service =
        ColumnSpec::Attribute { place: AttributePlace::Resource, key: Arc::from("service.name") };
    let time = if windows.by_start { Field::Start } else { Field::End };
    let fields = [Field::Name, time, Field::Duration, Field::Status].map(ColumnSpec::Field);
    let is_error =
        Expr::binary(BinaryOp::Eq, Expr::Column(4), Expr::Const(Value::Str(Arc::from("error"))));
    let accumulator = |kind, arguments, filter| TableAccumulator { kind, arguments, filter };
    let call = |accumulator, finisher| AggregateCall { accumulator, finisher };
    let quantile = |millionths| call(2, Finisher::Quantile(millionths));
    let names = ["n", "errors", "p50", "p95", "p99"];
    let values = names.iter().zip(2..).map(|(name, at)| (Arc::from(*name), Expr::Column(at)));
    let rule = AggregateRule {
        input: None,
        key_names: vec![Arc::from("service"), Arc::from("name")],
        calls: vec![
            call(0, Finisher::Count),
            call(1, Finisher::Count),
            quantile(500_000),
            quantile(950_000),
            quantile(990_000),
        ],
        values: values.collect(),
        pasts: Vec::new(),
        having: None,
    };
    let place = RulePlace { timelines: vec![0], ..RulePlace::default() };
    Arc::new(Plan {
        signals: vec![SignalPlan {
            signal: Signal::Spans,
            columns: [service].into_iter().chain(fields).collect(),
            computed: Vec::new(),
            filters: vec![is_error],
            raw: false,
            offsets: false,
        }],
        time_columns: vec![TimeColumn { signal: 0, column: 2 }],
        timelines: vec![Timeline {
            time_column: 0,
            lateness_ns: windows.lateness_s * SECOND_NS,
            idle_ns: 30 * SECOND_NS,
        }],
        dedupes: Vec::new(),
        tables: vec![Table {
            signal: 0,
            timeline: 0,
            filter: None,
            dedupe: None,
            key: vec![0, 1],
            width_ns: size_ns,
            offset_ns: 0,
            accumulators: vec![
                accumulator(AccumulatorKind::Count, Vec::new(), None),
                accumulator(AccumulatorKind::Count, Vec::new(), Some(0)),
                accumulator(AccumulatorKind::Sketch { digits: 2 }, vec![3], None),
            ],
            windows: vec![TableWindow {
                shape: WindowShape::Sliding { size_ns, every_ns: size_ns },
                rule: RuleId(0),
                results: Results::Final,
            }],
            groups_max: 10_000,
            amend_ns: 0,
            late: None,
            hash: 1,
        }],
        routes: Vec::new(),
        redaction: None,
        explained: None,
        items_unread: false,
        row_inputs: Vec::new(),
        row_tables: Vec::new(),
        rules: vec![Rule { name: Arc::from("windows"), kind: RuleKind::Aggregate(rule), place }],
    })
}

fn replay(file: &Path, plan: &Arc<Plan>, workers: usize, cut: EpochCut) -> Vec<EpochOutput> {
    let input = Input::new("spans", File::open(file).unwrap());
    let mut reader = FileReader::open(vec![input], &ReaderOptions::default()).unwrap();
    let builder = Engine::builder(Arc::clone(plan)).sources(reader.sources());
    let mut engine = builder.workers(workers).cut(cut).build().unwrap();
    while let Some(frame) = reader.next_frame().unwrap() {
        engine.push(frame).unwrap();
    }
    engine.push_body(FrameBody::End).unwrap();
    engine.finish().unwrap().0
}

/// (window start, service, name) → (n, errors, percentiles in ns).
type Answer = BTreeMap<(i64, String, String), (i64, i64, [i64; 3])>;

fn engine_answer(outputs: &[EpochOutput]) -> Answer {
    let text = |value: &Value| match value {
        Value::Str(text) => text.to_string(),
        Value::Null => String::new(),
        other => panic!("a key is text, found {other:?}"),
    };
    let whole = |value: &Value| match value {
        Value::Int(number) | Value::Duration(number) => *number,
        other => panic!("a value is whole, found {other:?}"),
    };
    let mut answer = Answer::new();
    for row in outputs.iter().flat_map(|output| &output.rows) {
        assert_eq!(row.kind, RowKind::Final);
        let key = (row.start_ns, text(&row.key[0]), text(&row.key[1]));
        let v: Vec<i64> = row.values.iter().map(whole).collect();
        let twice = answer.insert(key, (v[0], v[1], [v[2], v[3], v[4]]));
        assert_eq!(twice, None, "one final row a window and group");
    }
    answer
}

/// The stored rows, and (spans, late) from the last line.
fn expected_answer(file: &Path) -> (Answer, u64, u64) {
    let text = fs::read_to_string(file).unwrap();
    let (mut answer, mut totals) = (Answer::new(), (0, 0));
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(spans) = row["spans"].as_u64() {
            totals = (spans, row["late"].as_u64().unwrap());
            continue;
        }
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let whole = |key: &str| row[key].as_i64().unwrap();
        let key = (whole("start"), text("service"), text("name"));
        let percentiles = [whole("p50"), whole("p95"), whole("p99")];
        answer.insert(key, (whole("n"), whole("errors"), percentiles));
    }
    (answer, totals.0, totals.1)
}

fn agree(recording: &str, expected: &str, windows: Windows) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("examples/recordings").join(recording);
    let expected = root.join("tests/data/expected").join(expected);
    let (wanted, spans, late) = expected_answer(&expected);
    let small = EpochCut { frames_max: 1, bytes_max: 1 };
    for (workers, cut) in [(1, EpochCut::default()), (2, small), (4, EpochCut::default())] {
        let outputs = replay(&file, &plan(windows), workers, cut);
        let last = outputs.last().expect("a replay says something");
        assert_eq!(last.ledger.signals[Signal::Spans.index()].received, spans);
        assert_eq!(last.ledger.unaccounted() + last.rules[0].unaccounted(), 0);
        assert_eq!(last.rules[0].late, late, "late spans");
        compare(&engine_answer(&outputs), &wanted);
    }
}

fn compare(found: &Answer, wanted: &Answer) {
    assert!(found.keys().eq(wanted.keys()), "the same windows and groups");
    for (key, (n, errors, percentiles)) in wanted {
        let row = &found[key];
        assert_eq!((row.0, row.1), (*n, *errors), "{key:?}");
        for (found, wanted) in row.2.iter().zip(percentiles) {
            let bound = *wanted as f64 * PERCENTILE_ERROR + PERCENTILE_UNIT_NS;
            let error = (found - wanted).abs() as f64;
            assert!(error <= bound, "{key:?}: {found} for {wanted} is off by {error} > {bound}");
        }
    }
}

#[test]
fn online_boutique_in_windows_of_ten_seconds() {
    let windows = Windows { size_s: 10, lateness_s: 10, by_start: false };
    agree("online-boutique.traces.otlp.jsonl.gz", "online-boutique.10s.jsonl", windows);
}

#[test]
fn online_boutique_in_windows_of_a_minute() {
    let windows = Windows { size_s: 60, lateness_s: 10, by_start: false };
    agree("online-boutique.traces.otlp.jsonl.gz", "online-boutique.60s.jsonl", windows);
}

#[test]
fn online_boutique_by_start_without_lateness() {
    let windows = Windows { size_s: 10, lateness_s: 0, by_start: true };
    agree("online-boutique.traces.otlp.jsonl.gz", "online-boutique.10s.start.jsonl", windows);
}

#[test]
fn the_demo_in_windows_of_ten_seconds() {
    let windows = Windows { size_s: 10, lateness_s: 10, by_start: false };
    agree("otel-demo.otlp.jsonl.gz", "otel-demo.10s.jsonl", windows);
}

#[test]
fn the_demo_in_windows_of_a_minute() {
    let windows = Windows { size_s: 60, lateness_s: 10, by_start: false };
    agree("otel-demo.otlp.jsonl.gz", "otel-demo.60s.jsonl", windows);
}

#[test]
fn the_demo_in_windows_of_a_second_where_most_spans_are_late() {
    let windows = Windows { size_s: 1, lateness_s: 0, by_start: false };
    agree("otel-demo.otlp.jsonl.gz", "otel-demo.1s.no-lateness.jsonl", windows);
}
