//! `tailwater fmt`: the canonical form of rules.

use std::path::PathBuf;

use tailwater_dsl::SourceFile;
use tailwater_dsl::diagnostic::human;
use tailwater_dsl::text_range::FileId;

use crate::args::{Fmt, General};
use crate::exit::Exit;
use crate::output::{self, Output};
use crate::rule_files::{self, RuleFile};
use crate::terminal::tell;

/// Formats, or tells what is not formatted.
pub(crate) fn run(args: &Fmt, general: General) -> anyhow::Result<Exit> {
    let paths = if args.paths.is_empty() { vec![PathBuf::from("-")] } else { args.paths.clone() };
    let mut output = Output::open(None)?;
    let mut exit = Exit::Good;
    for file in rule_files::read(&paths)? {
        let text = match tailwater_dsl::format(&file.text) {
            Ok(text) => text,
            Err(diagnostics) => {
                let RuleFile { name, text, .. } = file;
                let source = SourceFile { id: FileId(0), name, text };
                tell(&human(&diagnostics, &[source], general.colors.on_stderr));
                exit = Exit::Findings;
                continue;
            }
        };
        let is_formatted = text == file.text;
        match &file.path {
            _ if args.check && is_formatted => {}
            _ if args.check => {
                output.text(&format!("{}\n", file.name))?;
                exit = Exit::Findings;
            }
            None => output.text(&text)?,
            Some(_) if is_formatted => {}
            Some(path) => {
                output::replace(path, &text)?;
                if !general.is_quiet {
                    tell(&format!("formatted {}\n", file.name));
                }
            }
        }
    }
    output.close()?;
    Ok(exit)
}
