//! Rates of senders and bounds of items as users of a live run meet them.

use std::fs;
use std::process::Command;

use crate::live_run::{Run, now_s, path};

const RULES: &str = "redact { values mask [email] }\n\
                     stream l = logs lateness 0s idle 1s\n\
                     aggregate said from l by attr[\"a\"], attr[\"b\"], attr[\"c\"] over tumbling(10s) \
                     select { n: count() }";

fn logs(at_s: i64, count: usize) -> String {
    let attribute = |(key, value): (&str, &str)| {
        format!("{{\"key\":\"{key}\",\"value\":{{\"stringValue\":\"{value}\"}}}}")
    };
    // An address that the length alone would cut in the middle.
    let attributes = [("a", "to somebody@example.com"), ("b", "äöüäöüäöüäöüäöü"), ("c", "gone")];
    let attributes = attributes.map(attribute).join(",");
    let record = format!("{{\"timeUnixNano\":\"{at_s}000000000\",\"attributes\":[{attributes}]}}");
    let records = vec![record; count].join(",");
    format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{records}]}}]}}]}}")
}

#[test]
fn items_are_cut_and_senders_slowed_before_the_record() {
    let (record, config) = (path("limits.twlog"), path("limits.yaml"));
    let text = "limits: { attributes: 2, attribute_length: 12 }\n\
                listeners:\n  otlp_http: { rate: { items_per_second: 1, burst: 1m } }\n\
                sinks: { prometheus: { address: none } }\n";
    fs::write(&config, text).unwrap();
    let record = record.to_str().unwrap();
    let run = Run::start(RULES, &["--config", config.to_str().unwrap(), "--record", record], &[]);
    let at_s = now_s() / 10 * 10;
    let send = |at_s, count| run.request("OTLP/HTTP", "POST /v1/logs", &logs(at_s, count));
    assert!(send(at_s, 40).starts_with("HTTP/1.1 200"));
    let refused = send(at_s, 40);
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.to_lowercase().contains("\r\nretry-after: 20\r\n"), "{refused}");
    assert!(send(at_s + 20, 1).starts_with("HTTP/1.1 200"));
    let limited = "tailwater_intake_items_total{source=\"otlp_http\",outcome=\"refused\",\
                   reason=\"rate_limited\"} 40\n";
    run.shows("admin", "/metrics", limited);
    run.shows("admin", "/metrics", "tailwater_trimmed_total{what=\"attributes\"} 41\n");
    run.shows("admin", "/metrics", "tailwater_trimmed_total{what=\"attribute_length\"} 41\n");
    run.shows("admin", "/metrics", "tailwater_rule_rows_total{rule=\"said\"} 1\n");
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    let told = "beyond `limits`, dropped or cut: attributes 41, attribute_length 41";
    assert!(stderr.contains(told), "{stderr}");
    assert!(stdout.contains("\"n\":40") && stdout.contains("äöüäöüäöüäöü\""), "{stdout}");
    assert!(stdout.contains("\"to [email]\""), "found before it was cut: {stdout}");
    assert!(!stdout.contains("gone"), "{stdout}");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    let replayed = replay.args(["replay", record, "--format", "jsonl"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&replayed.stdout), stdout);
}
