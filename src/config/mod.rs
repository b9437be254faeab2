//! The configuration of a run: a file in YAML or TOML, options above it, defaults below it.
//!
//! ```text
//! file ──parse──► tree ──read, substitute──► settings ◄── options
//!                                              │
//!                                  print, schema, the run
//! ```
//!
//! Invariants: every mistake is told at once, each with its place; nothing that may be a secret is
//! ever shown; what is put in from the environment or a file is a value and never syntax. Nothing
//! here reaches the input log. Must not know: how a run is built from its settings.

mod clash;
mod file;
mod find;
mod hidden;
mod itself;
mod limits;
mod measure;
mod mistake;
mod options;
mod print;
mod rate;
mod read;
mod scalar;
mod schema;
mod secret;
mod section;
mod settings;
mod sinks;
mod substitute;
mod toml;
mod tree;
mod whole;
mod words;
mod yaml;

use std::ops::Range;
use std::path::Path;

use serde_json::{Value as Json, json};

pub(crate) use file::{FileFormat, FileSettings};
pub(crate) use mistake::Mistakes;
pub(crate) use scalar::Url;
pub(crate) use section::Origin;
pub(crate) use settings::{Access, Config, STDOUT};
pub(crate) use sinks::{OtlpSettings, Sink, To};

use crate::args::Run;
use find::Source;
use mistake::Mistake;
use print::Shown;
use scalar::Scalar;

/// Settings, and the file that they come from, if there is one.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    source: Option<Source>,
    /// Places in the file that are not shown.
    secrets: Vec<Range<usize>>,
}

/// A configuration file with mistakes.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) Mistakes);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.human(false).trim_end())
    }
}

impl std::error::Error for Wrong {}

/// Reads the configuration that options name or that is found, options applied.
///
/// # Errors
/// [`Wrong`] if it has mistakes; other errors if it cannot be read or options make no sense.
pub(crate) fn load(args: &Run) -> anyhow::Result<Loaded> {
    let mut loaded = load_file(args.config.as_deref())?;
    loaded.config.take_options(args)?;
    loaded.config.divide_memory();
    let wrong = whole::check(&loaded.config);
    loaded.refuse(wrong)?;
    Ok(loaded)
}

/// Reads a configuration file alone, or the first one of the search path.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_alone(path: Option<&Path>) -> anyhow::Result<Loaded> {
    let mut loaded = load_file(path)?;
    loaded.config.divide_memory();
    let wrong = whole::check(&loaded.config);
    loaded.refuse(wrong)?;
    Ok(loaded)
}

fn load_file(path: Option<&Path>) -> anyhow::Result<Loaded> {
    match find::find(path)? {
        Some(source) => Ok(of_source(source)?),
        None => Ok(Loaded { config: Config::default(), source: None, secrets: Vec::new() }),
    }
}

fn of_source(source: Source) -> Result<Loaded, Wrong> {
    let mut config = Config::default();
    let mut parsed = find::parse(&source);
    let mut mistakes = std::mem::take(&mut parsed.mistakes);
    let mut seen = std::mem::take(&mut parsed.seen);
    let folder = source.path.parent().unwrap_or_else(|| Path::new(""));
    let found = read::read(parsed.root, folder, &mut config);
    mistakes.extend(found.mistakes);
    seen.extend(found.seen);
    let secrets = if parsed.is_broken {
        hidden::values(&source.text)
    } else {
        hidden::but(&source.text, seen)
    };
    if mistakes.is_empty() {
        return Ok(Loaded { config, source: Some(source), secrets });
    }
    let name = source.path.display().to_string();
    Err(Wrong(Mistakes::new(&name, &source.text, mistakes, secrets)))
}

impl Loaded {
    /// The file's name, for people.
    pub(crate) fn file(&self) -> Option<String> {
        self.source.as_ref().map(|source| source.path.display().to_string())
    }

    /// Refuses settings that do not fit together.
    fn refuse(&self, wrong: Vec<whole::Misfit>) -> anyhow::Result<()> {
        let (mut mistakes, mut usage) = (Vec::new(), Vec::new());
        for misfit in wrong {
            match (&self.source, misfit.origin.place()) {
                (Some(_), Some(place)) => {
                    mistakes.push(Mistake::new(place.clone(), misfit.text).help(misfit.help));
                }
                _ => usage.push(format!("{}: {}", misfit.text, misfit.help)),
            }
        }
        if !usage.is_empty() {
            return Err(crate::exit::Usage(usage.join("\n")).into());
        }
        match &self.source {
            Some(source) if !mistakes.is_empty() => {
                let name = source.path.display().to_string();
                let secrets = self.secrets.clone();
                Err(Wrong(Mistakes::new(&name, &source.text, mistakes, secrets)).into())
            }
            _ => Ok(()),
        }
    }

    fn naming(&self, origin: &Origin) -> String {
        let place = |at: &Range<usize>| match &self.source {
            Some(source) => {
                let (line, _) = tailwater_dsl::text_range::line_column(&source.text, at.start);
                format!("{}:{line}", source.path.display())
            }
            None => String::new(),
        };
        match origin {
            Origin::Default => "default".to_owned(),
            Origin::Option(option) => (*option).to_owned(),
            Origin::File(at) => place(at),
            Origin::Reference { at, from } => format!("{} at {}", from.join(" "), place(at)),
        }
    }

    /// The settings in effect as YAML, each with its origin; secrets are masked.
    pub(crate) fn yaml(&mut self) -> String {
        let head = match self.file() {
            Some(file) => format!("# configuration: {file}\n"),
            None => "# configuration: no file was found\n".to_owned(),
        };
        let shown = Shown::new(&mut self.config);
        head + &shown.yaml(&|origin| self.naming(origin))
    }

    /// The settings in effect as JSON: `file`, `config`, and `origins` by path.
    pub(crate) fn json(&mut self) -> Json {
        let shown = Shown::new(&mut self.config);
        let (config, origins) = shown.json(&|origin| self.naming(origin));
        json!({ "file": self.file(), "config": config, "origins": origins })
    }
}

/// A value as it is written.
pub(crate) fn name_of(value: &impl Scalar) -> String {
    value.json().as_str().unwrap_or_default().to_owned()
}

/// What a variable of the environment holds, if it is set and text.
#[expect(clippy::disallowed_methods, reason = "a configuration reads the environment")]
pub(crate) fn variable_if_set(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The JSON Schema of a configuration file.
pub(crate) fn schema() -> Json {
    schema::schema(&mut Config::default())
}

#[cfg(test)]
mod tests;
