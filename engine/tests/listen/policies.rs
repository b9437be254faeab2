//! A full queue: shares, policies, and a ledger that always balances.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tailwater_engine::ingest::listen::{DiscardReason, Intake, IntakeConfig, WhenFull};

use crate::support::{PROTOBUF, SOURCE, Server, config, otlp, post, traces};

#[test]
fn a_queue_smaller_than_a_message_is_refused() {
    let error = Intake::new(IntakeConfig { bytes: 1 << 20, ..config() }).err().unwrap();
    assert!(error.to_string().contains("`1048576`"), "{error}");
}

/// Memory that others hold: senders are told to come back, and served when there is room again.
#[tokio::test]
async fn room_that_is_reserved_refuses_and_lets_in_again() {
    let wait = Duration::from_millis(50);
    let server = Server::http_with(IntakeConfig { wait, ..config() }, otlp()).await;
    let body = traces(1);
    let send = || post(server.address(), "/v1/traces", PROTOBUF, &[], &body);
    server.intake.reserve(server.intake.room_bytes() - (1 << 20));
    assert_eq!(send().await.status, 200, "little is left, and little is wanted");
    server.intake.reserve(u64::MAX);
    let answer = send().await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3")));
    server.intake.reserve(0);
    assert_eq!(send().await.status, 200);
    let counts = server.counts();
    assert_eq!(counts.sources[&SOURCE].queued.items, 2);
}

#[tokio::test]
async fn the_newest_is_discarded_counted_and_told() {
    let intake = IntakeConfig { items: 4, when_full: WhenFull::DropNewest, ..config() };
    let server = Server::http_with(intake, otlp()).await;
    for _ in 0..3 {
        let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], &traces(4)).await;
        assert_eq!(answer.status, 200);
        let response = ExportTraceServiceResponse::decode(&*answer.body).unwrap();
        assert!(response.partial_success.is_none_or(|partial| partial.rejected_spans == 4));
    }
    let counts = server.counts();
    let source = &counts.sources[&SOURCE];
    let discarded = source.discarded[&DiscardReason::Newest];
    assert_eq!((discarded.requests, discarded.items), (2, 8));
    assert_eq!(discarded.bytes, 2 * traces(4).len() as u64);
    assert_eq!((source.received.items, source.queued.items), (12, 4));
}

#[tokio::test]
async fn the_oldest_makes_room() {
    let intake = IntakeConfig { items: 4, when_full: WhenFull::DropOldest, ..config() };
    let server = Server::http_with(intake, otlp()).await;
    for spans in [1, 2, 4, 3] {
        let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], &traces(spans)).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]));
    }
    assert_eq!(server.frame().items, 3);
    assert!(server.is_empty());
    let discarded = server.counts().sources[&SOURCE].discarded[&DiscardReason::Oldest];
    assert_eq!((discarded.requests, discarded.items), (3, 7));
}

/// Turns would let a sender's only frame overtake what another one brought before it.
#[tokio::test]
async fn frames_leave_in_the_order_in_which_they_came() {
    let server = Server::http().await;
    let (mut one, mut other) = (Kept::to(server.address()), Kept::to(server.address()));
    tokio::task::spawn_blocking(move || {
        for spans in 1..=3 {
            one.post(&traces(spans));
        }
        other.post(&traces(4));
        one.post(&traces(5));
    })
    .await
    .unwrap();
    let order: Vec<u64> = (0..5).map(|_| server.frame().items).collect();
    assert_eq!(order, [1, 2, 3, 4, 5]);
}

/// One connection for several requests.
struct Kept(TcpStream);

impl Kept {
    fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).unwrap())
    }

    fn post(&mut self, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n\
             content-length: {length}\r\n\r\n"
        );
        self.0.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = [0; 1_024];
        let read = self.0.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }
}

/// Nine senders with a request now and then beside one that sends without pause: each of the
/// nine is served every time, within the time that a sender waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_noisy_sender_starves_nobody() {
    let intake = IntakeConfig { items: 1_000, wait: Duration::from_secs(5), ..config() };
    let server = Arc::new(Server::http_with(intake, otlp()).await);
    let address = server.address();
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let slow_log = {
        let server = Arc::clone(&server);
        std::thread::spawn(move || {
            let mut taken = 0;
            while stopped.try_recv() != Err(crossbeam_channel::TryRecvError::Disconnected) {
                if let Ok(frame) = server.receiver.recv_timeout(Duration::from_millis(5)) {
                    taken += frame.items;
                    std::thread::sleep(Duration::from_millis(2)); // slower than the noisy one
                }
            }
            taken
        })
    };
    // The noisy sender: many requests under way at once on one HTTP/2 connection.
    let noisy = tokio::spawn(crate::hostile::flood(address, traces(100)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let quiet = (0..9).map(|_| {
        tokio::spawn(async move {
            for _ in 0..10 {
                let start = Instant::now();
                let answer = post(address, "/v1/traces", PROTOBUF, &[], &traces(5)).await;
                assert_eq!(answer.status, 200);
                assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    });
    for sender in quiet.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let counts = server.counts();
    assert!(counts.held_items <= 1_000, "{counts:?}");
    assert!(counts.waiting > 0, "the noisy one waits: {counts:?}");
    noisy.abort();
    drop(stop);
    assert!(slow_log.join().unwrap() >= 450);
}

/// Spans with trace ids of their own, as many as are wanted.
fn many(count: u64) -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    let span = |index: u64| Span {
        trace_id: (u128::from(index) << 49 | 1).to_be_bytes().to_vec(),
        span_id: (index + 1).to_be_bytes().to_vec(),
        ..Span::default()
    };
    let spans = (0..count).map(span).collect();
    let scoped = ScopeSpans { spans, ..ScopeSpans::default() };
    let group = ResourceSpans { scope_spans: vec![scoped], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec()
}

#[tokio::test]
async fn a_full_queue_takes_a_share_and_counts_the_rest() {
    let intake = IntakeConfig { items: 300, when_full: WhenFull::Sample, ..config() };
    let server = Server::http_with(intake, otlp()).await;
    for _ in 0..5 {
        let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], &many(128)).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]));
    }
    let counts = server.counts();
    let source = &counts.sources[&SOURCE];
    let sampled = source.discarded[&DiscardReason::Sampled];
    assert_eq!(source.unaccounted(), [0, 0, 0], "{counts:?}");
    assert_eq!((source.received.requests, source.received.items), (5, 640));
    assert_eq!(source.queued.items + sampled.items, 640);
    assert!((280..=300).contains(&source.queued.items), "{counts:?}");
    let taken: Vec<u64> = (0..5).map(|_| server.frame().items).collect();
    assert_eq!(taken[..2], [128, 128], "what there is room for comes whole");
    assert!(taken.is_sorted_by(|a, b| a >= b) && taken[4] > 0, "{taken:?}");
}
