//! `tailwater check`: what is wrong with rules.

use tailwater_dsl::diagnostic::{apply_edits_to, github, human, json, summary};

use crate::args::{Check, DiagnosticFormat, General};
use crate::exit::Exit;
use crate::output::{self, Output};
use crate::rule_files::{self, Compiled, RuleFile, compile};
use crate::terminal::tell;

/// Rounds of fixing: an edit may uncover a further problem. Far more than rules need.
const FIX_ROUNDS_MAX: usize = 16;

/// Checks, and mends where asked.
pub(crate) fn run(args: &Check, general: General) -> anyhow::Result<Exit> {
    let mut files = rule_files::read(&args.paths)?;
    let params = rule_files::params(&args.params)?;
    let mut compiled = compile(&files, params.clone());
    if args.fix {
        let mut fixed = 0;
        for _ in 0..FIX_ROUNDS_MAX {
            let changed = fix(&mut files, &compiled)?;
            if changed == 0 {
                break;
            }
            fixed += changed;
            compiled = compile(&files, params.clone());
        }
        if !general.is_quiet && fixed > 0 {
            tell(&format!("changed {}\n", counted(fixed, "file")));
        }
    }
    print(&compiled, args.format, general)?;
    if !general.is_quiet && args.format == DiagnosticFormat::Human {
        let line = summary(&compiled.diagnostics).unwrap_or_else(|| "no problems".to_owned());
        tell(&format!("{}: {line}\n", counted(files.len(), "file")));
    }
    let has_warning = !compiled.diagnostics.is_empty();
    Ok(match (compiled.has_error(), has_warning && args.deny_warnings) {
        (true, _) => Exit::Findings,
        (false, true) => Exit::Warnings,
        (false, false) => Exit::Good,
    })
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

fn print(compiled: &Compiled, format: DiagnosticFormat, general: General) -> anyhow::Result<()> {
    let (diagnostics, files) = (&compiled.diagnostics, &compiled.files);
    let text = match format {
        DiagnosticFormat::Human => human(diagnostics, files, general.colors.on_stdout),
        DiagnosticFormat::Json => json(diagnostics, files),
        DiagnosticFormat::Github => github(diagnostics, files),
    };
    let mut output = Output::open(None)?;
    output.text(&text)?;
    output.close()?;
    Ok(())
}

/// `1 file`, `2 files`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
