//! Parts of a plan as rules would write them.

use tailwater_engine::aggregate::AccumulatorKind;
use tailwater_engine::model::{AttributePlace, ColumnSpec, Value};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{SignalPlan, TableAccumulator};

/// The name of a column of a signal.
pub(super) fn column(signal: &SignalPlan, index: u32) -> String {
    let index = index as usize;
    match signal.columns.get(index) {
        Some(ColumnSpec::Field(field)) => field.path().to_owned(),
        Some(ColumnSpec::Attribute { place, key }) => match place {
            AttributePlace::Any => key.to_string(),
            AttributePlace::Item => format!("attr[{key:?}]"),
            AttributePlace::Scope => format!("scope[{key:?}]"),
            AttributePlace::Resource => format!("resource[{key:?}]"),
        },
        None => match signal.computed.get(index - signal.columns.len()) {
            Some(computed) => expr(signal, computed),
            None => "?".to_owned(),
        },
    }
}

/// What an accumulator keeps.
pub(super) fn accumulator(signal: &SignalPlan, accumulator: &TableAccumulator) -> String {
    let arguments: Vec<String> = accumulator.arguments.iter().map(|c| column(signal, *c)).collect();
    let of = arguments.join(", ");
    let what = match accumulator.kind {
        AccumulatorKind::Count => "count".to_owned(),
        AccumulatorKind::Sketch { digits } => format!("distribution of {of} ({digits} digits)"),
        other => format!("{} of {of}", format!("{other:?}").to_lowercase()),
    };
    match accumulator.filter {
        Some(filter) => format!("{what} where {}", expr(signal, &signal.filters[filter as usize])),
        None => what,
    }
}

fn constant(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "or",
        BinaryOp::And => "and",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
    }
}

/// An expression; operands that are operations themselves stand in brackets.
pub(super) fn expr(signal: &SignalPlan, e: &Expr) -> String {
    let inner = |x: &Expr| match x {
        Expr::Binary(..) | Expr::Coalesce(..) | Expr::In(..) => format!("({})", expr(signal, x)),
        x => expr(signal, x),
    };
    match e {
        Expr::Const(value) => constant(value),
        Expr::Column(index) => column(signal, *index),
        Expr::Not(x) => match &**x {
            Expr::IsNull(x) => format!("{} != null", inner(x)),
            x => format!("not {}", inner(x)),
        },
        Expr::Negate(x) => format!("-{}", inner(x)),
        Expr::IsNull(x) => format!("{} == null", inner(x)),
        Expr::Binary(BinaryOp::And, a, b) => {
            // `and` is associative: no brackets inside.
            let side = |x: &Expr| match x {
                Expr::Binary(BinaryOp::Or, ..) => inner(x),
                x => expr(signal, x),
            };
            format!("{} and {}", side(a), side(b))
        }
        Expr::Binary(op, a, b) => format!("{} {} {}", inner(a), symbol(*op), inner(b)),
        Expr::Coalesce(a, b) => format!("{} ?? {}", inner(a), inner(b)),
        Expr::If(c, a, b) => {
            format!("if {} then {} else {}", inner(c), inner(a), inner(b))
        }
        Expr::In(x, list) => {
            let items: Vec<String> = list.iter().map(constant).collect();
            format!("{} in [{}]", inner(x), items.join(", "))
        }
        other => format!("{other:?}"),
    }
}
