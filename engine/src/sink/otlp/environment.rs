//! `OTEL_EXPORTER_OTLP_*` as settings: a pure function of what the variables hold.
//!
//! Source: OpenTelemetry specification 1.52, "OpenTelemetry Protocol Exporter": a variable of one
//! signal goes before that of all; an endpoint of one signal is used as it is, that of all is a
//! base over HTTP; headers are written as W3C Baggage; an empty variable is none.

use std::path::PathBuf;
use std::time::Duration;

use super::{LOGS, METRICS, OtlpConfig, Protocol, SignalConfig, TRACES, Temporality, usual};
use crate::error::{Error, ErrorKind};
use crate::sink::http::{ClientKey, Compression};

const GRPC: &str = "http://localhost:4317";
const HTTP: &str = "http://localhost:4318";

/// A variable that is set: its name, its value.
type Set = (String, String);

pub(super) fn config(
    name: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<OtlpConfig, Error> {
    let base = OtlpConfig::new(name, Protocol::default(), HTTP);
    let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let temporality = match lookup(preference).as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "cumulative") => Temporality::Cumulative,
        // `lowmemory` is delta for what is added up here.
        Some("delta" | "lowmemory") => Temporality::Delta,
        Some(_) => {
            let expected = "`cumulative`, `delta` or `lowmemory`";
            return Err(unusable(preference, expected));
        }
    };
    Ok(OtlpConfig {
        metrics: Signal { name: "METRICS", lookup }.config(name, METRICS.0)?,
        logs: Signal { name: "LOGS", lookup }.config(name, LOGS.0)?,
        traces: Signal { name: "TRACES", lookup }.config(name, TRACES.0)?,
        temporality,
        ..base
    })
}

fn unusable(variable: &str, expected: &str) -> Error {
    // What it holds may be secret, and is not told.
    Error::new(ErrorKind::Setting, format!("expected {expected} in `{variable}`"))
}

/// The variables of a signal.
struct Signal<'a> {
    name: &'static str,
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Signal<'_> {
    fn config(&self, name: &str, path: &str) -> Result<SignalConfig, Error> {
        let protocol = match self.find("PROTOCOL") {
            None => Protocol::default(),
            Some((variable, value)) => Protocol::of_name(&value)
                .ok_or_else(|| unusable(&variable, "`grpc`, `http/protobuf` or `http/json`"))?,
        };
        let mut push = usual(name, &self.url(protocol, path)?);
        let target = &mut push.target;
        if let Some((variable, value)) = self.find("HEADERS") {
            target.headers = headers(&value)
                .ok_or_else(|| unusable(&variable, "headers such as `key=value,key2=value2`"))?;
        }
        if let Some((variable, value)) = self.find("TIMEOUT") {
            let ms = value.parse().ok().filter(|ms| *ms > 0);
            let ms = ms.ok_or_else(|| unusable(&variable, "milliseconds above 0"))?;
            target.timeout = Duration::from_millis(ms);
        }
        if let Some((variable, value)) = self.find("COMPRESSION") {
            target.compression = match value.as_str() {
                "gzip" => Compression::Gzip,
                "none" => Compression::None,
                "zstd" => Compression::Zstd,
                _ => return Err(unusable(&variable, "`gzip`, `zstd` or `none`")),
            };
        }
        target.tls.authorities = self.find("CERTIFICATE").map(|(_, path)| PathBuf::from(path));
        target.tls.own = match (self.find("CLIENT_CERTIFICATE"), self.find("CLIENT_KEY")) {
            (None, None) => None,
            (Some((_, certificate)), Some((_, key))) => {
                Some(ClientKey { certificate: certificate.into(), key: key.into() })
            }
            (Some((variable, _)), None) => {
                return Err(unusable(&variable, "a certificate beside a `…_CLIENT_KEY`"));
            }
            (None, Some((variable, _))) => {
                return Err(unusable(&variable, "a key beside a `…_CLIENT_CERTIFICATE`"));
            }
        };
        Ok(SignalConfig { protocol, push })
    }

    /// A variable of this signal, else that of all.
    fn find(&self, what: &str) -> Option<Set> {
        self.own(what).or_else(|| set(self.lookup, format!("OTEL_EXPORTER_OTLP_{what}")))
    }

    fn own(&self, what: &str) -> Option<Set> {
        set(self.lookup, format!("OTEL_EXPORTER_OTLP_{}_{what}", self.name))
    }

    fn url(&self, protocol: Protocol, path: &str) -> Result<String, Error> {
        let is_grpc = protocol == Protocol::Grpc;
        let (is_own, (variable, url)) = match (self.own("ENDPOINT"), self.find("ENDPOINT")) {
            (Some(own), _) => (true, own),
            (None, Some(base)) => (false, base),
            (None, None) if is_grpc => return Ok(GRPC.to_owned()),
            (None, None) => return Ok(format!("{HTTP}{path}")),
        };
        let has_scheme = url.contains("://");
        if !is_grpc && !has_scheme {
            return Err(unusable(&variable, "a URL that begins with `http://` or `https://`"));
        }
        Ok(match (is_grpc, is_own) {
            (true, _) if has_scheme => url,
            (true, _) if self.is_insecure()? => format!("http://{url}"),
            (true, _) => format!("https://{url}"),
            (false, true) => url,
            (false, false) => format!("{}{path}", url.trim_end_matches('/')),
        })
    }

    /// Whether gRPC without a scheme is without TLS.
    fn is_insecure(&self) -> Result<bool, Error> {
        match self.find("INSECURE") {
            None => Ok(false),
            Some((_, value)) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some((_, value)) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some((variable, _)) => Err(unusable(&variable, "`true` or `false`")),
        }
    }
}

fn set(lookup: &dyn Fn(&str) -> Option<String>, variable: String) -> Option<Set> {
    let value = lookup(&variable)?.trim().to_owned();
    (!value.is_empty()).then_some((variable, value))
}

/// `key=value` pairs between commas, values percent-encoded.
fn headers(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = name.trim();
            let value = percent_decoded(value.trim())?;
            (!name.is_empty()).then(|| (name.to_owned(), value))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push((high << 4 | low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<OtlpConfig, Error> {
        let lookup = |wanted: &str| {
            let name = wanted.strip_prefix("OTEL_EXPORTER_OTLP_")?;
            let pair = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(pair.1.to_owned())
        };
        OtlpConfig::from_environment("env", lookup)
    }

    fn urls(variables: &[(&str, &str)]) -> (String, String) {
        let config = found(variables).unwrap();
        (config.metrics.push.target.url, config.logs.push.target.url)
    }

    fn pair(metrics: &str, logs: &str) -> (String, String) {
        (metrics.to_owned(), logs.to_owned())
    }

    #[test]
    fn endpoints_are_bases_for_all_and_whole_for_one() {
        let usual = pair("http://localhost:4318/v1/metrics", "http://localhost:4318/v1/logs");
        assert_eq!(urls(&[]), usual);
        assert_eq!(urls(&[("ENDPOINT", "")]), usual);
        let base = ("ENDPOINT", "https://c:4318/mine/");
        assert_eq!(
            urls(&[base]),
            pair("https://c:4318/mine/v1/metrics", "https://c:4318/mine/v1/logs")
        );
        let own = ("METRICS_ENDPOINT", "http://m:1/as/is");
        assert_eq!(urls(&[base, own]), pair("http://m:1/as/is", "https://c:4318/mine/v1/logs"));
        assert_eq!(urls(&[("LOGS_ENDPOINT", "http://l:1")]).1, "http://l:1");
        assert!(found(&[("ENDPOINT", "c:4318")]).is_err());
    }

    #[test]
    fn grpc_needs_no_scheme_and_is_secure_unless_told() {
        let grpc = ("PROTOCOL", "grpc");
        assert_eq!(urls(&[grpc]), pair(GRPC, GRPC));
        let bare = ("ENDPOINT", "c:4317");
        assert_eq!(urls(&[grpc, bare]), pair("https://c:4317", "https://c:4317"));
        let variables = [grpc, bare, ("LOGS_INSECURE", "TRUE")];
        assert_eq!(urls(&variables), pair("https://c:4317", "http://c:4317"));
        let variables = [grpc, ("ENDPOINT", "http://c:4317"), ("INSECURE", "false")];
        assert_eq!(urls(&variables).0, "http://c:4317");
        let mixed = [grpc, ("LOGS_PROTOCOL", "http/json")];
        assert_eq!(urls(&mixed), pair(GRPC, "http://localhost:4318/v1/logs"));
        assert_eq!(found(&mixed).unwrap().logs.protocol, Protocol::HttpJson);
    }

    #[test]
    fn what_one_signal_says_goes_before_what_all_say() {
        let config = found(&[
            ("HEADERS", "api-key=a%2Cb%20c , x=1=2"),
            ("LOGS_HEADERS", "only=this"),
            ("TIMEOUT", "250"),
            ("METRICS_TIMEOUT", "7000"),
            ("COMPRESSION", "none"),
            ("LOGS_COMPRESSION", "gzip"),
            ("CERTIFICATE", "/ca.pem"),
            ("CLIENT_CERTIFICATE", "/c.pem"),
            ("LOGS_CLIENT_KEY", "/l.key"),
            ("CLIENT_KEY", "/k.key"),
            ("METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        ]);
        let config = config.unwrap();
        let (metrics, logs) = (&config.metrics.push.target, &config.logs.push.target);
        let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| pair(name, value)).collect()
        };
        assert_eq!(metrics.headers, headers(&[("api-key", "a,b c"), ("x", "1=2")]));
        assert_eq!(logs.headers, headers(&[("only", "this")]));
        assert_eq!((metrics.timeout.as_millis(), logs.timeout.as_millis()), (7_000, 250));
        assert_eq!((metrics.compression, logs.compression), (Compression::None, Compression::Gzip));
        assert_eq!(metrics.tls.authorities, Some(PathBuf::from("/ca.pem")));
        let key = |key: &str| Some(ClientKey { certificate: "/c.pem".into(), key: key.into() });
        assert_eq!((&metrics.tls.own, &logs.tls.own), (&key("/k.key"), &key("/l.key")));
        assert_eq!(config.temporality, Temporality::Delta);
        assert_eq!(found(&[]).unwrap().temporality, Temporality::Cumulative);
        let usual = found(&[]).unwrap().metrics.push.target;
        assert_eq!(
            (usual.timeout, usual.compression),
            (Duration::from_secs(10), Compression::Gzip)
        );
    }

    #[test]
    fn what_cannot_be_used_is_told_by_its_variable_and_not_by_its_value() {
        for (name, value) in [
            ("PROTOCOL", "hush"),
            ("HEADERS", "hush"),
            ("LOGS_HEADERS", "a=hush%2"),
            ("HEADERS", "=hush"),
            ("TIMEOUT", "-1hush"),
            ("METRICS_TIMEOUT", "0"),
            ("COMPRESSION", "hush"),
            ("CLIENT_KEY", "hush"),
            ("METRICS_TEMPORALITY_PREFERENCE", "hush"),
        ] {
            let error = found(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name) && !error.contains("hush"), "{error}");
        }
    }
}
