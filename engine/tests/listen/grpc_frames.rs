//! Calls of gRPC whose frames lie: about lengths, about compression, about how many there are.
//!
//! Each gets the status that gRPC's documents give it, with a text that says what was found;
//! nothing of it reaches the queue, and a good client on the same connection is served after it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::header::HeaderMap;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tailwater_engine::ingest::listen::{BodyPace, OtlpConfig, RefuseReason};
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::{Server, Status, config, gzip, otlp, traces};

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A connection that sends calls with any bytes as their bodies.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

/// How a call ended.
#[derive(Debug)]
struct Ended {
    code: Code,
    message: String,
    details: Option<Status>,
}

impl Client {
    async fn to(server: &Server) -> Self {
        let address = server.address();
        let stream = TcpStream::connect(address).await.unwrap();
        let executor = TokioExecutor::new();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, address }
    }

    async fn call(&mut self, headers: &[(&str, &str)], body: Vec<u8>) -> Ended {
        let mut request = hyper::Request::post(format!("http://{}{TRACES}", self.address))
            .header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut all: HeaderMap = response.headers().clone();
        let body = response.into_body().collect().await.unwrap();
        all.extend(body.trailers().cloned().unwrap_or_default());
        let status = tonic::Status::from_header_map(&all).unwrap();
        let details = (!status.details().is_empty())
            .then(|| prost::Message::decode(status.details()).unwrap());
        Ended { code: status.code(), message: status.message().to_owned(), details }
    }
}

fn framed(flag: u8, length: usize, message: &[u8]) -> Vec<u8> {
    let mut body = vec![flag];
    body.extend_from_slice(&(length as u32).to_be_bytes());
    body.extend_from_slice(message);
    body
}

fn good() -> Vec<u8> {
    let message = traces(3);
    framed(0, message.len(), &message)
}

/// A call with this body ends with this code and a text that holds these words; afterwards the same
/// connection and another one are served.
async fn ends_with(headers: &[(&str, &str)], body: Vec<u8>, code: Code, words: &str) {
    let server = Server::grpc().await;
    let mut client = Client::to(&server).await;
    let ended = client.call(headers, body).await;
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.message.contains(words), "{ended:?}");
    let details = ended.details.expect("a google.rpc.Status");
    assert_eq!((details.code, &details.message), (code as i32, &ended.message));
    assert!(server.is_empty(), "nothing of it was taken");
    assert_eq!(server.counts().sources.values().map(|s| s.accepted.items).sum::<u64>(), 0);
    for client in [&mut client, &mut Client::to(&server).await] {
        assert_eq!(client.call(&[], good()).await.code, Code::Ok);
        assert_eq!(server.frame().items, 3);
    }
    server.quiet().await;
}

#[tokio::test]
async fn a_length_beyond_the_body() {
    let message = traces(3);
    let words =
        format!("of {} bytes, as its length says, found {}", message.len() + 1, message.len());
    let body = framed(0, message.len() + 1, &message);
    ends_with(&[], body, Code::Internal, &words).await;
    let body = framed(0, 64 << 20, &message);
    ends_with(&[], body, Code::Internal, "of 67108864 bytes, as its length says").await;
    ends_with(&[], framed(0, 1, b""), Code::Internal, "found 0").await;
}

#[tokio::test]
async fn a_length_beyond_what_is_taken_is_refused_at_once() {
    let body = framed(0, (64 << 20) + 1, &traces(3));
    ends_with(&[], body, Code::ResourceExhausted, "send smaller batches").await;
    let body = framed(0, u32::MAX as usize, b"");
    ends_with(&[], body, Code::ResourceExhausted, "send smaller batches").await;
}

#[tokio::test]
async fn a_length_short_of_the_message() {
    // The next byte is read as the flag of a second message: it is none.
    let message = traces(3);
    for length in 1..message.len() {
        if message[length] > 1 {
            let body = framed(0, length, &message);
            ends_with(&[], body, Code::Internal, "a length is wrong").await;
            break;
        }
    }
    ends_with(&[], framed(0, 0, &[0x0a, 0]), Code::Internal, "found 10").await;
}

#[tokio::test]
async fn less_than_a_prefix() {
    for length in 1..5 {
        let body = good()[..length].to_vec();
        ends_with(&[], body, Code::Internal, &format!("found {length}")).await;
    }
}

#[tokio::test]
async fn a_message_without_its_prefix() {
    ends_with(&[], traces(3), Code::Internal, "this is no gRPC message").await;
}

#[tokio::test]
async fn a_flag_that_means_nothing() {
    for flag in [2, 0x80, 0xff] {
        let body = framed(flag, 4, b"abcd");
        ends_with(&[], body, Code::Internal, &format!("found {flag}")).await;
    }
}

#[tokio::test]
async fn compressed_without_saying_how() {
    let message = gzip(&traces(3));
    let body = framed(1, message.len(), &message);
    ends_with(&[], body.clone(), Code::Internal, "expected `grpc-encoding`").await;
    let identity = [("grpc-encoding", "identity")];
    ends_with(&identity, body, Code::Internal, "expected `grpc-encoding`").await;
}

#[tokio::test]
async fn compressed_another_way_than_said() {
    let message = gzip(&traces(3));
    let zstd = [("grpc-encoding", "zstd")];
    let body = framed(1, message.len(), &message);
    ends_with(&zstd, body, Code::InvalidArgument, "expected compressed data").await;
    let plain = traces(3);
    let body = framed(1, plain.len(), &plain);
    ends_with(&zstd, body, Code::InvalidArgument, "expected compressed data").await;
}

#[tokio::test]
async fn an_encoding_that_is_not_known() {
    let brotli = [("grpc-encoding", "br")];
    ends_with(&brotli, good(), Code::Unimplemented, "expected the encoding").await;
}

#[tokio::test]
async fn no_message_or_several() {
    ends_with(&[], Vec::new(), Code::Unimplemented, "found none").await;
    let two = [good(), good()].concat();
    ends_with(&[], two, Code::Unimplemented, "found more after it").await;
    let empty_ones = framed(0, 0, &framed(0, 0, b""));
    ends_with(&[], empty_ones, Code::Unimplemented, "found more after it").await;
}

#[tokio::test]
async fn bytes_after_the_message() {
    let garbage = [good(), b"\xde\xad".to_vec()].concat();
    ends_with(&[], garbage, Code::Internal, "found 222").await;
    let zero = [good(), vec![0]].concat();
    ends_with(&[], zero, Code::Unimplemented, "found more after it").await;
}

/// A sender that promises more and stays: its call ends in time, and others never wait for it.
#[tokio::test]
async fn a_length_that_never_comes_ends_in_time() {
    let body = BodyPace {
        timeout: Duration::from_secs(1),
        grace: Duration::from_millis(200),
        bytes_per_s: 1_000,
    };
    let server = Server::grpc_with(config(), OtlpConfig { body, ..otlp() }).await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let executor = TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (pieces, body) = tokio::sync::mpsc::channel(2);
    let request = hyper::Request::post(format!("http://{}{TRACES}", server.address()))
        .header("content-type", "application/grpc")
        .body(Pieces(body))
        .unwrap();
    pieces.send(Bytes::from(framed(0, 1_000, b"abc"))).await.unwrap();
    let answer = tokio::spawn(async move { sender.send_request(request).await });
    let mut others = Client::to(&server).await;
    assert_eq!(others.call(&[], good()).await.code, Code::Ok);
    let response = answer.await.unwrap().unwrap();
    assert_eq!(response.headers()["grpc-status"], "4");
    drop(pieces);
    server.quiet().await;
    assert_eq!(server.refused(RefuseReason::TooSlow), (1, 0));
    assert_eq!(others.call(&[], good()).await.code, Code::Ok);
}

/// A body that comes as it is sent.
struct Pieces(tokio::sync::mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(hyper::body::Frame::data(piece))))
    }
}

/// The same message is taken however it is cut into frames of HTTP/2.
#[tokio::test]
async fn a_message_may_be_cut_anywhere() {
    let server = Server::grpc().await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let executor = TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let whole = Bytes::from(good());
    for cut in 0..whole.len() {
        let (pieces, body) = tokio::sync::mpsc::channel(2);
        let request = hyper::Request::post(format!("http://{}{TRACES}", server.address()))
            .header("content-type", "application/grpc")
            .body(Pieces(body))
            .unwrap();
        pieces.send(whole.slice(..cut)).await.unwrap();
        pieces.send(whole.slice(cut..)).await.unwrap();
        drop(pieces);
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0", "{cut}");
        assert_eq!(server.frame().items, 3);
    }
}
