//! Server processes: started, loaded, watched, ended, and their answers checked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bodies::{Bodies, ndjson};
use super::load::{Load, Way};

/// A second that is after every load, and far from now.
const LAST_S: u64 = 1_770_000_000;

/// A process that takes OTLP.
pub(super) struct Server {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
    output: PathBuf,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The rules of W1.
pub(super) const W1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/w1.tw");

impl Server {
    /// This project's program.
    pub(super) fn tailwater(rules: &str, more: &[&str]) -> Self {
        let output = folder("live-rows.jsonl");
        let _ = std::fs::remove_file(&output);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
        command.arg("run").args(["--rules", rules]).arg("-o").arg(&output);
        for input in ["--otlp-http", "--otlp-grpc", "--lines", "--prometheus", "--admin"] {
            command.args([input, "127.0.0.1:0"]);
        }
        let piped = command.args(more).stderr(Stdio::piped());
        let mut child = piped.stdin(Stdio::null()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("running ") {
            greeting.clear();
            assert!(errors.read_line(&mut greeting).unwrap() > 0, "it did not start");
        }
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(drop));
        let mut addresses = BTreeMap::new();
        for what in ["OTLP/HTTP", "OTLP/gRPC", "lines", "Prometheus", "admin"] {
            let rest = greeting.split(&format!("{what} on ")).nth(1).unwrap();
            let text = rest.split([',', ';']).next().unwrap().trim();
            addresses.insert(what.to_owned(), text.parse().unwrap());
        }
        Self { child, addresses, output }
    }

    /// A peer that decodes and discards.
    pub(super) fn peer(program: &str) -> Self {
        let (grpc, http) = ("127.0.0.1:14317", "127.0.0.1:14318");
        let child = Command::new(program)
            .args(["start", "--exporter", "blackhole"])
            .args(["--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let addresses = [("OTLP/gRPC", grpc), ("OTLP/HTTP", http)];
        let addresses: BTreeMap<String, SocketAddr> =
            addresses.iter().map(|(what, at)| ((*what).to_owned(), at.parse().unwrap())).collect();
        while addresses.values().any(|address| TcpStream::connect(address).is_err()) {
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, addresses, output: PathBuf::new() }
    }

    pub(super) fn address(&self, way: Way) -> SocketAddr {
        let what = match way {
            Way::Http => "OTLP/HTTP",
            Way::Grpc => "OTLP/gRPC",
            Way::Lines => "lines",
        };
        self.addresses[what]
    }

    /// CPU seconds of the server a span, over loops after the first.
    pub(super) fn cpu_of(&self, bodies: &Bodies, way: Way, loops: u64) -> f64 {
        let load = Load { way, address: self.address(way), pace: None };
        load.run(bodies, 0..1);
        self.settle(bodies.spans() as u64);
        let before = self.cpu_s();
        load.run(bodies, 1..1 + loops);
        self.settle((1 + loops) * bodies.spans() as u64);
        (self.cpu_s() - before) / (loops * bodies.spans() as u64) as f64
    }

    /// Waits until the engine has so many spans: a line has no answer that would say so.
    fn settle(&self, spans: u64) {
        if self.output.as_os_str().is_empty() {
            return;
        }
        let wanted = format!("outcome=\"used\"}} {spans}\n");
        while !self.page("admin", "/metrics").contains(&wanted) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn page(&self, what: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.addresses[what]).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// User and system time so far.
    pub(super) fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after = stat.rsplit_once(')').unwrap().1;
        let ticks = after.split_whitespace().skip(11).take(2);
        ticks.map(|tick| tick.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    pub(super) fn rss_mb(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
    }

    /// Notes when the rows of each window come into the output file.
    pub(super) fn watch_rows(&self) -> Watch {
        let (stop, path) = (Arc::new(AtomicBool::new(false)), self.output.clone());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut file = std::fs::File::open(path).unwrap();
            let (mut rows, mut text) = (Rows::new(), Vec::new());
            loop {
                let is_last = stopped.load(Ordering::Acquire);
                let read = file.read_to_end(&mut text).unwrap();
                let now = Instant::now();
                let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                for line in text[..whole].split(|byte| *byte == b'\n') {
                    if let Some((end_ns, _)) = row(line) {
                        rows.entry(end_ns).or_insert((now, now)).1 = now;
                    }
                }
                text.drain(..whole);
                if is_last {
                    return rows;
                }
                if read == 0 {
                    std::thread::sleep(Duration::from_micros(500));
                }
            }
        });
        Watch { stop, thread }
    }

    /// Closes all windows, ends the run, and checks that the rows count that many spans.
    pub(super) fn end_checked(mut self, spans: u64) -> String {
        let at_ns = LAST_S * 1_000_000_000;
        let body = format!(
            "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"name\":\"last\",\
             \"startTimeUnixNano\":\"{at_ns}\",\"endTimeUnixNano\":\"{at_ns}\"}}]}}]}}]}}"
        );
        // Other inputs are then idle: they are far behind this one.
        let mut stream = TcpStream::connect(self.address(Way::Http)).unwrap();
        write!(
            stream,
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        self.settle(spans + 1);
        let health = self.page("admin", "/healthz");
        assert!(health.contains("\"unaccounted\":0"), "{health}");
        let rss = self.rss_mb();
        self.stop("-TERM");
        let text = std::fs::read(&self.output).unwrap();
        let counted: u64 = text.split(|byte| *byte == b'\n').filter_map(row).map(|(_, n)| n).sum();
        assert_eq!(counted, spans, "rows do not count what was sent");
        format!("{spans} spans in rows, {rss:.0} MB")
    }

    fn stop(&mut self, signal: &str) {
        let id = self.child.id().to_string();
        Command::new("kill").args([signal, &id]).status().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// By window's end, ns: when its first and its last row came.
pub(super) type Rows = BTreeMap<u64, (Instant, Instant)>;

/// Somebody who reads the output file.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Rows>,
}

impl Watch {
    pub(super) fn stop(self) -> Rows {
        std::thread::sleep(Duration::from_secs(1));
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

/// A row's end, ns, and its count.
fn row(line: &[u8]) -> Option<(u64, u64)> {
    let line: serde_json::Value = serde_json::from_slice(line).ok()?;
    let end: jiff::Timestamp = line.get("end")?.as_str()?.parse().ok()?;
    Some((end.as_nanosecond() as u64, line.get("values")?.get("n")?.as_u64()?))
}

/// CPU seconds a span of a replay of the same spans as plain NDJSON, W1 running on two workers as
/// beside `DuckDB`: the median of some, as each is short.
pub(super) fn replayed(spans: usize) -> f64 {
    const RUNS: usize = 5;
    let path = folder("live-spans.ndjson");
    std::fs::write(&path, ndjson(spans)).unwrap();
    let mut each: Vec<f64> = (0..RUNS)
        .map(|_| {
            let mut child = Command::new(env!("CARGO_BIN_EXE_tailwater"))
                .args(["replay", path.to_str().unwrap(), "--format", "jsonl", "--workers", "2"])
                .args(["--rules", W1])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let before = children_s();
            assert!(child.wait().unwrap().success());
            (children_s() - before) / spans as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    each[RUNS / 2]
}

/// User and system time of children that have ended.
fn children_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let ticks = after.split_whitespace().skip(13).take(2);
    ticks.map(|tick| tick.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
