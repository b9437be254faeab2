//! Diagnostics for people, as rustc draws them.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::{Diagnostic, Edit, Severity};
use crate::SourceFile;
use crate::text_range::FileId;

/// All diagnostics as text; with colour where asked for.
pub fn human(diagnostics: &[Diagnostic], files: &[SourceFile], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&groups(diagnostic, files)));
        text.push_str("\n\n");
    }
    text
}

/// The last line: `2 errors, 1 warning`; `None` where there is nothing.
pub fn summary(diagnostics: &[Diagnostic]) -> Option<String> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = diagnostics.len() - errors;
    let count = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let parts: Vec<_> =
        [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn groups<'a>(diagnostic: &'a Diagnostic, files: &'a [SourceFile]) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
    let mut group = Group::with_title(title);
    for file in files {
        if let Some(snippet) = snippet(diagnostic, file) {
            group = group.element(snippet);
        }
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    let with_edits = !diagnostic.edits.is_empty();
    let in_group = diagnostic.help.len() - usize::from(with_edits && !diagnostic.help.is_empty());
    for help in &diagnostic.help[..in_group] {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let mut groups = vec![group];
    if with_edits {
        let help = diagnostic.help.last().map_or("change it like this", String::as_str);
        groups.extend(edits(help, &diagnostic.edits, files));
    }
    groups
}

fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    file: &'a SourceFile,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let labels: Vec<_> =
        diagnostic.labels.iter().filter(|label| label.range.file == file.id).collect();
    if labels.is_empty() {
        return None;
    }
    let mut snippet = Snippet::source(file.text.as_str()).path(file.name.as_str());
    for label in labels {
        let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mut annotation = kind.span(within(&file.text, label.range.bytes()));
        if !label.text.is_empty() {
            annotation = annotation.label(label.text.as_str());
        }
        snippet = snippet.annotation(annotation);
    }
    Some(snippet)
}

fn edits<'a>(help: &'a str, edits: &'a [Edit], files: &'a [SourceFile]) -> Option<Group<'a>> {
    let file_id: FileId = edits.first()?.range.file;
    let file = files.iter().find(|file| file.id == file_id)?;
    let mut snippet = Snippet::source(file.text.as_str()).path(file.name.as_str());
    for edit in edits.iter().filter(|edit| edit.range.file == file_id) {
        let range = within(&file.text, edit.range.bytes());
        snippet = snippet.patch(Patch::new(range, edit.replacement.as_str()));
    }
    Some(Group::with_title(Level::HELP.secondary_title(help)).element(snippet))
}

/// A range cut to the text and to whole characters: drawing must not fail on any range.
fn within(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
