//! Where rows go next: to the workers of the rules that read them, and into relations.
//!
//! A relation holds the rows that a `rows` rule may still join or rank. What enters and leaves it
//! are changes; what it holds here is what a snapshot needs to fill it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::limits::SHARDS;
use crate::model::{Row, RowKind, RuleId, Transition, Value};
use crate::plan::eval::eval_row;
use crate::plan::expr::Expr;
use crate::plan::{Plan, RowTime, RuleKind};
use crate::self_metrics::{EngineGauges, Holder};

/// A row that enters a relation or leaves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RowChange {
    /// The rule that relates.
    pub(crate) reader: RuleId,
    /// Whether it is on the joined side.
    pub(crate) is_right: bool,
    /// What must be equal on both sides: columns and the end of the left window.
    pub(crate) at: Vec<u8>,
    pub(crate) row: Row,
    pub(crate) epoch: u64,
    pub(crate) diff: isize,
}

/// A pair of rows that a relation has found, or lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct PairChange {
    pub(crate) reader: RuleId,
    pub(crate) left: Row,
    pub(crate) right: Option<Row>,
    pub(crate) diff: isize,
}

/// The worker on which a rule over rows lives.
pub(crate) fn owner_of_rule(plan: &Plan, rule: RuleId, peers: usize) -> usize {
    let rule = match &plan.rules[rule.0 as usize].kind {
        RuleKind::Timeout(timeout) => timeout.of, // its rows are made there
        RuleKind::Outcome(outcome) => outcome.of,
        _ => rule,
    };
    let name = &plan.rules[rule.0 as usize].name;
    (xxhash_rust::xxh3::xxh3_64(name.as_bytes()) % SHARDS) as usize % peers
}

/// One side of a relation, as the source's rows see it.
#[derive(Clone)]
struct Side {
    reader: RuleId,
    is_right: bool,
    filter: Option<Expr>,
    on: Vec<u32>,
    before_ns: i64,
    /// How often differential holds a row: behind the join, and behind the ranking.
    arranged: usize,
    /// Whether rows of the source may replace earlier ones.
    is_revised: bool,
    /// Whether they may do so, or come at all, long after their end: those of count windows.
    is_counted: bool,
}

/// Bytes of what must be equal, at the usual length of texts in it.
const JOIN_KEY_BYTES: usize = 64;

/// When rows leave whose last word has not been said, though their end is long past.
const UNSETTLED_NS: i64 = i64::MAX - 1;

/// What a row is told apart by from others that it does not replace.
type Identity = (i64, i64, bool, Arc<[Value]>);

/// Rows that do not replace each other though nothing tells them apart: nearly always one.
type Alike = SmallVec<[Row; 1]>;

/// Rows of relations by when they leave: (time of the reader, reader, side).
type Held = BTreeMap<(i64, RuleId, bool), BTreeMap<Identity, Alike>>;

/// What a snapshot holds of the rows that this worker has put into relations.
pub(crate) type FeedsState = Vec<RowChange>;

/// Where the rows made on one worker go.
pub(crate) struct Feeds {
    /// By rule: workers of the rules that read its rows one by one.
    owners: Vec<Vec<usize>>,
    /// By rule: relations that its rows enter.
    sides: Vec<Vec<Side>>,
    held: Held,
    /// By rule that relates: bytes of the rows in its relations that came through here, now and
    /// when that was told last.
    bytes: BTreeMap<RuleId, (u64, u64)>,
    plan: Arc<Plan>,
    peers: usize,
}

/// Where rows of one epoch go.
#[derive(Default)]
pub(crate) struct Distributed {
    /// By worker.
    pub(crate) fed: Vec<Vec<Row>>,
    pub(crate) changes: Vec<RowChange>,
}

impl Feeds {
    pub(crate) fn new(plan: &Arc<Plan>, peers: usize, restored: FeedsState) -> Self {
        let mut owners = vec![Vec::new(); plan.rules.len()];
        let mut sides = vec![Vec::new(); plan.rules.len()];
        for (index, rule) in plan.rules.iter().enumerate() {
            let id = RuleId(index as u32);
            let relating = match &rule.kind {
                RuleKind::Rows(rows) if rows.relates() => Some(rows),
                RuleKind::Alert(_) => continue, // lives where its source lives
                _ => None,
            };
            let Some(rows) = relating else {
                for input in rule.inputs() {
                    let owner = owner_of_rule(plan, id, peers);
                    let known: &mut Vec<usize> = &mut owners[input.0 as usize];
                    if !known.contains(&owner) {
                        known.push(owner);
                    }
                }
                continue;
            };
            let is_revised = |input: RuleId| plan.rules[input.0 as usize].place.is_revised;
            let is_counted = |input: RuleId| plan.row_time(input) == RowTime::Decision;
            let join = rows.join.as_ref();
            let on = join.map_or(Vec::new(), |join| join.on.iter().map(|on| on.0).collect());
            let arranged = usize::from(join.is_some()) + usize::from(rows.top.is_some());
            sides[rows.input.0 as usize].push(Side {
                reader: id,
                is_right: false,
                // With a join it may read both sides, and stands behind it.
                filter: if join.is_some() { None } else { rows.filter.clone() },
                on,
                before_ns: 0,
                arranged,
                is_revised: is_revised(rows.input),
                is_counted: is_counted(rows.input),
            });
            if let Some(join) = join {
                sides[join.with.0 as usize].push(Side {
                    reader: id,
                    is_right: true,
                    filter: None,
                    on: join.on.iter().map(|on| on.1).collect(),
                    before_ns: join.before_ns,
                    arranged,
                    is_revised: is_revised(join.with),
                    is_counted: is_counted(join.with),
                });
            }
        }
        let plan = Arc::clone(plan);
        let (held, bytes) = (Held::new(), BTreeMap::new());
        let mut feeds = Self { owners, sides, held, bytes, plan, peers };
        for change in restored {
            let side = feeds.side(&change.row, (change.reader, change.is_right));
            if let Some((leaves_ns, arranged)) =
                side.map(|side| (leaves_ns(side, &change.row), side.arranged))
            {
                feeds.hold(leaves_ns, &change, arranged);
            }
        }
        feeds
    }

    /// The side of a reader's relation that a row is on.
    fn side(&self, row: &Row, of: (RuleId, bool)) -> Option<&Side> {
        let sides = &self.sides[row.rule.0 as usize];
        sides.iter().find(|side| (side.reader, side.is_right) == of)
    }

    /// What it holds, as the changes that would fill relations again.
    pub(crate) fn state(&self) -> FeedsState {
        let mut state = Vec::new();
        for ((_, reader, is_right), rows) in &self.held {
            for row in rows.values().flatten() {
                let side = self.side(row, (*reader, *is_right));
                let at = side.map_or(Vec::new(), |side| join_key(side, row));
                let (reader, is_right, row) = (*reader, *is_right, row.clone());
                state.push(RowChange { reader, is_right, at, row, epoch: 0, diff: 1 });
            }
        }
        state
    }

    /// Sends rows on their way. `passed_ns` gives the watermark of a rule after the epoch before:
    /// what it has passed leaves the relations first.
    pub(crate) fn distribute(
        &mut self,
        epoch: u64,
        rows: &[Row],
        transitions: &[Transition],
        passed_ns: impl Fn(RuleId) -> i64,
    ) -> Distributed {
        let mut out = Distributed { fed: vec![Vec::new(); self.peers], changes: Vec::new() };
        self.release(epoch, passed_ns, &mut out.changes);
        let read = transitions.iter().filter(|transition| self.reads(transition.rule));
        let transitions: Vec<Row> =
            read.map(|transition| self.plan.transition_row(transition)).collect();
        for row in rows.iter().chain(&transitions) {
            let source = row.rule.0 as usize;
            for &owner in &self.owners[source] {
                out.fed[owner].push(row.clone());
            }
            for at in 0..self.sides[source].len() {
                let side = self.sides[source][at].clone();
                self.change(epoch, &side, row, &mut out.changes);
            }
        }
        out
    }

    /// Whether any rule reads what a rule says.
    fn reads(&self, rule: RuleId) -> bool {
        let at = rule.0 as usize;
        !self.owners[at].is_empty() || !self.sides[at].is_empty()
    }

    /// Takes the rows out of relations that no later row can meet.
    fn release(
        &mut self,
        epoch: u64,
        passed_ns: impl Fn(RuleId) -> i64,
        changes: &mut Vec<RowChange>,
    ) {
        let is_passed = |&(at_ns, reader, _): &(i64, RuleId, bool)| at_ns <= passed_ns(reader);
        let passed: Vec<_> = self.held.keys().filter(|key| is_passed(key)).copied().collect();
        for key in passed {
            let rows = self.held.remove(&key).unwrap_or_default();
            let (_, reader, is_right) = key;
            for row in rows.into_values().flatten() {
                let side = self.side(&row, (reader, is_right));
                let arranged = side.map_or(0, |side| side.arranged);
                let at = side.map_or(Vec::new(), |side| join_key(side, &row));
                self.count(reader, -row_bytes(&row, arranged));
                changes.push(RowChange { reader, is_right, at, row, epoch, diff: -1 });
            }
        }
    }

    /// Bytes that a reader's relations hold, about.
    fn count(&mut self, reader: RuleId, bytes: i64) {
        let held = &mut self.bytes.entry(reader).or_default().0;
        *held = held.saturating_add_signed(bytes);
    }

    /// Tells what the relations hold.
    pub(crate) fn tell(&mut self, gauges: &EngineGauges, worker: usize) {
        for (reader, (now, told)) in &mut self.bytes {
            let change = (std::mem::replace(told, *now), *now);
            gauges.change_state_bytes(Holder::Relations, worker, reader.0 as usize, change);
        }
    }

    fn change(&mut self, epoch: u64, side: &Side, row: &Row, changes: &mut Vec<RowChange>) {
        let (reader, is_right) = (side.reader, side.is_right);
        let leaves_ns = leaves_ns(side, row);
        if side.is_revised {
            let said_ns = if side.is_counted { UNSETTLED_NS } else { leaves_ns };
            let held = self.held.entry((said_ns, reader, is_right)).or_default();
            let held = held.entry(identity(row)).or_default();
            // Nothing follows a final row: count windows of equal times are several.
            let all = std::mem::take(held).into_iter();
            let (stay, replaced): (Alike, Alike) = all.partition(|row| row.kind == RowKind::Final);
            *held = stay;
            for row in replaced {
                let at = join_key(side, &row);
                self.count(reader, -row_bytes(&row, side.arranged));
                changes.push(RowChange { reader, is_right, at, row, epoch, diff: -1 });
            }
        }
        let takes = side.filter.as_ref();
        let takes = takes.is_none_or(|f| eval_row(f, &row.columns()) == Value::Bool(true));
        if row.kind == RowKind::Retraction || !takes {
            return;
        }
        let at = join_key(side, row);
        let change = RowChange { reader, is_right, at, row: row.clone(), epoch, diff: 1 };
        self.hold(leaves_ns, &change, side.arranged);
        changes.push(change);
    }

    fn hold(&mut self, leaves_ns: i64, change: &RowChange, arranged: usize) {
        self.count(change.reader, row_bytes(&change.row, arranged));
        let held = self.held.entry((leaves_ns, change.reader, change.is_right)).or_default();
        held.entry(identity(&change.row)).or_default().push(change.row.clone());
    }
}

/// Bytes that a row in a relation takes, about. Places of the map here are used by two thirds.
/// Differential holds a row with what must be equal, in batches that it merges into new ones: twice
/// while it does. Each copy has its own list of values, and shares key, texts and lists.
fn row_bytes(row: &Row, arranged: usize) -> i64 {
    let own = row.values.len() * size_of::<Value>();
    let here = size_of::<(Identity, Alike)>() * 3 / 2 + own;
    let there = 2 * (size_of::<RowChange>() + JOIN_KEY_BYTES + own);
    let shared = Value::bytes_of(&row.key) + Value::bytes_of(&row.values) - own;
    (here + arranged * there + shared) as i64
}

fn identity(row: &Row) -> Identity {
    (row.start_ns, row.end_ns, row.is_other, Arc::clone(&row.key))
}

/// When a row can meet no other any more, as the reader's watermark goes.
fn leaves_ns(side: &Side, row: &Row) -> i64 {
    match row.kind {
        RowKind::Final if side.is_counted => {
            row.decision_ns.max(row.end_ns).saturating_add(side.before_ns)
        }
        _ if side.is_counted => UNSETTLED_NS,
        _ => meets_ns(side, row),
    }
}

/// The end of the windows that a row is joined to.
fn meets_ns(side: &Side, row: &Row) -> i64 {
    row.end_ns.saturating_add(side.before_ns)
}

/// What must be equal on both sides.
fn join_key(side: &Side, row: &Row) -> Vec<u8> {
    let columns = row.columns();
    let mut key = Vec::with_capacity(32);
    key.extend_from_slice(&meets_ns(side, row).to_be_bytes());
    key.push(u8::from(row.is_other));
    for &column in &side.on {
        columns.get(column as usize).unwrap_or(&Value::Null).encode_key(&mut key);
    }
    key
}
