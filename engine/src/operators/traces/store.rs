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
use super::held::{HeldSpan, HeldSpans};
use super::spans::{NONE, Spans};
use super::state::{OpenTrace, TraceState, shard_key};
use super::wheel::{Wheel, bucket_of};
use crate::limits::{SHARDS, TRACE_SPANS_PER_SHARD_MAX};
use crate::model::{Row, Value};
use crate::operators::applied::RuleCounts;
use crate::operators::sample::EarlyClose;
use crate::plan::TraceRule;
use crate::sampling::Randomness;

/// What is known of an open trace beside its spans.
#[derive(Debug)]
struct Head {
    key: u64,
    id: [u8; 16],
    first_ns: i64,
    last_ns: i64,
    start_ns: i64,
    end_ns: i64,
    floor_ns: i64,
    mask: u64,
    bytes: u64,
    root: Option<Box<(i64, u64, Vec<Value>)>>,
    deadline_ns: i64,
    /// The bucket that it waits in.
    bucket: i64,
    newest: u32,
    spans: u32,
    held: Vec<HeldSpan>,
    /// Start, id and value of the first span that states one.
    randomness: Option<(i64, u64, Randomness)>,
    /// Told apart from the trace that had its place before.
    generation: u32,
    is_open: bool,
}

/// The open traces.
pub(super) struct Store {
    rule: Arc<TraceRule>,
    index: HashTable<u32>,
    heads: Vec<Head>,
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

/// The frame that holds a span as received, and the randomness that the span states.
type Raw = (Option<u32>, Option<Randomness>);

impl Store {
    pub(super) fn new(rule: &Arc<TraceRule>) -> Self {
        Self {
            rule: Arc::clone(rule),
            index: HashTable::new(),
            heads: Vec::new(),
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
        let heads = (self.heads.len() * size_of::<Head>()) as u64;
        let closed = self.closed.len() as u64 * 48;
        heads + closed + self.spans.len() as u64 * self.spans.bytes_each()
    }

    /// Takes spans, those of a block in log order, blocks in log order.
    pub(super) fn take(
        &mut self,
        mut block: SpanBlock,
        counts: &mut RuleCounts,
        late: &mut Vec<Row>,
        close: &mut OnClose<'_>,
    ) {
        let mut roots = std::mem::take(&mut block.roots).into_iter().peekable();
        let mut late_rows = std::mem::take(&mut block.late).into_iter().peekable();
        let mut stated = std::mem::take(&mut block.randomness).into_iter().peekable();
        let frame = self.held.begin(&mut block);
        let mut next_mark = 0;
        let mut watermark_ns = i64::MIN;
        for at in 0..block.len() {
            while let Some(mark) = block.watermarks.get(next_mark).filter(|m| m.0 as usize <= at) {
                watermark_ns = mark.1;
                next_mark += 1;
            }
            let is_own = |entry: &u32| *entry as usize == at;
            let root = roots.next_if(|(entry, _)| is_own(entry)).map(|(_, values)| values);
            let late_row = late_rows.next_if(|(entry, _)| is_own(entry)).map(|(_, row)| row);
            let randomness = stated.next_if(|(entry, _)| is_own(entry)).map(|found| found.1);
            let raw = (frame, randomness);
            if self.span(&mut block, (at, watermark_ns), (root, raw), close) {
                counts.used += 1;
                continue;
            }
            if let Some(frame) = frame {
                let span = self.held.hold(frame, at);
                close.late(block.trace_ids[at], watermark_ns, span, &self.held);
                self.held.release(frame);
            }
            counts.late += 1;
            let behind_ns = watermark_ns.saturating_sub(block.time_ns(at));
            counts.worst_late_ns = counts.worst_late_ns.max(behind_ns);
            late.extend(late_row);
        }
        if let Some(frame) = frame {
            self.held.release(frame);
        }
    }

    /// Takes one span. Returns whether its trace was open.
    fn span(
        &mut self,
        block: &mut SpanBlock,
        (at, watermark_ns): At,
        (root, raw): (Option<Vec<Value>>, Raw),
        close: &mut OnClose<'_>,
    ) -> bool {
        let id = block.trace_ids[at];
        let key = shard_key(&id);
        let found = self.index.find(key, |&place| self.heads[place as usize].id == id).copied();
        if let Some(place) = found {
            if self.heads[place as usize].deadline_ns > watermark_ns {
                self.join(place, block, (at, watermark_ns), (root, raw), close);
                return true;
            }
            // It had closed at the row before, in the middle of an epoch.
            let decided_ns = self.heads[place as usize].deadline_ns;
            self.close(place, decided_ns, None, close);
            return false;
        }
        let time_ns = block.time_ns(at);
        let would_ns = self.rule.deadline_ns(time_ns, time_ns, root.is_some());
        if would_ns <= watermark_ns || self.closed.holds(&id, watermark_ns) {
            return false;
        }
        let place = self.open_head(key, id, time_ns);
        self.join(place, block, (at, watermark_ns), (root, raw), close);
        true
    }

    fn open_head(&mut self, key: u64, id: [u8; 16], time_ns: i64) -> u32 {
        let place = self.free.pop().unwrap_or(self.heads.len() as u32);
        let generation = self.heads.get(place as usize).map_or(0, |head| head.generation + 1);
        let head = Head {
            key,
            id,
            first_ns: time_ns,
            last_ns: time_ns,
            start_ns: i64::MAX,
            end_ns: i64::MIN,
            floor_ns: i64::MIN,
            mask: 0,
            bytes: 0,
            root: None,
            deadline_ns: i64::MAX,
            bucket: i64::MAX,
            newest: NONE,
            spans: 0,
            held: Vec::new(),
            randomness: None,
            generation,
            is_open: true,
        };
        match self.heads.get_mut(place as usize) {
            Some(old) => *old = head,
            None => self.heads.push(head),
        }
        let heads = &self.heads;
        self.index.insert_unique(key, place, |&place| heads[place as usize].key);
        place
    }

    fn join(
        &mut self,
        place: u32,
        block: &mut SpanBlock,
        (at, watermark_ns): At,
        (root, (frame, randomness)): (Option<Vec<Value>>, Raw),
        close: &mut OnClose<'_>,
    ) {
        let bytes = self.spans.bytes_each();
        let head = &mut self.heads[place as usize];
        let (time_ns, start_ns) = (block.time_ns(at), block.starts_ns[at]);
        head.first_ns = head.first_ns.min(time_ns);
        head.last_ns = head.last_ns.max(time_ns);
        head.start_ns = head.start_ns.min(start_ns);
        let duration_ns = block.durations_ns.get(at).copied().unwrap_or(0);
        head.end_ns = head.end_ns.max(start_ns.saturating_add(duration_ns));
        head.floor_ns = watermark_ns;
        head.mask |= block.masks.get(at).copied().unwrap_or(0);
        head.bytes += bytes;
        if let Some(values) = root {
            let mine = (start_ns, block.span_ids[at]);
            if head.root.as_ref().is_none_or(|root| mine < (root.0, root.1)) {
                head.root = Some(Box::new((mine.0, mine.1, values)));
            }
        }
        if let Some(randomness) = randomness {
            let mine = (start_ns, block.span_ids[at]);
            if head.randomness.is_none_or(|known| mine < (known.0, known.1)) {
                head.randomness = Some((mine.0, mine.1, randomness));
            }
        }
        if let Some(frame) = frame {
            let span = self.held.hold(frame, at);
            head.bytes += self.held.bytes(span);
            head.held.push(span);
        }
        if self.needs_spans {
            head.newest = self.spans.push(block, at, head.newest);
        }
        head.spans += 1;
        let (spans, bytes, shard) = (head.spans, head.bytes, (head.key % SHARDS) as usize);
        self.spans_of[shard] += 1;
        self.wait(place);
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

    /// Lets a trace wait for its deadline. One that lies behind what the log had already passed
    /// comes with the next row that moves time.
    fn wait(&mut self, place: u32) {
        let head = &mut self.heads[place as usize];
        let due_ns = self.rule.deadline_ns(head.first_ns, head.last_ns, head.root.is_some());
        head.deadline_ns = due_ns.max(head.floor_ns.saturating_add(1));
        let bucket = bucket_of(head.deadline_ns);
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
            .filter(|(_, head)| head.is_open && (head.key % SHARDS) as usize == shard);
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
                let head = &mut self.heads[place as usize];
                let is_own = head.is_open && head.generation == generation;
                if !is_own || head.bucket != bucket {
                    continue;
                }
                if head.deadline_ns <= watermark_ns {
                    let decided_ns = head.deadline_ns;
                    self.close(place, decided_ns, None, close);
                    continue;
                }
                head.bucket = bucket_of(head.deadline_ns);
                again.push((head.bucket, (place, generation)));
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
        let shard = (head.key % SHARDS) as usize;
        head.is_open = false;
        self.spans_of[shard] -= head.spans;
        let mut assembled = std::mem::take(&mut self.assembled);
        assembled.id = head.id;
        assembled.decided_ns = decided_ns;
        assembled.start_ns = head.start_ns;
        assembled.end_ns = head.end_ns;
        assembled.early = early;
        assembled.root = head.root.take().map(|root| root.2);
        assembled.mask = head.mask;
        assembled.held = std::mem::take(&mut head.held);
        assembled.randomness = head.randomness.map(|stated| stated.2);
        let (newest, key, id) = (head.newest, head.key, head.id);
        self.spans.take(newest, &mut assembled.spans);
        assembled.sort();
        if let Ok(entry) = self.index.find_entry(key, |&at| at == place) {
            entry.remove();
        }
        self.free.push(place);
        self.closed.insert(shard, id, decided_ns);
        close.closed(&assembled, &mut self.held);
        self.held.release_all(&assembled.held);
        self.assembled = assembled;
    }

    /// What a snapshot holds.
    pub(super) fn state(&self) -> Vec<TraceState> {
        let open = self.heads.iter().filter(|head| head.is_open).map(|head| {
            TraceState::Open(Box::new(OpenTrace {
                id: head.id,
                first_ns: head.first_ns,
                last_ns: head.last_ns,
                start_ns: head.start_ns,
                end_ns: head.end_ns,
                floor_ns: head.floor_ns,
                mask: head.mask,
                bytes: head.bytes,
                root: head.root.as_deref().cloned(),
                span_count: head.spans,
                spans: self.spans.all(head.newest),
                held: self.held.stored(&head.held),
                randomness: head.randomness,
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
                head.root = trace.root.map(Box::new);
                head.spans = trace.span_count;
                head.randomness = trace.randomness;
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
