//! Rules from files, folders and the command line, compiled.
//!
//! Files are read in the order given, folders sorted by path, so that diagnostics and rule order
//! are the same everywhere.

mod import;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use tailwater_dsl::catalog::Catalog;
use tailwater_dsl::diagnostic::suggest::{aside, listed, nearest};
use tailwater_dsl::diagnostic::{Diagnostic, explain, human, summary};
use tailwater_dsl::hir::Program;
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{AttributeRead, NoImport, Options, SourceFile};
use tailwater_engine::journal::{Opening, RuleText};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::Engine;
use tailwater_engine::{Error, ErrorKind};
use tailwater_rules::{PACK_PREFIX, PACKS, pack};

use crate::args::{General, RuleInputs};
use crate::exit::Usage;
use crate::near_path::cannot_read;
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
    /// What they import, by the name that they import it by.
    pub(crate) imports: Vec<RuleText>,
    /// Everything there is to say about them.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The typed rules, if nothing is wrong.
    pub(crate) program: Option<Program>,
    /// What runs, if nothing is wrong.
    pub(crate) plan: Option<Arc<Plan>>,
    /// Which of the imports are files of tables.
    pub(crate) table_files: Vec<String>,
    /// The attributes that the files read, imports left out.
    pub(crate) reads: Vec<AttributeRead>,
}

/// Reads rule files, folders of them and packs; `-` is standard input.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleFile>> {
    let mut found = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let text = read_text(io::stdin(), "standard input")?;
            found.push(RuleFile { path: None, name: "stdin".to_owned(), text });
            continue;
        }
        if let Some(name) = pack_name(path) {
            let text = known_pack(name)?.text.to_owned();
            found.push(RuleFile { path: None, name: name.to_owned(), text });
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

/// Reads rules that shall run together: a pack is imported under its short name, so that several
/// of them do not get into each other's way.
pub(crate) fn read_to_run(paths: &[PathBuf]) -> anyhow::Result<Vec<RuleFile>> {
    let mut files = read(paths)?;
    for file in &mut files {
        if let Some(pack) = pack(&file.name) {
            file.text = format!("import \"{}\" as {}\n", pack.name, pack.short_name());
            file.name = format!("import of {}", pack.name);
        }
    }
    Ok(files)
}

/// Reads the rules that a command is told to run.
pub(crate) fn read_all(rules: &RuleInputs) -> anyhow::Result<Vec<RuleFile>> {
    let mut files = read_to_run(&rules.rules)?;
    files.extend(expressions(&rules.expressions));
    Ok(files)
}

/// Splits files into sets with names of their own: each pack is one, all other files are one.
/// With `each`, every file is one.
pub(crate) fn sets(files: Vec<RuleFile>, each: bool) -> Vec<Vec<RuleFile>> {
    if each {
        return files.into_iter().map(|file| vec![file]).collect();
    }
    let (packs, own): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| pack(&file.name).is_some());
    let mut sets: Vec<Vec<RuleFile>> = packs.into_iter().map(|pack| vec![pack]).collect();
    if !own.is_empty() {
        sets.insert(0, own);
    }
    sets
}

/// The path as a pack's name, if it is one.
fn pack_name(path: &Path) -> Option<&str> {
    path.to_str().filter(|name| name.starts_with(PACK_PREFIX))
}

fn known_pack(name: &str) -> anyhow::Result<&'static tailwater_rules::Pack> {
    pack(name).ok_or_else(|| {
        let names = || PACKS.iter().map(|pack| pack.name);
        let (near, all) = (aside(nearest(name, names())), listed(names(), PACKS.len()));
        Usage(format!(
            "there is no pack `{name}`{near} (packs: {all}; a folder is written `./{name}`)"
        ))
        .into()
    })
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read `{}`", path.display());
    if !fs::metadata(path).map_err(|cause| cannot_read(path, &cause))?.is_dir() {
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
        "`{name}` is neither rules nor a table: it has more than {FILE_BYTES_MAX} bytes"
    );
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("`{name}` is neither rules nor a table: it is not UTF-8 from byte {at} on")
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

/// Splits what each `--set` was given.
pub(crate) fn params(given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    given.iter().map(|text| Ok(param(text)?)).collect()
}

/// Splits what a `--set` was given.
pub(crate) fn param(text: &str) -> Result<(String, String), Usage> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Usage(format!("expected `--set NAME=VALUE`, found `--set {text}`"))),
    }
}

/// Compiles rules, whatever sinks they name.
pub(crate) fn compile(files: &[RuleFile], params: Vec<(String, String)>) -> Compiled {
    compile_for(files, params, None)
}

/// Compiles rules; the sinks that they name must be among those given, if any are.
pub(crate) fn compile_for(
    files: &[RuleFile],
    params: Vec<(String, String)>,
    sinks: Option<Vec<String>>,
) -> Compiled {
    let folders = folders(files);
    let catalog = Catalog { sinks, ..tailwater_rules::catalog() };
    compile_importing(&sources(files), params, &catalog, &|target| import::import(target, &folders))
}

/// Compiles rules again; what they import is given.
pub(crate) fn compile_again(
    files: &[RuleFile],
    params: Vec<(String, String)>,
    sinks: Option<Vec<String>>,
    imports: &[RuleText],
) -> Compiled {
    let catalog = Catalog { sinks, ..tailwater_rules::catalog() };
    compile_importing(&sources(files), params, &catalog, &|target| among(imports, target))
}

fn sources(files: &[RuleFile]) -> Vec<SourceFile> {
    let source = |(index, file): (usize, &RuleFile)| SourceFile {
        id: FileId(index as u32),
        name: file.name.clone(),
        text: file.text.clone(),
    };
    files.iter().enumerate().map(source).collect()
}

/// Where imports are looked for.
fn folders(files: &[RuleFile]) -> BTreeSet<&Path> {
    let folders = files.iter().map(|file| file.path.as_deref().and_then(Path::parent));
    folders.map(|folder| folder.unwrap_or_else(|| Path::new(""))).collect()
}

/// What rules import by a name, as it is now.
pub(crate) fn read_import(files: &[RuleFile], target: &str) -> Result<String, NoImport> {
    import::import(target, &folders(files))
}

fn among(imports: &[RuleText], target: &str) -> Result<String, NoImport> {
    let found = imports.iter().find(|import| import.name == target);
    found.map(|import| import.text.clone()).ok_or(NoImport::Absent)
}

/// Rules over a log whose tables they follow: those of the log, or others.
#[derive(Clone)]
pub(crate) struct Recorded {
    /// The rules as a log would open with them; their imports follow the log's tables.
    pub(crate) opening: Opening,
    /// Parameters given anew.
    pub(crate) params: Vec<(String, String)>,
}

impl Recorded {
    /// Other rules than a log's, compiled with the log's texts of tables that both read, and the
    /// names of these.
    pub(crate) fn other(
        log: &Opening,
        files: &[RuleFile],
        params: &[(String, String)],
    ) -> (Self, Compiled, Vec<String>) {
        let mut tables = compile_recorded(log, Vec::new()).table_files;
        let folders = folders(files);
        let own = |target: &str| {
            let is_table = tables.iter().any(|name| name == target);
            is_table.then(|| among(&log.imports, target).ok()).flatten()
        };
        let import = |target: &str| match own(target) {
            Some(text) => Ok(text),
            None => import::import(target, &folders),
        };
        let catalog = tailwater_rules::catalog();
        let compiled = compile_importing(&sources(files), params.to_vec(), &catalog, &import);
        let text = |file: &RuleFile| RuleText { name: file.name.clone(), text: file.text.clone() };
        let opening = Opening {
            program: log.program.clone(),
            rules: files.iter().map(text).collect(),
            imports: compiled.imports.clone(),
            params: Vec::new(),
            sources: log.sources.clone(),
        };
        tables.retain(|name| compiled.table_files.contains(name));
        (Self { opening, params: params.to_vec() }, compiled, tables)
    }

    /// Compiles them.
    pub(crate) fn compile(&self) -> Compiled {
        compile_recorded(&self.opening, self.params.clone())
    }

    /// Goes on with another text of a table, if these rules read it.
    pub(crate) fn follow(&mut self, file: RuleText, engine: &mut Engine) -> Result<(), Error> {
        let known = self.opening.imports.iter_mut().find(|import| import.name == file.name);
        let Some(known) = known else { return Ok(()) };
        let name = file.name.clone();
        *known = file;
        let refused = |cause: String| {
            let text = format!(
                "the rules cannot go on with the table `{name}` as the log has it from here on; \
                 `--tables files` reads the file instead{cause}"
            );
            Error::new(ErrorKind::Format, text)
        };
        let plan = self.compile().plan.ok_or_else(|| refused(String::new()))?;
        engine.replace_tables(&plan).map_err(|error| refused(format!(": {error}")))
    }
}

/// Compiles the rules that a log was written under, imports and parameters as they were then,
/// unless parameters are given anew.
fn compile_recorded(opening: &Opening, given: Vec<(String, String)>) -> Compiled {
    let source = |(index, rule): (usize, &RuleText)| SourceFile {
        id: FileId(index as u32),
        name: rule.name.clone(),
        text: rule.text.clone(),
    };
    let sources: Vec<SourceFile> = opening.rules.iter().enumerate().map(source).collect();
    let mut params = opening.params.clone();
    params.retain(|(name, _)| given.iter().all(|(new, _)| new != name));
    params.extend(given);
    let import = |target: &str| among(&opening.imports, target);
    compile_importing(&sources, params, &tailwater_rules::catalog(), &import)
}

fn compile_importing(
    sources: &[SourceFile],
    params: Vec<(String, String)>,
    catalog: &Catalog,
    import: &(dyn Fn(&str) -> Result<String, NoImport> + Sync),
) -> Compiled {
    let imports = Mutex::new(BTreeMap::new());
    let importer = |target: &str| {
        let text = import(target)?;
        let known = imports.lock();
        known.map_err(|_| NoImport::Absent)?.insert(target.to_owned(), text.clone());
        Ok(text)
    };
    let packs = PACKS.map(|pack| pack.name);
    let options = Options { params, importer: &importer, packs: &packs };
    let analysis = tailwater_dsl::compile(sources, catalog, &options);
    let mut diagnostics = analysis.diagnostics;
    diagnostics.retain(|one| one.is_error() || !is_of_pack(one, &analysis.files));
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
    let imports = imports.into_inner().unwrap_or_default().into_iter();
    let imports = imports.map(|(name, text)| RuleText { name, text }).collect();
    let (table_files, reads) = (analysis.table_files, analysis.reads);
    Compiled { files: analysis.files, imports, diagnostics, program, plan, table_files, reads }
}

/// Packs are not linted: what they leave open, such as lateness, is for their users to say.
fn is_of_pack(diagnostic: &Diagnostic, files: &[SourceFile]) -> bool {
    let file = files.iter().find(|file| file.id == diagnostic.range().file);
    file.is_some_and(|file| pack(&file.name).is_some())
}

fn not_yet(missing: &tailwater_rules::NotYet) -> Diagnostic {
    if let Some((code, help)) = &missing.mistake {
        let code = explain(code).expect("the code of a mistake").code;
        return Diagnostic::new(code, missing.range, missing.what.clone()).help(help.clone());
    }
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
