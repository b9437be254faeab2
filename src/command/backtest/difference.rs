//! Two versions against each other: firings added, removed and moved, rows that differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_engine::model::Value;

use super::version::{Firing, Items, Key, Place, Rows, Version};

/// Named values of a row.
pub(super) type Values = Vec<(Arc<str>, Value)>;

/// What stood before and what stands after: never both absent.
pub(super) struct Change<P, T> {
    pub(super) place: P,
    pub(super) before: Option<T>,
    pub(super) after: Option<T>,
}

/// Whether a rule is in both versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Both,
    OnlyBefore,
    OnlyAfter,
}

/// Differences of one alert.
pub(super) struct AlertDifference {
    pub(super) name: String,
    pub(super) presence: Presence,
    pub(super) firings: Vec<Change<Key, Firing>>,
}

/// Differences of one rule that makes rows.
pub(super) struct RowDifference {
    pub(super) name: String,
    pub(super) presence: Presence,
    /// Columns of one version only; rows are compared by the columns that both have.
    pub(super) columns_before: Vec<Arc<str>>,
    pub(super) columns_after: Vec<Arc<str>>,
    /// Of a changed row only the values that differ.
    pub(super) rows: Vec<Change<Place, Values>>,
}

/// Differences of one rule that sends telemetry on.
pub(super) struct ItemDifference {
    pub(super) name: String,
    pub(super) presence: Presence,
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) added: usize,
    pub(super) removed: usize,
    /// Sent on by both, with another threshold or mark.
    pub(super) changed: usize,
}

/// Everything that differs, by rule; rules without a difference are left out.
pub(super) struct Comparison {
    pub(super) alerts: Vec<AlertDifference>,
    pub(super) rules: Vec<RowDifference>,
    pub(super) items: Vec<ItemDifference>,
}

impl Comparison {
    /// Differences in all.
    pub(super) fn count(&self) -> usize {
        let alerts: usize = self.alerts.iter().map(AlertDifference::count).sum();
        let rows: usize = self.rules.iter().map(RowDifference::count).sum();
        let items: usize = self.items.iter().map(ItemDifference::count).sum();
        alerts + rows + items
    }
}

impl AlertDifference {
    fn count(&self) -> usize {
        self.firings.len() + usize::from(self.presence != Presence::Both)
    }
}

impl ItemDifference {
    fn of(name: String, presence: Presence, old: &Items, new: &Items) -> Self {
        let both = || old.iter().filter_map(|(item, was)| Some((was, new.get(item)?)));
        let shared = both().count();
        Self {
            name,
            presence,
            before: old.len(),
            after: new.len(),
            added: new.len() - shared,
            removed: old.len() - shared,
            changed: both().filter(|(was, is)| was != is).count(),
        }
    }

    /// Whether any item differs.
    pub(super) fn has_items(&self) -> bool {
        self.added + self.removed + self.changed > 0
    }

    fn count(&self) -> usize {
        usize::from(self.has_items()) + usize::from(self.presence != Presence::Both)
    }
}

impl RowDifference {
    fn count(&self) -> usize {
        let columns = self.columns_before.len() + self.columns_after.len();
        self.rows.len() + columns + usize::from(self.presence != Presence::Both)
    }
}

/// Compares two versions.
pub(super) fn compare(old: Version, new: Version) -> Comparison {
    let alerts = paired(old.alerts, new.alerts).map(|(name, presence, old, new)| {
        let mut firings = Vec::new();
        for (key, _, old, new) in paired(old, new) {
            changed_firings(&key, &old, &new, &mut firings);
        }
        AlertDifference { name, presence, firings }
    });
    let rules = paired(old.rules, new.rules)
        .map(|(name, presence, old, new)| rows(name, presence, old, new));
    let items = paired(old.items, new.items)
        .map(|(name, presence, old, new)| ItemDifference::of(name, presence, &old, &new));
    Comparison {
        items: items.filter(|one| one.count() > 0).collect(),
        alerts: alerts.filter(|one| one.count() > 0).collect(),
        rules: rules.filter(|one| one.count() > 0).collect(),
    }
}

/// Entries of both maps side by side, by key.
fn paired<K: Ord + Clone, V: Default>(
    old: BTreeMap<K, V>,
    mut new: BTreeMap<K, V>,
) -> impl Iterator<Item = (K, Presence, V, V)> {
    let mut pairs = Vec::with_capacity(old.len().max(new.len()));
    for (key, before) in old {
        match new.remove(&key) {
            Some(after) => pairs.push((key, Presence::Both, before, after)),
            None => pairs.push((key, Presence::OnlyBefore, before, V::default())),
        }
    }
    for (key, after) in new {
        pairs.push((key, Presence::OnlyAfter, V::default(), after));
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.into_iter()
}

/// Firings that begin at the same time belong together; between two such pairs the n-th old one
/// and the n-th new one do.
fn changed_firings(
    key: &Key,
    old: &[Firing],
    new: &[Firing],
    changes: &mut Vec<Change<Key, Firing>>,
) {
    let (mut old, mut new) = (old, new);
    while !old.is_empty() || !new.is_empty() {
        let is_in = |one: &Firing, all: &[Firing]| all.iter().any(|o| o.from_ns == one.from_ns);
        let gap_old = old.iter().position(|one| is_in(one, new)).unwrap_or(old.len());
        let gap_new = new.iter().position(|one| is_in(one, old)).unwrap_or(new.len());
        for index in 0..gap_old.max(gap_new) {
            let before = old[..gap_old].get(index).copied();
            let after = new[..gap_new].get(index).copied();
            changes.push(Change { place: key.clone(), before, after });
        }
        (old, new) = (&old[gap_old..], &new[gap_new..]);
        if let (Some((before, old_rest)), Some((after, new_rest))) =
            (old.split_first(), new.split_first())
        {
            if before != after {
                let (before, after) = (Some(*before), Some(*after));
                changes.push(Change { place: key.clone(), before, after });
            }
            (old, new) = (old_rest, new_rest);
        }
    }
}

fn rows(name: String, presence: Presence, old: Rows, mut new: Rows) -> RowDifference {
    let only = |own: &[Arc<str>], other: &[Arc<str>]| -> Vec<Arc<str>> {
        own.iter().filter(|column| !other.contains(column)).cloned().collect()
    };
    let (mut columns_before, mut columns_after) = (Vec::new(), Vec::new());
    if presence == Presence::Both {
        columns_before = only(&old.columns, &new.columns);
        columns_after = only(&new.columns, &old.columns);
    }
    let shared: Vec<(usize, usize)> = old
        .columns
        .iter()
        .enumerate()
        .filter_map(|(at, name)| Some((at, new.columns.iter().position(|n| n == name)?)))
        .collect();
    let named = |columns: &[Arc<str>], values: Vec<Value>| -> Values {
        columns.iter().cloned().zip(values).collect()
    };
    let mut changes = Vec::new();
    for (place, before) in old.rows {
        let Some(after) = new.rows.remove(&place) else {
            let before = Some(named(&old.columns, before));
            changes.push(Change { place, before, after: None });
            continue;
        };
        let differs = shared.iter().filter(|(was, is)| before[*was] != after[*is]);
        let (was, is): (Values, Values) = differs
            .map(|&(was, is)| {
                let name = &old.columns[was];
                ((Arc::clone(name), before[was].clone()), (Arc::clone(name), after[is].clone()))
            })
            .unzip();
        if !was.is_empty() {
            changes.push(Change { place, before: Some(was), after: Some(is) });
        }
    }
    let added = new.rows.into_iter().map(|(place, after)| {
        let after = Some(named(&new.columns, after));
        Change { place, before: None, after }
    });
    changes.extend(added);
    changes.sort_by(|a, b| a.place.cmp(&b.place));
    RowDifference { name, presence, columns_before, columns_after, rows: changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firings(times: &[i64]) -> Vec<Firing> {
        times.iter().map(|&from_ns| Firing { from_ns, to_ns: Some(from_ns + 5) }).collect()
    }

    fn changes(old: &[i64], new: &[i64]) -> Vec<(Option<i64>, Option<i64>)> {
        let mut changes = Vec::new();
        changed_firings(&(false, Vec::new()), &firings(old), &firings(new), &mut changes);
        let from = |firing: Option<Firing>| firing.map(|firing| firing.from_ns);
        changes.into_iter().map(|change| (from(change.before), from(change.after))).collect()
    }

    #[test]
    fn a_firing_more_moves_no_other_one() {
        assert_eq!(changes(&[10, 20, 30], &[10, 20, 30]), []);
        assert_eq!(changes(&[10, 20, 30], &[5, 10, 20, 30]), [(None, Some(5))]);
        assert_eq!(changes(&[10, 20, 30], &[10, 30]), [(Some(20), None)]);
        assert_eq!(changes(&[10, 20, 30], &[10, 22, 30]), [(Some(20), Some(22))]);
        assert_eq!(changes(&[10], &[12, 14]), [(Some(10), Some(12)), (None, Some(14))]);
        assert_eq!(changes(&[], &[12]), [(None, Some(12))]);
    }

    #[test]
    fn a_firing_that_ends_at_another_time_is_a_change() {
        let (old, mut new) = (firings(&[10]), firings(&[10]));
        new[0].to_ns = None;
        let mut changes = Vec::new();
        changed_firings(&(false, Vec::new()), &old, &new, &mut changes);
        assert_eq!(changes.len(), 1);
    }
}
