//! Many filters at once agree with each of them by itself, row by row.

use proptest::prelude::*;
use tailwater_engine::model::Value;
use tailwater_engine::plan::eval::{Evaluator, FilterIndex, eval_row};
use tailwater_engine::plan::expr::{BinaryOp, Expr};

use super::vector::{TEXTS, batch, expr, items, rows_of};

const TIMES: u32 = 0;
const TEXT: u32 = 4;
const CELLS: u32 = 6;

fn equality() -> impl Strategy<Value = Expr> {
    (prop_oneof![Just(TEXT), Just(CELLS), Just(TIMES)], 0..=TEXTS.len()).prop_map(|(column, at)| {
        let text = TEXTS.get(at).copied().unwrap_or("absent");
        Expr::binary(BinaryOp::Eq, Expr::Column(column), Expr::Const(Value::str(text)))
    })
}

fn membership() -> impl Strategy<Value = Expr> {
    let column = prop_oneof![Just(TEXT), Just(CELLS)];
    (column, prop::collection::vec(0..TEXTS.len(), 0..4)).prop_map(|(column, texts)| {
        let texts = texts.into_iter().map(|at| Value::str(TEXTS[at])).collect();
        Expr::In(Box::new(Expr::Column(column)), texts)
    })
}

fn bound() -> impl Strategy<Value = Expr> {
    let op = proptest::sample::select(vec![
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Gt,
        BinaryOp::Ge,
        BinaryOp::Eq,
    ]);
    (op, 0..8_u32, 0..4_u8, -1..5_i64).prop_map(|(op, column, kind, bound)| {
        let bound = match kind {
            0 => Value::Int(bound),
            1 => Value::Duration(bound),
            2 => Value::Time(bound),
            _ => Value::Size(bound),
        };
        Expr::binary(op, Expr::Column(column), Expr::Const(bound))
    })
}

/// Conjunctions, as rules write them; more conditions than the index tells apart among them.
fn filter() -> impl Strategy<Value = Expr> {
    let condition = prop_oneof![
        6 => equality(),
        2 => membership(),
        4 => bound(),
        1 => Just(Expr::Const(Value::Bool(true))),
        2 => expr(),
    ];
    let count = prop_oneof![9 => 1..5_usize, 1 => 17..24_usize];
    (count, any::<bool>()).prop_flat_map(move |(count, is_right)| {
        prop::collection::vec(condition.clone(), count).prop_map(move |conditions| {
            let both = |a, b| {
                let (a, b) = if is_right { (b, a) } else { (a, b) };
                Expr::binary(BinaryOp::And, a, b)
            };
            conditions.into_iter().reduce(both).expect("there is one")
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn many_filters_agree_with_each_by_itself(
        first in items(),
        second in items(),
        filters in prop::collection::vec(filter(), 0..40),
    ) {
        let mut index = FilterIndex::new(&filters);
        let mut evaluator = Evaluator::default();
        // Tables of symbols change while an index lives.
        for items in [first, second] {
            let mut batch = batch(&items);
            let rows = rows_of(&batch);
            let found = evaluator.derive(&[], &mut index, &mut batch);
            let mut hits = Vec::new();
            for (at, filter) in filters.iter().enumerate() {
                let holds = |row: &u32| eval_row(filter, &rows[*row as usize]);
                let is_true = |row: &u32| holds(row) == Value::Bool(true);
                let wanted: Vec<u32> = (0..rows.len() as u32).filter(is_true).collect();
                prop_assert_eq!(found.of(at as u32), &wanted[..], "{:?}", filter);
                if !wanted.is_empty() {
                    hits.push(at as u32);
                }
            }
            prop_assert_eq!(found.hits(), &hits[..]);
        }
    }
}

#[test]
fn what_many_filters_ask_is_looked_up() {
    let is = |column, text: &str| {
        Expr::binary(BinaryOp::Eq, Expr::Column(column), Expr::Const(Value::str(text)))
    };
    let slow = |ns| Expr::binary(BinaryOp::Ge, Expr::Column(1), Expr::Const(Value::Duration(ns)));
    let mut filters = Vec::new();
    for service in 0..20 {
        for name in 0..50 {
            let (service, name) = (is(4, &format!("s{service}")), is(6, &format!("n{name}")));
            filters.push(Expr::binary(BinaryOp::And, name, service));
        }
    }
    filters.extend((0..10).map(slow));
    let summary = FilterIndex::new(&filters).summary();
    assert_eq!(summary.lookups, [(4, 20), (6, 50)]);
    assert_eq!(summary.bounds, [(1, 10)]);
    assert_eq!(summary.single, 0);
    // Three texts are asked one by one.
    let few: Vec<Expr> = (0..3).map(|at| is(4, &format!("s{at}"))).collect();
    let summary = FilterIndex::new(&few).summary();
    assert_eq!((summary.lookups.len(), summary.single), (0, 3));
}
