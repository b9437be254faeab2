//! What can be configured of a file that results are written to.

use std::path::PathBuf;
use std::time::Duration;

use tailwater_engine::sink::file::FileConfig;
use tailwater_engine::sink::otlp::{RowsAs, Temporality};

use super::measure::Bytes;
use super::scalar::Count;
use super::section::{Section, Setting, Visit};

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum FileFormat {
    /// Those of the output.
    #[default]
    Json,
    /// Requests of OTLP.
    OtlpJson,
}

/// A file of results.
#[derive(Debug, Clone)]
pub(crate) struct FileSettings {
    pub(crate) path: Setting<Option<PathBuf>>,
    pub(crate) format: Setting<FileFormat>,
    pub(crate) rotate: Rotate,
    pub(crate) queue: Setting<Count>,
    pub(crate) queue_bytes: Setting<Bytes>,
    pub(crate) retry_within: Setting<Duration>,
    pub(crate) rows: Setting<RowsAs>,
    pub(crate) temporality: Setting<Temporality>,
}

/// When a file makes room for the next one.
#[derive(Debug, Clone)]
pub(crate) struct Rotate {
    pub(crate) bytes: Setting<Bytes>,
    pub(crate) age: Setting<Option<Duration>>,
    pub(crate) keep: Setting<Count>,
}

impl Default for FileSettings {
    fn default() -> Self {
        let usual = FileConfig::new("", "");
        Self {
            path: Setting::default(),
            format: Setting::default(),
            rotate: Rotate {
                bytes: Setting::new(Bytes(usual.bytes)),
                age: Setting::new(usual.age),
                keep: Setting::new(Count(usual.keep as u64)),
            },
            queue: Setting::new(Count(usual.queue as u64)),
            queue_bytes: Setting::new(Bytes(usual.queue_bytes as u64)),
            retry_within: Setting::new(usual.retry_within),
            rows: Setting::new(usual.rows),
            temporality: Setting::new(usual.temporality),
        }
    }
}

impl Section for FileSettings {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        let doc = "The file; rotated ones are beside it, with a number at the end.";
        visit.required("path", doc, &mut self.path);
        visit.scalar("format", "What its lines are.", &mut self.format);
        visit.section("rotate", "When it makes room for the next one.", &mut self.rotate);
        visit.scalar("queue", "Lines that may wait.", &mut self.queue);
        visit.scalar("queue_bytes", "Bytes of what may wait.", &mut self.queue_bytes);
        let doc = "How long lines that cannot be written are tried again.";
        visit.scalar("retry_within", doc, &mut self.retry_within);
        visit.scalar("rows", "What rows are in OTLP.", &mut self.rows);
        let doc = "Whether sums in OTLP count since the start or since the window before.";
        visit.scalar("temporality", doc, &mut self.temporality);
    }
}

impl Section for Rotate {
    fn visit<V: Visit>(&mut self, visit: &mut V) {
        visit.scalar("bytes", "Bytes from which it does.", &mut self.bytes);
        visit.scalar("age", "How old it may become; any age if left out.", &mut self.age);
        visit.scalar("keep", "Rotated files that are kept.", &mut self.keep);
    }
}
