//! Functions over maps, and texts that hold them.

use std::sync::Arc;

use super::ResultKind::{ElementOf, Fixed};
use super::{FunctionDef, Kind, Param, bounded, bounded_list, bounded_map, define, or_null};
use crate::limits::VALUE_DEPTH_MAX;
use crate::model::Value::{self, Bool, Float, Int, Map, Null, Str};

const MAP: Param = Param::new("map", &[Kind::Map]);
const KEY: Param = Param::new("key", &[Kind::Text]);
const TEXT: Param = Param::new("text", &[Kind::Text]);

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define(
        "get",
        &[MAP, KEY],
        ElementOf(0),
        "The value of a key.",
        (r#"get(parse_json("{\"a\": 1}"), "a")"#, "1"),
        |args| match args {
            [Map(entries), Str(key)] => or_null(find(entries, key).cloned()),
            _ => Null,
        },
    )
    .nullable(),
    define(
        "has_key",
        &[MAP, KEY],
        Fixed(Kind::Bool),
        "Whether the map has a key.",
        (r#"has_key(parse_json("{\"a\": 1}"), "b")"#, "false"),
        |args| match args {
            [Map(entries), Str(key)] => Bool(find(entries, key).is_some()),
            _ => Null,
        },
    ),
    define(
        "keys",
        &[MAP],
        Fixed(Kind::List),
        "The keys in order.",
        (r#"keys(parse_json("{\"b\": 1, \"a\": 2}"))"#, r#"["a", "b"]"#),
        |args| match args {
            [Map(entries)] => bounded_list(entries.iter().map(|(key, _)| Str(Arc::clone(key)))),
            _ => Null,
        },
    ),
    define(
        "values",
        &[MAP],
        Fixed(Kind::List),
        "The values in the order of their keys.",
        (r#"values(parse_json("{\"b\": 1, \"a\": 2}"))"#, "[2, 1]"),
        |args| match args {
            [Map(entries)] => bounded_list(entries.iter().map(|(_, value)| value.clone())),
            _ => Null,
        },
    ),
    define(
        "merge",
        &[MAP, Param::new("over", &[Kind::Map])],
        Fixed(Kind::Map),
        "The entries of both maps; of equal keys those of the second.",
        (
            r#"merge(parse_json("{\"a\": 1}"), parse_json("{\"a\": 2}"))"#,
            r#"parse_json("{\"a\": 2}")"#,
        ),
        |args| match args {
            [Map(a), Map(b)] => bounded_map(a.iter().chain(b.iter()).cloned()),
            _ => Null,
        },
    ),
    define(
        "without",
        &[MAP, KEY],
        Fixed(Kind::Map),
        "The map without these keys.",
        (r#"without(parse_json("{\"a\": 1, \"b\": 2}"), "a")"#, r#"parse_json("{\"b\": 2}")"#),
        |args| match args {
            [Map(entries), keys @ ..] => {
                let is_kept = |entry: &&(Arc<str>, Value)| {
                    !keys.iter().any(|key| matches!(key, Str(key) if *key == entry.0))
                };
                bounded_map(entries.iter().filter(is_kept).cloned())
            }
            _ => Null,
        },
    )
    .variadic(),
    define(
        "only",
        &[MAP, KEY],
        Fixed(Kind::Map),
        "The map with only these keys.",
        (r#"only(parse_json("{\"a\": 1, \"b\": 2}"), "a", "c")"#, r#"parse_json("{\"a\": 1}")"#),
        |args| match args {
            [Map(entries), keys @ ..] => {
                let is_kept = |entry: &&(Arc<str>, Value)| {
                    keys.iter().any(|key| matches!(key, Str(key) if *key == entry.0))
                };
                bounded_map(entries.iter().filter(is_kept).cloned())
            }
            _ => Null,
        },
    )
    .variadic(),
    define(
        "parse_json",
        &[TEXT],
        Fixed(Kind::Any),
        "The value of a JSON text; null where it is none or nests too deep.",
        (r#"parse_json("[1, 2.5]")"#, "[1, 2.5]"),
        |args| match args {
            [Str(text)] => serde_json::from_str(text).map_or(Null, |json| value_of(&json, 0)),
            _ => Null,
        },
    )
    .nullable(),
    define(
        "to_json",
        &[Param::new("value", &[Kind::Any])],
        Fixed(Kind::Text),
        "The value as JSON: durations in nanoseconds, sizes in bytes, times as RFC 3339.",
        ("to_json([1, 2])", r#""[1,2]""#),
        |args| {
            let mut text = String::new();
            args[0].write_json(&mut text);
            bounded(&text)
        },
    )
    .nullable(),
    define(
        "parse_pairs",
        &[TEXT],
        Fixed(Kind::Map),
        "The map in a text of `key=value` pairs between spaces; a value may be in quotes, where `\\` takes the next character as it is.",
        (
            r#"parse_pairs("level=warn msg=\"disk full\"")"#,
            r#"parse_json("{\"level\": \"warn\", \"msg\": \"disk full\"}")"#,
        ),
        |args| if let [Str(text)] = args { bounded_map(pairs(text)) } else { Null },
    ),
];

fn find<'a>(entries: &'a [(Arc<str>, Value)], key: &str) -> Option<&'a Value> {
    let at = entries.binary_search_by(|entry| (*entry.0).cmp(key)).ok()?;
    Some(&entries[at].1)
}

fn value_of(json: &serde_json::Value, depth: usize) -> Value {
    use serde_json::Value as Json;
    if depth > VALUE_DEPTH_MAX {
        return Null;
    }
    match json {
        Json::Null => Null,
        Json::Bool(v) => Bool(*v),
        Json::Number(v) => {
            v.as_i64().map(Int).or_else(|| v.as_f64().map(Float)).unwrap_or_default()
        }
        Json::String(v) => Value::str(v),
        Json::Array(items) => bounded_list(items.iter().map(|item| value_of(item, depth + 1))),
        Json::Object(entries) => bounded_map(
            entries.iter().map(|(key, value)| (Arc::from(&**key), value_of(value, depth + 1))),
        ),
    }
}

/// `key=value` pairs (logfmt); a word without `=` is no pair.
fn pairs(text: &str) -> Vec<(Arc<str>, Value)> {
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let key = &rest[..end];
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix('=') {
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => unquoted(quoted),
                None => {
                    let end = after.find(char::is_whitespace).unwrap_or(after.len());
                    (after[..end].to_owned(), &after[end..])
                }
            };
            if !key.is_empty() {
                found.push((Arc::from(key), Value::str(&value)));
            }
            rest = after;
        }
        rest = rest.trim_start();
    }
    found
}

/// The text up to the closing quote, and what follows; `\\` takes the next character as it is.
fn unquoted(quoted: &str) -> (String, &str) {
    let (mut out, mut chars) = (String::new(), quoted.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    (out, chars.as_str())
}
