//! Aggregates over time as an SVG image: a panel for each selected value, a line for each group,
//! spans of time in which an alert fired shaded.
//!
//! The image is a function of the rows alone. Memory is bounded: groups and points beyond the
//! limits are left out, and the image says how many.

mod draw;
mod scale;

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_engine::model::{AlertState, Row, RowKind, RuleId, Transition, Value};
use tailwater_engine::plan::Plan;

use crate::render::rows::{Said, alert, rule_of};
use scale::Unit;

/// Groups of one rule that are gathered.
const GROUPS_GATHERED_MAX: usize = 1_000;

/// Groups of one rule that are drawn: those with the most behind them.
const GROUPS_DRAWN_MAX: usize = 8;

/// Points of one rule that are gathered, over all groups and values.
const POINTS_MAX: usize = 2_000_000;

/// Gathers rows for the image.
pub(crate) struct Plot {
    plan: Arc<Plan>,
    rules: BTreeMap<RuleId, RuleSeries>,
    /// Per rule and selected value: its unit, by the first value seen.
    units: BTreeMap<(RuleId, usize), Unit>,
    /// Per aggregate: the spans of time in which an alert over it fired.
    firing: BTreeMap<RuleId, Vec<Shade>>,
}

/// Whether a group is the one beyond the limit, and its key.
type GroupKey = (bool, Vec<Value>);

/// What is gathered of one aggregate.
#[derive(Default)]
struct RuleSeries {
    groups: BTreeMap<GroupKey, Group>,
    points: usize,
    left_out: usize,
}

/// One group: per selected value its points (end of the window in ns, value).
#[derive(Default)]
struct Group {
    values: Vec<Vec<(i64, f64)>>,
}

impl Group {
    /// How much lies behind it: the sum of the first value with points, commonly a count.
    fn weight(&self) -> f64 {
        let first = self.values.iter().find(|points| !points.is_empty());
        first.map_or(0.0, |points| points.iter().map(|(_, value)| value.abs()).sum())
    }
}

/// A firing alert.
struct Shade {
    alert: RuleId,
    key: Vec<Value>,
    from_ns: i64,
    /// None while it still fires.
    to_ns: Option<i64>,
}

/// What is drawn of one selected value.
struct Panel {
    title: String,
    unit: Unit,
    lines: Vec<Line>,
}

/// The line of one group.
struct Line {
    /// Place of its colour and its line in the legend.
    color: usize,
    points: Vec<(i64, f64)>,
}

/// What is drawn of one rule.
struct Chart {
    name: String,
    legend: Vec<String>,
    note: Option<String>,
    panels: Vec<Panel>,
    /// (start, end, name of the alert), nanoseconds since the Unix epoch.
    shades: Vec<(i64, Option<i64>, String)>,
}

impl Plot {
    /// Nothing yet.
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self { plan, rules: BTreeMap::new(), units: BTreeMap::new(), firing: BTreeMap::new() }
    }

    /// Takes a row or a transition.
    pub(crate) fn add(&mut self, said: Said<'_>) {
        match said {
            Said::Row(row) if row.kind == RowKind::Final => self.add_row(row),
            Said::Row(_) => {}
            Said::Transition(transition) => self.add_transition(transition),
        }
    }

    fn add_row(&mut self, row: &Row) {
        let rule = self.rules.entry(row.rule).or_default();
        let key = (row.is_other, row.key.to_vec());
        let is_known = rule.groups.contains_key(&key);
        let is_full =
            rule.points >= POINTS_MAX || (!is_known && rule.groups.len() >= GROUPS_GATHERED_MAX);
        if is_full {
            rule.left_out += 1;
            return;
        }
        let group = rule.groups.entry(key).or_default();
        group.values.resize_with(row.values.len(), Vec::new);
        for (place, (points, value)) in group.values.iter_mut().zip(&row.values).enumerate() {
            if let Some(number) = value.as_f64().filter(|number| number.is_finite()) {
                points.push((row.end_ns, number));
                rule.points += 1;
                self.units.entry((row.rule, place)).or_insert(Unit::of(value));
            }
        }
    }

    fn add_transition(&mut self, transition: &Transition) {
        let (_, rule, _) = alert(&self.plan, transition.rule);
        let shades = self.firing.entry(rule.source).or_default();
        match transition.state {
            AlertState::Firing => shades.push(Shade {
                alert: transition.rule,
                key: transition.key.clone(),
                from_ns: transition.decision_ns,
                to_ns: None,
            }),
            AlertState::Resolved => {
                let open = shades
                    .iter_mut()
                    .rev()
                    .find(|shade| shade.alert == transition.rule && shade.key == transition.key);
                if let Some(shade) = open {
                    shade.to_ns = Some(transition.decision_ns);
                }
            }
            AlertState::Pending | AlertState::Inactive => {}
        }
    }

    /// The image.
    pub(crate) fn svg(&self) -> String {
        let charts: Vec<Chart> =
            self.rules.iter().map(|(id, series)| self.chart(*id, series)).collect();
        draw::svg(&charts)
    }

    fn chart(&self, id: RuleId, series: &RuleSeries) -> Chart {
        let (name, rule) = rule_of(&self.plan, id);
        let mut groups: Vec<(&GroupKey, &Group)> = series.groups.iter().collect();
        groups.sort_by(|a, b| b.1.weight().total_cmp(&a.1.weight()));
        let hidden = groups.len().saturating_sub(GROUPS_DRAWN_MAX);
        groups.truncate(GROUPS_DRAWN_MAX);
        let titles = rule.value_names().into_iter().map(ToString::to_string);
        let panels = titles.enumerate().filter_map(|(place, title)| {
            let lines = lines(&groups, place);
            let unit = self.units.get(&(id, place)).copied().unwrap_or(Unit::Plain);
            (!lines.is_empty()).then_some(Panel { title, unit, lines })
        });
        let note = match (hidden, series.left_out) {
            (0, 0) => None,
            (hidden, 0) => Some(format!("{hidden} smaller groups are not drawn")),
            (hidden, rows) => {
                Some(format!("{hidden} smaller groups and {rows} rows are not drawn"))
            }
        };
        Chart {
            name: name.to_owned(),
            legend: groups.iter().map(|(key, _)| legend(key)).collect(),
            note,
            panels: panels.collect(),
            shades: self.shades(id),
        }
    }

    fn shades(&self, id: RuleId) -> Vec<(i64, Option<i64>, String)> {
        let shades = self.firing.get(&id).into_iter().flatten();
        let name = |alert: RuleId| self.plan.rules[alert.0 as usize].name.to_string();
        shades.map(|shade| (shade.from_ns, shade.to_ns, name(shade.alert))).collect()
    }
}

fn lines(groups: &[(&GroupKey, &Group)], place: usize) -> Vec<Line> {
    let points = |group: &Group| group.values.get(place).cloned().unwrap_or_default();
    let lines = groups.iter().enumerate();
    lines
        .map(|(color, (_, group))| Line { color, points: points(group) })
        .filter(|line| !line.points.is_empty())
        .collect()
}

fn legend((is_other, key): &GroupKey) -> String {
    if *is_other {
        return "(other)".to_owned();
    }
    if key.is_empty() {
        return "all".to_owned();
    }
    let parts: Vec<String> = key.iter().map(ToString::to_string).collect();
    parts.join(" · ")
}
