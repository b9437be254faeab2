//! Diagnostics for people, as rustc draws them.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet,
};

use super::{Diagnostic, Edit, Label, Severity};
use crate::SourceFile;
use crate::text_range::{FileId, TextRange, line_column};

/// Lines around the places of one diagnostic that are drawn, bytes: drawing takes time in them.
const WINDOW_BYTES_MAX: usize = 8 * 1024;

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
    for piece in pieces(diagnostic, files) {
        group = match piece.window() {
            Some(window) => group.element(snippet(&piece, &window)),
            None => group.element(origin(&piece)),
        };
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

/// Labels that are drawn in one piece of a file; the first of them is the primary one, if it is
/// there.
struct Piece<'a> {
    file: &'a SourceFile,
    labels: Vec<&'a Label>,
    range: Range<usize>,
}

/// Whole lines of a file.
struct Window {
    range: Range<usize>,
    /// Number of the first line, from 1.
    line: usize,
}

impl Piece<'_> {
    /// The lines around the labels; `None` where they are too long to be drawn.
    fn window(&self) -> Option<Window> {
        window(&self.file.text, &self.range)
    }
}

fn window(text: &str, range: &Range<usize>) -> Option<Window> {
    let range = within(text, range.clone());
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at);
    let (line, _) = line_column(text, start);
    (end - start <= WINDOW_BYTES_MAX).then_some(Window { range: start..end, line })
}

/// Labels by file, those that stand far apart in pieces of their own; the primary one's first.
fn pieces<'a>(diagnostic: &'a Diagnostic, files: &'a [SourceFile]) -> Vec<Piece<'a>> {
    let mut labels: Vec<&Label> = diagnostic.labels.iter().collect();
    labels.sort_by_key(|label| !label.primary);
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for label in labels {
        let Some(file) = files.iter().find(|file| file.id == label.range.file) else { continue };
        let range = label.range.bytes();
        let near = pieces.iter_mut().find(|piece| {
            let joined = piece.range.start.min(range.start)..piece.range.end.max(range.end);
            piece.file.id == file.id && joined.len() <= WINDOW_BYTES_MAX / 2
        });
        match near {
            Some(piece) => {
                piece.range.start = piece.range.start.min(range.start);
                piece.range.end = piece.range.end.max(range.end);
                piece.labels.push(label);
            }
            None => pieces.push(Piece { file, labels: vec![label], range }),
        }
    }
    pieces
}

fn snippet<'a>(piece: &Piece<'a>, window: &Window) -> Snippet<'a, Annotation<'a>> {
    let text = &piece.file.text[window.range.clone()];
    let mut snippet = Snippet::source(text).path(piece.file.name.as_str()).line_start(window.line);
    for label in &piece.labels {
        let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mut annotation = kind.span(inside(piece.file, window, label.range));
        if !label.text.is_empty() {
            annotation = annotation.label(label.text.as_str());
        }
        snippet = snippet.annotation(annotation);
    }
    snippet
}

/// A range as one of the window's text.
fn inside(file: &SourceFile, window: &Window, range: TextRange) -> Range<usize> {
    let range = within(&file.text, range.bytes());
    let base = window.range.start;
    let end = window.range.end - base;
    range.start.saturating_sub(base).min(end)..range.end.saturating_sub(base).min(end)
}

/// The place alone, where its line is too long to be drawn.
fn origin<'a>(piece: &Piece<'a>) -> Origin<'a> {
    let (line, column) = line_column(&piece.file.text, piece.range.start);
    Origin::path(piece.file.name.as_str()).line(line).char_column(column)
}

fn edits<'a>(help: &'a str, edits: &'a [Edit], files: &'a [SourceFile]) -> Option<Group<'a>> {
    let file_id: FileId = edits.first()?.range.file;
    let file = files.iter().find(|file| file.id == file_id)?;
    let group = Group::with_title(Level::HELP.secondary_title(help));
    let own = || edits.iter().filter(|edit| edit.range.file == file_id);
    let start = own().map(|edit| edit.range.bytes().start).min()?;
    let end = own().map(|edit| edit.range.bytes().end).max()?;
    let Some(window) = window(&file.text, &(start..end)) else {
        let (line, column) = line_column(&file.text, start);
        let origin = Origin::path(file.name.as_str()).line(line).char_column(column);
        return Some(group.element(origin));
    };
    let text = &file.text[window.range.clone()];
    let mut snippet = Snippet::source(text).path(file.name.as_str()).line_start(window.line);
    for edit in own() {
        let range = inside(file, &window, edit.range);
        snippet = snippet.patch(Patch::new(range, edit.replacement.as_str()));
    }
    Some(group.element(snippet))
}

/// A range cut to the text and to whole characters: drawing must not fail on any range.
fn within(text: &str, range: Range<usize>) -> Range<usize> {
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
