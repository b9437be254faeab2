//! What a plan does, for people: which rules share what, and what bounds their state.
//!
//! [`explain`] gives data; [`text`], [`dot`] and [`mermaid`] render it.

mod render;
mod words;

pub use render::{dot, mermaid, text};

use tailwater_engine::model::render::duration;
use tailwater_engine::plan::{Plan, RuleKind, Table, TableWindow, WindowShape};

pub use words::expression;
use words::{accumulator, column, expr};

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
    /// The bound of its state, in words with numbers.
    pub bound: String,
    /// The rules that read it.
    pub readers: Vec<Reader>,
}

/// What a plan does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Its tables.
    pub tables: Vec<SharedTable>,
}

/// Explains a plan.
pub fn explain(plan: &Plan) -> Explanation {
    Explanation { tables: plan.tables.iter().map(|table| shared(plan, table)).collect() }
}

fn shared(plan: &Plan, table: &Table) -> SharedTable {
    let signal = &plan.signals[table.signal as usize];
    let line = &plan.timelines[table.timeline as usize];
    let time = plan.time_columns[line.time_column as usize].column;
    let name = signal.signal.name();
    let filter = table.filter.map(|index| expr(signal, &signal.filters[index as usize]));
    let filter = filter.map_or(String::new(), |filter| format!(" where {filter}"));
    let dedupe = table.dedupe.map(|index| {
        let dedupe = &plan.dedupes[index as usize];
        let keys: Vec<String> = dedupe.key.iter().map(|c| column(signal, *c)).collect();
        let within = duration(dedupe.within_ns);
        format!("{} within {within}, at most {} keys", keys.join(", "), dedupe.keys_max)
    });
    SharedTable {
        input: format!("{name} at {}{filter}", column(signal, time)),
        signal: name.to_owned(),
        by: table.key.iter().map(|c| column(signal, *c)).collect(),
        keeps: table.accumulators.iter().map(|a| accumulator(signal, a)).collect(),
        lateness: format!(
            "{}; a source counts as idle {} behind the others",
            duration(line.lateness_ns),
            duration(line.idle_ns)
        ),
        dedupe,
        bound: bound(table, line.lateness_ns),
        readers: table.windows.iter().map(|window| reader(plan, window)).collect(),
    }
}

fn reader(plan: &Plan, window: &TableWindow) -> Reader {
    let alerts = plan.rules.iter().filter(|rule| match &rule.kind {
        RuleKind::Alert(alert) => alert.source == window.rule,
        _ => false,
    });
    Reader {
        rule: plan.rules[window.rule.0 as usize].name.to_string(),
        window: shape(window.shape),
        alerts: alerts.map(|alert| alert.name.to_string()).collect(),
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
