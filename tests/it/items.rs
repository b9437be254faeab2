//! Telemetry that leaves: by a replay into a file, by a live run to every kind of sink.

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::live_run::{Run, path};

const RECORDING: &str = "examples/recordings/online-boutique.traces.otlp.jsonl.gz";

fn replay(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("replay").args(args);
    command.stdin(Stdio::null()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_a_replay_lets_out_is_telemetry_again() {
    let counts = "aggregate c from spans by service.name, status over tumbling(1m) \
                  select { n: count(), sum(duration), max(duration) }";
    let file = path("everything.otlp.jsonl");
    let out = file.to_str().unwrap();
    let rules = format!("route spans to archive\n{counts}");
    let first = replay(&[RECORDING, "-e", &rules, "--format", "jsonl", "--items", out]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(stderr(&first).contains("route 0: 5_203 items taken, 5_203 sent on"), "{first:?}");
    let again = replay(&[out, "-e", counts, "--format", "jsonl"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(again.stdout, first.stdout, "what left says what came");
    for workers in ["2", "4"] {
        let other = path(&format!("everything-{workers}.otlp.jsonl"));
        let args = ["--items", other.to_str().unwrap(), "--workers", workers];
        let output = replay(&[&[RECORDING, "-e", &rules][..], &args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(fs::read(&other).unwrap() == fs::read(&file).unwrap(), "{workers} workers");
    }
}

#[test]
fn only_what_a_route_takes_leaves() {
    let rules = "route spans where service.name == \"frontend\" and duration > 100ms to archive";
    let output = replay(&[RECORDING, "-e", rules, "--items", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut spans = 0;
    for line in text.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        for group in request["resourceSpans"].as_array().unwrap() {
            assert!(group["resource"].to_string().contains("\"frontend\""), "{group}");
            let scopes = group["scopeSpans"].as_array().unwrap();
            for span in scopes.iter().flat_map(|scope| scope["spans"].as_array().unwrap()) {
                let time = |name: &str| span[name].as_str().unwrap().parse::<i64>().unwrap();
                let took_ns = time("endTimeUnixNano") - time("startTimeUnixNano");
                assert!(took_ns > 100_000_000, "{span}");
                spans += 1;
            }
        }
    }
    let said = format!("route 0: {spans} items taken, {spans} sent on");
    assert!(spans > 10 && stderr(&output).contains(&said), "{spans}: {}", stderr(&output));
}

/// Configuration with a receiver over each protocol of OTLP and both kinds of files.
fn configuration(name: &str, http: &str, grpc: &str) -> String {
    let (lines, otlp) = (path(&format!("{name}.jsonl")), path(&format!("{name}.otlp.jsonl")));
    for file in [&lines, &otlp] {
        let _ = fs::remove_file(file);
    }
    let (lines, otlp) = (lines.display(), otlp.display());
    let text = format!(
        "sinks:\n  binary: {{ type: otlp, url: \"http://{http}\", interval: 100ms }}\n  \
         text: {{ type: otlp, url: \"http://{http}\", protocol: http/json, interval: 100ms }}\n  \
         called: {{ type: otlp, url: \"http://{grpc}\", protocol: grpc, interval: 100ms }}\n  \
         lines: {{ type: file, path: \"{lines}\" }}\n  \
         archive: {{ type: file, path: \"{otlp}\", format: otlp_json }}\n"
    );
    let file = path(&format!("{name}.yaml"));
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_run_sends_what_it_lets_through_to_every_kind_of_sink() {
    let counting = "stream s = spans lateness 0s\n\
                    aggregate got from s by name over tumbling(1s) select { n: count() }";
    let second = Run::start(counting, &[], &[]);
    let (http, grpc) = (second.address("OTLP/HTTP"), second.address("OTLP/gRPC"));
    let config = configuration("items", http, grpc);
    let rules = "route spans where service.name == \"shop\" \
                 to binary, text, called, lines, archive, stdout";
    let first = Run::start(rules, &["--config", &config], &[]);
    first.spans("shop", 3, 0);
    first.spans("bank", 2, 0);
    let taken = "tailwater_items_total{signal=\"spans\",outcome=\"used\"} 9\n";
    second.shows("admin", "/metrics", taken);
    let (code, stdout, stderr) = first.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("route 0: 3 items taken, 3 sent on"), "{stderr}");
    for text in [
        stdout,
        fs::read_to_string(path("items.jsonl")).unwrap(),
        fs::read_to_string(path("items.otlp.jsonl")).unwrap(),
    ] {
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| line.contains("\"shop\"")), "{text}");
    }
    let (code, _, stderr) = second.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("unaccounted 0"), "{stderr}");
}

#[test]
fn a_route_to_a_sink_that_takes_no_telemetry_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    let rules = "route spans to pager, stdout";
    let url = "http://127.0.0.1:9";
    let config = path("pager.yaml");
    fs::write(&config, format!("sinks: {{ pager: {{ type: webhook, url: \"{url}\" }} }}")).unwrap();
    let config = config.to_str().unwrap();
    let output = command.args(["run", "-e", rules, "--config", config]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`pager`, which takes results alone"), "{said}");
}

#[test]
fn rows_and_alerts_go_where_routes_send_them() {
    let files: Vec<_> = ["most", "some", "alerts"]
        .iter()
        .map(|name| {
            let file = path(&format!("routed-{name}.jsonl"));
            let _ = fs::remove_file(&file);
            file
        })
        .collect();
    let sink = |(name, file): (&str, &std::path::PathBuf)| {
        format!("  {name}: {{ type: file, path: \"{}\" }}\n", file.display())
    };
    let text: String = ["most", "some", "alerts"].into_iter().zip(&files).map(sink).collect();
    let config = path("routed.yaml");
    fs::write(&config, format!("sinks:\n{text}")).unwrap();
    let rules = "stream s = spans lateness 0s\n\
                 aggregate c from s by service.name over tumbling(1s) \
                 select { n: count() } to most\n\
                 alert Many from c when n > 2 on no data keep severity page\n\
                 route c where n > 2 to some, most\n\
                 route Many where state == firing to alerts";
    let run = Run::start(rules, &["--config", config.to_str().unwrap()], &[]);
    run.spans("shop", 3, 0);
    run.spans("bank", 1, 0);
    run.spans("late", 1, 30);
    run.shows("admin", "/metrics", "tailwater_rule_items_total{rule=\"c\",outcome=\"used\"} 5\n");
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout.lines().count(), 3, "rows and the alert: {stdout}");
    let written: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert_eq!(written[0].lines().count(), 2, "both rows, each once: {}", written[0]);
    assert_eq!(written[1].lines().count(), 1, "{}", written[1]);
    assert!(written[1].contains("\"n\":3"), "{}", written[1]);
    assert_eq!(written[2].lines().count(), 1, "{}", written[2]);
    assert!(written[2].contains("\"firing\""), "{}", written[2]);
}

#[test]
fn a_replay_says_what_samplings_kept_by_line_and_at_which_rate() {
    let file = path("sampled.otlp.jsonl");
    let rules = "traces shop from spans close when (root and quiet 5s) or age 60s\n\
                 sample shop {\n\
                   slow: keep 50% when duration > 1s\n\
                   trial: shadow drop when span_count >= 1\n\
                   drop otherwise\n\
                 } to archive";
    let output = replay(&[RECORDING, "-e", rules, "--items", file.to_str().unwrap()]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let (mut kept, mut traces) = (0, std::collections::BTreeSet::new());
    for line in fs::read_to_string(&file).unwrap().lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let groups = request["resourceSpans"].as_array().unwrap().iter();
        let scopes = groups.flat_map(|group| group["scopeSpans"].as_array().unwrap());
        for span in scopes.flat_map(|scope| scope["spans"].as_array().unwrap()) {
            traces.insert(span["traceId"].as_str().unwrap().to_owned());
            kept += 1;
        }
    }
    assert!(kept > 1_000 && kept < 5_000, "{kept}");
    let of_traces = traces.len();
    let percent =
        |of: usize| format!("{}.{:02} %", of_traces * 100 / of, of_traces * 10_000 / of % 100);
    let spans = format!("{}_{:03}", kept / 1_000, kept % 1_000);
    for line in [
        format!("sample shop: kept {of_traces} of 105 ({}) traces, {spans} of 5_203", percent(105)),
        format!("  slow: kept {of_traces} of 90 ({})\n", percent(90)),
        "  line 3: kept 0 of 15 (0.00 %)\n".to_owned(),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    let trial = said.lines().find(|line| line.starts_with("  trial: ")).unwrap();
    assert!(trial.starts_with("  trial: in the shadow, would keep 0 of "), "{trial}");
}
