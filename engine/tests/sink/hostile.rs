//! Receivers that answer with every status, hang, break off, send garbage, or never end.

use std::time::Duration;

use tailwater_engine::limits::SINK_ANSWER_BYTES_MAX;
use tailwater_engine::sink::otlp::{OtlpConfig, OtlpSink, Protocol};
use tailwater_engine::sink::{DropReason, SinkCounts};
use tokio::time::Instant;

use crate::push::runtime;
use crate::receiver::{Act, Receiver};
use crate::support::{Told, count, shapes};

/// Offers items one a batch, with no second tries; returns how they ended.
fn run(protocol: Protocol, items: u64, acts: Vec<Act>) -> (SinkCounts, Told) {
    let receiver = Receiver::start(acts);
    let told = Told::default();
    let mut config = OtlpConfig::new("out", protocol, &receiver.url);
    for signal in config.signals_mut() {
        signal.push.batch = 1;
        signal.push.retry_within = Duration::ZERO;
        signal.push.breaker_failures = 10_000;
        signal.push.target.timeout = Duration::from_millis(400);
        signal.push.target.headers = vec![("authorization".to_owned(), "hush".to_owned())];
    }
    let counts = runtime().block_on(async {
        let sink = OtlpSink::start(config, shapes(), told.tell()).unwrap();
        for item in 0..items {
            sink.offer(count("shop", 10 + item as i64, 1));
        }
        sink.stop(Duration::from_mins(1)).await.metrics
    });
    assert_eq!((counts.offered, counts.waiting()), (items, 0), "{counts:?}");
    assert_eq!(counts.offered, counts.delivered + counts.dropped_in_all());
    assert!(told.all().iter().all(|report| !report.to_string().contains("hush")));
    (counts, told)
}

#[test]
fn every_status_delivers_or_counts() {
    let statuses: Vec<u16> = (200..=599).collect();
    let acts = statuses.iter().map(|status| Act::Answer(*status, "", "")).collect();
    let (counts, told) = run(Protocol::HttpProtobuf, 400, acts);
    assert_eq!(counts.delivered, 100, "200 to 299");
    assert_eq!(counts.dropped_for(DropReason::Late), 4, "429, 502, 503, 504");
    assert_eq!(counts.dropped_for(DropReason::Refused), 296);
    for status in statuses.into_iter().filter(|status| *status > 299) {
        let is_told = |text: &str| text.contains(&format!("it answered {status}"));
        assert!(told.all().iter().any(|report| is_told(&report.text)), "{status}");
    }
    let acts = (200..=599).map(|status| Act::Answer(status, "", "")).collect();
    let (counts, _) = run(Protocol::Grpc, 400, acts);
    assert_eq!(counts.delivered, 0, "none of them speaks HTTP/2");
}

#[test]
fn whatever_breaks_delivers_or_counts_and_the_next_one_is_served() {
    for (act, is_delivered) in [
        (Act::Close, false),
        (Act::Hang(Duration::from_secs(2)), false),
        (Act::Garbage, false),
        (Act::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", 0), false),
        (Act::Raw(b"\0\0\0\0\0\0\0\0\0", 0), false),
        (Act::Raw(b"HTTP/1.1 999999 x\r\n\r\n", 0), false),
        // Its head says that everything was taken: what the body would have said is not worth
        // sending everything twice.
        (Act::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nbroken", 0), true),
        (Act::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 0), true),
        (Act::Raw(b"HTTP/1.1 400 No\r\ncontent-length: 500\r\n\r\nbroken", 0), false),
        (Act::Endless(b"HTTP/1.1 200 OK\r\n", b"x-more: and more and more\r\n"), false),
        (Act::Endless(b"HTTP/1.1 200 OK\r\n\r\n", b"and more and more and more"), true),
        (Act::Endless(b"HTTP/1.1 503 No\r\n\r\n", b"and more and more and more"), false),
        (Act::Endless(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"), false),
    ] {
        for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
            let begun = Instant::now();
            let (counts, _) = run(protocol, 2, vec![act.clone()]);
            assert_eq!(counts.delivered, 1 + u64::from(is_delivered), "{act:?}: {counts:?}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{act:?}");
        }
        let (counts, _) = run(Protocol::Grpc, 1, vec![act.clone(); 4]);
        assert_eq!((counts.delivered, counts.dropped_in_all()), (0, 1), "{act:?}: {counts:?}");
    }
}

#[test]
fn an_answer_that_is_long_is_read_to_its_bound() {
    // A partial success behind the bound is not seen; one within it is, however long its text.
    let (counts, told) = run(Protocol::HttpJson, 1, vec![Act::Long(SINK_ANSWER_BYTES_MAX / 2)]);
    assert_eq!((counts.dropped_for(DropReason::Rejected), counts.delivered), (1, 0));
    assert!(told.all()[0].text.chars().count() < 300, "{:?}", told.all());
    let (counts, _) = run(Protocol::HttpJson, 1, vec![Act::Long(SINK_ANSWER_BYTES_MAX * 2)]);
    assert_eq!((counts.dropped_for(DropReason::Rejected), counts.delivered), (0, 1));
}
