//! Typed expressions to the engine's.
//!
//! Knows operators and functions; what a name means depends on the place, which gives it by
//! `Names`. What has been type-checked is not checked again.

use std::cmp::Ordering;
use std::sync::Arc;

use tailwater_dsl::hir::{
    self, BinaryOp, ExprKind, FieldRef, Literal, StepPick, TemplatePart, UnaryOp,
};
use tailwater_dsl::text_range::TextRange;
use tailwater_dsl::types::Type;
use tailwater_engine::model::Value;
use tailwater_engine::plan::PastKind;
use tailwater_engine::plan::expr::{BinaryOp as Op, Expr, TableColumn};
use tailwater_engine::plan::function::Function;

use super::{NotYet, not_yet, past};

/// An expression, or what of it does not run.
pub(super) type Lowered = Result<Expr, Vec<NotYet>>;

/// Gives an expression for a name or an aggregate call; what they mean depends on the place.
pub(super) trait Names {
    /// The expression behind a field reference.
    fn field(&mut self, field: &FieldRef) -> Option<Expr>;
    /// The expression behind an aggregate call.
    fn call(&mut self, index: usize) -> Option<Expr>;
    /// The expression behind a value of a pattern's events, where there may be one.
    fn step(&mut self, _step: (usize, StepPick), _value: Option<&hir::Expr>) -> Option<Expr> {
        None
    }
    /// The expression behind something about a trace, where there may be one.
    fn trace(&mut self, _value: &hir::TraceValue) -> Option<Lowered> {
        None
    }
    /// The expression behind a question about another rule, where there may be one.
    fn fact(&mut self, _fact: &hir::RuleFact) -> Option<Expr> {
        None
    }
    /// The expression behind a call over the row's own past, where there may be one.
    fn past(&mut self, _kind: PastKind, _argument: Expr) -> Option<Expr> {
        None
    }
}

/// Lowers an expression.
pub(super) fn lower(expr: &hir::Expr, names: &mut impl Names) -> Lowered {
    let unknown = || not_yet("this expression", expr.range);
    Ok(match &expr.kind {
        ExprKind::Constant { value: Literal::Table(column), .. } => table(column, &expr.ty),
        ExprKind::Constant { value, .. } => Expr::Const(literal(value)),
        ExprKind::Field(field) => names.field(field).ok_or_else(unknown)?,
        ExprKind::Call(index) => names.call(*index).ok_or_else(unknown)?,
        ExprKind::Step { symbol, pick, value } => {
            names.step((*symbol, *pick), value.as_deref()).ok_or_else(unknown)?
        }
        ExprKind::Trace(value) => match names.trace(value) {
            Some(value) => value?,
            None => return Err(unknown()),
        },
        ExprKind::Rule(fact) => names
            .fact(fact)
            .ok_or_else(|| not_yet("this question about another rule", expr.range))?,
        ExprKind::Unary(op, x) => unary(*op, lower(x, names)?),
        ExprKind::Binary(op, a, b) => binary(*op, a, b, names)?,
        ExprKind::Coalesce(items) => coalesce(items, names)?,
        ExprKind::If(c, a, b) => Expr::If(
            Box::new(lower(c, names)?),
            Box::new(lower(a, names)?),
            Box::new(lower(b, names)?),
        ),
        ExprKind::In(x, items) => is_in(x, items, names)?,
        ExprKind::Function { name, args } => {
            let what = format!("`{name}`");
            let function = Function::by_name(name).ok_or_else(|| not_yet(&what, expr.range))?;
            let args: Result<Vec<Expr>, _> =
                args.iter().flatten().map(|arg| lower(arg, names)).collect();
            call(function, args?, expr.range)?
        }
        ExprKind::RowWindow { name, args } => {
            let wrong = || not_yet(&past::wrong(name), expr.range);
            let (kind, argument) = past::call(name, args).ok_or_else(wrong)?;
            let argument = lower(argument, names)?;
            names.past(kind, argument).ok_or_else(wrong)?
        }
        ExprKind::Index(x, key) => {
            let is_list = matches!(x.ty, Type::List(_)) || key.ty.is_number();
            let name = if is_list { "at" } else { "get" };
            let args = vec![lower(x, names)?, lower(key, names)?];
            call(known(name), args, expr.range)?
        }
        ExprKind::List(items) => {
            let items: Result<Vec<Expr>, _> = items.iter().map(|item| lower(item, names)).collect();
            Expr::List(items?)
        }
        ExprKind::Template(parts) => {
            let mut lowered = Vec::with_capacity(parts.len());
            for part in parts {
                lowered.push(match part {
                    TemplatePart::Text(text) => Expr::Const(Value::str(text)),
                    TemplatePart::Value(value) => lower(value, names)?,
                });
            }
            Expr::Template(lowered)
        }
    })
}

/// A column of a table, which stays what it is when its file says something else.
fn table(column: &hir::TableColumn, ty: &Type) -> Expr {
    let values = literal(&Literal::Map(column.values.clone()));
    let (name, kind) = (Arc::from(&*column.name), Arc::from(ty.to_string()));
    Expr::Table(TableColumn { name, kind, values })
}

fn unary(op: UnaryOp, x: Expr) -> Expr {
    match op {
        UnaryOp::Not => Expr::Not(Box::new(x)),
        UnaryOp::Negate => Expr::Negate(Box::new(x)),
        UnaryOp::IsNull => Expr::IsNull(Box::new(x)),
        UnaryOp::IsPresent => Expr::Not(Box::new(Expr::IsNull(Box::new(x)))),
    }
}

fn coalesce(items: &[hir::Expr], names: &mut impl Names) -> Lowered {
    let mut lowered = Vec::with_capacity(items.len());
    for item in items {
        lowered.push(lower(item, names)?);
    }
    let last = lowered.pop().unwrap_or(Expr::Const(Value::Null));
    let nest = |rest, item| Expr::Coalesce(Box::new(item), Box::new(rest));
    Ok(lowered.into_iter().rev().fold(last, nest))
}

/// `or` of the comparisons; those with constants are one.
fn is_in(x: &hir::Expr, items: &[hir::Expr], names: &mut impl Names) -> Lowered {
    let mut constants = Vec::with_capacity(items.len());
    let mut comparisons = Vec::new();
    for item in items {
        match lower(item, names)? {
            Expr::Const(constant) => constants.push(as_type(constant, &x.ty)),
            _ => comparisons.push(binary(BinaryOp::Equal, x, item, names)?),
        }
    }
    if comparisons.is_empty() || !constants.is_empty() {
        comparisons.insert(0, Expr::In(Box::new(lower(x, names)?), constants));
    }
    Ok(any(comparisons))
}

/// Whether any holds, no deeper than need be: a list may be as long as a file.
fn any(mut conditions: Vec<Expr>) -> Expr {
    let half = conditions.split_off(conditions.len().div_ceil(2));
    match (conditions.len(), half.is_empty()) {
        (_, false) => Expr::binary(Op::Or, any(conditions), any(half)),
        _ => conditions.pop().unwrap_or(Expr::Const(Value::Bool(false))),
    }
}

fn binary(op: BinaryOp, a: &hir::Expr, b: &hir::Expr, names: &mut impl Names) -> Lowered {
    if let Some(members) = ordered_members(op, a, b) {
        return Ok(Expr::In(Box::new(lower(a, names)?), members));
    }
    let (x, y) = (lower(a, names)?, lower(b, names)?);
    let range = a.range.cover(b.range);
    let (x, y) = (like(x, (&a.ty, &b.ty), range)?, like(y, (&b.ty, &a.ty), range)?);
    let test = |name, x, y| call(known(name), vec![x, y], range);
    let op = match op {
        BinaryOp::Or => Op::Or,
        BinaryOp::And => Op::And,
        BinaryOp::Equal => Op::Eq,
        BinaryOp::NotEqual => Op::Ne,
        BinaryOp::Less => Op::Lt,
        BinaryOp::LessEqual => Op::Le,
        BinaryOp::Greater => Op::Gt,
        BinaryOp::GreaterEqual => Op::Ge,
        BinaryOp::Add => Op::Add,
        BinaryOp::Subtract => Op::Sub,
        BinaryOp::Multiply => Op::Mul,
        BinaryOp::Divide => Op::Div,
        BinaryOp::Contains if matches!(a.ty, Type::List(_)) => return test("includes", x, y),
        BinaryOp::Contains => return test("contains", x, y),
        BinaryOp::StartsWith => return test("starts_with", x, y),
        BinaryOp::EndsWith => return test("ends_with", x, y),
        BinaryOp::Matches => return test("matches", x, y),
    };
    // The hot loops know `column op constant`.
    Ok(match (x, y) {
        (x @ Expr::Const(_), y @ Expr::Column(_)) => match turned(op) {
            Some(turned) => Expr::binary(turned, y, x),
            None => Expr::binary(op, x, y),
        },
        (x, y) => Expr::binary(op, x, y),
    })
}

/// A function that the language has an operator for.
fn known(name: &str) -> Function {
    Function::by_name(name).expect("operators stand for functions that the engine has")
}

fn call(function: Function, args: Vec<Expr>, range: TextRange) -> Lowered {
    Expr::call(function, args).map_err(|reason| not_yet(&reason, range))
}

/// The comparison with its sides exchanged.
fn turned(op: Op) -> Option<Op> {
    Some(match op {
        Op::Eq => Op::Eq,
        Op::Ne => Op::Ne,
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        _ => return None,
    })
}

/// `severity >= warn` as the members for which it holds: members are ordered as listed, and are
/// texts at run time.
fn ordered_members(op: BinaryOp, a: &hir::Expr, b: &hir::Expr) -> Option<Vec<Value>> {
    let (Type::Enum(members), ExprKind::Constant { value: Literal::Enum(member), .. }) =
        (&a.ty, &b.kind)
    else {
        return None;
    };
    let place = members.iter().position(|known| known == member)?;
    let holds: fn(Ordering) -> bool = match op {
        BinaryOp::Less => Ordering::is_lt,
        BinaryOp::LessEqual => Ordering::is_le,
        BinaryOp::Greater => Ordering::is_gt,
        BinaryOp::GreaterEqual => Ordering::is_ge,
        _ => return None,
    };
    let chosen = members.iter().enumerate().filter(|(index, _)| holds(index.cmp(&place)));
    Some(chosen.map(|(_, member)| Value::str(member)).collect())
}

/// A value of a type as it compares with values of another: hex digits with ids.
fn like(expr: Expr, (ty, other): (&Type, &Type), range: TextRange) -> Lowered {
    let id_of = |expr| call(known("from_hex"), vec![expr], range);
    Ok(match (expr, ty, other) {
        (Expr::Const(constant), ..) => Expr::Const(as_type(constant, other)),
        (expr, Type::String, Type::Bytes) => id_of(expr)?,
        // What is no text stays what it is: it may hold an id itself.
        (expr, Type::Any, Type::Bytes) => {
            Expr::Coalesce(Box::new(id_of(expr.clone())?), Box::new(expr))
        }
        (expr, ..) => expr,
    })
}

fn as_type(constant: Value, other: &Type) -> Value {
    match (&constant, other) {
        (Value::Str(text), Type::Bytes) => match hex(text) {
            Some(bytes) => Value::Bytes(Arc::from(bytes)),
            None => constant,
        },
        _ => constant,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

/// A constant as the engine holds it.
pub(crate) fn literal(value: &Literal) -> Value {
    match value {
        Literal::Null => Value::Null,
        Literal::Bool(v) => Value::Bool(*v),
        Literal::Int(v) => Value::Int(*v),
        Literal::Float(v) | Literal::Rate(v) => Value::Float(*v),
        Literal::String(v) | Literal::Enum(v) => Value::str(v),
        Literal::Duration(v) => Value::Duration(*v),
        Literal::Time(v) => Value::Time(*v),
        Literal::Size(v) => Value::Size(*v),
        Literal::Ratio(v) => Value::Ratio(*v),
        Literal::List(items) => Value::List(items.iter().map(literal).collect()),
        Literal::Map(entries) | Literal::Table(hir::TableColumn { values: entries, .. }) => {
            Value::map(entries.iter().map(|(k, v)| (Arc::from(k.as_str()), literal(v))).collect())
        }
    }
}
