//! Many patterns on one stream: CPU of 1 000 beside ten of them.
//!
//! Each waits for two steps of one service and operation within 10 s: an error, then a span that is
//! none (`all`: every span is an event of some pattern) or a slow one (`few`: one in ten is). The
//! 1 000 are distinct in service and operation and so cover the whole stream.
//!
//! `cargo bench -p tailwater-engine --bench patterns -- [SPANS] [PATTERNS]` (one number of
//! patterns alone, for profiles)

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench measures time and prints it"
)]

mod workload;

use std::sync::Arc;

use tailwater_engine::model::{RuleId, Value};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{
    LaneStep, MatchMode, PatternInput, PatternRule, PatternSource, PatternSymbol, Plan, Rule,
    RuleKind, RulePlace,
};
use workload::{SECOND, SERVICES, in_memory, measure, plan, requests, sliding};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VERBS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

fn is(column: u32, op: BinaryOp, value: Value) -> Expr {
    Expr::binary(op, Expr::Column(column), Expr::Const(value))
}

fn both(a: Expr, b: Expr) -> Expr {
    Expr::binary(BinaryOp::And, a, b)
}

fn pattern(symbols: [u32; 2]) -> PatternRule {
    let symbol = |(name, filter): (&str, u32)| PatternSymbol {
        name: Arc::from(name),
        input: 0,
        filter: Some(filter),
        key: vec![1, 2],
        condition: None,
    };
    let step = |symbol| LaneStep { symbol, min: 1, max: 1, gap_ns: None, stream: None };
    let from = PatternSource::Signal { signal: 0, timeline: 0, dedupe: None, late: None };
    PatternRule {
        key_names: vec![Arc::from("service"), Arc::from("operation")],
        within_ns: 10 * SECOND,
        mode: MatchMode::One { overlap: false },
        inputs: vec![PatternInput { from, slots: Vec::new(), item_slot: None }],
        symbols: [("a", symbols[0]), ("b", symbols[1])].map(symbol).to_vec(),
        slots: 0,
        registers: Vec::new(),
        lanes: vec![vec![step(0), step(1)]],
        lead: None,
        trail: None,
        without: Vec::new(),
        until: None,
        values: Vec::new(),
        timeout: None,
        hash: u64::from(symbols[0]),
    }
}

/// Patterns by service and operation, the services in turn.
fn patterns(count: usize, second: &Expr) -> Arc<Plan> {
    let mut plan = Plan::clone(&plan(sliding(10, 10), false));
    plan.tables.clear();
    plan.rules.clear();
    plan.signals[0].filters.clear();
    for index in 0..count {
        let (service, operation) = (index % SERVICES, index / SERVICES);
        let verb = VERBS[operation % 5];
        let name = format!("{verb} /s{service}/items/{operation}");
        let own = both(
            is(1, BinaryOp::Eq, Value::str(&format!("service-{service}"))),
            is(2, BinaryOp::Eq, Value::str(&name)),
        );
        let first = is(3, BinaryOp::Eq, Value::str("error"));
        let filters = &mut plan.signals[0].filters;
        filters.extend([both(own.clone(), first), both(own, second.clone())]);
        let at = filters.len() as u32;
        let kind = RuleKind::Pattern(Box::new(pattern([at - 2, at - 1])));
        let place = RulePlace { timelines: vec![0], ..RulePlace::default() };
        let name = Arc::from(format!("pattern_{}", RuleId(index as u32).0));
        plan.rules.push(Rule { name, kind, place });
    }
    Arc::new(plan)
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut number = || args.next().and_then(|n| n.parse::<usize>().ok());
    let requests = requests(number().unwrap_or(2_000_000));
    let spans = requests.len() * workload::SPANS;
    let alone = number();
    let seconds = [
        ("all", is(3, BinaryOp::Ne, Value::str("error"))),
        ("few", is(4, BinaryOp::Gt, Value::Duration(91_000_000))),
    ];
    for (name, second) in &seconds {
        for workers in [1, 2] {
            let of = |count: usize| {
                let plan = patterns(count, second);
                let label = format!("{name}: {count} patterns, {workers} workers");
                measure(&label, spans, || in_memory(&plan, &requests, workers))
            };
            if let Some(count) = alone {
                of(count);
                return;
            }
            let (ten, thousand) = (of(10), of(1_000));
            println!("{:<28} {:.2} x ten", "", thousand / ten);
        }
    }
}
