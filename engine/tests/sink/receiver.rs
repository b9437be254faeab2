//! A receiver that answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the receiver does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers with a status, headers and a body.
    Answer(u16, &'static str, &'static str),
    /// Closes the connection.
    Close,
    /// Says nothing for so long.
    Hang(Duration),
    /// Answers with what is no HTTP.
    Garbage,
    /// Writes bytes, waits for so many milliseconds, and closes the connection.
    Raw(&'static [u8], u64),
    /// Writes a beginning, and the same again and again until nobody reads it.
    Endless(&'static [u8], &'static [u8]),
    /// Answers 200 with JSON of a partial success and a text of so many bytes.
    Long(usize),
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The receiver: acts in turn, then answers 200.
pub(crate) struct Receiver {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    pub(crate) fn start(acts: Vec<Act>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let acts = Arc::new(Mutex::new(VecDeque::from(acts)));
        let got = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&got);
        thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                let (acts, got) = (Arc::clone(&acts), Arc::clone(&shared));
                thread::spawn(move || serve(stream, &acts, &got));
            }
        });
        Self { url, got }
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, acts: &Mutex<VecDeque<Act>>, got: &Mutex<Vec<Got>>) {
    stream.set_nodelay(true).unwrap();
    let mut read = BufReader::new(stream.try_clone().unwrap());
    let mut write = stream;
    loop {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if read.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line.to_ascii_lowercase());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        if read.read_exact(&mut body).is_err() {
            return;
        }
        got.lock().unwrap().push(Got { head, body: String::from_utf8_lossy(&body).into_owned() });
        let act = acts.lock().unwrap().pop_front().unwrap_or(Act::Answer(200, "", ""));
        let sent = match act {
            Act::Answer(status, headers, body) => {
                let length = body.len();
                write!(
                    write,
                    "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{body}"
                )
            }
            Act::Close => return,
            Act::Hang(time) => {
                thread::park_timeout(time);
                return;
            }
            Act::Garbage => write!(write, "nonsense\r\n\r\n"),
            Act::Raw(bytes, ms) => {
                let _ = write.write_all(bytes);
                thread::park_timeout(Duration::from_millis(ms));
                return;
            }
            Act::Endless(first, again) => {
                let _ = write.write_all(first);
                while write.write_all(again).is_ok() {}
                return;
            }
            Act::Long(length) => {
                let text = "x".repeat(length);
                let body = format!(
                    r#"{{"partialSuccess":{{"rejectedDataPoints":"1","errorMessage":"{text}"}}}}"#
                );
                write!(write, "HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
        };
        if sent.is_err() {
            return;
        }
    }
}
