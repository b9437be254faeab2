//! Rates of senders and bounds of items as users of a live run meet them.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
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

#[test]
fn a_replay_bounds_items_of_every_format() {
    let rules = "aggregate said from spans by attr[\"a\"], attr[\"b\"] over tumbling(10s) \
                 select { n: count() }\nroute spans to stdout";
    let at_s = 1_760_000_000_i64;
    let row =
        format!("{{\"span_id\":\"1\",\"start_ns\":{at_s}000000000,\"a\":\"12345\",\"b\":\"x\"}}\n");
    let line = format!(
        "{{\"v\":1,\"src\":\"s\",\"ts\":{at_s}000,\"type\":\"span\",\"data\":{{\"a\":\"12345\",\"b\":\"x\"}}}}\n"
    );
    let csv = format!("trace_id,span_id,start_ns,a,b\n1,1,{at_s}000000000,\"12345\",x\n");
    let zipkin = format!(
        "[{{\"traceId\":\"1\",\"id\":\"1\",\"timestamp\":{at_s}000000,\"tags\":{{\"a\":\"12345\",\"b\":\"x\"}}}}]"
    );
    let tag = |key: &str, value: &str| {
        format!("{{\"key\":\"{key}\",\"type\":\"string\",\"value\":\"{value}\"}}")
    };
    let jaeger = format!(
        "{{\"traceID\":\"1\",\"spans\":[{{\"traceID\":\"1\",\"spanID\":\"1\",\"startTime\":{at_s}000000,\
         \"tags\":[{},{}],\"processID\":\"p\"}}],\"processes\":{{\"p\":{{}}}}}}",
        tag("a", "12345"),
        tag("b", "x")
    );
    let otlp = format!(
        "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"startTimeUnixNano\":\"{at_s}000000000\",\
         \"attributes\":[{{\"key\":\"a\",\"value\":{{\"stringValue\":\"12345\"}}}},\
         {{\"key\":\"b\",\"value\":{{\"stringValue\":\"x\"}}}}]}}]}}]}}]}}\n"
    );
    let files = [
        ("limits.ndjson", row, true),
        ("limits.lines", line, true),
        ("limits.csv", csv, false),
        ("limits-zipkin.json", zipkin, true),
        ("limits-jaeger.json", jaeger, true),
        ("limits.otlp.json", otlp, true),
    ];
    let replay = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
        let output =
            command.args(["replay", "-e", rules, "--format", "jsonl"]).args(arguments).output();
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let bounds = ["--limit", "attributes=1", "--limit", "attribute_length=3"];
    for (name, text, counts) in files {
        let file = path(name);
        fs::write(&file, text).unwrap();
        let items = path(&format!("{name}.items"));
        let (file, items) = (file.to_str().unwrap(), items.to_str().unwrap());
        let is_document = name.contains('-'); // those are not sorted
        for order in if is_document { &["file"][..] } else { &["file", "time"] } {
            let arguments = [&bounds[..], &["--order", order, "--items", items, file]].concat();
            let (code, stdout, stderr) = replay(&arguments);
            assert_eq!(code, Some(0), "{name}: {stderr}");
            let told = "beyond `limits`, dropped or cut: attributes 1, attribute_length 1";
            assert!(stderr.contains(told), "{name}: {stderr}");
            assert!(stdout.contains("\"123\"") && !stdout.contains("\"x\""), "{name}: {stdout}");
            let left = fs::read_to_string(items).unwrap();
            assert_eq!(left.contains("\"droppedAttributesCount\":1"), counts, "{name}: {left}");
            assert!(left.contains("\"123\"") && !left.contains("12345"), "{name}: {left}");
        }
        let (_, stdout, stderr) = replay(&[file]);
        assert!(stdout.contains("12345") && !stderr.contains("limits"), "{name}: {stdout}");
    }
    for (wrong, told) in [("spans=3", "one of `attributes`"), ("events=0", "from 1 on")] {
        let (code, _, stderr) = replay(&["--limit", wrong, "x"]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn lines_are_bounded_set_aside_and_told_apart_from_http() {
    let (record, config, items) =
        (path("limits-lines.twlog"), path("limits-lines.yaml"), path("limits-lines.items"));
    let text = format!(
        "limits: {{ attributes: 2, memory: 300MiB }}\nsinks:\n  prometheus: {{ address: none }}\n  \
         out: {{ type: file, format: otlp_json, path: {} }}\n",
        items.display()
    );
    fs::write(&config, text).unwrap();
    let _ = fs::remove_file(&items);
    let rules = "aggregate said from spans by trace.sampled, attr[\"a\"], attr[\"c\"] \
                 over tumbling(10s) select { n: count() }\nroute spans to out";
    let record = record.to_str().unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "--record", record];
    let run = Run::start(rules, &arguments, &[]);
    let answer = run.request("lines", "POST /v1/traces", "{}");
    assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("4318"), "{answer}");
    let at_s = now_s() / 10 * 10;
    let line = |at_s: i64, data: &str| {
        format!("{{\"v\":1,\"src\":\"s\",\"ts\":{at_s}000,\"type\":\"span\",\"data\":{data}}}\n")
    };
    let data = "{\"a\":\"1\",\"trace_flags\":\"01\",\"b\":2,\"c\":3,\"d\":4}";
    let broken = line(at_s, "{\"a\":[}");
    let text = [line(at_s, data), broken, "nonsense\n".to_owned(), line(at_s + 40, "{}")].concat();
    let mut lines = TcpStream::connect(run.address("lines")).unwrap();
    lines.write_all(text.as_bytes()).unwrap();
    run.shows("admin", "/metrics", "tailwater_trimmed_total{what=\"attributes\"} 2\n");
    run.shows("admin", "/metrics", "tailwater_damaged_frames_total 1\n");
    let refused = "tailwater_intake_items_total{source=\"lines\",outcome=\"refused\",\
                   reason=\"undecodable\"} 1\n";
    run.shows("admin", "/metrics", refused);
    run.shows("admin", "/metrics", "tailwater_rule_rows_total{rule=\"said\"} 1\n");
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("lines:2: expected JSON"), "the place and the reason: {stderr}");
    assert!(stdout.contains("{\"trace.sampled\":true,\"a\":\"1\",\"c\":null}"), "{stdout}");
    let left = fs::read_to_string(&items).unwrap();
    assert!(left.contains("\"droppedAttributesCount\":2"), "{left}");
    assert!(left.contains("\"flags\":1") && !left.contains("\"d\""), "{left}");
    let mut replay = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    let replayed = replay.args(["replay", record, "--format", "jsonl"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&replayed.stdout), stdout);
}
