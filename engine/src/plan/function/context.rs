//! Functions over contexts that travel as text: `traceparent`, `tracestate`, `baggage`.
//!
//! Strict, as W3C Trace Context (level 2) and W3C Baggage ask of who receives them: what breaks the
//! rules is null as a whole, and nothing of it is guessed.

use std::sync::Arc;

use super::network::{Plus, percent_decoded};
use super::{FunctionDef, Kind, Param, bounded_map, define_fixed};
use crate::limits::{BAGGAGE_BYTES_MAX, BAGGAGE_MEMBERS_MAX};
use crate::model::Value::{self, Bool, Int, Null, Str};
use crate::sampling::members;

const TEXT: Param = Param::new("text", &[Kind::Text]);

/// The flags of a traceparent that have a meaning; others count as not set.
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

const fn define(
    name: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&[Value]) -> Value,
) -> FunctionDef {
    define_fixed(name, &[TEXT], Kind::Map, doc, example, body).nullable()
}

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define(
        "parse_traceparent",
        "What a W3C `traceparent` says: `version`, `trace_id` and `span_id` (hex), `sampled`, \
         `random`. Null where it breaks the rules.",
        (
            r#"parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")"#,
            r#"parse_json("{\"random\": false, \"sampled\": true, \"span_id\": \"00f067aa0ba902b7\", \"trace_id\": \"4bf92f3577b34da6a3ce929d0e0e4736\", \"version\": 0}")"#,
        ),
        |args| if let [Str(text)] = args { traceparent(text).unwrap_or(Null) } else { Null },
    ),
    define(
        "parse_tracestate",
        "The members of a W3C `tracestate` as a map; of one key the first. Null where it breaks the \
         rules.",
        (
            r#"parse_tracestate("ot=th:8, vendor@shop=x")"#,
            r#"parse_json("{\"ot\": \"th:8\", \"vendor@shop\": \"x\"}")"#,
        ),
        |args| if let [Str(text)] = args { tracestate(text).unwrap_or(Null) } else { Null },
    ),
    define(
        "parse_baggage",
        "The values of a W3C `baggage`, decoded, as a map; of one key the last, properties left out. \
         Null where it breaks the rules.",
        (
            r#"parse_baggage("user=alice%20b;secret, tier=gold")"#,
            r#"parse_json("{\"tier\": \"gold\", \"user\": \"alice b\"}")"#,
        ),
        |args| if let [Str(text)] = args { baggage(text).unwrap_or(Null) } else { Null },
    ),
];

/// Source: W3C Trace Context, "traceparent Header". A later version may say more behind a `-`.
fn traceparent(text: &str) -> Option<Value> {
    let text = text.trim_matches([' ', '\t']);
    let (known, rest) = text.as_bytes().split_at_checked(55)?;
    let known = std::str::from_utf8(known).ok()?;
    let mut parts = known.split('-');
    let (version, trace_id) = (parts.next()?, parts.next()?);
    let (span_id, flags) = (parts.next()?, parts.next()?);
    let lengths = [version.len(), trace_id.len(), span_id.len(), flags.len()];
    let is_whole = lengths == [2, 32, 16, 2] && parts.next().is_none();
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |id: &str| id.bytes().any(|byte| byte != b'0');
    let is_read = is_whole
        && [version, trace_id, span_id, flags].into_iter().all(is_hex)
        && is_id(trace_id)
        && is_id(span_id);
    let version = u8::from_str_radix(version, 16).ok().filter(|version| *version != 0xff)?;
    let ends = rest.is_empty() || version > 0 && rest.first() == Some(&b'-');
    let flags = u8::from_str_radix(flags, 16).ok().filter(|_| is_read && ends)?;
    Some(map([
        ("random", Bool(flags & RANDOM != 0)),
        ("sampled", Bool(flags & SAMPLED != 0)),
        ("span_id", Value::str(span_id)),
        ("trace_id", Value::str(trace_id)),
        ("version", Int(i64::from(version))),
    ]))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    bounded_map(entries.map(|(key, value)| (Arc::from(key), value)))
}

fn tracestate(text: &str) -> Option<Value> {
    let mut members = members(text)?;
    // The last one of a key would count otherwise.
    members.reverse();
    Some(bounded_map(members.iter().map(|m| (Arc::from(m.key), Value::str(m.value)))))
}

/// Source: W3C Baggage, "Header Content".
fn baggage(text: &str) -> Option<Value> {
    if text.len() > BAGGAGE_BYTES_MAX {
        return None;
    }
    let mut entries = Vec::new();
    for member in text.split(',') {
        let mut parts = member.split(';');
        let (key, value) = parts.next()?.split_once('=')?;
        let (key, value) = (key.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']));
        let is_read = is_token(key) && is_octets(value) && parts.all(is_property);
        if !is_read || entries.len() == BAGGAGE_MEMBERS_MAX {
            return None;
        }
        // Bytes that are no UTF-8 become U+FFFD, as W3C asks.
        let value = percent_decoded(value, Plus::Itself);
        entries.push((Arc::from(key), Value::str(&String::from_utf8_lossy(&value))));
    }
    Some(bounded_map(entries))
}

fn is_property(text: &str) -> bool {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    is_token(key.trim_matches([' ', '\t'])) && is_octets(value.trim_matches([' ', '\t']))
}

/// A token of RFC 7230.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

/// Printable, without blanks, quotes, commas, semicolons and backslashes.
fn is_octets(text: &str) -> bool {
    let is_octet = |byte: u8| matches!(byte, 0x21..=0x7e) && !b"\",;\\".contains(&byte);
    text.bytes().all(is_octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(value: Option<Value>, key: &str) -> Option<String> {
        let Value::Map(entries) = value? else { panic!("a map") };
        entries.iter().find(|entry| &*entry.0 == key).map(|entry| entry.1.to_string())
    }

    const IDS: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

    #[test]
    fn a_traceparent_is_read_strictly() {
        let read = |text: &str| traceparent(text);
        assert_eq!(says(read(&format!("00-{IDS}-01")), "sampled").unwrap(), "true");
        assert_eq!(says(read(&format!(" 00-{IDS}-02\t")), "random").unwrap(), "true");
        assert_eq!(says(read(&format!("00-{IDS}-fc")), "sampled").unwrap(), "false");
        assert_eq!(says(read(&format!("cc-{IDS}-01-more.of.it")), "version").unwrap(), "204");
        for wrong in [
            format!("00-{IDS}-01-"),
            format!("00-{IDS}-01-more"),
            format!("cc-{IDS}-01more"),
            format!("ff-{IDS}-01"),
            format!("00-{}-01", IDS.to_uppercase()),
            format!("00-{IDS}-1"),
            format!("00-{IDS}-0X"),
            format!("00-{IDS}"),
            format!("0-{IDS}-001"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(),
            String::new(),
            "é".repeat(40),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tracestate_is_read_whole_or_not_at_all() {
        assert_eq!(says(tracestate("a=1,b=2, ,a=3"), "a").unwrap(), "1");
        assert_eq!(says(tracestate("foo@@bar=1"), "foo@@bar").unwrap(), "1");
        assert_eq!(tracestate(""), Some(bounded_map([])));
        for wrong in ["foo=,bar=1", "Foo=1", "@foo=1", "a", "a=b=c"] {
            assert_eq!(tracestate(wrong), None, "{wrong}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=1")).collect();
        assert_eq!(tracestate(&many.join(",")), None);
    }

    #[test]
    fn a_baggage_is_read_whole_or_not_at_all() {
        assert_eq!(says(baggage("a=1;p;q=2 , b = x%20y"), "b").unwrap(), "x y");
        assert_eq!(says(baggage("a=%E4"), "a").unwrap(), "\u{fffd}");
        assert_eq!(says(baggage("a=%+f%"), "a").unwrap(), "%+f%");
        assert_eq!(says(baggage("a=1,a=2"), "a").unwrap(), "2");
        for wrong in ["", "a", "=1", "a b=1", "a=x y", "a=\"1\"", "a=1,", "a=1;;", "é=1", "a=é"] {
            assert_eq!(baggage(wrong), None, "{wrong}");
        }
        assert_eq!(baggage(&format!("a={}", "x".repeat(BAGGAGE_BYTES_MAX))), None);
    }
}
