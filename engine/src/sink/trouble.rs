//! What goes wrong in a sink, as it is told to people: who, what, how much, and of whose.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::Shape;
use super::counts::{DropReason, Failure};
use super::prometheus::label_text;
use super::push::Said;
use crate::limits::SINK_TOLD_CHARS_MAX;

/// Something that went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// An attempt failed; the items are sent again.
    Again(Failure),
    /// Items are dropped.
    Dropped(DropReason),
    /// The receiver warns, and has taken everything.
    Warning,
    /// A file with certificates or a token changed, and what it holds now is not used.
    Files,
}

impl Trouble {
    /// The word for it, as logs show it and as its repetitions are known.
    pub fn word(self) -> &'static str {
        match self {
            Self::Again(failure) => failure.word(),
            Self::Dropped(reason) => reason.word(),
            Self::Warning => "warning",
            Self::Files => "files",
        }
    }
}

/// A message about a delivery. Text from elsewhere is cut, and free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The sink's name.
    pub sink: Arc<str>,
    /// What happened.
    pub trouble: Trouble,
    /// A sentence: lower case, no final period.
    pub text: String,
    /// Items that it is about.
    pub items: u64,
    /// The rule of the first of them.
    pub rule: Option<Arc<str>>,
    /// The key of the first of them: `service.name=shop, code=5`. Empty where it has none.
    pub key: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.items == 0 {
            return Ok(());
        }
        let what = match self.trouble {
            Trouble::Again(_) => "tried again",
            Trouble::Dropped(_) => "dropped",
            Trouble::Warning | Trouble::Files => "concerned",
        };
        let (items, s) = (self.items, if self.items == 1 { "" } else { "s" });
        write!(f, "; {items} item{s} {what}")?;
        if let Some(rule) = &self.rule {
            write!(f, ", first of `{rule}`")?;
        }
        if !self.key.is_empty() {
            write!(f, " ({})", self.key)?;
        }
        Ok(())
    }
}

/// Tells people what goes wrong. Calls may come often.
pub type Tell = Arc<dyn Fn(&Report) + Send + Sync>;

/// The rule of an item, and its key for people.
pub(super) fn rule_and_key(shapes: &[Shape], said: &Said) -> (Option<Arc<str>>, String) {
    let rule = said.rule();
    let (is_other, values) = match said {
        Said::Row(row) => (row.is_other, &*row.key),
        Said::Transition(transition) => (transition.is_other, &*transition.key),
        Said::Item(_) => (false, &[][..]),
    };
    let (name, keys) = match shapes.get(rule.0 as usize) {
        Some(Shape::Rule(shape)) => (Some(Arc::clone(&shape.name)), &*shape.keys),
        Some(Shape::Alert(shape)) => (Some(Arc::clone(&shape.name)), &*shape.keys),
        None => (None, &[][..]),
    };
    if is_other {
        return (name, "the groups beyond the limit".to_owned());
    }
    let mut text = String::new();
    for (key, value) in keys.iter().zip(values) {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{key}={}", label_text(value));
    }
    (name, plain(&text))
}

/// Text from elsewhere as it may stand in a message: control characters are spaces, those that
/// turn the direction of text are escaped, and it is cut.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(SINK_TOLD_CHARS_MAX) {
        match c {
            c if is_direction(c) => out.extend(c.escape_unicode()),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    if text.chars().nth(SINK_TOLD_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_how_much_of_whose() {
        let report = Report {
            sink: Arc::from("pager"),
            trouble: Trouble::Dropped(DropReason::Late),
            text: "no answer within 10 s".to_owned(),
            items: 12,
            rule: Some(Arc::from("http")),
            key: "service.name=shop".to_owned(),
        };
        let text = "no answer within 10 s; 12 items dropped, first of `http` (service.name=shop)";
        assert_eq!(report.to_string(), text);
        let one = Report { items: 1, rule: None, key: String::new(), ..report.clone() };
        assert_eq!(one.to_string(), "no answer within 10 s; 1 item dropped");
        let none = Report { items: 0, ..report };
        assert_eq!(none.to_string(), "no answer within 10 s");
    }

    #[test]
    fn text_from_elsewhere_cannot_move_the_cursor_or_go_on_for_ever() {
        assert_eq!(plain("a\u{1b}[1m\nb\u{202e}c"), "a [1m b\\u{202e}c");
        let long = plain(&"é".repeat(1_000));
        assert_eq!(long.chars().count(), SINK_TOLD_CHARS_MAX + 1);
    }
}
