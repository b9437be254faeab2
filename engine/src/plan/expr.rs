//! Expressions as plain data: over the columns of a batch, or over the values of a row.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::function::Function;
use crate::model::Value;

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BinaryOp {
    /// True if either is, also where the other is unknown.
    Or,
    /// False if either is, also where the other is unknown.
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`: of like quantities a ratio; by zero null.
    Div,
}

/// An expression. Comparisons with null are unknown, which is null; a filter reads null as false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expr {
    /// A constant.
    Const(Value),
    /// A column of the batch, or a value of the row, by index.
    Column(u32),
    /// `not x`; of null null.
    Not(Box<Expr>),
    /// `-x`
    Negate(Box<Expr>),
    /// `x == null`
    IsNull(Box<Expr>),
    /// Two operands.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `x ?? y`
    Coalesce(Box<Expr>, Box<Expr>),
    /// `if c then a else b`; an unknown condition takes the else branch.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `x in [a, b]`
    In(Box<Expr>, Vec<Value>),
    /// A function call.
    Call(Function, Vec<Expr>),
    /// Text: the parts rendered for people, one after another.
    Template(Vec<Expr>),
}

impl Hash for Expr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // By its encoding: values hold floats, which have no hash of their own. Plans are small.
        bincode::serialize(self).expect("an expression is plain data").hash(state);
    }
}

impl Expr {
    /// `left op right`.
    pub fn binary(op: BinaryOp, left: Self, right: Self) -> Self {
        Self::Binary(op, Box::new(left), Box::new(right))
    }

    /// Calls `f` for every column that the expression reads.
    pub fn columns(&self, f: &mut impl FnMut(u32)) {
        match self {
            Self::Const(_) => {}
            Self::Column(index) => f(*index),
            Self::Not(x) | Self::Negate(x) | Self::IsNull(x) | Self::In(x, _) => x.columns(f),
            Self::Binary(_, a, b) | Self::Coalesce(a, b) => {
                a.columns(f);
                b.columns(f);
            }
            Self::If(a, b, c) => [a, b, c].iter().for_each(|x| x.columns(f)),
            Self::Call(_, args) | Self::Template(args) => args.iter().for_each(|x| x.columns(f)),
        }
    }
}
