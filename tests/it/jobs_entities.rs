//! The example of jobs and entities says what is stored beside it, with any number of workers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "examples/jobs_entities";

fn folder() -> PathBuf {
    crate::tidy::root().join(FOLDER)
}

/// Rows as JSON lines, and the new traces.
fn replay(workers: &str) -> (String, String) {
    let items = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("entities.{workers}.jsonl"));
    let output = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .current_dir(folder())
        .args(["replay", "spans.jsonl", "--rules", "rules.tw", "--format", "jsonl"])
        .args(["--workers", workers, "--items"])
        .arg(&items)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (String::from_utf8(output.stdout).unwrap(), fs::read_to_string(items).unwrap())
}

#[test]
fn the_example_says_what_is_stored() {
    let (rows, traces) = replay("1");
    for workers in ["2", "4"] {
        assert_eq!(replay(workers), (rows.clone(), traces.clone()), "{workers} workers");
    }
    let found = [("expected.jsonl", rows), ("expected_entities.jsonl", traces)];
    for (name, text) in found {
        let path = folder().join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
    }
}

/// What the stored traces must be, whoever wrote them.
#[test]
fn errors_are_all_there_and_every_trace_has_one_root() {
    let (rows, traces) = replay("1");
    let values = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let mut failed: Vec<String> = Vec::new();
    for row in values(&rows) {
        if row["rule"] == "entity_jobs.matched" && row["values"]["status"] == "error" {
            failed.push(format!("entity {}", row["values"]["entity"].as_str().unwrap()));
        }
    }
    let mut spans: Vec<serde_json::Value> = Vec::new();
    for request in values(&traces) {
        for resource in request["resourceSpans"].as_array().unwrap() {
            for scope in resource["scopeSpans"].as_array().unwrap() {
                spans.extend(scope["spans"].as_array().unwrap().iter().cloned());
            }
        }
    }
    let roots: Vec<_> = spans.iter().filter(|span| span["parentSpanId"].is_null()).collect();
    let names: Vec<&str> = roots.iter().map(|root| root["name"].as_str().unwrap()).collect();
    assert!(!failed.is_empty());
    for name in &failed {
        assert!(names.contains(&name.as_str()), "{name} has failed and is not among {names:?}");
    }
    assert!(names.len() < 40, "most that went well were left out: {}", names.len());
    for span in spans.iter().filter(|span| !span["parentSpanId"].is_null()) {
        let is_parent = |other: &&serde_json::Value| {
            other["traceId"] == span["traceId"] && other["spanId"] == span["parentSpanId"]
        };
        assert!(spans.iter().any(|other| is_parent(&other)), "{span} hangs below something");
        assert!(span["links"][0]["traceId"].is_string(), "{span} links to what it was");
    }
}
