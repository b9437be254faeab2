//! Diagnostics: what is wrong, where, why, and how to mend it.
//!
//! Data only; renderers turn it into text for people (`render`), machines and GitHub (`json`).

mod code;
mod edit;
mod json;
mod render;
pub mod suggest;

pub use code::{Code, CodeDef, all, explain};
pub use edit::{apply_edits, apply_edits_to};
pub use json::{github, json, json_value};
pub use render::{human, summary};

pub(crate) use code::codes;

use crate::text_range::TextRange;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing runs before it is mended.
    Error,
    /// It runs, and is probably not what was meant.
    Warning,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place with a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub range: TextRange,
    /// The remark; may be empty.
    pub text: String,
    /// Whether it is the wrong place itself, rather than the reason for it.
    pub primary: bool,
}

/// Whether an edit may be applied unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applicability {
    /// It mends the problem and the result compiles.
    Safe,
    /// It is a guess.
    Maybe,
}

/// A change of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub range: TextRange,
    /// What takes its place.
    pub replacement: String,
    /// Whether it may be applied unseen.
    pub applicability: Applicability,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence, lower case, no period.
    pub message: String,
    /// Places; at least one is primary.
    pub labels: Vec<Label>,
    /// Facts that help to understand it.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
    /// Edits that would mend it.
    pub edits: Vec<Edit>,
}

impl Diagnostic {
    /// A diagnostic about a place; the severity is the code's.
    pub fn new(code: Code, range: TextRange, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: vec![Label { range, text: String::new(), primary: true }],
            notes: Vec::new(),
            help: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// Sets the remark at the wrong place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Adds a place that is a reason.
    #[must_use]
    pub fn because(mut self, range: TextRange, text: impl Into<String>) -> Self {
        self.labels.push(Label { range, text: text.into(), primary: false });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds an edit that may be applied unseen.
    #[must_use]
    pub fn fix(self, range: TextRange, replacement: impl Into<String>) -> Self {
        self.edit(range, replacement, Applicability::Safe)
    }

    /// Adds an edit that is a guess.
    #[must_use]
    pub fn guess(self, range: TextRange, replacement: impl Into<String>) -> Self {
        self.edit(range, replacement, Applicability::Maybe)
    }

    /// Says what was probably meant, and offers it in place of what stands there.
    #[must_use]
    pub fn did_you_mean(self, range: TextRange, near: &str) -> Self {
        self.help(format!("did you mean `{near}`?")).guess(range, near)
    }

    fn edit(
        mut self,
        range: TextRange,
        replacement: impl Into<String>,
        applicability: Applicability,
    ) -> Self {
        self.edits.push(Edit { range, replacement: replacement.into(), applicability });
        self
    }

    /// The wrong place.
    pub fn range(&self) -> TextRange {
        let primary = self.labels.iter().find(|label| label.primary);
        primary
            .or(self.labels.first())
            .map_or(TextRange::new(crate::text_range::FileId(0), 0, 0), |label| label.range)
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
