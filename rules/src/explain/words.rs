//! Parts of a plan as rules would write them.

use tailwater_engine::aggregate::{AccumulatorKind, ExemplarOrder};
use tailwater_engine::model::render::duration;
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
        Some(ColumnSpec::FirstAttribute(keys)) => {
            let keys: Vec<String> = keys.iter().map(|key| format!("attr[{key:?}]")).collect();
            keys.join(" ?? ")
        }
        None => match signal.computed.get(index - signal.columns.len()) {
            Some(computed) => expr(signal, computed),
            None => "?".to_owned(),
        },
    }
}

/// What an accumulator keeps; `name` names columns, `filters` are those of its input.
pub(super) fn accumulator(
    accumulator: &TableAccumulator,
    filters: &[Expr],
    name: &dyn Fn(u32) -> String,
) -> String {
    let arguments: Vec<String> = accumulator.arguments.iter().map(|c| name(*c)).collect();
    let of = arguments.join(", ");
    let first = arguments.first().map_or("", String::as_str);
    let what = match accumulator.kind {
        AccumulatorKind::Count => "count".to_owned(),
        AccumulatorKind::Sum => format!("sum of {of}"),
        AccumulatorKind::SumSquares => format!("sum of {of} and of its square"),
        AccumulatorKind::Min => format!("min of {of}"),
        AccumulatorKind::Max => format!("max of {of}"),
        AccumulatorKind::First => format!("first of {of}"),
        AccumulatorKind::Last => format!("last of {of}"),
        AccumulatorKind::Truth => format!("ratio of {of}"),
        AccumulatorKind::Sketch { digits } => format!("distribution of {of} ({digits} digits)"),
        AccumulatorKind::Histogram => format!("histogram of {of}"),
        AccumulatorKind::Distinct { .. } => format!("distinct of {of}"),
        AccumulatorKind::Top => format!("top of {of}"),
        AccumulatorKind::Collect { limit } => format!("the first {limit} of {of}"),
        AccumulatorKind::Exemplar { order: ExemplarOrder::Max } => {
            format!("exemplars of the largest {first}")
        }
        AccumulatorKind::Exemplar { order: ExemplarOrder::Min } => {
            format!("exemplars of the smallest {first}")
        }
        AccumulatorKind::Exemplar { order: ExemplarOrder::Any } => "exemplars".to_owned(),
        AccumulatorKind::Apdex { threshold_ns } => {
            format!("apdex of {of} at {}", duration(threshold_ns))
        }
        AccumulatorKind::Series => format!("increase of {first} by series"),
    };
    match accumulator.filter {
        Some(filter) => format!("{what} where {}", expression(&filters[filter as usize], name)),
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

/// An expression over the columns of a signal.
pub(super) fn expr(signal: &SignalPlan, e: &Expr) -> String {
    expression(e, &|index| column(signal, index))
}

/// An expression as rules write it, columns named by `name`; operands that are operations
/// themselves stand in brackets.
pub fn expression(e: &Expr, name: &dyn Fn(u32) -> String) -> String {
    let all = |items: &[Expr]| {
        let items: Vec<String> = items.iter().map(|item| expression(item, name)).collect();
        items.join(", ")
    };
    let inner = |x: &Expr| operand(x, name);
    match e {
        Expr::Const(value) => constant(value),
        Expr::Table(column) => column.name.to_string(),
        Expr::Column(index) => name(*index),
        Expr::Not(x) => match &**x {
            Expr::IsNull(x) => format!("{} != null", inner(x)),
            x => format!("not {}", inner(x)),
        },
        Expr::Negate(x) => format!("-{}", inner(x)),
        Expr::IsNull(x) => format!("{} == null", inner(x)),
        // `and` and `or` are associative: no brackets inside; nor around what binds closer.
        Expr::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
            let side = |x: &Expr| match x {
                Expr::Binary(BinaryOp::Or, ..) if *op == BinaryOp::And => inner(x),
                x => expression(x, name),
            };
            format!("{} {} {}", side(a), symbol(*op), side(b))
        }
        Expr::Binary(op, a, b) => format!("{} {} {}", inner(a), symbol(*op), inner(b)),
        Expr::Coalesce(a, b) => match &**b {
            b @ Expr::Coalesce(..) => format!("{} ?? {}", inner(a), expression(b, name)),
            b => format!("{} ?? {}", inner(a), inner(b)),
        },
        Expr::If(c, a, b) => format!(
            "if {} then {} else {}",
            expression(c, name),
            expression(a, name),
            expression(b, name)
        ),
        Expr::In(x, list) => {
            let items: Vec<String> = list.iter().map(constant).collect();
            format!("{} in [{}]", inner(x), items.join(", "))
        }
        Expr::Call(function, _, arguments) => {
            format!("{}({})", function.def().name, all(arguments))
        }
        Expr::List(items) => format!("[{}]", all(items)),
        Expr::Template(parts) => format!("text of {}", all(parts)),
    }
}

/// An operand: in brackets where it is an operation itself.
fn operand(e: &Expr, name: &dyn Fn(u32) -> String) -> String {
    match e {
        Expr::Binary(..) | Expr::Coalesce(..) | Expr::In(..) | Expr::If(..) => {
            format!("({})", expression(e, name))
        }
        e => expression(e, name),
    }
}
