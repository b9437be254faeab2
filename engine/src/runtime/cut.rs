//! Cutting the log into epochs: by size, at frame boundaries.
//!
//! The cut decides when results leave, never what final results say.

use crate::limits::EPOCH_BYTES_MAX;
use crate::model::{Frame, FrameBody};

/// When an epoch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochCut {
    /// After this many frames, if not before.
    pub frames_max: usize,
    /// Once this many payload bytes are in it.
    pub bytes_max: usize,
}

impl EpochCut {
    /// Never by itself: whoever pushes says where an epoch ends, as a log does when it is replayed.
    pub const AS_TOLD: Self = Self { frames_max: usize::MAX, bytes_max: usize::MAX };
}

impl Default for EpochCut {
    fn default() -> Self {
        Self { frames_max: 64, bytes_max: EPOCH_BYTES_MAX }
    }
}

/// A run of frames on its way to the workers.
pub(super) struct Epoch {
    pub(super) number: u64,
    pub(super) frames: Vec<Frame>,
    pub(super) bytes: usize,
    /// The first frame after it.
    pub(super) next_frame: u64,
}

/// Numbers frames and gathers them into epochs.
pub(super) struct EpochBuilder {
    cut: EpochCut,
    next_frame: u64,
    next_epoch: u64,
    frames: Vec<Frame>,
    bytes: usize,
}

impl EpochBuilder {
    pub(super) fn new(cut: EpochCut, next_frame: u64) -> Self {
        // Epoch 0 is what a snapshot restores.
        Self { cut, next_frame, next_epoch: 1, frames: Vec::new(), bytes: 0 }
    }

    /// The epoch that is being gathered.
    pub(super) fn current(&self) -> u64 {
        self.next_epoch
    }

    pub(super) fn add(&mut self, body: FrameBody) -> Option<Epoch> {
        if let FrameBody::Data(data) = &body {
            self.bytes += data.payload.len();
        }
        self.frames.push(Frame { seq: self.next_frame, body });
        self.next_frame += 1;
        let is_full = self.frames.len() >= self.cut.frames_max || self.bytes >= self.cut.bytes_max;
        if is_full { self.take() } else { None }
    }

    pub(super) fn take(&mut self) -> Option<Epoch> {
        if self.frames.is_empty() { None } else { Some(self.take_even_empty()) }
    }

    /// The current epoch, also if no frame is in it.
    pub(super) fn take_even_empty(&mut self) -> Epoch {
        let epoch = Epoch {
            number: self.next_epoch,
            frames: std::mem::take(&mut self.frames),
            bytes: std::mem::take(&mut self.bytes),
            next_frame: self.next_frame,
        };
        self.next_epoch += 1;
        epoch
    }
}
