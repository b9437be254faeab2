//! Edits applied to text: what `check --fix` does.

use super::{Applicability, Diagnostic, Edit};
use crate::text_range::FileId;

/// Applies the safe edits of a single-file compilation; see [`apply_edits_to`].
pub fn apply_edits(text: &str, diagnostics: &[Diagnostic]) -> String {
    apply_edits_to(text, FileId(0), diagnostics)
}

/// Applies the safe edits of one file. Edits of one diagnostic belong together; a diagnostic whose
/// edits overlap ones already taken is left for the next run.
pub fn apply_edits_to(text: &str, file: FileId, diagnostics: &[Diagnostic]) -> String {
    let mut taken: Vec<&Edit> = Vec::new();
    for diagnostic in diagnostics {
        let edits: Vec<_> = diagnostic.edits.iter().filter(|e| e.range.file == file).collect();
        let safe = edits.iter().all(|edit| {
            edit.applicability == Applicability::Safe && fits(text, edit) && !overlaps(&taken, edit)
        });
        if safe {
            taken.extend(edits);
        }
    }
    taken.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in taken {
        let range = edit.range.bytes();
        result.push_str(&text[at..range.start]);
        result.push_str(&edit.replacement);
        at = range.end;
    }
    result.push_str(&text[at..]);
    result
}

fn fits(text: &str, edit: &Edit) -> bool {
    text.get(edit.range.bytes()).is_some()
}

fn overlaps(taken: &[&Edit], edit: &Edit) -> bool {
    taken.iter().any(|other| {
        let (a, b) = (other.range, edit.range);
        (a.start < b.end && b.start < a.end) || a.start == b.start
    })
}
