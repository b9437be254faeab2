//! A window off the grid: what it holds, when it ends, and the occasions to speak of it.
//!
//! Must not know of keys but the one that it belongs to, nor what rows say.

use serde::{Deserialize, Serialize};

use super::groups::GroupDelta;
use crate::model::{Row, RuleId};
use crate::plan::{Results, Table, WindowShape};

/// What a table off the grid asks of its windows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(super) shape: WindowShape,
    pub(super) amend_ns: i64,
    /// When windows are spoken of before they end.
    pub(crate) results: Results,
    /// How far time has come.
    top_ns: i64,
}

impl Terms {
    /// Of a table off the grid: its windows are alike.
    pub(crate) fn of(table: &Table, top_ns: i64) -> Option<Self> {
        let window = table.windows.first().filter(|window| !window.shape.is_grid())?;
        let (shape, results) = (window.shape, window.results);
        Some(Self { shape, amend_ns: table.amend_ns, results, top_ns })
    }

    /// When the end of the log decides what it leaves unfinished: behind everything that time
    /// decided before.
    pub(super) fn rest_ns(self) -> i64 {
        match self.results {
            Results::Every(every_ns) => {
                (self.top_ns.div_euclid(every_ns) + 1).saturating_mul(every_ns)
            }
            Results::Final | Results::Changes => self.top_ns.saturating_add(1),
        }
    }

    /// The longest gap inside a window, nanoseconds; 0 for windows without one.
    pub(super) fn gap_ns(self) -> i64 {
        if let WindowShape::Session { gap_ns, .. } = self.shape { gap_ns } else { 0 }
    }

    pub(super) fn is_count(self) -> bool {
        matches!(self.shape, WindowShape::Count { .. })
    }

    /// The end of a window with a last event: of a session its gap, of a count window the event.
    pub(super) fn end_ns(self, last_ns: i64) -> i64 {
        last_ns.saturating_add(if self.is_count() { 1 } else { self.gap_ns() })
    }

    /// When a session is decided for good.
    pub(super) fn final_ns(self, last_ns: i64) -> i64 {
        self.end_ns(last_ns).saturating_add(self.amend_ns)
    }

    /// From when on no event that would have extended a decided session can begin another, nor
    /// can one begin that such an event would join as well.
    pub(super) fn forget_ns(self, last_ns: i64) -> i64 {
        self.final_ns(last_ns).saturating_add(self.gap_ns().saturating_mul(2))
    }
}

/// Why a window is spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It is still open.
    SoFar,
    /// It has ended, and late events may amend it.
    Ended,
    /// A late event has changed it since.
    Amended,
    /// A late event has made it, or what it was made of, go on: what was said is void.
    Reopened,
    /// It is decided for good.
    Decided,
}

/// Something to say of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) occasion: Occasion,
    pub(crate) end_ns: i64,
    /// How far the window has been seen.
    pub(crate) until_ns: i64,
    pub(crate) decision_ns: i64,
}

/// Takes what there is to say.
pub(crate) type Say<'a> = dyn FnMut(Word, &mut OpenWindow) + 'a;

/// A window that is not decided for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenWindow {
    pub(crate) group: GroupDelta,
    /// Most windows are spoken of once: then there is nothing to note.
    notes: Option<Box<Notes>>,
}

/// What has been said of a window.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Notes {
    has_ended: bool,
    /// Rows that later ones replace.
    said: Vec<Row>,
}

impl OpenWindow {
    pub(super) fn new(group: GroupDelta) -> Self {
        Self { group, notes: None }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.notes.as_ref().is_some_and(|notes| notes.has_ended)
    }

    pub(super) fn set_ended(&mut self, has_ended: bool) {
        if has_ended || self.notes.is_some() {
            self.notes.get_or_insert_default().has_ended = has_ended;
        }
    }

    /// Whether rows were said of it that stand.
    pub(super) fn was_said(&self) -> bool {
        self.notes.as_ref().is_some_and(|notes| !notes.said.is_empty())
    }

    /// Takes out what a rule has said of it.
    pub(crate) fn take_said(&mut self, rule: RuleId) -> Vec<Row> {
        let notes = self.notes.as_mut();
        notes.map_or(Vec::new(), |n| n.said.extract_if(.., |row| row.rule == rule).collect())
    }

    /// Notes a row that a later one replaces.
    pub(crate) fn note_said(&mut self, row: Row) {
        self.notes.get_or_insert_default().said.push(row);
    }

    /// Adds another window's events, and what was said of it.
    pub(super) fn absorb(&mut self, other: Self) {
        let (mine, theirs) = (&mut self.group, other.group);
        mine.span_ns.0 = mine.span_ns.0.min(theirs.span_ns.0);
        mine.span_ns.1 = mine.span_ns.1.max(theirs.span_ns.1);
        for (mine, theirs) in mine.partials.iter_mut().zip(theirs.partials) {
            mine.merge(theirs);
        }
        if let Some(theirs) = other.notes {
            let mine = self.notes.get_or_insert_default();
            mine.has_ended |= theirs.has_ended;
            mine.said.extend(theirs.said);
        }
    }
}

/// The open and lately decided sessions of one key, or its open count window.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyWindows {
    pub(super) key_hash: u128,
    pub(super) is_other: bool,
    /// Whether open windows have changed since they were spoken of.
    pub(super) is_changed: bool,
    /// Whether late events have changed windows since the watermark moved.
    pub(super) is_amended: bool,
    /// Events in the open count window.
    pub(super) events: u32,
    pub(super) open: Vec<OpenWindow>,
    /// (first, last) of decided sessions that an event could still belong to.
    pub(super) decided: Vec<(i64, i64)>,
}

impl KeyWindows {
    pub(super) fn sort(&mut self) {
        self.open.sort_by_key(|window| window.group.span_ns);
    }
}

/// The last word on a window.
pub(super) fn decided(end_ns: i64, decision_ns: i64) -> Word {
    Word { occasion: Occasion::Decided, end_ns, until_ns: end_ns, decision_ns }
}

/// Says the first row of sessions that have ended and may be amended.
pub(super) fn end_sessions(
    key: &mut KeyWindows,
    terms: Terms,
    watermark_ns: i64,
    say: &mut Say<'_>,
) {
    key.sort();
    for window in &mut key.open {
        let end_ns = terms.end_ns(window.group.span_ns.1);
        if !window.has_ended() && end_ns <= watermark_ns {
            window.set_ended(true);
            let occasion = Occasion::Ended;
            say(Word { occasion, end_ns, until_ns: end_ns, decision_ns: end_ns }, window);
        }
    }
}

/// Joins a window to the sessions that it touches, which become one.
pub(super) fn join(
    open: &mut Vec<OpenWindow>,
    mut window: OpenWindow,
    gap_ns: i64,
) -> &mut OpenWindow {
    let mut at = 0;
    while at < open.len() {
        let (first_ns, last_ns) = open[at].group.span_ns;
        let mine = window.group.span_ns;
        let touches =
            first_ns <= mine.1.saturating_add(gap_ns) && mine.0 <= last_ns.saturating_add(gap_ns);
        if touches {
            let other = open.swap_remove(at);
            window.absorb(other);
            at = 0;
        } else {
            at += 1;
        }
    }
    open.push(window);
    let at = open.len() - 1;
    &mut open[at]
}
