//! What people see when rules are wrong: every code has a rule file that triggers it, the text
//! drawn for it, and edits that mend it.
//!
//! The first lines of a fixture say what is reported and at what text: `//~ E1003 cuont`.
//! `UPDATE=1 cargo test -p tailwater-dsl diagnostics` writes those lines and the drawings anew;
//! read the difference as a person would who made that mistake.

use std::fs;
use std::path::{Path, PathBuf};

use tailwater_dsl::diagnostic::{
    Applicability, Diagnostic, Edit, all, apply_edits, explain, github, human, json, summary,
};
use tailwater_dsl::{Analysis, absent_attributes};

use crate::analyse;

/// Fixtures that swallow what stands behind them: nothing can be found there.
const OPEN_ENDED: [&str; 1] = ["E0002_comment"];

/// Text that is no declaration: behind one it is taken for a clause of it.
const NOT_DECLARED: [&str; 2] = ["E0009_text_before", "E0009_other_languages"];

/// A rule with a mistake of its own, to see whether another one hides it.
const PROBE: &str = "aggregate probe from nowhere over tumbling(1m) select { n: count() }\n";

struct Fixture {
    path: PathBuf,
    name: String,
    text: String,
    analysis: Analysis,
}

impl Fixture {
    fn drawing(&self) -> String {
        let found = &self.analysis;
        let mut text = human(&found.diagnostics, &found.files, false);
        text.push_str(&summary(&found.diagnostics).unwrap_or_default());
        text.push('\n');
        text
    }

    /// `//~ E1003 cuont` for each diagnostic; a range over several lines by its first one.
    fn marks(&self) -> String {
        let marks = self.analysis.diagnostics.iter().map(|diagnostic| {
            let range = diagnostic.range();
            let file = self.analysis.files.iter().find(|file| file.id == range.file);
            let file = file.expect("a diagnostic is about a file");
            let at = &file.text[range.bytes()];
            let shown = match at.split_once('\n') {
                Some((first, _)) => format!("{first} …"),
                None if at.len() > 60 => format!("{} …", &at[..60]),
                None => at.to_owned(),
            };
            format!("//~ {} {shown}", diagnostic.code.as_str()).trim_end().to_owned() + "\n"
        });
        marks.collect()
    }
}

fn body(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with("//~") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}

/// Rules compared with a recording that has every attribute but those of `absent.`.
fn compared(text: &str) -> Analysis {
    let mut analysis = analyse(text);
    let occurs = |key: &str| !key.starts_with("absent.");
    analysis.diagnostics.extend(absent_attributes(&analysis.reads, &occurs));
    analysis
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let entries = fs::read_dir(folder).expect("the fixtures are there");
    let entries = entries.map(|entry| entry.expect("a readable folder").path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "tw")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a readable fixture");
        let name = path.file_stem().expect("a file's name").to_string_lossy().into_owned();
        Fixture { analysis: compared(&text), path, name, text }
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn fixtures_are_drawn_as_expected() {
    let update = std::env::vars().any(|(name, _)| name == "UPDATE");
    let mut wrong = Vec::new();
    for mut fixture in fixtures() {
        let drawing_path = fixture.path.with_extension("txt");
        if update {
            let text = fixture.marks() + body(&fixture.text);
            fs::write(&fixture.path, &text).unwrap();
            fixture.analysis = compared(&text); // its lines moved
            fs::write(&drawing_path, fixture.drawing()).unwrap();
            continue;
        }
        if !fixture.text.starts_with(&fixture.marks()) {
            wrong.push(format!("── {}: the marks ──\n{}", fixture.name, fixture.marks()));
        }
        if fs::read_to_string(&drawing_path).unwrap_or_default() != fixture.drawing() {
            wrong.push(format!("── {} ──\n{}", fixture.name, fixture.drawing()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 writes the expectations", wrong.join("\n"));
}

#[test]
fn every_code_has_a_fixture_that_triggers_it() {
    let fixtures = fixtures();
    for def in all() {
        let code = def.code.as_str();
        let own = fixtures.iter().filter(|fixture| fixture.name.starts_with(code));
        let codes = |fixture: &Fixture| -> Vec<_> {
            fixture.analysis.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
        };
        let mut own = own.peekable();
        assert!(own.peek().is_some(), "`{code}` has no fixture");
        for fixture in own {
            assert!(codes(fixture).contains(&def.code), "{} does not trigger it", fixture.name);
        }
    }
}

#[test]
fn every_diagnostic_is_worded_by_the_house_rules() {
    for fixture in fixtures() {
        for diagnostic in &fixture.analysis.diagnostics {
            let texts = [&diagnostic.message].into_iter().chain(&diagnostic.notes);
            let labels = diagnostic.labels.iter().map(|label| &label.text);
            for text in texts.chain(&diagnostic.help).chain(labels) {
                let ends = text.ends_with('.') && !text.ends_with("…");
                let begins = text.chars().next().is_some_and(char::is_uppercase);
                assert!(!ends && !begins, "{}: {text}", fixture.name);
                assert_eq!(text.matches('`').count() % 2, 0, "{}: {text}", fixture.name);
            }
            assert!(diagnostic.labels.iter().any(|label| label.primary), "{}", fixture.name);
        }
    }
}

#[test]
fn one_broken_declaration_hides_no_other() {
    let probed =
        |text: &str| analyse(text).diagnostics.iter().any(|d| d.message.contains("`nowhere`"));
    for fixture in fixtures() {
        let before = format!("{PROBE}{}", fixture.text);
        assert!(probed(&before), "{} hides a mistake before it", fixture.name);
        let behind = format!("{}\n{PROBE}", fixture.text);
        let open = OPEN_ENDED.contains(&fixture.name.as_str());
        assert_eq!(probed(&behind), !open, "{} hides a mistake behind it", fixture.name);
        let codes = |analysis: &Analysis| -> Vec<_> {
            let own = analysis.diagnostics.iter().filter(|d| !d.message.contains("nowhere"));
            own.map(|d| (d.code, d.message.clone())).collect()
        };
        if !NOT_DECLARED.contains(&fixture.name.as_str()) {
            let alone = codes(&fixture.analysis);
            assert_eq!(codes(&compared(&before)), alone, "{} behind a mistake", fixture.name);
        }
    }
}

fn is_safe(edit: &Edit) -> bool {
    edit.applicability == Applicability::Safe
}

/// The text with a diagnostic's edits applied, guesses too.
fn mended(text: &str, diagnostic: &Diagnostic) -> String {
    let mut diagnostic = diagnostic.clone();
    for edit in &mut diagnostic.edits {
        edit.applicability = Applicability::Safe;
    }
    apply_edits(text, std::slice::from_ref(&diagnostic))
}

fn errors(analysis: &Analysis) -> Vec<String> {
    let errors = analysis.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    errors.map(|d| format!("{} {}", d.code.as_str(), d.message)).collect()
}

#[test]
fn each_edit_mends_what_it_is_offered_for() {
    let (mut safe, mut guessed) = (0, 0);
    for fixture in fixtures() {
        let before = &fixture.analysis;
        for diagnostic in before.diagnostics.iter().filter(|d| !d.edits.is_empty()) {
            let fixed = mended(&fixture.text, diagnostic);
            assert_ne!(fixed, fixture.text, "{}", fixture.name);
            let after = analyse(&fixed);
            let report = human(&after.diagnostics, &after.files, false);
            let name = &fixture.name;
            let count = |analysis: &Analysis| {
                let same = analysis.diagnostics.iter();
                same.filter(|d| (d.code, &d.message) == (diagnostic.code, &diagnostic.message))
                    .count()
            };
            assert!(count(&after) < count(before), "{name}: it mends nothing\n{fixed}\n{report}");
            if !diagnostic.edits.iter().all(is_safe) {
                guessed += 1;
                continue;
            }
            safe += 1;
            let known = errors(before);
            let new: Vec<_> =
                errors(&after).into_iter().filter(|error| !known.contains(error)).collect();
            assert!(new.is_empty(), "{name}: a safe edit makes new errors\n{fixed}\n{report}");
        }
    }
    assert!(safe >= 12 && guessed >= 30, "only {safe} safe edits and {guessed} guesses");
}

#[test]
fn a_text_whose_mistakes_have_safe_edits_compiles_with_them() {
    let mut compiled = 0;
    for fixture in fixtures() {
        let diagnostics = &fixture.analysis.diagnostics;
        let mut wrong = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        if !wrong.all(|d| !d.edits.is_empty() && d.edits.iter().all(is_safe)) {
            continue;
        }
        let after = analyse(&apply_edits(&fixture.text, diagnostics));
        let report = human(&after.diagnostics, &after.files, false);
        assert!(after.program.is_some(), "{}\n{report}", fixture.name);
        compiled += 1;
    }
    assert!(compiled >= 8, "only {compiled} fixtures");
}

#[test]
fn misspelt_names_are_answered_with_the_nearest() {
    let cases = [
        ("stream a = spans where duraton > 1s lateness 10s", "duration"),
        ("stream a = spans where knid == server lateness 10s", "kind"),
        ("stream a = spans where kind == sevrer lateness 10s", "server"),
        ("stream a = span where kind == server lateness 10s", "spans"),
        ("stream a = spans where lowre(name) == \"x\" lateness 10s", "lower"),
        ("strem a = spans where kind == server lateness 10s", "stream"),
        ("stream a = spans where kind == server latenes 10s", "lateness"),
        ("stream a = spans where kind == server lateness 10s late dorp", "drop"),
        ("aggregate a from spans over slidng(1m, every: 10s) select { n: count() }", "sliding"),
        ("aggregate a from spans over tumbling(1m) select { n: count() } to archve", "archive"),
        ("aggregate a from spans over tumbling(1m) select { x: collect(name, limt: 5) }", "limit"),
        ("import \"std/slo\" as pay { objectve: 99% }", "objective"),
        ("stream a = spans where duration > 5hour lateness 10s", "5h"),
    ];
    for (text, name) in cases {
        let analysis = analyse(text);
        let report = human(&analysis.diagnostics, &analysis.files, false);
        let edits = analysis.diagnostics.iter().flat_map(|diagnostic| &diagnostic.edits);
        assert!(edits.map(|edit| edit.replacement.as_str()).any(|r| r == name), "{name}\n{report}");
    }
}

#[test]
fn explain_knows_every_code_and_no_other() {
    for def in all() {
        assert_eq!(explain(def.code.as_str()).map(|def| def.code), Some(def.code));
    }
    assert!(explain("e0001").is_some(), "case does not matter");
    assert!(explain("E9999").is_none());
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
