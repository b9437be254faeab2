//! What expressions mean, value by value.

use tailwater_engine::model::Value::{
    self, Bool, Bytes, Duration, Float, Int, Null, Ratio, Size, Time,
};
use tailwater_engine::plan::eval::eval_row;
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::function::{Function, all};

fn apply(op: BinaryOp, a: Value, b: Value) -> Value {
    eval_row(&Expr::binary(op, Expr::Column(0), Expr::Column(1)), &[a, b])
}

#[test]
fn arithmetic_keeps_units() {
    use BinaryOp::{Add, Div, Mul, Sub};
    for (op, a, b, result) in [
        (Div, Int(1), Int(4), Ratio(0.25)),
        (Div, Int(1), Int(0), Null),
        (Div, Duration(3), Duration(2), Ratio(1.5)),
        (Div, Duration(7), Int(2), Duration(4)),
        (Div, Size(1), Duration(1), Null),
        (Add, Int(i64::MAX), Int(1), Null),
        (Add, Time(5), Duration(3), Time(8)),
        (Sub, Time(5), Time(3), Duration(2)),
        (Sub, Time(5), Int(3), Null),
        (Add, Duration(i64::MAX), Duration(1), Null),
        (Mul, Duration(10), Float(1.5), Duration(15)),
        (Mul, Ratio(0.5), Int(10), Float(5.0)),
        (Add, Int(1), Float(0.5), Float(1.5)),
        (Add, Value::str("a"), Value::str("b"), Value::str("ab")),
        (Add, Value::str("1"), Int(1), Null),
        (Add, Null, Int(1), Null),
    ] {
        assert_eq!(apply(op, a.clone(), b.clone()), result, "{a} {op:?} {b}");
    }
}

#[test]
fn comparisons_that_make_no_sense_are_unknown() {
    use BinaryOp::{Eq, Gt, Lt, Ne};
    for (op, a, b, result) in [
        (Eq, Int(2), Float(2.0), Bool(true)),
        (Lt, Int(i64::MAX), Float(9_223_372_036_854_775_807.0), Bool(true)),
        (Gt, Ratio(0.06), Float(0.05), Bool(true)),
        (Eq, Value::str("5"), Int(5), Null),
        (Ne, Value::str("5"), Int(5), Null),
        (Eq, Null, Null, Null),
        (Gt, Duration(5), Int(3), Null),
        (Eq, Bytes([1][..].into()), Bytes([1][..].into()), Bool(true)),
        (Eq, Float(f64::NAN), Int(1), Null),
    ] {
        assert_eq!(apply(op, a.clone(), b.clone()), result, "{a} {op:?} {b}");
    }
}

#[test]
fn logic_has_three_values() {
    let (t, f) = (Bool(true), Bool(false));
    for (a, b, and, or) in [
        (&t, &Null, &Null, &t),
        (&f, &Null, &f, &Null),
        (&Null, &f, &f, &Null),
        (&Null, &t, &Null, &t),
        (&Null, &Null, &Null, &Null),
        (&t, &f, &f, &t),
    ] {
        assert_eq!(apply(BinaryOp::And, a.clone(), b.clone()), *and, "{a} and {b}");
        assert_eq!(apply(BinaryOp::Or, a.clone(), b.clone()), *or, "{a} or {b}");
    }
    let is_in = |value: Value| {
        eval_row(&Expr::In(Box::new(Expr::Const(value)), vec![Int(1), Value::str("a")]), &[])
    };
    assert_eq!(is_in(Int(1)), t);
    assert_eq!(is_in(Int(2)), Null);
    assert_eq!(is_in(Null), Null);
}

#[test]
fn null_and_values_of_any_kind_never_break_a_function() {
    let values = [
        Null,
        Bool(true),
        Int(i64::MIN),
        Int(-1),
        Float(f64::NAN),
        Float(f64::INFINITY),
        Value::str(""),
        Value::str("é%zz/[x"),
        Bytes([255, 0][..].into()),
        Duration(i64::MIN),
        Time(i64::MAX),
        Size(-1),
        Ratio(-0.0),
        Value::List([Int(1), Null][..].into()),
        Value::map(vec![("k".into(), Int(1))]),
    ];
    for function in all() {
        let params = function.def().params;
        for first in &values {
            for second in &values {
                let args: Vec<Expr> = params
                    .iter()
                    .enumerate()
                    .map(|(at, param)| match (param.regex, at) {
                        (true, _) => Expr::Const(Value::str("(.)(?<n>.)?")),
                        (_, 0) => Expr::Const(first.clone()),
                        _ => Expr::Const(second.clone()),
                    })
                    .collect();
                let has_null = args.contains(&Expr::Const(Null));
                let value = eval_row(&Expr::call(function, args).expect("a right call"), &[]);
                let may_be = !has_null || function.def().takes_null;
                assert!(may_be || value.is_null(), "{function:?} of null is {value}");
            }
        }
    }
}

#[test]
fn results_are_bounded() {
    let call =
        |name: &str, args: &[Value]| Function::by_name(name).expect("it exists").call(None, args);
    let long = Value::str(&"a".repeat(60_000));
    assert_eq!(call("concat", &[long.clone(), long.clone()]), Null);
    assert_eq!(call("replace", &[long.clone(), Value::str("a"), Value::str("bb")]), Null);
    assert_eq!(call("split", &[long, Value::str("a")]), Null);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let parsed = call("parse_json", &[Value::str(&deep)]).to_string();
    assert!(parsed.len() < 80, "{parsed}");
}

#[test]
fn expressions_are_the_same_after_a_snapshot() {
    use BinaryOp::{Add, And, Gt, Mul, Or};
    let column = Expr::Column;
    let matches = Function::by_name("matches").expect("it exists");
    let call = Expr::call(matches, vec![column(3), Expr::Const(Value::str("^a"))]);
    let sum = Expr::binary(Mul, Expr::binary(Add, column(0), column(1)), column(2));
    let slow = Expr::binary(Gt, sum, Expr::Const(Duration(750_000_000)));
    let any = Expr::binary(Or, slow, call.expect("a right call"));
    let all = Expr::binary(And, any, Expr::Not(Box::new(Expr::IsNull(Box::new(column(4))))));
    let bytes = bincode::serialize(&all).expect("plain data");
    assert_eq!(bincode::deserialize::<Expr>(&bytes).expect("as written"), all);
}
