//! Windows off the grid: sessions and count windows, one key at a time.
//!
//! Sessions need no order. An event ahead of the watermark can only join an open session, so such
//! events arrive merged by slice; one at or behind it arrives alone, with the watermark as of the
//! row before, and is late iff the session that it belongs to was decided for good by then.
//! Decided sessions are remembered as long as an event that would have extended one could also
//! join an open session: it is late and neither joins nor begins another. Count windows and
//! sessions with a longest length take events in (event time, source, position), behind the
//! watermark. Must not know what rows say of windows: only when there is something to say.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::applied::{KeyedEvent, RuleCounts};
use super::groups::{GroupDelta, GroupId};
use super::keyed_window::{
    KeyWindows, Occasion, OpenWindow, Say, Terms, Word, decided, end_sessions, join,
};
use crate::model::Row;
use crate::plan::{Results, WindowShape};

/// What a snapshot holds of one table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct KeyedState {
    keys: Vec<KeyWindows>,
    waiting: Vec<KeyedEvent>,
    amended_ns: Option<i64>,
}

impl KeyedState {
    /// The part whose keys fulfil a condition on their hash.
    pub(crate) fn part(&self, is_mine: impl Fn(u128) -> bool) -> Self {
        let keys = self.keys.iter().filter(|key| is_mine(key.key_hash)).cloned().collect();
        let waiting = self.waiting.iter().filter(|event| is_mine(event.group.key_hash));
        Self { keys, waiting: waiting.cloned().collect(), amended_ns: self.amended_ns }
    }

    /// Adds another worker's part.
    pub(crate) fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.waiting.extend(other.waiting);
        self.amended_ns = self.amended_ns.max(other.amended_ns);
    }
}

/// What became of an event.
enum Taken {
    Used,
    Amended,
    Late,
}

/// The windows of one table on one worker.
#[derive(Default)]
pub(crate) struct Keyed {
    index: HashTable<u32>,
    pub(super) keys: Vec<Option<KeyWindows>>,
    pub(super) free: Vec<u32>,
    /// Keys to look at once the watermark reaches a time.
    deadlines: BTreeSet<(i64, u32)>,
    /// Events that wait for the watermark, in the order in which they will be taken.
    pub(super) waiting: BTreeMap<(i64, u32, u64, u32), KeyedEvent>,
    /// Keys whose open windows have changed since they were spoken of, if that is asked for.
    changed: Vec<u32>,
    /// Keys whose windows late events have changed, and the watermark that these came behind.
    amended: (Option<i64>, Vec<u32>),
}

impl Keyed {
    pub(crate) fn restore(state: KeyedState, terms: Terms) -> Self {
        let mut keyed = Self::default();
        keyed.amended.0 = state.amended_ns;
        for key in state.keys {
            let id = keyed.key(key.key_hash, key.is_other);
            for window in &key.open {
                keyed.arm_window(id, terms, window.group.span_ns.1);
            }
            let forget = key.decided.iter().map(|span| terms.forget_ns(span.1));
            keyed.arm(id, terms, forget);
            keyed.changed.extend(key.is_changed.then_some(id));
            keyed.amended.1.extend(key.is_amended.then_some(id));
            keyed.keys[id as usize] = Some(key);
        }
        state.waiting.into_iter().for_each(|event| keyed.wait(event));
        keyed
    }

    pub(crate) fn state(&self) -> KeyedState {
        KeyedState {
            keys: self.keys.iter().flatten().cloned().collect(),
            waiting: self.waiting.values().cloned().collect(),
            amended_ns: self.amended.0,
        }
    }

    /// Whether open windows have changed since they were spoken of.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The time of the first event that waits.
    pub(crate) fn first_waiting_ns(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|(place, _)| place.0)
    }

    /// The first time at which a session may end.
    pub(crate) fn first_deadline_ns(&self) -> Option<i64> {
        self.deadlines.first().map(|(at_ns, _)| *at_ns)
    }

    /// Whether a group has a session that began by a time and has not ended.
    pub(crate) fn is_open(&self, (key_hash, is_other): GroupId, at_ns: i64) -> bool {
        let known = |id: u32| self.keys[id as usize].as_ref();
        let is_it = |id: &u32| {
            known(*id).is_some_and(|key| (key.key_hash, key.is_other) == (key_hash, is_other))
        };
        let key = self.index.find(key_hash as u64, is_it).and_then(|id| known(*id));
        let is_open = |w: &OpenWindow| !w.has_ended() && w.group.span_ns.0 <= at_ns;
        key.is_some_and(|key| key.open.iter().any(is_open))
    }

    fn key(&mut self, key_hash: u128, is_other: bool) -> u32 {
        let keys = &self.keys;
        let is_it = |&id: &u32| {
            let known = keys[id as usize].as_ref();
            known.is_some_and(|known| known.key_hash == key_hash && known.is_other == is_other)
        };
        if let Some(&id) = self.index.find(key_hash as u64, is_it) {
            return id;
        }
        let fresh = KeyWindows {
            key_hash,
            is_other,
            is_changed: false,
            is_amended: false,
            events: 0,
            open: Vec::new(),
            decided: Vec::new(),
        };
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

    /// Looks at a key of sessions again when the watermark reaches some times.
    fn arm(&mut self, id: u32, terms: Terms, at_ns: impl IntoIterator<Item = i64>) {
        if !terms.is_count() {
            for at_ns in at_ns {
                self.deadlines.insert((at_ns, id));
            }
        }
    }

    fn arm_window(&mut self, id: u32, terms: Terms, last_ns: i64) {
        self.arm(id, terms, [terms.end_ns(last_ns)]);
        if terms.amend_ns > 0 {
            self.arm(id, terms, [terms.final_ns(last_ns)]);
        }
    }

    /// Notes that open windows of a key have changed.
    fn note_changed(&mut self, id: u32, terms: Terms) {
        if terms.results != Results::Final
            && let Some(key) = &mut self.keys[id as usize]
            && !std::mem::replace(&mut key.is_changed, true)
        {
            self.changed.push(id);
        }
    }

    /// Merges events that lie ahead of the watermark.
    pub(crate) fn merge(&mut self, group: GroupDelta, terms: Terms) {
        let id = self.key(group.key_hash, group.is_other);
        let Some(key) = &mut self.keys[id as usize] else { return };
        let window = join(&mut key.open, OpenWindow::new(group), terms.gap_ns());
        window.set_ended(false); // ends ahead of the watermark, as its last event does
        let last_ns = window.group.span_ns.1;
        self.arm_window(id, terms, last_ns);
        self.note_changed(id, terms);
    }

    fn wait(&mut self, event: KeyedEvent) {
        self.waiting.insert((event.time_ns, event.source, event.seq, event.row), event);
    }

    /// Takes an event that came alone; counts what became of it.
    pub(crate) fn take(
        &mut self,
        mut event: KeyedEvent,
        terms: Terms,
        (counts, late): (&mut RuleCounts, &mut Vec<Row>),
        say: &mut Say<'_>,
    ) {
        let behind_ns = event.watermark_ns.saturating_sub(event.time_ns);
        let late_row = event.late.take();
        let taken = if !terms.shape.needs_order() {
            self.say_amended(event.watermark_ns, terms, say);
            self.take_behind(event, terms, say)
        } else if event.time_ns > event.watermark_ns {
            self.wait(event);
            Taken::Used
        } else {
            Taken::Late
        };
        match taken {
            Taken::Used => counts.used += 1,
            Taken::Amended => {
                counts.used += 1;
                counts.amended += 1;
            }
            Taken::Late => {
                counts.late += 1;
                counts.worst_late_ns = counts.worst_late_ns.max(behind_ns);
                late.extend(late_row.map(|row| *row));
            }
        }
    }

    fn take_behind(&mut self, event: KeyedEvent, terms: Terms, say: &mut Say<'_>) -> Taken {
        let (time_ns, watermark_ns) = (event.time_ns, event.watermark_ns);
        let gap_ns = terms.gap_ns();
        let id = self.key(event.group.key_hash, event.group.is_other);
        let Some(key) = &mut self.keys[id as usize] else { return Taken::Late };
        let touches = |span: &(i64, i64)| {
            span.0 <= time_ns.saturating_add(gap_ns) && time_ns <= span.1.saturating_add(gap_ns)
        };
        let is_decided = |last_ns: i64| terms.final_ns(last_ns) <= watermark_ns;
        let touched = key.open.iter().map(|window| window.group.span_ns).filter(touches);
        let (mut any_open, mut is_late) = (false, key.decided.iter().any(touches));
        for span in touched {
            any_open = true;
            is_late |= is_decided(span.1);
        }
        if is_late || (!any_open && is_decided(time_ns)) {
            // A key that was only looked at leaves with the next deadline.
            self.arm(id, terms, [time_ns]);
            return Taken::Late;
        }
        if terms.amend_ns > 0 {
            end_sessions(key, terms, watermark_ns, say);
        }
        let amends = |window: &OpenWindow| window.has_ended() && touches(&window.group.span_ns);
        let mut is_amended = key.open.iter().any(amends);
        let window = join(&mut key.open, OpenWindow::new(event.group), gap_ns);
        let last_ns = window.group.span_ns.1;
        let has_ended = terms.end_ns(last_ns) <= watermark_ns;
        is_amended |= has_ended;
        window.set_ended(has_ended);
        if is_amended && !std::mem::replace(&mut key.is_amended, true) {
            self.amended.1.push(id);
        }
        if is_amended {
            self.amended.0 = Some(watermark_ns);
        }
        self.arm_window(id, terms, last_ns);
        self.note_changed(id, terms);
        if is_amended { Taken::Amended } else { Taken::Used }
    }

    /// Speaks of what late events have changed once the watermark has moved on: then, and not
    /// with every event or epoch, so that the cut into epochs has no part in it.
    fn say_amended(&mut self, watermark_ns: i64, terms: Terms, say: &mut Say<'_>) {
        let Some(amended_ns) = self.amended.0.filter(|at_ns| *at_ns < watermark_ns) else { return };
        self.amended.0 = None;
        let decision_ns = amended_ns.saturating_add(1);
        let ids = std::mem::take(&mut self.amended.1);
        for id in self.in_order(ids) {
            let Some(key) = &mut self.keys[id as usize] else { continue };
            if !std::mem::take(&mut key.is_amended) {
                continue;
            }
            key.sort();
            for window in key.open.iter_mut().filter(|w| w.has_ended() || w.was_said()) {
                let has_ended = window.has_ended();
                let occasion = if has_ended { Occasion::Amended } else { Occasion::Reopened };
                let end_ns = terms.end_ns(window.group.span_ns.1);
                say(Word { occasion, end_ns, until_ns: end_ns, decision_ns }, window);
            }
        }
    }

    /// `results every`: open windows as they are at a boundary, as far as they have changed.
    pub(crate) fn say_so_far(&mut self, boundary_ns: i64, terms: Terms, say: &mut Say<'_>) {
        // A count window may be decided at the boundary itself, by an event that is not in here.
        let decision_ns = boundary_ns.saturating_sub(i64::from(terms.is_count()));
        self.say_open(decision_ns, boundary_ns, terms, say);
    }

    /// `results changes`: open windows at the end of an epoch, as far as they have changed.
    pub(crate) fn say_changes(&mut self, watermark_ns: i64, terms: Terms, say: &mut Say<'_>) {
        // After everything else that the epoch says.
        self.say_open(watermark_ns.saturating_add(1), i64::MAX, terms, say);
    }

    fn say_open(&mut self, decision_ns: i64, until_ns: i64, terms: Terms, say: &mut Say<'_>) {
        let ids = std::mem::take(&mut self.changed);
        for id in self.in_order(ids) {
            let Some(key) = &mut self.keys[id as usize] else { continue };
            if !std::mem::take(&mut key.is_changed) {
                continue;
            }
            key.sort();
            for window in key.open.iter_mut().filter(|window| !window.has_ended()) {
                let end_ns = terms.end_ns(window.group.span_ns.1);
                let occasion = Occasion::SoFar;
                say(Word { occasion, end_ns, until_ns: until_ns.min(end_ns), decision_ns }, window);
            }
        }
    }

    /// Keys in an order that is the same on any number of workers.
    fn in_order(&self, mut ids: Vec<u32>) -> Vec<u32> {
        let place = |id: &u32| {
            let key = self.keys[*id as usize].as_ref();
            key.map(|key| (key.key_hash, key.is_other))
        };
        ids.sort_by_key(place);
        ids.dedup();
        ids
    }

    /// Decides everything that the watermark has passed.
    pub(crate) fn close(&mut self, watermark_ns: i64, terms: Terms, say: &mut Say<'_>) {
        self.say_amended(watermark_ns, terms, say);
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > watermark_ns {
                break;
            }
            let event = first.remove();
            self.take_in_order(event, terms, say);
        }
        let mut ids = Vec::new();
        while let Some(at_ns) = self.first_deadline_ns().filter(|at_ns| *at_ns <= watermark_ns) {
            ids.clear();
            while let Some(&(_, id)) = self.deadlines.first().filter(|next| next.0 == at_ns) {
                self.deadlines.pop_first();
                ids.push(id);
            }
            // Times are nanoseconds: mostly there is one key at each.
            if ids.len() > 1 {
                ids = self.in_order(ids);
            }
            for id in &ids {
                self.close_key(*id, watermark_ns, terms, say);
            }
        }
        if watermark_ns == i64::MAX {
            self.close_rest(terms, say);
        }
    }

    /// Takes one event of a shape that needs order.
    fn take_in_order(&mut self, event: KeyedEvent, terms: Terms, say: &mut Say<'_>) {
        let id = self.key(event.group.key_hash, event.group.is_other);
        let Some(key) = &mut self.keys[id as usize] else { return };
        let time_ns = event.time_ns;
        let next = OpenWindow::new(event.group);
        let Some(open) = key.open.first_mut() else {
            key.open.push(next);
            return self.after_event(id, time_ns, terms, say);
        };
        let span_ns = open.group.span_ns;
        if let WindowShape::Session { gap_ns, max_ns } = terms.shape {
            let fits = max_ns.is_none_or(|max_ns| time_ns - span_ns.0 <= max_ns);
            if !fits || time_ns > span_ns.1.saturating_add(gap_ns) {
                // Cut by its length it is decided by the event that no longer fits.
                let end_ns = terms.end_ns(span_ns.1);
                let decision_ns = end_ns.min(time_ns);
                let mut ended = std::mem::replace(open, next);
                say(decided(end_ns, decision_ns), &mut ended);
                return self.after_event(id, time_ns, terms, say);
            }
        }
        open.absorb(next);
        self.after_event(id, time_ns, terms, say);
    }

    /// Closes a count window that is full, and notes what has changed.
    fn after_event(&mut self, id: u32, time_ns: i64, terms: Terms, say: &mut Say<'_>) {
        if let (WindowShape::Count { events }, Some(key)) =
            (terms.shape, &mut self.keys[id as usize])
        {
            key.events += 1;
            if key.events >= events {
                key.events = 0;
                for mut full in key.open.drain(..) {
                    say(decided(terms.end_ns(time_ns), time_ns), &mut full);
                }
                return self.drop_if_idle(id);
            }
        }
        self.arm(id, terms, [terms.end_ns(time_ns)]);
        self.note_changed(id, terms);
    }

    fn close_key(&mut self, id: u32, watermark_ns: i64, terms: Terms, say: &mut Say<'_>) {
        let Some(key) = &mut self.keys[id as usize] else { return };
        key.sort();
        if terms.amend_ns > 0 {
            end_sessions(key, terms, watermark_ns, say);
        }
        let mut forget = Vec::new();
        let final_ns = |window: &OpenWindow| terms.final_ns(window.group.span_ns.1);
        for mut window in key.open.extract_if(.., |window| final_ns(window) <= watermark_ns) {
            let span_ns = window.group.span_ns;
            say(decided(terms.end_ns(span_ns.1), final_ns(&window)), &mut window);
            if !terms.shape.needs_order() {
                forget.push(terms.forget_ns(span_ns.1));
                key.decided.push(span_ns);
            }
        }
        let KeyWindows { open, decided, .. } = key;
        // An open session may be begun ever earlier, up to the decided one that is next to it.
        let lasts: Vec<i64> = decided.iter().map(|span| span.1).collect();
        let is_next = |last_ns: i64| {
            let firsts = open.iter().map(|window| window.group.span_ns.0);
            let mut after = firsts.filter(|first_ns| *first_ns > last_ns);
            after.any(|first_ns| !lasts.iter().any(|other| (last_ns + 1..first_ns).contains(other)))
        };
        decided.retain(|span| terms.forget_ns(span.1) > watermark_ns || is_next(span.1));
        self.arm(id, terms, forget);
        self.drop_if_idle(id);
    }

    /// Count windows that the end of the log finds open: decided by it, after everything else.
    fn close_rest(&mut self, terms: Terms, say: &mut Say<'_>) {
        for id in self.in_order((0..self.keys.len() as u32).collect()) {
            let Some(key) = &mut self.keys[id as usize] else { continue };
            for mut window in key.open.drain(..) {
                let end_ns = terms.end_ns(window.group.span_ns.1);
                say(decided(end_ns, end_ns.max(terms.rest_ns())), &mut window);
            }
        }
    }

    fn drop_if_idle(&mut self, id: u32) {
        let slot = &mut self.keys[id as usize];
        let Some(key) = slot else { return };
        if key.open.is_empty() && key.decided.is_empty() {
            if let Ok(entry) = self.index.find_entry(key.key_hash as u64, |&known| known == id) {
                entry.remove();
            }
            *slot = None;
            self.free.push(id);
        }
    }
}
