//! Rates of listeners: what is beyond them is refused with the time to come back, and counted.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use tailwater_engine::ingest::listen::{
    Address, Intake, IntakeConfig, LinesConfig, OtlpConfig, Rate, RateLimits, RefuseReason,
    listen_lines,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::{
    Answer, JSON, PROTOBUF, RetryInfo, SOURCE, Server, Status, any_port, config, otlp, post,
    retry_delay_s, trace_request, traces,
};

const LINE: &str = r#"{"v":1,"src":"a","ts":5,"type":"event","data":{"level":"info","msg":"m"}}"#;

fn items(per_s: u64, burst_s: u64) -> Rate {
    Rate { items_per_s: Some(per_s), bytes_per_s: None, burst: Duration::from_secs(burst_s) }
}

/// All senders together: connections of this machine are senders of their own.
fn all(rate: Rate) -> RateLimits {
    RateLimits { all: rate, ..RateLimits::default() }
}

async fn send(server: &Server, content_type: &str, body: &[u8]) -> Answer {
    post(server.address(), "/v1/traces", content_type, &[], body).await
}

#[tokio::test]
async fn http_is_told_when_to_come_back() {
    let server =
        Server::http_with(config(), OtlpConfig { rates: all(items(1, 10)), ..otlp() }).await;
    assert_eq!(send(&server, PROTOBUF, &traces(8)).await.status, 200);
    let answer = send(&server, PROTOBUF, &traces(5)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3")), "{answer:?}");
    let status = Status::decode(&*answer.body).unwrap();
    assert_eq!(status.code, Code::ResourceExhausted as i32);
    let info = RetryInfo::decode(&*status.details[0].value).unwrap();
    assert!((2..=3).contains(&info.delay.unwrap().seconds), "3 s less what has passed");
    assert_eq!(server.refused(RefuseReason::RateLimited), (1, 5));
    // What is left is still taken, and then nothing, not even read.
    assert_eq!(send(&server, PROTOBUF, &traces(2)).await.status, 200);
    let answer = send(&server, JSON, b"this is no JSON, but nobody looks").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("google.rpc.RetryInfo") && text.contains("retryDelay"), "{text}");
    assert_eq!(server.refused(RefuseReason::RateLimited), (2, 5));
    let accepted = (server.frame().items, server.frame().items);
    assert_eq!(accepted, (8, 2));
    assert!(server.is_empty());
}

#[tokio::test]
async fn grpc_is_told_the_same() {
    let rates = all(items(1, 10));
    let server = Server::grpc_with(config(), OtlpConfig { rates, ..otlp() }).await;
    let mut client =
        TraceServiceClient::connect(format!("http://{}", server.address())).await.unwrap();
    client.export(trace_request(10)).await.unwrap();
    let status = client.export(trace_request(2)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(retry_delay_s(status.details()).is_some(), "retryable");
    assert_eq!(server.refused(RefuseReason::RateLimited).0, 1);
}

#[tokio::test]
async fn bytes_count_decompressed_and_time_gives_them_back() {
    let body = traces(20);
    let bytes_per_s = Some(body.len() as u64 * 20);
    let rate = Rate { items_per_s: None, bytes_per_s, burst: Duration::from_millis(50) };
    let server = Server::http_with(config(), OtlpConfig { rates: all(rate), ..otlp() }).await;
    let zipped = crate::support::gzip(&body);
    let zip = [("content-encoding", "gzip")];
    let start = Instant::now();
    let mut taken = 0_u32;
    while taken < 5 {
        let answer = post(server.address(), "/v1/traces", PROTOBUF, &zip, &zipped).await;
        taken += u32::from(answer.status == 200);
        assert!(matches!(answer.status, 200 | 429));
    }
    // The first is the burst, then 20 a second.
    assert!(start.elapsed() >= Duration::from_millis(4 * 50), "{:?}", start.elapsed());
}

#[tokio::test]
async fn each_sender_has_a_bucket_of_its_own() {
    let rates = RateLimits { sender: items(1, 4), ..RateLimits::default() };
    let server = Server::grpc_with(config(), OtlpConfig { rates, ..otlp() }).await;
    let url = format!("http://{}", server.address());
    for _ in 0..2 {
        let mut client = TraceServiceClient::connect(url.clone()).await.unwrap();
        client.export(trace_request(4)).await.unwrap();
        client.export(trace_request(1)).await.unwrap_err();
    }
}

#[tokio::test]
async fn what_finds_no_room_costs_nothing() {
    let intake = IntakeConfig { items: 4, ..config() };
    let server = Server::http_with(intake, OtlpConfig { rates: all(items(1, 8)), ..otlp() }).await;
    assert_eq!(send(&server, PROTOBUF, &traces(4)).await.status, 200);
    assert_eq!(send(&server, PROTOBUF, &traces(4)).await.status, 503);
    drop(server.frame());
    assert_eq!(send(&server, PROTOBUF, &traces(4)).await.status, 200);
    assert_eq!(send(&server, PROTOBUF, &traces(4)).await.status, 429);
}

async fn lines(rate: Rate, wait: Duration) -> Server {
    let (intake, receiver) = Intake::new(IntakeConfig { wait, ..config() }).unwrap();
    let lines = LinesConfig {
        acks: true,
        rates: all(rate),
        ..LinesConfig::new(Address::Tcp(any_port()), SOURCE)
    };
    Server { listener: listen_lines(lines, &intake).await.unwrap(), receiver, intake }
}

#[tokio::test]
async fn a_sender_of_lines_waits_for_its_rate() {
    let server = lines(items(100, 1), Duration::from_secs(5)).await;
    let mut stream = BufReader::new(TcpStream::connect(server.address()).await.unwrap());
    let start = Instant::now();
    let mut ack = String::new();
    for _ in 0..3 {
        ack.clear();
        stream.write_all(format!("{LINE}\n").repeat(50).as_bytes()).await.unwrap();
        stream.read_line(&mut ack).await.unwrap();
    }
    assert_eq!(ack, "{\"v\":1,\"type\":\"ack\",\"lines\":150,\"taken\":150,\"refused\":0}\n");
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
}

#[tokio::test]
async fn lines_beyond_the_wait_are_refused_and_the_connection_ends() {
    let server = lines(items(1, 50), Duration::from_millis(50)).await;
    let mut stream = BufReader::new(TcpStream::connect(server.address()).await.unwrap());
    let mut ack = String::new();
    for _ in 0..2 {
        ack.clear();
        stream.write_all(format!("{LINE}\n").repeat(50).as_bytes()).await.unwrap();
        stream.read_line(&mut ack).await.unwrap();
    }
    let (head, delay) = ack.trim_end().split_once("\"retry_after_ms\":").unwrap();
    let counted = r#"{"v":1,"type":"ack","lines":100,"taken":50,"refused":50,"#;
    assert_eq!(head, format!(r#"{counted}"reason":"rate_limited","#));
    let delay_ms: u64 = delay.trim_end_matches('}').parse().unwrap();
    assert!((48_000..=50_000).contains(&delay_ms), "{ack}");
    ack.clear();
    assert_eq!(stream.read_line(&mut ack).await.unwrap_or(0), 0, "it ends there");
    assert_eq!(server.refused(RefuseReason::RateLimited), (1, 50));
}
