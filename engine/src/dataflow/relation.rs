//! Relations: rows joined with rows and ranked among rows, as differential collections.
//!
//! The only place that names differential-dataflow. Rows enter and leave as changes of an epoch;
//! what comes out are the pairs found and lost in that epoch. Knows nothing of when rows are
//! final.

use std::cmp::Ordering;

use differential_dataflow::{AsCollection, VecCollection};
use timely::dataflow::Stream;
use timely::dataflow::operators::vec::{Delay, Map};

use crate::model::{Row, RuleId, Value};
use crate::operators::feeds::{PairChange, RowChange};
use crate::operators::stream::EpochNumber;
use crate::plan::eval::eval_row;
use crate::plan::{RowsRule, RowsTop};

/// The changes of rows on their way into relations.
pub(super) type Changes<'scope> = Stream<'scope, EpochNumber, Vec<RowChange>>;

/// A row, and the one joined to it.
type Pair = (Row, Option<Row>);

/// The pairs of one rule, as (pair, epoch, difference).
type Pairs<'scope> = VecCollection<'scope, EpochNumber, Pair, isize>;

/// Puts a rule's relation into the graph.
pub(super) fn relate<'scope>(
    changes: &Changes<'scope>,
    id: RuleId,
    rule: &RowsRule,
) -> Stream<'scope, EpochNumber, Vec<PairChange>> {
    let side = |is_right: bool| {
        changes.clone().flat_map(move |change| {
            let is_it = change.reader == id && change.is_right == is_right;
            is_it.then_some(((change.at, change.row), change.epoch, change.diff))
        })
    };
    let left = side(false).as_collection();
    let mut pairs: Pairs<'scope> = match &rule.join {
        None => left.map(|(_, row)| (row, None)),
        Some(_) => {
            let right = side(true).as_collection();
            let pairs = left.join_map(right, |_, a, b| (a.clone(), Some(b.clone())));
            match rule.filter.clone() {
                Some(filter) => {
                    pairs.filter(move |pair| eval_row(&filter, &columns(pair)) == Value::Bool(true))
                }
                None => pairs,
            }
        }
    };
    if let Some(order) = &rule.top {
        pairs = top(pairs, order.clone());
    }
    // A change may travel under an earlier time than its own; stages know messages by theirs.
    let pairs = pairs.inner.delay_total(|(_, epoch, _), _| *epoch);
    // Epoch 0 is what a snapshot restored: what it says has been said.
    pairs.flat_map(move |((left, right), epoch, diff)| {
        (epoch > 0).then_some(PairChange { reader: id, left, right, diff })
    })
}

/// The first pairs of every window end.
fn top(pairs: Pairs<'_>, order: RowsTop) -> Pairs<'_> {
    let by = order.by.clone();
    let keyed = pairs.map(move |pair| (pair.0.end_ns, (eval_row(&by, &columns(&pair)), pair)));
    let first = keyed.reduce(move |_, ranked, first| {
        let mut ranked: Vec<(&(Value, Pair), isize)> =
            ranked.iter().map(|(pair, count)| (*pair, *count)).collect();
        ranked.sort_by(|a, b| rank(&order, a.0, b.0));
        let mut room = order.rows as isize;
        for (pair, count) in ranked {
            if room <= 0 {
                break;
            }
            first.push((pair.clone(), count.min(room)));
            room -= count;
        }
    });
    first.map(|(_, (_, pair))| pair)
}

/// The order of two pairs: by value, nulls last; then by key.
fn rank(order: &RowsTop, a: &(Value, Pair), b: &(Value, Pair)) -> Ordering {
    let by_value = if order.is_ascending { a.0.cmp(&b.0) } else { b.0.cmp(&a.0) };
    let nulls = a.0.is_null().cmp(&b.0.is_null());
    let (left, right) = (&a.1.0, &b.1.0);
    let keys = (left.is_other, &left.key, left.start_ns, &a.1);
    nulls.then(by_value).then_with(|| keys.cmp(&(right.is_other, &right.key, right.start_ns, &b.1)))
}

/// The columns of a pair as expressions see them: the row's, then the joined row's.
pub(crate) fn columns(pair: &Pair) -> Vec<Value> {
    let mut columns = pair.0.columns();
    columns.extend(pair.1.iter().flat_map(Row::columns));
    columns
}
