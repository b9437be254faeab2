//! TOML 1.1 to a tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;
use super::tree::{DEPTH_MAX, Form, Key, NODES_MAX, Node, Scalar, Value};
use super::yaml::Parsed;

/// Reads TOML; every error of its syntax is told.
pub(super) fn parse(text: &str) -> Parsed {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut parsed = Parsed::default();
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        let end = range.end.min(text.len());
        let message = error.message().lines().next().unwrap_or("it cannot be read").to_owned();
        let told = Mistake::new(range.start.min(end)..end, format!("this is no TOML: {message}"));
        parsed.mistakes.push(told);
    }
    if !parsed.mistakes.is_empty() {
        parsed.is_broken = true;
        return parsed;
    }
    let mut nodes = 0;
    let range = table.span();
    let value = map(table.into_inner(), 0, &mut nodes);
    match value {
        Some(Value::Map(pairs)) if pairs.is_empty() => {}
        Some(value) => parsed.root = Some(Node { range, value }),
        None => {
            let text = format!(
                "a configuration has at most {NODES_MAX} values, and lists and maps {DEPTH_MAX} \
                 deep"
            );
            parsed.mistakes.push(Mistake::new(0..0, text));
            parsed.is_broken = true;
        }
    }
    parsed
}

/// `None` beyond a bound.
fn map(table: DeTable<'_>, depth: usize, nodes: &mut usize) -> Option<Value> {
    let mut pairs = Vec::new();
    for (key, value) in table {
        let range = key.span();
        let key = Key { text: key.into_inner().into_owned(), range };
        pairs.push((key, node(value, depth + 1, nodes)?));
    }
    // The table is sorted by name; mistakes and lists of sinks follow the file.
    pairs.sort_by_key(|(key, _)| key.range.start);
    Some(Value::Map(pairs))
}

fn node(value: Spanned<DeValue<'_>>, depth: usize, nodes: &mut usize) -> Option<Node> {
    *nodes += 1;
    if *nodes > NODES_MAX || depth > DEPTH_MAX {
        return None;
    }
    let range = value.span();
    let bare = |text: String| Value::Scalar(Scalar { text, form: Form::Bare });
    let value = match value.into_inner() {
        DeValue::String(text) => {
            Value::Scalar(Scalar { text: text.into_owned(), form: Form::Text })
        }
        DeValue::Integer(number) => {
            // One that is too large stays as it is written, for the error.
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            bare(decimal.map_or_else(|_| number.to_string(), |decimal| decimal.to_string()))
        }
        DeValue::Float(number) => bare(number.to_string()),
        DeValue::Boolean(is_so) => bare(is_so.to_string()),
        DeValue::Datetime(time) => bare(time.to_string()),
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| node(item, depth + 1, nodes));
            Value::List(items.collect::<Option<_>>()?)
        }
        DeValue::Table(table) => map(table, depth, nodes)?,
    };
    Some(Node { range, value })
}
