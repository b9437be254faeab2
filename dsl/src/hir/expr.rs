//! Typed expressions.
//!
//! Comparisons with null are unknown, `and`/`or`/`not` are three-valued, a filter reads unknown as
//! false. Presence tests (`== null`) are operations of their own.

use super::literal::Literal;
use crate::text_range::TextRange;
use crate::types::Type;

/// An expression with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// Type of its values.
    pub ty: Type,
    /// Whether it may be null.
    pub optional: bool,
    /// Its text.
    pub range: TextRange,
    /// What it does.
    pub kind: ExprKind,
}

/// Kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A constant; `param` names the parameter whose value it is.
    Constant {
        /// The value in force.
        value: Literal,
        /// The parameter that it came from.
        param: Option<String>,
    },
    /// A field, attribute or column.
    Field(FieldRef),
    /// Result of the aggregate call with this index in `Aggregate::calls`.
    Call(usize),
    /// One operand.
    Unary(UnaryOp, Box<Expr>),
    /// Two operands.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// The first that is not null; at least two.
    Coalesce(Vec<Expr>),
    /// `if … then … else …`; an unknown condition takes `else`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Whether the value equals one of the elements.
    In(Box<Expr>, Vec<Expr>),
    /// A scalar function with arguments in the order of its parameters; left-out ones are `None`.
    Function {
        /// Its name in the catalogue.
        name: String,
        /// Arguments by parameter.
        args: Vec<Option<Expr>>,
    },
    /// A function over the row's own past (`ewma`, `zscore`, `mad`), arguments as for `Function`.
    RowWindow {
        /// Its name in the catalogue.
        name: String,
        /// Arguments by parameter.
        args: Vec<Option<Expr>>,
    },
    /// A value of the events that a step of the pattern has taken so far; null where it has none.
    Step {
        /// Index among the pattern's symbols.
        symbol: usize,
        /// Which of its events.
        pick: super::StepPick,
        /// Over the fields of the step's source; `None` for the number of events.
        value: Option<Box<Expr>>,
    },
    /// Something about the spans of a trace.
    Trace(Box<super::TraceValue>),
    /// Something about another rule at the time of a verdict.
    Rule(Box<super::RuleFact>),
    /// Element of a list by number from 0, or of a map by key; null where there is none.
    Index(Box<Expr>, Box<Expr>),
    /// A list.
    List(Vec<Expr>),
    /// Text with values in it.
    Template(Vec<TemplatePart>),
}

impl Expr {
    /// Calls `f` with every part of it, itself first.
    pub fn walk(&self, f: &mut impl FnMut(&Self)) {
        let mut waiting = vec![self];
        while let Some(expr) = waiting.pop() {
            f(expr);
            match &expr.kind {
                ExprKind::Constant { .. }
                | ExprKind::Field(_)
                | ExprKind::Call(_)
                | ExprKind::Step { .. }
                | ExprKind::Trace(_)
                | ExprKind::Rule(_) => {}
                ExprKind::Unary(_, x) => waiting.push(x),
                ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => waiting.extend([&**a, &**b]),
                ExprKind::Coalesce(items) | ExprKind::List(items) => waiting.extend(items),
                ExprKind::If(a, b, c) => waiting.extend([&**a, &**b, &**c]),
                ExprKind::In(x, items) => {
                    waiting.push(x);
                    waiting.extend(items);
                }
                ExprKind::Function { args, .. } | ExprKind::RowWindow { args, .. } => {
                    waiting.extend(args.iter().flatten());
                }
                ExprKind::Template(parts) => {
                    waiting.extend(parts.iter().filter_map(|part| match part {
                        TemplatePart::Text(_) => None,
                        TemplatePart::Value(value) => Some(value),
                    }));
                }
            }
        }
    }
}

/// Part of a text with values in it.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplatePart {
    /// As it stands.
    Text(String),
    /// A value, rendered for people.
    Value(Expr),
}

/// What a name refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRef {
    /// Field of the catalogue source, by dotted path.
    Builtin(String),
    /// Attribute of the item.
    Attribute {
        /// Where it is looked up.
        place: Place,
        /// Its key.
        key: String,
    },
    /// Column that an upstream declaration made: `set`, group key or selected value.
    Column(String),
    /// Value selected earlier in this declaration, or one of its group keys.
    Item(String),
    /// Column of the joined side of a `rows … join`.
    Joined(String),
}

/// Where an attribute is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Item, then scope, then resource: the first that has the key.
    Any,
    /// The span, log record or data point itself.
    Item,
    /// The instrumentation scope.
    Scope,
    /// The resource.
    Resource,
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// Three-valued negation.
    Not,
    /// Minus.
    Negate,
    /// `== null`: always true or false.
    IsNull,
    /// `!= null`: always true or false.
    IsPresent,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// Three-valued or.
    Or,
    /// Three-valued and.
    And,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
    /// Sum; text next to text.
    Add,
    /// Difference; of times a duration.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient; of like quantities (and of integers) a ratio; by zero null.
    Divide,
    /// Text contains text, a list an element.
    Contains,
    /// Text starts with text.
    StartsWith,
    /// Text ends with text.
    EndsWith,
    /// Text has a match of a constant regular expression, which is known to compile.
    Matches,
}

impl Expr {
    /// Calls `f` with every part that has no parts of its own, or is about the spans of a trace.
    pub fn leaves_mut(&mut self, f: &mut impl FnMut(&mut ExprKind)) {
        match &mut self.kind {
            ExprKind::Constant { .. }
            | ExprKind::Field(_)
            | ExprKind::Call(_)
            | ExprKind::Step { .. }
            | ExprKind::Trace(_)
            | ExprKind::Rule(_) => f(&mut self.kind),
            ExprKind::Unary(_, x) => x.leaves_mut(f),
            ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => {
                a.leaves_mut(f);
                b.leaves_mut(f);
            }
            ExprKind::If(a, b, c) => {
                a.leaves_mut(f);
                b.leaves_mut(f);
                c.leaves_mut(f);
            }
            ExprKind::Coalesce(items) | ExprKind::List(items) => {
                items.iter_mut().for_each(|item| item.leaves_mut(f));
            }
            ExprKind::In(x, items) => {
                x.leaves_mut(f);
                items.iter_mut().for_each(|item| item.leaves_mut(f));
            }
            ExprKind::Function { args, .. } | ExprKind::RowWindow { args, .. } => {
                args.iter_mut().flatten().for_each(|arg| arg.leaves_mut(f));
            }
            ExprKind::Template(parts) => {
                for part in parts {
                    if let TemplatePart::Value(value) = part {
                        value.leaves_mut(f);
                    }
                }
            }
        }
    }
}
