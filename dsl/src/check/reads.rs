//! Which attributes rules read and where, so that they can be compared with telemetry.
//!
//! It knows no telemetry: whether an attribute occurs is told from outside.

use std::collections::BTreeSet;

use super::Checker;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, Place};
use crate::limits::DIAGNOSTICS_MAX;
use crate::text_range::TextRange;

/// Keys that one message names at most.
const KEYS_SHOWN_MAX: usize = 4;

/// An attribute that rules read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributeRead {
    /// Where it is read.
    pub range: TextRange,
    /// Its key.
    pub key: String,
    /// The whole of the `a ?? b` that it is part of: one of its attributes is enough.
    instead: Option<TextRange>,
}

impl Checker<'_> {
    /// An attribute, remembered as read.
    pub(super) fn attribute(&mut self, place: Place, key: &str, range: TextRange) -> Expr {
        self.reads.insert((range, key.to_owned()), None);
        super::scope::attribute(place, key, range)
    }

    /// Remembers that the attributes in a range stand for one another; wider ranges come later.
    pub(super) fn reads_instead(&mut self, range: TextRange) {
        let end = (range.at_end(), String::new());
        let inside = self.reads.range_mut((range.at_start(), String::new())..end);
        inside.for_each(|(_, instead)| *instead = Some(range));
    }

    /// What the given files read, in the order of the text; of imports nothing.
    pub(super) fn attribute_reads(&mut self, given: usize) -> Vec<AttributeRead> {
        let reads = std::mem::take(&mut self.reads).into_iter();
        let own = reads.filter(|((range, _), _)| (range.file.0 as usize) < given);
        own.map(|((range, key), instead)| AttributeRead { range, key, instead }).collect()
    }
}

/// A warning for each attribute that does not occur, nor anything that may stand in its place.
pub(crate) fn absent(reads: &[AttributeRead], occurs: &dyn Fn(&str) -> bool) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut told = BTreeSet::new();
    for read in reads {
        let place = read.instead.unwrap_or(read.range);
        if diagnostics.len() >= DIAGNOSTICS_MAX || !told.insert(place) {
            continue;
        }
        let mut keys: Vec<&str> = match read.instead {
            Some(chain) => {
                let same = reads.iter().filter(|other| other.instead == Some(chain));
                same.map(|other| other.key.as_str()).collect()
            }
            None => vec![&read.key],
        };
        keys.dedup();
        if keys.iter().any(|key| occurs(key)) {
            continue;
        }
        let named = crate::diagnostic::suggest::listed(keys.iter().copied(), KEYS_SHOWN_MAX);
        let message = match keys.len() {
            1 => format!("no item of the recording has the attribute {named}"),
            _ => format!("no item of the recording has any of the attributes {named}"),
        };
        diagnostics.push(
            Diagnostic::new(codes::ABSENT, place, message).label("null in every item").help(
                "compare the name with what the senders write; `view --format json` shows it",
            ),
        );
    }
    diagnostics
}
