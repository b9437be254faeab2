//! Spans that a run sends about itself.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value as Json;

use super::{RULES, Run};

/// A receiver of OTLP in JSON that takes everything: its address, and the spans that come.
fn receiver() -> (String, Receiver<Json>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, spans) = sync_channel(1_000);
    // It lives as long as the tests do.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
            let body = loop {
                let length = stream.read(&mut buffer).unwrap_or(0);
                text.extend_from_slice(&buffer[..length]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
                assert!(head.starts_with("POST /v1/traces "), "{head}");
                let head = head.to_ascii_lowercase();
                let wanted = head.split("content-length: ").nth(1).unwrap();
                let wanted: usize = wanted.split("\r\n").next().unwrap().parse().unwrap();
                if body.len() >= wanted || length == 0 {
                    break body.to_owned();
                }
            };
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = stream.write_all(answer.as_bytes());
            let request: Json = serde_json::from_str(&body).expect(&body);
            let all = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
            for span in all {
                sender.send(span.clone()).unwrap();
            }
        }
    });
    (url, spans)
}

fn attribute<'a>(span: &'a Json, key: &str) -> Option<&'a Json> {
    let all = span["attributes"].as_array().unwrap();
    let value = &all.iter().find(|pair| pair["key"] == key)?["value"];
    value.get("intValue").or(value.get("stringValue"))
}

#[test]
fn epochs_and_deliveries_are_spans_and_tracing_is_none() {
    let (url, spans) = receiver();
    let run = Run::start(
        RULES,
        &[
            "--trace-self",
            &url,
            "--trace-self-every",
            "1",
            "--webhook",
            "http://127.0.0.1:9",
            "--grace",
            "1",
            "--self-metrics",
        ],
        &[],
    );
    run.spans("shop", 3, 0);
    run.spans("shop", 1, 5);
    let next = || spans.recv_timeout(Duration::from_secs(20)).expect("a span in time");
    let (mut items, mut delivery) = (0, None);
    while items < 4 || delivery.is_none() {
        let span = next();
        if span["name"] == "epoch" {
            let count = attribute(&span, "tailwater.items").and_then(Json::as_str).unwrap();
            items += count.parse::<u64>().unwrap();
        } else {
            delivery = Some(span);
        }
    }
    assert_eq!(items, 4, "the run's own metrics are not traced");
    let delivery = delivery.unwrap();
    assert_eq!(delivery["name"], "deliver");
    assert_eq!(attribute(&delivery, "tailwater.sink"), Some(&Json::from("webhook")));
    assert_eq!(attribute(&delivery, "error.type"), Some(&Json::from("connect")));
    assert_eq!(delivery["status"]["code"], 2);
    let (start, end) = (&delivery["startTimeUnixNano"], &delivery["endTimeUnixNano"]);
    assert!(start.as_str() <= end.as_str() && delivery["kind"] == 3);
    // No epochs come any more; deliveries of the sink that fails do, those of spans do not.
    run.waits("/metrics", |page| {
        let taken = "tailwater_sink_items_total{sink=\"trace_self\",sends=\"spans\",\
                     outcome=\"delivered\",reason=\"\"} ";
        let line = page.lines().find_map(|line| line.strip_prefix(taken));
        line.is_some_and(|count| count.trim().parse::<u64>().unwrap() >= 3)
    });
    assert_eq!(run.end().0, Some(74));
    while let Ok(span) = spans.recv_timeout(Duration::from_millis(500)) {
        assert_ne!(attribute(&span, "tailwater.sink"), Some(&Json::from("trace_self")));
        assert_eq!(span["name"], "deliver", "{span}");
    }
}

#[test]
fn a_run_refuses_to_trace_to_itself() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args([
            "run",
            "-e",
            RULES,
            "--otlp-grpc",
            "none",
            "--lines",
            "none",
            "--prometheus",
            "none",
        ])
        .args(["--admin", "none", "--otlp-http", &free])
        .args(["--trace-self", &format!("http://{free}")])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("leads to this run itself"), "{stderr}");
}
