//! Arithmetic on constants, as far as clauses need it: `2 * slow`, `-5m`.

use crate::hir::{BinaryOp, Literal};

pub(super) fn negate(value: &Literal) -> Option<Literal> {
    Some(match value {
        Literal::Int(value) => Literal::Int(value.checked_neg()?),
        Literal::Float(value) => Literal::Float(-value),
        Literal::Duration(ns) => Literal::Duration(ns.checked_neg()?),
        Literal::Size(bytes) => Literal::Size(bytes.checked_neg()?),
        Literal::Ratio(value) => Literal::Ratio(-value),
        Literal::Rate(value) => Literal::Rate(-value),
        _ => return None,
    })
}

pub(super) fn is_zero(value: &Literal) -> bool {
    match value {
        Literal::Int(value) | Literal::Duration(value) | Literal::Size(value) => *value == 0,
        Literal::Float(value) | Literal::Ratio(value) | Literal::Rate(value) => *value == 0.0,
        _ => true,
    }
}

/// The result where it is exact and of the type that the operator promises.
pub(super) fn arithmetic(op: BinaryOp, left: &Literal, right: &Literal) -> Option<Literal> {
    use Literal::{Duration, Float, Int, Ratio, Size};
    let whole = |a: i64, b: i64| match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        _ => None,
    };
    let real = |a: f64, b: f64| match op {
        BinaryOp::Add => Some(a + b),
        BinaryOp::Subtract => Some(a - b),
        _ => None,
    };
    match (left, right) {
        (Int(a), Int(b)) if op == BinaryOp::Multiply => a.checked_mul(*b).map(Int),
        (Int(a), Int(b)) => whole(*a, *b).map(Int),
        (Float(a), Float(b)) => real(*a, *b).map(Float),
        (Ratio(a), Ratio(b)) => real(*a, *b).map(Ratio),
        (Duration(a), Duration(b)) => whole(*a, *b).map(Duration),
        (Size(a), Size(b)) => whole(*a, *b).map(Size),
        (Duration(a), Int(b)) | (Int(b), Duration(a)) if op == BinaryOp::Multiply => {
            a.checked_mul(*b).map(Duration)
        }
        (Size(a), Int(b)) | (Int(b), Size(a)) if op == BinaryOp::Multiply => {
            a.checked_mul(*b).map(Size)
        }
        (Duration(a), Int(b)) if op == BinaryOp::Divide && *b != 0 && a % b == 0 => {
            Some(Duration(a / b))
        }
        _ => None,
    }
}
