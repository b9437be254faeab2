//! Spans of a snapshot, held as they will leave.
//!
//! Those of many traces stand together in one frame, as pages of numbers are given to frames: a
//! frame for each of 200 000 traces of one span took 1 KiB each. What stands around items was
//! written with each of them, and is shared again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Content, HeldSpans, PAGE_SPANS, Stored};
use crate::model::{ItemAround, ItemContent, ItemKey};
use crate::operators::sample::Contents;
use crate::operators::traces::spans::NONE;

/// What is put back.
#[derive(Debug, Default)]
pub(super) struct Restoring {
    /// The frame that has room, and how many spans it has.
    frame: Option<(u32, usize)>,
    arounds: BTreeSet<Arc<ItemAround>>,
}

impl HeldSpans {
    /// Holds spans of one trace of a snapshot; the newest. Ends with [`HeldSpans::end_restoring`].
    pub(in crate::operators::traces) fn restore(
        &mut self,
        items: Vec<(ItemKey, ItemContent)>,
    ) -> u32 {
        let count = items.len();
        if count == 0 {
            return NONE;
        }
        let has_room = |(_, used): &(u32, usize)| used + count <= PAGE_SPANS;
        let (frame, used) = self.restoring.frame.filter(has_room).unwrap_or_else(|| {
            self.end_frame();
            let stored = Stored { places: Vec::new(), items: Vec::new(), is_stateless: false };
            (self.add(Content::Stored(stored), count.max(PAGE_SPANS), 0), 0)
        });
        self.restoring.frame = Some((frame, used + count));
        let mut bytes = 0;
        let items: Contents = items
            .into_iter()
            .map(|(key, mut content)| {
                bytes += (content.item.len() + content.append.len()) as u64;
                content.around = self.restoring.shared(content.around);
                (key, Some(content))
            })
            .collect();
        if let Some(Some(known)) = self.frames.get_mut(frame as usize)
            && let Content::Stored(stored) = &mut known.content
        {
            stored.items.extend(items);
            known.payload_bytes += bytes;
            self.payload_bytes += bytes;
        }
        let mut newest = NONE;
        for at in used..used + count {
            newest = self.hold_before(frame, at, newest).0.number();
        }
        newest
    }

    /// No more of the snapshot will come.
    pub(in crate::operators::traces) fn end_restoring(&mut self) {
        self.end_frame();
        self.restoring = Restoring::default();
    }

    fn end_frame(&mut self) {
        let Some((frame, spans)) = self.restoring.frame.take() else { return };
        if let Some(Some(known)) = self.frames.get_mut(frame as usize) {
            known.sparse = spans as u32 / 2;
        }
        self.release(frame);
    }

    /// Lets the contents go of spans that nobody holds any more.
    pub(super) fn thin(&mut self, place: u32) {
        let Some(Some(frame)) = self.frames.get(place as usize) else { return };
        let left: Vec<u32> = self.left(frame).map(|at| at as u32).collect();
        let Some(Some(frame)) = self.frames.get_mut(place as usize) else { return };
        let Content::Stored(stored) = &mut frame.content else { return };
        stored.items = left.iter().filter_map(|at| stored.at(*at as usize).cloned()).collect();
        stored.places = left;
        let bytes = stored.bytes();
        frame.sparse = frame.count / 2;
        self.payload_bytes = self.payload_bytes - frame.payload_bytes + bytes;
        frame.payload_bytes = bytes;
    }
}

impl Restoring {
    fn shared(&mut self, around: Arc<ItemAround>) -> Arc<ItemAround> {
        if let Some(known) = self.arounds.get(&around) {
            return Arc::clone(known);
        }
        self.arounds.insert(Arc::clone(&around));
        around
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::traces::held::HeldSpan;

    fn item(n: usize) -> (ItemKey, ItemContent) {
        let around = ItemAround { resource: vec![7; 500].into(), ..ItemAround::default() };
        let content = ItemContent {
            around: Arc::new(around),
            item: vec![n as u8; 100].into(),
            append: vec![].into(),
        };
        (ItemKey { row: n as u32, ..ItemKey::default() }, content)
    }

    fn span_of(held: &HeldSpans, newest: u32) -> Vec<HeldSpan> {
        let mut spans = Vec::new();
        held.linked(newest, &mut spans);
        spans
    }

    #[test]
    fn many_small_traces_share_pages_and_what_stands_around() {
        let mut held = HeldSpans::default();
        let newest: Vec<u32> = (0..2_000).map(|n| held.restore(vec![item(n)])).collect();
        let large = held.restore((0..700).map(item).collect());
        held.end_restoring();
        assert_eq!(held.payload_bytes(), 2_700 * 100);
        assert!(held.bytes_beside() < 2_700 * 150, "{}", held.bytes_beside());
        assert_eq!(span_of(&held, large).len(), 700);
        let contents = |held: &HeldSpans, of: u32| held.contents(&span_of(held, of));
        let around = |of| contents(&held, of)[0].1.clone().expect("it is held").around;
        assert!(Arc::ptr_eq(&around(newest[0]), &around(large)));

        let (left, gone): (Vec<usize>, Vec<usize>) = (0..2_000).partition(|n| n % 8 == 3);
        for n in gone {
            held.release_all(&span_of(&held, newest[n]));
            held.copy_sparse();
        }
        assert!(held.payload_bytes() < (700 + 2 * 250) * 100 + 1, "{}", held.payload_bytes());
        for n in left {
            let (key, content) = item(n);
            assert_eq!(contents(&held, newest[n]), [(key, Some(content))]);
            held.release_all(&span_of(&held, newest[n]));
            held.copy_sparse();
        }
        held.release_all(&span_of(&held, large));
        assert_eq!(held.payload_bytes(), 0);
    }
}
