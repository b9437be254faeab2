//! Functions over numbers. A result that is no finite number is null.

use std::cmp::Ordering;

use super::ResultKind::{Fixed, Join, SameAs};
use super::{FunctionDef, Kind, Param};
use crate::model::Value::{self, Duration, Float, Int, Null, Ratio, Size};

const X: Param = Param::new("number", &[Kind::Number]);
const STEP: Param = Param::new("step", &[Kind::Number]);
const PLAIN: Param = Param::new("number", &[Kind::Int, Kind::Float, Kind::Ratio]);
const ORDERED: Param = Param::new("value", &[Kind::Number, Kind::Time, Kind::Text]);

/// A function whose result may be no finite number.
const fn define(
    name: &'static str,
    params: &'static [Param],
    result: super::ResultKind,
    doc: &'static str,
    example: (&'static str, &'static str),
    body: fn(&[Value]) -> Value,
) -> FunctionDef {
    super::define(name, params, result, doc, example, body).nullable()
}

const INT: super::ResultKind = Fixed(Kind::Int);
const FLOAT: super::ResultKind = Fixed(Kind::Float);

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define("abs", &[X], SameAs(0), "The number without its sign.", ("abs(-5)", "5"), abs),
    define(
        "floor",
        &[PLAIN],
        INT,
        "The largest whole number not above.",
        ("floor(2.7)", "2"),
        |a| rounded(a, f64::floor),
    ),
    define(
        "ceil",
        &[PLAIN],
        INT,
        "The smallest whole number not below.",
        ("ceil(2.1)", "3"),
        |a| rounded(a, f64::ceil),
    ),
    define(
        "round",
        &[PLAIN],
        INT,
        "The nearest whole number, halves away from zero.",
        ("round(2.5)", "3"),
        |a| rounded(a, f64::round),
    ),
    define(
        "round_to",
        &[X, STEP],
        SameAs(0),
        "The nearest multiple of a step, halves away from zero.",
        ("round_to(1234ms, 100ms)", "1200ms"),
        |args| multiple(args, f64::round),
    ),
    define(
        "floor_to",
        &[X, STEP],
        SameAs(0),
        "The largest multiple of a step that is not above: classes of a quantity.",
        ("floor_to(503, 100)", "500"),
        |args| multiple(args, f64::floor),
    ),
    define(
        "mod",
        &[Param::new("number", &[Kind::Int]), Param::new("divisor", &[Kind::Int])],
        INT,
        "The remainder, never negative; null for a divisor of zero.",
        ("mod(-1, 10)", "9"),
        |args| match args {
            [Int(a), Int(b)] => a.checked_rem_euclid(*b).map_or(Null, Int),
            _ => Null,
        },
    ),
    define(
        "pow",
        &[PLAIN, Param::new("exponent", &[Kind::Int, Kind::Float])],
        FLOAT,
        "The number to the power of an exponent.",
        ("pow(2, 10)", "1024"),
        |args| match (plain(&args[0]), plain(&args[1])) {
            (Some(x), Some(y)) => finite(x.powf(y)),
            _ => Null,
        },
    ),
    define("sqrt", &[PLAIN], FLOAT, "The square root.", ("sqrt(9)", "3"), |a| float(a, f64::sqrt)),
    define("exp", &[PLAIN], FLOAT, "e to the power of the number.", ("exp(0)", "1"), |a| {
        float(a, f64::exp)
    }),
    define("ln", &[PLAIN], FLOAT, "The natural logarithm.", ("ln(1)", "0"), |a| float(a, f64::ln)),
    define("log10", &[PLAIN], FLOAT, "The logarithm to base 10.", ("log10(1000)", "3"), |a| {
        float(a, f64::log10)
    }),
    define("log2", &[PLAIN], FLOAT, "The logarithm to base 2.", ("log2(8)", "3"), |a| {
        float(a, f64::log2)
    }),
    define(
        "sign",
        &[X],
        INT,
        "-1, 0 or 1 as the number is below, at or above zero.",
        SIGN,
        |args| {
            let x = args[0].as_f64();
            x.and_then(|x| x.partial_cmp(&0.0)).map_or(Null, |order| Int(order as i64))
        },
    ),
    define(
        "clamp",
        &[X, Param::new("low", &[Kind::Number]), Param::new("high", &[Kind::Number])],
        SameAs(0),
        "The number, at least `low` and at most `high`.",
        ("clamp(12, 0, 10)", "10"),
        |args| pick(&[pick(&args[..2], Ordering::Greater), args[2].clone()], Ordering::Less),
    ),
    define(
        "least",
        &[ORDERED],
        Join,
        "The smallest of the values.",
        ("least(3, 1, 2)", "1"),
        |a| pick(a, Ordering::Less),
    )
    .variadic(),
    define(
        "greatest",
        &[ORDERED],
        Join,
        "The largest of the values.",
        ("greatest(250ms, 1s)", "1s"),
        |args| pick(args, Ordering::Greater),
    )
    .variadic(),
];

const SIGN: (&str, &str) = ("sign(-2.5)", "-1");

fn plain(value: &Value) -> Option<f64> {
    matches!(value, Int(_) | Float(_) | Ratio(_)).then(|| value.as_f64()).flatten()
}

fn finite(x: f64) -> Value {
    if x.is_finite() { Float(x) } else { Null }
}

fn float(args: &[Value], f: fn(f64) -> f64) -> Value {
    plain(&args[0]).map_or(Null, |x| finite(f(x)))
}

fn rounded(args: &[Value], f: fn(f64) -> f64) -> Value {
    match &args[0] {
        Int(v) => Int(*v),
        value => plain(value).map_or(Null, |x| super::convert::whole(f(x))),
    }
}

fn abs(args: &[Value]) -> Value {
    match args[0] {
        Int(v) => v.checked_abs().map_or(Null, Int),
        Duration(v) => v.checked_abs().map_or(Null, Duration),
        Size(v) => v.checked_abs().map_or(Null, Size),
        Float(v) => Float(v.abs()),
        Ratio(v) => Ratio(v.abs()),
        _ => Null,
    }
}

/// The extreme value; null where two cannot be compared.
fn pick(values: &[Value], wanted: Ordering) -> Value {
    let mut best: Option<&Value> = None;
    for value in values {
        match best.map(|best| crate::plan::eval::compare(value, best)) {
            Some(None) => return Null,
            Some(Some(order)) if order != wanted => {}
            _ => best = Some(value),
        }
    }
    best.cloned().unwrap_or_default()
}

/// The multiple of a step next to a number of the same unit; null where the step is not above 0.
fn multiple(args: &[Value], round: fn(f64) -> f64) -> Value {
    let (Some(x), Some(step)) = (args[0].as_f64(), args[1].as_f64()) else { return Null };
    if step.is_nan() || step <= 0.0 {
        return Null;
    }
    let times = round(x / step);
    match (&args[0], &args[1]) {
        (Int(_), Int(step)) => whole_times(times, *step, Int),
        (Duration(_), Duration(step)) => whole_times(times, *step, Duration),
        (Size(_), Size(step)) => whole_times(times, *step, Size),
        (Ratio(_), Ratio(_) | Float(_) | Int(_)) => Ratio(times * step),
        (Int(_) | Float(_), Int(_) | Float(_)) => finite(times * step),
        _ => Null,
    }
}

fn whole_times(times: f64, step: i64, unit: fn(i64) -> Value) -> Value {
    match super::convert::whole(times) {
        Int(times) => times.checked_mul(step).map_or(Null, unit),
        _ => Null,
    }
}
