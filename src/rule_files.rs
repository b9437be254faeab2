//! Rules from files, folders and the command line, compiled.
//!
//! Files are read in the order given, folders sorted by path, so that diagnostics and rule order
//! are the same everywhere.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tailwater_dsl::diagnostic::{Diagnostic, explain, human, summary};
use tailwater_dsl::hir::Program;
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Options, SourceFile};
use tailwater_engine::plan::Plan;

use crate::args::General;
use crate::exit::Usage;
use crate::terminal::tell;

/// Bytes of one rule file that are read; the language's own limit is far below.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Folders inside folders that are looked into.
const FOLDER_DEPTH_MAX: usize = 16;

/// Rule files of one run.
const FILES_MAX: usize = 10_000;

/// A rule file and where it came from; rules of the command line have no path.
pub(crate) struct RuleFile {
    /// Where it is, if it is a file.
    pub(crate) path: Option<PathBuf>,
    /// Its name in diagnostics.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// Rules, compiled as far as their errors allow.
pub(crate) struct Compiled {
    /// The files, imports included, by which diagnostics are drawn.
    pub(crate) files: Vec<SourceFile>,
    /// Everything there is to say about them.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The typed rules, if nothing is wrong.
    pub(crate) program: Option<Program>,
    /// What runs, if nothing is wrong.
    pub(crate) plan: Option<Arc<Plan>>,
}

/// Reads rule files and folders of them; `-` is standard input.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleFile>> {
    let mut found = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let text = read_text(io::stdin(), "standard input")?;
            found.push(RuleFile { path: None, name: "stdin".to_owned(), text });
            continue;
        }
        let mut files = Vec::new();
        collect(path, 0, &mut files)?;
        if files.is_empty() {
            anyhow::bail!("there is no `.tw` file in `{}`", path.display());
        }
        for path in files {
            let name = path.display().to_string();
            let file = File::open(&path).with_context(|| format!("cannot read `{name}`"))?;
            let text = read_text(file, &name)?;
            found.push(RuleFile { path: Some(path), name, text });
        }
    }
    anyhow::ensure!(found.len() <= FILES_MAX, "more than {FILES_MAX} rule files are given");
    let mut seen = BTreeSet::new();
    found.retain(|file| file.path.is_none() || seen.insert(file.path.clone()));
    Ok(found)
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read `{}`", path.display());
    if !fs::metadata(path).with_context(cannot)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    anyhow::ensure!(
        depth < FOLDER_DEPTH_MAX,
        "`{}` lies deeper than {FOLDER_DEPTH_MAX} folders",
        path.display()
    );
    let entries: io::Result<Vec<_>> = fs::read_dir(path).with_context(cannot)?.collect();
    let mut entries: Vec<PathBuf> =
        entries.with_context(cannot)?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let is_hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if !is_hidden && (entry.is_dir() || entry.extension().is_some_and(|end| end == "tw")) {
            collect(&entry, depth + 1, files)?;
        }
    }
    Ok(())
}

fn read_text(read: impl Read, name: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let mut read = read.take(FILE_BYTES_MAX + 1);
    read.read_to_end(&mut bytes).with_context(|| format!("cannot read `{name}`"))?;
    anyhow::ensure!(
        bytes.len() as u64 <= FILE_BYTES_MAX,
        "`{name}` is no rule file: it has more than {FILE_BYTES_MAX} bytes"
    );
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("`{name}` is no rule file: it is not UTF-8 from byte {at} on")
    })
}

/// Rules written on the command line, as files of their own.
pub(crate) fn expressions(texts: &[String]) -> impl Iterator<Item = RuleFile> {
    texts.iter().enumerate().map(|(index, text)| RuleFile {
        path: None,
        name: if index == 0 { "-e".to_owned() } else { format!("-e#{}", index + 1) },
        text: text.clone(),
    })
}

/// Splits what `--set` was given.
pub(crate) fn params(given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let split = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Usage(format!("expected `--set NAME=VALUE`, found `--set {text}`")).into()),
    };
    given.iter().map(split).collect()
}

/// Compiles rules.
pub(crate) fn compile(files: &[RuleFile], params: Vec<(String, String)>) -> Compiled {
    let sources: Vec<SourceFile> = files
        .iter()
        .enumerate()
        .map(|(index, file)| SourceFile {
            id: FileId(index as u32),
            name: file.name.clone(),
            text: file.text.clone(),
        })
        .collect();
    let folders: BTreeSet<&Path> =
        files.iter().filter_map(|file| file.path.as_deref()?.parent()).collect();
    let importer = |target: &str| import(target, &folders);
    let options = Options { params, importer: &importer };
    let analysis = tailwater_dsl::compile(&sources, &tailwater_rules::catalog(), &options);
    let mut diagnostics = analysis.diagnostics;
    let mut program = analysis.program;
    let mut plan = None;
    match program.as_ref().map(tailwater_rules::lower) {
        Some(Ok(lowered)) => plan = Some(Arc::new(lowered)),
        Some(Err(missing)) => {
            diagnostics.extend(missing.iter().map(not_yet));
            program = None;
        }
        None => {}
    }
    Compiled { files: analysis.files, diagnostics, program, plan }
}

/// A file beside the given ones.
fn import(target: &str, folders: &BTreeSet<&Path>) -> Option<String> {
    let open = |folder: &&Path| File::open(folder.join(target)).ok();
    let file = folders.iter().find_map(open)?;
    read_text(file, target).ok()
}

fn not_yet(missing: &tailwater_rules::NotYet) -> Diagnostic {
    let code = explain("E0010").expect("the code of what does not run yet").code;
    Diagnostic::new(code, missing.range, format!("this version does not run {} yet", missing.what))
        .label("not run by this version")
}

impl Compiled {
    /// Whether anything is an error.
    pub(crate) fn has_error(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Tells people what is wrong, on standard error; warnings only where they are not unwelcome.
    pub(crate) fn tell(&self, general: General) {
        if self.diagnostics.is_empty() || (general.is_quiet && !self.has_error()) {
            return;
        }
        let mut text = human(&self.diagnostics, &self.files, general.colors.on_stderr);
        if let Some(line) = summary(&self.diagnostics) {
            text.push_str(&line);
            text.push('\n');
        }
        tell(&text);
    }
}
