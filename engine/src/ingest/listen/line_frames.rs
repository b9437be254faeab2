//! Memory of frames of lines, used again once the engine is done with them.
//!
//! Fresh pages were a fifth of what a listener of lines costs. Invariant: what is kept is empty, of
//! one size, and bounded for each listener. Must not know what lines are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::limits::{LINE_FRAME_BYTES, LINE_FRAMES_KEPT_MAX, LINE_FRAMES_SILENT_MAX};

/// Bytes that a kept frame has room for: a full one, and what one read brings beyond that.
const ROOM_BYTES: usize = LINE_FRAME_BYTES + LINE_FRAME_BYTES / 8;

/// The frames of one listener that nobody uses. Clones share them.
#[derive(Clone, Default)]
pub(super) struct LineFrames {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Bytes of the memory that connections gather lines in.
    gathering: Arc<AtomicUsize>,
}

impl LineFrames {
    /// Bytes that connections gather lines in, and that are kept for them; not those of frames on
    /// their way.
    pub(super) fn held_bytes(&self) -> u64 {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.gathering.load(Ordering::Relaxed) + free * ROOM_BYTES) as u64
    }

    /// Notes that a connection gathers in other memory than before, with these sizes.
    pub(super) fn gathers(&self, before: usize, now: usize) {
        self.gathering.fetch_add(now, Ordering::Relaxed);
        self.gathering.fetch_sub(before, Ordering::Relaxed);
    }

    /// Room for about so many bytes; a large frame is one that was used before, where there is
    /// one.
    pub(super) fn take(&self, bytes: usize) -> Vec<u8> {
        if bytes < LINE_FRAME_BYTES / 2 {
            return Vec::with_capacity(bytes);
        }
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| Vec::with_capacity(ROOM_BYTES))
    }

    /// Bytes that come back here when nobody holds them any more. What is held is at most a third
    /// more than the bytes, which count against the queue's.
    pub(super) fn wrap(&self, mut bytes: Vec<u8>) -> Bytes {
        if bytes.len() < bytes.capacity() / 4 * 3 {
            if bytes.capacity() != ROOM_BYTES {
                bytes.shrink_to_fit();
                return Bytes::from(bytes);
            }
            let copy = Bytes::copy_from_slice(&bytes);
            self.keep(bytes);
            return copy;
        }
        if bytes.capacity() == ROOM_BYTES {
            return Bytes::from_owner(Used { bytes, frames: self.clone() });
        }
        Bytes::from(bytes)
    }

    /// Gives memory back that is not needed while little comes.
    pub(super) fn shrink(&self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.truncate(LINE_FRAMES_SILENT_MAX);
        free.shrink_to_fit();
    }

    /// Whether less than so many bytes are left in a large frame.
    pub(super) fn is_filled(bytes: &[u8], left: usize) -> bool {
        bytes.len() + left > ROOM_BYTES
    }

    /// Keeps the memory of a large frame that nobody needs.
    pub(super) fn keep(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        if bytes.capacity() != ROOM_BYTES {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < LINE_FRAMES_KEPT_MAX {
            free.push(bytes);
        }
    }
}

/// A frame on its way.
struct Used {
    bytes: Vec<u8>,
    frames: LineFrames,
}

impl AsRef<[u8]> for Used {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.frames.keep(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_comes_back_and_a_small_one_does_not() {
        let frames = LineFrames::default();
        let free = || frames.free.lock().unwrap().len();
        let full = |byte| {
            let mut bytes = frames.take(LINE_FRAME_BYTES);
            bytes.resize(LINE_FRAME_BYTES, byte);
            frames.wrap(bytes)
        };
        let (first, second) = (full(1), full(2));
        let part = first.slice(10..20);
        drop(first);
        assert_eq!((free(), &part[..]), (0, &[1; 10][..]), "part of it is still held");
        drop(part);
        assert_eq!(free(), 1);
        assert!(frames.take(LINE_FRAME_BYTES).is_empty());
        assert_eq!((free(), second[0]), (0, 2));
        let mut small = frames.take(100);
        small.push(1);
        drop(frames.wrap(small));
        assert_eq!(free(), 0);
    }

    #[test]
    fn a_frame_that_came_to_little_is_copied_and_kept() {
        let frames = LineFrames::default();
        let mut bytes = frames.take(LINE_FRAME_BYTES);
        bytes.extend_from_slice(b"little");
        assert_eq!(&frames.wrap(bytes)[..], b"little");
        assert_eq!(frames.free.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let frames = LineFrames::default();
        for _ in 0..3 {
            let many: Vec<Bytes> = (0..=LINE_FRAMES_KEPT_MAX)
                .map(|_| {
                    let mut bytes = frames.take(LINE_FRAME_BYTES);
                    bytes.resize(LINE_FRAME_BYTES, 0);
                    frames.wrap(bytes)
                })
                .collect();
            drop(many);
            assert_eq!(frames.free.lock().unwrap().len(), LINE_FRAMES_KEPT_MAX);
        }
        frames.shrink();
        assert_eq!(frames.free.lock().unwrap().len(), LINE_FRAMES_SILENT_MAX);
    }
}
