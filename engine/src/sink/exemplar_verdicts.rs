//! Exemplars whose traces had no verdict yet when their row left: they are attached to what leaves
//! for the same group later, once their trace is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::exemplar::Exemplar;
use crate::limits::{EXEMPLARS_MAX, EXEMPLARS_OPEN_MAX};
use crate::model::{ExemplarVerdict, Row, RuleId, Value};

/// Verdicts that came behind the rows which named their traces, for all who send rows on; the
/// newest [`EXEMPLARS_OPEN_MAX`].
#[derive(Debug, Clone, Default)]
pub struct ExemplarVerdicts(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    kept: BTreeMap<[u8; 16], bool>,
    order: VecDeque<[u8; 16]>,
}

impl ExemplarVerdicts {
    /// Notes what became of traces.
    pub fn note(&self, verdicts: &[ExemplarVerdict]) {
        let mut known = self.known();
        for verdict in verdicts {
            if known.kept.insert(verdict.trace_id, verdict.is_kept).is_none() {
                known.order.push_back(verdict.trace_id);
            }
            if known.order.len() > EXEMPLARS_OPEN_MAX
                && let Some(oldest) = known.order.pop_front()
            {
                known.kept.remove(&oldest);
            }
        }
    }

    fn is_kept(&self, id: [u8; 16]) -> Option<bool> {
        self.known().kept.get(&id).copied()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Group = (RuleId, bool, Arc<[Value]>);

/// Exemplars of groups that wait for their verdict, in one sink.
#[derive(Debug, Default)]
pub(super) struct WaitingExemplars {
    verdicts: ExemplarVerdicts,
    groups: BTreeMap<Group, Vec<Exemplar>>,
}

impl WaitingExemplars {
    pub(super) fn new(verdicts: ExemplarVerdicts) -> Self {
        Self { verdicts, groups: BTreeMap::new() }
    }

    /// What is attached to a row: those of its exemplars whose trace is kept, and those of rows of
    /// its group before it whose trace was kept since.
    pub(super) fn attach(&mut self, row: &Row, own: Vec<Exemplar>) -> Vec<Exemplar> {
        let is_new = |one: &Exemplar| one.is_open && self.verdicts.is_kept(one.trace_id).is_none();
        if self.groups.is_empty() && !own.iter().any(is_new) {
            // The usual case: no verdict is awaited.
            let is_kept =
                |one: &Exemplar| !one.is_open || self.verdicts.is_kept(one.trace_id) == Some(true);
            return own.into_iter().filter(is_kept).collect();
        }
        let group = (row.rule, row.is_other, Arc::clone(&row.key));
        let before = self.groups.remove(&group).unwrap_or_default();
        let (mut attached, mut waiting) = (Vec::new(), Vec::new());
        for one in own.into_iter().chain(before) {
            match one.is_open.then(|| self.verdicts.is_kept(one.trace_id)) {
                None | Some(Some(true)) => attached.push(one),
                Some(Some(false)) => {}
                Some(None) => waiting.push(one),
            }
        }
        waiting.truncate(EXEMPLARS_MAX);
        if !waiting.is_empty() && self.groups.len() < EXEMPLARS_OPEN_MAX {
            self.groups.insert(group, waiting);
        }
        attached
    }
}
