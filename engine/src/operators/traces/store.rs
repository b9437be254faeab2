//! The open traces of one rule on one worker.
//!
//! Invariant: what becomes of a span depends on the spans of its trace before it in the log and on
//! the watermark as of the row before it, on nothing else; only the bound on a shard's spans looks
//! beyond, at the other traces of the shard.

mod closing;
mod found;
mod repeated;
mod stored;

use std::sync::Arc;

use hashbrown::HashTable;

use super::assembled::Assembled;
use super::block::SpanBlock;
use super::closed_ids::ClosedIds;
use super::head::{Head, Rest, Trace};
use super::held::{HeldSpan, HeldSpans};
use super::spans::Spans;
use super::state::shard_key;
use super::wheel::{Wheel, bucket_of};
use crate::limits::SHARDS;
use crate::model::{Row, Value};
use crate::operators::applied::RuleCounts;
use crate::operators::clock::UNSEEN;
use crate::operators::sample::EarlyClose;
use crate::plan::TraceRule;
use closing::Closing;
use found::{Found, LOOKED_UP};
use repeated::{ManyIds, seen_bit};

/// The open traces.
pub(super) struct Store {
    rule: Arc<TraceRule>,
    /// No trace closes within this after its first time, nanoseconds.
    soonest_ns: i64,
    /// How far the watermark stays behind the latest time.
    lateness_ns: i64,
    /// Whether spans count at their starts, as far as any came.
    counts_at_starts: bool,
    index: HashTable<u32>,
    traces: Vec<Trace>,
    /// By trace: what is read of its root.
    roots: Vec<Value>,
    free: Vec<u32>,
    needs_spans: bool,
    /// Whether each span may move the end of its trace.
    needs_ends: bool,
    spans: Spans,
    held: HeldSpans,
    wheel: Wheel,
    closed: ClosedIds,
    /// By shard: spans of open traces.
    spans_of: Vec<u32>,
    spans_per_shard_max: usize,
    /// Traces that closed before their time in this epoch, by reason.
    early: [u64; EarlyClose::ALL.len()],
    many_ids: ManyIds,
    /// Reused between traces.
    assembled: Option<Box<Assembled>>,
    found: Found,
    closing: Closing,
}

/// Who hears of closed traces.
pub(super) type OnClose<'a> = dyn Hears + 'a;

/// What is told of traces.
pub(super) trait Hears {
    /// Brings near what is looked at when a trace closes, by its key.
    fn prefetch(&self, key: u64);

    /// A trace has closed.
    fn closed(&mut self, trace: &mut Assembled, held: &mut HeldSpans);

    /// A span came to a trace that had closed, at a watermark.
    fn late(&mut self, id: [u8; 16], watermark_ns: i64, span: HeldSpan, held: &mut HeldSpans);
}

/// The place of a span in its block, and the watermark as of the row before.
type At = (usize, i64);

/// What only some spans have: their places among the roots of the block, and among those that state
/// their randomness.
type Extra = (Option<usize>, Option<usize>);

/// Takes the values of a root in place of those of another one, or of nulls.
fn take_values(own: &mut [Value], values: &mut [Value], has_other: bool) {
    for (own, value) in own.iter_mut().zip(values) {
        let old = std::mem::replace(own, std::mem::take(value));
        if !has_other {
            // Nothing has to be read in order to drop null.
            std::mem::forget(old);
        }
    }
}

/// The earliest start and the latest end of a trace.
fn ends_ns(head: &Head, rest: &Rest, counts_at_starts: bool) -> (i64, i64) {
    if counts_at_starts && !rest.is_apart {
        return (rest.start_ns.min(head.first_ns), rest.end_ns.max(head.last_ns));
    }
    (rest.start_ns, rest.end_ns)
}

impl Store {
    pub(super) fn new(rule: &Arc<TraceRule>, lateness_ns: i64) -> Self {
        Self {
            lateness_ns,
            rule: Arc::clone(rule),
            soonest_ns: rule.soonest_ns(),
            counts_at_starts: false,
            index: HashTable::new(),
            traces: Vec::new(),
            roots: Vec::new(),
            free: Vec::new(),
            needs_spans: rule.needs_spans(),
            needs_ends: rule.needs_ends(),
            spans: Spans::new(rule),
            held: HeldSpans::default(),
            wheel: Wheel::default(),
            closed: ClosedIds::new(),
            spans_of: vec![0; SHARDS as usize],
            spans_per_shard_max: rule.spans_per_shard_max(),
            early: [0; EarlyClose::ALL.len()],
            many_ids: ManyIds::new(),
            assembled: None,
            found: Found::default(),
            closing: Closing::default(),
        }
    }

    pub(super) fn rule(&self) -> &Arc<TraceRule> {
        &self.rule
    }

    /// The spans that are held as received.
    pub(super) fn held(&mut self) -> &mut HeldSpans {
        &mut self.held
    }

    /// Traces that closed before their time since this was last asked, by reason.
    pub(super) fn take_early(&mut self) -> [u64; EarlyClose::ALL.len()] {
        std::mem::take(&mut self.early)
    }

    /// Open traces.
    pub(super) fn open(&self) -> usize {
        self.index.len()
    }

    /// An estimate of the bytes held, without texts.
    pub(super) fn held_bytes(&self) -> u64 {
        let root = self.rule.of_root.len() * size_of::<Value>();
        let trace = size_of::<Trace>() + root;
        let index = self.index.capacity() * (size_of::<u32>() + 1);
        let traces = (self.traces.len() * trace + index) as u64;
        traces + self.closed.bytes() + self.spans.bytes() + self.held.bytes_beside()
    }

    /// Takes spans, those of a block in log order, blocks in log order.
    pub(super) fn take(
        &mut self,
        mut block: SpanBlock,
        counts: &mut RuleCounts,
        late: &mut Vec<Row>,
        close: &mut OnClose<'_>,
    ) {
        let roots = std::mem::take(&mut block.roots);
        let mut next_root = 0;
        let mut late_rows = std::mem::take(&mut block.late).into_iter().peekable();
        let mut next_stated = 0;
        let frame = self.held.begin(&mut block);
        self.counts_at_starts = block.times_ns.is_empty();
        self.spans.begin(&mut block);
        let mut next_mark = 0;
        let mut watermark_ns = UNSEEN;
        let mut found = std::mem::take(&mut self.found);
        for at in 0..block.len() {
            if at % LOOKED_UP == 0 {
                self.look_ahead_of((&block, &roots), at, &mut found);
            }
            while let Some(mark) = block.watermarks.get(next_mark).filter(|m| m.0 as usize <= at) {
                watermark_ns = mark.1;
                next_mark += 1;
            }
            let is_own = |entry: &u32| *entry as usize == at;
            let root = roots.get(next_root).is_some_and(is_own).then_some(next_root);
            next_root += usize::from(root.is_some());
            let stated = block.randomness.get(next_stated).is_some_and(|(entry, _)| is_own(entry));
            let stated = stated.then_some(next_stated);
            next_stated += usize::from(stated.is_some());
            let place = self.place_of(&block.trace_ids[at], found.at(at));
            let extra = (root, stated);
            if self.span(&mut block, (at, watermark_ns), (place, frame), extra, close) {
                counts.used += 1;
                continue;
            }
            if let Some(frame) = frame {
                let span = self.held.hold(frame, at);
                close.late(block.trace_ids[at], watermark_ns, span, &mut self.held);
                self.held.release(frame);
            }
            counts.late += 1;
            while late_rows.next_if(|(entry, _)| (*entry as usize) < at).is_some() {}
            let late_row = late_rows.next_if(|(entry, _)| is_own(entry)).map(|(_, row)| row);
            let behind_ns = watermark_ns.saturating_sub(block.time_ns(at));
            counts.worst_late_ns = counts.worst_late_ns.max(behind_ns);
            late.extend(late_row);
        }
        self.found = found;
        if let Some(frame) = frame {
            self.held.release(frame);
        }
    }

    fn find(&self, key: u64, id: &[u8; 16]) -> Option<u32> {
        self.index.find(key, |&place| self.traces[place as usize].head.id == *id).copied()
    }

    /// The key and the place of a trace that was looked up a few spans before.
    fn place_of(&self, id: &[u8; 16], (key, place): (u64, u32)) -> (u64, Option<u32>) {
        let is_still = |head: &&Head| head.is_open && head.id == *id;
        let head = self.traces.get(place as usize).map(|own| &own.head).filter(is_still);
        (key, if head.is_some() { Some(place) } else { self.find(key, id) })
    }

    /// Takes one span. Returns whether its trace was open.
    fn span(
        &mut self,
        block: &mut SpanBlock,
        (at, watermark_ns): At,
        ((key, found), frame): ((u64, Option<u32>), Option<u32>),
        extra: Extra,
        close: &mut OnClose<'_>,
    ) -> bool {
        let id = block.trace_ids[at];
        if let Some(place) = found {
            let head = &self.traces[place as usize].head;
            let is_young = head.first_ns.saturating_add(self.soonest_ns) > watermark_ns;
            if is_young || self.deadline_ns(head) > watermark_ns {
                self.join((place, key), block, (at, watermark_ns), (extra, frame), close);
                return true;
            }
            let deadline_ns = self.deadline_ns(head);
            // It had closed by the row before, in the middle of an epoch: perhaps so long before
            // that it is forgotten.
            self.close((place, key), deadline_ns, None, close);
        }
        let time_ns = block.time_ns(at);
        let would_ns = self.rule.deadline_ns(time_ns, time_ns, extra.0.is_some());
        if would_ns <= watermark_ns || self.closed.holds(key, &id, watermark_ns) {
            return false;
        }
        let place = self.open_head(key, id, time_ns);
        self.join((place, key), block, (at, watermark_ns), (extra, frame), close);
        true
    }

    fn open_head(&mut self, key: u64, id: [u8; 16], time_ns: i64) -> u32 {
        let place = self.free.pop().unwrap_or(self.traces.len() as u32);
        let old = self.traces.get_mut(place as usize);
        let before = old.as_ref().map_or(0, |trace| trace.head.generation);
        let head = Head::new(id, time_ns, before.wrapping_add(1));
        let trace = Trace { head, rest: Rest::default() };
        match old {
            Some(old) => *old = trace,
            None => {
                self.traces.push(trace);
                let values = self.traces.len() * self.rule.of_root.len();
                self.roots.resize(values, Value::Null);
            }
        }
        let traces = &self.traces;
        let hash = |place: &u32| shard_key(&traces[*place as usize].head.id);
        self.index.insert_unique(key, place, hash);
        place
    }

    fn join(
        &mut self,
        (place, key): (u32, u64),
        block: &mut SpanBlock,
        (at, watermark_ns): At,
        ((root, stated), frame): (Extra, Option<u32>),
        close: &mut OnClose<'_>,
    ) {
        let is_repeated = self.is_repeated(place, block, (at, watermark_ns), (root, stated));
        let (root, stated) = if is_repeated { (None, None) } else { (root, stated) };
        let bytes = self.spans.bytes_each() as u32;
        let Trace { head, rest } = &mut self.traces[place as usize];
        let (time_ns, start_ns) = (block.time_ns(at), block.starts_ns[at]);
        if is_repeated && self.needs_ends {
            (rest.start_ns, rest.end_ns) = ends_ns(head, rest, self.counts_at_starts);
            rest.is_apart = true;
        }
        let id = block.span_ids[at];
        head.seen |= seen_bit(id);
        // It is read in one word with what is written below, and would wait for that.
        let generation = head.generation;
        // Nothing else brings a deadline nearer.
        let mut is_sooner = head.spans == 0 || time_ns < head.first_ns;
        head.first_ns = head.first_ns.min(time_ns);
        head.last_ns = head.last_ns.max(time_ns);
        head.floor_ns = watermark_ns;
        head.bytes = head.bytes.saturating_add(bytes);
        if !is_repeated {
            // Nothing of it is looked at where nothing has to be.
            let has_ends = !self.counts_at_starts || (self.needs_ends && rest.is_apart);
            rest.add(block, at, has_ends);
        }
        let mine = (start_ns, id);
        if let Some(root) = root
            && (!head.has_root || mine < rest.root)
        {
            is_sooner |= !head.has_root;
            let count = self.rule.of_root.len();
            let own = &mut self.roots[place as usize * count..][..count];
            let values = &mut block.root_values[root * count..][..count];
            take_values(own, values, head.has_root);
            (head.has_root, rest.root) = (true, mine);
        }
        if let Some((_, randomness)) = stated.and_then(|at| block.randomness.get(at))
            && rest.randomness.as_ref().is_none_or(|known| mine < (known.0, known.1))
        {
            rest.randomness = Some(Box::new((mine.0, mine.1, *randomness)));
        }
        if let Some(frame) = frame {
            let (span, bytes) = self.held.hold_before(frame, at, head.held);
            head.bytes = head.bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
            head.held = span.number();
        }
        if self.needs_spans {
            head.newest = self.spans.push(block, at, (head.newest, head.spans));
        }
        head.spans += 1;
        let (spans, bytes) = (head.spans, head.bytes);
        self.note_id(place, id);
        if is_sooner {
            self.wait((place, generation));
        }
        // Before the first row of all is no time: it counts as the time that this row makes.
        let first_ns = time_ns.saturating_sub(self.lateness_ns);
        let passed_ns = if watermark_ns == UNSEEN { first_ns } else { watermark_ns };
        self.keep_to_bounds((place, key), (spans, bytes), passed_ns, close);
    }

    /// Closes a trace that has grown to a bound, or makes room in its shard.
    fn keep_to_bounds(
        &mut self,
        (place, key): (u32, u64),
        (spans, bytes): (u32, u32),
        watermark_ns: i64,
        close: &mut OnClose<'_>,
    ) {
        let shard = (key % SHARDS) as usize;
        self.spans_of[shard] += 1;
        let early = if spans >= self.rule.spans_max {
            Some(EarlyClose::Spans)
        } else {
            (u64::from(bytes) >= self.rule.bytes_max).then_some(EarlyClose::Bytes)
        };
        if early.is_some() {
            self.close((place, key), watermark_ns.saturating_add(1), early, close);
        } else if self.spans_of[shard] as usize > self.spans_per_shard_max {
            self.relieve(shard, watermark_ns, close);
        }
    }

    /// When a trace closes, unless more spans come. One that lies behind what the log had already
    /// passed comes with the next row that moves time.
    fn deadline_ns(&self, head: &Head) -> i64 {
        let due_ns = self.rule.deadline_ns(head.first_ns, head.last_ns, head.has_root);
        due_ns.max(head.floor_ns.saturating_add(1))
    }

    /// Lets a trace wait for its deadline.
    fn wait(&mut self, (place, generation): (u32, u16)) {
        let bucket = bucket_of(self.deadline_ns(&self.traces[place as usize].head));
        let rest = &mut self.traces[place as usize].rest;
        // Later deadlines are looked up again when the bucket comes.
        if bucket < rest.bucket {
            rest.bucket = bucket;
            self.wheel.wait(bucket, (place, generation));
        }
    }
}
