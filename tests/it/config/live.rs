//! A run under a configuration.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{SECRET, folder, tailwater};
use crate::live_run::Run;

/// Takes requests until they hold each of the texts; answers all.
fn receives(listener: &TcpListener, texts: &[&str]) -> String {
    let mut all = String::new();
    listener.set_nonblocking(true).unwrap();
    for _ in 0..400 {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::park_timeout(Duration::from_millis(50));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
        }
        all.push_str(&String::from_utf8_lossy(&bytes));
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes());
        if texts.iter().all(|text| all.contains(text)) {
            return all;
        }
    }
    panic!("{texts:?} never came: {all}");
}

#[test]
fn a_run_with_two_sinks_of_one_kind_and_a_file() {
    let (one, two) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let lines = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rules = "stream l = logs lateness 0s\n\
                 aggregate first from l over tumbling(1s) select { n: count() } \
                 to one, kept, otlp_kept\n\
                 aggregate second from l over tumbling(1s) select { n: count() } to two, page\n";
    let config = format!(
        "rules: {{ paths: [r.tw] }}\nrecord: rec.twlog\noutput: out.jsonl\n\
         listeners:\n  lines: {{ address: '{lines}', tokens: ['${{file:token}}'] }}\n\
         \x20 otlp_http: {{ address: none }}\n  otlp_grpc: {{ address: none }}\n\
         admin: {{ address: none }}\n\
         sinks:\n  prometheus: {{ address: none }}\n\
         \x20 page: {{ type: prometheus, address: '127.0.0.1:0' }}\n\
         \x20 kept: {{ type: file, path: kept.jsonl, rotate: {{ bytes: 1MiB, keep: 2 }} }}\n\
         \x20 otlp_kept: {{ type: file, path: otlp.jsonl, format: otlp_json }}\n\
         \x20 one: {{ type: otlp, environment: true, interval: 10ms }}\n\
         \x20 two: {{ type: otlp, url: 'http://{}/x', interval: 10ms, compression: none, headers: {{ x-key: '${{env:TW_TOKEN}}' }} }}\n",
        two.local_addr().unwrap(),
    );
    let files =
        [("r.tw", rules), ("tailwater.yaml", &config), ("token", "hunter2-correct-horse\n")];
    let folder = folder("run", &files);
    let mut command = tailwater(&["run", "--grace", "2"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", one.local_addr().unwrap()))
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-of-environment=yes")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "none");
    let child = command.current_dir(&folder).stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let mut feed = None;
    for _ in 0..200 {
        feed = TcpStream::connect(lines).ok();
        if feed.is_some() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let mut feed = feed.expect("it did not start");
    writeln!(feed, "Bearer {SECRET}").unwrap();
    #[expect(clippy::disallowed_methods, reason = "telemetry from far away in time is set aside")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    for more_s in [0, 5] {
        let ts = now.as_millis() + more_s * 1_000;
        writeln!(feed, "{{\"v\":1,\"src\":\"w\",\"ts\":{ts},\"type\":\"event\",\"data\":{{}}}}")
            .unwrap();
    }
    let to_one = receives(&one, &["first.n"]);
    let to_two = receives(&two, &["second.n"]);
    assert!(to_one.contains("POST /v1/metrics ") && !to_one.contains("second.n"), "{to_one}");
    assert!(to_two.contains("POST /x/v1/metrics ") && !to_two.contains("first.n"), "{to_two}");
    assert!(to_two.contains(&format!("x-key: {SECRET}")) && !to_one.contains(SECRET), "{to_two}");
    assert!(to_one.contains("x-of-environment: yes"), "{to_one}");
    // What the environment says is for the sink alone that asks for it.
    assert!(!to_two.contains("x-of-environment"), "{to_two}");
    drop((one, two));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    child.wait().unwrap();
    assert!(stderr.starts_with("configuration: tailwater.yaml\nrunning "), "{stderr}");
    assert!(stderr.contains("Prometheus `page` on 127.0.0.1:"), "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let output = read("out.jsonl");
    let first: String =
        output.split_inclusive('\n').filter(|line| line.contains("first")).collect();
    assert!(first.contains("\"rule\":\"first\"") && first != output, "{output}");
    assert_eq!(read("kept.jsonl"), first);
    let otlp = read("otlp.jsonl");
    assert!(otlp.starts_with("{\"resourceMetrics\":") && !otlp.contains("second"), "{otlp}");
    // The log has the rules, and nothing of the configuration.
    let record = fs::read(folder.join("rec.twlog")).unwrap();
    let has = |text: &str| record.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("aggregate first") && !has("hunter2") && !has("sinks:"));
}

#[test]
fn each_kind_of_telemetry_goes_to_a_url_of_its_own() {
    let [all, metrics, logs, traces] = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let at = |listener: &TcpListener| listener.local_addr().unwrap();
    let config = format!(
        "sinks:\n  one: {{ type: otlp, url: 'http://{}/x', protocol: http/json, interval: 10ms, \
         compression: none, metrics_url: 'http://{}/m', logs_url: 'http://{}/l', \
         traces_url: 'http://{}/t' }}\n",
        at(&all),
        at(&metrics),
        at(&logs),
        at(&traces),
    );
    let folder = folder("urls", &[("tailwater.yaml", &config)]);
    let rules = "stream s = spans lateness 0s\n\
                 aggregate shop from s over tumbling(10s) select { n: count() }\n\
                 alert Any from shop when n > 0 on no data keep\n\
                 route spans to one";
    let path = folder.join("tailwater.yaml");
    let run = Run::start(rules, &["--config", path.to_str().unwrap()], &[]);
    run.spans("a", 2, 0);
    run.spans("a", 1, 30);
    receives(&metrics, &["POST /m HTTP", "\"shop.n\""]);
    receives(&logs, &["POST /l HTTP", "tailwater.alert"]);
    receives(&traces, &["POST /t HTTP", "resourceSpans"]);
    all.set_nonblocking(true).unwrap();
    assert!(all.accept().is_err(), "the usual URL is for kinds without one of their own");
    drop((metrics, logs, traces));
    run.end();
}

#[test]
fn a_sink_that_hangs_holds_so_many_bytes_and_no_more() {
    // It takes connections, and never answers.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let kept = crate::live_run::path("hangs-kept.jsonl");
    drop(fs::remove_file(&kept));
    let config = format!(
        "sinks:\n  slow: {{ type: otlp, url: 'http://{}', interval: 10ms, batch: 10, queue_bytes: \
         20KiB }}\n  kept: {{ type: file, path: '{}', format: otlp_json }}\n",
        hangs.local_addr().unwrap(),
        kept.display(),
    );
    let folder = folder("hangs", &[("tailwater.yaml", &config)]);
    let path = folder.join("tailwater.yaml");
    let options = ["--config", path.to_str().unwrap(), "--grace", "1"];
    let run = Run::start("route spans to slow, kept", &options, &[]);
    for at_s in 0..40 {
        run.spans("shop", 25, at_s);
    }
    let kept = "tailwater_sink_items_total{sink=\"kept\",sends=\"otlp\",outcome=\"delivered\",\
                reason=\"\"} 1000\n";
    let page = run.shows("admin", "/metrics", kept);
    let value = |start: &str| -> u64 {
        let line = page.lines().find(|line| line.starts_with(start)).expect(start);
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let labels = "{sink=\"slow\",sends=\"traces\"";
    let held = value(&format!("tailwater_sink_held_bytes{labels}"));
    assert!((10_000..=20_480).contains(&held), "{held}");
    assert_eq!(value(&format!("tailwater_sink_capacity_bytes{labels}")), 20_480);
    let full = format!("tailwater_sink_items_total{labels},outcome=\"dropped\",reason=\"full\"");
    assert!((500..1_000).contains(&value(&full)), "{page}");
    let (code, _, stderr) = run.end();
    assert!(code == Some(74) && stderr.contains("slow traces: 1000 items were not"), "{stderr}");
}
