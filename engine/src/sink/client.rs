//! One HTTP request of a sink, with its deadline, and what its answer means.
//!
//! Source for what may be sent again: OTLP 1.11, "Failures": 429, 502, 503, 504, and no answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, Uri, body::Incoming};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::{Error, ErrorKind};
use crate::limits::SINK_ANSWER_BYTES_MAX;

/// Characters of an answer that are told to people.
const ANSWER_SHOWN: usize = 200;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Taken; the answer's body.
    Taken(Bytes),
    /// Not taken, and may be sent again, not before a time that the receiver named.
    Again { after: Option<Duration>, reason: String },
    /// Not taken, and will never be.
    Refused(String),
}

/// Sends to one address over connections that are kept.
pub(super) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
}

impl Client {
    /// A client for a URL.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] if the URL or a header cannot be used.
    pub(super) fn new(
        url: &str,
        headers: &[(String, String)],
        timeout: Duration,
    ) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(ErrorKind::Format, what);
        let uri: Uri = url
            .parse()
            .ok()
            .filter(|uri: &Uri| uri.scheme_str() == Some("http") && uri.authority().is_some())
            .ok_or_else(|| {
                wrong(format!("expected a URL such as `http://localhost:9093`, found `{url}`"))
            })?;
        let headers = headers.iter().map(|(name, value)| {
            let parsed = (HeaderName::try_from(name), HeaderValue::try_from(value));
            let (Ok(name), Ok(mut value)) = parsed else {
                return Err(wrong(format!("`{name}` is no header that can be sent")));
            };
            // Never shown by what prints headers.
            value.set_sensitive(true);
            Ok((name, value))
        });
        let headers = headers.collect::<Result<_, _>>()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Ok(Self { pool, uri, headers, timeout })
    }

    /// Posts a body.
    pub(super) async fn post(&self, content_type: &'static str, body: Bytes) -> Verdict {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.uri);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let agent = concat!("tailwater/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let answered = async {
            match self.pool.request(request).await {
                Ok(response) => judge(response).await,
                Err(error) => Verdict::Again { after: None, reason: told(&error) },
            }
        };
        let none = || Verdict::Again {
            after: None,
            reason: format!("no answer within {} s", self.timeout.as_secs_f64()),
        };
        tokio::time::timeout(self.timeout, answered).await.unwrap_or_else(|_| none())
    }
}

/// An error with its causes, in one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

async fn judge(response: Response<Incoming>) -> Verdict {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let body = Limited::new(response.into_body(), SINK_ANSWER_BYTES_MAX).collect().await;
    let may_come_again = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let body = match body {
        Ok(body) => body.to_bytes(),
        // Taken, whatever it says; an answer without end is no reason to send twice.
        Err(_) if status.is_success() => return Verdict::Taken(Bytes::new()),
        Err(_) => Bytes::new(),
    };
    if status.is_success() {
        return Verdict::Taken(body);
    }
    let text: String = String::from_utf8_lossy(&body)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(ANSWER_SHOWN)
        .collect();
    let reason = format!("it answered {status}: {text}");
    if may_come_again { Verdict::Again { after, reason } } else { Verdict::Refused(reason) }
}
