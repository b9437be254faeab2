//! Tables: aggregates that read the same items by the same key share one.
//!
//! Invariant: a rule's rows do not depend on who shares its table; columns have their final
//! indices, and tables their identity, only after `seal`. Knows accumulators and windows, not what
//! rows select.

use tailwater_engine::model::RuleId;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    PatternSource, Plan, ROW_KEY_FROM, Results, RowTable, RuleKind, SignalPlan, Table,
    TableAccumulator, TableWindow, WindowShape,
};
use xxhash_rust::xxh3::xxh3_64;

use super::signal::resolve;
use super::stream::Origin;

/// What an aggregate wants of a table.
pub(super) struct Wanted {
    pub(super) origin: Origin,
    pub(super) timeline: u32,
    pub(super) filter: Option<u32>,
    pub(super) dedupe: Option<u32>,
    pub(super) key: Vec<u32>,
    pub(super) window: TableWindow,
    pub(super) offset_ns: i64,
    pub(super) accumulators: Vec<TableAccumulator>,
    pub(super) groups_max: u32,
    pub(super) amend_ns: i64,
    pub(super) late: Option<RuleId>,
}

/// Slices may be this many times narrower than the shortest step that shares them: beyond that
/// merging costs more than a table of its own.
const NARROWER_MAX: i64 = 4;

/// Puts a rule's window into a table that fits, or a new one; returns the table's accumulators.
pub(super) fn place(plan: &mut Plan, wanted: Wanted) -> &[TableAccumulator] {
    let width_ns = width(&wanted.window);
    let table = match wanted.origin {
        Origin::Signal(signal) => {
            let found = plan.tables.iter().position(|table| {
                table.signal == signal
                    && table.timeline == wanted.timeline
                    && is_alike(table, &wanted)
            });
            let index = found.unwrap_or_else(|| {
                plan.tables.push(empty(signal, &wanted));
                plan.tables.len() - 1
            });
            &mut plan.tables[index]
        }
        Origin::Rows(input) => {
            let found = plan
                .row_tables
                .iter()
                .position(|rows| rows.input == input && is_alike(&rows.table, &wanted));
            let index = found.unwrap_or_else(|| {
                plan.row_tables.push(RowTable { input, table: empty(0, &wanted) });
                plan.row_tables.len() - 1
            });
            &mut plan.row_tables[index].table
        }
    };
    table.width_ns = gcd(table.width_ns, width_ns);
    table.windows.push(wanted.window);
    for accumulator in wanted.accumulators {
        if !table.accumulators.contains(&accumulator) {
            table.accumulators.push(accumulator);
        }
    }
    &table.accumulators
}

fn empty(signal: u32, wanted: &Wanted) -> Table {
    let width_ns = width(&wanted.window);
    let offset_ns = wanted.offset_ns.rem_euclid(width_ns.max(1));
    let is_grid = wanted.window.shape.is_grid();
    Table {
        signal,
        timeline: wanted.timeline,
        filter: wanted.filter,
        dedupe: wanted.dedupe,
        key: wanted.key.clone(),
        width_ns,
        offset_ns: if is_grid { wanted.offset_ns } else { offset_ns },
        accumulators: Vec::new(),
        windows: Vec::new(),
        groups_max: wanted.groups_max,
        amend_ns: wanted.amend_ns,
        late: wanted.late,
        hash: 0,
    }
}

/// Whether a table holds what is wanted, windows aside.
fn is_alike(table: &Table, wanted: &Wanted) -> bool {
    table.filter == wanted.filter
        && table.dedupe == wanted.dedupe
        && table.key == wanted.key
        && table.groups_max == wanted.groups_max
        && (table.amend_ns, table.late) == (wanted.amend_ns, wanted.late)
        && table.says_changes() == (wanted.window.results == Results::Changes)
        && fits(table, &wanted.window, wanted.offset_ns)
}

/// Whether a window can share a table's slices.
fn fits(table: &Table, window: &TableWindow, offset_ns: i64) -> bool {
    let shape = window.shape;
    if !shape.is_grid() || table.keyed_shape().is_some() {
        // Off the grid one table says the same of its windows, at the same times.
        let is_same =
            |known: &TableWindow| (known.shape, known.results) == (window.shape, window.results);
        return table.windows.iter().all(is_same);
    }
    let common_ns = gcd(table.width_ns, width(window));
    let steps = table.windows.iter().map(|window| window.shape.every_ns());
    let shortest_ns = steps.min().unwrap_or(i64::MAX).min(shape.every_ns());
    table.offset_ns == offset_ns && common_ns >= shortest_ns / NARROWER_MAX
}

/// The widest slice from which a shape's windows can be put together.
fn width(window: &TableWindow) -> i64 {
    let width_ns = gcd(window.shape.size_ns(), window.shape.every_ns());
    match window.results {
        // Keys of count windows are admitted for good, whatever is said of them.
        _ if matches!(window.shape, WindowShape::Count { .. }) => width_ns,
        Results::Every(every_ns) => gcd(width_ns, every_ns),
        Results::Final | Results::Changes => width_ns,
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Gives columns their final indices, rules their delay, tables their identity.
pub(super) fn seal(plan: &mut Plan) {
    for table in &mut plan.tables {
        let columns = plan.signals[table.signal as usize].columns.len() as u32;
        resolve_all(table, columns);
    }
    for dedupe in &mut plan.dedupes {
        let columns = plan.signals[dedupe.signal as usize].columns.len() as u32;
        dedupe.key.iter_mut().for_each(|column| *column = resolve(columns, *column));
    }
    for rule in &mut plan.rules {
        if let RuleKind::Late(late) = &mut rule.kind {
            let columns = plan.signals[late.signal as usize].columns.len() as u32;
            late.values.iter_mut().for_each(|(_, column)| *column = resolve(columns, *column));
        }
    }
    super::traces::seal(plan);
    for index in 0..plan.row_inputs.len() {
        let rule = plan.row_inputs[index].rule;
        let columns = plan.rules[rule.0 as usize].column_names().len();
        plan.row_inputs[index].columns = ROW_KEY_FROM + columns as u32;
        plan.row_inputs[index].time = plan.row_time(rule);
    }
    for row_table in &mut plan.row_tables {
        let columns = plan.row_inputs[row_table.input as usize].columns;
        resolve_all(&mut row_table.table, columns);
    }
    resolve_patterns(plan);
    super::sample::resolve_keys(plan);
    delay(plan);
    for index in 0..plan.tables.len() {
        plan.tables[index].hash = identity(plan, &plan.tables[index]);
    }
    for index in 0..plan.row_tables.len() {
        plan.row_tables[index].table.hash = row_identity(plan, &plan.row_tables[index]);
    }
}

fn resolve_patterns(plan: &mut Plan) {
    let signals: Vec<u32> = plan.signals.iter().map(|s| s.columns.len() as u32).collect();
    let rows: Vec<u32> = plan.row_inputs.iter().map(|input| input.columns).collect();
    for rule in &mut plan.rules {
        let (inputs, symbols) = match &mut rule.kind {
            RuleKind::Pattern(rule) => (&mut rule.inputs, &mut rule.symbols),
            RuleKind::Correlate(rule) => (&mut rule.inputs, &mut rule.symbols),
            _ => continue,
        };
        let columns = |from: PatternSource| match from {
            PatternSource::Signal { signal, .. } => signals[signal as usize],
            PatternSource::Rows { input, .. } => rows[input as usize],
        };
        for symbol in symbols {
            let columns = columns(inputs[symbol.input as usize].from);
            symbol.key.iter_mut().for_each(|column| *column = resolve(columns, *column));
        }
        for input in inputs {
            let columns = columns(input.from);
            input.slots.iter_mut().for_each(|(_, column)| *column = resolve(columns, *column));
        }
    }
}

fn resolve_all(table: &mut Table, columns: u32) {
    let arguments = table.accumulators.iter_mut().flat_map(|a| &mut a.arguments);
    for column in table.key.iter_mut().chain(arguments) {
        *column = resolve(columns, *column);
    }
}

/// How long after its end a rule's last word on a window comes: as its table amends, then as the
/// rules that it reads.
fn delay(plan: &mut Plan) {
    for table in &plan.tables {
        for window in &table.windows {
            let place = &mut plan.rules[window.rule.0 as usize].place;
            place.delay_ns = table.amend_slices() * table.width_ns;
        }
    }
    for index in 0..plan.rules.len() {
        let inputs = plan.rules[index].inputs();
        let delays = inputs.iter().map(|input| plan.rules[input.0 as usize].place.delay_ns);
        if let Some(delay_ns) = delays.max() {
            plan.rules[index].place.delay_ns = delay_ns;
        }
    }
}

/// The hash of everything that a table's state depends on, with columns by what they are and not
/// by where they stand: another rule in the file must not change it.
fn identity(plan: &Plan, table: &Table) -> u64 {
    let signal = &plan.signals[table.signal as usize];
    let line = &plan.timelines[table.timeline as usize];
    let time = plan.time_columns[line.time_column as usize].column;
    let column = |column: u32| column_text(signal, column);
    let mut parts = vec![
        signal.signal.name().to_owned(),
        column(time),
        format!("{} {}", line.lateness_ns, line.idle_ns),
    ];
    let mut at = table.dedupe;
    while let Some(dedupe) = at.map(|at| &plan.dedupes[at as usize]) {
        let key: Vec<String> = dedupe.key.iter().map(|at| column(*at)).collect();
        let filter = dedupe.filter.map(|at| expr_text(&column, &signal.filters[at as usize]));
        parts.push(format!("{key:?} {filter:?} {} {}", dedupe.within_ns, dedupe.keys_max));
        if dedupe.side_of.is_some() {
            parts.push("duplicates".to_owned());
        }
        at = dedupe.side_of.or(dedupe.after);
    }
    let late = table.late.map(|late| &*plan.rules[late.0 as usize].name);
    parts.push(format!("{late:?}"));
    shared_identity(table, &signal.filters, &column, &mut parts);
    xxh3_64(parts.join("\n").as_bytes())
}

/// The same for a table over rows: what its source is counts, too.
fn row_identity(plan: &Plan, rows: &RowTable) -> u64 {
    let input = &plan.row_inputs[rows.input as usize];
    let source = &plan.rules[input.rule.0 as usize];
    let computed = |at: u32| input.computed.get((at - input.columns) as usize);
    let names = source.column_names();
    let row_column = |at: u32| match names.get((at.saturating_sub(ROW_KEY_FROM)) as usize) {
        Some(name) if at >= ROW_KEY_FROM => name.to_string(),
        _ => format!("window {at}"),
    };
    let column = |at: u32| match at.checked_sub(input.columns) {
        Some(_) => computed(at).map_or(String::new(), |expr| expr_text(&row_column, expr)),
        None => row_column(at),
    };
    let mut parts = vec![format!("{} {}", source.name, rule_identity(plan, input.rule))];
    shared_identity(&rows.table, &input.filters, &column, &mut parts);
    xxh3_64(parts.join("\n").as_bytes())
}

/// The identity of a rule: of what it selects, and of its table.
pub(super) fn rule_identity(plan: &Plan, rule: RuleId) -> u64 {
    let tables = plan.tables.iter().chain(plan.row_tables.iter().map(|rows| &rows.table));
    match &plan.rules[rule.0 as usize].kind {
        RuleKind::Pattern(pattern) => return pattern.hash,
        RuleKind::Timeout(timeout) => return timeout.hash,
        RuleKind::Correlate(correlate) => return correlate.hash,
        RuleKind::Outcome(outcome) => return outcome.hash,
        RuleKind::Retrace(retrace) => return retrace.hash,
        _ => {}
    }
    let own = tables.filter(|table| table.windows.iter().any(|window| window.rule == rule));
    let hashes: Vec<u64> = own.map(|table| table.hash).collect();
    xxh3_64(format!("{:?} {hashes:?}", plan.rules[rule.0 as usize].kind).as_bytes())
}

fn shared_identity(
    table: &Table,
    filters: &[Expr],
    column: &dyn Fn(u32) -> String,
    parts: &mut Vec<String>,
) {
    let filter = |at: Option<u32>| at.map(|at| expr_text(column, &filters[at as usize]));
    parts.push(format!("{:?} {} {}", filter(table.filter), table.width_ns, table.offset_ns));
    parts.push(format!("{:?} {} {}", table.keyed_shape(), table.groups_max, table.amend_ns));
    // What keeps tables apart that are equal otherwise: each has a state of its own.
    let results = table.windows.first().map(|window| window.results);
    let keyed_results = results.filter(|_| table.keyed_shape().is_some());
    parts.push(format!("{} {keyed_results:?}", table.says_changes()));
    parts.extend(table.key.iter().map(|at| column(*at)));
    for accumulator in &table.accumulators {
        let arguments: Vec<String> = accumulator.arguments.iter().map(|at| column(*at)).collect();
        let filter = filter(accumulator.filter);
        parts.push(format!("{:?} {arguments:?} {filter:?}", accumulator.kind));
    }
}

fn column_text(signal: &SignalPlan, column: u32) -> String {
    let column = column as usize;
    match signal.columns.get(column) {
        Some(spec) => format!("{spec:?}"),
        None => match signal.computed.get(column - signal.columns.len()) {
            Some(expr) => expr_text(&|at| column_text(signal, at), expr),
            None => String::new(),
        },
    }
}

pub(super) fn expr_text(column: &dyn Fn(u32) -> String, expr: &Expr) -> String {
    let mut columns = Vec::new();
    expr.columns(&mut |at| columns.push(column(at)));
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
        Expr::Table(column) => Expr::Table(column.clone()),
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
        Expr::Call(function, pattern, args) => {
            let args = args.iter().map(|arg| renumber(arg, next)).collect();
            Expr::Call(*function, pattern.clone(), args)
        }
        Expr::List(items) => Expr::List(items.iter().map(|item| renumber(item, next)).collect()),
        Expr::Template(parts) => {
            Expr::Template(parts.iter().map(|part| renumber(part, next)).collect())
        }
    }
}
