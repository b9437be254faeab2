//! Traces that are linked by spans and kept together.
//!
//! What a line keeps leaves at once. What none keeps waits for a time: if a trace that it links to,
//! or that links to it, is kept by then, it is kept too, and so on along the links.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::explained::Tried;
use super::{Case, Held};
use crate::limits::{SAMPLE_LINKS_MAX, SAMPLE_TRACE_LINKS_MAX};
use crate::model::Value;
use crate::sampling::{KeyTimes, Verdict};

type TraceId = [u8; 16];

/// A trace that no line has kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) case: Case,
    pub(super) verdict: Verdict,
    pub(super) tried: Vec<Tried>,
    pub(super) links: Vec<TraceId>,
}

/// What is known of links.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Linked {
    waiting: BTreeMap<TraceId, Waiting>,
    /// By trace: those of the waiting ones that link to it.
    linkers: BTreeMap<TraceId, BTreeSet<TraceId>>,
    /// Traces that kept ones link to, with the line that kept those.
    awaited: KeyTimes<TraceId>,
    lines: BTreeMap<TraceId, u16>,
    bytes: u64,
}

fn bytes_of(held: &[Held]) -> u64 {
    held.iter().map(Held::bytes).sum()
}

impl Linked {
    /// The line that kept a trace which links to this one.
    pub(super) fn awaited(&self, id: TraceId) -> Option<u16> {
        self.lines.get(&id).copied()
    }

    /// Lets a trace wait.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        let id = waiting.case.order;
        for link in &waiting.links {
            self.linkers.entry(*link).or_default().insert(id);
        }
        self.bytes += bytes_of(&waiting.case.held);
        self.waiting.insert(id, waiting);
    }

    /// Takes a trace out of those that wait.
    pub(super) fn take(&mut self, id: TraceId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        for link in &waiting.links {
            if let Some(linkers) = self.linkers.get_mut(link) {
                linkers.remove(&id);
                if linkers.is_empty() {
                    self.linkers.remove(link);
                }
            }
        }
        self.bytes -= bytes_of(&waiting.case.held);
        Some(waiting)
    }

    /// Adds late spans to a trace that waits; gives them back where it does not.
    pub(super) fn join(&mut self, late: Case) -> Option<Case> {
        let Some(waiting) = self.waiting.get_mut(&late.order) else { return Some(late) };
        self.bytes += bytes_of(&late.held);
        let case = &mut waiting.case;
        case.weight.items += late.held.len() as u32;
        case.weight.bytes += bytes_of(&late.held);
        case.held.extend(late.held);
        None
    }

    /// A trace is kept by a line: gives the waiting ones next to it. Counts what is forgotten.
    pub(super) fn kept(
        &mut self,
        (id, links): (TraceId, &[TraceId]),
        (line, at_ns): (u16, i64),
        forgotten: &mut u64,
    ) -> Vec<Waiting> {
        self.lines.remove(&id);
        self.awaited.forget(&id);
        let mut near: BTreeSet<TraceId> = self.linkers.get(&id).cloned().unwrap_or_default();
        for link in links {
            if self.waiting.contains_key(link) {
                near.insert(*link);
                continue;
            }
            self.lines.insert(*link, line);
            if let Some(oldest) = self.awaited.note(*link, at_ns, SAMPLE_LINKS_MAX) {
                self.lines.remove(&oldest);
                *forgotten += 1;
            }
        }
        near.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Traces that wait.
    pub(super) fn len(&self) -> u64 {
        self.waiting.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Case> {
        self.waiting.values_mut().map(|waiting| &mut waiting.case)
    }
}

/// The traces that a row says it links to: lists of ids in hex digits.
pub(super) fn links_of(value: &Value, own: TraceId) -> Vec<TraceId> {
    let mut links = BTreeSet::new();
    gather(value, &mut links);
    links.remove(&own);
    links.into_iter().take(SAMPLE_TRACE_LINKS_MAX).collect()
}

fn gather(value: &Value, links: &mut BTreeSet<TraceId>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| gather(item, links)),
        Value::Str(text) => links.extend(id_of(text)),
        _ => {}
    }
}

/// An id in 32 hex digits.
pub(super) fn id_of(text: &str) -> Option<TraceId> {
    let mut id = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}
