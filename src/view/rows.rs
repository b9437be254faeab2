//! Which rows a waterfall has: spans as a tree, alike leaves folded into one row.
//!
//! Invariant: every span that stands is in exactly one row. Must not know how rows look.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::trace::{Status, Trace};

/// Leaves that are alike, of one parent, from which on they share a row.
const FOLD_MIN: usize = 5;

/// One row: a span, or several leaves that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeRow {
    /// The span; of several the first.
    pub(super) span: u32,
    /// All its spans where there are several, else none.
    pub(super) folded: Vec<u32>,
    /// Steps below the root of its tree.
    pub(super) depth: usize,
    /// Whether no row of the same parent follows.
    pub(super) is_last: bool,
}

impl TreeRow {
    /// The spans of the row.
    pub(super) fn spans(&self) -> &[u32] {
        if self.folded.is_empty() { std::slice::from_ref(&self.span) } else { &self.folded }
    }
}

/// The rows of a trace, in the order in which they are written.
pub(super) fn rows(trace: &Trace, with_folds: bool) -> Vec<TreeRow> {
    let mut rows = Vec::new();
    let mut waiting = level(trace, trace.forest.roots(), 0, false);
    waiting.reverse();
    while let Some(row) = waiting.pop() {
        if row.folded.is_empty() {
            let children = trace.forest.children(row.span);
            let mut below = level(trace, children, row.depth + 1, with_folds);
            below.reverse();
            waiting.append(&mut below);
        }
        rows.push(row);
    }
    rows
}

/// What makes leaves alike.
type Alike = (Option<Arc<str>>, Arc<str>, bool);

/// The rows of siblings.
fn level(trace: &Trace, spans: &[u32], depth: usize, with_folds: bool) -> Vec<TreeRow> {
    let mut alike: BTreeMap<Alike, Vec<u32>> = BTreeMap::new();
    let kind = |index: u32| {
        let span = trace.span(index);
        let is_leaf = trace.forest.children(index).is_empty();
        let is_plain = is_leaf && span.status != Status::Error && trace.events(span).is_empty();
        (is_plain && span.shown.is_empty())
            .then(|| (span.service.clone(), Arc::clone(&span.name), span.is_match))
    };
    if with_folds && spans.len() >= FOLD_MIN {
        for &index in spans {
            if let Some(kind) = kind(index) {
                alike.entry(kind).or_default().push(index);
            }
        }
        alike.retain(|_, spans| spans.len() >= FOLD_MIN);
    }
    let mut rows: Vec<TreeRow> = Vec::new();
    for &span in spans {
        let group = if alike.is_empty() { None } else { kind(span).and_then(|k| alike.get(&k)) };
        match group {
            Some(group) if group[0] != span => {}
            group => rows.push(TreeRow {
                span,
                folded: group.cloned().unwrap_or_default(),
                depth,
                is_last: false,
            }),
        }
    }
    if let Some(last) = rows.last_mut() {
        last.is_last = true;
    }
    rows
}
