//! What is not Rust: pages and lists of dependencies.

use super::Finding;

const PAGE_COLUMNS_MAX: usize = 100;

/// Pages whose lines come from a catalogue, one entry a line.
const OF_ENTRIES: [&str; 1] = ["docs/functions.md"];

/// Lines of a page that a reader has to scroll for; tables, code and headings may be longer.
pub(crate) fn wide_lines(path: &str, text: &str) -> Vec<Finding> {
    let (mut findings, mut is_code) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        let begin = line.trim_start();
        if begin.starts_with("```") {
            is_code = !is_code;
        }
        let columns = line.chars().count();
        let is_free = is_code || begin.starts_with(['|', '#']) || OF_ENTRIES.contains(&path);
        if columns > PAGE_COLUMNS_MAX && !is_free {
            let message = format!("{columns} columns, at most {PAGE_COLUMNS_MAX}");
            findings.push(Finding::new(path, index + 1, message));
        }
    }
    findings
}

/// Dependencies that do not say behind `#` what they are for.
pub(crate) fn unexplained_dependencies(path: &str, text: &str) -> Vec<Finding> {
    let (mut findings, mut is_list) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            is_list = line.ends_with("dependencies]") && !line.contains("workspace");
        } else if is_list && line.contains('=') && !line.contains('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            let message = format!("`{name}` does not say behind `#` what it is for");
            findings.push(Finding::new(path, index + 1, message));
        }
    }
    findings
}

#[test]
fn a_wide_line_of_a_page_is_found() {
    let wide = "x".repeat(101);
    let text = format!("{wide}\n| {wide} |\n# {wide}\n```\n{wide}\n```\n{wide}\n");
    let lines: Vec<usize> = wide_lines("a.md", &text).iter().map(|found| found.line).collect();
    assert_eq!(lines, [1, 7]);
    assert_eq!(wide_lines(OF_ENTRIES[0], &wide).len(), 0);
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let text = "[dependencies]\na = \"1\" # what\nb.workspace = true\n\n[lib]\nc = \"x\"\n";
    let found = unexplained_dependencies("Cargo.toml", text);
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("`b`"), "{}", found[0]);
}
