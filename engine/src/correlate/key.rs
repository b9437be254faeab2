//! The items of one key, until no partner of theirs can come.
//!
//! Invariant: items are taken in order of event time, and each is decided at the first time at
//! which nothing to come can change its outcome. Knows neither watermarks nor other keys.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::keyed_events::{Event, Place};
use crate::limits::CORRELATE_ITEMS_PER_KEY_MAX;
use crate::model::Value;
use crate::plan::{CorrelateRule, LEFT, PickMode, RIGHT};

/// What became of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// A pair.
    Matched = 0,
    /// A left item that found none.
    LeftOnly,
    /// A right item that no left one could take.
    RightOnly,
    /// A right item that left ones could take, and none took.
    Duplicate,
}

/// An item that waits for others, or one of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) place: Place,
    /// The values that the rule reads of it.
    pub(crate) slots: Vec<Value>,
    /// Whether an item of the other side was within the bounds.
    has_partner: bool,
    /// Pairs that it is part of.
    pairs: u32,
}

impl Item {
    pub(super) fn new(event: &Event) -> Self {
        Self { place: event.place, slots: event.slots.clone(), has_partner: false, pairs: 0 }
    }

    fn time_ns(&self) -> i64 {
        self.place.time_ns
    }

    fn bytes(&self) -> usize {
        item_bytes(&self.slots)
    }
}

/// An outcome and the items that it is of.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) outcome: Outcome,
    pub(crate) key: Vec<Value>,
    pub(crate) left: Option<Item>,
    pub(crate) right: Option<Item>,
    /// When it was decided, event time, nanoseconds.
    pub(crate) at_ns: i64,
}

/// What keys say and count.
#[derive(Default)]
pub(super) struct Said {
    pub(super) decided: Vec<Decided>,
    /// Items that a bound left no room for.
    pub(super) refused: u64,
}

/// The state of one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(super) hash: u128,
    pub(super) values: Vec<Value>,
    /// In the order in which they were taken, as are the right ones.
    lefts: VecDeque<Item>,
    rights: VecDeque<Item>,
    /// Right items from the first on of which it was told whether they are alone.
    told: usize,
    /// Of all that it holds.
    bytes: usize,
    /// When the key is looked at next, if no item comes.
    pub(super) wake_ns: i64,
}

impl Key {
    pub(super) fn new(event: &Event) -> Self {
        Self {
            hash: event.key_hash,
            values: event.key.clone(),
            lefts: VecDeque::new(),
            rights: VecDeque::new(),
            told: 0,
            bytes: size_of::<Self>() + Value::bytes_of(&event.key),
            wake_ns: i64::MAX,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.lefts.is_empty() && self.rights.is_empty()
    }

    /// Bytes of the key and its items.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first time at which something is decided without an item.
    pub(super) fn deadline_ns(&self, rule: &CorrelateRule) -> i64 {
        let left = self.lefts.front().map(|item| left_deadline_ns(rule, item));
        let alone = self.rights.get(self.told).map(|item| alone_deadline_ns(rule, item));
        let gone = self.rights.front().map(|item| gone_deadline_ns(rule, item));
        left.into_iter().chain(alone).chain(gone).min().unwrap_or(i64::MAX)
    }

    /// Takes an item. What ended before it has been taken care of.
    pub(super) fn take(&mut self, rule: &CorrelateRule, event: &Event, said: &mut Said) {
        if event.is(LEFT) {
            self.left(rule, Item::new(event), said);
        }
        if event.is(RIGHT) {
            self.right(rule, Item::new(event), said);
        }
    }

    fn left(&mut self, rule: &CorrelateRule, mut left: Item, said: &mut Said) {
        if self.lefts.len() >= CORRELATE_ITEMS_PER_KEY_MAX {
            said.refused += 1;
            return;
        }
        let window = right_window(rule, &left, &self.rights);
        for right in self.rights.range_mut(window) {
            pair(rule, (&mut left, right), &self.values, said);
        }
        self.bytes += left.bytes();
        push(&mut self.lefts, left);
    }

    fn right(&mut self, rule: &CorrelateRule, mut right: Item, said: &mut Said) {
        if self.rights.len() >= CORRELATE_ITEMS_PER_KEY_MAX {
            said.refused += 1;
            return;
        }
        let (least_ns, most_ns) = rule.within_ns;
        let first_ns = right.time_ns().saturating_sub(most_ns);
        let last_ns = right.time_ns().saturating_sub(least_ns);
        let first = self.lefts.partition_point(|left| left.time_ns() < first_ns);
        let end = self.lefts.partition_point(|left| left.time_ns() <= last_ns);
        for left in self.lefts.range_mut(first..end) {
            pair(rule, (left, &mut right), &self.values, said);
        }
        self.bytes += right.bytes();
        push(&mut self.rights, right);
    }

    /// Decides what waited up to a time, which is at most the first deadline: left items first,
    /// as a right one is a duplicate only where none of them took it.
    pub(super) fn expire(&mut self, rule: &CorrelateRule, now_ns: i64, said: &mut Said) {
        while let Some(left) =
            self.lefts.pop_front_if(|left| left_deadline_ns(rule, left) <= now_ns)
        {
            self.bytes -= left.bytes();
            self.end_left(rule, left, said);
        }
        while let Some(right) =
            self.rights.get(self.told).filter(|right| alone_deadline_ns(rule, right) <= now_ns)
        {
            if !right.has_partner {
                let at_ns = alone_deadline_ns(rule, right);
                said.alone(Outcome::RightOnly, &self.values, right.clone(), at_ns);
            }
            self.told += 1;
        }
        while self.told > 0
            && let Some(right) =
                self.rights.pop_front_if(|right| gone_deadline_ns(rule, right) <= now_ns)
        {
            self.told -= 1;
            self.bytes -= right.bytes();
            if right.has_partner && right.pairs == 0 {
                let at_ns = gone_deadline_ns(rule, &right);
                said.alone(Outcome::Duplicate, &self.values, right, at_ns);
            }
        }
    }

    fn end_left(&mut self, rule: &CorrelateRule, left: Item, said: &mut Said) {
        let at_ns = left_deadline_ns(rule, &left);
        if rule.pick == PickMode::Last {
            let window = right_window(rule, &left, &self.rights);
            let mut rights = self.rights.range_mut(window);
            if let Some(right) = rights.rfind(|right| right.place != left.place) {
                right.pairs += 1;
                let (key, right) = (self.values.clone(), Some(right.clone()));
                let left = Some(left);
                said.decided.push(Decided { outcome: Outcome::Matched, key, left, right, at_ns });
                return;
            }
        }
        if left.pairs == 0 {
            said.alone(Outcome::LeftOnly, &self.values, left, at_ns);
        }
    }
}

impl Said {
    /// Tells an item that has no partner.
    pub(super) fn alone(&mut self, outcome: Outcome, key: &[Value], item: Item, at_ns: i64) {
        let (left, right) = match outcome {
            Outcome::LeftOnly => (Some(item), None),
            _ => (None, Some(item)),
        };
        self.decided.push(Decided { outcome, key: key.to_vec(), left, right, at_ns });
    }
}

/// Two items that are within the bounds.
fn pair(
    rule: &CorrelateRule,
    (left, right): (&mut Item, &mut Item),
    key: &[Value],
    said: &mut Said,
) {
    if left.place == right.place {
        return; // an item of both sides is no partner of itself
    }
    right.has_partner = true;
    let PickMode::First(limit) = rule.pick else { return };
    if left.pairs >= limit {
        return;
    }
    left.pairs += 1;
    right.pairs += 1;
    said.decided.push(Decided {
        outcome: Outcome::Matched,
        key: key.to_vec(),
        at_ns: left.time_ns().max(right.time_ns()),
        left: Some(left.clone()),
        right: Some(right.clone()),
    });
}

/// The right items that a left one may take.
fn right_window(
    rule: &CorrelateRule,
    left: &Item,
    rights: &VecDeque<Item>,
) -> std::ops::Range<usize> {
    let (least_ns, most_ns) = rule.within_ns;
    let first_ns = left.time_ns().saturating_add(least_ns);
    let last_ns = left.time_ns().saturating_add(most_ns);
    let first = rights.partition_point(|right| right.time_ns() < first_ns);
    first..rights.partition_point(|right| right.time_ns() <= last_ns)
}

/// When a left item has seen every right one that it may take.
fn left_deadline_ns(rule: &CorrelateRule, left: &Item) -> i64 {
    left.time_ns().saturating_add(rule.left_waits_ns())
}

/// When a right item has seen every left one that may take it.
fn alone_deadline_ns(rule: &CorrelateRule, right: &Item) -> i64 {
    right.time_ns().saturating_add(rule.right_waits_ns())
}

/// When all of these have taken what they take.
fn gone_deadline_ns(rule: &CorrelateRule, right: &Item) -> i64 {
    let waits_ns = match rule.pick {
        PickMode::First(_) => 0,
        PickMode::Last => rule.left_waits_ns(),
    };
    alone_deadline_ns(rule, right).saturating_add(waits_ns)
}

/// Bytes of an item with these values.
/// Most keys have one item a side: a list that begins with room for four took 200 bytes more.
fn push(items: &mut VecDeque<Item>, item: Item) {
    if items.capacity() == 0 {
        items.reserve_exact(1);
    }
    items.push_back(item);
}

pub(super) fn item_bytes(slots: &[Value]) -> usize {
    size_of::<Item>() + Value::bytes_of(slots)
}
