//! The pages of diagnostics: each example triggers its code, and its mended form does not.

use tailwater_dsl::diagnostic::{Severity, all};
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Options, SourceFile};
use tailwater_rules::catalog;

/// Codes that no rule text can show by itself: sinks come from a configuration, parameters from
/// a pack or the command line.
const WITHOUT_EXAMPLE: [&str; 2] = ["E1007", "E1009"];

/// Codes and severities that a text is reported with.
fn codes(text: &str) -> Vec<(String, Severity)> {
    let file = SourceFile { id: FileId(0), name: "page.tw".to_owned(), text: text.to_owned() };
    let analysis = tailwater_dsl::compile(&[file], &catalog(), &Options::default());
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
