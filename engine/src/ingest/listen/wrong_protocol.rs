//! What a sender is told that speaks HTTP to a listener of the line protocol.
//!
//! Must not know: connections, counts.

/// What it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http {
    /// HTTP/1.
    One,
    /// HTTP/2 with prior knowledge, as gRPC does.
    Two,
}

/// What every HTTP/2 connection begins with, up to its line end. Source: RFC 9113, §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Whether a line, without its end, begins a request over HTTP. Source: RFC 9112, §3.
pub(super) fn http_request(line: &[u8]) -> Option<Http> {
    if line == PREFACE {
        return Some(Http::Two);
    }
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    let is_request = is_method && !target.is_empty() && version.starts_with(b"HTTP/1.");
    (is_request && words.next().is_none()).then_some(Http::One)
}

impl Http {
    /// The whole answer, in its own protocol: which port is meant.
    pub(super) fn answer(self) -> Vec<u8> {
        match self {
            Self::One => {
                let text = "expected the line protocol, found HTTP: OTLP over HTTP has a port of \
                            its own, usually 4318\n";
                format!(
                    "HTTP/1.1 415 Unsupported Media Type\r\n\
                     content-type: text/plain; charset=utf-8\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{text}",
                    text.len()
                )
                .into_bytes()
            }
            Self::Two => {
                let text = "expected the line protocol, found HTTP/2: OTLP over gRPC has a port of \
                            its own, usually 4317, and over HTTP 4318";
                [frame(SETTINGS, &[]), frame(GOAWAY, &[&GONE[..], text.as_bytes()].concat())]
                    .concat()
            }
        }
    }
}

/// Frame types. Source: RFC 9113, §6.
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// No stream was worked on; `PROTOCOL_ERROR`. What follows is for people. Source: RFC 9113, §6.8.
const GONE: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];

/// A frame of the connection itself: length, type, no flags, stream 0. Source: RFC 9113, §4.1.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, 0, 0, 0, 0, 0], payload].concat()
}

#[cfg(test)]
mod tests {
    use super::{Http, http_request};

    #[test]
    fn requests_are_recognised_and_other_lines_are_not() {
        for line in ["POST /v1/traces HTTP/1.1", "GET / HTTP/1.0", "OPTIONS * HTTP/1.1"] {
            assert_eq!(http_request(line.as_bytes()), Some(Http::One), "{line}");
        }
        assert_eq!(http_request(b"PRI * HTTP/2.0"), Some(Http::Two));
        for line in
            ["", "nonsense", "post / HTTP/1.1", "GET /", "GET / HTTP/1.1 x", "GET / FTP/1.1"]
        {
            assert_eq!(http_request(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn frames_state_their_lengths() {
        let answer = Http::Two.answer();
        assert_eq!(answer[..9], [0, 0, 0, 4, 0, 0, 0, 0, 0]);
        let length = usize::from(answer[10]) << 8 | usize::from(answer[11]);
        assert_eq!((answer[12], answer.len()), (7, 9 + 9 + length));
    }
}
