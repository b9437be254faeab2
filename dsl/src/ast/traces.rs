//! When a trace closes, as written.

use super::{Expr, Name};

/// `(root and quiet 5s) or age 60s`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Close {
    /// One of them.
    Any(Vec<Close>),
    /// All of them.
    All(Vec<Close>),
    /// The root has come.
    Root,
    /// `quiet 5s` and `age 60s`.
    Time(Name, Expr),
}
