//! A configuration as written: scalars, lists and maps with their places.
//!
//! YAML and TOML become the same tree; from here on nobody asks which it was. Nothing has a type
//! yet but what the syntax itself says: `5` is a bare word, `"5"` is text.

use std::ops::Range;

/// Bytes of a configuration file.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Scalars, lists and maps of a file, copies by aliases included.
pub(super) const NODES_MAX: usize = 20_000;

/// Lists and maps inside each other.
pub(super) const DEPTH_MAX: usize = 32;

/// Something written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Its place, in bytes of the file.
    pub(super) range: Range<usize>,
    /// What it is.
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Text, a number, a word.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file; no key stands twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Its text.
    pub(super) text: String,
    /// Its place.
    pub(super) range: Range<usize>,
}

impl Key {
    /// Whether it looks like the name of a field, and not like a value that a slip of the
    /// punctuation has turned into a key.
    pub(super) fn is_plain(&self) -> bool {
        self.text.chars().all(|c| c.is_ascii_alphabetic() || "_-.".contains(c))
    }
}

/// A scalar.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    /// Its text, escapes resolved.
    pub(super) text: String,
    /// What its syntax says of its type.
    pub(super) form: Form,
}

/// What the syntax of a scalar says of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A plain word of YAML: text or number, as the field wants it.
    Plain,
    /// Text for sure: in quotes.
    Text,
    /// No text for sure: a number, a boolean or a date of TOML.
    Bare,
    /// Nothing is written: `key:`.
    Empty,
    /// `null` or `~` is written.
    Null,
}

impl Node {
    /// What it is, in a word with its article.
    pub(super) fn what(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => match scalar.form {
                Form::Empty => "nothing",
                Form::Null => "`null`",
                Form::Text => "text",
                Form::Plain | Form::Bare => "a single value",
            },
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
