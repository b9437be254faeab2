//! The past of groups: the last values of every call over it.
//!
//! Rows of a group come in the order of their decision. Only final rows are remembered; a row that
//! is not is judged by the same past. Must not know where rows come from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::groups::GroupId;
use crate::limits::{PAST_GROUPS_MAX, SHARDS};
use crate::model::{RuleId, Value};
use crate::plan::eval::eval_row;
use crate::plan::expr::Expr;
use crate::plan::{PastCall, PastKind};

/// Scales a median absolute deviation to the standard deviation of a normal distribution.
const MAD_SCALE: f64 = 1.4826;

/// What is remembered of one group of one rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Past {
    /// When its last row was decided, nanoseconds.
    last_ns: i64,
    /// By call: values, the oldest first.
    values: Vec<VecDeque<f64>>,
}

/// What a snapshot holds.
pub(crate) type PastsState = Vec<((RuleId, GroupId), PastState)>;

/// What a snapshot holds of one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PastState(Past);

/// The pasts of the groups on one worker.
#[derive(Default)]
pub(crate) struct Pasts {
    groups: BTreeMap<(RuleId, GroupId), Past>,
    /// Groups by rule and shard, then by their last row: who goes first when there are too many.
    by_last: BTreeMap<(RuleId, u64), BTreeSet<(i64, GroupId)>>,
}

/// What a row's values are computed with.
pub(crate) struct Computing<'a> {
    pub(crate) rule: RuleId,
    pub(crate) values: &'a [(std::sync::Arc<str>, Expr)],
    pub(crate) pasts: &'a [PastCall],
    pub(crate) decision_ns: i64,
    pub(crate) is_final: bool,
}

impl Pasts {
    pub(crate) fn restore(state: PastsState) -> Self {
        let mut pasts = Self::default();
        for ((rule, id), PastState(past)) in state {
            pasts.put(rule, id, past);
        }
        pasts
    }

    pub(crate) fn state(&self) -> PastsState {
        self.groups.iter().map(|(key, past)| (*key, PastState(past.clone()))).collect()
    }

    /// Appends the values of a row to its columns, and behind them those of its calls over the
    /// past.
    pub(crate) fn compute(&mut self, of: &Computing<'_>, id: GroupId, columns: &mut Vec<Value>) {
        let from = columns.len();
        columns.resize(from + of.values.len() + of.pasts.len(), Value::Null);
        if of.pasts.is_empty() {
            for (index, (_, expr)) in of.values.iter().enumerate() {
                columns[from + index] = eval_row(expr, columns);
            }
            return;
        }
        let mut past = self.take(of.rule, id);
        past.values.resize_with(of.pasts.len(), VecDeque::new);
        for index in 0..=of.values.len() {
            let calls = of.pasts.iter().enumerate();
            for (at, call) in calls.filter(|(_, call)| call.before as usize == index) {
                let value = eval_row(&call.argument, columns);
                let result = judge(call.kind, &value, &mut past.values[at], of.is_final);
                columns[from + of.values.len() + at] = result;
            }
            if let Some((_, expr)) = of.values.get(index) {
                columns[from + index] = eval_row(expr, columns);
            }
        }
        if of.is_final {
            past.last_ns = of.decision_ns;
        }
        self.put(of.rule, id, past);
    }

    fn take(&mut self, rule: RuleId, id: GroupId) -> Past {
        let Some(past) = self.groups.remove(&(rule, id)) else { return Past::default() };
        if let Some(by_last) = self.by_last.get_mut(&(rule, shard(id))) {
            by_last.remove(&(past.last_ns, id));
        }
        past
    }

    fn put(&mut self, rule: RuleId, id: GroupId, past: Past) {
        let by_last = self.by_last.entry((rule, shard(id))).or_default();
        by_last.insert((past.last_ns, id));
        let is_full = by_last.len() > PAST_GROUPS_MAX;
        let oldest = by_last.first().map(|(_, id)| *id).filter(|_| is_full);
        self.groups.insert((rule, id), past);
        oldest.into_iter().for_each(|id| drop(self.take(rule, id)));
    }
}

/// The virtual shard of a group: what is forgotten must not depend on how many workers there are.
fn shard((key_hash, _): GroupId) -> u64 {
    key_hash as u64 % SHARDS
}

/// The result of a call for a value, which is remembered where it is final.
fn judge(kind: PastKind, value: &Value, past: &mut VecDeque<f64>, is_final: bool) -> Value {
    let number = value.as_f64().filter(|number| number.is_finite());
    let result = match kind {
        PastKind::Ewma { alpha_millionths } => {
            let alpha = f64::from(alpha_millionths) / 1e6;
            let before = past.back().copied();
            let now = match (before, number) {
                (Some(before), Some(number)) => Some(before + alpha * (number - before)),
                (before, number) => number.or(before),
            };
            if is_final && let Some(now) = now {
                past.clear();
                past.push_back(now);
            }
            return now.map_or(Value::Null, |now| like(value, now));
        }
        PastKind::Zscore { .. } => number.and_then(|number| zscore(number, past)),
        PastKind::Mad { .. } => number.and_then(|number| mad(number, past)),
    };
    if is_final && let Some(number) = number {
        while past.len() >= kind.rows() as usize {
            past.pop_front();
        }
        past.push_back(number);
    }
    result.map_or(Value::Null, Value::Float)
}

/// A number with the unit of a value; of a whole number a float.
fn like(value: &Value, number: f64) -> Value {
    match value {
        Value::Duration(_) => Value::Duration(number.round() as i64),
        Value::Size(_) => Value::Size(number.round() as i64),
        Value::Ratio(_) => Value::Ratio(number),
        _ => Value::Float(number),
    }
}

fn zscore(number: f64, past: &VecDeque<f64>) -> Option<f64> {
    let count = past.len() as f64;
    if past.len() < 2 {
        return None;
    }
    let mean = past.iter().sum::<f64>() / count;
    let squares: f64 = past.iter().map(|value| (value - mean) * (value - mean)).sum();
    let deviation = (squares / count).sqrt();
    (deviation > 0.0).then(|| (number - mean) / deviation)
}

fn mad(number: f64, past: &VecDeque<f64>) -> Option<f64> {
    if past.len() < 2 {
        return None;
    }
    let middle = median(past.iter().copied());
    let deviation = median(past.iter().map(|value| (value - middle).abs())) * MAD_SCALE;
    (deviation > 0.0).then(|| (number - middle) / deviation)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = values.len() / 2;
    if values.len() % 2 == 1 { values[at] } else { f64::midpoint(values[at - 1], values[at]) }
}
