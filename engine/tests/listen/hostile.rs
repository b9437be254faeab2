//! Senders that lie, stall, go away or flood. A good client is served throughout.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_like::join_all;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tailwater_engine::ingest::listen::{
    BodyPace, ConnectionLimits, ConnectionPace, OtlpConfig, RefuseReason,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    PROTOBUF, SOURCE, Server, config, exchange, gzip, head, otlp, post, read_answer, traces, zstd,
};

/// Waiting for many futures, in order.
mod futures_like {
    pub(super) async fn join_all<F: Future>(all: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        let mut out = Vec::new();
        for one in all {
            out.push(one.await);
        }
        out
    }
}

fn hasty() -> OtlpConfig {
    let pace = ConnectionPace {
        header: Duration::from_millis(200),
        idle: Duration::from_millis(400),
        write: Duration::from_millis(500),
    };
    let body = BodyPace {
        timeout: Duration::from_secs(2),
        grace: Duration::from_millis(200),
        bytes_per_s: 1_000,
    };
    let connections = ConnectionLimits { pace, ..otlp().connections };
    OtlpConfig { connections, body, ..otlp() }
}

/// Sends a request again and again, 32 at a time on one connection.
pub(crate) async fn flood(address: SocketAddr, body: Vec<u8>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let executor = TokioExecutor::new();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = Bytes::from(body);
    let all = (0..32).map(|_| {
        let (mut sender, body) = (sender.clone(), body.clone());
        tokio::spawn(async move {
            loop {
                let request = hyper::Request::post(format!("http://{address}/v1/traces"))
                    .header("content-type", PROTOBUF)
                    .body(Full::new(body.clone()))
                    .unwrap();
                if sender.send_request(request).await.is_err() {
                    return;
                }
            }
        })
    });
    join_all(all.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_request_broken_off_at_any_byte_harms_nobody() {
    let server = Server::http().await;
    let body = traces(1);
    let length = body.len().to_string();
    let headers = [("content-type", PROTOBUF), ("content-length", &*length)];
    let mut whole = head("POST", "/v1/traces", &headers).into_bytes();
    let head_bytes = whole.len();
    whole.extend_from_slice(&body);
    for cut in 0..whole.len() {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(&whole[..cut]).await.unwrap();
        drop(stream);
    }
    server.serves_a_good_client().await;
    server.quiet().await;
    let disconnected = server.refused(RefuseReason::Disconnected).0;
    assert_eq!(disconnected as usize, whole.len() - head_bytes);
    assert!(server.is_empty());
}

#[tokio::test]
async fn a_length_that_lies_is_believed_only_as_bytes_come() {
    let server = Server::http_with(config(), hasty()).await;
    let claimed = (64 << 20).to_string();
    let headers = [("content-type", PROTOBUF), ("content-length", &*claimed)];
    let head_bytes = head("POST", "/v1/traces", &headers).into_bytes();
    let mut liars = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(&head_bytes).await.unwrap();
        stream.write_all(&traces(1)).await.unwrap();
        liars.push(stream);
    }
    let mut most = 0;
    for _ in 0..10 {
        most = most.max(server.counts().reading_bytes);
        server.serves_a_good_client().await;
    }
    assert!(most > 0 && most <= 100 * 65_536, "{most}");
    for stream in &mut liars {
        let answer = read_answer(stream).await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    }
    server.quiet().await;
    assert_eq!(server.refused(RefuseReason::TooSlow).0, 100);

    // Shorter than the body: what follows is no request.
    let headers = [("content-type", PROTOBUF), ("content-length", "4")];
    let mut bytes = head("POST", "/v1/traces", &headers).into_bytes();
    bytes.extend_from_slice(&traces(1));
    assert_eq!(exchange(server.address(), &bytes).await.unwrap().status, 400);
    for length in ["-1", "1, 2", "99999999999999999999999", "x"] {
        let headers = [("content-type", PROTOBUF), ("content-length", length)];
        let bytes = head("POST", "/v1/traces", &headers).into_bytes();
        assert_eq!(exchange(server.address(), &bytes).await.unwrap().status, 400, "{length}");
    }
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_by_its_length_and_by_its_bytes() {
    let server = Server::http().await;
    let length = ((64 << 20) + 1).to_string();
    let headers = [("content-type", PROTOBUF), ("content-length", &*length)];
    let bytes = head("POST", "/v1/traces", &headers).into_bytes();
    assert_eq!(exchange(server.address(), &bytes).await.unwrap().status, 413);

    let headers = [("content-type", PROTOBUF), ("transfer-encoding", "chunked")];
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("POST", "/v1/traces", &headers).as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n".to_vec(), vec![0; 1 << 20], b"\r\n".to_vec()].concat();
    for _ in 0..66 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let answer = read_answer(&mut stream).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (413, None));
    server.quiet().await;
    assert_eq!(server.refused(RefuseReason::TooLarge).0, 2);
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn bombs_are_stopped_while_they_grow() {
    let server = Server::http().await;
    let zeros = vec![0; 256 << 20];
    let nested = gzip(&gzip(&zeros));
    let many_members = gzip(b"").repeat(20_000);
    let members = gzip(&zeros[..1 << 20]).repeat(256);
    let mut wide_window = zstd::Encoder::new(Vec::new(), 1).unwrap();
    wide_window.window_log(27).unwrap();
    std::io::Write::write_all(&mut wide_window, &zeros[..200 << 20]).unwrap();
    let wide_window = wide_window.finish().unwrap();
    for (encoding, body, expected) in [
        ("gzip", gzip(&zeros), 413),
        ("zstd", zstd(&zeros), 413),
        ("gzip", members, 413),
        ("gzip", nested, 400),
        ("gzip", many_members, 400),
        ("zstd", wide_window.clone(), 400),
        ("gzip", zstd(&traces(1)), 400),
        ("zstd", gzip(&traces(1)), 400),
        ("gzip", gzip(&traces(9))[..60].to_vec(), 400),
        ("gzip", traces(1), 400),
        ("gzip", Vec::new(), 400),
        ("identity", gzip(&traces(1)), 400),
    ] {
        let start = Instant::now();
        let headers = [("content-encoding", encoding)];
        let answer = post(server.address(), "/v1/traces", PROTOBUF, &headers, &body).await;
        assert_eq!(answer.status, expected, "{encoding}, {} bytes", body.len());
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
    // What is wrong with a window that is too wide is no damage, and can be changed.
    let headers = [("content-encoding", "zstd")];
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &headers, &wide_window).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(answer.status == 400 && text.contains("at most 8 MiB"), "{text}");
    // 200 times its size and above 1 MiB is too much even where it would be a small message.
    let flat = zstd(&zeros[..8 << 20]);
    assert!(flat.len() * 200 < 8 << 20);
    let headers = [("content-encoding", "zstd")];
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &headers, &flat).await;
    assert_eq!(answer.status, 413);
    server.quiet().await;
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn a_slow_head_ends_and_an_idle_connection_later() {
    let server = Server::http_with(config(), hasty()).await;
    let start = Instant::now();
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    let mut buffer = [0; 1_000];
    for byte in b"POST /v1/traces HTTP/1.1\r\n" {
        if slow.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(slow.read(&mut buffer).await, Ok(0) | Err(_)), "it was closed");
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(idle.read(&mut buffer).await.unwrap_or(0), 0);
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    server.serves_a_good_client().await;
    // A kept connection may be idle for longer than a head may take.
    let body = traces(1);
    let mut kept = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..2 {
        kept.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        let read = kept.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off() {
    let server = Server::http_with(config(), hasty()).await;
    let headers = [("content-type", PROTOBUF), ("content-length", "100000")];
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("POST", "/v1/traces", &headers).as_bytes()).await.unwrap();
    let start = Instant::now();
    let (mut read, mut write) = stream.split();
    let trickle = async {
        loop {
            if write.write_all(b"x").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        () = trickle => panic!("it is told first"),
        read = read.read_exact(&mut answer) => { read.unwrap(); }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let limits = ConnectionLimits { connections: 64, per_peer: 1_000, ..otlp().connections };
    let server = Server::http_with(config(), OtlpConfig { connections: limits, ..otlp() }).await;
    let mut idle = Vec::new();
    for round in 0..400 {
        idle.push(TcpStream::connect(server.address()).await.unwrap());
        if round % 50 == 0 {
            server.serves_a_good_client().await;
        }
    }
    server.serves_a_good_client().await;
    let counts = server.listener.connections();
    assert!(counts.open <= 128, "{counts:?}");
    assert!(counts.made_room >= 300, "{counts:?}");
    assert_eq!(counts.turned_away, 0);
}

#[tokio::test]
async fn busy_connections_do_not_make_room() {
    let limits = ConnectionLimits { connections: 64, per_peer: 4, ..otlp().connections };
    let server = Server::http_with(config(), OtlpConfig { connections: limits, ..otlp() }).await;
    let headers = [("content-type", PROTOBUF), ("content-length", "100")];
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head("POST", "/v1/traces", &headers).as_bytes()).await.unwrap();
        busy.push(stream);
    }
    while server.counts().sources.get(&SOURCE).map(|source| source.under_way) != Some(4) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut fifth = TcpStream::connect(server.address()).await.unwrap();
    assert!(matches!(fifth.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert_eq!(server.listener.connections().turned_away, 1);
    drop(busy);
    server.quiet().await;
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn heads_have_bounds() {
    let server = Server::http().await;
    let long = "x".repeat(17_000);
    for headers in [
        vec![("content-type", PROTOBUF), ("content-length", "0"), ("x-long", &*long)],
        vec![("x-many", "1"); 101],
    ] {
        let bytes = head("POST", "/v1/traces", &headers).into_bytes();
        assert_eq!(exchange(server.address(), &bytes).await.unwrap().status, 431);
    }
    let endless = [b"POST /v1/traces HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 200_000]].concat();
    let answer = exchange(server.address(), &endless).await;
    assert!(answer.is_none_or(|answer| answer.status == 431));
    for nonsense in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", &[0; 64]]
    {
        let answer = exchange(server.address(), &[nonsense, b"\r\n\r\n"].concat()).await;
        assert!(answer.is_none_or(|answer| answer.status == 400));
    }
    server.serves_a_good_client().await;
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// `POST`, `http`, `/`, and the authority `a`, in HPACK.
pub(crate) const POST_HEAD: &[u8] = &[0x83, 0x86, 0x84, 0x01, 0x01, b'a'];

/// Writes bytes again and again until the server ends the connection.
async fn is_ended_by(address: SocketAddr, make: impl Fn(u32) -> Vec<u8>) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, b"")].concat()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let writing = async {
        for round in 0..200_000 {
            if write.write_all(&make(2 * round + 1)).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut buffer = [0; 4_096];
        while !matches!(read.read(&mut buffer).await, Ok(0) | Err(_)) {}
    };
    let both = async {
        tokio::select! { () = writing => {}, () = reading => {} }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_end_their_connection() {
    for server in [Server::http().await, Server::grpc().await] {
        let address = server.address();
        let resets = |stream| {
            [frame(1, 4, stream, POST_HEAD), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
        };
        assert!(is_ended_by(address, resets).await, "streams opened and reset");
        let errors = |stream| {
            let window = frame(8, 0, stream, &0_u32.to_be_bytes());
            [frame(1, 4, stream, POST_HEAD), window].concat()
        };
        assert!(is_ended_by(address, errors).await, "streams that the server has to reset");
        let continuation = |stream| match stream {
            1 => frame(1, 0, 1, POST_HEAD),
            _ => {
                frame(9, 0, 1, &[&[0x00, 0x01, b'x', 0x7f, 0x81, 0x01][..], &[b'y'; 256]].concat())
            }
        };
        assert!(is_ended_by(address, continuation).await, "a head without end");
        let counts = server.counts();
        assert!(counts.reading_bytes <= 128 << 20);
    }
    let server = Server::http().await;
    let empty_data = |stream| match stream {
        1 => frame(1, 4, 1, POST_HEAD),
        _ => frame(0, 0, 1, b"").repeat(100),
    };
    is_ended_by(server.address(), empty_data).await;
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn gzip_of_empty_members_is_quick() {
    let server = Server::http().await;
    let body = [gzip(b"").repeat(10_000), gzip(&traces(3))].concat();
    let headers = [("content-encoding", "gzip")];
    let start = Instant::now();
    let answer = post(server.address(), "/v1/traces", PROTOBUF, &headers, &body).await;
    assert_eq!(answer.status, 200);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(server.frame().items, 3);
}
