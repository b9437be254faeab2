//! A live run on ports of its own choice, as tests talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// A file of the tests.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A run on ports of its own choice.
pub(crate) struct Run {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// The first line on standard error that says where it listens.
    pub(crate) greeting: String,
}

impl Run {
    /// Starts it with rules, more options, and variables of the environment.
    pub(crate) fn start(rules: &str, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut args = vec!["run", "-e", rules];
        for input in ["--otlp-http", "--otlp-grpc", "--lines", "--prometheus", "--admin"] {
            args.extend([input, "127.0.0.1:0"]);
        }
        args.extend(more);
        let mut child = Command::new(env!("CARGO_BIN_EXE_tailwater"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(&args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("running ") {
            greeting.clear();
            assert!(stderr.read_line(&mut greeting).unwrap() > 0, "it did not start");
        }
        Self { child, stderr, greeting }
    }

    /// Where it listens for something.
    pub(crate) fn address(&self, what: &str) -> &str {
        let rest = self.greeting.split(&format!("{what} on ")).nth(1).unwrap();
        rest.split([',', ';']).next().unwrap().trim()
    }

    /// A request of its own connection, and the whole answer.
    pub(crate) fn request(&self, what: &str, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address(what)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let length = body.len();
        let head = format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        write!(stream, "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n")
            .unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// A page.
    pub(crate) fn get(&self, what: &str, path: &str) -> String {
        self.request(what, &format!("GET {path}"), "")
    }

    /// Spans of a service that end so many seconds from now, by the machine's clock.
    pub(crate) fn spans(&self, service: &str, count: u32, at_s: i64) {
        self.spans_at(service, count, now_s() + at_s);
    }

    /// Spans of a service that end at a second since 1970.
    pub(crate) fn spans_at(&self, service: &str, count: u32, at_s: i64) {
        let at = format!("{at_s}000000000");
        let span = |index: u32| {
            format!(
                "{{\"traceId\":\"{index:032x}\",\"spanId\":\"{index:016x}\",\"name\":\"x\",\
                 \"startTimeUnixNano\":\"{at}\",\"endTimeUnixNano\":\"{at}\"}}"
            )
        };
        let spans: Vec<String> = (1..=count).map(span).collect();
        let service = serde_json::Value::from(service);
        let body = format!(
            "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\
             \"value\":{{\"stringValue\":{service}}}}}]}},\"scopeSpans\":[{{\"spans\":[{}]}}]}}]}}",
            spans.join(",")
        );
        let answer = self.request("OTLP/HTTP", "POST /v1/traces", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Waits until a page of the admin address fulfils a condition.
    pub(crate) fn waits(&self, path: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.waits_on("admin", path, is_it)
    }

    /// Waits until a page holds a text.
    pub(crate) fn shows(&self, what: &str, path: &str, text: &str) -> String {
        self.waits_on(what, path, |page| page.contains(text))
    }

    fn waits_on(&self, what: &str, path: &str, is_it: impl Fn(&str) -> bool) -> String {
        for _ in 0..400 {
            let page = self.get(what, path);
            if is_it(&page) {
                return page;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        panic!("it never came: {}", self.get(what, path));
    }

    /// Sends it a signal: `-TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end: exit code, standard output, the rest of standard error.
    pub(crate) fn ended(mut self) -> (Option<i32>, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stdout, stderr)
    }

    /// Ends it as the service manager does.
    pub(crate) fn end(self) -> (Option<i32>, String, String) {
        self.signal("-TERM");
        self.ended()
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "telemetry from far away in time is set aside")]
pub(crate) fn now_s() -> i64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}
