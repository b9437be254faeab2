//! What stands between accepting telemetry and the log, and between files and a replay: bounds of
//! items, then redaction.
//!
//! What leaves whole leaves first, so that nobody searches it. What is cut in the middle is cut
//! last: half a secret is no longer found.

use std::sync::Arc;

use tailwater_engine::Error;
use tailwater_engine::model::{DataFrame, FrameBody, SourceSpec};
use tailwater_engine::redact::{ItemBounds, Redactor, TrimCounters, Trimmer};

use crate::render::summary::Summary;

/// The steps that every frame takes.
pub(crate) struct Screen {
    first: Option<Trimmer>,
    pub(crate) redactor: Option<Redactor>,
    last: Option<Trimmer>,
    /// What the bounds did.
    pub(crate) trimmed: Arc<TrimCounters>,
}

impl Screen {
    /// The steps for frames of some sources.
    pub(crate) fn new(
        bounds: ItemBounds,
        redactor: Option<Redactor>,
        sources: &[SourceSpec],
    ) -> Result<Self, Error> {
        let counters = Arc::new(TrimCounters::default());
        let trimmer = |bounds: ItemBounds| {
            let is_wanted = bounds.is_bounded();
            is_wanted.then(|| Trimmer::new(bounds, Arc::clone(&counters), sources)).transpose()
        };
        let (lengths, others) = bounds.split();
        let (first, last) = match redactor {
            Some(_) => (trimmer(others)?, trimmer(lengths)?),
            None => (trimmer(bounds)?, None),
        };
        Ok(Self { first, redactor, last, trimmed: counters })
    }

    /// Lets a summary tell what was taken out.
    pub(crate) fn sum_up(&self, summary: &mut Summary) {
        summary.redacted(self.redactor.as_ref());
        summary.trimmed(&self.trimmed);
    }

    /// Whether any frame may change.
    pub(crate) fn has_steps(&self) -> bool {
        self.first.is_some() || self.redactor.is_some() || self.last.is_some()
    }

    /// What of a frame goes into the log.
    pub(crate) fn pass(&self, body: FrameBody) -> FrameBody {
        match body {
            FrameBody::Data(frame) => FrameBody::Data(self.frame(frame)),
            body => body,
        }
    }

    /// What of a frame's data does.
    pub(crate) fn frame(&self, frame: DataFrame) -> DataFrame {
        let trimmed = |trimmer: Option<&Trimmer>, frame| match trimmer {
            Some(trimmer) => trimmer.frame(frame),
            None => frame,
        };
        let frame = trimmed(self.first.as_ref(), frame);
        let frame = match &self.redactor {
            Some(redactor) => redactor.frame(frame),
            None => frame,
        };
        trimmed(self.last.as_ref(), frame)
    }
}
