//! Files, functions and lines have a length that a reader can take in.

use super::source::{closing, code_only, is_test_file, line_of, words};
use super::{Finding, TextFile};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// Tests may hold a table of cases.
const TEST_FUNCTION_LINES_MAX: usize = 100;
const LINE_COLUMNS_MAX: usize = 100;

/// Files with functions that may be longer, and how long. To be split; the list only shrinks.
const EXCEPTIONS: [(&str, usize); 0] = [];

fn function_lines_max(path: &str) -> usize {
    let exception = EXCEPTIONS.iter().find(|(name, _)| *name == path);
    let usual = if is_test_file(path) { TEST_FUNCTION_LINES_MAX } else { FUNCTION_LINES_MAX };
    exception.map_or(usual, |(_, lines)| *lines)
}

/// What is too long in a file.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(Finding::new(path, 1, format!("{lines} lines, at most {FILE_LINES_MAX}")));
    }
    for (index, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        // A literal or a path that cannot be broken may run on.
        let is_whole = line.contains('"') || line.trim_start().starts_with("use ");
        if columns > LINE_COLUMNS_MAX && !is_whole {
            let message = format!("{columns} columns, at most {LINE_COLUMNS_MAX}");
            findings.push(Finding::new(path, index + 1, message));
        }
    }
    findings.extend(long_functions(path, &code_only(text), function_lines_max(path)));
    findings
}

fn long_functions(path: &str, code: &str, lines_max: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in words(code, "fn") {
        let Some(open) = body(code, at) else { continue };
        let end = closing(code, open).unwrap_or(code.len());
        let (first, last) = (line_of(code, at), line_of(code, end));
        let lines = last + 1 - first;
        if lines > lines_max {
            let message = format!("function of {lines} lines, at most {lines_max}");
            findings.push(Finding::new(path, first, message));
        }
    }
    findings
}

/// Where the body of the function at `at` opens; `None` for a declaration or a function type.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0;
    for (place, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'{' if depth == 0 => return Some(place),
            b';' | b',' if depth == 0 => return None,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return None,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Exceptions that nothing needs any more.
pub(crate) fn stale_exceptions(files: &[TextFile]) -> Vec<Finding> {
    let is_needed = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.is_some_and(|file| {
            !long_functions(path, &code_only(&file.text), FUNCTION_LINES_MAX).is_empty()
        })
    };
    let stale = EXCEPTIONS.iter().filter(|(path, _)| !is_needed(path));
    stale.map(|(path, _)| Finding::new(path, 1, "no longer an exception: drop it")).collect()
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(check("a.rs", &"x\n".repeat(500)).len(), 0);
    assert_eq!(check("a.rs", &"x\n".repeat(501)).len(), 1);
}

#[test]
fn a_long_line_is_found() {
    assert_eq!(check("a.rs", &"ä".repeat(100)).len(), 0);
    assert_eq!(check("a.rs", &"x".repeat(101)).len(), 1);
}

#[test]
fn a_long_function_is_found() {
    let function = |lines: usize| format!("fn a(x: [u8; 2]) {{\n{}}}\n", "b();\n".repeat(lines));
    assert_eq!(check("a.rs", &function(68)).len(), 0);
    assert_eq!(check("a.rs", &function(69)).len(), 1);
    let text = format!("fn a() {{}}\nstruct B {{ f: fn(u8), }}\n{}", "x();\n".repeat(80));
    assert_eq!(check("a.rs", &text).len(), 0);
}

#[test]
fn a_stale_exception_is_found() {
    assert_eq!(stale_exceptions(&[]).len(), EXCEPTIONS.len());
}
