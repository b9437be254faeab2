//! The log: text or JSON, by level, with nothing of a payload unescaped.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value as Json;

use super::{RULES, Run};

/// A receiver that answers every request with a status and a body; its address.
fn receiver(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // It lives as long as the tests do.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let mut request = [0; 16 * 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/hook")
}

const HOSTILE: &str = "\u{1b}[2J\u{202e}olleh\nerror: forged\u{2028}";

fn with_an_alert(more: &[&str]) -> Run {
    let url = receiver("400 Bad Request", HOSTILE);
    let run = Run::start(RULES, &[&["--webhook", &url], more].concat(), &[]);
    run.spans("shop", 3, 0);
    run.spans("shop", 1, 5);
    run.waits("/metrics", |page| page.contains("tailwater_log_records_total{level=\"warn\"} 1\n"));
    run
}

#[test]
fn every_line_of_a_json_log_is_an_object() {
    let run = with_an_alert(&["--log-format", "json"]);
    let greeting: Json = serde_json::from_str(&run.greeting).unwrap();
    assert_eq!(greeting["level"], "info");
    let (code, _, stderr) = run.end();
    assert_eq!(code, Some(74), "{stderr}");
    let lines: Vec<Json> =
        stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of_sink = lines.iter().find(|line| line["sink"] == "webhook").expect(&stderr);
    assert_eq!(of_sink["level"], "warn");
    let message = of_sink["message"].as_str().unwrap();
    assert!(message.contains("400 Bad Request") && message.contains("\\u{202e}"), "{message}");
    assert!(!message.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}')));
    assert_eq!((&of_sink["items"], &of_sink["rule"]), (&Json::from(1), &Json::from("Many")));
    assert_eq!(of_sink["key"], "service.name=shop");
    assert!(of_sink["time"].as_str().unwrap().ends_with('Z'));
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["level"], &last["message"]),
        (&Json::from("warn"), &Json::from("webhook: 1 items were not delivered"),)
    );
}

#[test]
fn a_text_log_cannot_be_forged_and_levels_leave_out() {
    let run = with_an_alert(&[]);
    let (_, _, stderr) = run.end();
    let line = stderr.lines().find(|line| line.contains("sink `webhook`")).expect(&stderr);
    assert!(line.starts_with("warning: sink `webhook`: it answered 400"), "{line}");
    assert!(!stderr.contains('\u{1b}') && !stderr.contains('\u{202e}'), "{stderr}");
    assert!(!stderr.lines().any(|line| line.starts_with("error: forged")), "{stderr}");
}
