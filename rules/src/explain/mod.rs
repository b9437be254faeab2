//! What a plan does, for people: which rules share what, and what bounds their state.
//!
//! [`explain`] gives data; [`text`], [`dot`] and [`mermaid`] render it.

mod conditions;
mod correlate;
mod index;
mod pattern;
mod render;
mod retrace;
mod traces;
mod words;

pub use correlate::Pairing;
pub use index::Indexed;
pub use pattern::Matching;
pub use render::{dot, mermaid, text};
pub use retrace::Retracing;
pub use traces::{Assembling, Sampling};

use tailwater_engine::model::RuleId;
use tailwater_engine::model::render::duration;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    Plan, ROW_KEY_FROM, RedactAction, Redaction, Results, Route, RouteRule, RoutedFrom, RowTable,
    RowsRule, Rule, RuleKind, Table, TableWindow, WindowShape,
};

pub use words::expression;
use words::{accumulator, column};

/// A rule that reads a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The rule's name.
    pub rule: String,
    /// Its windows, as rules write them.
    pub window: String,
    /// Names of the alerts that read its rows.
    pub alerts: Vec<String>,
}

/// State that rules share: one update an item, whatever number of windows overlap it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTable {
    /// What it reads: signal, filter, event time.
    pub input: String,
    /// The source's name.
    pub signal: String,
    /// Group key.
    pub by: Vec<String>,
    /// What is accumulated a group.
    pub keeps: Vec<String>,
    /// How late items may come.
    pub lateness: String,
    /// How duplicates are removed before, where they are.
    pub dedupe: Option<String>,
    /// Where items are aggregated, where that is not the worker that decodes them.
    pub place: Option<String>,
    /// The bound of its state, in words with numbers.
    pub bound: String,
    /// The rules that read it.
    pub readers: Vec<Reader>,
}

/// A rule whose rows come from rows one by one: joined, ranked, selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The rule's name.
    pub rule: String,
    /// One more than the highest of the rules that it reads.
    pub level: u32,
    /// The rules that it reads.
    pub reads: Vec<String>,
    /// The key of its rows.
    pub by: Vec<String>,
    /// What it does with their rows, as rules write it.
    pub does: Vec<String>,
    /// The bound of its state.
    pub bound: String,
    /// Names of the alerts that read its rows.
    pub alerts: Vec<String>,
}

/// What a plan does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Its tables, of telemetry first, then of rows.
    pub tables: Vec<SharedTable>,
    /// Its rules that make rows from rows.
    pub relations: Vec<Relation>,
    /// Its rules that find events in an order.
    pub patterns: Vec<Matching>,
    /// What the filters of all rules have in common.
    pub indexed: Vec<Indexed>,
    /// Its rules that pair items of two sources.
    pub correlations: Vec<Pairing>,
    /// Its rules that make new traces.
    pub retraces: Vec<Retracing>,
    /// Its rules that put traces together.
    pub traces: Vec<Assembling>,
    /// Its rules that keep some and drop others.
    pub samplings: Vec<Sampling>,
    /// Which rows leave, and what alerts ask of them.
    pub conditions: Vec<String>,
    /// What goes to which sinks.
    pub sent: Vec<String>,
    /// What is taken out of telemetry before all of it, by action.
    pub redacted: Vec<String>,
    /// The identity of the plan: two that are explained alike may still say other things.
    pub identity: u64,
}

/// Explains a plan.
pub fn explain(plan: &Plan) -> Explanation {
    let tables = plan.tables.iter().map(|table| shared(plan, table));
    let over_rows = plan.row_tables.iter().map(|rows| shared_rows(plan, rows));
    let relations = plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Rows(rows) => Some(relation(plan, RuleId(index as u32), rule, rows)),
        _ => None,
    });
    let patterns = plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Pattern(pattern) if !rule.place.is_hidden => {
            Some(pattern::matching(plan, RuleId(index as u32), rule, pattern))
        }
        _ => None,
    });
    let pairs = plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Correlate(pair) => {
            Some(correlate::pairing(plan, RuleId(index as u32), rule, pair))
        }
        _ => None,
    });
    let retraces = plan.rules.iter().filter_map(|rule| match &rule.kind {
        RuleKind::Retrace(retrace) => Some(retrace::retracing(plan, rule, retrace)),
        _ => None,
    });
    let traces = plan.rules.iter().filter_map(|rule| match &rule.kind {
        RuleKind::Traces(of) => Some(traces::assembling(plan, rule, of)),
        _ => None,
    });
    let samplings = plan.rules.iter().filter_map(|rule| match &rule.kind {
        RuleKind::Sample(sample) => Some(traces::sampling(plan, rule, sample)),
        _ => None,
    });
    Explanation {
        traces: traces.collect(),
        samplings: samplings.collect(),
        conditions: conditions::conditions(plan),
        identity: plan.identity(),
        sent: plan.routes.iter().map(|route| sent(plan, route)).collect(),
        redacted: plan.redaction.as_ref().map(redacted).unwrap_or_default(),
        retraces: retraces.collect(),
        correlations: pairs.collect(),
        tables: tables.chain(over_rows).collect(),
        relations: relations.collect(),
        patterns: patterns.collect(),
        indexed: index::indexed(plan),
    }
}

/// What a route sends where.
fn sent(plan: &Plan, route: &Route) -> String {
    let rows = route.rows.as_ref().map(|rows| {
        let rule = &plan.rules[rows.rule.0 as usize];
        let named = |at: u32| rule.column_name(at).to_string();
        let filter = rows.filter.as_ref();
        let filter = filter.map(|filter| format!(" where {}", expression(filter, &named)));
        format!("{}{}", rule.name, filter.unwrap_or_default())
    });
    let items = plan.rules.iter().find_map(|rule| match &rule.kind {
        RuleKind::Route(items) if rule.name == route.name => Some(routed(plan, items)),
        _ => None,
    });
    let what = rows.or(items).unwrap_or_else(|| route.name.to_string());
    format!("{what} to {}", route.to.join(", "))
}

/// The items that a route sends on.
fn routed(plan: &Plan, items: &RouteRule) -> String {
    let signal = &plan.signals[items.signal as usize];
    match &items.from {
        RoutedFrom::Items { filter, dedupe, .. } => {
            let filter = filter.map(|at| words::expr(signal, &signal.filters[at as usize]));
            let filter = filter.map(|filter| format!(" where {filter}")).unwrap_or_default();
            let duplicates = match dedupe {
                Some(_) if plan.is_of_duplicates(*dedupe) => ", only duplicates",
                Some(_) => ", without duplicates",
                None => "",
            };
            format!("{}{filter}{duplicates}", signal.signal.name())
        }
        RoutedFrom::Late { rule, filter } => late(plan, *rule, filter.as_ref()),
    }
}

/// Which late items of a stream.
fn late(plan: &Plan, rule: RuleId, filter: Option<&Expr>) -> String {
    let rule = &plan.rules[rule.0 as usize];
    let named = |at: u32| rule.column_name(at).to_string();
    let filter = filter.map(|filter| format!(" where {}", expression(filter, &named)));
    format!("late items of {}{}", rule.name, filter.unwrap_or_default())
}

/// What a redaction does, a line an action.
fn redacted(redaction: &Redaction) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |what: String, names: Vec<&str>| {
        if !names.is_empty() {
            lines.push(format!("{what} {}", names.join(", ")));
        }
    };
    add("only the keys".to_owned(), redaction.allow.iter().map(|key| &**key).collect());
    add("no keys".to_owned(), redaction.deny.iter().map(|key| &**key).collect());
    for action in [RedactAction::Mask, RedactAction::Drop, RedactAction::Hash] {
        let keys = redaction.keys.iter().filter(|rule| rule.action == action);
        add(format!("{} values of", action.name()), keys.map(|rule| &*rule.glob).collect());
        let classes = redaction.classes.iter().filter(|rule| rule.action == action);
        add(action.name().to_owned(), classes.map(|rule| rule.class.name()).collect());
    }
    lines
}

fn shared(plan: &Plan, table: &Table) -> SharedTable {
    let signal = &plan.signals[table.signal as usize];
    let line = &plan.timelines[table.timeline as usize];
    let time = plan.time_columns[line.time_column as usize].column;
    let named = |at: u32| column(signal, at);
    let name = signal.signal.name();
    let before = |at: &u32| {
        let dedupe = &plan.dedupes[*at as usize];
        dedupe.side_of.map_or(dedupe.after, |of| plan.dedupes[of as usize].after)
    };
    let mut dedupes: Vec<String> = std::iter::successors(table.dedupe, before)
        .map(|index| {
            let dedupe = &plan.dedupes[index as usize];
            let taken = if dedupe.side_of.is_some() { "only duplicates by " } else { "" };
            let keys: Vec<String> = dedupe.key.iter().map(|c| column(signal, *c)).collect();
            let within = duration(dedupe.within_ns);
            let keys = keys.join(", ");
            format!("{taken}{keys} within {within}, at most {} keys", dedupe.keys_max)
        })
        .collect();
    dedupes.reverse();
    let dedupe = (!dedupes.is_empty()).then(|| dedupes.join("; then "));
    let late = match (table.late, table.amend_ns) {
        (Some(rule), _) => format!("; later items go to `{}`", plan.rules[rule.0 as usize].name),
        (None, 0) => String::new(),
        (None, within_ns) => format!("; items up to {} later amend", duration(within_ns)),
    };
    let (lateness, idle) = (duration(line.lateness_ns), duration(line.idle_ns));
    let at = column(signal, time);
    SharedTable {
        input: format!("{name} at {at}{}", condition(table, &signal.filters, &named)),
        signal: name.to_owned(),
        lateness: format!("{lateness}; a source counts as idle {idle} behind the others{late}"),
        dedupe,
        bound: bound(table, line.lateness_ns.saturating_add(table.amend_ns)),
        ..of_table(plan, table, &signal.filters, &named)
    }
}

fn shared_rows(plan: &Plan, rows: &RowTable) -> SharedTable {
    let input = &plan.row_inputs[rows.input as usize];
    let source = &plan.rules[input.rule.0 as usize];
    let named = |at: u32| match at.checked_sub(input.columns) {
        Some(computed) => {
            expression(&input.computed[computed as usize], &|at| source.column_name(at).to_string())
        }
        None => source.column_name(at).to_string(),
    };
    let what = if matches!(source.kind, RuleKind::Late(_)) { "late items" } else { "rows" };
    let lateness = match source.place.delay_ns {
        0 => "none: rows come in order".to_owned(),
        delay_ns => format!("none: takes final rows, {} after their window", duration(delay_ns)),
    };
    let condition = condition(&rows.table, &input.filters, &named);
    SharedTable {
        input: format!("{what} of {}{condition}", source.name),
        signal: source.name.to_string(),
        lateness,
        dedupe: None,
        place: place_of(plan, rows),
        bound: bound(&rows.table, 0),
        ..of_table(plan, &rows.table, &input.filters, &named)
    }
}

/// Where what traces say is aggregated.
fn place_of(plan: &Plan, rows: &RowTable) -> Option<String> {
    let source = plan.row_inputs[rows.input as usize].rule;
    let kind = &plan.rules[source.0 as usize].kind;
    if !matches!(kind, RuleKind::Traces(_) | RuleKind::TracePart(_)) {
        return None;
    }
    let place = if plan.is_aggregated_where_made(rows) {
        "where traces close, on the worker that has the trace; what slices hold goes to the worker \
         of the rule when they end"
    } else {
        "row by row, on the worker of the rule"
    };
    Some(place.to_owned())
}

/// What tables over telemetry and over rows have in common.
fn of_table(
    plan: &Plan,
    table: &Table,
    filters: &[Expr],
    named: &dyn Fn(u32) -> String,
) -> SharedTable {
    SharedTable {
        input: String::new(),
        signal: String::new(),
        by: table.key.iter().map(|c| named(*c)).collect(),
        keeps: table.accumulators.iter().map(|a| accumulator(a, filters, named)).collect(),
        lateness: String::new(),
        dedupe: None,
        place: None,
        bound: String::new(),
        readers: table.windows.iter().map(|window| reader(plan, window)).collect(),
    }
}

fn condition(table: &Table, filters: &[Expr], named: &dyn Fn(u32) -> String) -> String {
    let filter = table.filter.map(|index| expression(&filters[index as usize], named));
    filter.map_or(String::new(), |filter| format!(" where {filter}"))
}

fn relation(plan: &Plan, id: RuleId, rule: &Rule, rows: &RowsRule) -> Relation {
    let name = |id: RuleId| plan.rules[id.0 as usize].name.to_string();
    let left = &plan.rules[rows.input.0 as usize];
    let columns = left.column_names().len() as u32 + ROW_KEY_FROM;
    let right = rows.join.as_ref().map(|join| &plan.rules[join.with.0 as usize]);
    let named = |at: u32| match (at.checked_sub(columns), right) {
        (Some(at), Some(right)) => format!("{}'s {}", right.name, right.column_name(at)),
        _ => left.column_name(at).to_string(),
    };
    let mut does = Vec::new();
    if let Some(join) = &rows.join {
        let on: Vec<String> = join.on.iter().map(|(at, _)| named(*at)).collect();
        let on = if on.is_empty() { String::new() } else { format!(" on {}", on.join(", ")) };
        let before = match join.before_ns {
            0 => String::new(),
            before_ns => format!(" before {}", duration(before_ns)),
        };
        does.push(format!("join {}{before}{on}", name(join.with)));
    }
    if let Some(filter) = &rows.filter {
        does.push(format!("where {}", expression(filter, &named)));
    }
    if let Some(top) = &rows.top {
        let order = if top.is_ascending { " asc" } else { "" };
        does.push(format!("top {} by {}{order}", top.rows, expression(&top.by, &named)));
    }
    let before_ns = rows.join.as_ref().map_or(0, |join| join.before_ns);
    let bound = if rows.relates() {
        let kept = duration(before_ns.saturating_add(rule.place.delay_ns));
        format!("rows of its inputs until the watermark is {kept} past their window")
    } else {
        "none".to_owned()
    };
    Relation {
        rule: rule.name.to_string(),
        level: rule.place.level,
        reads: rule.inputs().into_iter().map(name).collect(),
        by: rows.key_names.iter().map(ToString::to_string).collect(),
        does,
        bound,
        alerts: alerts_of(plan, id),
    }
}

fn alerts_of(plan: &Plan, id: RuleId) -> Vec<String> {
    let alerts = plan.rules.iter().filter(|rule| match &rule.kind {
        RuleKind::Alert(alert) => alert.source == id,
        _ => false,
    });
    alerts.map(|alert| alert.name.to_string()).collect()
}

fn reader(plan: &Plan, window: &TableWindow) -> Reader {
    let results = match window.results {
        Results::Final => String::new(),
        Results::Every(every_ns) => format!(", results every {}", duration(every_ns)),
        Results::Changes => ", results changes".to_owned(),
    };
    Reader {
        rule: plan.rules[window.rule.0 as usize].name.to_string(),
        window: shape(window.shape) + &results,
        alerts: alerts_of(plan, window.rule),
    }
}

fn shape(shape: WindowShape) -> String {
    match shape {
        WindowShape::Sliding { size_ns, every_ns } if size_ns == every_ns => {
            format!("tumbling({})", duration(size_ns))
        }
        WindowShape::Sliding { size_ns, every_ns } => {
            format!("sliding({}, every: {})", duration(size_ns), duration(every_ns))
        }
        WindowShape::Cumulate { size_ns, every_ns } => {
            format!("cumulate({}, every: {})", duration(size_ns), duration(every_ns))
        }
        WindowShape::Session { gap_ns, max_ns: None } => {
            format!("session(gap: {})", duration(gap_ns))
        }
        WindowShape::Session { gap_ns, max_ns: Some(max_ns) } => {
            format!("session(gap: {}, max: {})", duration(gap_ns), duration(max_ns))
        }
        WindowShape::Count { events } => format!("count({events})"),
    }
}

/// Groups times slices: how much a table can hold.
fn bound(table: &Table, lateness_ns: i64) -> String {
    let groups = table.groups_max;
    match table.keyed_shape() {
        Some(WindowShape::Session { .. }) => {
            format!("at most {groups} keys with open sessions, the rest in `other`")
        }
        Some(_) => format!("at most {groups} keys with open windows, the rest in `other`"),
        None => {
            let sizes = table.windows.iter().map(|window| window.shape.size_ns());
            let longest_ns = sizes.max().unwrap_or(0);
            let width_ns = table.width_ns.max(1);
            let slices = (longest_ns.saturating_add(lateness_ns)) / width_ns + 1;
            format!(
                "at most {groups} groups in about {slices} slices of {}, the rest in `other`",
                duration(table.width_ns)
            )
        }
    }
}
