//! Traces close: at their deadline, or early where there is no room.

use super::{LOOKED_UP, OnClose, Store, ends_ns};
use crate::limits::SHARDS;
use crate::model::Value;
use crate::operators::sample::EarlyClose;
use crate::operators::traces::head::Trace;
use crate::operators::traces::spans::Others;
use crate::operators::traces::state::shard_key;
use crate::operators::traces::wheel::bucket_of;

/// Traces that close one after the other. What closing looks at is brought near, as each would wait
/// for memory.
#[derive(Default)]
pub(super) struct Closing {
    /// Places, keys, deadlines.
    due: Vec<(u32, u64, i64)>,
    /// Their newest spans as received.
    held: Vec<u32>,
    /// Their newest spans, and how many there are.
    newest: Vec<Others>,
}

/// The shard of a trace.
fn shard_of(id: &[u8; 16]) -> usize {
    (shard_key(id) % SHARDS) as usize
}

impl Store {
    /// Makes room in a shard: by what the watermark has passed by now, as where an epoch ends must
    /// not decide; then the oldest traces close early, until a tenth of the room is free.
    pub(super) fn relieve(&mut self, shard: usize, watermark_ns: i64, close: &mut OnClose<'_>) {
        self.advance(watermark_ns, close);
        if self.spans_of[shard] as usize <= self.spans_per_shard_max {
            return;
        }
        let own = self
            .traces
            .iter()
            .map(|trace| &trace.head)
            .enumerate()
            .filter(|(_, head)| head.is_open && shard_of(&head.id) == shard);
        let mut oldest: Vec<_> = own.map(|(at, head)| (head.first_ns, head.id, at)).collect();
        oldest.sort_unstable();
        for (_, id, at) in oldest {
            if self.spans_of[shard] as usize <= self.spans_per_shard_max / 10 * 9 {
                break;
            }
            let early = Some(EarlyClose::Room);
            let place = (at as u32, shard_key(&id));
            self.close(place, watermark_ns.saturating_add(1), early, close);
        }
    }

    /// Closes what a watermark has passed.
    pub(in crate::operators::traces) fn advance(
        &mut self,
        watermark_ns: i64,
        close: &mut OnClose<'_>,
    ) {
        let mut again = Vec::new();
        while let Some((bucket, places)) = self.wheel.next(watermark_ns) {
            self.prefetch_waiting(&places);
            for (at, own) in (1..).zip(places.chunks(LOOKED_UP)) {
                self.prefetch_waiting(&places[(at * LOOKED_UP).min(places.len())..]);
                self.look_ahead((bucket, own), watermark_ns, &mut again, close);
                for at in 0..self.closing.due.len() {
                    let (place, key, deadline_ns) = self.closing.due[at];
                    // It may have waited twice.
                    if self.traces[place as usize].head.is_open {
                        self.close((place, key), deadline_ns, None, close);
                    }
                }
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

    /// Brings near the first of some traces that wait.
    fn prefetch_waiting(&self, places: &[(u32, u16)]) {
        for &(place, _) in places.iter().take(LOOKED_UP) {
            self.prefetch_head(place);
            self.prefetch_rest(place);
        }
    }

    /// Finds which of some traces of a bucket are due; others wait for a later bucket.
    fn look_ahead(
        &mut self,
        (own_bucket, places): (i64, &[(u32, u16)]),
        watermark_ns: i64,
        again: &mut Vec<(i64, (u32, u16))>,
        close: &OnClose<'_>,
    ) {
        let mut closing = std::mem::take(&mut self.closing);
        closing.due.clear();
        for &(place, generation) in places {
            let Trace { head, rest } = &mut self.traces[place as usize];
            let is_own = head.is_open && head.generation == generation;
            if !is_own || rest.bucket != own_bucket {
                continue;
            }
            let due_ns = self.rule.deadline_ns(head.first_ns, head.last_ns, head.has_root);
            let deadline_ns = due_ns.max(head.floor_ns.saturating_add(1));
            if deadline_ns <= watermark_ns {
                closing.due.push((place, shard_key(&head.id), deadline_ns));
                continue;
            }
            rest.bucket = bucket_of(deadline_ns);
            again.push((rest.bucket, (place, generation)));
        }
        for (place, key, _) in &closing.due {
            self.prefetch_root(*place);
            self.closed.prefetch(*key);
            close.prefetch(*key);
        }
        let heads = closing.due.iter().map(|due| &self.traces[due.0 as usize].head);
        closing.held.clear();
        closing.held.extend(heads.clone().map(|head| head.held));
        self.held.prefetch(&mut closing.held);
        if self.needs_spans {
            closing.newest.clear();
            closing.newest.extend(heads.map(|head| (head.newest, head.spans)));
            self.spans.prefetch(&mut closing.newest);
        }
        self.closing = closing;
    }

    pub(super) fn close(
        &mut self,
        (place, key): (u32, u64),
        decided_ns: i64,
        early: Option<EarlyClose>,
        close: &mut OnClose<'_>,
    ) {
        let Trace { head, rest } = &mut self.traces[place as usize];
        let shard = (key % SHARDS) as usize;
        head.is_open = false;
        self.spans_of[shard] -= head.spans;
        if let Some(early) = early {
            self.early[early as usize] += 1;
        }
        let mut assembled = self.assembled.take().unwrap_or_default();
        assembled.id = head.id;
        assembled.decided_ns = decided_ns;
        (assembled.start_ns, assembled.end_ns) = ends_ns(head, rest, self.counts_at_starts);
        assembled.early = early;
        assembled.mask = rest.mask;
        assembled.held_bytes =
            u64::from(head.bytes).saturating_sub(u64::from(head.spans) * self.spans.bytes_each());
        assembled.randomness = rest.randomness.take().map(|stated| stated.2);
        let (newest, held, id) = (head.newest, head.held, head.id);
        let count = self.rule.of_root.len();
        if assembled.root.len() < count {
            assembled.root.resize(count, Value::Null); // the first trace
        }
        // Set to null after the exchange: a word of which a byte was just written can be read only
        // once all that was written before is in memory, which took 130 ns a trace.
        let root = &mut self.roots[place as usize * count..][..count];
        assembled.root.swap_with_slice(root);
        root.iter_mut().for_each(|value| *value = Value::Null);
        self.held.linked(held, &mut assembled.held);
        self.spans.take(newest, &mut assembled.spans);
        if let Ok(entry) = self.index.find_entry(key, |&at| at == place) {
            entry.remove();
        }
        self.free.push(place);
        if !self.many_ids.is_empty() {
            self.many_ids.remove(&place);
        }
        self.closed.insert(key, id, decided_ns);
        self.spans.swap_values(&mut assembled.values);
        close.closed(&mut assembled, &mut self.held);
        self.spans.swap_values(&mut assembled.values);
        self.held.release_all(&assembled.held);
        self.assembled = Some(assembled);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Store, shard_of};
    use crate::model::{Row, RuleId};
    use crate::operators::applied::RuleCounts;
    use crate::operators::sample::EarlyClose;
    use crate::operators::traces::assembled::Assembled;
    use crate::operators::traces::block::SpanBlock;
    use crate::operators::traces::held::{HeldSpan, HeldSpans};
    use crate::operators::traces::store::Hears;
    use crate::plan::{CloseTerm, SpanColumns, TraceRule};

    const S: i64 = 1_000_000_000;

    #[derive(Default)]
    struct Heard(Vec<([u8; 16], i64, Option<EarlyClose>)>);

    impl Hears for Heard {
        fn prefetch(&self, _: u64) {}

        fn closed(&mut self, trace: &mut Assembled, _: &mut HeldSpans) {
            self.0.push((trace.id, trace.decided_ns, trace.early));
        }

        fn late(&mut self, _: [u8; 16], _: i64, _: HeldSpan, _: &mut HeldSpans) {}
    }

    fn store() -> Store {
        let rule = TraceRule {
            signal: 0,
            timeline: 0,
            filter: None,
            dedupe: None,
            late: None,
            columns: SpanColumns::default(),
            close: vec![CloseTerm { root: false, quiet_ns: Some(S), age_ns: None }],
            spans_max: 1_000,
            bytes_max: u64::MAX,
            leaves: Vec::new(),
            carried: Vec::new(),
            of_root: Vec::new(),
            values: Vec::new(),
            pairs: Vec::new(),
            operations: None,
            edges: None,
            is_read: true,
            sampled: None,
            hash: 0,
        };
        Store { spans_per_shard_max: 10, ..Store::new(&Arc::new(rule), 0) }
    }

    /// Ids of one shard.
    fn ids() -> impl Iterator<Item = [u8; 16]> {
        (1_u128..).map(u128::to_be_bytes).filter(|id| shard_of(id) == 7)
    }

    fn block(seq: u64, spans: &[([u8; 16], i64)]) -> SpanBlock {
        let mut block = SpanBlock::new(RuleId(0), seq, 0, spans.len());
        for (at, (id, time_ns)) in (0..).zip(spans) {
            block.rows.push(at);
            block.trace_ids.push(*id);
            block.span_ids.push((seq << 32) + u64::from(at) + 1);
            block.starts_ns.push(*time_ns);
        }
        block
    }

    /// What closes of nine spans of one trace and, two seconds later, of others, cut after `cut`.
    fn heard(cut: usize, others: usize) -> Heard {
        let ids: Vec<_> = ids().take(2).collect();
        let mut spans: Vec<_> = (0..9).map(|n| (ids[0], n)).collect();
        spans.extend((0..others as i64).map(|n| (ids[1], 2 * S + n)));
        let (mut store, mut heard) = (store(), Heard::default());
        let (mut counts, mut late) = (RuleCounts::default(), Vec::<Row>::new());
        let mut highest_ns = i64::MIN;
        for (seq, part) in (0..).zip([&spans[..cut], &spans[cut..]]) {
            let mut block = block(seq, part);
            for (at, (_, time_ns)) in (0..).zip(part) {
                block.watermarks.push((at, highest_ns));
                highest_ns = highest_ns.max(*time_ns);
            }
            store.take(block, &mut counts, &mut late, &mut heard);
            store.advance(highest_ns, &mut heard);
        }
        heard
    }

    #[test]
    fn room_is_made_of_what_has_closed_first_wherever_an_epoch_ends() {
        let first = ids().next().unwrap_or_default();
        for cut in 1..13 {
            assert_eq!(heard(cut, 5).0, [(first, S + 8, None)], "cut after {cut}");
            let full = heard(cut, 12).0;
            let early: Vec<_> = full.iter().map(|heard| heard.2).collect();
            assert_eq!(early, [None, Some(EarlyClose::Room)], "cut after {cut}");
            assert_eq!(full, heard(1, 12).0, "cut after {cut}");
        }
    }
}
