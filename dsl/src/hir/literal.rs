//! Constant values in base units.

use std::fmt::{self, Write as _};

use crate::types::Type;

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    String(String),
    /// Nanoseconds.
    Duration(i64),
    /// Nanoseconds since the Unix epoch.
    Time(i64),
    /// Bytes.
    Size(i64),
    /// 1.0 is 100 %.
    Ratio(f64),
    /// Per second.
    Rate(f64),
    /// Member of an enum.
    Enum(String),
    /// Constants of one type.
    List(Vec<Literal>),
    /// Constants by key, in the order written.
    Map(Vec<(String, Literal)>),
    /// A column of a `table`, by its keys.
    Table(TableColumn),
}

/// A column of a `table`.
///
/// `Debug` leaves its values out: state is found again by how expressions are written, and what a
/// file says now is no part of what a rule is.
#[derive(Clone, PartialEq)]
pub struct TableColumn {
    /// The table and the column: `owners.team`.
    pub name: String,
    /// What its file says by key; it may say something else later, of the same type.
    pub values: Vec<(String, Literal)>,
}

impl fmt::Debug for TableColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableColumn").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Literal {
    /// Its type; enum members know only their name and count as text.
    pub fn ty(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::String(_) | Self::Enum(_) => Type::String,
            Self::Duration(_) => Type::Duration,
            Self::Time(_) => Type::Time,
            Self::Size(_) => Type::Size,
            Self::Ratio(_) => Type::Ratio,
            Self::Rate(_) => Type::Rate,
            Self::List(items) => Type::List(Box::new(join_all(items.iter()))),
            Self::Map(items) | Self::Table(TableColumn { values: items, .. }) => {
                Type::Map(Box::new(join_all(items.iter().map(|item| &item.1))))
            }
        }
    }
}

fn join_all<'a>(items: impl Iterator<Item = &'a Literal>) -> Type {
    items.fold(Type::Null, |ty, item| ty.join(&item.ty()).unwrap_or(Type::Any))
}

/// Nanoseconds as the language writes them: `1h30m`, `750ms`.
pub fn duration_text(ns: i64) -> String {
    const UNITS: [(&str, u64); 7] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = ns.unsigned_abs();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = if ns < 0 { "-".to_owned() } else { String::new() };
    for (unit, size) in UNITS {
        if rest >= size {
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    text
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Duration(ns) => f.write_str(&duration_text(*ns)),
            Self::Time(ns) => write!(f, "{ns}ns since 1970"),
            Self::Size(bytes) => write!(f, "{bytes}B"),
            Self::Ratio(value) => write!(f, "{}%", value * 100.0),
            Self::Rate(value) => write!(f, "{value} per s"),
            Self::Enum(member) => f.write_str(member),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Table(column) => f.write_str(&column.name),
            Self::Map(items) => {
                let items: Vec<_> = items.iter().map(|(k, v)| format!("{k:?}: {v}")).collect();
                write!(f, "{{{}}}", items.join(", "))
            }
        }
    }
}
