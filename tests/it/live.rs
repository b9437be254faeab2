//! A live run as its users meet it: telemetry in over real sockets, results out, and the same again
//! from its record.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::live_run::{self, Run, path};

const RULES: &str = "stream s = spans lateness 0s\n\
                     aggregate http from s by service.name over tumbling(10s) \
                     select { n: count() }\n\
                     alert Many from http when n > 1 on no data keep severity page\n\
                     stream l = logs lateness 0s\n\
                     aggregate said from l by source over tumbling(10s) select { n: count() }";

fn tailwater(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).stdin(Stdio::null());
    command
}

fn start(more: &[&str]) -> Run {
    Run::start(RULES, more, &[])
}

/// The start of the window of ten seconds that goes on.
fn window_s() -> i64 {
    live_run::now_s() / 10 * 10
}

/// Spans of a service that end at a second of the window that goes on, or so many after it.
fn spans(run: &Run, service: &str, count: u32, at_s: i64) {
    run.spans_at(service, count, window_s() + at_s);
}

fn replay(record: &Path, more: &[&str]) -> Output {
    let record = record.to_str().unwrap();
    tailwater(&["replay", record, "--format", "jsonl"]).args(more).output().unwrap()
}

#[test]
fn what_a_run_says_its_record_says_again() {
    let record = path("live.twlog");
    let run = start(&["--record", record.to_str().unwrap(), "--workers", "2"]);
    spans(&run, "shop", 3, 0);
    spans(&run, "bank", 1, 1);
    let mut lines = TcpStream::connect(run.address("lines")).unwrap();
    for _ in 0..2 {
        let ts = window_s() * 1_000;
        let line =
            format!("{{\"v\":1,\"src\":\"w\",\"ts\":{ts},\"type\":\"event\",\"data\":{{}}}}\n");
        lines.write_all(line.as_bytes()).unwrap();
    }
    run.shows("admin", "/metrics", "tailwater_items_total{signal=\"logs\",outcome=\"used\"} 2\n");
    spans(&run, "shop", 1, 30);
    let page = run.shows("Prometheus", "/metrics", "http_n{service_name=\"shop\"} 3\n");
    assert!(page.contains("http_n_seen_total{service_name=\"bank\"} 1\n"), "{page}");
    assert!(page.contains("alertname=\"Many\",alertstate=\"firing\""), "{page}");
    assert!(run.get("admin", "/readyz").starts_with("HTTP/1.1 200"));
    assert!(run.get("admin", "/healthz").contains("\"unaccounted\":0"));
    drop(lines);
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("read 5 spans, 2 logs, 2 events"), "{stderr}");
    assert!(stderr.contains("unaccounted 0"), "{stderr}");
    assert!(stdout.contains("\"alert\":\"Many\"") && stdout.contains("\"n\":3"), "{stdout}");
    for workers in ["1", "3"] {
        let replayed = replay(&record, &["--workers", workers]);
        assert_eq!(String::from_utf8_lossy(&replayed.stdout), stdout, "{workers} workers");
    }
    let other = replay(
        &record,
        &["-e", "aggregate all from spans over tumbling(1h) select { n: count() }"],
    );
    assert!(String::from_utf8_lossy(&other.stdout).contains("\"n\":"), "{other:?}");
}

#[test]
fn one_run_takes_what_another_one_sends_over_otlp() {
    let rules = "stream m = metrics where name == \"http.n\" lateness 0s\n\
                 aggregate got from m by service.name over tumbling(10s) \
                 select { most: max(value), points: count() }\n\
                 stream l = logs where attr[\"alert.state\"] == \"firing\" lateness 0s\n\
                 aggregate fired from l by attr[\"alert.name\"] over tumbling(10s) select { n: count() }";
    let second = Run::start(rules, &[], &[]);
    let url = format!("http://{}", second.address("OTLP/HTTP"));
    let first = start(&["--otlp", &url]);
    spans(&first, "shop", 3, 0);
    spans(&first, "shop", 1, 30);
    let metrics = "tailwater_items_total{signal=\"metrics\",outcome=\"used\"} 1\n";
    second.shows("admin", "/metrics", metrics);
    second.shows(
        "admin",
        "/metrics",
        "tailwater_items_total{signal=\"logs\",outcome=\"used\"} 1\n",
    );
    let (code, _, stderr) = first.end();
    assert_eq!(code, Some(0), "{stderr}");
    let (code, _, stderr) = second.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("got: 1 item taken") && stderr.contains("fired: 1 item taken"));
    let dead = start(&["--otlp", "http://127.0.0.1:9", "--grace", "1"]);
    spans(&dead, "shop", 3, 0);
    spans(&dead, "shop", 1, 30);
    dead.shows("Prometheus", "/metrics", "http_n{service_name=\"shop\"} 3\n");
    let (code, stdout, stderr) = dead.end();
    assert_eq!(code, Some(74), "{stderr}");
    assert!(stdout.contains("\"n\":3"), "a dead sink keeps nothing back: {stdout}");
    assert!(stderr.contains("otlp metrics: 1 items were not delivered"), "{stderr}");
}

#[test]
fn ticks_close_the_windows_of_an_idle_source() {
    let rules = RULES.replace("spans lateness 0s", "spans lateness 0s idle 1s");
    let record = path("ticks.twlog");
    let run = Run::start(&rules, &["--record", record.to_str().unwrap()], &[]);
    // Two minutes behind the clock, and ticks have long been recorded: still not late.
    while run.get("admin", "/metrics").contains("tailwater_epochs_total 0\n") {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    spans(&run, "shop", 2, -120 + 9);
    run.shows("Prometheus", "/metrics", "http_n{service_name=\"shop\"} 2\n");
    spans(&run, "shop", 1, -90 + 9);
    run.shows("Prometheus", "/metrics", "http_n{service_name=\"shop\"} 1\n");
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("http: 3 items taken, 2 rows"), "{stderr}");
    let replayed = replay(&record, &[]);
    assert_eq!(String::from_utf8_lossy(&replayed.stdout), stdout);
}

#[test]
fn what_was_open_when_a_run_ends_is_told() {
    let rules = "stream s = spans lateness 0s\n\
                 aggregate c from s by service.name over tumbling(1h) select { n: count() }\n\
                 traces open from s close when quiet 1m or age 5m\n\
                 alert Old from open when span_count > 100 hold 1m\n\
                 stream l = logs lateness 0s\n\
                 aggregate d from l by service.name over tumbling(1s) select { n: count() }\n\
                 alert Never from d when n > 1 on no data resolve\n\
                 traces closed from s close when quiet 0.1s or age 5m\n\
                 sample closed { keep when firing(Never) drop otherwise } to otlp\n";
    let record = path("open.twlog");
    let to = ["--otlp", "http://127.0.0.1:9", "--record", record.to_str().unwrap()];
    let run = Run::start(rules, &to, &[]);
    spans(&run, "shop", 3, -2);
    spans(&run, "bank", 1, 0); // joins one of the traces, and closes two
    let waiting = "tailwater_rule_groups{rule=\"sample closed\"} 2";
    run.shows("admin", "/metrics", waiting);
    let (code, _, stderr) = run.end();
    let open = "c: windows of 2 groups; open: 3 traces; closed: 1 trace; \
                sample closed: 2 traces without a verdict\nunaccounted 0";
    let told = format!("\nopen at the end, and gone with the run: {open}");
    assert!(code == Some(0) && stderr.contains(&told), "{stderr}");
    let replayed = replay(&record, &[]);
    let replayed = String::from_utf8_lossy(&replayed.stderr);
    assert!(replayed.contains(&format!("\nopen at the end: {open}")), "{replayed}");
}

#[test]
fn a_record_that_cannot_be_written_is_told_and_the_run_goes_on() {
    let run = start(&["--record", "/dev/full"]);
    spans(&run, "shop", 3, 0);
    run.shows("admin", "/metrics", "tailwater_record_failed 1\n");
    assert!(run.get("admin", "/healthz").contains("\"record_failed\":true"));
    spans(&run, "shop", 1, 30);
    run.shows("Prometheus", "/metrics", "http_n{service_name=\"shop\"} 3\n");
    let (code, stdout, stderr) = run.end();
    assert!(code == Some(74) && stdout.contains("\"n\":3"), "{stderr}");
    assert_eq!(stderr.matches("the record `/dev/full` ends here").count(), 1, "{stderr}");
    let run = start(&["--record", path("well.twlog").to_str().unwrap()]);
    run.shows("admin", "/metrics", "tailwater_record_failed 0\n");
    assert_eq!(run.end().0, Some(0));
}

#[test]
fn what_cannot_be_started_is_told() {
    let told = |args: &[&str]| {
        let output = tailwater(&["run"]).args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = told(&[]);
    assert!(code == Some(2) && text.contains("no rules are given"), "{text}");
    let run = start(&[]);
    let taken = run.address("OTLP/HTTP").to_owned();
    let (code, text) = told(&["-e", RULES, "--otlp-http", &taken, "--otlp-grpc", "none"]);
    assert!(code == Some(66) && text.contains(&format!("cannot listen on `{taken}`")), "{text}");
    let (code, text) = told(&["-e", RULES, "--otlp-http", "0.0.0.0:0"]);
    assert!(
        code == Some(66) && text.contains("expected TLS (certificate and key) on `0.0.0.0:0`"),
        "{text}"
    );
    let (code, text) = told(&["-e", RULES, "--otlp-http", &taken, "--admin", "0.0.0.0:0"]);
    assert!(code == Some(2) && text.contains("--allow-insecure"), "{text}");
    let (code, text) = told(&["-e", RULES, "--token-file", "no/such/file"]);
    assert!(code == Some(66) && text.contains("no/such/file"), "{text}");
    let (code, text) = told(&["-e", RULES, "--otlp-grpc", "localhost"]);
    assert!(code == Some(2) && text.contains("expected an address such as"), "{text}");
    let named = "aggregate a from spans over tumbling(1m) select { n: count() } to nowhere";
    let (code, text) = told(&["-e", named]);
    assert!(code == Some(78) && text.contains("E1007"), "{text}");
    assert!(text.contains("to nowhere\n") && text.contains("^^^^^^^"), "with its place: {text}");
    let named = named.replace("nowhere", "webhook");
    let (code, text) = told(&["-e", &named]);
    assert!(code == Some(78) && text.contains("hint: `--webhook` configures"), "{text}");
    let (code, text) = told(&["-e", "aggregate a from spans"]);
    assert!(code == Some(78) && text.contains("E3001"), "{text}");
    assert_eq!(run.end().0, Some(0));
}

#[test]
fn a_bad_request_is_answered_and_others_are_served() {
    let run = start(&[]);
    for (head, body, status) in [
        ("POST /v1/traces", "{\"resourceSpans\":[", "400"),
        ("POST /v1/nothing", "{}", "404"),
        ("GET /v1/traces", "", "405"),
    ] {
        let answer = run.request("OTLP/HTTP", head, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
    }
    spans(&run, "shop", 1, 0);
    run.shows("admin", "/metrics", "tailwater_items_total{signal=\"spans\",outcome=\"used\"} 1\n");
    let (code, _, stderr) = run.end();
    assert!(code == Some(0) && stderr.contains("unaccounted 0"), "{stderr}");
}
