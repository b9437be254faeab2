//! The client: requests in order over eight connections, each waiting for its answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;

use super::bodies::Bodies;

/// Connections, each with one request under way.
const CONNECTIONS: usize = 8;

/// How many requests a connection may be ahead of the slowest: 3 s of event time. A thread that
/// did not get its turn would else make its request late.
const AHEAD_MAX: u64 = 32;

/// How requests travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Http,
    Grpc,
    Lines,
}

/// A load on one server.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) way: Way,
    pub(super) address: SocketAddr,
    /// Spans a second; as fast as answers come if there is none.
    pub(super) pace: Option<f64>,
}

/// What was sent and how long it took.
pub(super) struct Done {
    /// By request: how long its answer took.
    pub(super) waits: Vec<Duration>,
    /// By number of the request over all loops: when it was sent.
    sent: Vec<(u64, Instant)>,
}

impl Done {
    /// By window of 10 s: when the first request was sent that had a span 10 s past its end.
    pub(super) fn crossings(&self, bodies: &Bodies) -> impl Iterator<Item = (u64, Instant)> {
        const SECOND: u64 = 1_000_000_000;
        let mut crossed = std::collections::BTreeMap::<u64, Instant>::new();
        for (number, at) in &self.sent {
            let (of_loop, index) = (number / bodies.len() as u64, number % bodies.len() as u64);
            let (first_ns, last_ns) = bodies.starts_ns(index as usize, of_loop);
            let end_ns = (last_ns - 10 * SECOND) / (10 * SECOND) * 10 * SECOND;
            if first_ns <= end_ns + 10 * SECOND {
                let known = crossed.entry(end_ns).or_insert(*at);
                *known = (*known).min(*at);
            }
        }
        crossed.into_iter()
    }
}

impl Load {
    /// Sends the loops of that range.
    pub(super) fn run(&self, bodies: &Bodies, loops: Range<u64>) -> Done {
        let each = bodies.len() as u64;
        let (first, last) = (loops.start * each, loops.end * each);
        let (next, began) = (AtomicU64::new(first), Instant::now());
        let every = self.pace.map(|pace| bodies.spans() as f64 / each as f64 / pace);
        // Lines have no answers: over several connections they would overtake each other by
        // whatever waits in them.
        let connections = if self.way == Way::Lines { 1 } else { CONNECTIONS };
        let under_way: Vec<AtomicU64> = (0..connections).map(|_| AtomicU64::new(first)).collect();
        let lowest = || under_way.iter().map(|at| at.load(Ordering::Acquire)).min().unwrap();
        let work = |own: usize| {
            let mut connection = Connection::open(self.way, self.address);
            let (mut waits, mut sent, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                under_way[own].store(number, Ordering::Release);
                if number >= last {
                    return (waits, sent);
                }
                bytes.clear();
                bodies.write((number % each) as usize, number / each, &mut bytes);
                if let Some(every) = every {
                    let due = began + Duration::from_secs_f64((number - first) as f64 * every);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                while number > lowest() + AHEAD_MAX {
                    std::thread::sleep(Duration::from_micros(50));
                }
                let at = Instant::now();
                connection.send(&bytes);
                waits.push(at.elapsed());
                sent.push((number, at));
            }
        };
        let mut done = Done { waits: Vec::new(), sent: Vec::new() };
        std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> =
                (0..connections).map(|own| scope.spawn(move || work(own))).collect();
            for thread in threads {
                let (waits, sent) = thread.join().unwrap();
                done.waits.extend(waits);
                done.sent.extend(sent);
            }
        });
        done.sent.sort_unstable_by_key(|(number, _)| *number);
        done
    }
}

/// A kept connection.
enum Connection {
    Http { stream: TcpStream, is_json: Option<bool>, buffer: Vec<u8> },
    Grpc { runtime: Runtime, sender: SendRequest<Full<Bytes>>, address: SocketAddr },
    Lines(TcpStream),
}

impl Connection {
    fn open(way: Way, address: SocketAddr) -> Self {
        let stream = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        };
        match way {
            Way::Http => Self::Http { stream: stream(), is_json: None, buffer: Vec::new() },
            Way::Lines => Self::Lines(stream()),
            Way::Grpc => {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let sender = runtime.block_on(async {
                    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut builder =
                        hyper::client::conn::http2::Builder::new(TokioExecutor::new());
                    builder.initial_stream_window_size(1 << 20);
                    let shaken = builder.handshake(TokioIo::new(stream)).await;
                    let (sender, connection) = shaken.unwrap();
                    tokio::spawn(connection);
                    sender
                });
                Self::Grpc { runtime, sender, address }
            }
        }
    }

    fn send(&mut self, body: &[u8]) {
        match self {
            Self::Http { stream, is_json, buffer } => {
                let is_json = *is_json.get_or_insert(body.starts_with(b"{"));
                let kind = if is_json { "application/json" } else { "application/x-protobuf" };
                let head = format!(
                    "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n\
                     content-length: {}\r\n\r\n",
                    body.len()
                );
                buffer.clear();
                buffer.extend_from_slice(head.as_bytes());
                buffer.extend_from_slice(body);
                stream.write_all(buffer).unwrap();
                answer(stream, buffer);
            }
            Self::Grpc { runtime, sender, address } => {
                let length = (body.len() as u32).to_be_bytes();
                let framed = Bytes::from([&[0][..], &length, body].concat());
                let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
                let request = hyper::Request::post(format!("http://{address}{path}"))
                    .header("content-type", "application/grpc")
                    .header("te", "trailers")
                    .body(Full::new(framed))
                    .unwrap();
                runtime.block_on(async {
                    let response = sender.send_request(request).await.unwrap();
                    let body = response.into_body().collect().await.unwrap();
                    assert!(body.trailers().is_some_and(|all| all["grpc-status"] == "0"));
                });
            }
            Self::Lines(stream) => stream.write_all(body).unwrap(),
        }
    }
}

/// Reads one answer with a stated length, which must be a success.
fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let mut part = [0; 4_096];
    loop {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "the server closed: {}", String::from_utf8_lossy(buffer));
        buffer.extend_from_slice(&part[..read]);
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next().and_then(|text| text.parse::<usize>().ok()));
        if buffer.len() >= end + 4 + length.unwrap_or(0) {
            return;
        }
    }
}
