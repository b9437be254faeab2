//! Receiving alone: CPU a span of the thread that runs a listener, from the socket to the queue.
//!
//! Requests of 512 spans (as in the window benches), eight under way at once: on eight kept
//! connections of HTTP/1.1, or as eight calls on one of gRPC. With one at a time a thread sleeps
//! and wakes for every part of a request, and that is what would be measured. The queue is emptied
//! at once. The client, the emptying and the kernel's other side are on threads
//! of their own and do not count.
//!
//! `cargo bench -p tailwater-engine --bench receive [-- SPANS]`

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench measures time and prints it"
)]

#[path = "workload.rs"]
mod workload;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tailwater_engine::ingest::listen::{
    Address, Intake, IntakeConfig, LinesConfig, Listener, NoFrame, OtlpConfig, listen_grpc,
    listen_http, listen_lines,
};
use tailwater_engine::model::SourceId;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Http,
    Grpc,
    Lines,
}

/// Nanoseconds that a thread has run.
fn cpu_ns(thread: &str) -> f64 {
    let path = format!("/proc/{thread}/schedstat");
    let text = std::fs::read_to_string(path).expect("Linux counts a thread's time");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds come first")
}

async fn start(way: Way, intake: &Intake) -> Listener {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = match way {
        Way::Http => listen_http(OtlpConfig::new(address, SourceId(0)), intake).await,
        Way::Grpc => listen_grpc(OtlpConfig::new(address, SourceId(0)), intake).await,
        Way::Lines => {
            listen_lines(LinesConfig::new(Address::Tcp(address), SourceId(0)), intake).await
        }
    };
    listener.expect("a free port")
}

/// CPU of the listener's thread, nanoseconds, for what `send` sends.
fn measure(way: Way, items: u64, send: impl FnOnce(SocketAddr)) -> f64 {
    let (intake, receiver) = Intake::new(IntakeConfig::default()).expect("the usual limits");
    let drain = std::thread::spawn(move || {
        let mut found = 0;
        loop {
            match receiver.recv_timeout(Duration::from_mins(1)) {
                Ok(accepted) => found += accepted.items,
                Err(NoFrame::Closed) => return found,
                Err(NoFrame::Timeout) => panic!("nothing came"),
            }
        }
    });
    let (told, hear) = crossbeam_channel::bounded(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = start(way, &intake).await;
            let thread = std::fs::read_link("/proc/thread-self").expect("Linux names threads");
            let Address::Tcp(address) = *listener.address() else { panic!("no TCP address") };
            told.send((address, thread.display().to_string())).expect("somebody hears");
            stopped.await.expect("it is told to stop");
            listener.stop(Duration::from_secs(10)).await;
            intake.close();
        });
    });
    let (address, thread) = hear.recv().expect("it starts");
    let before = cpu_ns(&thread);
    send(address);
    let used = cpu_ns(&thread) - before;
    stop.send(()).expect("it runs");
    server.join().expect("it ends");
    assert_eq!(drain.join().expect("it ends"), items);
    used
}

/// Requests under way at once.
const AT_ONCE: usize = 8;

fn send_http(address: SocketAddr, headers: &str, bodies: &[Vec<u8>]) {
    std::thread::scope(|scope| {
        for part in bodies.chunks(bodies.len().div_ceil(AT_ONCE)) {
            scope.spawn(move || send_part(address, headers, part));
        }
    });
}

fn send_part(address: SocketAddr, headers: &str, bodies: &[Vec<u8>]) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let mut buffer = [0; 4_096];
    for body in bodies {
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).expect("it reads");
        let read = stream.read(&mut buffer).expect("it answers");
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
    }
}

fn send_grpc(address: SocketAddr, encoding: &'static str, bodies: &[Vec<u8>]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let executor = TokioExecutor::new();
        let handshake = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let mut calls = tokio::task::JoinSet::new();
        for body in bodies {
            if calls.len() == AT_ONCE {
                calls.join_next().await.expect("some are under way").expect("it answers");
            }
            let flag = u8::from(encoding != "identity");
            let length = (body.len() as u32).to_be_bytes();
            let framed = Bytes::from([&[flag][..], &length, body].concat());
            let mut sender = sender.clone();
            calls.spawn(async move {
                let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
                let request = hyper::Request::post(format!("http://{address}{path}"))
                    .header("content-type", "application/grpc")
                    .header("grpc-encoding", encoding)
                    .body(Full::new(framed))
                    .expect("a request");
                let response = sender.send_request(request).await.expect("it answers");
                let body = response.into_body().collect().await.expect("it answers");
                assert!(body.trailers().is_some_and(|all| all["grpc-status"] == "0"));
            });
        }
        calls.join_all().await;
    });
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(body).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn report(name: &str, ns: f64, items: u64, bytes: usize) {
    let each = ns / items as f64;
    println!("{name:<16} {each:>8.1} ns an item {:>8} bytes an item", bytes / items as usize);
}

fn main() {
    let spans: usize =
        std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let plain: Vec<Vec<u8>> = workload::requests(spans).iter().map(|body| body.to_vec()).collect();
    let items = (plain.len() * workload::SPANS) as u64;
    let bytes = |bodies: &[Vec<u8>]| bodies.iter().map(Vec::len).sum::<usize>();
    let zipped: Vec<Vec<u8>> = plain.iter().map(|body| gzip(body)).collect();
    let zstd: Vec<Vec<u8>> =
        plain.iter().map(|body| zstd::encode_all(&body[..], 3).expect("memory")).collect();
    let protobuf = "content-type: application/x-protobuf\r\n";
    for (name, encoding, bodies) in
        [("identity", "identity", &plain), ("gzip", "gzip", &zipped), ("zstd", "zstd", &zstd)]
    {
        let headers = format!("{protobuf}content-encoding: {encoding}\r\n");
        let ns = measure(Way::Http, items, |address| send_http(address, &headers, bodies));
        report(&format!("http {name}"), ns, items, bytes(bodies));
        let ns = measure(Way::Grpc, items, |address| send_grpc(address, encoding, bodies));
        report(&format!("grpc {name}"), ns, items, bytes(bodies));
    }
    let line = "{\"v\":1,\"src\":\"checkout\",\"ts\":1760000040000,\"type\":\"metric\",\"data\":\
                {\"name\":\"queue.depth\",\"value\":17,\"unit\":\"1\",\"tags\":{\"shard\":\"a\"}}}\n";
    let text = line.repeat(spans);
    let ns = measure(Way::Lines, spans as u64, |address| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(text.as_bytes()).expect("it reads");
        drop(stream.shutdown(std::net::Shutdown::Write));
        assert_eq!(stream.read(&mut [0; 1]).expect("it closes"), 0);
    });
    report("lines", ns, spans as u64, text.len());
}
