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

/// What a snapshot's bytes begin with; then its version.
const MAGIC: &[u8; 6] = b"TWSNAP";

/// The version of what stands behind the header, written as two digits. It is raised with every
/// change of what a stage writes: state has no names in it, so another layout would be read as
/// nonsense, not refused.
const VERSION: u8 = 14;

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
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[b'0' + VERSION / 10, b'0' + VERSION % 10]);
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
        let rest = behind_header(bytes)?;
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

/// What stands behind the header, which must be that of this version.
fn behind_header(bytes: &[u8]) -> Result<&[u8], Error> {
    let refused = |text: String| Error::new(ErrorKind::Snapshot, text);
    let found = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<2>());
    let Some((digits, rest)) = found else {
        let text = "these bytes are no snapshot: expected `TWSNAP` and a version at their start";
        return Err(refused(text.to_owned()));
    };
    let version = digits.iter().try_fold(0_u8, |version, digit| {
        digit.is_ascii_digit().then(|| version * 10 + (digit - b'0'))
    });
    match version {
        Some(VERSION) => Ok(rest),
        Some(version) => Err(refused(format!(
            "the snapshot is of version {version}, this program reads version {VERSION}: start \
             without it, from the start of the input log"
        ))),
        None => {
            let digits = digits.escape_ascii();
            Err(refused(format!("expected a version behind `TWSNAP`, found `{digits}`")))
        }
    }
}

fn decode<S: DeserializeOwned>(bytes: &[u8]) -> Result<S, Error> {
    let result = coder().deserialize(bytes);
    result.map_err(|e| Error::new(ErrorKind::Snapshot, "the state cannot be read").caused_by(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let part =
            SnapshotPart { epoch: 7, worker: 1, stage: StageName::Relate(2), bytes: vec![1, 2, 3] };
        Snapshot { epoch: 7, next_frame: 9, plan_hash: 11, parts: vec![part] }
    }

    fn refused(bytes: &[u8]) -> String {
        let error = Snapshot::from_bytes(bytes).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Snapshot);
        error.to_string()
    }

    #[test]
    fn a_snapshot_is_read_by_its_own_version_only() {
        let bytes = snapshot().to_bytes();
        assert_eq!(bytes[..8], *format!("TWSNAP{VERSION:02}").as_bytes());
        assert_eq!(Snapshot::from_bytes(&bytes).unwrap(), snapshot());
        let of = |version: u8| {
            format!("the snapshot is of version {version}, this program reads version {VERSION}")
        };
        let no_number = "expected a version behind `TWSNAP`, found `\\x00x`".to_owned();
        for (version, said) in
            [(b"01", of(1)), (b"02", of(2)), (b"99", of(99)), (b"\0x", no_number)]
        {
            let other = [b"TWSNAP", &version[..], &bytes[8..]].concat();
            assert!(refused(&other).contains(&said), "{}", refused(&other));
        }
    }

    #[test]
    fn what_is_no_snapshot_is_refused_wherever_it_is_cut_or_damaged() {
        let bytes = snapshot().to_bytes();
        for foreign in [&b""[..], b"TWSNAP", b"TWSNAP0", b"TWLOG001 and more", b"\x1f\x8b\x08"] {
            assert!(refused(foreign).contains("no snapshot"), "{foreign:?}");
        }
        for end in 8..bytes.len() {
            refused(&bytes[..end]);
        }
        for at in 8..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            refused(&damaged);
        }
        refused(&[&bytes[..], b"x"].concat());
    }
}
