//! What comes after a verdict and follows it: spans and log records.

use super::{Held, LastStamp, Leaving, Tally};
use crate::model::{EmittedItem, RuleId};
use crate::plan::{SampleRule, SampleVerb};
use crate::sampling::{Past, Randomness, Verdict};

/// Whether something that follows is kept, by which line and threshold. Of a trace that is not
/// remembered the last line decides, by chance alone: what it would drop or measure is dropped.
pub(super) fn of_past(rule: &SampleRule, past: Past, own: Randomness) -> (bool, Leaving) {
    let line = rule.lines.len() - 1;
    let none = Leaving { line, threshold: None, randomness: own };
    match past {
        Past::Exact(Verdict { is_kept, line, threshold, randomness, .. }) => {
            (is_kept, Leaving { line: line as usize, threshold, randomness })
        }
        Past::Dropped => (false, none),
        Past::Unknown => match rule.lines[line].verb {
            SampleVerb::Keep(threshold) => {
                (threshold.admits(own), Leaving { threshold: Some(threshold), ..none })
            }
            _ => (false, none),
        },
    }
}

/// Late spans under the verdict of their trace.
pub(super) fn followed(
    (id, rule): (RuleId, &SampleRule),
    past: Past,
    held: Vec<Held>,
    tally: &mut Tally,
) -> Vec<EmittedItem> {
    let mut last = LastStamp::default();
    let leaves = |held: Held| {
        let (is_kept, leaving) = of_past(rule, past, held.randomness());
        let counts = tally.entry((id, leaving.line as u16)).or_default();
        counts.late_kept += u64::from(is_kept);
        counts.late_dropped += u64::from(!is_kept);
        let leaves = is_kept || rule.is_shadow;
        leaves.then(|| held.kept(rule, leaving, counts, &mut last))
    };
    held.into_iter().filter_map(leaves).collect()
}

/// Log records under the verdict of their trace: they leave with it, or at their own time behind
/// it.
pub(super) fn follow_logs(
    own: (RuleId, &SampleRule),
    verdict: Verdict,
    held: Vec<Held>,
    tally: &mut Tally,
) -> Vec<EmittedItem> {
    followed_logs(own, (Past::Exact(verdict), verdict.at_ns), held, tally)
}

/// Log records under what is known of their trace as of a time.
pub(super) fn followed_logs(
    (id, rule): (RuleId, &SampleRule),
    (past, at_ns): (Past, i64),
    held: Vec<Held>,
    tally: &mut Tally,
) -> Vec<EmittedItem> {
    let mut last = LastStamp::default();
    let leaves = |mut held: Held| {
        let (is_kept, leaving) = of_past(rule, past, held.randomness());
        let counts = tally.entry((id, leaving.line as u16)).or_default();
        counts.logs_kept += u64::from(is_kept);
        counts.logs_dropped += u64::from(!is_kept);
        held.item.decision_ns = held.item.decision_ns.max(at_ns);
        let leaves = is_kept || rule.is_shadow;
        leaves.then(|| held.kept(rule, leaving, counts, &mut last))
    };
    held.into_iter().filter_map(leaves).collect()
}
