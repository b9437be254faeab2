//! What `rows` rules that judge by their past have said and may have to take back.
//!
//! A withdrawal says the values that were said, and not what they would be by now: the past has
//! gone on. Invariant: nothing is held of a window that can change no more, but of count windows,
//! which have no end in time. Must not know how values are made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::group_key::key_hash;
use crate::limits::PAST_SAID_MAX;
use crate::model::{Row, RowKind, RuleId, Value};

/// Rule, end of the window, hash of the window and key of every row that it was made of.
type Place = (RuleId, i64, u128);

/// What a snapshot holds.
pub(crate) type SaidState = Vec<(Place, SaidRows)>;

/// What was said at one place: hash of the columns it was made of, values. Of windows other than
/// count windows there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SaidRows(Vec<(u128, Vec<Value>)>);

/// The values of the rows that may be withdrawn, of the rules on one worker.
#[derive(Default)]
pub(crate) struct SaidValues {
    rows: BTreeMap<Place, SaidRows>,
    /// By rule: rows held.
    held: BTreeMap<RuleId, usize>,
}

/// A row that is being made, as it is known here.
pub(crate) struct Saying {
    place: Place,
    columns: u128,
    kind: RowKind,
    /// Whether several windows may have the same times and key.
    is_counted: bool,
}

impl Saying {
    /// A row of a rule; its window and the rows that it is made of, their columns one behind the
    /// other.
    pub(crate) fn new(
        (rule, is_counted): (RuleId, bool),
        (row, joined): (&Row, Option<&Row>),
        columns: &[Value],
    ) -> Self {
        let mut names: Vec<Value> = Vec::new();
        for row in std::iter::once(row).chain(joined) {
            let times = [Value::Time(row.start_ns), Value::Time(row.end_ns)];
            names.extend(times.into_iter().chain([Value::Bool(row.is_other)]));
            names.extend(row.key.iter().cloned());
        }
        let place = (rule, row.end_ns, key_hash(&names));
        Self { place, columns: key_hash(columns), kind: row.kind, is_counted }
    }
}

impl SaidValues {
    pub(crate) fn restore(state: SaidState) -> Self {
        let mut said = Self::default();
        for (place, rows) in state {
            *said.held.entry(place.0).or_default() += rows.0.len();
            said.rows.insert(place, rows);
        }
        said
    }

    pub(crate) fn state(&self) -> SaidState {
        self.rows.iter().map(|(place, rows)| (*place, rows.clone())).collect()
    }

    /// The values of a row that is withdrawn, if they are still known.
    pub(crate) fn withdraw(&mut self, row: &Saying) -> Option<Vec<Value>> {
        let rows = self.rows.get_mut(&row.place)?;
        let at = rows.0.iter().position(|(columns, _)| *columns == row.columns)?;
        let (_, values) = rows.0.remove(at);
        if rows.0.is_empty() {
            self.rows.remove(&row.place);
        }
        self.less(row.place.0, 1);
        Some(values)
    }

    /// Notes the values of a row; what it replaces is withdrawn no more. Returns how many rows had
    /// to be forgotten for want of room.
    pub(crate) fn note(&mut self, row: &Saying, values: &[Value]) -> u64 {
        let rule = row.place.0;
        if !row.is_counted
            && let Some(rows) = self.rows.remove(&row.place)
        {
            self.less(rule, rows.0.len());
        }
        if matches!(row.kind, RowKind::Final) {
            return 0;
        }
        self.rows.entry(row.place).or_default().0.push((row.columns, values.to_vec()));
        let held = self.held.entry(rule).or_default();
        *held += 1;
        if *held <= PAST_SAID_MAX {
            return 0;
        }
        let oldest = self.rows.range((rule, i64::MIN, 0)..).next().map(|(place, _)| *place);
        let gone = oldest.and_then(|place| self.rows.remove(&place)).unwrap_or_default().0.len();
        self.less(rule, gone);
        gone as u64
    }

    /// Forgets the rows of a rule whose windows can change no more.
    pub(crate) fn pass(&mut self, rule: RuleId, passed_ns: i64) {
        let (from, to) = ((rule, i64::MIN, 0), (rule, passed_ns, u128::MAX));
        let passed: Vec<Place> = self.rows.range(from..=to).map(|(place, _)| *place).collect();
        for place in passed {
            let gone = self.rows.remove(&place).unwrap_or_default().0.len();
            self.less(rule, gone);
        }
    }

    fn less(&mut self, rule: RuleId, rows: usize) {
        if let Some(held) = self.held.get_mut(&rule) {
            *held -= rows.min(*held);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn row(end_ns: i64, kind: RowKind, value: i64) -> Row {
        Row {
            rule: RuleId(3),
            decision_ns: end_ns,
            start_ns: 0,
            end_ns,
            kind,
            is_other: false,
            key: Arc::from([Value::Int(1)]),
            values: vec![Value::Int(value)],
        }
    }

    fn saying(row: &Row, is_counted: bool) -> Saying {
        Saying::new((RuleId(7), is_counted), (row, None), &row.columns())
    }

    fn note(said: &mut SaidValues, row: &Row, is_counted: bool) -> u64 {
        said.note(&saying(row, is_counted), &[Value::Int(10 + row.end_ns)])
    }

    #[test]
    fn a_withdrawal_finds_what_was_said_once() {
        let mut said = SaidValues::default();
        note(&mut said, &row(5, RowKind::Revision(1), 1), false);
        let mut said = SaidValues::restore(said.state());
        let gone = saying(&row(5, RowKind::Retraction, 1), false);
        assert_eq!(said.withdraw(&gone), Some(vec![Value::Int(15)]));
        assert_eq!(said.withdraw(&gone), None);
        assert_eq!(said.held[&RuleId(7)], 0);
    }

    #[test]
    fn what_replaces_a_row_and_time_let_it_go() {
        let mut said = SaidValues::default();
        note(&mut said, &row(5, RowKind::Revision(1), 1), false);
        note(&mut said, &row(5, RowKind::Revision(2), 2), false);
        assert_eq!(said.withdraw(&saying(&row(5, RowKind::Retraction, 1), false)), None);
        note(&mut said, &row(5, RowKind::Final, 3), false);
        note(&mut said, &row(6, RowKind::Revision(1), 1), false);
        note(&mut said, &row(7, RowKind::Revision(1), 1), false);
        said.pass(RuleId(7), 6);
        assert_eq!((said.rows.len(), said.held[&RuleId(7)]), (1, 1));
    }

    #[test]
    fn count_windows_of_the_same_times_are_several() {
        let mut said = SaidValues::default();
        note(&mut said, &row(5, RowKind::Revision(1), 1), true);
        note(&mut said, &row(5, RowKind::Revision(1), 2), true);
        note(&mut said, &row(5, RowKind::Final, 3), true);
        for value in [2, 1] {
            let gone = saying(&row(5, RowKind::Retraction, value), true);
            assert!(said.withdraw(&gone).is_some());
        }
    }

    #[test]
    fn beyond_the_bound_the_oldest_gives_way_and_is_counted() {
        let mut said = SaidValues::default();
        let forgotten: u64 = (0..PAST_SAID_MAX as i64 + 2)
            .map(|end_ns| note(&mut said, &row(end_ns, RowKind::Revision(1), 1), false))
            .sum();
        assert_eq!((forgotten, said.rows.len()), (2, PAST_SAID_MAX));
        let oldest = said.rows.first_key_value().map(|(place, _)| place.1);
        assert_eq!(oldest, Some(2));
    }
}
