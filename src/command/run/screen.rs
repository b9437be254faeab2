//! What stands between accepting telemetry and the log: bounds of items, then redaction.
//!
//! What leaves whole leaves first, so that nobody searches it. What is cut in the middle is cut
//! last: half a secret is no longer found.

use std::sync::Arc;

use tailwater_engine::Error;
use tailwater_engine::model::FrameBody;
use tailwater_engine::redact::{ItemBounds, Redactor, TrimCounters, Trimmer};

use crate::command::secret::redacted;
use crate::render::summary::Summary;

/// The steps that every frame takes.
pub(super) struct Screen {
    first: Option<Trimmer>,
    pub(super) redactor: Option<Redactor>,
    last: Option<Trimmer>,
    /// What the bounds did.
    pub(super) trimmed: Arc<TrimCounters>,
}

impl Screen {
    pub(super) fn new(bounds: ItemBounds, redactor: Option<Redactor>) -> Result<Self, Error> {
        let counters = Arc::new(TrimCounters::default());
        let trimmer = |bounds: ItemBounds| {
            let is_wanted = bounds.is_bounded();
            is_wanted.then(|| Trimmer::new(bounds, Arc::clone(&counters))).transpose()
        };
        let (lengths, others) = bounds.split();
        let (first, last) = match redactor {
            Some(_) => (trimmer(others)?, trimmer(lengths)?),
            None => (trimmer(bounds)?, None),
        };
        Ok(Self { first, redactor, last, trimmed: counters })
    }

    /// Lets a summary tell what was taken out.
    pub(super) fn sum_up(&self, summary: &mut Summary) {
        summary.redacted(self.redactor.as_ref());
        summary.trimmed(&self.trimmed);
    }

    /// What of a frame goes into the log.
    pub(super) fn pass(&self, body: FrameBody) -> FrameBody {
        let body = trimmed(self.first.as_ref(), body);
        trimmed(self.last.as_ref(), redacted(self.redactor.as_ref(), body))
    }
}

fn trimmed(trimmer: Option<&Trimmer>, body: FrameBody) -> FrameBody {
    match (trimmer, body) {
        (Some(trimmer), FrameBody::Data(frame)) => FrameBody::Data(trimmer.frame(frame)),
        (_, body) => body,
    }
}
