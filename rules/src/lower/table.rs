//! Tables: aggregates that read the same items by the same key share one.

use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{Plan, SignalPlan, Table, TableAccumulator, TableWindow, WindowShape};
use xxhash_rust::xxh3::xxh3_64;

use super::signal::resolve;

/// What an aggregate wants of a table.
pub(super) struct Wanted {
    pub(super) signal: u32,
    pub(super) timeline: u32,
    pub(super) filter: Option<u32>,
    pub(super) dedupe: Option<u32>,
    pub(super) key: Vec<u32>,
    pub(super) shape: WindowShape,
    pub(super) offset_ns: i64,
    pub(super) accumulators: Vec<TableAccumulator>,
    pub(super) groups_max: u32,
    pub(super) rule: RuleId,
}

/// Slices may be this many times narrower than the shortest step that shares them: beyond that
/// merging costs more than a table of its own.
const NARROWER_MAX: i64 = 4;

/// Puts a rule's window into a table that fits, or a new one; returns the table's accumulators.
pub(super) fn place(plan: &mut Plan, wanted: Wanted) -> &[TableAccumulator] {
    let width_ns = width(wanted.shape);
    let offset_ns = wanted.offset_ns.rem_euclid(width_ns.max(1));
    let found = plan.tables.iter().position(|table| {
        table.signal == wanted.signal
            && table.timeline == wanted.timeline
            && table.filter == wanted.filter
            && table.dedupe == wanted.dedupe
            && table.key == wanted.key
            && table.groups_max == wanted.groups_max
            && fits(table, wanted.shape, wanted.offset_ns)
    });
    let window = TableWindow { shape: wanted.shape, rule: wanted.rule };
    let index = found.unwrap_or_else(|| {
        plan.tables.push(Table {
            signal: wanted.signal,
            timeline: wanted.timeline,
            filter: wanted.filter,
            dedupe: wanted.dedupe,
            key: wanted.key,
            width_ns,
            offset_ns: if wanted.shape.is_grid() { wanted.offset_ns } else { offset_ns },
            accumulators: Vec::new(),
            windows: Vec::new(),
            groups_max: wanted.groups_max,
            hash: 0,
        });
        plan.tables.len() - 1
    });
    let table = &mut plan.tables[index];
    table.width_ns = gcd(table.width_ns, width_ns);
    table.windows.push(window);
    for accumulator in wanted.accumulators {
        if !table.accumulators.contains(&accumulator) {
            table.accumulators.push(accumulator);
        }
    }
    &table.accumulators
}

/// Whether a window can share a table's slices.
fn fits(table: &Table, shape: WindowShape, offset_ns: i64) -> bool {
    if !shape.is_grid() || table.keyed_shape().is_some() {
        return table.windows.iter().all(|window| window.shape == shape);
    }
    let common_ns = gcd(table.width_ns, width(shape));
    let steps = table.windows.iter().map(|window| window.shape.every_ns());
    let shortest_ns = steps.min().unwrap_or(i64::MAX).min(shape.every_ns());
    table.offset_ns == offset_ns && common_ns >= shortest_ns / NARROWER_MAX
}

/// The widest slice from which a shape's windows can be put together.
fn width(shape: WindowShape) -> i64 {
    gcd(shape.size_ns(), shape.every_ns())
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Gives columns their final indices and tables their identity.
pub(super) fn seal(plan: &mut Plan) {
    for table in &mut plan.tables {
        let signal = &plan.signals[table.signal as usize];
        let columns = table.accumulators.iter_mut().flat_map(|a| &mut a.arguments);
        for column in table.key.iter_mut().chain(columns) {
            *column = resolve(signal, *column);
        }
    }
    for dedupe in &mut plan.dedupes {
        let signal = &plan.signals[dedupe.signal as usize];
        for column in &mut dedupe.key {
            *column = resolve(signal, *column);
        }
    }
    for index in 0..plan.tables.len() {
        plan.tables[index].hash = identity(plan, &plan.tables[index]);
    }
}

/// The hash of everything that a table's state depends on, with columns by what they are and not
/// by where they stand: another rule in the file must not change it.
fn identity(plan: &Plan, table: &Table) -> u64 {
    let signal = &plan.signals[table.signal as usize];
    let line = &plan.timelines[table.timeline as usize];
    let time = plan.time_columns[line.time_column as usize].column;
    let filter =
        |index: Option<u32>| index.map(|index| expr_text(signal, &signal.filters[index as usize]));
    let mut parts = vec![
        signal.signal.name().to_owned(),
        format!("{:?}", filter(table.filter)),
        column_text(signal, time),
        format!("{} {} {} {}", line.lateness_ns, line.idle_ns, table.width_ns, table.offset_ns),
        format!("{:?} {}", table.keyed_shape(), table.groups_max),
    ];
    if let Some(dedupe) = table.dedupe {
        let dedupe = &plan.dedupes[dedupe as usize];
        let key = dedupe.key.iter().map(|column| column_text(signal, *column));
        parts.push(format!(
            "{:?} {:?} {} {}",
            key.collect::<Vec<_>>(),
            filter(dedupe.filter),
            dedupe.within_ns,
            dedupe.keys_max
        ));
    }
    parts.extend(table.key.iter().map(|column| column_text(signal, *column)));
    for accumulator in &table.accumulators {
        let arguments = accumulator.arguments.iter().map(|column| column_text(signal, *column));
        parts.push(format!(
            "{:?} {:?} {:?}",
            accumulator.kind,
            arguments.collect::<Vec<_>>(),
            filter(accumulator.filter)
        ));
    }
    xxh3_64(parts.join("\n").as_bytes())
}

fn column_text(signal: &SignalPlan, column: u32) -> String {
    let column = column as usize;
    match signal.columns.get(column) {
        Some(spec) => format!("{spec:?}"),
        None => match signal.computed.get(column - signal.columns.len()) {
            Some(expr) => expr_text(signal, expr),
            None => String::new(),
        },
    }
}

fn expr_text(signal: &SignalPlan, expr: &Expr) -> String {
    let mut columns = Vec::new();
    expr.columns(&mut |column| columns.push(column_text(signal, column)));
    let mut next = 0;
    let renumbered = renumber(expr, &mut next);
    format!("{renumbered:?} over {columns:?}")
}

/// The expression with its columns numbered in the order in which they stand.
fn renumber(expr: &Expr, next: &mut u32) -> Expr {
    let mut again = |x: &Expr| Box::new(renumber(x, next));
    match expr {
        Expr::Column(_) => {
            *next += 1;
            Expr::Column(*next - 1)
        }
        Expr::Const(value) => Expr::Const(value.clone()),
        Expr::Not(x) => Expr::Not(again(x)),
        Expr::Negate(x) => Expr::Negate(again(x)),
        Expr::IsNull(x) => Expr::IsNull(again(x)),
        Expr::Binary(op, a, b) => {
            let a = again(a);
            Expr::Binary(*op, a, again(b))
        }
        Expr::Coalesce(a, b) => {
            let a = again(a);
            Expr::Coalesce(a, again(b))
        }
        Expr::If(c, a, b) => {
            let (c, a) = (again(c), again(a));
            Expr::If(c, a, again(b))
        }
        Expr::In(x, list) => Expr::In(again(x), list.clone()),
        Expr::Call(function, args) => {
            Expr::Call(*function, args.iter().map(|arg| renumber(arg, next)).collect())
        }
        Expr::Template(parts) => {
            Expr::Template(parts.iter().map(|part| renumber(part, next)).collect())
        }
    }
}
