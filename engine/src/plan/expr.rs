//! Expressions as plain data: over the columns of a batch, or over the values of a row.
//!
//! An expression knows neither names nor columns' kinds, only their places. Attributes are typed
//! by item, so operands that make no sense together are unknown (null), never an error.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::function::{Function, Pattern};
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

impl BinaryOp {
    /// The comparison that is true where this one is false; `None` for other operators.
    pub fn opposite(self) -> Option<Self> {
        Some(match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Ge => Self::Lt,
            Self::Gt => Self::Le,
            Self::Le => Self::Gt,
            _ => return None,
        })
    }
}

/// An expression.
///
/// - Logic has three values: a comparison with null, or of kinds that do not compare, is unknown,
///   which is null; a filter reads null as false.
/// - Numbers of different kinds (int, float, ratio) compare by exact value; text with text,
///   durations with durations. Text never counts as a number: conversions are functions.
/// - `/` of like quantities is a ratio: ints, floats, durations, sizes. `x / 0` is null.
/// - A whole number, duration, time or size beyond 64 bits is null, not wrapped or clamped.
/// - time − time is a duration, time ± duration a time; a duration or size times or by a number
///   keeps its unit, rounded to the nearest whole one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expr {
    /// A constant.
    Const(Value),
    /// A column of a table that is read from a file: a map.
    Table(TableColumn),
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
    /// `x in [a, b]`: means `x == a or x == b`.
    In(Box<Expr>, Vec<Value>),
    /// A list of values.
    List(Vec<Expr>),
    /// Text made of parts, each as people read it; text constants stand between them.
    Template(Vec<Expr>),
    /// A function call; [`Expr::call`] makes it.
    Call(Function, Option<Pattern>, Vec<Expr>),
}

/// A column of a table, as its file is now.
///
/// Its values are no part of what a plan is: plans that differ in them alone have one identity, so
/// that state outlives a file that changes. Neither its hash, nor how it is written, nor `Debug`,
/// which names shared expressions, has them.
#[derive(Clone, Serialize, Deserialize)]
pub struct TableColumn {
    /// Table and column; there is one of a name.
    pub name: Arc<str>,
    /// The type of its values, by name: a column of another type is another one.
    pub kind: Arc<str>,
    /// A map from keys to values.
    #[serde(skip)]
    pub values: Value,
}

impl PartialEq for TableColumn {
    fn eq(&self, other: &Self) -> bool {
        let is_same = match (&self.values, &other.values) {
            (Value::Map(a), Value::Map(b)) => Arc::ptr_eq(a, b) || a == b,
            (a, b) => a == b,
        };
        (&self.name, &self.kind) == (&other.name, &other.kind) && is_same
    }
}

impl Eq for TableColumn {}

impl fmt::Debug for TableColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, .. } = self;
        f.debug_struct("TableColumn")
            .field("name", name)
            .field("kind", kind)
            .finish_non_exhaustive()
    }
}

impl Hash for Expr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Const(value) => hash_value(value, state),
            Self::Table(column) => (&column.name, &column.kind).hash(state),
            Self::Column(index) => index.hash(state),
            Self::Not(x) | Self::Negate(x) | Self::IsNull(x) => x.hash(state),
            Self::Binary(op, a, b) => (op, a, b).hash(state),
            Self::Coalesce(a, b) => (a, b).hash(state),
            Self::If(a, b, c) => (a, b, c).hash(state),
            Self::In(x, list) => {
                x.hash(state);
                list.iter().for_each(|value| hash_value(value, state));
            }
            Self::List(items) | Self::Template(items) => items.hash(state),
            Self::Call(function, pattern, args) => (function, pattern, args).hash(state),
        }
    }
}

/// Values hold floats, which have no hash of their own: by bits, as they are equal by bits.
fn hash_value<H: Hasher>(value: &Value, state: &mut H) {
    if let Value::Str(text) = value {
        text.hash(state);
    } else {
        let mut key = Vec::new();
        value.encode_key(&mut key);
        key.hash(state);
    }
}

impl Expr {
    /// `left op right`.
    pub fn binary(op: BinaryOp, left: Self, right: Self) -> Self {
        Self::Binary(op, Box::new(left), Box::new(right))
    }

    /// A function call; compiles the argument that is a regular expression.
    ///
    /// # Errors
    /// The number of arguments is wrong, or a regular expression is not constant or not one.
    pub fn call(function: Function, args: Vec<Self>) -> Result<Self, String> {
        let def = function.def();
        let (least, most) = def.arity();
        if args.len() < least || args.len() > most {
            let found = args.len();
            return Err(format!("`{}` takes {} arguments, found {found}", def.name, least));
        }
        let at = def.params.iter().position(|param| param.regex);
        let pattern = match at.and_then(|at| args.get(at)) {
            None => None,
            Some(Self::Const(Value::Str(text))) => Some(Pattern::new(text)?),
            Some(_) => {
                let name = def.name;
                return Err(format!("`{name}` takes a regular expression that is a constant"));
            }
        };
        Ok(Self::Call(function, pattern, args))
    }

    /// The expressions directly inside this one.
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Const(_) | Self::Table(_) | Self::Column(_) => Vec::new(),
            Self::Not(x) | Self::Negate(x) | Self::IsNull(x) | Self::In(x, _) => vec![x],
            Self::Binary(_, a, b) | Self::Coalesce(a, b) => vec![a, b],
            Self::If(a, b, c) => vec![a, b, c],
            Self::List(items) | Self::Template(items) | Self::Call(_, _, items) => {
                items.iter().collect()
            }
        }
    }

    /// Calls `f` for every column that the expression reads.
    pub fn columns(&self, f: &mut impl FnMut(u32)) {
        if let Self::Column(index) = self {
            f(*index);
        }
        self.children().into_iter().for_each(|child| child.columns(f));
    }

    /// The one column that the expression reads, if it reads just one.
    pub fn only_column(&self) -> Option<u32> {
        let (mut found, mut others) = (None, false);
        self.columns(&mut |index| others |= *found.get_or_insert(index) != index);
        found.filter(|_| !others)
    }
}
