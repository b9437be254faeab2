//! OTLP over gRPC, with tonic's client and with calls of the tests' own making.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::HeaderMap;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use tailwater_engine::ingest::listen::{IntakeConfig, OtlpConfig, RefuseReason, Security, Tokens};
use tailwater_engine::model::PayloadFormat;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::codec::CompressionEncoding;

use crate::support::{
    PROTOBUF, Server, config, log_request, metric_request, otlp, post, retry_delay_s,
    trace_request, traces, traces_with_a_damaged_span, zstd,
};

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

/// A call with these bytes as its body: (status of HTTP, headers and trailers together, body).
async fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> (u16, HeaderMap, Bytes) {
    let stream = TcpStream::connect(address).await.unwrap();
    let executor = TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = hyper::Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let mut all = response.headers().clone();
    let body = response.into_body().collect().await.unwrap();
    all.extend(body.trailers().cloned().unwrap_or_default());
    (status, all, body.to_bytes())
}

/// The `grpc-status` that a call ends with.
async fn status_of(server: &Server, headers: &[(&str, &str)], body: Vec<u8>) -> String {
    let mut all = vec![("content-type", "application/grpc")];
    all.extend_from_slice(headers);
    let (status, headers, _) = call(server.address(), TRACES, &all, body).await;
    assert_eq!(status, 200);
    headers["grpc-status"].to_str().unwrap().to_owned()
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut body = vec![flag];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    body
}

#[tokio::test]
async fn each_service_takes_each_encoding() {
    let server = Server::grpc().await;
    let url = url(&server);
    for encoding in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let mut client = TraceServiceClient::connect(url.clone()).await.unwrap();
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        let response = client.export(trace_request(200)).await.unwrap().into_inner();
        assert_eq!(response.partial_success, None);
        let accepted = server.frame();
        assert_eq!((accepted.items, accepted.frame.format), (200, PayloadFormat::OtlpTraces));
        assert_eq!(accepted.frame.payload, traces(200));
    }
    let mut client = LogsServiceClient::connect(url.clone()).await.unwrap();
    client.export(log_request(2)).await.unwrap();
    let accepted = server.frame();
    assert_eq!((accepted.items, accepted.frame.format), (2, PayloadFormat::OtlpLogs));
    let mut client = MetricsServiceClient::connect(url).await.unwrap();
    client.export(metric_request(5)).await.unwrap();
    let accepted = server.frame();
    assert_eq!((accepted.items, accepted.frame.format), (5, PayloadFormat::OtlpMetrics));
}

#[tokio::test]
async fn damaged_items_are_partial_success_and_empty_requests_succeed() {
    let server = Server::grpc().await;
    let headers = [("content-type", "application/grpc+proto")];
    let body = framed(0, &traces_with_a_damaged_span());
    let (status, headers, body) = call(server.address(), TRACES, &headers, body).await;
    assert_eq!((status, &headers["grpc-status"]), (200, &hyper::header::HeaderValue::from(0)));
    let response =
        opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse::decode(
            &body[5..],
        );
    let partial = response.unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.contains("trace id"));
    assert_eq!(server.frame().items, 2);
    let mut client = TraceServiceClient::connect(url(&server)).await.unwrap();
    let response = client.export(trace_request(0)).await.unwrap().into_inner();
    assert_eq!(response.partial_success, None);
    assert!(server.is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_has_its_own_status() {
    let server = Server::grpc().await;
    let good = traces(1);
    let code = |code: Code| (code as i32).to_string();
    for (headers, body, expected) in [
        (&[][..], framed(0, &good[..20]), Code::InvalidArgument),
        (&[("grpc-encoding", "gzip")], framed(1, &zstd(&good)), Code::InvalidArgument),
        (&[("grpc-encoding", "snappy")], framed(1, &good), Code::Unimplemented),
    ] {
        assert_eq!(status_of(&server, headers, body.clone()).await, code(expected), "{body:?}");
    }
    assert_eq!(status_of(&server, &[("grpc-encoding", "gzip")], framed(0, &good)).await, "0");
    assert_eq!(server.frame().items, 1);
    assert!(server.is_empty());
}

#[tokio::test]
async fn a_wrong_method_is_unimplemented_and_other_content_no_call() {
    let server = Server::grpc().await;
    let grpc = [("content-type", "application/grpc")];
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Import";
    let (status, headers, _) = call(server.address(), path, &grpc, framed(0, b"")).await;
    assert_eq!((status, &headers["grpc-status"]), (200, &hyper::header::HeaderValue::from(12)));
    for content in ["application/json", "application/grpcx", ""] {
        let headers = [("content-type", content)];
        let (status, _, _) = call(server.address(), TRACES, &headers, framed(0, b"")).await;
        assert_eq!(status, 415, "{content}");
    }
}

#[tokio::test]
async fn who_comes_to_the_wrong_port_is_told_so() {
    let grpc = Server::grpc().await;
    for content in [PROTOBUF, "application/json", "application/grpc"] {
        let answer = post(grpc.address(), "/v1/traces", content, &[], &traces(1)).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status == 415 && text.contains("usually 4318"), "{content}: {answer:?}");
    }
    assert_eq!(grpc.refused(RefuseReason::MediaType).0, 3);
    let mut client = TraceServiceClient::connect(url(&grpc)).await.unwrap();
    client.export(trace_request(2)).await.unwrap();
    let http = Server::http().await;
    let mut client = TraceServiceClient::connect(url(&http)).await.unwrap();
    for _ in 0..2 {
        let status = client.export(trace_request(2)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains("usually 4317"), "{status:?}");
    }
    assert_eq!(http.refused(RefuseReason::NotFound).0, 2);
    http.serves_a_good_client().await;
}

#[tokio::test]
async fn too_large_is_resource_exhausted_without_retry() {
    let server = Server::grpc().await;
    let mut client = TraceServiceClient::connect(url(&server)).await.unwrap();
    let mut request = trace_request(1);
    request.resource_spans[0].scope_spans[0].spans[0].name = "x".repeat(64 << 20);
    let status = client.export(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(retry_delay_s(status.details()), None);
    // What is small on the wire and large behind it is the same, long before all of it is there.
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    let status = client.export(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(server.refused(RefuseReason::TooLarge), (2, 0));
    assert!(server.is_empty());
    server.quiet().await;
}

#[tokio::test]
async fn a_full_queue_is_unavailable_with_a_delay() {
    let intake = IntakeConfig { items: 2, ..config() };
    let server = Server::grpc_with(intake, otlp()).await;
    let mut client = TraceServiceClient::connect(url(&server)).await.unwrap();
    client.export(trace_request(2)).await.unwrap();
    let status = client.export(trace_request(2)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(retry_delay_s(status.details()), Some(3));
    assert_eq!(server.refused(RefuseReason::Busy), (1, 2));
    server.intake.close();
    drop(server.frame());
    let status = client.export(trace_request(2)).await.unwrap_err();
    assert_eq!((status.code(), retry_delay_s(status.details())), (Code::Unavailable, Some(3)));
    assert_eq!(server.refused(RefuseReason::Stopping), (1, 2));
}

#[tokio::test]
async fn calls_need_a_token_where_one_is_asked_for() {
    let otlp = OtlpConfig {
        security: Security { tokens: Some(Tokens::new(["right"])), ..Security::default() },
        ..otlp()
    };
    let server = Server::grpc_with(config(), otlp).await;
    assert_eq!(status_of(&server, &[], framed(0, &traces(1))).await, "16");
    let headers = [("authorization", "Bearer right")];
    assert_eq!(status_of(&server, &headers, framed(0, &traces(1))).await, "0");
}

#[tokio::test]
async fn stopping_lets_calls_finish() {
    let server = Server::grpc().await;
    let mut client = TraceServiceClient::connect(url(&server)).await.unwrap();
    client.export(trace_request(1)).await.unwrap();
    let cut_off = server.listener.stop(Duration::from_secs(5)).await;
    assert_eq!(cut_off, 0);
    assert!(client.export(trace_request(1)).await.is_err());
}
