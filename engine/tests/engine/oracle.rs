//! A naive evaluator: one event after another, no slices, no batches, no sharing.
//!
//! It is written from the language's definition of watermark and lateness and shares no code with
//! the engine's operators.

use std::collections::BTreeMap;

/// The source of the recorded clock: an "event" of it is a tick, without a key.
pub const TICK: usize = usize::MAX;

/// One event as the oracle sees it.
#[derive(Debug, Clone)]
pub struct Event {
    pub source: usize,
    pub key: String,
    pub time_ns: i64,
}

/// A window of the oracle.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    Sliding { size_ns: i64, every_ns: i64 },
    Cumulate { size_ns: i64, every_ns: i64 },
    Session { gap_ns: i64 },
    Count { events: usize },
}

/// (start, end, key) → number of events.
pub type Rows = BTreeMap<(i64, i64, String), u64>;

pub struct Answer {
    pub rows: Rows,
    /// Events all of whose windows had closed.
    pub late: u64,
}

const LATENESS_NS: i64 = super::plans::LATENESS_NS;
const IDLE_NS: i64 = super::plans::IDLE_NS;

/// Event time as the language defines it, recomputed from all highs at every event.
#[derive(Default)]
struct Time {
    /// By source: its high, and the tick at which it was last heard.
    sources: BTreeMap<usize, (i64, Option<i64>)>,
    tick_ns: Option<i64>,
    watermark_ns: Option<i64>,
}

impl Time {
    fn see(&mut self, event: &Event) {
        if event.source == TICK {
            self.tick_ns = self.tick_ns.max(Some(event.time_ns));
            // Whoever spoke before there was a clock spoke at its first tick.
            self.sources.values_mut().for_each(|(_, heard)| *heard = heard.or(self.tick_ns));
        } else {
            let known = self.sources.entry(event.source).or_insert((event.time_ns, None));
            *known = (known.0.max(event.time_ns), self.tick_ns);
        }
        let Some(top) = self.sources.values().map(|(high, _)| *high).max() else { return };
        let tick = self.tick_ns.unwrap_or(0);
        let silent = |heard: Option<i64>| heard.map_or(0, |heard| tick - heard);
        let is_idle =
            |(high, heard): (i64, Option<i64>)| high < top - IDLE_NS || silent(heard) > IDLE_NS;
        let awake = self.sources.values().filter(|of| !is_idle(**of)).map(|(high, _)| *high);
        let low = awake.min().unwrap_or_else(|| {
            let gone_on = |(high, heard): &(i64, _)| high + (silent(*heard) - IDLE_NS).max(0);
            self.sources.values().map(gone_on).max().unwrap()
        });
        self.watermark_ns = self.watermark_ns.max(Some(low - LATENESS_NS));
    }

    fn passed(&self, time_ns: i64) -> bool {
        self.watermark_ns.is_some_and(|watermark_ns| time_ns <= watermark_ns)
    }
}

/// All windows that hold a time.
fn windows_of(window: Window, time_ns: i64) -> Vec<(i64, i64)> {
    match window {
        Window::Sliding { size_ns, every_ns } => {
            let mut end = time_ns.div_euclid(every_ns) * every_ns + every_ns;
            let mut found = Vec::new();
            while end - size_ns <= time_ns {
                found.push((end - size_ns, end));
                end += every_ns;
            }
            found
        }
        Window::Cumulate { size_ns, every_ns } => {
            let start = time_ns.div_euclid(size_ns) * size_ns;
            let mut end = time_ns.div_euclid(every_ns) * every_ns + every_ns;
            let mut found = Vec::new();
            while end <= start + size_ns {
                found.push((start, end));
                end += every_ns;
            }
            found
        }
        Window::Session { .. } | Window::Count { .. } => Vec::new(),
    }
}

pub fn evaluate(window: Window, events: &[Event]) -> Answer {
    match window {
        Window::Session { gap_ns } => sessions(gap_ns, events),
        Window::Count { events: size } => counts(size, events),
        _ => grid(window, events),
    }
}

fn grid(window: Window, events: &[Event]) -> Answer {
    let (mut time, mut rows, mut late) = (Time::default(), Rows::new(), 0);
    for event in events {
        if event.source == TICK {
            time.see(event);
            continue;
        }
        let all = windows_of(window, event.time_ns);
        let open: Vec<_> = all.iter().filter(|(_, end)| !time.passed(*end)).collect();
        late += u64::from(open.is_empty());
        for (start, end) in open {
            *rows.entry((*start, *end, event.key.clone())).or_default() += 1;
        }
        time.see(event);
    }
    Answer { rows, late }
}

fn sessions(gap_ns: i64, events: &[Event]) -> Answer {
    // Sessions of a key as (first, last, count, closed).
    let mut open: BTreeMap<String, Vec<(i64, i64, u64, bool)>> = BTreeMap::new();
    let (mut time, mut late) = (Time::default(), 0);
    for event in events {
        for sessions in open.values_mut() {
            for session in sessions.iter_mut() {
                session.3 |= time.passed(session.1 + gap_ns);
            }
        }
        if event.source == TICK {
            time.see(event);
            continue;
        }
        let sessions = open.entry(event.key.clone()).or_default();
        let t = event.time_ns;
        let touches = |s: &(i64, i64, u64, bool)| s.0 - gap_ns <= t && t <= s.1 + gap_ns;
        let touched: Vec<_> = sessions.iter().filter(|s| touches(s)).copied().collect();
        let is_late =
            touched.iter().any(|s| s.3) || (touched.is_empty() && time.passed(t + gap_ns));
        if is_late {
            late += 1;
        } else {
            sessions.retain(|s| !touches(s));
            let first = touched.iter().map(|s| s.0).chain([t]).min().unwrap();
            let last = touched.iter().map(|s| s.1).chain([t]).max().unwrap();
            let count = touched.iter().map(|s| s.2).sum::<u64>() + 1;
            sessions.push((first, last, count, false));
        }
        time.see(event);
    }
    let mut rows = Rows::new();
    for (key, sessions) in open {
        for (first, last, count, _) in sessions {
            rows.insert((first, last + gap_ns, key.clone()), count);
        }
    }
    Answer { rows, late }
}

fn counts(size: usize, events: &[Event]) -> Answer {
    let (mut time, mut late) = (Time::default(), 0);
    let mut taken: BTreeMap<String, Vec<(i64, usize, usize)>> = BTreeMap::new();
    for (position, event) in events.iter().enumerate() {
        if event.source == TICK {
            // A tick is nobody's event.
        } else if time.passed(event.time_ns) {
            late += 1;
        } else {
            let place = (event.time_ns, event.source, position);
            taken.entry(event.key.clone()).or_default().push(place);
        }
        time.see(event);
    }
    let mut rows = Rows::new();
    for (key, mut places) in taken {
        places.sort_unstable();
        for window in places.chunks(size) {
            let (first, last) = (window[0].0, window[window.len() - 1].0);
            *rows.entry((first, last + 1, key.clone())).or_default() += window.len() as u64;
        }
    }
    Answer { rows, late }
}
