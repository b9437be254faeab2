//! House rules, checked on the tree. Each rule is a pure function over text with a test of its own
//! that shows it can fail.
//!
//! A file that is still over a limit is named in an `EXCEPTIONS` list, with the size that it may
//! not pass; an entry that is no longer needed fails too.

mod banned;
mod docs;
mod layers;
mod size;
mod source;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One text file of the project.
pub(crate) struct TextFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const TEXT_ENDINGS: [&str; 8] = ["rs", "md", "toml", "tw", "py", "pest", "txt", "spec"];

/// Every text file that is part of the project, by path.
pub(crate) fn files() -> Vec<TextFile> {
    let mut found = Vec::new();
    walk(&root(), &root(), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "the tree was not found at {}", root().display());
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<TextFile>) {
    for entry in fs::read_dir(folder).expect("a folder of the project can be read") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let is_foreign = name == "target" || (name.starts_with('.') && name != ".ci");
            if !is_foreign && name != "proptest-regressions" {
                walk(root, &path, found);
            }
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let relative = path.strip_prefix(root).expect("below the root").to_string_lossy();
        if TEXT_ENDINGS.contains(&ending.as_str()) || relative == ".ci/run" {
            let text = fs::read_to_string(&path).expect("a text file is UTF-8");
            found.push(TextFile { path: relative.replace('\\', "/"), text });
        }
    }
}

/// The Rust files among them.
pub(crate) fn rust_files() -> Vec<TextFile> {
    let mut files = files();
    files.retain(|file| file.path.ends_with(".rs"));
    files
}

/// Fails with every finding on a line of its own.
pub(crate) fn report(rule: &str, findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{rule}:\n{}", lines.join("\n"));
}

/// Applies a rule to every Rust file.
fn check_rust(rule: &str, check: impl Fn(&str, &str) -> Vec<Finding>) {
    let files = rust_files();
    let findings: Vec<_> = files.iter().flat_map(|file| check(&file.path, &file.text)).collect();
    report(rule, &findings);
}

#[test]
fn imports_point_down() {
    check_rust("imports point down", layers::engine_imports);
}

#[test]
fn crates_do_not_see_each_other() {
    check_rust("crate edges", layers::crate_names);
}

#[test]
fn only_named_modules_name_timely_and_pest() {
    check_rust("named libraries", layers::library_names);
}

#[test]
fn files_functions_and_lines_are_short() {
    let files = rust_files();
    let mut findings: Vec<_> =
        files.iter().flat_map(|file| size::check(&file.path, &file.text)).collect();
    findings.extend(size::stale_exceptions(&files));
    report("sizes", &findings);
}

#[test]
fn files_say_what_lives_in_them() {
    check_rust("module docs", docs::module_doc);
}

#[test]
fn banned_calls_are_absent() {
    check_rust("banned calls", banned::calls);
}

#[test]
fn banned_words_are_absent() {
    let files = files();
    let findings: Vec<_> =
        files.iter().flat_map(|file| banned::words(&file.path, &file.text)).collect();
    report("banned words", &findings);
}

#[test]
fn links_in_docs_lead_somewhere() {
    let mut files = files();
    files.retain(|file| file.path.ends_with(".md"));
    let exists = |path: &str| root().join(path).exists();
    let findings: Vec<_> =
        files.iter().flat_map(|file| docs::dead_links(&file.path, &file.text, &exists)).collect();
    report("dead links", &findings);
}

#[test]
fn pages_are_no_wider_than_code() {
    let files = files();
    let pages = files.iter().filter(|file| file.path.ends_with(".md"));
    let findings: Vec<_> =
        pages.flat_map(|page| text::wide_lines(&page.path, &page.text)).collect();
    report("pages", &findings);
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let files = files();
    let lists = files.iter().filter(|file| file.path.ends_with("Cargo.toml"));
    let findings: Vec<_> =
        lists.flat_map(|list| text::unexplained_dependencies(&list.path, &list.text)).collect();
    report("dependencies", &findings);
}

/// Whether a file is one of the `limits` modules of a library.
fn is_of_limits(path: &str) -> bool {
    path.ends_with("src/limits.rs") || path.contains("src/limits/")
}

#[test]
fn every_limit_is_documented() {
    let files = files();
    let page = files.iter().find(|file| file.path == "docs/limits.md");
    let mut wanted = String::from(docs::LIMITS_HEAD);
    for file in files.iter().filter(|file| is_of_limits(&file.path)) {
        wanted.push_str(&docs::limits_section(&file.path, &file.text));
    }
    let page = page.map_or("", |file| file.text.as_str());
    if page != wanted && std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("docs/limits.md"), &wanted).expect("docs can be written");
        return;
    }
    assert_eq!(page, wanted, "docs/limits.md is out of date: UPDATE=1 cargo test --test it tidy");
}

#[test]
fn the_architecture_lists_the_tree() {
    let files = files();
    let page = files.iter().find(|file| file.path == "ARCHITECTURE.md");
    let text = page.map_or("", |file| file.text.as_str());
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    report("ARCHITECTURE.md", &docs::architecture(text, &paths));
}

#[test]
fn every_diagnostic_has_a_page_and_a_test() {
    let files = files();
    let registry = files.iter().find(|file| file.path == "dsl/src/diagnostic/code.rs");
    let Some(registry) = registry else {
        let dsl = files.iter().any(|file| file.path.starts_with("dsl/src/diagnostic/"));
        assert!(!dsl, "the registry of codes moved: tell this test where it is");
        return;
    };
    report("diagnostics", &docs::diagnostics(&registry.text, &files));
}
