//! Regular expressions of rules: compiled once, when the plan is made or read.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{REGEX_BYTES_MAX, REGEX_PROGRAM_BYTES_MAX};

/// A compiled regular expression; equal, hashed and encoded by its text.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles a regular expression in the syntax of the `regex` crate: no look-around, no
    /// back-references, so that matching takes time linear in the text.
    ///
    /// # Errors
    /// What is wrong with it, or which bound it exceeds.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > REGEX_BYTES_MAX {
            let len = text.len();
            return Err(format!(
                "expected a regular expression of at most {REGEX_BYTES_MAX} bytes, found {len}"
            ));
        }
        let regex = RegexBuilder::new(text)
            .size_limit(REGEX_PROGRAM_BYTES_MAX)
            .dfa_size_limit(REGEX_PROGRAM_BYTES_MAX)
            .build()
            .map_err(|error| reason(text, &error))?;
        Ok(Self { text: Arc::from(text), regex })
    }

    /// The regular expression as written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(super) fn regex(&self) -> &Regex {
        &self.regex
    }
}

/// The last line of the library's picture says what is wrong.
fn reason(text: &str, error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("the regular expression `{text}` needs more than {limit} bytes compiled")
        }
        error => {
            let picture = error.to_string();
            let last = picture.lines().last().unwrap_or_default();
            let what = last.trim_start_matches("error: ");
            format!("`{text}` is not a regular expression: {what}")
        }
    }
}

/// Whether a text is a regular expression that rules may use.
///
/// # Errors
/// What is wrong with it, or which bound it exceeds.
pub fn check_regex(text: &str) -> Result<(), String> {
    Pattern::new(text).map(|_| ())
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
