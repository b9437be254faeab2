//! `backtest`: what differs between two versions of rules, as text and JSON, and its exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const DEMO: &str = "examples/recordings/otel-demo.otlp.jsonl.gz";

/// A folder with the example's rules and an edited version of them.
fn versions(name: &str, edits: &[(&str, &str)]) -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backtest").join(name);
    fs::create_dir_all(&folder).unwrap();
    let old = fs::read_to_string(crate::tidy::root().join("examples/errors.tw")).unwrap();
    let mut new = old.clone();
    for (from, to) in edits {
        assert!(new.contains(from), "{from}");
        new = new.replace(from, to);
    }
    let paths = (folder.join("old.tw"), folder.join("new.tw"));
    fs::write(&paths.0, old).unwrap();
    fs::write(&paths.1, new).unwrap();
    paths
}

fn backtest((old, new): &(PathBuf, PathBuf), recording: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .current_dir(crate::tidy::root())
        .arg("backtest")
        .args([old, new])
        .arg(recording)
        .args(more)
        .output()
        .unwrap()
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn equal_rules_differ_in_nothing() {
    let output = backtest(&versions("equal", &[]), DEMO, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output),
        (String::new(), "no differences; 4 rows before, 4 after\n".to_owned())
    );
}

#[test]
fn alerts_are_removed_added_and_moved() {
    let output = backtest(&versions("removed", &[("share > 20%", "share > 30%")]), DEMO, &[]);
    assert_eq!(output.status.code(), Some(1));
    let wanted = "Errors (alert): 0 added, 1 removed, 0 moved\n  \
        - 2024-10-30T12:24:30Z to 2024-10-30T12:24:40Z  service.name=frontend\n";
    assert_eq!(
        text(&output),
        (wanted.to_owned(), "1 difference; 4 rows before, 4 after\n".to_owned())
    );
    let output = backtest(&versions("moved", &[("for      10s", "for 0s")]), DEMO, &[]);
    let wanted = "Errors (alert): 0 added, 0 removed, 1 moved\n  \
        ~ 2024-10-30T12:24:20Z to 2024-10-30T12:24:40Z, \
        was 2024-10-30T12:24:30Z to 2024-10-30T12:24:40Z  service.name=frontend\n";
    assert_eq!(text(&output).0, wanted);
    let output = backtest(&versions("name", &[("alert Errors", "alert Failures")]), DEMO, &[]);
    let (out, _) = text(&output);
    assert!(out.starts_with("Errors (alert, only before): 0 added, 1 removed, 0 moved\n"), "{out}");
    assert!(out.contains("\nFailures (alert, only after): 1 added, 0 removed, 0 moved\n"), "{out}");
}

#[test]
fn rows_are_compared_by_the_columns_that_both_have() {
    let edits = [("p95(duration)", "p99(duration)"), ("kind == server", "name != \"ingress\"")];
    let output = backtest(&versions("rows", &edits), DEMO, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> =
        text(&output).0.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str, change: &str| {
        lines.iter().filter(|line| line["kind"] == kind && line["change"] == change).count()
    };
    assert_eq!((of("column", "removed"), of("column", "added")), (1, 1));
    assert!(of("row", "added") > 0 && of("row", "changed") > 0);
    for line in lines.iter().filter(|line| line["change"] == "changed") {
        let names =
            |side: &str| line[side].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names("before"), names("after"), "only what differs: {line}");
        assert!(names("before").iter().all(|name| line["before"][name] != line["after"][name]));
    }
    let last = lines.last().unwrap();
    assert_eq!(last["kind"], "summary");
    assert_eq!(last["differences"].as_u64(), Some(lines.len() as u64 - 1));
}

#[test]
fn telemetry_that_is_sent_on_is_compared() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backtest/items");
    fs::create_dir_all(&folder).unwrap();
    let rules = |name: &str, share: &str, kind: &str| {
        let text = format!(
            "edition 1\nroute spans where kind == {kind} to archive\n\
             sample spans {{ keep {share} otherwise }} to archive\n"
        );
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let old = rules("old.tw", "50%", "server");
    let same = backtest(&(old.clone(), old.clone()), DEMO, &[]);
    assert_eq!((same.status.code(), text(&same).0), (Some(0), String::new()), "{same:?}");
    let fewer = (old.clone(), rules("fewer.tw", "25%", "server"));
    let output = backtest(&fewer, DEMO, &[]);
    assert_eq!(output.status.code(), Some(1));
    let (out, _) = text(&output);
    // A quarter is part of the half, and says another threshold.
    let is_so =
        out.starts_with("sample spans (telemetry): 0 items added, ") && out.lines().count() == 1;
    assert!(is_so, "{out}");
    let words = out.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    let [_, removed, changed, before, after] = numbers[..] else { panic!("{out}") };
    assert!(removed > 0 && changed == after && before == after + removed, "{out}");
    let other = (old, rules("other.tw", "50%", "client"));
    let output = backtest(&other, DEMO, &["--format", "jsonl"]);
    let lines: Vec<Value> =
        text(&output).0.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["kind"], lines.len()), (&"items".into(), 2), "{lines:?}");
    let count = |member: &str| lines[0][member].as_u64().unwrap();
    assert_eq!(count("added"), count("items_after"), "{lines:?}");
    assert_eq!(count("removed"), count("items_before"), "{lines:?}");
    assert_eq!(lines[1]["differences"], 1);
}

#[test]
fn exit_codes_tell_wrong_rules_and_damaged_input() {
    let wrong = versions("wrong", &[("share > 20%", "share > 20s")]);
    let output = backtest(&wrong, DEMO, &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output).1.contains("new.tw:16:"), "{}", text(&output).1);
    let equal = versions("damage", &[]);
    let cut = equal.0.with_file_name("cut.gz");
    let whole = fs::read(crate::tidy::root().join(DEMO)).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let output = backtest(&equal, cut.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output).1);
    assert_eq!(backtest(&equal, "-", &[]).status.code(), Some(2));
    assert_eq!(backtest(&equal, "missing", &[]).status.code(), Some(66));
}
