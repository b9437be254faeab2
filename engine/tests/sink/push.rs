//! Sinks that post batches: what is sent, sent again, and lost.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tailwater_engine::model::{AlertState, Row, RowKind, RuleId, Transition, Value};
use tailwater_engine::sink::push::{Encode, Push, PushConfig, Said};
use tailwater_engine::sink::webhook::Webhook;
use tailwater_engine::sink::{
    AlertShape, BreakerState, DropReason, Report, Shape, SinkCounts, Target, Tell,
};
use tokio::runtime::Runtime;

use crate::receiver::{Act, Receiver};

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Bodies that name the items, so that a test sees which came.
struct Numbers;

impl Encode for Numbers {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let numbers: Vec<String> = batch
            .iter()
            .map(|said| match said {
                Said::Row(row) => row.end_ns.to_string(),
                Said::Transition(_) | Said::Item(_) => "t".to_owned(),
            })
            .collect();
        Some(("text/plain", Bytes::from(numbers.join(" "))))
    }
}

fn row(number: i64) -> Said {
    Said::Row(Arc::new(Row {
        rule: RuleId(0),
        decision_ns: 0,
        start_ns: 0,
        end_ns: number,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::default(),
        values: Vec::new(),
    }))
}

type Told = Arc<Mutex<Vec<String>>>;

fn tell() -> (Told, Tell) {
    let told: Told = Arc::default();
    let shared = Arc::clone(&told);
    let tell = move |report: &Report| {
        shared.lock().unwrap().push(format!("{}: {report}", report.sink));
    };
    (told, Arc::new(tell))
}

fn target(url: &str) -> Target {
    Target {
        timeout: Duration::from_millis(300),
        headers: vec![("x-key".to_owned(), "secret".to_owned())],
        ..Target::new(url)
    }
}

fn config(url: &str) -> PushConfig {
    PushConfig {
        batch: 2,
        interval: Duration::from_millis(20),
        target: target(url),
        ..PushConfig::new("hook", url)
    }
}

/// Offers items, waits until none waits, and stops.
fn run(config: PushConfig, items: i64, acts: Vec<Act>) -> (SinkCounts, Receiver, Vec<String>) {
    let runtime = runtime();
    let receiver = Receiver::start(acts);
    let config = PushConfig { target: target(&format!("{}/here", receiver.url)), ..config };
    let (told, tell) = tell();
    let counts = runtime.block_on(async {
        let push = Push::start(config, Numbers, tell).unwrap();
        (1..=items).for_each(|number| push.offer(row(number)));
        push.stop(Duration::from_secs(20)).await
    });
    let told = told.lock().unwrap().clone();
    (counts, receiver, told)
}

fn bodies(receiver: &Receiver) -> Vec<String> {
    receiver.got().into_iter().map(|got| got.body).collect()
}

#[test]
fn items_leave_in_batches_in_their_order() {
    let (counts, receiver, told) = run(config(""), 5, Vec::new());
    assert_eq!(bodies(&receiver), ["1 2", "3 4", "5"]);
    assert_eq!((counts.offered, counts.delivered, counts.waiting()), (5, 5, 0));
    let head = &receiver.got()[0].head;
    assert!(head.starts_with("post /here http/1.1") && head.contains("x-key: secret"), "{head}");
    assert!(head.contains("content-type: text/plain"), "{head}");
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn what_may_be_sent_again_is() {
    for act in [
        Act::Answer(429, "retry-after: 0\r\n", ""),
        Act::Answer(502, "", "bad gateway"),
        Act::Answer(503, "retry-after: 1\r\n", ""),
        Act::Answer(504, "", ""),
        Act::Close,
        Act::Hang(Duration::from_secs(5)),
        Act::Garbage,
    ] {
        let (counts, receiver, told) = run(config(""), 1, vec![act.clone()]);
        assert_eq!(bodies(&receiver), ["1", "1"], "{act:?}");
        assert_eq!((counts.delivered, counts.retries, counts.waiting()), (1, 1, 0), "{act:?}");
        assert!(told[0].starts_with("hook: ") && !told[0].contains("secret"), "{told:?}");
    }
}

#[test]
fn what_must_not_be_sent_again_is_lost_and_told() {
    for status in [300, 400, 401, 403, 404, 405, 408, 409, 413, 415, 418, 422, 500, 501, 505] {
        let (counts, receiver, told) =
            run(config(""), 1, vec![Act::Answer(status, "", "no\n\u{1b}[1m")]);
        assert_eq!(bodies(&receiver), ["1"], "{status}");
        assert_eq!(
            (counts.dropped_for(DropReason::Refused), counts.delivered, counts.waiting()),
            (1, 0, 0)
        );
        assert!(told[0].contains(&status.to_string()) && told[0].contains("1 item dropped"));
        assert!(!told[0].contains('\u{1b}') && !told[0].contains('\n'), "{told:?}");
    }
}

#[test]
fn a_batch_that_is_never_taken_is_lost_at_its_deadline_and_the_next_one_is_tried() {
    let config = PushConfig { retry_within: Duration::from_millis(150), ..config("") };
    let (counts, receiver, _) = run(config, 3, vec![Act::Answer(503, "", "")]);
    assert_eq!(bodies(&receiver), ["1 2", "3"]);
    assert_eq!(
        (counts.dropped_for(DropReason::Late), counts.delivered, counts.waiting()),
        (2, 1, 0)
    );
}

#[test]
fn nobody_waits_for_a_full_queue() {
    let runtime = runtime();
    let receiver = Receiver::start(vec![Act::Hang(Duration::from_mins(1)); 10]);
    let target = Target { timeout: Duration::from_mins(1), ..Target::new(&receiver.url) };
    let config = PushConfig { queue: 10, target, ..config("") };
    let counts = runtime.block_on(async {
        let push = Push::start(config, Numbers, tell().1).unwrap();
        (0..100_000).for_each(|number| push.offer(row(number)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        push.counts()
    });
    assert_eq!(counts.offered, 100_000);
    assert!(counts.dropped_for(DropReason::Full) >= 100_000 - 10 - 2, "{counts:?}");
}

#[test]
fn a_run_that_ends_tells_what_could_not_be_delivered() {
    let runtime = runtime();
    let receiver = Receiver::start(vec![Act::Answer(503, "", ""); 1_000]);
    let counts = runtime.block_on(async {
        let push = Push::start(config(&receiver.url), Numbers, tell().1).unwrap();
        (0..5).for_each(|number| push.offer(row(number)));
        push.stop(Duration::from_millis(300)).await
    });
    assert_eq!(
        (counts.delivered, counts.dropped_for(DropReason::Stopping), counts.waiting()),
        (0, 5, 0)
    );
}

#[test]
fn a_receiver_that_fails_again_and_again_is_left_alone_and_tried_by_one() {
    let runtime = runtime();
    let receiver = Receiver::start(vec![Act::Close; 4]);
    let config = PushConfig {
        breaker_failures: 2,
        breaker_pause: Duration::from_millis(400),
        ..config(&receiver.url)
    };
    runtime.block_on(async {
        let push = Push::start(config, Numbers, tell().1).unwrap();
        push.offer(row(1));
        let mut saw_open = false;
        for _ in 0..400 {
            saw_open |= push.breaker() == BreakerState::Open;
            if push.counts().delivered == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(saw_open);
        assert_eq!((push.counts().delivered, push.breaker()), (1, BreakerState::Closed));
        assert_eq!(push.counts().requests, 5);
    });
}

#[test]
fn a_dead_sink_slows_no_other() {
    let runtime = runtime();
    let (alive, dead) = (Receiver::start(Vec::new()), SocketAddr::from(([127, 0, 0, 1], 9)));
    let delivered = runtime.block_on(async {
        let first = Push::start(config(&format!("http://{dead}/")), Numbers, tell().1).unwrap();
        let second = Push::start(config(&alive.url), Numbers, tell().1).unwrap();
        for number in 0..1_000 {
            first.offer(row(number));
            second.offer(row(number));
        }
        second.stop(Duration::from_secs(20)).await.delivered
    });
    assert_eq!(delivered, 1_000);
}

#[test]
fn a_url_that_cannot_be_used_is_told_at_once() {
    let runtime = runtime();
    for url in ["", "localhost:9093", "ftp://x", "http://", "not a url"] {
        let started = runtime.block_on(async { Push::start(config(url), Numbers, tell().1) });
        let error = started.err().unwrap();
        assert!(error.to_string().contains("expected a URL"), "{url}: {error}");
    }
}

#[test]
fn a_webhook_gets_alerts_as_alertmanager_would_send_them() {
    let shape = AlertShape {
        name: Arc::from("Slow"),
        severity: Some(Arc::from("page")),
        keys: vec![Arc::from("service.name")],
        labels: Vec::new(),
        annotations: vec![Arc::from("summary")],
    };
    let mut webhook = Webhook::new("oncall", Arc::from([Shape::Alert(shape)]));
    let said = |service: &str, state| {
        Said::Transition(Arc::new(Transition {
            rule: RuleId(0),
            decision_ns: 60_000_000_000,
            state,
            since_ns: 0,
            key: vec![Value::str(service)],
            is_other: false,
            labels: Vec::new(),
            annotations: vec![Value::str("text")],
            evidence: None,
        }))
    };
    assert!(webhook.encode(&[row(1), said("a", AlertState::Pending)]).is_none());
    let batch = [said("a", AlertState::Firing), said("b", AlertState::Resolved)];
    let (content_type, body) = webhook.encode(&batch).unwrap();
    assert_eq!(content_type, "application/json");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["version"], &body["status"]), (&"4".into(), &"firing".into()));
    assert_eq!(body["receiver"], "oncall");
    assert_eq!(body["commonLabels"].to_string(), r#"{"alertname":"Slow","severity":"page"}"#);
    assert_eq!(body["commonAnnotations"]["summary"], "text");
    let alerts = body["alerts"].as_array().unwrap();
    assert_eq!(
        (&alerts[0]["status"], &alerts[1]["status"]),
        (&"firing".into(), &"resolved".into())
    );
    assert_eq!(alerts[0]["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(alerts[1]["endsAt"], "1970-01-01T00:01:00Z");
    assert_ne!(alerts[0]["fingerprint"], alerts[1]["fingerprint"]);
}
