//! The packs that ship, replayed over the recordings that ship, say what an independent script
//! computes: `tests/check/packs.py`, whose answers are in `tests/data/expected/packs/`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

/// A percentile is off by at most 1 %, and by the resolution of 1 µs.
const PERCENTILE_ERROR: f64 = 0.01;
const PERCENTILE_UNIT_NS: f64 = 1_000.0;

/// How a pack is replayed.
struct Run {
    recording: &'static str,
    expected: &'static str,
    pack: &'static str,
    window_s: i64,
    lateness_s: i64,
    /// `within` of the removal of duplicates, seconds.
    dedupe_s: Option<i64>,
}

/// (rule, window start, key) to the row's numbers.
type Rows = BTreeMap<(String, String, String), Value>;

/// Standard output and standard error of a replay.
fn replay(run: &Run, workers: &str) -> (String, String) {
    let once = run.dedupe_s.map_or_else(String::new, |within_s| {
        format!("dedupe by trace.id, span.id within {within_s}s limit 1_000_000")
    });
    let rules = format!(
        "import \"std/{}\" as p {{ window: {}s, from: given }}\n\
         stream given = spans {once} lateness {}s",
        run.pack, run.window_s, run.lateness_s
    );
    let recording = format!("examples/recordings/{}.otlp.jsonl.gz", run.recording);
    let output = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .current_dir(crate::tidy::root())
        .args(["replay", &recording, "-e", &rules, "--format", "jsonl", "--workers", workers])
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stderr}");
    (stdout, stderr)
}

fn found_rows(run: &Run, stdout: &str) -> Rows {
    let mut rows = Rows::new();
    for line in stdout.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let Some(rule) = row["rule"].as_str() else { continue };
        let rule = rule.strip_prefix("p.").expect("the import's name").to_owned();
        let key = keys_in_order(line, &row["key"]);
        let start = row["start"].as_str().unwrap().to_owned();
        let values = row["values"].clone();
        let (n, errors) = (values["n"].as_f64().unwrap(), values["errors"].as_f64().unwrap());
        assert!((values["rate"].as_f64().unwrap() - n / run.window_s as f64).abs() < 1e-9);
        assert!((values["error_share"].as_f64().unwrap() - errors / n).abs() < 1e-9);
        assert!(rows.insert((rule, start, key), values).is_none(), "one row a group: {line}");
    }
    rows
}

/// The key's values as a JSON list, in the order of the line: a parsed object sorts its members.
fn keys_in_order(line: &str, key: &Value) -> String {
    let mut members: Vec<(usize, &Value)> = key
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (line.find(&format!("\"{name}\":")).unwrap(), value))
        .collect();
    members.sort_by_key(|member| member.0);
    Value::Array(members.into_iter().map(|member| member.1.clone()).collect()).to_string()
}

fn compare(found: &mut Rows, wanted: &Value) {
    let text = |name: &str| wanted[name].as_str().unwrap().to_owned();
    let place = (text("rule"), text("start"), wanted["key"].to_string());
    let row = found.remove(&place).unwrap_or_else(|| panic!("no row for {wanted}"));
    for name in ["n", "errors"] {
        assert_eq!(row[name], wanted[name], "{name} of {wanted}");
    }
    for name in ["p50", "p95", "p99"] {
        let (is, should) = (row[name].as_f64().unwrap(), wanted[name].as_f64().unwrap());
        let bound = should * PERCENTILE_ERROR + PERCENTILE_UNIT_NS;
        assert!((is - should).abs() <= bound, "{name} of {wanted} is {is}");
    }
}

/// The summary's line of a rule tells the same counts.
fn compare_summary(stderr: &str, wanted: &Value) {
    let rule = wanted["rule"].as_str().unwrap();
    let start = format!("p.{rule}: ");
    let line = stderr.lines().find(|line| line.starts_with(&start)).expect("a line of the rule");
    let number = |what: &str| {
        let part = line.trim_start_matches(&start).split(", ").find(|part| part.contains(what));
        let digits = part.and_then(|part| part.split(' ').next()).unwrap_or("0");
        digits.replace('_', "").parse::<u64>().unwrap()
    };
    for (name, what) in [("taken", "taken"), ("duplicates", "duplicates"), ("late", "late")] {
        assert_eq!(Some(number(what)), wanted[name].as_u64(), "{name} of {rule}: {line}");
    }
}

fn agree(run: &Run) {
    let path = format!("tests/data/expected/packs/{}.jsonl", run.expected);
    let expected = fs::read_to_string(crate::tidy::root().join(path)).unwrap();
    let mut first = None;
    for workers in ["1", "2", "4"] {
        let (stdout, stderr) = replay(run, workers);
        assert_eq!(*first.get_or_insert_with(|| stdout.clone()), stdout, "{workers} workers");
        assert!(stderr.contains("unaccounted 0"), "{stderr}");
        let mut found = found_rows(run, &stdout);
        for line in expected.lines() {
            let wanted: Value = serde_json::from_str(line).unwrap();
            if wanted["start"].is_string() {
                compare(&mut found, &wanted);
            } else if wanted["rule"].is_string() {
                compare_summary(&stderr, &wanted);
            }
        }
        assert!(found.is_empty(), "rows too many: {found:?}");
    }
}

#[test]
fn plain_over_online_boutique() {
    agree(&Run {
        recording: "online-boutique.traces",
        expected: "online-boutique.plain.10s",
        pack: "plain",
        window_s: 10,
        lateness_s: 10,
        dedupe_s: None,
    });
}

#[test]
fn plain_over_online_boutique_without_its_duplicates() {
    agree(&Run {
        recording: "online-boutique.traces",
        expected: "online-boutique.plain.60s.once",
        pack: "plain",
        window_s: 60,
        lateness_s: 10,
        dedupe_s: Some(600),
    });
}

#[test]
fn plain_over_the_demo() {
    agree(&Run {
        recording: "otel-demo",
        expected: "otel-demo.plain.10s",
        pack: "plain",
        window_s: 10,
        lateness_s: 10,
        dedupe_s: None,
    });
}

#[test]
fn red_over_the_demo() {
    agree(&Run {
        recording: "otel-demo",
        expected: "otel-demo.red.10s",
        pack: "red",
        window_s: 10,
        lateness_s: 10,
        dedupe_s: None,
    });
}

#[test]
fn red_over_the_demo_where_most_spans_are_late() {
    agree(&Run {
        recording: "otel-demo",
        expected: "otel-demo.red.1s.once.no-lateness",
        pack: "red",
        window_s: 1,
        lateness_s: 0,
        dedupe_s: Some(600),
    });
}
