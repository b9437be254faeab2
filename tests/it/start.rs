//! What a run refuses or warns of where it starts, and files that are there from a run before.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::live_run::{Run, path};

const RULES: &str = "stream s = spans lateness 0s\n\
                     aggregate seen from s by service.name over tumbling(1s) select { n: count() }";

/// Nothing is listened on but what a test asks for.
const NOWHERE: [&str; 10] = [
    "--otlp-grpc",
    "none",
    "--otlp-http",
    "none",
    "--lines",
    "none",
    "--prometheus",
    "none",
    "--admin",
    "none",
];

/// Exit code and standard error of a run that does not start.
fn refused(more: &[&str]) -> (Option<i32>, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(["run", "-e", RULES])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

fn fresh(name: &str) -> PathBuf {
    let folder = path(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn what_two_want_is_refused_with_both_names() {
    let folder = fresh("start-clash");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, told) = refused(&["--otlp-http", &port, "--admin", &port]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains(&format!("`otlp_http` and `admin` both want `{port}`")), "{told}");

    let (file, other) = (folder.join("out"), folder.join("../start-clash/out"));
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    let (code, told) = refused(&["--record", file, "--output", other]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("`record` and `output` both want"), "{told}");
    assert!(!folder.join("out").exists(), "nothing was made");

    let config = folder.join("tailwater.yaml");
    let text = "output: out.jsonl\nsinks:\n  a: { type: file, path: ./x/../out.jsonl }\n\
                \x20 b: { type: file, path: /dev/null }\n  c: { type: file, path: /dev/null }\n\
                workers: 9999\n";
    fs::create_dir_all(folder.join("x")).unwrap();
    fs::write(&config, text).unwrap();
    let (code, told) = refused(&["--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("`output` and `a` both want"), "{told}");
    assert!(told.contains("expected 1 to 256 workers, found `9999`"), "{told}");
    assert!(told.contains("2 errors"), "many may write to `/dev/null`: {told}");
}

#[test]
fn a_port_that_is_taken_is_told_with_the_listener() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let (code, told) = refused(&[&NOWHERE[4..], &["--otlp-http", &port]].concat());
    assert_eq!(code, Some(66), "{told}");
    assert!(told.contains(&format!("otlp_http: cannot listen on `{port}`")), "{told}");
}

#[test]
fn a_run_that_nothing_can_reach_is_refused() {
    let (code, told) = refused(&NOWHERE);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("no telemetry can come in"), "{told}");
}

#[test]
fn a_sink_that_leads_to_the_run_itself_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://localhost:{}", port.port());
    let (code, told) =
        refused(&[&NOWHERE[4..], &["--otlp-http", &port.to_string(), "--otlp", &url]].concat());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("sink `otlp` leads to this run itself"), "{told}");
}

#[test]
fn files_without_a_rule_are_told() {
    let folder = fresh("start-empty");
    let (rules, taken) = (folder.join("empty.tw"), TcpListener::bind("127.0.0.1:0").unwrap());
    fs::write(&rules, "// nothing\n").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    // The port is taken, so that it ends by itself.
    let ended = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(["run", "--rules", rules.to_str().unwrap(), "--otlp-http", &port])
        .args(&NOWHERE[4..])
        .args(&NOWHERE[..2])
        .output()
        .unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains("warning: the files hold no rule"), "{told}");
}

#[test]
fn results_and_records_of_a_run_before_stay() {
    let folder = fresh("start-again");
    let file = |name: &str| folder.join(name);
    fs::write(file("out.jsonl"), "{\"from\":\"before\"}\n{\"torn").unwrap();
    fs::write(file("rec"), "from before").unwrap();
    fs::write(file("rec.4"), "older").unwrap();
    fs::write(file("rec.bak"), "not a number").unwrap();
    let (out, rec) = (file("out.jsonl"), file("rec"));
    let files = ["-o", out.to_str().unwrap(), "--record", rec.to_str().unwrap()];
    let run = Run::start(RULES, &files, &[]);
    run.spans("shop", 3, 0);
    run.spans("shop", 1, 5);
    run.waits("/metrics", |page| page.contains("tailwater_rule_rows_total{rule=\"seen\"} 1\n"));
    let (code, _, told) = run.end();
    assert_eq!(code, Some(0), "{told}");
    let text = fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["{\"from\":\"before\"}", "{\"torn"]);
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[2].contains("\"n\":3"), "{text}");
    assert_eq!(fs::read_to_string(file("rec.5")).unwrap(), "from before");
    assert!(fs::read(&rec).unwrap().starts_with(b"tailwaterlog"));
    let replayed = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(["replay", rec.to_str().unwrap(), "--format", "jsonl"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(replayed.stdout).unwrap().trim_end(), lines[2]);
}

#[test]
fn what_is_held_beside_what_waits_takes_room_of_what_comes() {
    let folder = fresh("start-memory");
    let config = folder.join("tailwater.yaml");
    fs::write(&config, "limits: { memory: 224MiB }\n").unwrap();
    let run = Run::start(RULES, &["--config", config.to_str().unwrap()], &[]);
    let number = |page: &str, name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {page}")).trim().parse().unwrap()
    };
    // One group with a long name: there is not a byte to spare within the least memory.
    run.spans(&"x".repeat(300_000), 1, 0);
    run.waits("/metrics", |page| {
        number(page, "tailwater_memory_held_bytes{part=\"texts\"} ") > 300_000.0
            && number(page, "tailwater_intake_reserved_bytes ") > 100_000.0
    });
    run.spans("shop", 1, 0);
    assert_eq!(run.end().0, Some(0));
}
