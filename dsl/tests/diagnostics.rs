//! Each code has a fixture, its rendering, a page; each safe edit mends what it is offered for.

use std::fs;
use std::path::{Path, PathBuf};

use tailwater_dsl::diagnostic::{
    Applicability, all, apply_edits, explain, github, human, json, summary,
};

use crate::analyse;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "tw")).collect();
    paths.sort();
    assert!(paths.len() > 40, "the fixtures are gone");
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn fixtures_render_as_expected() {
    let update = std::env::vars().any(|(name, _)| name == "UPDATE");
    let mut wrong = Vec::new();
    for path in fixtures() {
        let analysis = analyse(&fs::read_to_string(&path).unwrap());
        let mut text = human(&analysis.diagnostics, &analysis.files, false);
        text.push_str(&summary(&analysis.diagnostics).unwrap_or_default());
        text.push('\n');
        let expected_path = path.with_extension("txt");
        if update {
            fs::write(&expected_path, &text).unwrap();
        }
        if fs::read_to_string(&expected_path).unwrap_or_default() != text {
            wrong.push(format!("── {} ──\n{text}", stem(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 rewrites the expectations", wrong.join("\n"));
}

#[test]
fn every_code_has_a_fixture_that_triggers_it() {
    for def in all() {
        let code = def.code.as_str();
        let found = fixtures().into_iter().filter(|path| stem(path).starts_with(code)).any(|path| {
            let analysis = analyse(&fs::read_to_string(path).unwrap());
            analysis.diagnostics.iter().any(|diagnostic| diagnostic.code == def.code)
        });
        assert!(found, "no fixture of `{code}` triggers it");
    }
}

#[test]
fn every_page_says_what_how_and_shows_its_code() {
    for def in all() {
        let code = def.code.as_str();
        assert_eq!(explain(code).map(|def| def.code), Some(def.code));
        assert!(def.page.starts_with(&format!("# {code}: ")), "the page of `{code}` has no title");
        for part in ["## Example", "## How to mend it"] {
            assert!(def.page.contains(part), "the page of `{code}` has no `{part}`");
        }
        let example = def.page.split("```tw\n").nth(1).and_then(|rest| rest.split("```").next());
        let analysis = analyse(example.unwrap_or_else(|| panic!("`{code}` has no example")));
        let hit = analysis.diagnostics.iter().any(|diagnostic| diagnostic.code == def.code);
        let text = human(&analysis.diagnostics, &analysis.files, false);
        assert!(hit, "the example of `{code}` does not trigger it\n{text}");
    }
    assert!(explain("E9999").is_none());
    assert!(explain("e0001").is_some());
}

#[test]
fn safe_edits_mend_what_they_are_offered_for() {
    let mut applied = 0;
    for path in fixtures() {
        let text = fs::read_to_string(&path).unwrap();
        let before = analyse(&text);
        for diagnostic in &before.diagnostics {
            let safe = |edit: &&_| matches!(edit, tailwater_dsl::diagnostic::Edit {
                applicability: Applicability::Safe, ..
            });
            if !diagnostic.edits.iter().any(|edit| safe(&edit)) {
                continue;
            }
            applied += 1;
            let fixed = apply_edits(&text, std::slice::from_ref(diagnostic));
            assert_ne!(fixed, text, "{}", stem(&path));
            let after = analyse(&fixed);
            let report = human(&after.diagnostics, &after.files, false);
            let again = after.diagnostics.iter().filter(|d| d.code == diagnostic.code).count();
            let first = before.diagnostics.iter().filter(|d| d.code == diagnostic.code).count();
            assert!(again < first, "{}: the edit mends nothing\n{fixed}\n{report}", stem(&path));
        }
        let fixed = apply_edits(&text, &before.diagnostics);
        let all_safe = before.diagnostics.iter().filter(|d| d.is_error()).all(|diagnostic| {
            !diagnostic.edits.is_empty()
                && diagnostic.edits.iter().all(|e| e.applicability == Applicability::Safe)
        });
        if all_safe && fixed != text {
            let after = analyse(&fixed);
            let report = human(&after.diagnostics, &after.files, false);
            assert!(after.program.is_some(), "{}\n{fixed}\n{report}", stem(&path));
        }
    }
    assert!(applied > 5, "only {applied} safe edits in all fixtures");
}

#[test]
fn machines_read_diagnostics() {
    let analysis = analyse("aggregate x from spans over tumbling(1m) select { n: cuont() }\n");
    let text = json(&analysis.diagnostics, &analysis.files);
    let value: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(value["v"], 1);
    assert_eq!(value["code"], "E1003");
    assert_eq!(value["severity"], "error");
    assert_eq!(value["range"]["file"], "rules.tw");
    assert_eq!(value["range"]["start"]["line"], 1);
    assert_eq!(value["range"]["start"]["column"], 54);
    assert_eq!(value["edits"][0]["replacement"], "count");
    assert_eq!(value["edits"][0]["safe"], false);
    let command = github(&analysis.diagnostics, &analysis.files);
    assert!(command.starts_with("::error file=rules.tw,line=1,col=54,"), "{command}");
    assert!(command.contains("%0Ahelp: did you mean `count`?"), "{command}");
}
