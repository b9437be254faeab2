//! Alertmanager as a receiver: renewed, retried, resolved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tailwater_engine::clock::Clock;
use tailwater_engine::model::{AlertState, RuleId, Transition, Value};
use tailwater_engine::sink::alertmanager::{AlertmanagerConfig, AlertmanagerSink};
use tailwater_engine::sink::{AlertShape, BreakerState, Failure, Report, Shape};

use crate::push::runtime;
use crate::receiver::{Act, Receiver};

fn transition(state: AlertState) -> Arc<Transition> {
    Arc::new(Transition {
        rule: RuleId(0),
        decision_ns: 0,
        state,
        since_ns: 0,
        key: vec![Value::str("shop")],
        is_other: false,
        labels: Vec::new(),
        annotations: Vec::new(),
        evidence: None,
    })
}

async fn eventually(mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within 10 s");
}

/// A clock that stands.
fn still() -> Clock {
    Arc::new(|| 0)
}

#[test]
fn an_alert_fires_is_renewed_survives_an_outage_and_resolves() {
    let runtime = runtime();
    let receiver = Receiver::start(vec![Act::Close, Act::Answer(503, "retry-after: 1\r\n", "")]);
    let shape = AlertShape {
        name: Arc::from("Slow"),
        keys: vec![Arc::from("service.name")],
        ..AlertShape::default()
    };
    let config = AlertmanagerConfig {
        resend: Duration::from_millis(300),
        ..AlertmanagerConfig::new("am", &format!("{}/", receiver.url))
    };
    let time = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&time);
    let counts = runtime.block_on(async {
        let step = 400_000_000; // the clock goes as fast as it is asked
        let clock = Arc::new(move || clock.fetch_add(step, Ordering::Relaxed));
        let shapes = Arc::from([Shape::Alert(shape)]);
        let sink =
            AlertmanagerSink::start(&config, shapes, (clock, still()), Arc::new(|_: &Report| ()))
                .unwrap();
        sink.offer(transition(AlertState::Pending));
        sink.offer(transition(AlertState::Firing));
        eventually(|| sink.counts().posted >= 3).await;
        assert_eq!((sink.counts().failed, sink.counts().followed), (2, 1));
        sink.offer(transition(AlertState::Resolved));
        eventually(|| sink.counts().followed == 0).await;
        sink.stop(Duration::from_secs(5)).await
    });
    assert_eq!((counts.offered(), counts.dropped()), (3, 0));
    let sends = counts.sends;
    assert_eq!((sends.delivered, sends.waiting(), sends.retries), (3, 0, 2));
    assert_eq!(sends.latency.counts.iter().sum::<u64>(), sends.requests);
    assert_eq!((sends.failed_by(Failure::Busy), sends.failures.iter().sum::<u64>()), (1, 2));
    let got = receiver.got();
    assert!(got.iter().all(|got| got.head.starts_with("post /api/v2/alerts ")), "{got:?}");
    let alerts: Vec<serde_json::Value> =
        got.iter().map(|got| serde_json::from_str(&got.body).unwrap()).collect();
    assert!(alerts.iter().all(|alerts| alerts[0]["labels"]["alertname"] == "Slow"));
}

#[test]
fn what_is_due_is_said_before_a_run_ends() {
    let runtime = runtime();
    let receiver = Receiver::start(Vec::new());
    let shapes = Arc::from([Shape::Alert(AlertShape::default())]);
    let config = AlertmanagerConfig::new("am", &receiver.url);
    let counts = runtime.block_on(async {
        let sink =
            AlertmanagerSink::start(&config, shapes, (still(), still()), Arc::new(|_: &Report| ()))
                .unwrap();
        sink.offer(transition(AlertState::Firing));
        sink.stop(Duration::from_secs(5)).await
    });
    assert_eq!((counts.posted, receiver.got().len()), (1, 1));
}

#[test]
fn a_receiver_that_fails_again_and_again_is_left_alone_for_a_while() {
    let runtime = runtime();
    let receiver = Receiver::start(vec![Act::Close; 3]);
    let shapes = Arc::from([Shape::Alert(AlertShape::default())]);
    let config = AlertmanagerConfig {
        breaker_failures: 3,
        breaker_pause: Duration::from_millis(400),
        ..AlertmanagerConfig::new("am", &receiver.url)
    };
    let time = Arc::new(AtomicI64::new(0));
    let counts = runtime.block_on(async {
        let step = 100_000_000; // the clock goes as fast as it is asked
        let clock = Arc::new(move || time.fetch_add(step, Ordering::Relaxed));
        let sink =
            AlertmanagerSink::start(&config, shapes, (clock, still()), Arc::new(|_: &Report| ()))
                .unwrap();
        sink.offer(transition(AlertState::Firing));
        eventually(|| sink.counts().sends.breaker == BreakerState::Open).await;
        assert_eq!((receiver.got().len(), sink.counts().posted), (3, 0));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(receiver.got().len(), 3, "it is left alone");
        eventually(|| sink.counts().posted > 0).await;
        sink.stop(Duration::from_secs(5)).await
    });
    assert_eq!((counts.failed, counts.sends.breaker_opened), (3, 1));
    assert_eq!(counts.sends.breaker, BreakerState::Closed);
}
