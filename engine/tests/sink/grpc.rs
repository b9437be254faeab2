//! OTLP over gRPC, to a receiver that another library serves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use tailwater_engine::sink::otlp::{OtlpConfig, OtlpSink, Protocol};
use tailwater_engine::sink::{Compression, DropReason, Failure, SinkCounts};
use tokio::time::Instant;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Response, Status};

use crate::support::{Told, count, shapes};

/// What the receiver got: when, how many metrics, its headers.
type Got = Vec<(Instant, usize, tonic::metadata::MetadataMap)>;

/// Answers in turn; then takes everything.
#[derive(Clone, Default)]
struct Receiver {
    answers: Arc<Mutex<Vec<Result<ExportMetricsServiceResponse, Status>>>>,
    got: Arc<Mutex<Got>>,
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let headers = request.metadata().clone();
        let scopes = &request.get_ref().resource_metrics[0].scope_metrics;
        self.got.lock().unwrap().push((Instant::now(), scopes[0].metrics.len(), headers));
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() {
            return Ok(Response::new(ExportMetricsServiceResponse::default()));
        }
        answers.remove(0).map(Response::new)
    }
}

impl Receiver {
    async fn start(self) -> SocketAddr {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let service = MetricsServiceServer::new(self)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd);
        let incoming = tonic::transport::server::TcpIncoming::from(socket);
        tokio::spawn(
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming),
        );
        address
    }
}

async fn send(
    answers: Vec<Result<ExportMetricsServiceResponse, Status>>,
    change: impl FnOnce(&mut OtlpConfig),
) -> (SinkCounts, Got, Told) {
    let receiver = Receiver::default();
    *receiver.answers.lock().unwrap() = answers;
    let address = receiver.clone().start().await;
    let mut config = OtlpConfig::new("out", Protocol::Grpc, &format!("http://{address}/ignored"));
    for signal in config.signals_mut() {
        signal.push.interval = Duration::from_millis(10);
        signal.push.target.headers = vec![("x-key".to_owned(), "hush".to_owned())];
    }
    change(&mut config);
    let told = Told::default();
    let sink = OtlpSink::start(config, shapes(), told.tell()).unwrap();
    sink.offer(count("shop", 10, 1));
    let counts = sink.stop(Duration::from_secs(5)).await.metrics;
    let got = receiver.got.lock().unwrap().clone();
    (counts, got, told)
}

#[tokio::test]
async fn another_library_takes_what_is_sent_whatever_its_compression() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let with = |config: &mut OtlpConfig| config.metrics.push.target.compression = compression;
        let (counts, got, _) = send(Vec::new(), with).await;
        assert_eq!((counts.delivered, got.len(), got[0].1), (1, 1, 1), "{compression:?}");
        let header = |name: &str| got[0].2.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("x-key"), Some("hush"));
        assert_eq!(header("te"), Some("trailers"));
        assert_eq!(header("content-type"), Some("application/grpc+proto"));
        assert!(header("user-agent").unwrap().starts_with("tailwater/"));
        let timeout = got[0].2.get("grpc-timeout").unwrap();
        assert_eq!(timeout, "10000m");
    }
}

#[tokio::test]
async fn codes_are_sent_again_as_the_table_of_otlp_has_it() {
    let again = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ];
    for code in (1..=16).map(Code::from) {
        let (counts, got, told) = send(vec![Err(Status::new(code, "no\u{7}"))], |_| {}).await;
        let is_again = again.contains(&code);
        assert_eq!(got.len(), if is_again { 2 } else { 1 }, "{code:?}");
        assert_eq!(counts.delivered, u64::from(is_again), "{code:?}");
        assert_eq!(counts.dropped_for(DropReason::Refused), u64::from(!is_again), "{code:?}");
        let text = told.all()[0].to_string();
        assert!(!text.contains('\u{7}') && !text.contains("hush"), "{text}");
    }
}

/// `google.rpc.Status` with a `RetryInfo` of 1.25 s.
fn retry_info() -> Bytes {
    #[derive(Clone, PartialEq, Message)]
    struct Duration {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }
    #[derive(Clone, PartialEq, Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        delay: Option<Duration>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Any {
        #[prost(string, tag = "1")]
        url: String,
        #[prost(bytes, tag = "2")]
        value: Vec<u8>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Details {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }
    let info = RetryInfo { delay: Some(Duration { seconds: 1, nanos: 250_000_000 }) };
    let any = |name: &str, value: Vec<u8>| Any {
        url: format!("type.googleapis.com/google.rpc.{name}"),
        value,
    };
    let details = vec![any("Help", vec![1, 2, 3]), any("RetryInfo", info.encode_to_vec())];
    Bytes::from(Details { code: 8, details }.encode_to_vec())
}

#[tokio::test]
async fn what_is_exhausted_comes_again_only_when_it_says_when() {
    let (counts, got, _) = send(vec![Err(Status::resource_exhausted("full"))], |_| {}).await;
    assert_eq!((counts.delivered, got.len()), (0, 1));
    for code in [Code::ResourceExhausted, Code::Unavailable] {
        let status = Status::with_details(code, "later", retry_info());
        let receiver = Receiver::default();
        receiver.answers.lock().unwrap().push(Err(status));
        let address = receiver.clone().start().await;
        let mut config = OtlpConfig::new("out", Protocol::Grpc, &format!("http://{address}"));
        config.metrics.push.interval = Duration::from_millis(10);
        let sink = OtlpSink::start(config, shapes(), Told::default().tell()).unwrap();
        sink.offer(count("shop", 10, 1));
        while sink.counts().metrics.delivered == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let got = receiver.got.lock().unwrap().clone();
        let pause = got[1].0.duration_since(got[0].0);
        assert!((1_250..4_000).contains(&pause.as_millis()), "{code:?}: {pause:?}");
    }
}

#[tokio::test]
async fn partial_success_is_counted_and_never_sent_again() {
    let partial = ExportMetricsPartialSuccess {
        rejected_data_points: 1,
        error_message: "too old".to_owned(),
    };
    let answer = ExportMetricsServiceResponse { partial_success: Some(partial) };
    let (counts, got, told) = send(vec![Ok(answer)], |_| {}).await;
    assert_eq!((counts.delivered, counts.dropped_for(DropReason::Rejected), got.len()), (0, 1, 1));
    assert_eq!(told.all()[0].text, "it rejected 1 of 1: too old");
}

#[tokio::test]
async fn nobody_there_is_no_loss_before_the_deadline() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut config = OtlpConfig::new("out", Protocol::Grpc, &format!("http://{address}"));
    config.metrics.push.interval = Duration::from_millis(10);
    let told = Told::default();
    let sink = OtlpSink::start(config, shapes(), told.tell()).unwrap();
    sink.offer(count("shop", 10, 1));
    while sink.counts().metrics.retries == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let counts = sink.counts().metrics;
    assert_eq!((counts.in_flight, counts.dropped_in_all()), (1, 0));
    assert!(counts.failed_by(Failure::Connect) >= 1, "{counts:?}");
    let expected = format!("cannot connect to `{address}`: tcp connect error: Connection refused");
    assert!(told.all()[0].text.starts_with(&expected), "{:?}", told.all());
}
