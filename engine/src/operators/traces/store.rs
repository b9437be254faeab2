//! The open traces of one rule on one worker.
//!
//! Invariant: what becomes of a span depends on the spans of its trace before it in the log and on
//! the watermark as of the row before it, on nothing else; only the bound on a shard's spans looks
//! beyond, at the other traces of the shard.

use std::sync::Arc;

use hashbrown::HashTable;

use super::assembled::Assembled;
use super::block::SpanBlock;
use super::closed_ids::ClosedIds;
use super::head::Head;
use super::held::{HeldSpan, HeldSpans};
use super::spans::{NONE, Spans};
use super::state::{OpenTrace, TraceState, shard_key};
use super::wheel::{Wheel, begin_of, bucket_of};
use crate::limits::{SHARDS, TRACE_SPANS_PER_SHARD_MAX};
use crate::model::{Row, Value};
use crate::operators::applied::RuleCounts;
use crate::operators::sample::EarlyClose;
use crate::plan::TraceRule;
use crate::sampling::Randomness;

/// The shard of a trace.
fn shard_of(id: &[u8; 16]) -> usize {
    (shard_key(id) % SHARDS) as usize
}

/// The open traces.
pub(super) struct Store {
    rule: Arc<TraceRule>,
    index: HashTable<u32>,
    heads: Vec<Head>,
    /// By head: what is read of its root.
    roots: Vec<Value>,
    free: Vec<u32>,
    needs_spans: bool,
    spans: Spans,
    held: HeldSpans,
    wheel: Wheel,
    closed: ClosedIds,
    /// By shard: spans of open traces.
    spans_of: Vec<u32>,
    /// Reused between traces.
    assembled: Assembled,
}

/// Who hears of closed traces.
pub(super) type OnClose<'a> = dyn Hears + 'a;

/// What is told of traces.
pub(super) trait Hears {
    /// A trace has closed.
    fn closed(&mut self, trace: &Assembled, held: &mut HeldSpans);

    /// A span came to a trace that had closed, at a watermark.
    fn late(&mut self, id: [u8; 16], watermark_ns: i64, span: HeldSpan, held: &HeldSpans);
}

/// The place of a span in its block, and the watermark as of the row before.
type At = (usize, i64);

/// What only some spans have: the place among the roots of the block, and the randomness stated.
type Extra = (Option<usize>, Option<Randomness>);

/// Spans whose traces are looked up at once: one after the other each would wait for memory.
const LOOKED_UP: usize = 32;

impl Store {
    pub(super) fn new(rule: &Arc<TraceRule>) -> Self {
        Self {
            rule: Arc::clone(rule),
            index: HashTable::new(),
            heads: Vec::new(),
            roots: Vec::new(),
            free: Vec::new(),
            needs_spans: rule.needs_spans(),
            spans: Spans::new(rule),
            held: HeldSpans::default(),
            wheel: Wheel::default(),
            closed: ClosedIds::new(SHARDS as usize),
            spans_of: vec![0; SHARDS as usize],
            assembled: Assembled::default(),
        }
    }

    pub(super) fn rule(&self) -> &Arc<TraceRule> {
        &self.rule
    }

    /// The spans that are held as received.
    pub(super) fn held(&mut self) -> &mut HeldSpans {
        &mut self.held
    }

    /// Open traces.
    pub(super) fn open(&self) -> usize {
        self.index.len()
    }

    /// An estimate of the bytes held, without texts.
    pub(super) fn held_bytes(&self) -> u64 {
        let head = size_of::<Head>() + self.rule.of_root.len() * size_of::<Value>();
        let index = self.index.capacity() * (size_of::<u32>() + 1);
        let heads = (self.heads.len() * head + index) as u64;
        let closed = self.closed.len() as u64 * 48;
        let spans = self.spans.len() as u64 * self.spans.bytes_each();
        heads + closed + spans + self.held.bytes_beside()
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
        let stated = std::mem::take(&mut block.randomness);
        let mut next_stated = 0;
        let frame = self.held.begin(&mut block);
        self.spans.begin(&mut block);
        let mut next_mark = 0;
        let mut watermark_ns = i64::MIN;
        let mut found = [(0, NONE); LOOKED_UP];
        for at in 0..block.len() {
            if at % LOOKED_UP == 0 {
                self.look_up(&block.trace_ids[at..], &mut found);
            }
            while let Some(mark) = block.watermarks.get(next_mark).filter(|m| m.0 as usize <= at) {
                watermark_ns = mark.1;
                next_mark += 1;
            }
            let is_own = |entry: &u32| *entry as usize == at;
            let root = roots.get(next_root).is_some_and(is_own).then_some(next_root);
            next_root += usize::from(root.is_some());
            let own = stated.get(next_stated).filter(|(entry, _)| is_own(entry));
            let randomness = own.map(|own| own.1);
            next_stated += usize::from(randomness.is_some());
            let place = self.place_of(&block.trace_ids[at], found[at % LOOKED_UP]);
            let extra = (root, randomness);
            if self.span(&mut block, (at, watermark_ns), (place, frame), extra, close) {
                counts.used += 1;
                continue;
            }
            if let Some(frame) = frame {
                let span = self.held.hold(frame, at);
                close.late(block.trace_ids[at], watermark_ns, span, &self.held);
                self.held.release(frame);
            }
            counts.late += 1;
            while late_rows.next_if(|(entry, _)| (*entry as usize) < at).is_some() {}
            let late_row = late_rows.next_if(|(entry, _)| is_own(entry)).map(|(_, row)| row);
            let behind_ns = watermark_ns.saturating_sub(block.time_ns(at));
            counts.worst_late_ns = counts.worst_late_ns.max(behind_ns);
            late.extend(late_row);
        }
        self.spans.end();
        if let Some(frame) = frame {
            self.held.release(frame);
        }
    }

    /// The keys and the places of traces as they are now.
    fn look_up(&self, ids: &[[u8; 16]], found: &mut [(u64, u32); LOOKED_UP]) {
        for (found, id) in found.iter_mut().zip(ids) {
            let key = shard_key(id);
            *found = (key, self.find(key, id).unwrap_or(NONE));
        }
    }

    fn find(&self, key: u64, id: &[u8; 16]) -> Option<u32> {
        self.index.find(key, |&place| self.heads[place as usize].id == *id).copied()
    }

    /// The key and the place of a trace that was looked up a few spans before.
    fn place_of(&self, id: &[u8; 16], (key, place): (u64, u32)) -> (u64, Option<u32>) {
        let is_still = |head: &&Head| head.is_open && head.id == *id;
        let head = self.heads.get(place as usize).filter(is_still);
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
            let head = &self.heads[place as usize];
            // No deadline lies before the bucket that it waits in: mostly nothing has to be looked
            // up.
            let is_open = begin_of(head.bucket) > watermark_ns;
            if is_open || self.deadline_ns(head) > watermark_ns {
                self.join((place, key), block, (at, watermark_ns), (extra, frame), close);
                return true;
            }
            let deadline_ns = self.deadline_ns(head);
            // It had closed at the row before, in the middle of an epoch.
            self.close(place, deadline_ns, None, close);
            return false;
        }
        let time_ns = block.time_ns(at);
        let would_ns = self.rule.deadline_ns(time_ns, time_ns, extra.0.is_some());
        if would_ns <= watermark_ns || self.closed.holds((key % SHARDS) as usize, &id, watermark_ns)
        {
            return false;
        }
        let place = self.open_head(key, id, time_ns);
        self.join((place, key), block, (at, watermark_ns), (extra, frame), close);
        true
    }

    fn open_head(&mut self, key: u64, id: [u8; 16], time_ns: i64) -> u32 {
        let place = self.free.pop().unwrap_or(self.heads.len() as u32);
        let before = self.heads.get(place as usize).map_or(0, |head| head.generation);
        let head = Head::new(id, time_ns, before.wrapping_add(1));
        match self.heads.get_mut(place as usize) {
            Some(old) => *old = head,
            None => {
                self.heads.push(head);
                let values = self.heads.len() * self.rule.of_root.len();
                self.roots.resize(values, Value::Null);
            }
        }
        let heads = &self.heads;
        let hash = |place: &u32| shard_key(&heads[*place as usize].id);
        self.index.insert_unique(key, place, hash);
        place
    }

    fn join(
        &mut self,
        (place, key): (u32, u64),
        block: &mut SpanBlock,
        (at, watermark_ns): At,
        ((root, randomness), frame): (Extra, Option<u32>),
        close: &mut OnClose<'_>,
    ) {
        let bytes = self.spans.bytes_each();
        let head = &mut self.heads[place as usize];
        let (time_ns, start_ns) = (block.time_ns(at), block.starts_ns[at]);
        // Nothing else brings a deadline nearer.
        let mut is_sooner = head.spans == 0 || time_ns < head.first_ns;
        head.first_ns = head.first_ns.min(time_ns);
        head.last_ns = head.last_ns.max(time_ns);
        head.start_ns = head.start_ns.min(start_ns);
        let duration_ns = block.durations_ns.get(at).copied().unwrap_or(0);
        head.end_ns = head.end_ns.max(start_ns.saturating_add(duration_ns));
        head.floor_ns = watermark_ns;
        head.mask |= block.masks.get(at).copied().unwrap_or(0);
        head.bytes += bytes;
        let mine = (start_ns, block.span_ids[at]);
        if let Some(root) = root
            && (!head.has_root || mine < head.root)
        {
            is_sooner |= !head.has_root;
            (head.has_root, head.root) = (true, mine);
            let count = self.rule.of_root.len();
            let own = &mut self.roots[place as usize * count..][..count];
            own.swap_with_slice(&mut block.root_values[root * count..][..count]);
        }
        if let Some(randomness) = randomness
            && head.randomness.as_ref().is_none_or(|known| mine < (known.0, known.1))
        {
            head.randomness = Some(Box::new((mine.0, mine.1, randomness)));
        }
        if let Some(frame) = frame {
            let (span, bytes) = self.held.hold_before(frame, at, head.held);
            head.bytes += bytes;
            head.held = span.number();
        }
        if self.needs_spans {
            head.newest = self.spans.push(block, at, head.newest);
        }
        head.spans += 1;
        let (spans, bytes, shard) = (head.spans, head.bytes, (key % SHARDS) as usize);
        self.spans_of[shard] += 1;
        if is_sooner {
            self.wait(place);
        }
        let early = if spans >= self.rule.spans_max {
            Some(EarlyClose::Spans)
        } else {
            (bytes >= self.rule.bytes_max).then_some(EarlyClose::Bytes)
        };
        if early.is_some() {
            self.close(place, watermark_ns.saturating_add(1), early, close);
        } else if self.spans_of[shard] as usize > TRACE_SPANS_PER_SHARD_MAX {
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
    fn wait(&mut self, place: u32) {
        let bucket = bucket_of(self.deadline_ns(&self.heads[place as usize]));
        let head = &mut self.heads[place as usize];
        // Later deadlines are looked up again when the bucket comes.
        if bucket < head.bucket {
            head.bucket = bucket;
            self.wheel.wait(bucket, (place, head.generation));
        }
    }

    /// Closes the oldest traces of a shard until a tenth of its room is free.
    fn relieve(&mut self, shard: usize, watermark_ns: i64, close: &mut OnClose<'_>) {
        let own = self
            .heads
            .iter()
            .enumerate()
            .filter(|(_, head)| head.is_open && shard_of(&head.id) == shard);
        let mut oldest: Vec<_> = own.map(|(at, head)| (head.first_ns, head.id, at)).collect();
        oldest.sort_unstable();
        for (_, _, at) in oldest {
            if self.spans_of[shard] as usize <= TRACE_SPANS_PER_SHARD_MAX / 10 * 9 {
                break;
            }
            let early = Some(EarlyClose::Room);
            self.close(at as u32, watermark_ns.saturating_add(1), early, close);
        }
    }

    /// Closes what a watermark has passed.
    pub(super) fn advance(&mut self, watermark_ns: i64, close: &mut OnClose<'_>) {
        let mut again = Vec::new();
        while let Some((bucket, places)) = self.wheel.next(watermark_ns) {
            for (place, generation) in places {
                let head = &self.heads[place as usize];
                let is_own = head.is_open && head.generation == generation;
                if !is_own || head.bucket != bucket {
                    continue;
                }
                let deadline_ns = self.deadline_ns(head);
                if deadline_ns <= watermark_ns {
                    self.close(place, deadline_ns, None, close);
                    continue;
                }
                let bucket = bucket_of(deadline_ns);
                self.heads[place as usize].bucket = bucket;
                again.push((bucket, (place, generation)));
            }
            // Into this very bucket, too: it is looked at again with the next watermark.
            if bucket == bucket_of(watermark_ns) {
                break;
            }
            again.drain(..).for_each(|(bucket, place)| self.wheel.wait(bucket, place));
        }
        again.into_iter().for_each(|(bucket, place)| self.wheel.wait(bucket, place));
        self.closed.forget(watermark_ns);
    }

    fn close(
        &mut self,
        place: u32,
        decided_ns: i64,
        early: Option<EarlyClose>,
        close: &mut OnClose<'_>,
    ) {
        let head = &mut self.heads[place as usize];
        let key = shard_key(&head.id);
        let shard = (key % SHARDS) as usize;
        head.is_open = false;
        self.spans_of[shard] -= head.spans;
        let mut assembled = std::mem::take(&mut self.assembled);
        assembled.id = head.id;
        assembled.decided_ns = decided_ns;
        assembled.start_ns = head.start_ns;
        assembled.end_ns = head.end_ns;
        assembled.early = early;
        assembled.mask = head.mask;
        assembled.held_bytes = head.bytes - u64::from(head.spans) * self.spans.bytes_each();
        assembled.randomness = head.randomness.take().map(|stated| stated.2);
        let (newest, held, id) = (head.newest, head.held, head.id);
        assembled.root.clear();
        let count = self.rule.of_root.len();
        let root = &mut self.roots[place as usize * count..][..count];
        assembled.root.extend(root.iter_mut().map(std::mem::take));
        self.held.linked(held, &mut assembled.held);
        self.spans.take(newest, &mut assembled.spans);
        if let Ok(entry) = self.index.find_entry(key, |&at| at == place) {
            entry.remove();
        }
        self.free.push(place);
        self.closed.insert(shard, id, decided_ns);
        self.spans.swap_values(&mut assembled.values);
        close.closed(&assembled, &mut self.held);
        self.spans.swap_values(&mut assembled.values);
        self.spans.release(&assembled.spans);
        self.held.release_all(&assembled.held);
        self.assembled = assembled;
    }

    /// What is read of the root of an open trace, with its start and id.
    fn root_of(&self, place: usize) -> Option<(i64, u64, Vec<Value>)> {
        let count = self.rule.of_root.len();
        let (head, values) = (&self.heads[place], &self.roots[place * count..][..count]);
        head.has_root.then(|| (head.root.0, head.root.1, values.to_vec()))
    }

    /// What a snapshot holds.
    pub(super) fn state(&self) -> Vec<TraceState> {
        let open = self.heads.iter().enumerate().filter(|(_, head)| head.is_open);
        let open = open.map(|(place, head)| {
            TraceState::Open(Box::new(OpenTrace {
                id: head.id,
                first_ns: head.first_ns,
                last_ns: head.last_ns,
                start_ns: head.start_ns,
                end_ns: head.end_ns,
                floor_ns: head.floor_ns,
                mask: head.mask,
                bytes: head.bytes,
                root: self.root_of(place),
                span_count: head.spans,
                spans: self.spans.all(head.newest),
                held: self.held.stored(head.held),
                randomness: head.randomness.as_deref().copied(),
            }))
        });
        let closed = self.closed.iter().map(|(id, at)| TraceState::Closed(id, at));
        open.chain(closed).collect()
    }

    /// Puts a trace of a snapshot back.
    pub(super) fn restore(&mut self, trace: TraceState) {
        match trace {
            TraceState::Closed(id, decided_ns) => {
                self.closed.insert((shard_key(&id) % SHARDS) as usize, id, decided_ns);
            }
            TraceState::Verdicts(..) => {} // of the samplings
            TraceState::Open(trace) => {
                let key = shard_key(&trace.id);
                let place = self.open_head(key, trace.id, trace.first_ns);
                let head = &mut self.heads[place as usize];
                head.last_ns = trace.last_ns;
                head.start_ns = trace.start_ns;
                head.end_ns = trace.end_ns;
                head.floor_ns = trace.floor_ns;
                head.mask = trace.mask;
                head.bytes = trace.bytes;
                if let Some((start_ns, id, values)) = trace.root {
                    (head.has_root, head.root) = (true, (start_ns, id));
                    let first = place as usize * self.rule.of_root.len();
                    self.roots[first..].iter_mut().zip(values).for_each(|(own, v)| *own = v);
                }
                head.spans = trace.span_count;
                head.randomness = trace.randomness.map(Box::new);
                head.held = self.held.restore(trace.held);
                self.spans_of[(key % SHARDS) as usize] += trace.span_count;
                for span in trace.spans {
                    head.newest = self.spans.add(span, head.newest);
                }
                self.wait(place);
            }
        }
    }
}
