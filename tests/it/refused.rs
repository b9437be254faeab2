//! What the checker lets through and the engine does not take is told like any mistake: why, and
//! what to write instead.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `check` says of rules.
fn checked(rules: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.args(["check", "-"]).env_remove("CLICOLOR_FORCE");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("edition 1\n{rules}").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{rules}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn says(rules: &str, parts: &[&str]) {
    let said = checked(rules);
    assert!(parts.iter().all(|part| said.contains(part)), "{rules}\n{said}");
    assert!(!said.contains("E0010"), "{said}");
}

#[test]
fn traces_and_what_otlp_cannot_hold_do_not_leave_by_a_route() {
    let traces = "traces shop from spans close when quiet 5s\n";
    let help = "`sample shop { keep 100% otherwise } to …`";
    says(&format!("{traces}route shop to archive"), &["E3005", "whole traces leave by", help]);
    let help = "`rows NAME = shop.edges select { … }`";
    says(&format!("{traces}route shop.edges to archive"), &["E3005", help]);
    says("route span_events to archive", &["E3005", "OTLP has no message"]);
}

#[test]
fn a_sample_asks_by_keys_that_its_items_have() {
    let rules = "aggregate l from logs by body over tumbling(1m) select { n: count() }\n\
                 alert Loud from l when n > 3 on no data keep\n\
                 sample spans { keep when firing(Loud) drop otherwise } to archive";
    says(rules, &["E2004", "`Loud` has the key `body`, which spans have no value for"]);
}

#[test]
fn a_sample_of_late_items_asks_nothing() {
    for question in ["firing(Any)", "named"] {
        let rules = format!(
            "stream s = spans lateness 5s late side tardy\n\
             alert Any from spans by service.name hold 1m\n\
             sample tardy {{ keep when {question} drop otherwise }} to archive"
        );
        says(&rules, &["E3008", "behind what other rules have said", "no item is late"]);
    }
}

#[test]
fn rules_that_read_one_another_have_a_bound() {
    let mut rules = "aggregate r0 from spans over tumbling(1m) select { c0: count() }\n".to_owned();
    for at in 1..10 {
        let read = at - 1;
        rules += &format!("rows r{at} = r{read} select {{ c{at}: c{read} + 1 }}\n");
    }
    says(&rules, &["E0006", "more than 8 rules read one another in a row"]);
}

#[test]
fn conditions_over_the_spans_of_traces_have_a_bound() {
    let mut rules = "traces t from spans close when quiet 5s\n".to_owned();
    for at in 0..70 {
        let has = format!("has({{name == \"{at}\"}})");
        rules += &format!(
            "aggregate a{at} from t over tumbling(1m) select {{ n: count() where {has} }}\n"
        );
    }
    says(&rules, &["E0006", "more than 64 conditions of single spans", "name == \"64\""]);
}

/// Rules name rules and tables; nothing else is opened, and nothing of it is told.
#[cfg(unix)]
#[test]
fn only_regular_files_of_rules_and_tables_are_read() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("named_by_rules");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("secret.txt"), "service.name:hidden\n").unwrap();
    fs::write(folder.join("plain.csv"), "service.name,team\nshop,web\n").unwrap();
    fs::write(folder.join("latin.csv"), b"service.name,team\nshop,\xe9\n").unwrap();
    std::os::unix::fs::symlink("secret.txt", folder.join("leads_away.csv")).unwrap();
    std::os::unix::fs::symlink("plain.csv", folder.join("leads_there.csv")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe.csv")).status().unwrap().success());
    let rules = folder.join("rules.tw");
    let check = |text: &str| {
        fs::write(&rules, text).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_tailwater"));
        let output = check.arg("check").arg(&rules).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let reads = |name: &str| {
        let text = "by owners.team over tumbling(1m) select { n: count() }";
        check(&format!(
            "table owners = csv(\"{name}\") key service.name\naggregate a from spans {text}"
        ))
    };
    for (name, part) in [
        ("secret.txt", "`secret.txt` is not read: rules name files of rules (`.tw`)"),
        ("leads_away.csv", "`leads_away.csv` is not read"),
        ("pipe.csv", "`pipe.csv` is no regular file"),
        ("latin.csv", "`latin.csv` is neither rules nor a table: it is not UTF-8 from byte 23 on"),
        ("nothing.csv", "there is no file `nothing.csv`"),
    ] {
        let (code, said) = reads(name);
        assert!(said.contains("E1008") && said.contains(part), "{name}: {said}");
        assert!(!said.contains("hidden"), "{said}");
        assert_eq!(code, Some(1), "{name}");
        let (code, said) = check(&format!("import \"{name}\" as x"));
        assert!(said.contains("E1008") && !said.contains("hidden"), "{name}: {said}");
        assert_eq!(code, Some(1), "{name}");
    }
    for name in ["plain.csv", "leads_there.csv", "../named_by_rules/plain.csv"] {
        let (code, said) = reads(name);
        assert_eq!(code, Some(0), "{name}: {said}");
    }
}
