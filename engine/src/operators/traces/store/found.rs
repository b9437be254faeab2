//! Which traces the spans of a block belong to. What they look at is brought near in time: one
//! after the other each would wait for memory.

use std::ops::Range;

use prefetch_index::prefetch_index;

use super::Store;
use crate::operators::traces::block::SpanBlock;
use crate::operators::traces::runs::Ahead;
use crate::operators::traces::spans::NONE;
use crate::operators::traces::state::shard_key;

/// Spans that are looked up at once, after what they look at was brought near.
pub(super) const LOOKED_UP: usize = 32;

/// What is known of the spans of a block; its memory is used again.
#[derive(Default)]
pub(super) struct Found {
    keys: Vec<u64>,
    /// Of their traces, by when they were looked up.
    places: Vec<u32>,
    /// Of the roots of the block, how many have been brought near.
    roots: usize,
}

/// The part of a block that begins so many parts on from a span.
fn part(from: usize, parts: usize, len: usize) -> Range<usize> {
    let start = (from + parts * LOOKED_UP).min(len);
    start..(start + LOOKED_UP).min(len)
}

impl Found {
    /// What is known of a span: the key of its trace, and its place when it was looked up.
    pub(super) fn at(&self, at: usize) -> (u64, u32) {
        (self.keys[at], self.places[at])
    }
}

impl Store {
    /// Looks up what the spans from one on need; it goes ahead of them by parts of the block.
    pub(super) fn look_ahead_of(
        &self,
        (block, roots): (&SpanBlock, &[u32]),
        at: usize,
        found: &mut Found,
    ) {
        let len = block.len();
        if at == 0 {
            found.roots = 0;
            found.keys.clear();
            found.keys.extend(block.trace_ids.iter().map(shard_key));
            found.places.clear();
            found.places.resize(len, NONE);
            self.prefetch_traces(&found.keys[part(0, 0, len)]);
            self.prefetch_traces(&found.keys[part(0, 1, len)]);
            self.look_up((block, roots), part(0, 0, len), found);
        }
        self.prefetch_traces(&found.keys[part(at, 2, len)]);
        self.look_up((block, roots), part(at, 1, len), found);
    }

    /// Brings near the traces of some spans, and where those go that will open.
    fn prefetch_traces(&self, keys: &[u64]) {
        let mut free = self.free.iter().rev();
        for &key in keys {
            // Most likely it: to be sure would be to wait for it.
            if let Some(place) = self.index.find(key, |_| true) {
                self.prefetch_head(*place);
                if self.needs_ends {
                    self.prefetch_rest(*place);
                }
                continue;
            }
            self.closed.prefetch(key);
            if let Some(place) = free.next() {
                self.prefetch_head(*place);
                self.prefetch_rest(*place);
            }
        }
    }

    /// Looks up the traces of some spans, which are near, and brings near what they are joined to.
    fn look_up(&self, (block, roots): (&SpanBlock, &[u32]), part: Range<usize>, found: &mut Found) {
        let mut ahead = Ahead::default();
        for at in part.clone() {
            let place = self.find(found.keys[at], &block.trace_ids[at]).unwrap_or(NONE);
            found.places[at] = place;
            if self.needs_spans {
                let head = self.traces.get(place as usize).map(|trace| &trace.head);
                let others = head.map_or((NONE, 0), |head| (head.newest, head.spans));
                self.spans.prefetch_next(others, &mut ahead);
            }
        }
        while let Some(at) = roots.get(found.roots).filter(|at| (**at as usize) < part.end) {
            found.roots += 1;
            let place = found.places[*at as usize];
            if place != NONE {
                self.prefetch_rest(place);
                self.prefetch_root(place);
            }
        }
    }

    /// Brings near what each span of a trace changes.
    pub(super) fn prefetch_head(&self, place: u32) {
        if let Some(trace) = self.traces.get(place as usize) {
            prefetch_index(std::slice::from_ref(&trace.head), 0);
        }
    }

    /// Brings near what is read of the root of a trace: few values.
    pub(super) fn prefetch_root(&self, place: u32) {
        let values = self.rule.of_root.len();
        let first = place as usize * values;
        prefetch_index(&self.roots, first);
        prefetch_index(&self.roots, (first + values).saturating_sub(1));
    }

    /// Brings near what some spans of a trace change.
    pub(super) fn prefetch_rest(&self, place: u32) {
        if let Some(trace) = self.traces.get(place as usize) {
            prefetch_index(std::slice::from_ref(&trace.rest), 0);
        }
    }
}
