//! Snapshots: the state of every stage at the end of one epoch, as bytes.
//!
//! A frontier that has passed an epoch is a consistent cut, so no markers travel: each stage
//! writes its part when it has handled the epoch. State is keyed by the hash of its sub-plan and
//! by key, never by worker, so that it can be read back under another worker count.

use bincode::Options;
use crossbeam_channel::Sender;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::output::EngineMessage;
use crate::error::{Error, ErrorKind};
use crate::limits::SNAPSHOT_PART_BYTES_MAX;

/// The stages that have state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum StageName {
    Sequence,
    Apply,
    Close,
    /// By level.
    Relate(u32),
    Output,
}

/// One stage's state on one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotPart {
    pub(crate) epoch: u64,
    pub(crate) worker: u32,
    pub(crate) stage: StageName,
    pub(crate) bytes: Vec<u8>,
}

/// Where stages of one worker write their parts.
#[derive(Clone)]
pub(crate) struct Snapshots {
    worker: u32,
    sender: Sender<EngineMessage>,
}

impl Snapshots {
    pub(crate) fn new(worker: usize, sender: Sender<EngineMessage>) -> Self {
        Self { worker: worker as u32, sender }
    }

    pub(crate) fn write<S: Serialize>(&self, epoch: u64, stage: StageName, state: &S) {
        let bytes = coder().serialize(state).expect("state is plain data within the size limit");
        let part = SnapshotPart { epoch, worker: self.worker, stage, bytes };
        // The receiver is gone only when the engine was dropped: nobody wants the rest.
        let _ = self.sender.send(EngineMessage::Snapshot(part));
    }
}

fn coder() -> impl Options {
    bincode::DefaultOptions::new().with_limit(SNAPSHOT_PART_BYTES_MAX)
}

/// Magic and version of a snapshot's bytes.
const HEADER: &[u8; 8] = b"TWSNAP01";

/// The state of an engine between two epochs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The epoch after which it was taken.
    pub(crate) epoch: u64,
    /// The first frame that it does not hold.
    pub(crate) next_frame: u64,
    /// Hash of the plan that it belongs to.
    pub(crate) plan_hash: u64,
    pub(crate) parts: Vec<SnapshotPart>,
}

impl Snapshot {
    /// The number of the first frame to feed after restoring.
    pub fn next_frame(&self) -> u64 {
        self.next_frame
    }

    /// The states of one stage, of all workers.
    pub(crate) fn states<S: DeserializeOwned>(&self, stage: StageName) -> Result<Vec<S>, Error> {
        let parts = self.parts.iter().filter(|part| part.stage == stage);
        parts.map(|part| decode(&part.bytes)).collect()
    }

    /// The snapshot as bytes: header, length, CRC-32, content.
    ///
    /// # Panics
    /// If the state is larger than [`SNAPSHOT_PART_BYTES_MAX`] allows.
    pub fn to_bytes(&self) -> Vec<u8> {
        let content = coder().serialize(self).expect("parts are within the size limit");
        let mut bytes = Vec::with_capacity(content.len() + 20);
        bytes.extend_from_slice(HEADER);
        bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&content).to_le_bytes());
        bytes.extend_from_slice(&content);
        bytes
    }

    /// Reads what [`Snapshot::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Snapshot`] if the bytes are cut short, damaged or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |what: &str| Error::new(ErrorKind::Snapshot, what);
        let (header, rest) = bytes.split_at_checked(8).ok_or_else(|| damaged("cut short"))?;
        if header != HEADER {
            return Err(damaged("not a snapshot of this version: expected the header `TWSNAP01`"));
        }
        let (len, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("cut short"))?;
        let (crc, content) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("cut short"))?;
        if content.len() as u64 != u64::from_le_bytes(*len) {
            return Err(damaged("the snapshot's length does not match its header"));
        }
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return Err(damaged("the snapshot's checksum does not match its content"));
        }
        decode(content)
    }
}

fn decode<S: DeserializeOwned>(bytes: &[u8]) -> Result<S, Error> {
    let result = coder().deserialize(bytes);
    result.map_err(|e| Error::new(ErrorKind::Snapshot, "the state cannot be read").caused_by(e))
}
