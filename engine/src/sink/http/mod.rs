//! One HTTP request of a sink, with its deadline: connections, credentials, compression, gRPC.
//!
//! Invariant: an attempt ends within its timeout, reads a bounded answer, and no header's value or
//! part of a URL that may be secret is ever told. Must not know what is sent.

mod bearer;
mod ending;
mod grpc;
mod pack;
mod retry_after;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE,
    USER_AGENT,
};
use hyper::{Method, Request, Response, Uri};

use bearer::Bearer;
pub(super) use ending::{Ending, Kind};
pub use pack::Compression;
use tls::Connections;
pub use tls::{ClientKey, ClientTls};

use super::counts::Failure;
use crate::clock::{Clock, monotonic, system_clock};
use crate::error::{Error, ErrorKind};
use crate::limits::SINK_ANSWER_BYTES_MAX;

/// Where requests go, and with what.
#[derive(Clone)]
pub struct Target {
    /// `http://…` or `https://…`.
    pub url: String,
    /// Headers of every request: (name, value); values are never told.
    pub headers: Vec<(String, String)>,
    /// A file with a token, sent as `Authorization: Bearer …`; read again for each request.
    pub bearer_file: Option<PathBuf>,
    /// Certificates, for `https`.
    pub tls: ClientTls,
    /// For one request and its answer. 10 s.
    pub timeout: Duration,
    /// How bodies are compressed. Not at all.
    pub compression: Compression,
    /// Tells the time of day, for `Retry-After` with a date.
    pub clock: Clock,
}

impl Target {
    /// A URL with the usual settings.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            headers: Vec::new(),
            bearer_file: None,
            tls: ClientTls::default(),
            timeout: Duration::from_secs(10),
            compression: Compression::None,
            clock: system_clock(),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| (name, "****")).collect();
        f.debug_struct("Target")
            .field("url", &shown_url(&self.url))
            .field("headers", &headers)
            .field("bearer_file", &self.bearer_file)
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

/// A URL without what may be secret in it: user information and query.
fn shown_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://****@{host}"),
        (None, Some((_, host))) => format!("****@{host}"),
        _ => url.to_owned(),
    }
}

/// What requests are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// `POST` with the body as it is.
    Plain,
    /// A unary call of gRPC: HTTP/2, and a prefix before the message.
    Grpc,
}

/// Sends to one address over connections that are kept.
pub(super) struct Client {
    connections: Connections,
    uri: Uri,
    headers: HeaderMap,
    bearer: Option<Bearer>,
    timeout: Duration,
    compression: Compression,
    framing: Framing,
    clock: Clock,
    complaint: Option<String>,
}

impl Client {
    /// A client for a target.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the URL, a header or a file cannot be used, [`ErrorKind::Read`] if
    /// a file cannot be read.
    pub(super) fn new(target: &Target, framing: Framing) -> Result<Self, Error> {
        let uri = parsed(&target.url)?;
        let mut headers = parsed_headers(&target.headers)?;
        let agent = concat!("tailwater/", env!("CARGO_PKG_VERSION"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(agent));
        match (framing, target.compression.name()) {
            (Framing::Plain, Some(name)) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            }
            (Framing::Grpc, name) => {
                headers.insert(TE, HeaderValue::from_static("trailers"));
                grpc::call_headers(name, target.timeout, &mut headers);
            }
            _ => {}
        }
        let bearer = target.bearer_file.as_deref().map(Bearer::read).transpose()?;
        if bearer.is_some() && headers.contains_key(AUTHORIZATION) {
            let text = "expected a header `authorization` or a file with a token, found both";
            return Err(Error::new(ErrorKind::Setting, text));
        }
        let is_https = uri.scheme_str() == Some("https");
        let tls = is_https.then(|| target.tls.clone());
        Ok(Self {
            connections: Connections::open(tls, framing == Framing::Grpc)?,
            uri,
            headers,
            bearer,
            timeout: target.timeout,
            compression: target.compression,
            framing,
            clock: target.clock.clone(),
            complaint: None,
        })
    }

    /// A body as it is sent: compressed, and framed.
    pub(super) async fn pack(&self, body: Bytes) -> Bytes {
        let (packed, is_packed) = pack::compress(body, self.compression).await;
        match self.framing {
            Framing::Plain => packed,
            Framing::Grpc => grpc::framed(&packed, is_packed),
        }
    }

    /// What is wrong with files that changed, once.
    pub(super) fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    /// Posts a packed body; a call of gRPC has a content type of its own.
    pub(super) async fn post(&mut self, content_type: &'static str, body: Bytes) -> Ending {
        self.look_at_files().await;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.uri);
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        let content_type = match self.framing {
            Framing::Plain => content_type,
            Framing::Grpc => grpc::CONTENT_TYPE,
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.value().clone());
        }
        let deadline = monotonic() + self.timeout;
        let answered = self.connections.pool().request(request);
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(response)) => self.judge(response, deadline).await,
            Ok(Err(error)) if error.is_connect() => self.no_connection(&error),
            Ok(Err(error)) => Ending::again(Failure::Broken, ending::with_causes(&error)),
            Err(_) => self.no_answer(),
        }
    }

    /// Says to whom: of a URL the part that is no secret.
    fn no_connection(&self, error: &dyn std::error::Error) -> Ending {
        let to = self.uri.authority().map_or("", |authority| authority.as_str());
        let why = error.source().unwrap_or(error);
        let text = format!("cannot connect to `{to}`: {}", ending::with_causes(why));
        Ending::again(Failure::Connect, text)
    }

    fn no_answer(&self) -> Ending {
        let text = format!("no answer within {} s", self.timeout.as_secs_f64());
        Ending::again(Failure::Timeout, text)
    }

    async fn judge(&self, response: Response<Incoming>, deadline: tokio::time::Instant) -> Ending {
        let (head, body) = response.into_parts();
        let now_ns = || (self.clock)();
        let body = Limited::new(body, SINK_ANSWER_BYTES_MAX).collect();
        let body = tokio::time::timeout_at(deadline, body).await;
        if self.framing == Framing::Grpc {
            return match body {
                Ok(Ok(body)) => grpc::judge(&head, body),
                Ok(Err(error)) => grpc::without_end(&head, &*error),
                Err(_) => self.no_answer(),
            };
        }
        // The head alone decides: an answer whose body breaks off, or has no end, was given.
        let body = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
        ending::judge(&head, body.unwrap_or_default(), now_ns)
    }

    async fn look_at_files(&mut self) {
        if let Some(bearer) = &mut self.bearer
            && let Err(error) = bearer.renew().await
        {
            self.complaint = Some(error.to_string());
        }
        if let Err(error) = self.connections.renew().await {
            self.complaint = Some(error.to_string());
        }
    }
}

fn parsed(url: &str) -> Result<Uri, Error> {
    let wrong = |expected: &str| {
        let text = format!("expected {expected}, found `{}`", shown_url(url));
        Err(Error::new(ErrorKind::Setting, text))
    };
    let uri: Option<Uri> = url.parse().ok();
    let Some(uri) = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty())) else {
        return wrong("a URL such as `http://localhost:4318`");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return wrong("a URL that begins with `http://` or `https://`");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return wrong("a URL without user information, which belongs in a header `authorization`");
    }
    Ok(uri)
}

fn parsed_headers(pairs: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let parsed = (HeaderName::try_from(name), HeaderValue::try_from(value));
        let (Ok(name), Ok(mut value)) = parsed else {
            let text = format!("`{name}` is no header that can be sent");
            return Err(Error::new(ErrorKind::Setting, text));
        };
        // Never shown by what prints headers.
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let mut target = Target::new("https://me:pass@host:1/x?token=hush");
        target.headers.push(("authorization".to_owned(), "Basic hush".to_owned()));
        let shown = format!("{target:?}");
        assert!(!shown.contains("hush") && !shown.contains("pass"), "{shown}");
        assert!(shown.contains("https://****@host:1/x") && shown.contains("authorization"));
        let error = Client::new(&target, Framing::Plain).err().expect("user information");
        assert!(!error.to_string().contains("pass"), "{error}");
    }

    #[test]
    fn urls_that_cannot_be_used_are_refused() {
        for url in ["", "localhost:4318", "ftp://x", "http://", "https:///path", "http://a b"] {
            let error = Client::new(&Target::new(url), Framing::Plain).err().expect(url);
            assert_eq!(error.kind(), ErrorKind::Setting, "{url}");
        }
        let newline = Target {
            headers: vec![("x".to_owned(), "hush\r\ny: z".to_owned())],
            ..Target::new("http://localhost")
        };
        let error = Client::new(&newline, Framing::Plain).err().expect("a newline");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
