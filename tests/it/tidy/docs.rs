//! Docs follow the tree: module docs, links, limits, the list of modules, diagnostics.

use std::collections::BTreeSet;

use super::source::is_test_file;
use super::{Finding, TextFile};

/// The first line of a file says what lives in it.
pub(crate) fn module_doc(path: &str, text: &str) -> Vec<Finding> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let is_stub = text.lines().count() < 3; // nothing lives there yet
    if first.starts_with("//! ") || is_stub {
        return Vec::new();
    }
    vec![Finding::new(path, 1, "expected `//!` and what lives here")]
}

/// Relative links to files that do not exist.
pub(crate) fn dead_links(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        for (at, _) in line.match_indices("](").filter(|_| !in_code) {
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !exists(&resolve(folder, file)) {
                findings.push(Finding::new(path, index + 1, format!("`{target}` is not there")));
            }
        }
    }
    findings
}

/// `docs` and `../a.md` are `a.md`.
fn resolve(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// What the page of limits starts with.
pub(crate) const LIMITS_HEAD: &str = "# Limits

Every buffer, table, recursion and message has a bound. A bound that is reached is counted and
reported, never silent. This page is made from the `limits` modules by
`UPDATE=1 cargo test --test it tidy`; a test fails when it is out of date.
";

/// The page's section about one `limits` module.
pub(crate) fn limits_section(path: &str, text: &str) -> String {
    let mut out = format!("\n## {path}\n\n| name | value | what it bounds |\n|---|---|---|\n");
    let mut doc = String::new();
    for line in text.lines() {
        if let Some(more) = line.strip_prefix("/// ") {
            doc = if doc.is_empty() { more.to_owned() } else { format!("{doc} {more}") };
        } else if let Some(rest) =
            line.strip_prefix("pub const ").or(line.strip_prefix("pub(crate) const "))
        {
            let (name, rest) = rest.split_once(':').unwrap_or((rest, ""));
            let value = rest.split_once('=').map_or("", |(_, value)| value);
            let value = value.trim().trim_end_matches(';');
            let doc_text = std::mem::take(&mut doc).replace('|', "\\|");
            let doc_text = doc_text.replace("[`", "`").replace("`]", "`");
            let row = format!("| `{name}` | `{value}` | {doc_text} |\n");
            out.push_str(&row);
        } else {
            doc.clear();
        }
    }
    out
}

/// Top modules of the crates, as `ARCHITECTURE.md` must name them: `engine/src/model`.
fn top_modules(paths: &[&str]) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for path in paths.iter().filter(|path| path.ends_with(".rs") && !is_test_file(path)) {
        let at =
            if path.starts_with("src/") { Some(0) } else { path.find("/src/").map(|at| at + 1) };
        let Some(at) = at else { continue };
        let inside = &path[at + "src/".len()..];
        let module = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        if !matches!(module, "lib" | "main" | "tests") {
            modules.insert(format!("{}src/{module}", &path[..at]));
        }
    }
    modules
}

/// The list of modules in the architecture page is the tree's.
pub(crate) fn architecture(text: &str, paths: &[&str]) -> Vec<Finding> {
    let page = "ARCHITECTURE.md";
    let modules = top_modules(paths);
    let mut findings = Vec::new();
    for module in modules.iter().filter(|module| !text.contains(&format!("`{module}`"))) {
        findings.push(Finding::new(page, 1, format!("`{module}` is not listed")));
    }
    for (index, line) in text.lines().enumerate() {
        let named = line.split('`').skip(1).step_by(2);
        for name in named.filter(|name| name.starts_with("src/") || name.contains("/src/")) {
            let name = name.trim_end_matches('/').trim_end_matches(".rs");
            let inside = format!("{name}/");
            let file = format!("{name}.rs");
            if !paths.iter().any(|path| path.starts_with(&inside) || **path == file) {
                findings.push(Finding::new(page, index + 1, format!("`{name}` is not there")));
            }
        }
    }
    findings
}

/// Codes of the registry: `"E0203"`.
fn codes(registry: &str) -> BTreeSet<&str> {
    let is_code = |text: &&str| {
        text.len() == 5
            && text.starts_with(['E', 'W'])
            && text[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    registry.split('"').skip(1).step_by(2).filter(is_code).collect()
}

/// Every code has a page, and a test that names it.
pub(crate) fn diagnostics(registry: &str, files: &[TextFile]) -> Vec<Finding> {
    let registered = codes(registry);
    let mut findings = Vec::new();
    for code in &registered {
        let page = format!("docs/diagnostics/{code}.md");
        if !files.iter().any(|file| file.path == page) {
            findings.push(Finding::new(&page, 1, "a code without a page"));
        }
        let tests = |file: &&TextFile| {
            file.path.contains("tests/") && (file.path.contains(code) || file.text.contains(code))
        };
        if !files.iter().any(|file| tests(&file)) {
            findings.push(Finding::new(&page, 1, format!("no test names `{code}`")));
        }
    }
    let pages = files.iter().filter_map(|file| file.path.strip_prefix("docs/diagnostics/"));
    for page in pages {
        let name = page.trim_end_matches(".md");
        if name.len() == 5 && !registered.contains(name) {
            findings.push(Finding::new(page, 1, "a page without a code"));
        }
    }
    findings
}

#[test]
fn a_missing_module_doc_is_found() {
    assert_eq!(module_doc("a.rs", "//! What.\nfn a() {}").len(), 0);
    assert_eq!(module_doc("a.rs", "fn a() {\n}\nfn b() {}").len(), 1);
}

#[test]
fn a_dead_link_is_found() {
    let exists = |path: &str| path == "README.md" || path == "docs/b.md";
    let text = "[a](../README.md#x) [b](b.md) [c](https://e.org/x)\n[d](gone.md)";
    let found = dead_links("docs/a.md", text, &exists);
    assert_eq!(found, vec![Finding::new("docs/a.md", 2, "`gone.md` is not there")]);
}

#[test]
fn a_limit_has_name_value_and_doc() {
    let section =
        limits_section("x", "/// Bytes of a line,\n/// at most.\npub const A: u8 = 4 * 2;");
    assert!(section.ends_with("| `A` | `4 * 2` | Bytes of a line, at most. |\n"), "{section}");
}

#[test]
fn a_module_that_is_not_listed_is_found() {
    let paths = ["engine/src/model/mod.rs", "src/args.rs", "engine/src/lib.rs"];
    assert_eq!(architecture("`engine/src/model` `src/args`", &paths).len(), 0);
    assert_eq!(architecture("`engine/src/model`", &paths).len(), 1);
    assert_eq!(architecture("`engine/src/model` `src/args` `dsl/src/x`", &paths).len(), 1);
}

#[test]
fn a_code_without_page_or_test_is_found() {
    let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
    let page = file("docs/diagnostics/E0001.md", "");
    let test = file("dsl/tests/codes.rs", "E0001");
    assert_eq!(diagnostics("A \"E0001\" \"title\"", &[]).len(), 2);
    let stray = file("docs/diagnostics/E0002.md", "");
    assert_eq!(diagnostics("A \"E0001\" \"title\"", &[page, test, stray]).len(), 1);
}
