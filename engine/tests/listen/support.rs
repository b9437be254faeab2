//! A receiver with its queue, requests to send to it, and a client that writes raw bytes.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailwater_engine::ingest::listen::{
    Accepted, Address, Intake, IntakeConfig, IntakeCounts, IntakeReceiver, Listener, NoFrame,
    OtlpConfig, RefuseReason, listen_grpc, listen_http,
};
use tailwater_engine::model::SourceId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const SOURCE: SourceId = SourceId(7);

/// A listener and the other end of its queue.
pub(crate) struct Server {
    pub(crate) listener: Listener,
    pub(crate) receiver: IntakeReceiver,
    pub(crate) intake: Intake,
}

/// A queue whose clock counts 100, 101, …
pub(crate) fn config() -> IntakeConfig {
    let now = AtomicI64::new(100);
    IntakeConfig {
        clock: Arc::new(move || now.fetch_add(1, Ordering::Relaxed)),
        wait: Duration::from_millis(100),
        retry_after: Duration::from_secs(3),
        ..IntakeConfig::default()
    }
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn otlp() -> OtlpConfig {
    OtlpConfig::new(any_port(), SOURCE)
}

impl Server {
    pub(crate) async fn http() -> Self {
        Self::http_with(config(), otlp()).await
    }

    pub(crate) async fn http_with(intake: IntakeConfig, otlp: OtlpConfig) -> Self {
        let (intake, receiver) = Intake::new(intake).unwrap();
        Self { listener: listen_http(otlp, &intake).await.unwrap(), receiver, intake }
    }

    pub(crate) async fn grpc() -> Self {
        Self::grpc_with(config(), otlp()).await
    }

    pub(crate) async fn grpc_with(intake: IntakeConfig, otlp: OtlpConfig) -> Self {
        let (intake, receiver) = Intake::new(intake).unwrap();
        Self { listener: listen_grpc(otlp, &intake).await.unwrap(), receiver, intake }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self.listener.address() {
            Address::Tcp(address) => *address,
            Address::Unix(path) => panic!("{} is no TCP address", path.display()),
        }
    }

    /// The frame that waits.
    pub(crate) fn frame(&self) -> Accepted {
        self.receiver.recv_timeout(Duration::ZERO).map_err(|none| format!("{none:?}")).unwrap()
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.receiver.recv_timeout(Duration::ZERO), Err(NoFrame::Timeout))
    }

    /// The ledger, which must balance.
    pub(crate) fn counts(&self) -> IntakeCounts {
        let counts = self.intake.counts();
        for source in counts.sources.values() {
            assert_eq!(source.unaccounted(), [0, 0, 0], "{source:?}");
        }
        counts
    }

    /// (requests, items) refused for a reason.
    pub(crate) fn refused(&self, reason: RefuseReason) -> (u64, u64) {
        let counts = self.counts();
        let refused = counts.sources.get(&SOURCE).and_then(|source| source.refused.get(&reason));
        refused.map_or((0, 0), |count| (count.requests, count.items))
    }

    /// Waits until nothing is under way any more.
    pub(crate) async fn quiet(&self) {
        for _ in 0..400 {
            let counts = self.counts();
            if counts.reading_bytes == 0 && counts.sources.values().all(|s| s.under_way == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("still under way: {:?}", self.counts());
    }

    /// A well-behaved request is served, and its frame comes out.
    pub(crate) async fn serves_a_good_client(&self) {
        let answer = post(self.address(), "/v1/traces", PROTOBUF, &[], &traces(3)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        while self.frame().items != 3 {}
    }
}

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";

pub(crate) fn trace_request(spans: usize) -> ExportTraceServiceRequest {
    let span = |index: usize| Span {
        trace_id: vec![index as u8 + 1; 16],
        span_id: vec![index as u8 + 1; 8],
        name: format!("operation {index}"),
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 2_000,
        ..Span::default()
    };
    let scope = ScopeSpans { spans: (0..spans).map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

pub(crate) fn log_request(records: usize) -> ExportLogsServiceRequest {
    let record = LogRecord { time_unix_nano: 5, ..LogRecord::default() };
    let scope = ScopeLogs { log_records: vec![record; records], ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }
}

pub(crate) fn metric_request(points: usize) -> ExportMetricsServiceRequest {
    let point = NumberDataPoint { time_unix_nano: 5, ..NumberDataPoint::default() };
    let data = metric::Data::Gauge(Gauge { data_points: vec![point; points] });
    let metric = Metric { name: "m".into(), data: Some(data), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }
}

pub(crate) fn traces(spans: usize) -> Vec<u8> {
    trace_request(spans).encode_to_vec()
}

/// Two good spans, and one whose trace id has a wrong length.
pub(crate) fn traces_with_a_damaged_span() -> Vec<u8> {
    let mut request = trace_request(3);
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = vec![1; 5];
    request.encode_to_vec()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    /// Splits what came on a connection that the server closed.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head, body: bytes[end + 4..].to_vec() })
    }
}

pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let fields = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat());
    let fields = fields.collect::<String>();
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n")
}

/// Sends bytes and reads until the server closes; none if it closed without an answer.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    drop(stream.write_all(bytes).await);
    read_answer(&mut stream).await
}

pub(crate) async fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    drop(tokio::time::timeout(Duration::from_secs(20), read).await.expect("it closes"));
    Answer::parse(&answer)
}

pub(crate) async fn post(
    address: SocketAddr,
    path: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let length = body.len().to_string();
    let mut all = vec![("content-type", content_type), ("content-length", &length)];
    all.extend_from_slice(headers);
    let mut bytes = head("POST", path, &all).into_bytes();
    bytes.extend_from_slice(body);
    exchange(address, &bytes).await.expect("an answer")
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`, whose delay is a `Duration`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Delay {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
}

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) violations: Vec<Violation>,
}

/// One field that is wrong.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Violation {
    #[prost(string, tag = "1")]
    pub(crate) field: String,
    #[prost(string, tag = "2")]
    pub(crate) description: String,
}

/// The delay of a status, seconds; none without `RetryInfo`.
pub(crate) fn retry_delay_s(status: &[u8]) -> Option<i64> {
    let status = Status::decode(status).unwrap();
    let detail = status.details.into_iter().find(|any| any.type_url.ends_with("RetryInfo"))?;
    assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.RetryInfo");
    RetryInfo::decode(&*detail.value).unwrap().delay.map(|delay| delay.seconds)
}
