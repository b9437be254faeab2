//! The line protocol over TCP and on a Unix socket.

use std::time::{Duration, Instant};

use tailwater_engine::ingest::listen::{
    Address, Intake, IntakeConfig, LinesConfig, RefuseReason, Security, Tokens, listen_lines,
};
use tailwater_engine::model::{Compression, PayloadFormat};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use crate::support::{SOURCE, Server, any_port, config};

const LINE: &str = r#"{"v":1,"src":"a","ts":5,"type":"event","data":{"level":"info","msg":"m"}}"#;

fn lines() -> LinesConfig {
    LinesConfig::new(Address::Tcp(any_port()), SOURCE)
}

async fn server(intake: IntakeConfig, lines: LinesConfig) -> Server {
    let (intake, receiver) = Intake::new(intake).unwrap();
    Server { listener: listen_lines(lines, &intake).await.unwrap(), receiver, intake }
}

/// All frames until so many lines came, as one text.
async fn text_of(server: &Server, lines: u64) -> String {
    let (mut text, mut found) = (String::new(), 0);
    let start = Instant::now();
    while found < lines {
        assert!(start.elapsed() < Duration::from_secs(10), "{found} of {lines}");
        match server.receiver.recv_timeout(Duration::ZERO) {
            Ok(accepted) => {
                assert_eq!(accepted.frame.format, PayloadFormat::Lines);
                assert_eq!(accepted.frame.compression, Compression::None);
                assert!(accepted.frame.arrival_ns.is_some());
                found += accepted.items;
                text.push_str(std::str::from_utf8(&accepted.frame.payload).unwrap());
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    assert_eq!(found, lines);
    text
}

#[tokio::test]
async fn lines_become_frames() {
    let server = server(config(), lines()).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let text = format!("{LINE}\n").repeat(10_000);
    let sending = async {
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let ((), found) = tokio::join!(sending, text_of(&server, 10_000));
    assert_eq!(found, text);
    let accepted = server.counts().sources[&SOURCE].accepted;
    assert!(accepted.requests < 1_000, "lines are gathered: {accepted:?}");
}

#[tokio::test]
async fn a_line_alone_arrives_within_milliseconds() {
    let server = server(config(), lines()).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    for _ in 0..5 {
        stream.write_all(format!("{LINE}\n").as_bytes()).await.unwrap();
        text_of(&server, 1).await;
    }
}

#[tokio::test]
async fn broken_and_oversized_lines_are_counted_and_the_rest_goes_on() {
    let server = server(config(), lines()).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let long = "x".repeat(200_000);
    let text = format!("{LINE}\nnonsense\n{long}\n{LINE}\n{{\"v\":2}}\n\u{0}\n{LINE}\n{{\"v\":1,");
    stream.write_all(text.as_bytes()).await.unwrap();
    drop(stream);
    // What looks like an object is for the decoder to judge, where nobody is told of it.
    let taken = format!("{LINE}\n{LINE}\n{{\"v\":2}}\n{LINE}\n");
    assert_eq!(text_of(&server, 4).await, taken);
    server.quiet().await;
    assert_eq!(server.refused(RefuseReason::Undecodable), (0, 3));
    assert_eq!(server.refused(RefuseReason::TooLarge), (0, 1));
}

#[tokio::test]
async fn where_acks_are_asked_for_every_line_is_checked_before_it_is_taken() {
    let server = server(config(), LinesConfig { acks: true, ..lines() }).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let text = format!("{LINE}\n{{\"v\":2}}\n{LINE}\n{{\"v\":1,\"src\":\"a\"}}\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(text_of(&server, 2).await, format!("{LINE}\n").repeat(2));
    server.quiet().await;
    assert_eq!(server.refused(RefuseReason::Undecodable), (0, 2));
}

#[tokio::test]
async fn who_speaks_http_is_told_which_port_is_meant() {
    let tokens = Security { tokens: Some(Tokens::new(["right"])), ..Security::default() };
    for security in [Security::default(), tokens] {
        let server = server(config(), LinesConfig { security, ..lines() }).await;
        let said = async |request: &[u8]| {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        };
        let body = "x".repeat(100_000);
        let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
        let answer = said(format!("{head}{body}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
        assert!(answer.ends_with("usually 4318\n"), "{answer}");
        let answer = said(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(answer.contains("usually 4317"), "{answer}");
        server.quiet().await;
        assert_eq!(server.refused(RefuseReason::MediaType), (2, 0));
        assert_eq!(server.refused(RefuseReason::Undecodable), (0, 0));
        assert!(server.receiver.recv_timeout(Duration::ZERO).is_err(), "nothing is taken");
    }
}

#[tokio::test]
async fn acks_count_since_the_connection_began() {
    let intake = IntakeConfig { items: 4, ..config() };
    let server = server(intake, LinesConfig { acks: true, ..lines() }).await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut acks = BufReader::new(read).lines();
    write.write_all(format!("{LINE}\nbad\n{LINE}\n").as_bytes()).await.unwrap();
    let ack = acks.next_line().await.unwrap().unwrap();
    assert_eq!(ack, r#"{"v":1,"type":"ack","lines":3,"taken":2,"refused":1}"#);
    write.write_all(format!("{LINE}\n{LINE}\n{LINE}\n").as_bytes()).await.unwrap();
    let ack = acks.next_line().await.unwrap().unwrap();
    let busy = r#""lines":6,"taken":2,"refused":4,"reason":"busy","retry_after_ms":3000}"#;
    assert_eq!(ack, format!(r#"{{"v":1,"type":"ack",{busy}"#));
    assert_eq!(acks.next_line().await.unwrap_or_default(), None, "it ends there");
    assert_eq!(server.refused(RefuseReason::Busy), (1, 3));
}

#[tokio::test]
async fn a_unix_socket_speaks_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.sock");
    let config_of = || LinesConfig { address: Address::Unix(path.clone()), ..lines() };
    let first = server(config(), config_of()).await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(format!("{LINE}\n").as_bytes()).await.unwrap();
    text_of(&first, 1).await;
    let (intake, _receiver) = Intake::new(config()).unwrap();
    let error = listen_lines(config_of(), &intake).await.err().unwrap();
    assert!(error.to_string().contains("lines.sock"), "{error}");
    drop(first.listener); // without an orderly end the file stays
    while UnixStream::connect(&path).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = server(config(), config_of()).await;
    UnixStream::connect(&path).await.unwrap();
    second.listener.stop(Duration::from_secs(1)).await;
    assert!(!path.exists());
    std::fs::write(&path, "a file of somebody's").unwrap();
    assert!(listen_lines(config_of(), &intake).await.is_err());
    assert!(path.exists());
}

#[tokio::test]
async fn a_connection_needs_a_token_where_one_is_asked_for() {
    let config_of = LinesConfig {
        security: Security { tokens: Some(Tokens::new(["right"])), ..Security::default() },
        acks: true,
        ..lines()
    };
    let server = server(config(), config_of).await;
    let mut wrong = TcpStream::connect(server.address()).await.unwrap();
    wrong.write_all(format!("{LINE}\n{LINE}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    drop(wrong.read_to_string(&mut answer).await);
    assert!(answer.is_empty() || answer.contains("unauthenticated"), "{answer}");
    assert_eq!(server.refused(RefuseReason::Unauthenticated), (1, 0));
    let mut right = TcpStream::connect(server.address()).await.unwrap();
    right.write_all(format!("Bearer right\n{LINE}\n").as_bytes()).await.unwrap();
    text_of(&server, 1).await;
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let mut config_of = lines();
    config_of.connections.pace.idle = Duration::from_millis(100);
    let server = server(config(), config_of).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(format!("{LINE}\n{{\"v\":1,").as_bytes()).await.unwrap();
    let mut byte = [0; 1];
    assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
    text_of(&server, 1).await;
    server.quiet().await;
    assert_eq!(server.refused(RefuseReason::Disconnected), (0, 1));
}

#[tokio::test]
async fn stopping_takes_the_lines_that_came() {
    let server = server(config(), LinesConfig { gather: Duration::from_secs(9), ..lines() }).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(format!("{LINE}\n{LINE}\n").as_bytes()).await.unwrap();
    while server.listener.connections().open == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.listener.stop(Duration::from_secs(5)).await, 0);
    assert_eq!(
        server.receiver.recv_timeout(Duration::ZERO).ok().map(|accepted| accepted.items),
        Some(2)
    );
}
