//! Why a value has its type: names are followed to where they were made.
//!
//! Kept beside the checks, as typed rules need no such places.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::hir::Expr;
use crate::text_range::TextRange;

impl Checker<'_> {
    /// Remembers where the name that is used at a place was made.
    pub(super) fn remember(&mut self, used: TextRange, made: Option<TextRange>) {
        if let Some(made) = made.filter(|made| *made != used) {
            self.origins.insert(used, made);
        }
    }

    /// Adds where a value's name was made, if it is a name.
    pub(super) fn made_here(&self, diagnostic: Diagnostic, value: &Expr) -> Diagnostic {
        match (self.origins.get(&value.range), self.text_at(value.range)) {
            (Some(made), Some(name)) => diagnostic.because(*made, format!("`{name}` is made here")),
            _ => diagnostic,
        }
    }

    /// The text of a place.
    pub(super) fn text_at(&self, range: TextRange) -> Option<&str> {
        let file = self.files.iter().find(|file| file.id == range.file)?;
        file.text.get(range.bytes())
    }

    /// Where the number of a constant is written: there, or where its name was made.
    pub(super) fn number_place(&self, range: TextRange) -> Option<TextRange> {
        let is_number = |range: &TextRange| {
            let text = self.text_at(*range).unwrap_or_default();
            text.starts_with(|first: char| first.is_ascii_digit())
                && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'.'))
        };
        [Some(range), self.origins.get(&range).copied()].into_iter().flatten().find(is_number)
    }
}
