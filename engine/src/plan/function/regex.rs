//! Functions with a regular expression, which is a constant and compiled with the plan.

use std::sync::Arc;

use regex::Captures;

use super::ResultKind::Fixed;
use super::{Body, FunctionDef, Kind, Param, bounded_list, bounded_map, or_null};
use crate::limits::FUNCTION_TEXT_BYTES_MAX;
use crate::model::Value::{self, Bool, Int, Null, Str};

const TEXT: Param = Param::new("text", &[Kind::Text]);
const PATTERN: Param = Param::new("pattern", &[Kind::Text]).regex();

const fn define(
    name: &'static str,
    params: &'static [Param],
    result: Kind,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&regex::Regex, &[Value]) -> Value,
) -> FunctionDef {
    FunctionDef::new(name, params, Fixed(result), doc, example, Body::Pattern(body))
}

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define(
        "matches",
        &[TEXT, PATTERN],
        Kind::Bool,
        "Whether the expression matches anywhere in the text.",
        (r#"matches("GET /pay", "^GET /(pay|cart)$")"#, "true"),
        |regex, args| text(args, |text| Bool(regex.is_match(text))),
    ),
    define(
        "extract",
        &[TEXT, PATTERN, Param::new("group", &[Kind::Int]).optional()],
        Kind::Text,
        "What the first group of the first match holds, or the group of that number (0: all).",
        (r#"extract("order 1234", "order ([0-9]+)")"#, r#""1234""#),
        |regex, args| match args {
            [Str(text), _] => extract(regex, text, usize::from(regex.captures_len() > 1)),
            [Str(text), _, Int(group)] => {
                usize::try_from(*group).map_or(Null, |group| extract(regex, text, group))
            }
            _ => Null,
        },
    )
    .nullable(),
    define(
        "extract_all",
        &[TEXT, PATTERN],
        Kind::List,
        "Every match of the expression, as a list.",
        (r#"extract_all("a1b22", "[0-9]+")"#, r#"["1", "22"]"#),
        |regex, args| {
            text(args, |text| {
                bounded_list(regex.find_iter(text).map(|found| Value::str(found.as_str())))
            })
        },
    ),
    define(
        "extract_named",
        &[TEXT, PATTERN],
        Kind::Map,
        "The named groups of the first match, as a map.",
        (
            r#"extract_named("GET /pay", "(?<verb>[A-Z]+) (?<path>.*)")"#,
            r#"parse_json("{\"verb\": \"GET\", \"path\": \"/pay\"}")"#,
        ),
        |regex, args| text(args, |text| or_null(regex.captures(text).map(|c| named(regex, &c)))),
    )
    .nullable(),
    define(
        "count_matches",
        &[TEXT, PATTERN],
        Kind::Int,
        "How often the expression matches without overlap.",
        (r#"count_matches("a1b22", "[0-9]+")"#, "2"),
        |regex, args| text(args, |text| Int(regex.find_iter(text).count() as i64)),
    ),
    define(
        "replace_matches",
        &[TEXT, PATTERN, Param::new("by", &[Kind::Text])],
        Kind::Text,
        "The text with every match replaced; `$1` or `${name}` stand for groups.",
        (r#"replace_matches("/order/12/item/7", "[0-9]+", "{id}")"#, r#""/order/{id}/item/{id}""#),
        |regex, args| match args {
            [Str(text), _, Str(by)] => replace(regex, text, by),
            _ => Null,
        },
    )
    .nullable(),
];

fn text(args: &[Value], f: impl FnOnce(&str) -> Value) -> Value {
    if let [Str(text), ..] = args { f(text) } else { Null }
}

fn extract(regex: &regex::Regex, text: &str, group: usize) -> Value {
    let found = regex.captures(text).and_then(|captures| captures.get(group));
    or_null(found.map(|found| Value::str(found.as_str())))
}

fn named(regex: &regex::Regex, captures: &Captures<'_>) -> Value {
    bounded_map(regex.capture_names().flatten().filter_map(|name| {
        captures.name(name).map(|found| (Arc::from(name), Value::str(found.as_str())))
    }))
}

/// Stops at the bound instead of building a text that is thrown away.
fn replace(regex: &regex::Regex, text: &str, by: &str) -> Value {
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for captures in regex.captures_iter(text) {
        let Some(found) = captures.get(0) else { continue };
        out.push_str(&text[from..found.start()]);
        captures.expand(by, &mut out);
        from = found.end();
        if out.len() > FUNCTION_TEXT_BYTES_MAX {
            return Null;
        }
    }
    out.push_str(&text[from..]);
    super::bounded(&out)
}
