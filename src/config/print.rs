//! Settings as they are in effect, each with its origin.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::scalar::Scalar;
use super::section::{Kinds, List, Named, Origin, Pairs, Section, Setting, Visit};

/// Columns of an origin, where the value is shorter.
const ORIGIN_COLUMN: usize = 40;

/// Settings as a tree of shown values.
#[derive(Debug, Default)]
pub(super) struct Shown(Vec<(String, Entry)>);

#[derive(Debug)]
enum Entry {
    Value(Json, Origin),
    List(Vec<(Json, Origin)>, Origin),
    Fields(Shown),
    Empty(Origin),
}

/// How an origin is named.
pub(super) type Naming<'a> = &'a dyn Fn(&Origin) -> String;

impl Shown {
    pub(super) fn new(of: &mut impl Section) -> Self {
        let mut shown = Self::default();
        of.visit(&mut shown);
        shown
    }

    fn put(&mut self, name: &str, entry: Entry) {
        self.0.push((name.to_owned(), entry));
    }

    /// As YAML that can be read again, secrets aside.
    pub(super) fn yaml(&self, naming: Naming<'_>) -> String {
        let mut text = String::new();
        self.write(&mut text, 0, naming);
        text
    }

    fn write(&self, text: &mut String, depth: usize, naming: Naming<'_>) {
        let indent = "  ".repeat(depth);
        for (name, entry) in &self.0 {
            let name = scalar(&json!(name));
            match entry {
                Entry::Value(value, origin) => {
                    line(text, &format!("{indent}{name}: {}", scalar(value)), &naming(origin));
                }
                Entry::List(items, origin) if items.is_empty() => {
                    line(text, &format!("{indent}{name}: []"), &naming(origin));
                }
                Entry::List(items, _) => {
                    let _ = writeln!(text, "{indent}{name}:");
                    for (value, origin) in items {
                        line(text, &format!("{indent}  - {}", scalar(value)), &naming(origin));
                    }
                }
                Entry::Empty(origin) => {
                    line(text, &format!("{indent}{name}: {{}}"), &naming(origin));
                }
                Entry::Fields(fields) => {
                    let _ = writeln!(text, "{indent}{name}:");
                    fields.write(text, depth + 1, naming);
                }
            }
        }
    }

    /// As JSON: the values, and the origin of each by its path.
    pub(super) fn json(&self, naming: Naming<'_>) -> (Json, Map<String, Json>) {
        let mut origins = Map::new();
        let values = self.json_of("", naming, &mut origins);
        (values, origins)
    }

    fn json_of(&self, path: &str, naming: Naming<'_>, origins: &mut Map<String, Json>) -> Json {
        let mut values = Map::new();
        for (name, entry) in &self.0 {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let mut from = |path: String, origin: &Origin| {
                origins.insert(path, json!(naming(origin)));
            };
            let value = match entry {
                Entry::Value(value, origin) => {
                    from(path, origin);
                    value.clone()
                }
                Entry::List(items, origin) => {
                    if items.is_empty() {
                        from(path.clone(), origin);
                    }
                    for (index, (_, origin)) in items.iter().enumerate() {
                        from(format!("{path}[{index}]"), origin);
                    }
                    items.iter().map(|(value, _)| value.clone()).collect()
                }
                Entry::Empty(origin) => {
                    from(path, origin);
                    json!({})
                }
                Entry::Fields(fields) => fields.json_of(&path, naming, origins),
            };
            values.insert(name.clone(), value);
        }
        Json::Object(values)
    }
}

fn line(text: &mut String, left: &str, origin: &str) {
    let _ = writeln!(text, "{left:<ORIGIN_COLUMN$}  # {origin}");
}

/// A scalar of YAML that is read again as the same value.
fn scalar(value: &Json) -> String {
    let Json::String(text) = value else { return value.to_string() };
    // What is read again is substituted again.
    let text = text.replace('$', "$$");
    let is_plain_char = |c: char| c.is_ascii_alphanumeric() || "_-./:[]$".contains(c);
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.')
        && text.chars().all(is_plain_char)
        && !text.ends_with(':');
    // `5s` and `127.0.0.1:80` are words, too; `5`, `1e3`, `0x1` and `1:30` may be numbers.
    let is_measure = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| "smhdB".contains(c))
        && !text.starts_with("0x")
        && text.chars().all(|c| c.is_ascii_alphanumeric());
    let is_reserved = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | ".inf" | ".nan"
    );
    let is_address = text.parse::<std::net::SocketAddrV4>().is_ok();
    if (is_word && !is_reserved) || is_measure || is_address {
        return text;
    }
    Json::String(text).to_string()
}

impl Visit for Shown {
    fn scalar<T: Scalar>(&mut self, name: &'static str, _: &'static str, of: &mut Setting<T>) {
        self.put(name, Entry::Value(of.value.json(), of.origin.clone()));
    }

    fn required<T: Scalar>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        of: &mut Setting<Option<T>>,
    ) {
        self.scalar(name, doc, of);
    }

    fn list<T: Scalar>(&mut self, name: &'static str, _: &'static str, of: &mut List<T>) {
        let items = of.items.iter().map(|item| (item.value.json(), item.origin.clone()));
        let entry = Entry::List(items.collect(), of.origin.clone());
        self.put(name, entry);
    }

    fn pairs<T: Scalar>(&mut self, name: &'static str, _: &'static str, of: &mut Pairs<T>) {
        if of.items.is_empty() {
            return self.put(name, Entry::Empty(of.origin.clone()));
        }
        let mut fields = Self::default();
        for (name, value) in &of.items {
            fields.put(name, Entry::Value(value.value.json(), value.origin.clone()));
        }
        self.put(name, Entry::Fields(fields));
    }

    fn section<S: Section>(&mut self, name: &'static str, _: &'static str, of: &mut S) {
        let fields = Self::new(of);
        self.put(name, Entry::Fields(fields));
    }

    fn kinds<K: Kinds>(
        &mut self,
        name: &'static str,
        _: &'static str,
        of: &mut BTreeMap<String, Named<K>>,
    ) {
        let mut parts = Self::default();
        for (name, named) in of.iter_mut() {
            let mut fields = Self::default();
            fields.put("type", Entry::Value(json!(named.part.kind()), named.origin.clone()));
            named.part.visit(&mut fields);
            parts.put(name, Entry::Fields(fields));
        }
        self.put(name, Entry::Fields(parts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_quoted_where_they_could_be_something_else() {
        for plain in
            ["block", "5s", "64MiB", "127.0.0.1:4317", "/etc/a.b", "std/red", "http://a:1/b"]
        {
            assert_eq!(scalar(&json!(plain)), plain);
        }
        for quoted in ["", "5", "****", "[::1]:80", "true", "a b", "a: b", "1e3", "no", "-", "1:30"]
        {
            assert_eq!(scalar(&json!(quoted)), format!("\"{quoted}\""));
        }
        assert_eq!(scalar(&json!("a$b")), "a$$b");
        assert_eq!(scalar(&json!(5)), "5");
    }
}
