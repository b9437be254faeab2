//! Nanoseconds a row of typical filters over one batch; run with `cargo bench --bench eval`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench measures and reports")]

use std::hint::black_box;
use std::time::Instant;

use tailwater_engine::model::{Batch, Cell, Column, Interner, Signal, SourceId, Value};
use tailwater_engine::plan::eval::Evaluator;
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::function::Function;

const ROWS: usize = 8_192;
const ROUNDS: usize = 2_000;

fn batch() -> Batch {
    let symbols = Interner::shared();
    let text = |prefix: &str, n: usize| symbols.borrow_mut().intern(&format!("{prefix}{n}"));
    // A linear congruential generator: the same batch in every run, no pattern for the branch
    // predictor.
    let mut state = 1_u64;
    let mut next = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % bound
    };
    let mut column =
        |bound: u64| -> Vec<usize> { (0..ROWS).map(|_| next(bound) as usize).collect() };
    let columns = vec![
        Column::Durations(column(1_000).into_iter().map(|v| v as i64 * 1_000_000).collect()),
        Column::Symbols(column(20).into_iter().map(|v| text("service-", v)).collect()),
        Column::Cells(
            column(10)
                .into_iter()
                .map(|v| if v < 3 { Cell::Null } else { Cell::Int(v as i64 * 100) })
                .collect(),
        ),
        Column::Cells(column(200).into_iter().map(|v| Cell::Str(text("/api/", v))).collect()),
        Column::Durations(column(1_000).into_iter().map(|v| v as i64 * 1_000_000).collect()),
    ];
    Batch {
        signal: Signal::Spans,
        source: SourceId(0),
        frame_seq: 0,
        rows: ROWS,
        stands_for: 1,
        offsets: Vec::new(),
        columns,
        heap: Vec::new(),
        symbols,
        raw: None,
    }
}

fn main() {
    let batch = batch();
    let with = |op, column, value| Expr::binary(op, Expr::Column(column), Expr::Const(value));
    let slow = with(BinaryOp::Gt, 0, Value::Duration(500_000_000));
    let shop = with(BinaryOp::Eq, 1, Value::str("service-7"));
    let fails = with(BinaryOp::Ge, 2, Value::Int(500));
    let members = (0..4).map(|n| Value::str(&format!("service-{n}"))).collect();
    let matches = Function::by_name("matches").expect("it exists");
    let pattern = Expr::Const(Value::str("^/api/1[0-9]$"));
    let filters = [
        ("duration > constant", slow.clone()),
        ("symbol == constant", shop.clone()),
        ("attribute int >= constant", fails.clone()),
        ("attribute text == constant", with(BinaryOp::Eq, 3, Value::str("/api/7"))),
        ("attribute != null", Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(2)))))),
        ("duration > duration", Expr::binary(BinaryOp::Gt, Expr::Column(0), Expr::Column(4))),
        ("a and b", Expr::binary(BinaryOp::And, slow.clone(), fails.clone())),
        ("a or b", Expr::binary(BinaryOp::Or, slow.clone(), shop)),
        ("symbol in 4", Expr::In(Box::new(Expr::Column(1)), members)),
        ("matches", Expr::call(matches, vec![Expr::Column(3), pattern]).expect("right")),
        (
            "by row: x + y > constant",
            Expr::binary(
                BinaryOp::Gt,
                Expr::binary(BinaryOp::Add, Expr::Column(0), Expr::Column(4)),
                Expr::Const(Value::Duration(900_000_000)),
            ),
        ),
    ];
    let mut evaluator = Evaluator::default();
    let mut selection: Vec<u32> = Vec::new();
    for (name, filter) in filters {
        let mut best_ns = u128::MAX;
        for _ in 0..ROUNDS {
            selection.clear();
            selection.extend(0..ROWS as u32);
            let start = Instant::now();
            evaluator.filter(black_box(&filter), &batch, &mut selection);
            best_ns = best_ns.min(start.elapsed().as_nanos());
        }
        let kept = selection.len() * 100 / ROWS;
        println!("{name:<28} {:>6.2} ns/row  keeps {kept} %", best_ns as f64 / ROWS as f64);
    }
}
