//! Each limit of a connection at its edge: what is just within it is taken, one more is not; and
//! that each is on without being asked for.

use std::net::SocketAddr;
use std::time::Duration;

use prost::Message;
use tailwater_engine::ingest::listen::{ConnectionLimits, OtlpConfig};
use tailwater_engine::limits::{
    GZIP_MEMBERS_MAX, HEADER_BYTES_MAX, HEADER_FIELDS_MAX, MESSAGE_BYTES_MAX, RATIO_FREE_BYTES,
    RATIO_MAX, STREAM_RESETS_MAX, STREAMS_MAX, ZSTD_WINDOW_LOG_MAX,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::hostile::{POST_HEAD, PREFACE, frame};
use crate::support::{
    PROTOBUF, Server, any_port, config, exchange, gzip, head, otlp, post, trace_request, traces,
};

/// A request of one span with exactly so many bytes.
fn of_bytes(bytes: usize) -> Vec<u8> {
    let mut request = trace_request(1);
    let mut fill = |length: usize| {
        request.resource_spans[0].scope_spans[0].spans[0].name = "x".repeat(length);
        request.encode_to_vec()
    };
    let beyond = fill(bytes).len() - bytes;
    let whole = fill(bytes - beyond);
    assert_eq!(whole.len(), bytes);
    whole
}

/// As small as gzip makes it.
fn gzip_well(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same in gzip, in a member whose head is filled up to so many bytes in all.
fn gzip_of_bytes(whole: &[u8], bytes: usize) -> Vec<u8> {
    let plain = gzip_well(whole);
    let extra = bytes - plain.len() - 2;
    let mut padded = plain[..10].to_vec();
    padded[3] |= 4; // a field of its own stands behind the head
    padded.extend_from_slice(&(extra as u16).to_le_bytes());
    padded.extend(std::iter::repeat_n(0, extra));
    padded.extend_from_slice(&plain[10..]);
    assert_eq!(padded.len(), bytes);
    padded
}

async fn status(server: &Server, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    let answer = post(server.address(), "/v1/traces", PROTOBUF, headers, body).await;
    while !server.is_empty() {}
    answer.status
}

const GZIP: &[(&str, &str)] = &[("content-encoding", "gzip")];

#[tokio::test]
async fn a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not() {
    let server = Server::http().await;
    for (bytes, expected) in
        [(MESSAGE_BYTES_MAX - 1, 200), (MESSAGE_BYTES_MAX, 200), (MESSAGE_BYTES_MAX + 1, 413)]
    {
        let body = of_bytes(bytes);
        assert_eq!(status(&server, &[], &body).await, expected, "{bytes} bytes");
        // Compressed by less than the ratio, so that the size alone decides.
        let packed = gzip_in_members(&body);
        assert!(packed.len() * RATIO_MAX > 2 * body.len());
        assert_eq!(status(&server, GZIP, &packed).await, expected, "{bytes} bytes in gzip");
    }
}

/// In members of their own, which cost a head each: no more than 60 times as small.
fn gzip_in_members(body: &[u8]) -> Vec<u8> {
    body.chunks(16 * 1_024).flat_map(|piece| gzip_of_bytes(piece, 300)).collect()
}

#[tokio::test]
async fn a_ratio_counts_from_a_size_on_and_up_to_its_bound() {
    let server = Server::http().await;
    let free = of_bytes(RATIO_FREE_BYTES);
    let packed = gzip_well(&free);
    assert!(packed.len() * RATIO_MAX < free.len(), "beyond the ratio");
    assert_eq!(status(&server, GZIP, &packed).await, 200);
    assert_eq!(status(&server, GZIP, &gzip_well(&of_bytes(RATIO_FREE_BYTES + 1))).await, 413);

    let large = of_bytes(2_000 * RATIO_MAX * 5);
    let bound = large.len() / RATIO_MAX;
    for (bytes, expected) in [(bound - 1, 413), (bound, 200), (bound + 1, 200)] {
        let body = gzip_of_bytes(&large, bytes);
        assert_eq!(status(&server, GZIP, &body).await, expected, "{bytes} of {}", large.len());
    }
}

#[tokio::test]
async fn gzip_has_so_many_members_and_zstd_so_wide_a_window() {
    let server = Server::http().await;
    let whole = traces(1);
    for (members, expected) in [(GZIP_MEMBERS_MAX, 200), (GZIP_MEMBERS_MAX + 1, 400)] {
        let body = [gzip(b"").repeat(members - 1), gzip(&whole)].concat();
        assert_eq!(status(&server, GZIP, &body).await, expected, "{members} members");
    }
    for (window_log, expected) in [(ZSTD_WINDOW_LOG_MAX, 200), (ZSTD_WINDOW_LOG_MAX + 1, 400)] {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        std::io::Write::write_all(&mut encoder, &whole).unwrap();
        let body = encoder.finish().unwrap();
        let headers = [("content-encoding", "zstd")];
        assert_eq!(status(&server, &headers, &body).await, expected, "2^{window_log}");
    }
}

#[tokio::test]
async fn a_head_has_so_many_bytes_and_fields() {
    let server = Server::http().await;
    let body = traces(1);
    let length = body.len().to_string();
    let own = [("content-type", PROTOBUF), ("content-length", &*length)];
    let send = async |fields: &[(&str, &str)]| {
        let all = [&own[..], fields].concat();
        let mut bytes = head("POST", "/v1/traces", &all).into_bytes();
        bytes.extend_from_slice(&body);
        let answer = exchange(server.address(), &bytes).await.unwrap();
        while !server.is_empty() {}
        answer.status
    };
    // What `head` and `own` hold of names and values: host, connection, and two more.
    let fixed = [("host", "localhost"), ("connection", "close")];
    let held: usize = fixed.iter().chain(&own).map(|(name, value)| name.len() + value.len()).sum();
    for (bytes, expected) in [(HEADER_BYTES_MAX, 200), (HEADER_BYTES_MAX + 1, 431)] {
        let value = "x".repeat(bytes - held - "x-long".len());
        assert_eq!(send(&[("x-long", &value)]).await, expected, "{bytes} bytes");
    }
    for (fields, expected) in [(HEADER_FIELDS_MAX, 200), (HEADER_FIELDS_MAX + 1, 431)] {
        let many = vec![("x-many", "1"); fields - fixed.len() - own.len()];
        assert_eq!(send(&many).await, expected, "{fields} fields");
    }
}

/// The settings that a server begins with: identifier, value.
async fn settings(address: SocketAddr) -> Vec<(u16, u32)> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, b"")].concat()).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "settings come first");
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    stream.read_exact(&mut body).await.unwrap();
    let number = |at: &[u8]| u32::from_be_bytes([at[2], at[3], at[4], at[5]]);
    body.chunks(6).map(|one| (u16::from_be_bytes([one[0], one[1]]), number(one))).collect()
}

#[tokio::test]
async fn streams_and_heads_of_http2_are_bounded_without_being_asked_for() {
    for server in [Server::http().await, Server::grpc().await] {
        let settings = settings(server.address()).await;
        assert!(settings.contains(&(3, STREAMS_MAX)), "{settings:?}");
        assert!(settings.contains(&(6, HEADER_BYTES_MAX as u32)), "{settings:?}");
    }
}

/// Opens and resets so many streams in one write; whether the server ends the connection for it.
async fn resets_end_it(address: SocketAddr, resets: usize) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = [PREFACE, &frame(4, 0, 0, b"")].concat();
    for number in 0..resets as u32 {
        bytes.extend(frame(1, 4, 2 * number + 1, POST_HEAD));
        bytes.extend(frame(3, 0, 2 * number + 1, &8_u32.to_be_bytes()));
    }
    bytes.extend(frame(6, 0, 0, b"12345678")); // a ping, which only a live connection answers
    stream.write_all(&bytes).await.unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return true,
            Ok(read) => heard.extend_from_slice(&buffer[..read]),
        }
        if heard.windows(8).any(|window| window == b"12345678") {
            return false;
        }
    }
}

#[tokio::test]
async fn so_many_streams_may_be_reset_before_they_are_looked_at() {
    let server = Server::http().await;
    assert!(!resets_end_it(server.address(), STREAM_RESETS_MAX).await);
    assert!(resets_end_it(server.address(), 10 * STREAM_RESETS_MAX).await);
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn the_last_connection_is_served_and_one_more_is_turned_away() {
    let limits = ConnectionLimits { connections: 3, per_peer: 3, ..otlp().connections };
    let server = Server::http_with(config(), OtlpConfig { connections: limits, ..otlp() }).await;
    let headers = [("content-type", PROTOBUF), ("content-length", "100")];
    let busy = async || {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head("POST", "/v1/traces", &headers).as_bytes()).await.unwrap();
        stream
    };
    let under_way = || server.counts().sources.values().map(|source| source.under_way).sum::<u64>();
    let held = [busy().await, busy().await];
    while under_way() != 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.serves_a_good_client().await; // the third one
    let third = busy().await;
    while under_way() != 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut fourth = busy().await;
    assert!(matches!(fourth.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert_eq!(server.listener.connections().turned_away, 1);
    drop((held, third));
    server.quiet().await;
    server.serves_a_good_client().await;
}

#[tokio::test]
async fn every_limit_is_on_without_being_asked_for() {
    let usual = OtlpConfig::new(any_port(), crate::support::SOURCE);
    let limits = usual.connections;
    assert_eq!((limits.connections, limits.per_peer), (1_024, 512));
    let seconds = [limits.pace.header, limits.pace.idle, usual.body.timeout, usual.body.grace];
    assert_eq!(seconds.map(|time| time.as_secs()), [5, 60, 30, 5]);
    assert_eq!(usual.body.bytes_per_s, 1_024);
    assert_eq!((MESSAGE_BYTES_MAX, RATIO_MAX, RATIO_FREE_BYTES), (64 << 20, 200, 1 << 20));
    assert_eq!((STREAMS_MAX, STREAM_RESETS_MAX), (128, 20));
    assert_eq!(tailwater_engine::limits::STREAM_ERRORS_MAX, 64);
    assert_eq!((HEADER_BYTES_MAX, HEADER_FIELDS_MAX), (16 << 10, 100));
    assert_eq!(tailwater_engine::limits::LINE_BYTES_MAX, 64 << 10);
    assert_eq!(tailwater_engine::limits::LINE_CONNECTIONS_MAX, 100);
}
