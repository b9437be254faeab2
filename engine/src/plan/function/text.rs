//! Functions over text. Positions and lengths count characters, not bytes.

use std::fmt::Write;

use super::ResultKind::{Fixed, Join, SameAs};
use super::{Body, FunctionDef, Kind, Param, bounded, bounded_list, define, define_fixed};
use crate::limits::FUNCTION_TEXT_BYTES_MAX;
use crate::model::Value::{self, Bool, Bytes, Int, List, Map, Null, Str};

const TEXT: Param = Param::new("text", &[Kind::Text]);
const PART: Param = Param::new("part", &[Kind::Text]);
const SEPARATOR: Param = Param::new("separator", &[Kind::Text]);
const LENGTH: Param = Param::new("length", &[Kind::Int]);

const fn one(
    name: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&[Value]) -> Value,
) -> FunctionDef {
    define(name, &[TEXT], SameAs(0), doc, example, body)
}

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    one("lower", "The text in lower case.", (r#"lower("GET")"#, r#""get""#), |args| match args {
        [Str(text)] => bounded(&text.to_lowercase()),
        _ => Null,
    }),
    one("upper", "The text in upper case.", (r#"upper("get")"#, r#""GET""#), |args| match args {
        [Str(text)] => bounded(&text.to_uppercase()),
        _ => Null,
    }),
    one(
        "trim",
        "The text without white space at its ends.",
        (r#"trim(" a ")"#, r#""a""#),
        |args| match args {
            [Str(text)] => Value::str(text.trim()),
            _ => Null,
        },
    ),
    one(
        "snake_case",
        "The text in lower case with words joined by `_`.",
        (r#"snake_case("HttpStatus code")"#, r#""http_status_code""#),
        |args| match args {
            [Str(text)] => bounded(&snake_case(text)),
            _ => Null,
        },
    ),
    one(
        "camel_case",
        "The text as one word, each further word of it with a capital.",
        (r#"camel_case("http_status code")"#, r#""httpStatusCode""#),
        |args| match args {
            [Str(text)] => bounded(&camel_case(text)),
            _ => Null,
        },
    ),
    one(
        "strip_ansi",
        "The text without the escape sequences that colour terminals.",
        (r#"strip_ansi(concat(percent_decode("%1B[31m"), "red"))"#, r#""red""#),
        |args| match args {
            [Str(text)] => Value::str(&strip_ansi(text)),
            _ => Null,
        },
    ),
    define_fixed(
        "trim_prefix",
        &[TEXT, PART],
        Kind::Text,
        "The text without a prefix, where it has that prefix.",
        (r#"trim_prefix("/api/v1", "/api")"#, r#""/v1""#),
        |args| texts(args, |text, part| Value::str(text.strip_prefix(part).unwrap_or(text))),
    ),
    define_fixed(
        "trim_suffix",
        &[TEXT, PART],
        Kind::Text,
        "The text without a suffix, where it has that suffix.",
        (r#"trim_suffix("a.png", ".png")"#, r#""a""#),
        |args| texts(args, |text, part| Value::str(text.strip_suffix(part).unwrap_or(text))),
    ),
    define_fixed(
        "contains",
        &[TEXT, PART],
        Kind::Bool,
        "Whether the text contains a part.",
        (r#"contains("checkout", "out")"#, "true"),
        |args| texts(args, |text, part| Bool(text.contains(part))),
    ),
    define_fixed(
        "starts_with",
        &[TEXT, PART],
        Kind::Bool,
        "Whether the text starts with a prefix.",
        (r#"starts_with("/api/v1", "/api")"#, "true"),
        |args| texts(args, |text, part| Bool(text.starts_with(part))),
    ),
    define_fixed(
        "ends_with",
        &[TEXT, PART],
        Kind::Bool,
        "Whether the text ends with a suffix.",
        (r#"ends_with("a.png", ".png")"#, "true"),
        |args| texts(args, |text, part| Bool(text.ends_with(part))),
    ),
    define_fixed(
        "before",
        &[TEXT, SEPARATOR],
        Kind::Text,
        "The text before the first separator; all of it where there is none.",
        (r#"before("host:8080", ":")"#, r#""host""#),
        |args| texts(args, |text, at| Value::str(text.split_once(at).map_or(text, |x| x.0))),
    ),
    define_fixed(
        "after",
        &[TEXT, SEPARATOR],
        Kind::Text,
        "The text after the first separator; empty where there is none.",
        (r#"after("host:8080", ":")"#, r#""8080""#),
        |args| texts(args, |text, at| Value::str(text.split_once(at).map_or("", |x| x.1))),
    ),
    define_fixed(
        "before_last",
        &[TEXT, SEPARATOR],
        Kind::Text,
        "The text before the last separator; all of it where there is none.",
        (r#"before_last("/var/log/a.txt", "/")"#, r#""/var/log""#),
        |args| texts(args, |text, at| Value::str(text.rsplit_once(at).map_or(text, |x| x.0))),
    ),
    define_fixed(
        "after_last",
        &[TEXT, SEPARATOR],
        Kind::Text,
        "The text after the last separator; all of it where there is none.",
        (r#"after_last("/var/log/a.txt", "/")"#, r#""a.txt""#),
        |args| texts(args, |text, at| Value::str(text.rsplit_once(at).map_or(text, |x| x.1))),
    ),
    define_fixed(
        "index_of",
        &[TEXT, PART],
        Kind::Int,
        "The place of the first occurrence of a part, counted in characters from 0.",
        (r#"index_of("checkout", "out")"#, "5"),
        |args| {
            texts(args, |text, part| {
                text.find(part).map_or(Null, |at| Int(text[..at].chars().count() as i64))
            })
        },
    )
    .nullable(),
    define_fixed(
        "split",
        &[TEXT, SEPARATOR],
        Kind::List,
        "The parts between separators, as a list; without a separator its characters.",
        (r#"split("a,b,c", ",")"#, r#"["a", "b", "c"]"#),
        |args| {
            texts(args, |text, at| match at {
                "" => bounded_list(text.chars().map(|c| Value::str(c.encode_utf8(&mut [0; 4])))),
                at => bounded_list(text.split(at).map(Value::str)),
            })
        },
    ),
    define_fixed(
        "join",
        &[Param::new("list", &[Kind::List]), SEPARATOR],
        Kind::Text,
        "The elements of a list as one text, with a separator between them.",
        (r#"join(["a", "b"], "/")"#, r#""a/b""#),
        |args| match args {
            [List(items), Str(separator)] => glue(items, separator),
            _ => Null,
        },
    ),
    define_fixed(
        "concat",
        &[Param::new("value", &[Kind::Any])],
        Kind::Text,
        "All values as one text.",
        (r#"concat("http ", 404)"#, r#""http 404""#),
        |args| glue(args, ""),
    )
    .variadic(),
    define_fixed(
        "replace",
        &[TEXT, PART, Param::new("by", &[Kind::Text])],
        Kind::Text,
        "The text with every occurrence of a part replaced.",
        (r#"replace("a-b-c", "-", "/")"#, r#""a/b/c""#),
        |args| match args {
            [Str(_), Str(part), _] if part.is_empty() => Null,
            [Str(text), Str(part), Str(by)] => {
                let found = text.matches(&**part).count();
                if found.saturating_mul(by.len()) > FUNCTION_TEXT_BYTES_MAX {
                    return Null;
                }
                bounded(&text.replace(&**part, by))
            }
            _ => Null,
        },
    )
    .nullable(),
    define_fixed(
        "substring",
        &[TEXT, Param::new("start", &[Kind::Int]), LENGTH.optional()],
        Kind::Text,
        "The text from a place, counted from 0, to its end or for so many characters.",
        (r#"substring("checkout", 5, 2)"#, r#""ou""#),
        |args| match args {
            [Str(text), Int(start)] => substring(text, *start, i64::MAX),
            [Str(text), Int(start), Int(length)] => substring(text, *start, *length),
            _ => Null,
        },
    ),
    define_fixed(
        "truncate",
        &[TEXT, LENGTH],
        Kind::Text,
        "The first so many characters of the text.",
        (r#"truncate("checkout", 5)"#, r#""check""#),
        |args| match args {
            [Str(text), Int(length)] => substring(text, 0, *length),
            _ => Null,
        },
    ),
    FunctionDef::new(
        "len",
        &[Param::new("value", &[Kind::Text, Kind::Bytes, Kind::List, Kind::Map])],
        Fixed(Kind::Int),
        "Characters of a text, bytes of bytes, elements of a list, entries of a map.",
        (r#"len("abc")"#, "3"),
        Body::Values(|args| match args {
            [Str(text)] => Int(text.chars().count() as i64),
            [Bytes(bytes)] => Int(bytes.len() as i64),
            [List(items)] => Int(items.len() as i64),
            [Map(entries)] => Int(entries.len() as i64),
            _ => Null,
        }),
    ),
    FunctionDef::new(
        "first_filled",
        &[TEXT],
        Join,
        "The first of the texts that is neither null nor empty.",
        (r#"first_filled("", "b")"#, r#""b""#),
        Body::Values(|args| {
            let filled = |value: &&Value| matches!(value, Str(text) if !text.is_empty());
            args.iter().find(filled).cloned().unwrap_or_default()
        }),
    )
    .variadic()
    .nullable()
    .takes_null(),
];

fn texts(args: &[Value], f: impl FnOnce(&str, &str) -> Value) -> Value {
    match args {
        [Str(a), Str(b)] => f(a, b),
        _ => Null,
    }
}

fn substring(text: &str, start: i64, length: i64) -> Value {
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else {
        return Value::str("");
    };
    let place = |from: &str, n: usize| from.char_indices().nth(n).map_or(from.len(), |(at, _)| at);
    let rest = &text[place(text, start)..];
    Value::str(&rest[..place(rest, length)])
}

fn glue(items: &[Value], separator: &str) -> Value {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        match item {
            Str(part) => text.push_str(part),
            item => {
                let _ = write!(text, "{item:#}");
            }
        }
        if text.len() > FUNCTION_TEXT_BYTES_MAX {
            return Null;
        }
    }
    Value::str(&text)
}

/// A word starts at a capital after a small letter or digit, and after anything that is neither
/// letter nor digit.
fn snake_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let (mut was_small, mut pending) = (false, false);
    for c in text.chars() {
        if !c.is_alphanumeric() {
            pending = !out.is_empty();
            was_small = false;
            continue;
        }
        if pending || (c.is_uppercase() && was_small) {
            out.push('_');
            pending = false;
        }
        was_small = !c.is_uppercase();
        out.extend(c.to_lowercase());
    }
    out
}

/// The words of [`snake_case`], joined without a separator.
fn camel_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, word) in snake_case(text).split('_').enumerate() {
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if index > 0 => out.extend(first.to_uppercase()),
            first => out.extend(first),
        }
        out.push_str(chars.as_str());
    }
    out
}

/// Control sequences (ECMA-48, 5.4): `ESC [`, parameters, and one final byte from `@` to `~`.
fn strip_ansi(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let end = after.find(|c: char| ('@'..='~').contains(&c));
        rest = end.map_or("", |end| &after[end + 1..]);
    }
    out.push_str(rest);
    out
}
