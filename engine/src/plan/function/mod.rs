//! Scalar functions as data: signature, doc, an example that runs as a test, and the body.
//!
//! A null argument gives a null result unless the function says otherwise, as does an argument of
//! a wrong kind or a result beyond its bound. No function panics, reads a clock or makes random
//! numbers. One file holds one family; this module must not know rule syntax.

mod context;
mod convert;
mod hash;
mod list;
mod map;
mod math;
mod network;
mod pattern;
mod regex;
mod text;
mod time;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use pattern::{Pattern, check_regex};

use crate::limits::{FUNCTION_ITEMS_MAX, FUNCTION_TEXT_BYTES_MAX};
use crate::model::Value;

/// What a parameter takes or a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any value.
    Any,
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A floating-point number.
    Float,
    /// Any number, with or without a unit.
    Number,
    /// Text.
    Text,
    /// Bytes, ids among them.
    Bytes,
    /// A length of time.
    Duration,
    /// A point in time.
    Time,
    /// An amount of bytes.
    Size,
    /// A ratio.
    Ratio,
    /// A list.
    List,
    /// A map.
    Map,
}

/// A parameter of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name, for `name: value`.
    pub name: &'static str,
    /// What it takes; any one of them.
    pub kinds: &'static [Kind],
    /// Whether it may be left out; only the last may.
    pub optional: bool,
    /// Whether it is a regular expression: a constant, compiled when the plan is made.
    pub regex: bool,
}

impl Param {
    const fn new(name: &'static str, kinds: &'static [Kind]) -> Self {
        Self { name, kinds, optional: false, regex: false }
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    const fn regex(mut self) -> Self {
        self.regex = true;
        self
    }
}

/// How the kind of a result follows from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultKind {
    /// Always this kind.
    Fixed(Kind),
    /// The kind of the argument with this index.
    SameAs(usize),
    /// The kind of the items of the list or map with this index.
    ElementOf(usize),
    /// The kind that all arguments share.
    Join,
}

/// The description of a function, and what it does.
#[derive(Debug)]
pub struct FunctionDef {
    /// Its name in rules.
    pub name: &'static str,
    /// Parameters in order.
    pub params: &'static [Param],
    /// Whether the last parameter may be given any number of times.
    pub variadic: bool,
    /// How the kind of the result follows.
    pub result: ResultKind,
    /// Whether the result may be null though no argument is.
    pub nullable: bool,
    /// Whether it looks at null arguments; the result of any other is null then.
    pub takes_null: bool,
    /// One sentence.
    pub doc: &'static str,
    /// A call, and an expression that equals it, as rules write them.
    pub example: (&'static str, &'static str),
    body: Body,
}

/// What a function does with arguments none of which is null.
#[derive(Debug, Clone, Copy)]
enum Body {
    One(fn(&Value) -> Value),
    Values(fn(&[Value]) -> Value),
    Pattern(fn(&::regex::Regex, &[Value]) -> Value),
}

impl FunctionDef {
    const fn new(
        name: &'static str,
        params: &'static [Param],
        result: ResultKind,
        doc: &'static str,
        example: (&'static str, &'static str),
        body: Body,
    ) -> Self {
        Self {
            name,
            params,
            variadic: false,
            result,
            nullable: false,
            takes_null: false,
            doc,
            example,
            body,
        }
    }

    const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    const fn takes_null(mut self) -> Self {
        self.takes_null = true;
        self
    }

    /// Fewest and most arguments.
    pub fn arity(&self) -> (usize, usize) {
        let least = self.params.iter().filter(|param| !param.optional).count();
        (least, if self.variadic { usize::MAX } else { self.params.len() })
    }

    /// The parameter of an argument's place.
    pub fn param(&self, index: usize) -> Option<&Param> {
        self.params.get(index).or_else(|| self.params.last().filter(|_| self.variadic))
    }
}

/// A function of its arguments' values.
const fn define(
    name: &'static str,
    params: &'static [Param],
    result: ResultKind,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&[Value]) -> Value,
) -> FunctionDef {
    FunctionDef::new(name, params, result, doc, example, Body::Values(body))
}

/// A function of its arguments' values whose result is always of one kind.
const fn define_fixed(
    name: &'static str,
    params: &'static [Param],
    result: Kind,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&[Value]) -> Value,
) -> FunctionDef {
    define(name, params, ResultKind::Fixed(result), doc, example, body)
}

/// Functions of one kind, for the reference page.
#[derive(Debug)]
pub struct Family {
    /// What they are about, for a heading.
    pub title: &'static str,
    /// The functions.
    pub functions: &'static [FunctionDef],
}

static FAMILIES: [Family; 10] = [
    Family { title: "Text", functions: text::FUNCTIONS },
    Family { title: "Regular expressions", functions: regex::FUNCTIONS },
    Family { title: "Numbers", functions: math::FUNCTIONS },
    Family { title: "Time", functions: time::FUNCTIONS },
    Family { title: "Lists", functions: list::FUNCTIONS },
    Family { title: "Maps", functions: map::FUNCTIONS },
    Family { title: "Network", functions: network::FUNCTIONS },
    Family { title: "Context", functions: context::FUNCTIONS },
    Family { title: "Hashes and encodings", functions: hash::FUNCTIONS },
    Family { title: "Conversions", functions: convert::FUNCTIONS },
];

/// Every function, by family.
pub fn families() -> &'static [Family] {
    &FAMILIES
}

/// Every function, in a fixed order.
pub fn all() -> impl Iterator<Item = Function> {
    FAMILIES.iter().flat_map(|family| family.functions).map(Function)
}

/// A scalar function; equal, hashed and encoded by its name.
#[derive(Clone, Copy)]
pub struct Function(&'static FunctionDef);

impl Function {
    /// The function of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        all().find(|function| function.0.name == name)
    }

    /// Its description.
    pub fn def(self) -> &'static FunctionDef {
        self.0
    }

    /// Calls the function; `pattern` is its compiled argument where it has one. Arguments of a
    /// wrong kind or number, and null arguments, give null.
    pub fn call(self, pattern: Option<&Pattern>, args: &[Value]) -> Value {
        let (least, most) = self.0.arity();
        let is_unknown = !self.0.takes_null && args.iter().any(Value::is_null);
        if args.len() < least || args.len() > most || is_unknown {
            return Value::Null;
        }
        match (self.0.body, pattern) {
            (Body::One(body), _) => body(&args[0]),
            (Body::Values(body), _) => body(args),
            (Body::Pattern(body), Some(pattern)) => body(pattern.regex(), args),
            (Body::Pattern(_), None) => Value::Null,
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0) || self.0.name == other.0.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl Serialize for Function {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::by_name(&name)
            .ok_or_else(|| D::Error::custom(format!("expected a function, found `{name}`")))
    }
}

/// A text, or null where it is longer than a function may make.
fn bounded(text: &str) -> Value {
    if text.len() > FUNCTION_TEXT_BYTES_MAX { Value::Null } else { Value::str(text) }
}

/// A list, or null where it is longer than a function may make.
fn bounded_list(items: impl IntoIterator<Item = Value>) -> Value {
    let items: Vec<Value> = items.into_iter().take(FUNCTION_ITEMS_MAX + 1).collect();
    if items.len() > FUNCTION_ITEMS_MAX { Value::Null } else { Value::List(items.into()) }
}

/// A map, or null where it is longer than a function may make.
fn bounded_map(entries: impl IntoIterator<Item = (Arc<str>, Value)>) -> Value {
    let entries: Vec<_> = entries.into_iter().take(FUNCTION_ITEMS_MAX + 1).collect();
    if entries.len() > FUNCTION_ITEMS_MAX { Value::Null } else { Value::map(entries) }
}

/// The value, or null where there is none.
fn or_null(value: Option<Value>) -> Value {
    value.unwrap_or_default()
}
