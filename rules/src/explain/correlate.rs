//! What a correlation pairs, how long items wait, and what bounds that.

use tailwater_engine::limits::{
    CORRELATE_BYTES_PER_SHARD_MAX, CORRELATE_ITEMS_PER_KEY_MAX, CORRELATE_KEYS_PER_SHARD_MAX,
    SHARDS,
};
use tailwater_engine::model::RuleId;
use tailwater_engine::model::render::duration;
use tailwater_engine::plan::{CorrelateRule, PatternSymbol, PickMode, Plan, Rule, RuleKind};

use super::alerts_of;
use super::pattern::{of_event, source, waiting};

/// A rule that pairs items of two sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// The rule's name.
    pub rule: String,
    /// Names of what it reads: left, right.
    pub reads: Vec<String>,
    /// The sides, as rules write them.
    pub sides: Vec<String>,
    /// What is equal on both sides.
    pub on: Vec<String>,
    /// How far apart items may be, and which right ones a left one takes.
    pub takes: String,
    /// The bound of its state, in words with numbers.
    pub bound: String,
    /// Names of its outcomes that rules read.
    pub outcomes: Vec<String>,
    /// Names of the alerts that read its outcomes.
    pub alerts: Vec<String>,
}

pub(super) fn pairing(plan: &Plan, id: RuleId, rule: &Rule, pair: &CorrelateRule) -> Pairing {
    let sides: Vec<String> = pair
        .symbols
        .iter()
        .map(|side| format!("{}: {}", side.name, of(plan, pair, side)))
        .collect();
    let input = |side: &PatternSymbol| source(plan, pair.inputs[side.input as usize].from);
    let (least_ns, most_ns) = pair.within_ns;
    let picks = match pair.pick {
        PickMode::First(1) => "the first".to_owned(),
        PickMode::First(limit) => format!("the first {limit}"),
        PickMode::Last => "the last".to_owned(),
    };
    let outcomes = plan.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.kind {
        RuleKind::Outcome(outcome) if outcome.of == id => Some(RuleId(index as u32)),
        _ => None,
    });
    let outcomes: Vec<RuleId> = std::iter::once(id).chain(outcomes).collect();
    let alerts = outcomes.iter().flat_map(|id| alerts_of(plan, *id)).collect();
    let is_read = |id: &RuleId| plan.rules.iter().any(|reader| reader.inputs().contains(id));
    let outcomes = outcomes.iter().filter(|id| is_read(id));
    let name = rule.name.strip_suffix(".matched").unwrap_or(&rule.name);
    let [left, right] = [0, 1].map(|side| pair.symbols.get(side).map_or("", |side| &*side.name));
    Pairing {
        rule: name.to_owned(),
        reads: pair.symbols.iter().map(input).collect(),
        sides,
        on: pair.key_names.iter().map(ToString::to_string).collect(),
        takes: format!(
            "each {left} takes {picks} {right} from {} to {} after it",
            duration(least_ns),
            duration(most_ns)
        ),
        bound: bound(pair, left, right),
        outcomes: outcomes.map(|id| plan.rules[id.0 as usize].name.to_string()).collect(),
        alerts,
    }
}

fn of(plan: &Plan, pair: &CorrelateRule, side: &PatternSymbol) -> String {
    of_event(plan, &pair.inputs[side.input as usize], side, &|_, _| String::new())
}

fn bound(pair: &CorrelateRule, left: &str, right: &str) -> String {
    let keys = SHARDS * u64::from(CORRELATE_KEYS_PER_SHARD_MAX);
    let bytes = SHARDS * CORRELATE_BYTES_PER_SHARD_MAX as u64;
    let left_ns = pair.left_waits_ns();
    let right_ns = match pair.pick {
        PickMode::First(_) => pair.right_waits_ns(),
        PickMode::Last => pair.right_waits_ns().saturating_add(left_ns),
    };
    format!(
        "{left} waits {}, {right} waits {}; at most {CORRELATE_ITEMS_PER_KEY_MAX} of each a key, \
         {keys} keys and {} MiB, {}; more are refused and counted",
        duration(left_ns),
        duration(right_ns),
        bytes >> 20,
        waiting()
    )
}
