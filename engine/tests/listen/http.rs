//! OTLP over HTTP, line by line of the specification.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tailwater_engine::ingest::listen::{IntakeConfig, RefuseReason, Security, Tokens};
use tailwater_engine::model::{Compression, PayloadFormat};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{
    BadRequest, JSON, PROTOBUF, SOURCE, Server, Status, config, exchange, gzip, head, log_request,
    metric_request, otlp, post, retry_delay_s, traces, traces_with_a_damaged_span, zstd,
};

const JSON_SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":
    "5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","name":"a","kind":2,
    "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
    "someThingNew":[{}]}]}]}]}"#;

#[tokio::test]
async fn each_signal_comes_in_protobuf_and_the_answer_is_empty() {
    let server = Server::http().await;
    for (path, body, format, items) in [
        ("/v1/traces", traces(2), PayloadFormat::OtlpTraces, 2),
        ("/v1/logs", log_request(3).encode_to_vec(), PayloadFormat::OtlpLogs, 3),
        ("/v1/metrics", metric_request(4).encode_to_vec(), PayloadFormat::OtlpMetrics, 4),
    ] {
        let answer = post(server.address(), path, PROTOBUF, &[], &body).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some(PROTOBUF));
        let accepted = server.frame();
        assert_eq!(accepted.items, items);
        assert_eq!(accepted.frame.payload, body);
        assert_eq!(accepted.frame.format, format);
        assert_eq!(accepted.frame.compression, Compression::None);
        assert_eq!(accepted.frame.source, SOURCE);
    }
}

#[tokio::test]
async fn json_comes_on_the_same_port_and_is_answered_in_json() {
    let server = Server::http().await;
    let log = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"5"}]}]}]}"#;
    let metric = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":
        {"dataPoints":[{"timeUnixNano":"5","asInt":"1"},{"timeUnixNano":5,"asDouble":2}]}}]}]}]}"#;
    for (path, body, items) in
        [("/v1/traces", JSON_SPAN, 1), ("/v1/logs", log, 1), ("/v1/metrics", metric, 2)]
    {
        let content = "Application/JSON; charset=utf-8";
        let answer = post(server.address(), path, content, &[], body.as_bytes()).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
        assert_eq!(answer.header("content-type"), Some(JSON));
        let accepted = server.frame();
        assert_eq!(accepted.frame.format, PayloadFormat::OtlpJson);
        assert_eq!(accepted.items, items);
    }
}

#[tokio::test]
async fn json_of_another_signal_is_refused_unless_it_is_empty() {
    let server = Server::http().await;
    for (body, status) in [
        (&br#"{"resourceLogs":[]}"#[..], 200),
        (br#"{"resourceLogs":null,"resourceMetrics":[],"resourceSpans":[]}"#, 200),
        (br#"{"resourceLogs":[{}]}"#, 400),
    ] {
        let answer = post(server.address(), "/v1/traces", JSON, &[], body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{text}");
        assert_eq!(text.contains("found another signal's"), status == 400, "{text}");
    }
}

#[tokio::test]
async fn arrival_is_the_clocks_time_in_order() {
    let server = Server::http().await;
    for expected in [100, 101] {
        post(server.address(), "/v1/traces", PROTOBUF, &[], &traces(1)).await;
        assert_eq!(server.frame().frame.arrival_ns, Some(expected));
    }
}

#[tokio::test]
async fn compressed_bodies_are_stored_as_what_they_hold() {
    let server = Server::http().await;
    let body = traces(50);
    let (first, second) = body.split_at(70);
    let two_members = [gzip(first), gzip(second)].concat();
    for (encoding, bytes) in [
        ("gzip", gzip(&body)),
        ("GZIP", two_members),
        ("zstd", zstd(&body)),
        ("identity", body.clone()),
    ] {
        let headers = [("content-encoding", encoding)];
        let answer = post(server.address(), "/v1/traces", PROTOBUF, &headers, &bytes).await;
        assert_eq!(answer.status, 200, "{encoding}");
        let accepted = server.frame();
        assert_eq!(accepted.frame.payload, body, "{encoding}");
        assert_eq!(accepted.frame.compression, Compression::None);
    }
    assert_eq!(server.counts().reading_bytes, 0);
}

#[tokio::test]
async fn a_body_may_come_in_chunks() {
    let server = Server::http().await;
    let body = traces(2);
    let mut bytes =
        head("POST", "/v1/traces", &[("content-type", PROTOBUF), ("transfer-encoding", "chunked")])
            .into_bytes();
    for chunk in body.chunks(7) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(exchange(server.address(), &bytes).await.unwrap().status, 200);
    assert_eq!(server.frame().frame.payload, body);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_a_bad_request_in_the_requests_type() {
    let server = Server::http().await;
    let truncated = &traces(2)[..50];
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], truncated).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), Some(PROTOBUF));
    assert_eq!(answer.header("retry-after"), None);
    let status = Status::decode(&*answer.body).unwrap();
    assert_eq!(status.code, 3);
    assert!(status.message.starts_with("expected more bytes"), "{}", status.message);
    assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.BadRequest");
    let detail = BadRequest::decode(&*status.details[0].value).unwrap();
    assert_eq!(detail.violations[0].field, "body");
    assert_eq!(detail.violations[0].description, status.message);

    let answer = post(server.address(), "/v1/logs", JSON, &[], b"{\"resourceLogs\":[}").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), Some(JSON));
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(status["code"], 3);
    assert_eq!(status["details"][0]["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(status["details"][0]["fieldViolations"][0]["field"], "body");
    assert_eq!(server.refused(RefuseReason::Undecodable), (2, 0));
    assert!(server.is_empty());
}

#[tokio::test]
async fn json_of_another_signal_or_with_text_behind_it_is_refused() {
    let server = Server::http().await;
    let twice = format!("{JSON_SPAN}\n{JSON_SPAN}");
    for (path, body) in [("/v1/logs", JSON_SPAN), ("/v1/traces", &twice), ("/v1/traces", "")] {
        let answer = post(server.address(), path, JSON, &[], body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{path} {body}");
    }
    assert!(server.is_empty());
}

#[tokio::test]
async fn damaged_items_are_partial_success() {
    let server = Server::http().await;
    let body = traces_with_a_damaged_span();
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], &body).await;
    assert_eq!(answer.status, 200);
    let response = ExportTraceServiceResponse::decode(&*answer.body).unwrap();
    let partial = response.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.contains("trace id"), "{}", partial.error_message);
    assert_eq!(server.frame().items, 2);

    let json = JSON_SPAN.replace("\"eee19b7ec3c1b174\"", "\"eee\"");
    let answer = post(server.address(), "/v1/traces", JSON, &[], json.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let response: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(response["partialSuccess"]["rejectedSpans"], "1");
    assert!(server.is_empty(), "nothing of it is left");
    assert_eq!(server.refused(RefuseReason::DamagedItem), (0, 2));
}

#[tokio::test]
async fn an_empty_request_succeeds_and_makes_no_frame() {
    let server = Server::http().await;
    for (content, body, answered) in [(PROTOBUF, "", ""), (JSON, "{}", "{}")] {
        let answer = post(server.address(), "/v1/metrics", content, &[], body.as_bytes()).await;
        assert_eq!((answer.status, &answer.body[..]), (200, answered.as_bytes()));
    }
    assert!(server.is_empty());
    assert_eq!(server.counts().sources[&SOURCE].accepted.requests, 2);
}

#[tokio::test]
async fn paths_methods_and_types_that_do_not_exist_say_so() {
    let server = Server::http().await;
    let address = server.address();
    let body = traces(1);
    let answer = post(address, "/v1/profiles", PROTOBUF, &[], &body).await;
    assert_eq!(answer.status, 404);
    assert_eq!(Status::decode(&*answer.body).unwrap().code, 12);
    let answer = exchange(address, head("GET", "/v1/traces", &[]).as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    for content in ["text/plain", "application/x-protobuf2", "application/grpc"] {
        let answer = post(address, "/v1/traces", content, &[], &body).await;
        assert_eq!((answer.status, answer.header("content-type")), (415, Some(JSON)));
    }
    for encoding in ["br", "gzip, gzip", "deflate", "\u{7f}"] {
        let headers = [("content-encoding", encoding)];
        let answer = post(address, "/v1/traces", PROTOBUF, &headers, &body).await;
        assert_eq!(answer.status, if encoding == "\u{7f}" { 400 } else { 415 }, "{encoding}");
        if answer.status == 415 {
            assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd"));
        }
    }
    assert_eq!(server.refused(RefuseReason::NotFound).0, 2);
    assert_eq!(server.refused(RefuseReason::MediaType).0, 6);
    assert!(server.is_empty());
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn a_full_queue_makes_senders_wait_and_then_come_back_later() {
    let intake = IntakeConfig { items: 4, ..config() };
    let server = Server::http_with(intake, otlp()).await;
    let body = traces(4);
    let first = post(server.address(), "/v1/traces", PROTOBUF, &[], &body).await;
    assert_eq!(first.status, 200);
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], &body).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3")));
    assert_eq!(Status::decode(&*answer.body).unwrap().code, 14);
    assert_eq!(retry_delay_s(&answer.body), Some(3));
    let answer = post(server.address(), "/v1/traces", JSON, &[], JSON_SPAN.as_bytes()).await;
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(status["details"][0]["retryDelay"], "3s");
    assert_eq!(server.refused(RefuseReason::Busy), (2, 5));

    let held = server.frame();
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], &body).await;
    assert_eq!(answer.status, 503, "room is taken while the frame is held");
    drop(held);
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &[], &body).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_sender_that_waits_is_served_as_soon_as_there_is_room() {
    let intake = IntakeConfig { items: 4, wait: Duration::from_secs(20), ..config() };
    let server = Server::http_with(intake, otlp()).await;
    let body = traces(4);
    post(server.address(), "/v1/traces", PROTOBUF, &[], &body).await;
    let waiting = post(server.address(), "/v1/traces", PROTOBUF, &[], &body);
    let free = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.counts().waiting, 1);
        drop(server.frame());
    };
    let (answer, ()) = tokio::join!(waiting, free);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn requests_need_a_token_where_one_is_asked_for() {
    let tokens = Tokens::new(["right"]);
    let otlp = tailwater_engine::ingest::listen::OtlpConfig {
        security: Security { tokens: Some(tokens), ..Security::default() },
        ..otlp()
    };
    let server = Server::http_with(config(), otlp).await;
    let body = traces(1);
    for shown in ["Bearer wrong", "Basic right", "right", "Bearer ", ""] {
        let headers = [("authorization", shown)];
        let answer = post(server.address(), "/v1/traces", PROTOBUF, &headers, &body).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    }
    let headers = [("authorization", "bearer right")];
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &headers, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.refused(RefuseReason::Unauthenticated), (5, 0));
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = Server::http().await;
    let body = traces(1);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..20 {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = [0; 15];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            rest.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
        }
        drop(server.frame());
    }
    assert_eq!(server.listener.connections().accepted, 1);
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let intake = IntakeConfig { wait: Duration::from_secs(20), ..config() };
    let server = Server::http_with(intake, otlp()).await;
    let body = traces(1);
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    let length = body.len().to_string();
    let headers = [("content-type", PROTOBUF), ("content-length", &*length)];
    slow.write_all(head("POST", "/v1/traces", &headers).as_bytes()).await.unwrap();
    slow.write_all(&body[..10]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let idle = TcpStream::connect(server.address()).await.unwrap();
    let address = server.address();
    let rest = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
        slow.write_all(&body[10..]).await.unwrap();
        crate::support::read_answer(&mut slow).await.unwrap()
    };
    let (cut_off, answer) = tokio::join!(server.listener.stop(Duration::from_secs(10)), rest);
    assert_eq!((cut_off, answer.status), (0, 200));
    drop(idle);
    server.intake.close();
    assert_eq!(server.receiver.recv_timeout(Duration::ZERO).ok().map(|frame| frame.items), Some(1));
    assert!(server.receiver.recv_timeout(Duration::from_secs(1)).is_err());
}
