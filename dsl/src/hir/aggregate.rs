//! Aggregates over windows, and rows made from rows.

use super::{Binding, Expr, FieldRef, SourceRef};
use crate::text_range::TextRange;
use crate::types::Type;

/// An aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// What it reads.
    pub input: SourceRef,
    /// Which items it takes.
    pub filter: Option<Expr>,
    /// Group key.
    pub by: Vec<Binding>,
    /// Windows.
    pub window: Window,
    /// Offset of windows from the Unix epoch, ns, in `0..size`.
    pub offset_ns: i64,
    /// Distinct aggregate calls of all items and of `having`.
    pub calls: Vec<AggregateCall>,
    /// Selected values; they see group keys and earlier values as `FieldRef::Item`, calls as
    /// `ExprKind::Call`.
    pub items: Vec<SelectItem>,
    /// Which rows leave.
    pub having: Option<Expr>,
    /// Bound of open groups; `None` where unstated (10 000, overflow to `other`).
    pub limit: Option<GroupLimit>,
    /// When rows leave.
    pub results: Results,
    /// Names of sinks.
    pub to: Vec<String>,
}

/// Windows, lengths in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Side by side.
    Tumbling {
        /// Length, ns.
        size_ns: i64,
    },
    /// One of `size_ns` every `every_ns`.
    Sliding {
        /// Length, ns.
        size_ns: i64,
        /// Distance, ns.
        every_ns: i64,
    },
    /// Per group, while gaps are at most `gap_ns`.
    Session {
        /// Longest gap inside, ns, inclusive.
        gap_ns: i64,
        /// Longest session, ns.
        max_ns: Option<i64>,
    },
    /// From the start of each period of `size_ns`, growing by `every_ns`.
    Cumulate {
        /// Length of the period, ns.
        size_ns: i64,
        /// Growth, ns.
        every_ns: i64,
    },
    /// Per group, so many items each, in event-time order.
    Count(u64),
}

/// A distinct aggregate call.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    /// Its name in the catalogue.
    pub function: String,
    /// Arguments in the order of the function's parameters; left-out ones are `None`.
    pub args: Vec<Option<Expr>>,
    /// Which items of the group it takes.
    pub filter: Option<Expr>,
    /// Type of the result.
    pub ty: Type,
    /// Whether the result may be null.
    pub optional: bool,
    /// Its text, where it stands first.
    pub range: TextRange,
}

/// A selected value.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectItem {
    /// Its name: as given, else the function's.
    pub name: String,
    /// Its value.
    pub value: Expr,
}

/// Bound of open groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupLimit {
    /// Groups open at once; the rest goes to `other`.
    pub groups: u64,
}

/// When rows leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Results {
    /// Once, when the window has closed.
    Final,
    /// Also in between, every so many ns of event time.
    Every(i64),
    /// As withdrawals and replacements.
    Changes,
}

/// Rows made from rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Rows that it reads.
    pub input: SourceRef,
    /// Which rows it takes.
    pub filter: Option<Expr>,
    /// Rows put beside them.
    pub join: Option<Join>,
    /// Only the first by an order, per window end.
    pub top: Option<Top>,
    /// Selected values; empty where rows stay as they are. They see the input's columns as
    /// `FieldRef::Column`, the joined row's as `FieldRef::Joined`.
    pub items: Vec<SelectItem>,
    /// What tells the rows of a window apart; an item of the same name is this column.
    pub keys: Vec<RowsKey>,
    /// Names of sinks.
    pub to: Vec<String>,
}

/// A column of the key of rows made from rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RowsKey {
    /// Its name in the rows made.
    pub name: String,
    /// The key column that it is: `FieldRef::Column` of the input, `FieldRef::Joined` of the other
    /// side.
    pub field: FieldRef,
}

/// Rows put beside others: an inner join of equal keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// Rows of the other side.
    pub with: SourceRef,
    /// How much earlier the other row's window ends, ns; 0 for the same end.
    pub before_ns: i64,
    /// Name of the other row in expressions.
    pub alias: String,
    /// Columns that are equal on both sides.
    pub on: Vec<String>,
}

/// The first rows by an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Top {
    /// How many.
    pub rows: u64,
    /// The order.
    pub by: Expr,
    /// Smallest first.
    pub ascending: bool,
}
