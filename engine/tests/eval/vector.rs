//! Columns agree with rows, on random expressions and batches.

use proptest::prelude::*;
use tailwater_engine::model::{Batch, Cell, Column, Interner, Signal, SourceId, Symbol, Value};
use tailwater_engine::plan::eval::{Evaluator, eval_row};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::function::Function;

const COLUMNS: u32 = 8;
pub(super) const TEXTS: [&str; 5] = ["", "GET", "get", "/api/v1", "7"];

/// Times, durations, ints, bools, symbols, ids, cells, cells.
pub(super) type Item = (u8, i64, i64, bool, usize, u8, usize, usize);

pub(super) fn batch(items: &[Item]) -> Batch {
    let symbols = Interner::shared();
    let text = |at: usize| symbols.borrow_mut().intern(TEXTS[at % TEXTS.len()]);
    let mut heap = Vec::new();
    let mut cell = |at: usize, symbol: Symbol| match at {
        0 => Cell::Null,
        1 => Cell::Int(3),
        2 => Cell::Float(2.5),
        3 => Cell::Bool(true),
        4 => Cell::Duration(3),
        5 => Cell::Ratio(0.05),
        6 => {
            heap.push(Value::List([Value::Int(1)][..].into()));
            Cell::Heap(heap.len() as u32 - 1)
        }
        _ => Cell::Str(symbol),
    };
    let mut cells = [Vec::new(), Vec::new()];
    for item in items {
        cells[0].push(cell(item.6 % 14, text(item.6)));
        cells[1].push(cell(item.7 % 14, text(item.7)));
    }
    let [first, second] = cells;
    let id = |item: &Item| if item.5 == 0 { [0; 8] } else { [item.5; 8] };
    let columns = vec![
        Column::Times(items.iter().map(|item| i64::from(item.0 % 4)).collect()),
        Column::Durations(items.iter().map(|item| item.1).collect()),
        Column::Ints(items.iter().map(|item| item.2).collect()),
        Column::Bools(items.iter().map(|item| item.3).collect()),
        Column::Symbols(items.iter().map(|item| text(item.4)).collect()),
        Column::Ids8(items.iter().map(id).collect()),
        Column::Cells(first),
        Column::Cells(second),
    ];
    Batch {
        signal: Signal::Spans,
        source: SourceId(0),
        frame_seq: 0,
        rows: items.len(),
        stands_for: 1,
        columns,
        heap,
        symbols,
        offsets: Vec::new(),
        raw: None,
    }
}

fn constant() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..5_i64).prop_map(Value::Int),
        (0..5_i64).prop_map(Value::Duration),
        (0..5_i64).prop_map(Value::Time),
        prop_oneof![Just(2.5), Just(3.0), Just(f64::NAN)].prop_map(Value::Float),
        Just(Value::Ratio(0.05)),
        (0..3_u8).prop_map(|byte| Value::Bytes([byte; 8][..].into())),
        (0..TEXTS.len()).prop_map(|at| Value::str(TEXTS[at])),
        Just(Value::str("absent")),
    ]
}

pub(super) fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        3 => (0..=COLUMNS).prop_map(Expr::Column),
        2 => constant().prop_map(Expr::Const),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let op = proptest::sample::select(vec![
            BinaryOp::Or,
            BinaryOp::And,
            BinaryOp::Or,
            BinaryOp::And,
            BinaryOp::Eq,
            BinaryOp::Ne,
            BinaryOp::Lt,
            BinaryOp::Le,
            BinaryOp::Gt,
            BinaryOp::Ge,
            BinaryOp::Add,
            BinaryOp::Div,
        ]);
        let one = proptest::sample::select(vec!["lower", "len", "int", "parse_json", "is_ip"]);
        prop_oneof![
            6 => (op, inner.clone(), inner.clone()).prop_map(|(op, a, b)| Expr::binary(op, a, b)),
            2 => boxed.clone().prop_map(Expr::Not),
            1 => boxed.clone().prop_map(Expr::IsNull),
            1 => boxed.clone().prop_map(Expr::Negate),
            1 => (boxed.clone(), boxed.clone()).prop_map(|(a, b)| Expr::Coalesce(a, b)),
            1 => (boxed.clone(), boxed.clone(), boxed.clone())
                .prop_map(|(c, a, b)| Expr::If(c, a, b)),
            2 => (boxed, prop::collection::vec(constant(), 0..12))
                .prop_map(|(x, list)| Expr::In(x, list)),
            1 => prop::collection::vec(inner.clone(), 1..3).prop_map(Expr::Template),
            2 => (one, inner.clone()).prop_map(|(name, x)| {
                let function = Function::by_name(name).expect("it exists");
                Expr::call(function, vec![x]).expect("a right call")
            }),
            1 => inner.prop_map(|x| {
                let matches = Function::by_name("matches").expect("it exists");
                let pattern = Expr::Const(Value::str("^[A-Z/]"));
                Expr::call(matches, vec![x, pattern]).expect("a right call")
            }),
        ]
    })
}

pub(super) fn rows_of(batch: &Batch) -> Vec<Vec<Value>> {
    let row = |at| batch.columns.iter().map(|column| batch.value_at(column, at)).collect();
    (0..batch.rows).map(row).collect()
}

pub(super) fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = (
        any::<u8>(),
        0..5_i64,
        0..5_i64,
        any::<bool>(),
        0..5_usize,
        0..3_u8,
        0..14_usize,
        0..14_usize,
    );
    prop::collection::vec(item, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn filters_and_columns_agree_with_rows(
        items in items(),
        exprs in prop::collection::vec(expr(), 1..4),
        first in 0..3_u32,
    ) {
        let mut batch = batch(&items);
        let rows = rows_of(&batch);
        let mut evaluator = Evaluator::default();
        // Twice, so that remembered results are used.
        for expr in exprs.iter().chain(&exprs) {
            let wanted: Vec<Value> = rows.iter().map(|row| eval_row(expr, row)).collect();
            let all: Vec<u32> = (0..batch.rows as u32).filter(|row| *row >= first).collect();
            for (expr, truth) in [
                (expr.clone(), Value::Bool(true)),
                (Expr::Not(Box::new(expr.clone())), Value::Bool(false)),
            ] {
                let mut selection = all.clone();
                evaluator.filter(&expr, &batch, &mut selection);
                let kept: Vec<u32> =
                    all.iter().copied().filter(|row| wanted[*row as usize] == truth).collect();
                prop_assert_eq!(&selection, &kept, "{:?}", expr);
            }
            let column = evaluator.eval(expr, &mut batch);
            let found: Vec<Value> =
                (0..batch.rows).map(|row| batch.value_at(&column, row)).collect();
            prop_assert_eq!(&found, &wanted, "{:?}", expr);
        }
    }
}
