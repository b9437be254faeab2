//! The rows of windows off the grid: made when there is something to say of a window.
//!
//! A window is told apart by its start and end. A row that a later one replaces is withdrawn if
//! its window is no more: because the session has grown, or was joined to another.

use super::alert::Alert;
use super::applied::{KeyedEvent, RuleCounts, SliceDelta};
use super::clock::UNSEEN;
use super::close::Closed;
use super::groups::GroupId;
use super::keyed::Keyed;
use super::keyed_window::{Occasion, OpenWindow, Say, Terms, Word};
use super::past::Pasts;
use super::row_maker::RowMaker;
use super::windows::{Closing, Windows, withdrawn};
use crate::model::{Row, RowKind, RuleId, Value};
use crate::plan::{AggregateRule, Results};

/// Makes rows of windows.
struct Speaker<'a, 'b> {
    closing: &'a Closing<'b>,
    pasts: &'a mut Pasts,
    /// Memory to work in.
    columns: Vec<Value>,
    rows: Vec<Row>,
    /// By rule that an alert reads: the rows at the ends of windows.
    ended: Vec<(RuleId, Vec<(GroupId, Row)>)>,
}

impl Speaker<'_, '_> {
    fn say(&mut self, word: Word, window: &mut OpenWindow) {
        for index in 0..self.closing.table.windows.len() {
            let spec = &self.closing.table.windows[index];
            let Some(rule) = self.closing.rule(spec.rule) else { continue };
            let row = self.row(word, (spec.rule, rule), window);
            let ends = match word.occasion {
                Occasion::Ended => true,
                Occasion::Decided => self.closing.table.amend_ns == 0,
                Occasion::SoFar | Occasion::Amended | Occasion::Reopened => false,
            };
            let read = self.ended.iter_mut().find(|(rule, _)| ends && *rule == spec.rule);
            if let (Some((_, rows)), Some(row)) = (read, &row) {
                rows.push((window.group.id(), row.clone()));
            }
            self.replace(word, (spec.rule, spec.results), row, window);
        }
    }

    fn row(
        &mut self,
        word: Word,
        (id, rule): (RuleId, &AggregateRule),
        window: &mut OpenWindow,
    ) -> Option<Row> {
        if word.occasion == Occasion::Reopened {
            return None; // there is nothing to say of it before it ends again
        }
        let is_final = word.occasion == Occasion::Decided;
        let maker = RowMaker {
            rule,
            id,
            start_ns: window.group.span_ns.0,
            end_ns: word.end_ns,
            until_ns: word.until_ns,
            kind: if is_final { RowKind::Final } else { RowKind::Revision(0) },
            decision_ns: word.decision_ns,
        };
        maker.row(&mut window.group, self.pasts, &mut self.columns)
    }

    /// Says a row in the place of what was said of its window, or of those that it was made of.
    fn replace(
        &mut self,
        word: Word,
        (id, results): (RuleId, Results),
        row: Option<Row>,
        window: &mut OpenWindow,
    ) {
        let mut before = window.take_said(id);
        let revision = before.iter().map(|row| revision(row.kind)).max().unwrap_or(0) + 1;
        let span_ns = (window.group.span_ns.0, word.end_ns);
        let is_kept = word.occasion == Occasion::Reopened;
        let same = before
            .iter()
            .position(|old| (row.is_some() || is_kept) && (old.start_ns, old.end_ns) == span_ns);
        let same = same.map(|at| before.remove(at));
        self.rows.extend(before.into_iter().map(|old| withdrawn(old, word.decision_ns)));
        let Some(mut row) = row else {
            same.into_iter().for_each(|old| window.note_said(old));
            return;
        };
        let is_same = same.as_ref().is_some_and(|old| old.values == row.values);
        let is_final = row.kind == RowKind::Final;
        let says_changes = results == Results::Changes;
        match same {
            Some(old) if is_same && !is_final => {
                window.note_said(old);
                return;
            }
            Some(old) if says_changes => self.rows.push(withdrawn(old, word.decision_ns)),
            _ => {}
        }
        if !is_final {
            row.kind = RowKind::Revision(revision);
            window.note_said(row.clone());
        }
        self.rows.push(row);
    }
}

impl Speaker<'_, '_> {
    /// Whether an alert reads the rows.
    fn is_read_by(&self, alert: &Alert) -> bool {
        self.ended.iter().any(|(rule, _)| *rule == alert.source())
    }

    /// Lets alerts follow the rows at the ends of windows, in their order, up to a time.
    fn tell(&mut self, now_ns: i64, alerts: &mut [Alert], out: &mut Closed) {
        for (rule, rows) in &mut self.ended {
            let mut rows = std::mem::take(rows);
            rows.sort_by(|a, b| a.1.output_cmp(&b.1));
            for alert in alerts.iter_mut().filter(|alert| alert.source() == *rule) {
                for row in &rows {
                    let row = std::slice::from_ref(row);
                    alert.follow(row[0].1.decision_ns, row, &mut out.transitions);
                }
                alert.expire(now_ns, &mut out.transitions);
            }
        }
    }
}

fn revision(kind: RowKind) -> u32 {
    if let RowKind::Revision(revision) = kind { revision } else { 0 }
}

impl Windows {
    /// Takes what has come for windows off the grid, and decides what the watermark has passed.
    /// Late items go to `late`.
    pub(crate) fn close_keyed(
        &mut self,
        closing: &Closing<'_>,
        (deltas, events): (Vec<SliceDelta>, Vec<KeyedEvent>),
        alerts: &mut [Alert],
        late: &mut Vec<Row>,
        out: &mut Closed,
    ) {
        let Some(terms) = Terms::of(closing.table, closing.top_ns) else { return };
        let read = |id: RuleId| alerts.iter().any(|alert| alert.source() == id);
        let rules = closing.table.windows.iter().map(|window| window.rule);
        let ended = rules.filter(|id| read(*id)).map(|id| (id, Vec::new())).collect();
        let (pasts, columns) = (&mut self.pasts, Vec::new());
        let mut speaker = Speaker { closing, pasts, columns, rows: Vec::new(), ended };
        let mut arriving = Arriving::new(closing, deltas, events);
        let mut counts = RuleCounts::default();
        let keyed = &mut self.keyed;
        let mut from_ns = self.keyed_ns;
        while let Some(stop) = arriving.next_stop(keyed, from_ns, terms, &speaker, alerts) {
            if stop.at_ns() > closing.watermark_ns {
                break;
            }
            let say = &mut |word: Word, window: &mut OpenWindow| speaker.say(word, window);
            arriving.take(keyed, stop, terms, (&mut counts, late), say);
            match stop {
                Stop::Boundary(at_ns) => {
                    keyed.close(at_ns.saturating_sub(1), terms, say);
                    keyed.say_so_far(at_ns, terms, say);
                }
                Stop::Look(at_ns) => {
                    keyed.close(at_ns, terms, say);
                    speaker.tell(at_ns, alerts, out);
                    let (look, is_open) = ((at_ns, terms.gap_ns()), |id| keyed.is_open(id, at_ns));
                    for alert in alerts.iter_mut().filter(|alert| speaker.is_read_by(alert)) {
                        alert.look(look, is_open, &mut out.transitions);
                    }
                }
                Stop::Whole => {}
            }
            from_ns = stop.at_ns();
        }
        let say = &mut |word: Word, window: &mut OpenWindow| speaker.say(word, window);
        arriving.take(keyed, Stop::Whole, terms, (&mut counts, late), say);
        if closing.watermark_ns != UNSEEN {
            keyed.close(closing.watermark_ns, terms, say);
            if terms.results == Results::Changes {
                keyed.say_changes(closing.watermark_ns, terms, say);
            }
        }
        self.keyed_ns = closing.watermark_ns;
        speaker.tell(closing.watermark_ns.min(closing.top_ns), alerts, out);
        out.rows.extend(speaker.rows);
        for window in &closing.table.windows {
            out.rules[window.rule.0 as usize].merge(&counts);
        }
    }
}

/// A place in event time at which there is something to do before going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    /// `results every` speaks of what is before it.
    Boundary(i64),
    /// Alerts hear of what has ended by then, and that groups have none.
    Look(i64),
    /// There is none: all of the epoch.
    Whole,
}

impl Stop {
    fn at_ns(self) -> i64 {
        match self {
            Self::Boundary(at_ns) | Self::Look(at_ns) => at_ns,
            Self::Whole => i64::MAX,
        }
    }
}

/// What an epoch brings for a table, in the order in which boundaries of event time cut it.
struct Arriving {
    deltas: std::iter::Peekable<std::vec::IntoIter<(i64, SliceDelta)>>,
    events: std::iter::Peekable<std::vec::IntoIter<KeyedEvent>>,
}

/// When an event came, as event time went: rows of rules have no watermark before them, and come
/// in their order.
fn arrived_ns(event: &KeyedEvent) -> i64 {
    event.watermark_ns.max(event.time_ns)
}

impl Arriving {
    fn new(closing: &Closing<'_>, deltas: Vec<SliceDelta>, mut events: Vec<KeyedEvent>) -> Self {
        let start = |delta: SliceDelta| (closing.table.slice_start_ns(delta.slice), delta);
        let mut deltas: Vec<(i64, SliceDelta)> = deltas.into_iter().map(start).collect();
        deltas.sort_by_key(|(start_ns, _)| *start_ns);
        events.sort_by_key(|event| (arrived_ns(event), event.seq, event.row));
        Self { deltas: deltas.into_iter().peekable(), events: events.into_iter().peekable() }
    }

    /// The first time of what is still to come.
    fn pending_ns(&mut self, keyed: &Keyed) -> Option<i64> {
        let delta_ns = self.deltas.peek().map(|(start_ns, _)| *start_ns);
        let event_ns = self.events.peek().map(arrived_ns);
        delta_ns.into_iter().chain(event_ns).chain(keyed.first_waiting_ns()).min()
    }

    /// The next place to stop at, if any.
    fn next_stop(
        &mut self,
        keyed: &Keyed,
        from_ns: i64,
        terms: Terms,
        speaker: &Speaker<'_, '_>,
        alerts: &[Alert],
    ) -> Option<Stop> {
        let boundary = match terms.results {
            Results::Every(every_ns) => self.next_boundary(keyed, from_ns, every_ns),
            Results::Final | Results::Changes => None,
        };
        let gap_ns = terms.gap_ns();
        let mut watching = alerts.iter().filter(|a| a.has_no_data() && speaker.is_read_by(a));
        let look = if gap_ns > 0 && watching.clone().next().is_some() {
            // A row looks ahead by a gap: in steps of one, no look is passed unseen.
            let pending = self.pending_ns(keyed).into_iter().chain(keyed.first_deadline_ns()).min();
            let step = pending.map(|at_ns| at_ns.max(from_ns).saturating_add(gap_ns));
            let looks = watching.by_ref().filter_map(|a| a.next_look_ns(from_ns, gap_ns));
            // The end of the log ends no hold: event time goes as far as there are items.
            let now_ns = speaker.closing.watermark_ns.min(speaker.closing.top_ns);
            looks.chain(step).min().filter(|at_ns| *at_ns <= now_ns)
        } else {
            None
        };
        boundary
            .map(Stop::Boundary)
            .into_iter()
            .chain(look.map(Stop::Look))
            .min_by_key(|stop| (stop.at_ns(), *stop))
    }

    /// The next boundary at which there may be something to say.
    fn next_boundary(&mut self, keyed: &Keyed, from_ns: i64, every_ns: i64) -> Option<i64> {
        let mut from_ns = from_ns;
        if !keyed.has_changed() {
            from_ns = from_ns.max(self.pending_ns(keyed)?);
        }
        Some((from_ns.div_euclid(every_ns) + 1).saturating_mul(every_ns))
    }

    /// Hands over what belongs before a stop.
    fn take(
        &mut self,
        keyed: &mut Keyed,
        stop: Stop,
        terms: Terms,
        (counts, late): (&mut RuleCounts, &mut Vec<Row>),
        say: &mut Say<'_>,
    ) {
        let at_ns = stop.at_ns();
        // What ends at a look may go on with an event at that very time.
        let before_ns = if let Stop::Look(_) = stop { at_ns.saturating_add(1) } else { at_ns };
        while let Some((_, delta)) = self.deltas.next_if(|(start_ns, _)| *start_ns < before_ns) {
            delta.groups.into_iter().for_each(|group| keyed.merge(group, terms));
        }
        // What came when the watermark was there already comes behind the stop, whenever it is.
        let is_before = |event: &KeyedEvent| {
            stop == Stop::Whole || (event.watermark_ns < at_ns && event.time_ns < before_ns)
        };
        while let Some(event) = self.events.next_if(is_before) {
            keyed.take(event, terms, (counts, late), say);
        }
    }
}
