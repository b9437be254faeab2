//! Evaluation over the values of one row: the definition of what expressions mean.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::limits::FUNCTION_TEXT_BYTES_MAX;
use crate::model::{Value, int_to_float};
use crate::plan::expr::{BinaryOp, Expr};

/// The value of an expression over a row's values. A column beyond the row is null.
pub fn eval_row(expr: &Expr, values: &[Value]) -> Value {
    eval_with(expr, &mut |index| values.get(index as usize).cloned().unwrap_or_default())
}

/// The value of an expression whose columns are given by a function.
pub(crate) fn eval_with(expr: &Expr, column: &mut impl FnMut(u32) -> Value) -> Value {
    match expr {
        Expr::Const(value) => value.clone(),
        Expr::Table(column) => column.values.clone(),
        Expr::Column(index) => column(*index),
        Expr::Not(x) => match eval_with(x, column) {
            Value::Bool(v) => Value::Bool(!v),
            _ => Value::Null,
        },
        Expr::Negate(x) => negate(&eval_with(x, column)),
        Expr::IsNull(x) => Value::Bool(eval_with(x, column).is_null()),
        Expr::Binary(op, a, b) => match op {
            BinaryOp::And => and(&eval_with(a, column), || eval_with(b, column)),
            BinaryOp::Or => or(&eval_with(a, column), || eval_with(b, column)),
            op => binary(*op, &eval_with(a, column), &eval_with(b, column)),
        },
        Expr::Coalesce(a, b) => match eval_with(a, column) {
            Value::Null => eval_with(b, column),
            value => value,
        },
        Expr::If(c, a, b) => {
            let branch = if eval_with(c, column) == Value::Bool(true) { a } else { b };
            eval_with(branch, column)
        }
        Expr::In(x, list) => is_in(&eval_with(x, column), list),
        Expr::List(items) => {
            Value::List(items.iter().map(|item| eval_with(item, column)).collect())
        }
        Expr::Template(parts) => template(parts, column),
        Expr::Call(function, pattern, args) => {
            let args: SmallVec<[Value; 4]> =
                args.iter().map(|arg| eval_with(arg, column)).collect();
            function.call(pattern.as_ref(), &args)
        }
    }
}

fn truth(value: &Value) -> Option<bool> {
    if let Value::Bool(v) = value { Some(*v) } else { None }
}

fn and(a: &Value, b: impl FnOnce() -> Value) -> Value {
    if truth(a) == Some(false) {
        return Value::Bool(false);
    }
    match (truth(a), truth(&b())) {
        (_, Some(false)) => Value::Bool(false),
        (Some(true), Some(true)) => Value::Bool(true),
        _ => Value::Null,
    }
}

fn or(a: &Value, b: impl FnOnce() -> Value) -> Value {
    if truth(a) == Some(true) {
        return Value::Bool(true);
    }
    match (truth(a), truth(&b())) {
        (_, Some(true)) => Value::Bool(true),
        (Some(false), Some(false)) => Value::Bool(false),
        _ => Value::Null,
    }
}

/// As the `or` of the comparisons: unknown where nothing is equal and something does not compare.
fn is_in(value: &Value, list: &[Value]) -> Value {
    let mut is_unknown = value.is_null();
    for item in list {
        match compare(value, item) {
            Some(Ordering::Equal) => return Value::Bool(true),
            Some(_) => {}
            None => is_unknown = true,
        }
    }
    if is_unknown { Value::Null } else { Value::Bool(false) }
}

/// The parts as people read them; a text beyond the bound of functions is null.
fn template(parts: &[Expr], column: &mut impl FnMut(u32) -> Value) -> Value {
    let mut text = String::new();
    for part in parts {
        text.push_str(&eval_with(part, column).to_string());
        if text.len() > FUNCTION_TEXT_BYTES_MAX {
            return Value::Null;
        }
    }
    Value::str(&text)
}

fn negate(value: &Value) -> Value {
    match value {
        Value::Int(v) => v.checked_neg().map_or(Value::Null, Value::Int),
        Value::Float(v) => Value::Float(-v),
        Value::Duration(v) => v.checked_neg().map_or(Value::Null, Value::Duration),
        Value::Size(v) => v.checked_neg().map_or(Value::Null, Value::Size),
        Value::Ratio(v) => Value::Ratio(-v),
        _ => Value::Null,
    }
}

/// How two values compare; `None` where they cannot be compared: unknown.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Int(_) | Value::Float(_) | Value::Ratio(_), _)
            if matches!(b, Value::Int(_) | Value::Float(_) | Value::Ratio(_)) =>
        {
            compare_numbers(a, b)
        }
        (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => Some(a.cmp(b)),
        _ if std::mem::discriminant(a) == std::mem::discriminant(b) => Some(a.cmp(b)),
        _ => None,
    }
}

fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Int(a), b) => compare_int(*a, b.as_f64()?),
        (a, Value::Int(b)) => compare_int(*b, a.as_f64()?).map(Ordering::reverse),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// As whole numbers and floats stand among values; what is no number compares with none.
fn compare_int(a: i64, b: f64) -> Option<Ordering> {
    (!b.is_nan()).then(|| int_to_float(a, b))
}

/// An operator on two values, neither of them lazily.
pub(super) fn binary(op: BinaryOp, a: &Value, b: &Value) -> Value {
    let test =
        |f: fn(Ordering) -> bool| compare(a, b).map_or(Value::Null, |order| Value::Bool(f(order)));
    match op {
        BinaryOp::And => and(a, || b.clone()),
        BinaryOp::Or => or(a, || b.clone()),
        BinaryOp::Eq => test(Ordering::is_eq),
        BinaryOp::Ne => test(Ordering::is_ne),
        BinaryOp::Lt => test(Ordering::is_lt),
        BinaryOp::Le => test(Ordering::is_le),
        BinaryOp::Gt => test(Ordering::is_gt),
        BinaryOp::Ge => test(Ordering::is_ge),
        BinaryOp::Add => add(a, b),
        BinaryOp::Sub => subtract(a, b),
        BinaryOp::Mul => multiply(a, b),
        BinaryOp::Div => divide(a, b),
    }
}

fn checked(result: Option<i64>, unit: fn(i64) -> Value) -> Value {
    result.map_or(Value::Null, unit)
}

/// A sum of like quantities; null of others.
pub(super) fn add(a: &Value, b: &Value) -> Value {
    use Value::{Duration, Float, Int, Ratio, Size, Str, Time};
    match (a, b) {
        (Int(a), Int(b)) => checked(a.checked_add(*b), Int),
        (Duration(a), Duration(b)) => checked(a.checked_add(*b), Duration),
        (Size(a), Size(b)) => checked(a.checked_add(*b), Size),
        (Time(a), Duration(b)) | (Duration(b), Time(a)) => checked(a.checked_add(*b), Time),
        (Ratio(a), Ratio(b)) => Ratio(a + b),
        (Str(a), Str(b)) if a.len() + b.len() <= FUNCTION_TEXT_BYTES_MAX => {
            Value::str(&[&**a, &**b].concat())
        }
        (Int(_) | Float(_) | Ratio(_), Int(_) | Float(_) | Ratio(_)) => floats(a, b, |a, b| a + b),
        _ => Value::Null,
    }
}

fn subtract(a: &Value, b: &Value) -> Value {
    use Value::{Duration, Float, Int, Ratio, Size, Time};
    match (a, b) {
        (Int(a), Int(b)) => checked(a.checked_sub(*b), Int),
        (Duration(a), Duration(b)) => checked(a.checked_sub(*b), Duration),
        (Size(a), Size(b)) => checked(a.checked_sub(*b), Size),
        (Time(a), Duration(b)) => checked(a.checked_sub(*b), Time),
        (Time(a), Time(b)) => checked(a.checked_sub(*b), Duration),
        (Ratio(a), Ratio(b)) => Ratio(a - b),
        (Int(_) | Float(_) | Ratio(_), Int(_) | Float(_) | Ratio(_)) => floats(a, b, |a, b| a - b),
        _ => Value::Null,
    }
}

fn multiply(a: &Value, b: &Value) -> Value {
    use Value::{Duration, Float, Int, Ratio, Size};
    match (a, b) {
        (Int(a), Int(b)) => checked(a.checked_mul(*b), Int),
        (Duration(a), Int(b)) | (Int(b), Duration(a)) => checked(a.checked_mul(*b), Duration),
        (Size(a), Int(b)) | (Int(b), Size(a)) => checked(a.checked_mul(*b), Size),
        (Duration(a), Float(b) | Ratio(b)) | (Float(b) | Ratio(b), Duration(a)) => {
            whole(*a as f64 * b, Duration)
        }
        (Size(a), Float(b) | Ratio(b)) | (Float(b) | Ratio(b), Size(a)) => {
            whole(*a as f64 * b, Size)
        }
        (Ratio(a), Ratio(b)) => Ratio(a * b),
        (Int(_) | Float(_) | Ratio(_), Int(_) | Float(_) | Ratio(_)) => floats(a, b, |a, b| a * b),
        _ => Value::Null,
    }
}

/// A quotient; null where there is none.
pub(super) fn divide(a: &Value, b: &Value) -> Value {
    use Value::{Duration, Float, Int, Ratio, Size};
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else { return Value::Null };
    if y == 0.0 {
        return Value::Null;
    }
    match (a, b) {
        (Int(_) | Float(_), Int(_) | Float(_))
        | (Duration(_), Duration(_))
        | (Size(_), Size(_))
        | (Ratio(_), Ratio(_)) => Ratio(x / y),
        (Duration(_), Int(_) | Float(_) | Ratio(_)) => whole(x / y, Duration),
        (Size(_), Int(_) | Float(_) | Ratio(_)) => whole(x / y, Size),
        (Ratio(_), Int(_) | Float(_)) => Ratio(x / y),
        (Int(_) | Float(_), Ratio(_)) => Float(x / y),
        _ => Value::Null,
    }
}

fn floats(a: &Value, b: &Value, f: fn(f64, f64) -> f64) -> Value {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => Value::Float(f(a, b)),
        _ => Value::Null,
    }
}

/// A float as a whole number of a unit; null where it does not fit.
fn whole(number: f64, unit: fn(i64) -> Value) -> Value {
    if number.abs() < 9.2e18 { unit(number.round() as i64) } else { Value::Null }
}
