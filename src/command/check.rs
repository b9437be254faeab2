//! `tailwater check`: what is wrong with rules.

use tailwater_dsl::diagnostic::{Diagnostic, apply_edits_to, github, human, json, summary};

use crate::args::{Check, DiagnosticFormat, General};
use crate::exit::Exit;
use crate::output::{self, print};
use crate::rule_files::{self, Compiled, RuleFile, compile};
use crate::terminal::tell;

/// Rounds of fixing: an edit may uncover a further problem. Far more than rules need.
const FIX_ROUNDS_MAX: usize = 16;

/// Checks, and mends where asked.
pub(crate) fn run(args: &Check, general: General) -> anyhow::Result<Exit> {
    let mut files = rule_files::read(&args.paths)?;
    files.extend(rule_files::expressions(&args.expressions));
    let (count, params) = (files.len(), rule_files::params(&args.params)?);
    let (mut text, mut diagnostics) = (String::new(), Vec::new());
    for set in rule_files::sets(files) {
        let compiled = checked(set, args, &params, general)?;
        text.push_str(&written(&compiled, args.format, general));
        diagnostics.extend(compiled.diagnostics);
    }
    print(&text)?;
    if !general.is_quiet && args.format == DiagnosticFormat::Human {
        let line = summary(&diagnostics).unwrap_or_else(|| "no problems".to_owned());
        tell(&format!("{}: {line}\n", counted(count, "file")));
    }
    let has_error = diagnostics.iter().any(Diagnostic::is_error);
    Ok(match (has_error, !diagnostics.is_empty() && args.deny_warnings) {
        (true, _) => Exit::Findings,
        (false, true) => Exit::Warnings,
        (false, false) => Exit::Good,
    })
}

/// Files that are compiled together, mended where asked.
fn checked(
    mut files: Vec<RuleFile>,
    args: &Check,
    params: &[(String, String)],
    general: General,
) -> anyhow::Result<Compiled> {
    let mut compiled = compile(&files, params.to_vec());
    if args.fix {
        let mut fixed = 0;
        for _ in 0..FIX_ROUNDS_MAX {
            let changed = fix(&mut files, &compiled)?;
            if changed == 0 {
                break;
            }
            fixed += changed;
            compiled = compile(&files, params.to_vec());
        }
        if !general.is_quiet && fixed > 0 {
            tell(&format!("changed {}\n", counted(fixed, "file")));
        }
    }
    Ok(compiled)
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
