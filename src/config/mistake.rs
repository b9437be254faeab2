//! What is wrong with a configuration, and where; drawn like the diagnostics of rules.
//!
//! Invariant: what a mistake shows of the file has its secrets masked, and those of values that
//! nobody can know to be none: of misspelt fields, of text that could not be parsed.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value as Json, json};
use tailwater_dsl::text_range::line_column;

use super::secret::MASK;

/// Mistakes of one file that are told.
const TOLD_MAX: usize = 50;

/// Lines around the places of one mistake that are drawn, bytes.
const WINDOW_BYTES_MAX: usize = 8 * 1024;

/// Version of the JSON form: that of the diagnostics of rules.
const JSON_VERSION: u32 = 1;

/// Something wrong.
#[derive(Debug, Clone)]
pub(super) struct Mistake {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    /// What stands at the caret.
    pub(super) label: String,
    /// Another place that is the reason.
    pub(super) because: Option<(Range<usize>, String)>,
    pub(super) help: Option<String>,
}

impl Mistake {
    pub(super) fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), label: String::new(), because: None, help: None }
    }

    #[must_use]
    pub(super) fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    #[must_use]
    pub(super) fn because(mut self, range: Range<usize>, text: impl Into<String>) -> Self {
        self.because = Some((range, text.into()));
        self
    }

    #[must_use]
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// A configuration that cannot be used: everything that is wrong with it.
#[derive(Debug)]
pub(crate) struct Mistakes {
    /// The file's name.
    name: String,
    /// Its text, secrets masked, places of `all` moved accordingly.
    text: String,
    all: Vec<Mistake>,
    untold: usize,
}

impl Mistakes {
    /// Mistakes of a file in the order of its text, the given places masked.
    pub(super) fn new(
        name: &str,
        text: &str,
        mut all: Vec<Mistake>,
        secrets: Vec<Range<usize>>,
    ) -> Self {
        all.sort_by_key(|mistake| (mistake.range.start, mistake.range.end));
        let untold = all.len().saturating_sub(TOLD_MAX);
        all.truncate(TOLD_MAX);
        let masked = Masked::new(text, secrets);
        for mistake in &mut all {
            mistake.range = masked.moved(&mistake.range);
            if let Some((range, _)) = &mut mistake.because {
                *range = masked.moved(range);
            }
        }
        Self { name: name.to_owned(), text: masked.text, all, untold }
    }

    /// For people, with carets.
    pub(crate) fn human(&self, is_colored: bool) -> String {
        let renderer = if is_colored { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for mistake in &self.all {
            text.push_str(&renderer.render(&[self.group(mistake)]));
            text.push_str("\n\n");
        }
        let count = self.count();
        let more =
            if self.untold > 0 { format!(", {} not shown", self.untold) } else { String::new() };
        let _ = writeln!(text, "{count} error{}{more}", if count == 1 { "" } else { "s" });
        text
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len() + self.untold
    }

    fn group<'a>(&'a self, mistake: &'a Mistake) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(mistake.message.as_str()));
        let mut places = vec![(AnnotationKind::Primary, &mistake.range, mistake.label.as_str())];
        if let Some((range, text)) = &mistake.because {
            places.push((AnnotationKind::Context, range, text.as_str()));
        }
        let start = places.iter().map(|place| place.1.start).min().unwrap_or(0);
        let end = places.iter().map(|place| place.1.end).max().unwrap_or(0);
        let first = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let last = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at);
        let (line, column) = line_column(&self.text, mistake.range.start);
        if last - first > WINDOW_BYTES_MAX {
            let origin = Origin::path(self.name.as_str()).line(line).char_column(column);
            group = group.element(origin);
        } else {
            let (line, _) = line_column(&self.text, first);
            let mut snippet =
                Snippet::source(&self.text[first..last]).path(self.name.as_str()).line_start(line);
            for (kind, range, label) in places {
                let mut annotation = kind.span(range.start - first..range.end - first);
                if !label.is_empty() {
                    annotation = annotation.label(label);
                }
                snippet = snippet.annotation(annotation);
            }
            group = group.element(snippet);
        }
        if let Some(help) = &mistake.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        group
    }

    /// As JSON objects, one a line, in the form of the diagnostics of rules.
    pub(crate) fn json(&self) -> String {
        let mut text = String::new();
        for mistake in &self.all {
            let range = self.place(&mistake.range);
            let value = json!({
                "v": JSON_VERSION,
                "code": "config",
                "severity": "error",
                "message": mistake.message,
                "range": range,
                "labels": [{ "primary": true, "text": mistake.label, "range": range }],
                "notes": [],
                "help": mistake.help.iter().collect::<Vec<_>>(),
                "edits": [],
            });
            let _ = writeln!(text, "{value}");
        }
        text
    }

    fn place(&self, range: &Range<usize>) -> Json {
        let point = |at: usize| {
            let (line, column) = line_column(&self.text, at);
            json!({ "line": line, "column": column, "offset": at })
        };
        json!({ "file": self.name, "start": point(range.start), "end": point(range.end) })
    }

    /// As workflow commands of GitHub Actions.
    pub(crate) fn github(&self) -> String {
        let mut text = String::new();
        for mistake in &self.all {
            let (line, column) = line_column(&self.text, mistake.range.start);
            let escape = |text: &str| text.replace('%', "%25").replace('\n', "%0A");
            let message = escape(&mistake.message);
            let name = escape(&self.name);
            let _ = writeln!(text, "::error file={name},line={line},col={column}::{message}");
        }
        text
    }
}

/// A text with some places masked.
struct Masked {
    text: String,
    /// Places of the original and how long each is now, in order, apart from each other.
    places: Vec<(Range<usize>, usize)>,
}

impl Masked {
    fn new(text: &str, mut secrets: Vec<Range<usize>>) -> Self {
        secrets.retain(|range| range.start < range.end && text.get(range.clone()).is_some());
        secrets.sort_by_key(|range| (range.start, range.end));
        let (mut masked, mut places) = (String::with_capacity(text.len()), Vec::new());
        let mut done = 0;
        for range in secrets {
            if range.end <= done {
                continue;
            }
            let start = range.start.max(done);
            masked.push_str(&text[done..start]);
            // Lines keep their numbers.
            let lines = text[start..range.end].matches('\n').count();
            masked.push_str(MASK);
            masked.push_str(&"\n".repeat(lines));
            places.push((start..range.end, MASK.len() + lines));
            done = range.end;
        }
        masked.push_str(&text[done..]);
        Self { text: masked, places }
    }

    /// A range of the original in the masked text; within a masked place it is all of that.
    fn moved(&self, range: &Range<usize>) -> Range<usize> {
        let (start, end) =
            (self.moved_offset(range.start, false), self.moved_offset(range.end, true));
        let start = floor(&self.text, start.min(self.text.len()));
        let mut end = end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }

    fn moved_offset(&self, offset: usize, is_end: bool) -> usize {
        let mut moved = offset;
        for (place, length) in &self.places {
            if place.end <= offset {
                moved = moved - place.len() + length;
            } else if place.start < offset {
                let start = moved - (offset - place.start);
                return if is_end { start + MASK.len() } else { start };
            }
        }
        moved
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_places_keep_lines_and_move_what_follows() {
        let text = "a: secret\nb: [x, tést, |\n  two\n  lines]\nc: 1\n";
        let at = |part: &str| text.find(part).unwrap()..text.find(part).unwrap() + part.len();
        let masked = Masked::new(text, vec![at("secret"), at("tést"), at("two\n  lines"), 0..0]);
        assert_eq!(masked.text, "a: ****\nb: [x, ****, |\n  ****\n]\nc: 1\n");
        for part in ["a", "b", "x", "c: 1"] {
            assert_eq!(&masked.text[masked.moved(&at(part))], part);
        }
        assert_eq!(&masked.text[masked.moved(&at("cre"))], "****");
        assert_eq!(masked.text.lines().count(), text.lines().count());
    }
}
