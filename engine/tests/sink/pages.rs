//! The page server: what is answered to whom, and that nobody keeps others from being served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tailwater_engine::limits::PAGE_CONNECTIONS_MAX;
use tailwater_engine::sink::pages::{MakePage, Page, PageServer};
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn pages() -> MakePage {
    Arc::new(|path, accept| {
        let text = match path {
            "/short" => format!("accept: {accept}\n"),
            "/long" => "line\n".repeat(10_000),
            _ => return None,
        };
        Some(Page { status: 200, content_type: "text/plain", body: text.into() })
    })
}

fn start(runtime: &Runtime) -> PageServer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    runtime.block_on(PageServer::start(any, pages())).unwrap()
}

fn ask(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is no less an answer.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn get(address: SocketAddr, path: &str, headers: &str) -> Vec<u8> {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"))
}

fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}

#[test]
fn a_page_is_answered_and_nothing_else() {
    let runtime = runtime();
    let server = start(&runtime);
    let short = text(&get(server.address(), "/short", "accept: a/b\r\naccept: c/d\r\n"));
    assert!(short.starts_with("HTTP/1.1 200"), "{short}");
    assert!(short.ends_with("accept: a/b,c/d\n"), "{short}");
    let none = text(&get(server.address(), "/../etc/passwd", ""));
    assert!(none.starts_with("HTTP/1.1 404"), "{none}");
    let post = "POST /short HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let post = text(&ask(server.address(), post));
    assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD"), "{post}");
    let head = "HEAD /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let head = text(&ask(server.address(), head));
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let junk = text(&ask(server.address(), "\u{0}\u{1}\u{2} junk\r\n\r\n"));
    assert!(!junk.starts_with("HTTP/1.1 200"), "{junk}");
}

#[test]
fn a_long_page_is_packed_for_those_who_take_it() {
    let runtime = runtime();
    let server = start(&runtime);
    let answer = get(server.address(), "/long", "accept-encoding: gzip\r\n");
    assert!(text(&answer).contains("content-encoding: gzip"));
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&answer[at..]).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, "line\n".repeat(10_000));
    assert!(!text(&get(server.address(), "/long", "")).contains("content-encoding"));
}

#[test]
fn slow_heads_and_long_heads_keep_nobody_else_waiting() {
    let runtime = runtime();
    let server = start(&runtime);
    let mut slow: Vec<TcpStream> = (0..PAGE_CONNECTIONS_MAX / 2)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(b"GET /short HT").unwrap();
            stream
        })
        .collect();
    let flood = format!("x-long: {}\r\n", "y".repeat(100_000));
    let refused = text(&get(server.address(), "/short", &flood));
    assert!(!refused.starts_with("HTTP/1.1 200"), "{refused}");
    assert!(text(&get(server.address(), "/short", "")).starts_with("HTTP/1.1 200"));
    let first = slow.first_mut().unwrap();
    first.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    let _ = first.read_to_end(&mut answer);
    assert!(!text(&answer).contains("200 OK"), "the head never came: {}", text(&answer));
}

#[test]
fn a_stopped_server_accepts_no_more() {
    let runtime = runtime();
    let server = start(&runtime);
    let address = server.address();
    runtime.block_on(server.stop());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_port_in_use_is_told() {
    let runtime = runtime();
    let server = start(&runtime);
    let again = runtime.block_on(PageServer::start(server.address(), pages()));
    let error = again.err().expect("the port is taken");
    assert!(error.to_string().contains("choose another address or port"), "{error}");
}
