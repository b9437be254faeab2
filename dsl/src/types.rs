//! Types of the language. Units are types: a duration is no number.

use std::fmt;
use std::sync::Arc;

/// Type of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// Signed 64-bit integer.
    Int,
    /// 64-bit float.
    Float,
    /// An integer or a float; which one is known per item.
    Number,
    /// UTF-8 text.
    String,
    /// Bytes; ids of traces and spans. Compares with a string of hex digits.
    Bytes,
    /// Length of time, nanoseconds.
    Duration,
    /// Point in time, nanoseconds since the Unix epoch.
    Time,
    /// Bytes as an amount.
    Size,
    /// Like over like; prints as `%`.
    Ratio,
    /// So many per second.
    Rate,
    /// Distribution of values, as `histogram(x)` makes it.
    Histogram,
    /// One of named members, by name; ordered as listed.
    Enum(Arc<[String]>),
    /// Values of one type.
    List(Box<Type>),
    /// Values of one type by text keys.
    Map(Box<Type>),
    /// Known per item only: attributes, bodies.
    Any,
    /// The type of `null`.
    Null,
    /// The type of an expression that has been reported; fits everywhere, so one mistake is
    /// reported once. Never in a program without errors.
    Broken,
}

impl Type {
    /// Whether values are numbers without a unit.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Number)
    }

    /// Whether values carry a unit that adds up: durations, sizes, ratios, rates.
    pub fn is_quantity(&self) -> bool {
        matches!(self, Self::Duration | Self::Size | Self::Ratio | Self::Rate)
    }

    /// Whether the type says nothing about a value.
    pub fn is_dynamic(&self) -> bool {
        matches!(self, Self::Any | Self::Null | Self::Broken)
    }

    /// Whether values of the two types can be compared.
    pub fn compares_with(&self, other: &Self) -> bool {
        if self.is_dynamic() || other.is_dynamic() || self == other {
            return true;
        }
        match (self, other) {
            (a, b) if a.is_number() && (b.is_number() || *b == Self::Ratio) => true,
            (Self::Ratio, b) if b.is_number() => true,
            (Self::Bytes | Self::Enum(_), Self::String)
            | (Self::String, Self::Bytes | Self::Enum(_)) => true,
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) => a.compares_with(b),
            _ => false,
        }
    }

    /// Whether a value of this type may stand where `wanted` is asked for.
    pub fn fits(&self, wanted: &Self) -> bool {
        if self.is_dynamic() || wanted.is_dynamic() || self == wanted {
            return true;
        }
        match (self, wanted) {
            (Self::Int | Self::Float, Self::Number) | (Self::Int | Self::Number, Self::Float) => {
                true
            }
            (Self::Ratio, Self::Number | Self::Float) => true,
            (Self::Enum(_), Self::String) => true,
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) => a.fits(b),
            _ => false,
        }
    }

    /// The type that holds values of both, where there is one.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        if self == other || *other == Self::Null {
            return Some(self.clone());
        }
        match (self, other) {
            (Self::Null, _) => Some(other.clone()),
            (Self::Broken, _) | (_, Self::Broken) => Some(Self::Broken),
            (Self::Any, _) | (_, Self::Any) => Some(Self::Any),
            (a, b) if a.is_number() && b.is_number() => Some(Self::Number),
            (Self::Enum(_), Self::String) | (Self::String, Self::Enum(_)) => Some(Self::String),
            (Self::Enum(_), Self::Enum(_)) => Some(Self::String),
            (Self::List(a), Self::List(b)) => Some(Self::List(Box::new(a.join(b)?))),
            (Self::Map(a), Self::Map(b)) => Some(Self::Map(Box::new(a.join(b)?))),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Number => "number",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Time => "time",
            Self::Size => "size",
            Self::Ratio => "ratio",
            Self::Rate => "rate",
            Self::Histogram => "histogram",
            Self::Enum(members) => return write!(f, "one of {}", members.join(", ")),
            Self::List(of) => return write!(f, "list of {of}"),
            Self::Map(of) => return write!(f, "map of {of}"),
            Self::Any => "any",
            Self::Null => "null",
            Self::Broken => "unknown",
        };
        f.write_str(word)
    }
}
