//! Functions over addresses and URLs. URLs are taken apart by RFC 3986, appendix B, and not
//! normalised.

use std::fmt::Write;
use std::net::IpAddr;

use super::{FunctionDef, Kind, Param, bounded, bounded_map, define_fixed, or_null};
use crate::model::Value::{self, Bool, Int, Null, Str};

const ADDRESS: Param = Param::new("address", &[Kind::Text]);
const URL: Param = Param::new("url", &[Kind::Text]);

/// A function that has no result where its argument cannot be taken apart.
const fn define(
    name: &'static str,
    params: &'static [Param],
    result: Kind,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&[Value]) -> Value,
) -> FunctionDef {
    define_fixed(name, params, result, doc, example, body).nullable()
}

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define(
        "in_cidr",
        &[ADDRESS, Param::new("network", &[Kind::Text])],
        Kind::Bool,
        "Whether an address lies in a network such as `10.0.0.0/8`.",
        (r#"in_cidr("10.1.2.3", "10.0.0.0/8")"#, "true"),
        |args| match args {
            [Str(address), Str(network)] => or_null(in_cidr(address, network).map(Bool)),
            _ => Null,
        },
    ),
    define(
        "is_ip",
        &[ADDRESS],
        Kind::Bool,
        "Whether the text is an IPv4 or IPv6 address.",
        (r#"is_ip("::1")"#, "true"),
        |args| match args {
            [Str(text)] => Bool(text.parse::<IpAddr>().is_ok()),
            _ => Null,
        },
    ),
    define(
        "is_private_ip",
        &[ADDRESS],
        Kind::Bool,
        "Whether an address is private, local to a link or a loopback.",
        (r#"is_private_ip("192.168.1.9")"#, "true"),
        |args| parsed(args, |address| Bool(is_private(address))),
    ),
    define("ip_version", &[ADDRESS], Kind::Int, "4 or 6.", (r#"ip_version("::1")"#, "6"), |args| {
        parsed(args, |address| Int(if address.is_ipv4() { 4 } else { 6 }))
    }),
    define(
        "ip_network",
        &[ADDRESS, Param::new("bits", &[Kind::Int])],
        Kind::Text,
        "The network of so many bits that an address lies in.",
        (r#"ip_network("10.1.2.3", 8)"#, r#""10.0.0.0/8""#),
        |args| match args {
            [Str(address), Int(bits)] => or_null(network_of(address, *bits)),
            _ => Null,
        },
    ),
    define(
        "url_scheme",
        &[URL],
        Kind::Text,
        "The scheme of a URL.",
        (r#"url_scheme("https://shop.example:8443/pay?id=7")"#, r#""https""#),
        |args| url(args, |url| url.scheme),
    ),
    define(
        "url_host",
        &[URL],
        Kind::Text,
        "The host of a URL, without user and port.",
        (r#"url_host("https://shop.example:8443/pay?id=7")"#, r#""shop.example""#),
        |args| url(args, |url| url.authority.map(host)),
    ),
    define(
        "url_port",
        &[URL],
        Kind::Int,
        "The port that a URL names.",
        (r#"url_port("https://shop.example:8443/pay?id=7")"#, "8443"),
        |args| match args {
            [Str(text)] => or_null(Url::split(text).authority.and_then(port)),
            _ => Null,
        },
    ),
    define(
        "url_path",
        &[URL],
        Kind::Text,
        "The path of a URL.",
        (r#"url_path("https://shop.example:8443/pay?id=7")"#, r#""/pay""#),
        |args| url(args, |url| Some(url.path)),
    ),
    define(
        "url_query",
        &[URL, Param::new("name", &[Kind::Text]).optional()],
        Kind::Text,
        "The query of a URL, or the first value of a parameter in it, decoded.",
        (r#"url_query("https://shop.example/pay?id=7&q=a%20b", "q")"#, r#""a b""#),
        |args| match args {
            [Str(url)] => or_null(Url::split(url).query.map(Value::str)),
            [Str(url), Str(name)] => or_null(parameter(url, name)),
            _ => Null,
        },
    ),
    define(
        "parse_query",
        &[Param::new("query", &[Kind::Text])],
        Kind::Map,
        "The parameters of a query, decoded, as a map; of one name the last.",
        (r#"parse_query("id=7&q=a%20b")"#, r#"parse_json("{\"id\": \"7\", \"q\": \"a b\"}")"#),
        |args| match args {
            [Str(query)] => bounded_map(query.split('&').filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let key = decoded(key, Plus::Blank)?;
                let Str(key) = key else { return None };
                (!key.is_empty()).then(|| Some((key, decoded(value, Plus::Blank)?))).flatten()
            })),
            _ => Null,
        },
    ),
    define(
        "percent_encode",
        &[Param::new("text", &[Kind::Text])],
        Kind::Text,
        "The text with everything but letters, digits and `-._~` as `%20` and the like.",
        (r#"percent_encode("a b/é")"#, r#""a%20b%2F%C3%A9""#),
        |args| if let [Str(text)] = args { encoded(text) } else { Null },
    ),
    define(
        "percent_decode",
        &[Param::new("text", &[Kind::Text])],
        Kind::Text,
        "The text with `%20` and the like decoded; null where that is no UTF-8.",
        (r#"percent_decode("a%20b")"#, r#""a b""#),
        |args| if let [Str(text)] = args { or_null(decoded(text, Plus::Itself)) } else { Null },
    ),
];

fn parsed(args: &[Value], f: impl FnOnce(IpAddr) -> Value) -> Value {
    let [Str(text)] = args else { return Null };
    parse(text).map_or(Null, f)
}

/// An address; one of IPv4 that is written as one of IPv6 (`::ffff:10.0.0.1`) counts as what it is.
fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The address as a number in the highest bits, and how many bits addresses of its kind have.
fn bits_of(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

fn mask(bits: u32) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - bits) }
}

fn in_cidr(address: &str, network: &str) -> Option<bool> {
    let (address, width) = bits_of(parse(address)?);
    let (base, prefix) = network.split_once('/')?;
    let (base, network_width) = bits_of(base.parse().ok()?);
    let prefix: u32 = prefix.parse().ok().filter(|bits| *bits <= network_width)?;
    Some(width == network_width && (address ^ base) & mask(prefix) == 0)
}

fn network_of(address: &str, bits: i64) -> Option<Value> {
    let (address, width) = bits_of(parse(address)?);
    let bits = u32::try_from(bits).ok().filter(|bits| *bits <= width)?;
    let base = address & mask(bits);
    let base = match width {
        32 => IpAddr::from(((base >> 96) as u32).to_be_bytes()),
        _ => IpAddr::from(base.to_be_bytes()),
    };
    Some(Value::str(&format!("{base}/{bits}")))
}

struct Url<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn split(text: &'a str) -> Self {
        let text = text.split_once('#').map_or(text, |x| x.0);
        let (text, query) = match text.split_once('?') {
            Some((text, query)) => (text, Some(query)),
            None => (text, None),
        };
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Self { scheme, authority, path, query }
    }
}

fn url(args: &[Value], part: for<'a> fn(Url<'a>) -> Option<&'a str>) -> Value {
    let [Str(text)] = args else { return Null };
    or_null(part(Url::split(text)).map(Value::str))
}

/// RFC 3986, 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
}

fn port(authority: &str) -> Option<Value> {
    let (_, port) = authority.rsplit_once(':')?;
    port.parse::<u16>().ok().map(|port| Int(port.into()))
}

/// RFC 3986, 2.3: unreserved characters stay.
fn encoded(text: &str) -> Value {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    bounded(&out)
}

fn host(authority: &str) -> &str {
    let host = authority.rsplit_once('@').map_or(authority, |x| x.1);
    match host.strip_prefix('[') {
        Some(literal) => literal.split_once(']').map_or(literal, |x| x.0),
        None => host.split_once(':').map_or(host, |x| x.0),
    }
}

fn parameter(url: &str, name: &str) -> Option<Value> {
    Url::split(url).query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| decoded(value, Plus::Blank)).flatten()
    })
}

fn decoded(text: &str, plus: Plus) -> Option<Value> {
    let bytes = percent_decoded(text, plus);
    String::from_utf8(bytes).ok().map(|text| bounded(&text))
}

/// What a `+` stands for: a blank in the query of a URL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    Blank,
    Itself,
}

/// The bytes of a text with `%20` and the like decoded; a `%` before anything else is itself.
pub(super) fn percent_decoded(text: &str, plus: Plus) -> Vec<u8> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        // `from_str_radix` alone would take a sign for a digit.
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 2;
            }
            None if byte == b'+' && plus == Plus::Blank => out.push(b' '),
            None => out.push(byte),
        }
        at += 1;
    }
    out
}
