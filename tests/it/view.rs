//! `tailwater view` and `replay --graph`: stored pictures of traces and service graphs, every input
//! format, filters, exit codes, a file that grows.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const DEMO: &str = "examples/recordings/otel-demo.otlp.jsonl.gz";
const BOUTIQUE: &str = "examples/recordings/online-boutique.traces.otlp.jsonl.gz";
const DATA: &str = "engine/tests/data";

fn tailwater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.current_dir(crate::tidy::root()).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    command
}

fn view(args: &[&str]) -> Output {
    tailwater().arg("view").args(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// What is written is what is stored; `UPDATE=1` stores it.
fn check(name: &str, args: &[&str]) {
    let output = view(args);
    assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
    let path = crate::tidy::root().join("tests/data/expected/view").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &output.stdout).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    let shown = stdout(&output);
    assert!(stored == shown, "{name}: `UPDATE=1` stores this:\n{shown}\nstored is\n{stored}");
}

/// A line that is one column too long takes two on a terminal.
#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [60, 61, 70, 93, 140] {
        let output = view(&[DEMO, "-n", "0", "--width", &width.to_string(), "--color", "never"]);
        let wide = stdout(&output).lines().find(|line| line.chars().count() > width);
        assert!(wide.is_none(), "{width}: {}", wide.unwrap_or_default());
        let list = view(&[DEMO, "-l", "--width", &width.to_string()]);
        let wide = stdout(&list).lines().find(|line| line.chars().count() > width);
        assert!(wide.is_none(), "{width}: {}", wide.unwrap_or_default());
    }
}

#[test]
fn pictures_are_as_stored() {
    let jaeger = format!("{DATA}/jaeger_ui.json");
    let zipkin = format!("{DATA}/zipkin_ascend.json");
    check("waterfall.txt", &[DEMO, "--trace", "bbad4eb5"]);
    check("narrow.txt", &[DEMO, "--trace", "bbad4eb5", "--width", "70"]);
    check("colors.txt", &[DEMO, "--trace", "bbad4eb5", "--width", "80", "--color", "always"]);
    check("list.txt", &[DEMO, "-l", "-n", "6", "--sort", "duration"]);
    check("list_narrow.txt", &[DEMO, "-l", "-n", "3", "--sort", "spans", "--width", "90"]);
    check("errors.txt", &[DEMO, "--sort", "errors", "-n", "2", "--show", "rpc.method"]);
    check("has.txt", &[DEMO, "--has", "status == error and duration > 5s"]);
    let page = fs::read_to_string(crate::tidy::root().join("docs/view.md")).unwrap();
    let has = view(&[DEMO, "--has", "status == error and duration > 5s"]);
    let (_, second) = stdout(&has).split_once("\n\n").unwrap();
    assert!(page.contains(second.trim_end()), "docs/view.md shows another picture than\n{second}");
    check("events.txt", &[DEMO, "--events", "--has", "event_count > 0", "-n", "2"]);
    check("jaeger.txt", &[&jaeger]);
    check("zipkin.txt", &[&zipkin]);
    check("trace.jsonl", &[&zipkin, "--format", "json"]);
}

#[test]
fn every_format_is_read() {
    let folder = folder("view-formats");
    let spans = r#"{"trace_id":"0000000000000000000000000000000a","span_id":"000000000000000b","name":"GET","start":1700000000000000000,"end":1700000000500000000,"service":"shop"}"#;
    let ndjson = folder.join("spans.ndjson");
    fs::write(&ndjson, format!("{spans}\n")).unwrap();
    let generated = folder.join("generated.otlp");
    let made = tailwater()
        .args(["gen", "--spans", "50", "--format", "otlp-delimited", "-o"])
        .arg(&generated)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    for (path, traces) in [
        (BOUTIQUE.to_owned(), 105),
        (format!("{DATA}/otel-demo.otlp.jsonl"), 7),
        (format!("{DATA}/nezha_trace.csv"), 1),
        (ndjson.display().to_string(), 1),
        (generated.display().to_string(), 11),
    ] {
        let output = view(&[&path, "--format", "jsonl", "-l"]);
        assert_eq!(output.status.code(), Some(0), "{path}: {}", stderr(&output));
        assert_eq!(stdout(&output).lines().count(), traces, "{path}: {}", stderr(&output));
    }
}

#[test]
fn json_says_what_the_critical_path_is() {
    let output = view(&[BOUTIQUE, "--format", "json", "-q"]);
    let (mut spans, mut duplicates) = (0, 0);
    for line in stdout(&output).lines() {
        let trace: Value = serde_json::from_str(line).unwrap();
        let list = trace["spans"].as_array().unwrap();
        spans += list.len();
        duplicates += trace["duplicates"].as_u64().unwrap();
        assert_eq!(trace["span_count"], list.len());
        let number = |value: &Value| value.as_i64().unwrap();
        let path: i64 =
            trace["path"].as_array().unwrap().iter().map(|part| number(&part["duration"])).sum();
        assert_eq!(path, number(&trace["critical_path"]), "{}", trace["trace"]);
        let exclusive: i64 = list.iter().map(|span| number(&span["exclusive"])).sum();
        assert_eq!(path, exclusive, "{}", trace["trace"]);
        let roots: i64 = list
            .iter()
            .filter(|span| span["role"] != "child")
            .map(|span| number(&span["duration"]))
            .sum();
        assert_eq!(path, roots, "the path of a tree is as long as its root");
    }
    assert_eq!((spans, duplicates), (5_203 - 916, 916), "some were sent twice");
}

#[test]
fn nobody_waits_for_a_span_that_follows() {
    let span = |id: u32, refers: &str, to: u32, start: u32, duration: u32| {
        format!(
            r#"{{"traceID":"abc","spanID":"{id}","operationName":"s{id}","references":[
            {{"refType":"{refers}","traceID":"abc","spanID":"{to}"}}],"startTime":{},
            "duration":{duration},"tags":[],"logs":[],"processID":"p"}}"#,
            1_700_000_000_000_000_u64 + u64::from(start)
        )
    };
    let spans = [
        span(1, "CHILD_OF", 0, 0, 100),
        span(2, "FOLLOWS_FROM", 1, 20, 60),
        span(3, "CHILD_OF", 1, 10, 30),
        span(4, "CHILD_OF", 2, 30, 40),
    ];
    let folder = folder("view-follows");
    let file = folder.join("trace.json").display().to_string();
    let processes = r#"{"p":{"serviceName":"A","tags":[]}}"#;
    let spans = spans.join(",").replace(r#""spanID":"0""#, r#""spanID":"99""#);
    let text =
        format!(r#"{{"data":[{{"traceID":"abc","spans":[{spans}],"processes":{processes}}}]}}"#);
    fs::write(&file, text).unwrap();
    let output = view(&[&file, "--format", "json", "-q"]);
    let trace: Value = serde_json::from_str(stdout(&output)).unwrap();
    let exclusive = trace["spans"].as_array().unwrap().iter();
    let exclusive: Vec<_> = exclusive.map(|span| span["exclusive"].as_i64().unwrap()).collect();
    assert_eq!(exclusive.iter().sum::<i64>(), 100_000, "{trace}");
    assert_eq!(exclusive.iter().filter(|ns| **ns > 0).count(), 2, "{trace}");

    let rules = folder.join("rules.tw");
    let text = "edition 1\nstream s = spans lateness 0s\ntraces t from s close when quiet 1s\n\
        aggregate path from t.operations by name over tumbling(1m)\n  \
        select { own: sum(exclusive) }\n";
    fs::write(&rules, text).unwrap();
    let rules = rules.display().to_string();
    let output = tailwater().args(["replay", &file, "--rules", &rules]).output().unwrap();
    let said = stdout(&output);
    let own = |name: &str| said.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(own("s1").contains("70us") && own("s3").contains("30us"), "{said}");
    assert!(own("s2").contains(" 0") && own("s4").contains(" 0"), "{said}");
}

#[test]
fn what_is_not_there_is_told() {
    let output = view(&[DEMO, "--trace", "ffff"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert_eq!(stderr(&output), "no trace whose id starts with `ffff`\n");
    let output = view(&[DEMO, "--trace", "xyz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("hex digits"), "{}", stderr(&output));
    let output = view(&[DEMO, "--has", "duration > 5"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("E2002"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("W4001"), "{}", stderr(&output));
    let output = view(&[DEMO, "--has", "duration > 5h"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("; 0 match"), "{}", stderr(&output));
    let output = view(&[DEMO, "--where", "span_count > 5s"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("--where:2"), "{}", stderr(&output));
    let output = view(&[DEMO, "--width", "10"]);
    assert_eq!(output.status.code(), Some(2));
    let logs = view(&[&format!("{DATA}/nezha_log.csv")]);
    assert_eq!(logs.status.code(), Some(1));
    assert!(stderr(&logs).contains("no traces in"), "{}", stderr(&logs));
}

/// What `replay --graph` draws into a file of that name.
fn graph(input: &str, name: &str) -> String {
    let file = folder(&format!("graph-{name}")).join(name);
    let output = tailwater().args(["replay", input, "-q", "--graph"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "there are no rules");
    fs::read_to_string(file).unwrap()
}

#[test]
fn service_graphs_are_as_stored() {
    for (input, name) in
        [(DEMO, "graph.svg"), (DEMO, "graph.dot"), (DEMO, "graph.mmd"), (BOUTIQUE, "boutique.dot")]
    {
        let drawn = graph(input, name);
        let path = crate::tidy::root().join("tests/data/expected/view").join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &drawn).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == drawn, "{name}: `UPDATE=1` stores this:\n{drawn}");
    }
}

#[test]
fn a_graph_of_odd_names_stays_whole_and_cycles_are_drawn() {
    let path = folder("graph-odd").join("odd.ndjson");
    let names = ["a\\\"<&>`#", "b", "c"];
    // a asks b, b asks c, c asks a, and a asks itself.
    let line = |id: usize, parent: usize, service: &str, kind: &str| {
        format!(
            "{{\"trace_id\":\"0000000000000000000000000000000a\",\"span_id\":\"{id:016x}\",\
             \"parent_id\":\"{parent:016x}\",\"name\":\"step\",\"kind\":\"{kind}\",\
             \"start\":1700000000000000000,\"end\":1700000001000000000,\
             \"service\":\"{service}\"}}\n"
        )
    };
    let spans: String = [(1, 0, 0), (2, 1, 1), (3, 2, 2), (4, 3, 0), (5, 4, 0)]
        .map(|(id, parent, name)| {
            line(id, parent, names[name], if id == 4 { "client" } else { "server" })
        })
        .concat();
    fs::write(&path, spans).unwrap();
    let path = path.to_str().unwrap();
    let svg = graph(path, "odd.svg");
    assert!(svg.contains("a&quot;&lt;&amp;&gt;`#"), "{svg}");
    assert_eq!(svg.matches("fill=\"none\"").count(), 5, "four edges and one of the user: {svg}");
    let dot = graph(path, "odd.dot");
    assert!(dot.contains("label=\"a\\\"<&>`#\""), "{dot}");
    let mermaid = graph(path, "odd.mmd");
    assert!(mermaid.contains("[\"a#quot;#lt;#amp;#gt;#96;#35;\"]"), "{mermaid}");
    let nothing = tailwater().args(["replay", DEMO, "--graph", "graph.png"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("`.svg`"), "{}", stderr(&nothing));
}

#[test]
fn conditions_on_traces_are_those_of_rules() {
    let found = |condition: &str| {
        let output = view(&[DEMO, "-l", "--format", "jsonl", "--where", condition]);
        let ids = stdout(&output).lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["trace"].as_str().unwrap()[..8].to_owned()
        });
        ids.collect::<Vec<_>>()
    };
    let slow = ["09f5d449", "42a60545", "11254946", "5c0c330f"];
    assert_eq!(found("duration > 1s and has({status == error})"), slow);
    let both = "duration > 1s and has({service.name == \"loadgenerator\"} >> {status == error})";
    assert_eq!(found(both), ["09f5d449", "11254946"]);
    assert_eq!(found("span_count == 18 and duration > 20ms and duration < 21ms"), ["bbad4eb5"]);
    assert!(found("duration > 1h").is_empty());
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A span of one trace as a line of NDJSON.
fn line(id: usize, parent: usize) -> String {
    let start = 1_700_000_000_000_000_000_u64 + id as u64;
    format!(
        "{{\"trace_id\":\"0000000000000000000000000000000a\",\"span_id\":\"{id:016x}\",\
         \"parent_id\":\"{parent:016x}\",\"name\":\"step\",\"start\":{start},\
         \"end\":1700000001000000000,\"service\":\"shop\"}}\n"
    )
}

#[test]
fn a_chain_of_spans_however_long_is_shown_in_part() {
    let path = folder("view-chain").join("chain.ndjson");
    let chain: String = (1..=30_000).map(|id| line(id, id - 1)).collect();
    fs::write(&path, chain).unwrap();
    let output = view(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("30000 spans · 1 service · depth 30000"));
    assert!(stdout(&output).contains("… 29880 more rows"), "{}", stdout(&output));
}

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_that_grows_is_followed() {
    let path = folder("view-follow").join("growing.ndjson");
    let mut file = File::create(&path).unwrap();
    let (whole, begun) = (line(1, 0), line(2, 1));
    let (begin, rest) = begun.split_at(30);
    file.write_all(whole.as_bytes()).unwrap();
    file.write_all(begin.as_bytes()).unwrap();
    let mut child = Running(
        tailwater()
            .args(["view", "--follow", "--list", "--format", "jsonl"])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut stdout = child.0.stdout.take().unwrap();
    let mut next = || {
        let mut line = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 {
            line.push(byte[0]);
            if byte[0] == b'\n' {
                break;
            }
        }
        serde_json::from_slice::<Value>(&line).unwrap()
    };
    assert_eq!(next()["span_count"], 1);
    file.write_all(rest.as_bytes()).unwrap();
    assert_eq!(next()["span_count"], 2, "more came, and the line that was begun has ended");
}
