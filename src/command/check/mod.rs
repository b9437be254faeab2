//! `tailwater check`: what is wrong with rules, and with the configuration that they run under.

mod recorded;

use std::path::{Path, PathBuf};

use tailwater_dsl::absent_attributes;
use tailwater_dsl::diagnostic::{Diagnostic, apply_edits_to, github, human, json, summary};

use crate::args::{Check, DiagnosticFormat, General};
use crate::config::{self, Wrong};
use crate::exit::Exit;
use crate::output::{self, print};
use crate::rule_files::{self, Compiled, RuleFile, compile_for};
use crate::terminal::tell;

/// Rounds of fixing: an edit may uncover a further problem. Far more than rules need.
const FIX_ROUNDS_MAX: usize = 16;

/// Checks, and mends where asked.
pub(crate) fn run(args: &Check, general: General) -> anyhow::Result<Exit> {
    let (mut text, mut diagnostics) = (String::new(), Vec::new());
    let (under, mistakes) = match &args.config {
        Some(path) => under(path, args.format, general, &mut text)?,
        None => (Under::default(), 0),
    };
    let paths = if args.paths.is_empty() { &under.paths } else { &args.paths };
    let mut files = rule_files::read(paths)?;
    files.extend(rule_files::expressions(&args.expressions));
    let mut params = under.params.clone();
    params.extend(rule_files::params(&args.params)?);
    let count = files.len() + usize::from(args.config.is_some());
    for set in rule_files::sets(files, args.each) {
        let mut compiled = checked(set, args, (&params, &under.sinks), general)?;
        compare(&mut compiled, args, general)?;
        text.push_str(&written(&compiled, args.format, general));
        diagnostics.extend(compiled.diagnostics);
    }
    print(&text)?;
    if !general.is_quiet && args.format == DiagnosticFormat::Human {
        let line = summary(&diagnostics);
        let line = match (mistakes, line) {
            (0, line) => line.unwrap_or_else(|| "no problems".to_owned()),
            (_, None) => format!("{} of configuration", counted(mistakes, "mistake")),
            (_, Some(line)) => format!("{} of configuration, {line}", counted(mistakes, "mistake")),
        };
        tell(&format!("{}: {line}\n", counted(count, "file")));
    }
    let has_error = mistakes > 0 || diagnostics.iter().any(Diagnostic::is_error);
    Ok(match (has_error, !diagnostics.is_empty() && args.deny_warnings) {
        (true, _) => Exit::Findings,
        (false, true) => Exit::Warnings,
        (false, false) => Exit::Good,
    })
}

/// What a configuration says of rules.
#[derive(Default)]
struct Under {
    paths: Vec<PathBuf>,
    params: Vec<(String, String)>,
    /// Names of sinks; `None` where no configuration is at hand.
    sinks: Option<Vec<String>>,
}

/// Reads a configuration and writes what is wrong with it; also the number of its mistakes.
fn under(
    path: &Path,
    format: DiagnosticFormat,
    general: General,
    text: &mut String,
) -> anyhow::Result<(Under, usize)> {
    let error = match config::load_alone(Some(path)) {
        Ok(loaded) => {
            let config = loaded.config;
            let paths = config.rules.paths.items.iter().map(|path| path.value.0.clone()).collect();
            let sinks = Some(config.sink_names());
            return Ok((Under { paths, params: config.rules.params(), sinks }, 0));
        }
        Err(error) => error,
    };
    let Wrong(mistakes) = error.downcast()?;
    text.push_str(&match format {
        DiagnosticFormat::Human => mistakes.human(general.colors.on_stdout),
        DiagnosticFormat::Json => mistakes.json(),
        DiagnosticFormat::Github => mistakes.github(),
    });
    Ok((Under::default(), mistakes.count()))
}

/// Files that are compiled together, mended where asked.
fn checked(
    mut files: Vec<RuleFile>,
    args: &Check,
    (params, sinks): (&[(String, String)], &Option<Vec<String>>),
    general: General,
) -> anyhow::Result<Compiled> {
    let compile = |files: &[RuleFile]| compile_for(files, params.to_vec(), sinks.clone());
    let mut compiled = compile(&files);
    if args.fix {
        let mut fixed = 0;
        for _ in 0..FIX_ROUNDS_MAX {
            let changed = fix(&mut files, &compiled)?;
            if changed == 0 {
                break;
            }
            fixed += changed;
            compiled = compile(&files);
        }
        if !general.is_quiet && fixed > 0 {
            tell(&format!("changed {}\n", counted(fixed, "file")));
        }
    }
    Ok(compiled)
}

/// Adds what recordings say of the attributes that rules read.
fn compare(compiled: &mut Compiled, args: &Check, general: General) -> anyhow::Result<()> {
    if args.recordings.is_empty() {
        return Ok(());
    }
    let keys = compiled.reads.iter().map(|read| read.key.as_str()).collect();
    let found = recorded::occurring(&keys, &args.recordings, &args.content, general)?;
    let absent = absent_attributes(&compiled.reads, &|key| found.contains(key));
    compiled.diagnostics.extend(absent);
    compiled.diagnostics.sort_by_key(Diagnostic::range);
    Ok(())
}

/// Applies the safe edits to the files, on disk too. Gives the number of files changed.
fn fix(files: &mut [RuleFile], compiled: &Compiled) -> anyhow::Result<usize> {
    let mut changed = 0;
    for (file, source) in files.iter_mut().zip(&compiled.files) {
        let Some(path) = &file.path else { continue };
        let text = apply_edits_to(&file.text, source.id, &compiled.diagnostics);
        if text != file.text {
            output::replace(path, &text)?;
            file.text = text;
            changed += 1;
        }
    }
    Ok(changed)
}

fn written(compiled: &Compiled, format: DiagnosticFormat, general: General) -> String {
    let (diagnostics, files) = (&compiled.diagnostics, &compiled.files);
    match format {
        DiagnosticFormat::Human => human(diagnostics, files, general.colors.on_stdout),
        DiagnosticFormat::Json => json(diagnostics, files),
        DiagnosticFormat::Github => github(diagnostics, files),
    }
}

/// `1 file`, `2 files`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
