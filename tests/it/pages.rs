//! The pages of diagnostics: each example triggers its code, and its mended form does not.

use tailwater_dsl::diagnostic::{Severity, all};
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{NoImport, Options, SourceFile};
use tailwater_rules::catalog;

/// Codes that no rule text can show by itself: sinks come from a configuration, parameters from
/// a pack or the command line, attributes from a recording.
const WITHOUT_EXAMPLE: [&str; 3] = ["E1007", "E1009", "W4011"];

/// What rules on pages import: packs, and a table that pages speak of.
fn on_pages(name: &str) -> Result<String, NoImport> {
    let pack = tailwater_rules::pack(name).map(|pack| pack.text.to_owned());
    let owners = || "service.name,team,pager,timeout\ncart,payments,oncall-a,2s\n".to_owned();
    pack.or_else(|| name.ends_with("owners.csv").then(owners)).ok_or(NoImport::Absent)
}

/// Codes and severities that a text is reported with.
fn codes(text: &str) -> Vec<(String, Severity)> {
    let file = SourceFile { id: FileId(0), name: "page.tw".to_owned(), text: text.to_owned() };
    let options = Options { importer: &on_pages, ..Options::default() };
    let analysis = tailwater_dsl::compile(&[file], &catalog(), &options);
    analysis.diagnostics.iter().map(|d| (d.code.as_str().to_owned(), d.severity)).collect()
}

#[test]
fn examples_trigger_their_code_and_mended_ones_do_not() {
    for def in all() {
        let code = def.code.as_str();
        assert!(def.page.starts_with(&format!("# {code}: {}\n", def.title)), "the title of {code}");
        assert!(def.page.contains("\n## How to mend it\n"), "{code} does not say how to mend it");
        let mut blocks = def.page.split("```tw\n").skip(1).map(|rest| {
            let block = rest.split("```").next();
            block.unwrap_or_default().to_owned()
        });
        if WITHOUT_EXAMPLE.contains(&code) {
            continue;
        }
        let example = blocks.next().unwrap_or_else(|| panic!("{code} has no example"));
        let found = codes(&example);
        assert!(found.iter().any(|(found, _)| found == code), "{code}: found {found:?}");
        for mended in blocks {
            let found = codes(&mended);
            let is_clean =
                found.iter().all(|(found, severity)| found != code && *severity != Severity::Error);
            assert!(is_clean, "{code}, mended: found {found:?}");
        }
    }
}

/// Lints that an example may leave: it shows one declaration, and nothing reads it.
const LINTS_OF_EXAMPLES: [&str; 1] = ["W4006"];

/// Rules on a page: text between ```` ```tw ```` and ```` ``` ````.
fn rules_of(page: &str) -> Vec<String> {
    let blocks = page.split("```tw\n").skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// Pages of `docs` that show rules: those of diagnostics show wrong ones and are tested above.
fn pages() -> Vec<(String, String)> {
    let entries = std::fs::read_dir("docs").expect("the folder of pages");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut pages: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a readable page");
            (path.display().to_string(), text)
        })
        .collect();
    pages.sort();
    pages
}

#[test]
fn rules_on_pages_run() {
    let options = Options { importer: &on_pages, ..Options::default() };
    let mut count = 0;
    for (name, page) in pages() {
        for rules in rules_of(&page) {
            let file = SourceFile { id: FileId(0), name: name.clone(), text: rules.clone() };
            let analysis = tailwater_dsl::compile(&[file], &catalog(), &options);
            let unexpected = |d: &&tailwater_dsl::diagnostic::Diagnostic| {
                !LINTS_OF_EXAMPLES.contains(&d.code.as_str())
            };
            let report: Vec<_> = analysis.diagnostics.iter().filter(unexpected).cloned().collect();
            let report = tailwater_dsl::diagnostic::human(&report, &analysis.files, false);
            assert!(report.is_empty(), "{name}\n{rules}\n{report}");
            let program = analysis.program.expect("rules without errors");
            let plan = match tailwater_rules::lower(&program) {
                Ok(plan) => std::sync::Arc::new(plan),
                Err(missing) => panic!("{name}\n{rules}\n{missing:?}"),
            };
            let results = tailwater_rules::run_tests(&program, &plan).unwrap();
            let failed: Vec<_> = results.iter().filter(|test| !test.failures.is_empty()).collect();
            assert!(failed.is_empty(), "{name}\n{rules}\n{failed:?}");
            count += 1;
        }
    }
    assert!(count >= 12, "only {count} examples");
}

/// The fields of all sources as a table: those of one name, type and meaning in one line.
fn field_table() -> String {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for source in &catalog().sources {
        for field in &source.fields {
            let ty = field.ty.to_string().replace("one of ", "");
            let or_null = if field.optional { " or null" } else { "" };
            let doc = field.doc.trim_end_matches('.');
            let line = format!("| `{}` | {ty}{or_null} | {doc} |", field.path);
            match lines.iter_mut().find(|known| known.0 == line) {
                Some(known) => known.1.push(source.name.clone()),
                None => lines.push((line, vec![source.name.clone()])),
            }
        }
    }
    let mut table = String::from("| field | type | | of |\n|---|---|---|---|\n");
    let every = catalog().sources.len();
    for (line, sources) in lines {
        let of = if sources.len() == every { "all".to_owned() } else { sources.join(", ") };
        table.extend([line.as_str(), " ", of.as_str(), " |\n"]);
    }
    table
}

#[test]
fn the_page_of_the_language_lists_every_field() {
    const PAGE: &str = "docs/language.md";
    let page = std::fs::read_to_string(PAGE).expect("the page of the language");
    let table = field_table();
    if std::env::vars().any(|(name, _)| name == "UPDATE") {
        let start = page.find("| field | type |").expect("a table of fields");
        let end = page[start..].find("\n\n").map_or(page.len(), |end| start + end + 1);
        let page = format!("{}{table}{}", &page[..start], &page[end..]);
        std::fs::write(PAGE, page).expect("a page that can be written");
        return;
    }
    assert!(page.contains(&table), "{PAGE} is out of date; `UPDATE=1` writes:\n{table}");
}
