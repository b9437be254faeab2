//! Windows off the grid: sessions and count windows, one key at a time.
//!
//! Sessions need no order. An event ahead of the watermark can only join an open session, so such
//! events arrive merged by slice; one at or behind it arrives alone, with the watermark as of the
//! row before, and is late iff the session that it belongs to had closed at that watermark.
//! Closed sessions are remembered for one more gap, so that an event which would have extended
//! one is late and does not begin a session of its own. Count windows and sessions with a longest
//! length take events in (event time, source, position), behind the watermark.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::applied::{KeyedEvent, RuleCounts};
use super::groups::GroupDelta;
use crate::plan::WindowShape;

/// A window that closed.
pub(crate) struct ClosedWindow {
    pub(crate) group: GroupDelta,
    pub(crate) end_ns: i64,
    pub(crate) decision_ns: i64,
}

/// The open and lately closed sessions of one key, or its open count window.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeyWindows {
    key_hash: u128,
    is_other: bool,
    open: Vec<GroupDelta>,
    /// Events in the open count window.
    events: u32,
    /// (first, last) of closed sessions that an event could still belong to.
    closed: Vec<(i64, i64)>,
}

/// What a snapshot holds of one table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct KeyedState {
    keys: Vec<KeyWindows>,
    waiting: Vec<KeyedEvent>,
}

impl KeyedState {
    /// The part whose keys fulfil a condition on their hash.
    pub(crate) fn part(&self, is_mine: impl Fn(u128) -> bool) -> Self {
        let keys = self.keys.iter().filter(|key| is_mine(key.key_hash)).cloned().collect();
        let waiting = self.waiting.iter().filter(|event| is_mine(event.group.key_hash));
        Self { keys, waiting: waiting.cloned().collect() }
    }

    /// Adds another worker's part.
    pub(crate) fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.waiting.extend(other.waiting);
    }
}

/// The windows of one table on one worker.
#[derive(Default)]
pub(crate) struct Keyed {
    index: HashTable<u32>,
    keys: Vec<Option<KeyWindows>>,
    free: Vec<u32>,
    /// Keys to look at once the watermark reaches a time.
    deadlines: BTreeMap<i64, Vec<u32>>,
    /// Events that wait for the watermark, in the order in which they will be taken.
    waiting: BTreeMap<(i64, u32, u64, u32), KeyedEvent>,
}

impl Keyed {
    pub(crate) fn restore(state: KeyedState, shape: WindowShape) -> Self {
        let mut keyed = Self::default();
        for key in state.keys {
            let id = keyed.key(key.key_hash, key.is_other);
            let open: Vec<i64> = key.open.iter().map(|group| group.span_ns.1).collect();
            let closed: Vec<i64> = key.closed.iter().map(|span| span.1).collect();
            keyed.keys[id as usize] = Some(key);
            open.into_iter().for_each(|last_ns| keyed.arm(id, shape, last_ns, 1));
            closed.into_iter().for_each(|last_ns| keyed.arm(id, shape, last_ns, 2));
        }
        state.waiting.into_iter().for_each(|event| keyed.wait(event));
        keyed
    }

    pub(crate) fn state(&self) -> KeyedState {
        KeyedState {
            keys: self.keys.iter().flatten().cloned().collect(),
            waiting: self.waiting.values().cloned().collect(),
        }
    }

    /// Number of keys with open windows.
    fn key(&mut self, key_hash: u128, is_other: bool) -> u32 {
        let keys = &self.keys;
        let is_it = |&id: &u32| {
            let known = keys[id as usize].as_ref();
            known.is_some_and(|known| known.key_hash == key_hash && known.is_other == is_other)
        };
        if let Some(&id) = self.index.find(key_hash as u64, is_it) {
            return id;
        }
        let fresh =
            KeyWindows { key_hash, is_other, open: Vec::new(), events: 0, closed: Vec::new() };
        let id = match self.free.pop() {
            Some(id) => {
                self.keys[id as usize] = Some(fresh);
                id
            }
            None => {
                self.keys.push(Some(fresh));
                (self.keys.len() - 1) as u32
            }
        };
        let keys = &self.keys;
        let rehash = |&id: &u32| keys[id as usize].as_ref().map_or(0, |key| key.key_hash as u64);
        self.index.insert_unique(key_hash as u64, id, rehash);
        id
    }

    /// Looks at a key again `gaps` gaps after an event.
    fn arm(&mut self, id: u32, shape: WindowShape, last_ns: i64, gaps: i64) {
        if let WindowShape::Session { gap_ns, .. } = shape {
            let at_ns = last_ns.saturating_add(gap_ns.saturating_mul(gaps));
            self.deadlines.entry(at_ns).or_default().push(id);
        }
    }

    /// Merges events that lie ahead of the watermark.
    pub(crate) fn merge(&mut self, group: GroupDelta, shape: WindowShape) {
        let WindowShape::Session { gap_ns, .. } = shape else {
            return;
        };
        let id = self.key(group.key_hash, group.is_other);
        let Some(key) = &mut self.keys[id as usize] else {
            return;
        };
        let last_ns = join(&mut key.open, group, gap_ns);
        self.arm(id, shape, last_ns, 1);
    }

    fn wait(&mut self, event: KeyedEvent) {
        self.waiting.insert((event.time_ns, event.source, event.seq, event.row), event);
    }

    /// Takes events one by one, in log order; returns what became of them.
    pub(crate) fn take(&mut self, mut events: Vec<KeyedEvent>, shape: WindowShape) -> RuleCounts {
        let mut counts = RuleCounts::default();
        events.sort_by_key(|event| (event.seq, event.row));
        for event in events {
            let behind_ns = event.watermark_ns.saturating_sub(event.time_ns);
            let is_used = if shape.needs_order() {
                let in_time = event.time_ns > event.watermark_ns;
                if in_time {
                    self.wait(event);
                }
                in_time
            } else {
                self.take_behind(event, shape)
            };
            if is_used {
                counts.used += 1;
            } else {
                counts.late += 1;
                counts.worst_late_ns = counts.worst_late_ns.max(behind_ns);
            }
        }
        counts
    }

    fn take_behind(&mut self, event: KeyedEvent, shape: WindowShape) -> bool {
        let WindowShape::Session { gap_ns, .. } = shape else {
            return false;
        };
        let (time_ns, watermark_ns) = (event.time_ns, event.watermark_ns);
        let id = self.key(event.group.key_hash, event.group.is_other);
        let Some(key) = &mut self.keys[id as usize] else {
            return false;
        };
        let touches = |span: (i64, i64)| {
            span.0 <= time_ns.saturating_add(gap_ns) && time_ns <= span.1.saturating_add(gap_ns)
        };
        let is_closed = |last_ns: i64| last_ns.saturating_add(gap_ns) <= watermark_ns;
        let mut touched = key.open.iter().map(|group| group.span_ns).filter(|span| touches(*span));
        let mut any_open = false;
        let mut is_late = key.closed.iter().any(|span| touches(*span));
        for span in touched.by_ref() {
            any_open = true;
            is_late |= is_closed(span.1);
        }
        is_late |= !any_open && is_closed(time_ns);
        if is_late {
            // A key that was only looked at leaves with the next deadline.
            self.arm(id, shape, time_ns, 0);
            return false;
        }
        let last_ns = join(&mut key.open, event.group, gap_ns);
        self.arm(id, shape, last_ns, 1);
        true
    }

    /// Closes everything that the watermark has passed.
    pub(crate) fn close(
        &mut self,
        watermark_ns: i64,
        shape: WindowShape,
        closed: &mut Vec<ClosedWindow>,
    ) {
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > watermark_ns {
                break;
            }
            let event = first.remove();
            self.take_in_order(event, shape, closed);
        }
        while let Some(first) = self.deadlines.first_entry() {
            if *first.key() > watermark_ns {
                break;
            }
            for id in first.remove() {
                self.close_key(id, watermark_ns, shape, closed);
            }
        }
        if watermark_ns == i64::MAX {
            self.close_rest(closed);
        }
    }

    /// Takes one event of a shape that needs order.
    fn take_in_order(
        &mut self,
        event: KeyedEvent,
        shape: WindowShape,
        closed: &mut Vec<ClosedWindow>,
    ) {
        let id = self.key(event.group.key_hash, event.group.is_other);
        let Some(key) = &mut self.keys[id as usize] else {
            return;
        };
        let time_ns = event.time_ns;
        match shape {
            WindowShape::Count { events } => {
                match key.open.first_mut() {
                    Some(open) => absorb(open, event.group),
                    None => key.open.push(event.group),
                }
                key.events += 1;
                if key.events >= events {
                    key.events = 0;
                    closed.extend(key.open.drain(..).map(at_last));
                    self.drop_if_idle(id);
                }
            }
            WindowShape::Session { gap_ns, max_ns } => {
                if let Some(open) = key.open.first_mut() {
                    let fits = max_ns.is_none_or(|max| time_ns - open.span_ns.0 <= max);
                    if fits && time_ns <= open.span_ns.1.saturating_add(gap_ns) {
                        absorb(open, event.group);
                    } else {
                        // Cut by its length it is decided by the event that no longer fits.
                        let end_ns = open.span_ns.1.saturating_add(gap_ns);
                        let decision_ns = end_ns.min(time_ns);
                        let group = std::mem::replace(open, event.group);
                        closed.push(ClosedWindow { group, end_ns, decision_ns });
                    }
                } else {
                    key.open.push(event.group);
                }
                self.arm(id, shape, time_ns, 1);
            }
            WindowShape::Sliding { .. } | WindowShape::Cumulate { .. } => {}
        }
    }

    fn close_key(
        &mut self,
        id: u32,
        watermark_ns: i64,
        shape: WindowShape,
        closed: &mut Vec<ClosedWindow>,
    ) {
        let WindowShape::Session { gap_ns, max_ns } = shape else {
            return;
        };
        let Some(key) = &mut self.keys[id as usize] else {
            return;
        };
        let end = |last_ns: i64| last_ns.saturating_add(gap_ns);
        let mut remember = Vec::new();
        for group in key.open.extract_if(.., |group| end(group.span_ns.1) <= watermark_ns) {
            let end_ns = end(group.span_ns.1);
            remember.push(group.span_ns);
            closed.push(ClosedWindow { group, end_ns, decision_ns: end_ns });
        }
        if max_ns.is_none() {
            key.closed.extend(&remember);
            // An event that touches a closed session is late also where it touches an open one:
            // remember a session until nothing open lies within two gaps of it.
            let open = &key.open;
            key.closed.retain(|span| {
                let reach_ns = end(end(span.1));
                reach_ns > watermark_ns || open.iter().any(|group| group.span_ns.0 <= reach_ns)
            });
            for span in remember {
                self.arm(id, shape, span.1, 2);
            }
        }
        self.drop_if_idle(id);
    }

    fn close_rest(&mut self, closed: &mut Vec<ClosedWindow>) {
        for key in self.keys.iter_mut().flatten() {
            // Decided by the end of the log, after everything else.
            let at_end = |group| ClosedWindow { decision_ns: i64::MAX, ..at_last(group) };
            closed.extend(key.open.drain(..).map(at_end));
        }
    }

    fn drop_if_idle(&mut self, id: u32) {
        let slot = &mut self.keys[id as usize];
        let Some(key) = slot else { return };
        if key.open.is_empty() && key.closed.is_empty() {
            if let Ok(entry) = self.index.find_entry(key.key_hash as u64, |&known| known == id) {
                entry.remove();
            }
            *slot = None;
            self.free.push(id);
        }
    }
}

/// A count window ends with its last event.
fn at_last(group: GroupDelta) -> ClosedWindow {
    let last_ns = group.span_ns.1;
    ClosedWindow { group, end_ns: last_ns.saturating_add(1), decision_ns: last_ns }
}

/// Adds a group's events to another's.
fn absorb(open: &mut GroupDelta, group: GroupDelta) {
    open.span_ns.0 = open.span_ns.0.min(group.span_ns.0);
    open.span_ns.1 = open.span_ns.1.max(group.span_ns.1);
    for (mine, theirs) in open.partials.iter_mut().zip(group.partials) {
        mine.merge(theirs);
    }
}

/// Joins a group to the sessions that it touches, which may become one; returns the last event's
/// time.
fn join(open: &mut Vec<GroupDelta>, mut group: GroupDelta, gap_ns: i64) -> i64 {
    let mut at = 0;
    while at < open.len() {
        let (first_ns, last_ns) = open[at].span_ns;
        let touches = first_ns <= group.span_ns.1.saturating_add(gap_ns)
            && group.span_ns.0 <= last_ns.saturating_add(gap_ns);
        if touches {
            let other = open.swap_remove(at);
            absorb(&mut group, other);
            at = 0;
        } else {
            at += 1;
        }
    }
    let last_ns = group.span_ns.1;
    open.push(group);
    last_ns
}
