//! Diagnostics for machines: one JSON object each, and GitHub's workflow commands.

use std::fmt::Write as _;

use serde_json::{Value, json as object};

use super::{Applicability, Diagnostic};
use crate::SourceFile;
use crate::text_range::{TextRange, line_column};

/// Version of the JSON form; it grows when a member changes its meaning or goes.
const JSON_VERSION: u32 = 1;

/// Diagnostics as JSON lines. Lines and columns count from 1, columns in characters; offsets in
/// bytes.
pub fn json(diagnostics: &[Diagnostic], files: &[SourceFile]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&json_value(diagnostic, files).to_string());
        text.push('\n');
    }
    text
}

/// One diagnostic as a JSON value.
pub fn json_value(diagnostic: &Diagnostic, files: &[SourceFile]) -> Value {
    let labels: Vec<_> = diagnostic
        .labels
        .iter()
        .map(|label| {
            object!({
                "primary": label.primary,
                "text": label.text,
                "range": range_value(label.range, files),
            })
        })
        .collect();
    let edits: Vec<_> = diagnostic
        .edits
        .iter()
        .map(|edit| {
            object!({
                "range": range_value(edit.range, files),
                "replacement": edit.replacement,
                "safe": edit.applicability == Applicability::Safe,
            })
        })
        .collect();
    object!({
        "v": JSON_VERSION,
        "code": diagnostic.code.as_str(),
        "severity": diagnostic.severity.word(),
        "message": diagnostic.message,
        "range": range_value(diagnostic.range(), files),
        "labels": labels,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "edits": edits,
    })
}

fn range_value(range: TextRange, files: &[SourceFile]) -> Value {
    let Some(file) = files.iter().find(|file| file.id == range.file) else {
        return Value::Null;
    };
    let (line, column) = line_column(&file.text, range.start as usize);
    let (end_line, end_column) = line_column(&file.text, range.end as usize);
    object!({
        "file": file.name,
        "start": { "line": line, "column": column, "offset": range.start },
        "end": { "line": end_line, "column": end_column, "offset": range.end },
    })
}

/// Diagnostics as GitHub workflow commands (docs.github.com, "Workflow commands").
pub fn github(diagnostics: &[Diagnostic], files: &[SourceFile]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let range = diagnostic.range();
        let Some(file) = files.iter().find(|file| file.id == range.file) else { continue };
        let (line, column) = line_column(&file.text, range.start as usize);
        let (end_line, end_column) = line_column(&file.text, range.end as usize);
        let mut message = diagnostic.message.clone();
        for help in &diagnostic.help {
            message.push_str("\nhelp: ");
            message.push_str(help);
        }
        let _ = writeln!(
            text,
            "::{} file={},line={line},col={column},endLine={end_line},endColumn={end_column},\
             title={}::{}",
            diagnostic.severity.word(),
            property(&file.name),
            diagnostic.code.as_str(),
            data(&message),
        );
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
