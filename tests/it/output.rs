//! `docs/output.md` lists the members that JSON lines have: these and no others are written.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

const DEMO: &str = "examples/recordings/otel-demo.otlp.jsonl.gz";

/// Rules that say everything that can be said: revisions, retractions, other groups, alerts.
const RULES: &str = "edition 1
stream given = spans lateness 1s late amend within 20s
aggregate ops from given by service.name over tumbling(5s) select { n: count() }
  limit groups 3 results changes
aggregate final_ops from spans by service.name over tumbling(5s) select { n: count() }
  limit groups 3
alert Many from final_ops when n > 20 until n < 10 on no data resolve severity high with other
  labels { team: \"shop\" } annotations { summary: \"{n}\" }";

/// Members that a table of the page lists.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let (_, rest) = page.split_once(heading).expect("the page has this passage");
    rest.lines()
        .skip_while(|line| !line.starts_with("| member"))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('`').nth(1))
        .map(str::to_owned)
        .collect()
}

/// Members of the objects that a command writes.
fn written(arguments: &[&str], wanted: &dyn Fn(&Value) -> bool) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .current_dir(crate::tidy::root())
        .args(arguments)
        .args(["-q", "--format", "jsonl"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let objects = objects.filter(|object| wanted(object));
    objects
        .flat_map(|object| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
        .collect()
}

#[test]
fn members_are_those_of_the_page() {
    let root = crate::tidy::root();
    let page = fs::read_to_string(root.join("docs/output.md")).unwrap();
    let replay = ["replay", DEMO, "-e", RULES];
    assert_eq!(written(&replay, &|one| one["rule"].is_string()), listed(&page, "A row:"));
    assert_eq!(
        written(&replay, &|one| one["alert"].is_string()),
        listed(&page, "A transition of an alert:")
    );
    let why = [&replay[..], &["--why", "Many"]].concat();
    assert_eq!(written(&why, &|_| true), listed(&page, "## replay --why ALERT"));
    let sample = "traces all from spans close when (root and quiet 1s) or age 9s sample all \
                  { drop otherwise } to archive";
    let id = "00a3a12e6304b35816cfaceaffb7b714";
    let why = ["replay", DEMO, "-e", sample, "--why", id];
    assert_eq!(written(&why, &|_| true), listed(&page, "## replay --why TRACE"));
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("output");
    fs::create_dir_all(&folder).unwrap();
    let paths = [folder.join("old.tw"), folder.join("new.tw")].map(|p| p.display().to_string());
    fs::write(&paths[0], format!("{RULES}\nroute spans to archive")).unwrap();
    let new = RULES.replace("select { n: count() }", "select { n: count(), more: count() }");
    let new = new.replace("tumbling(5s)", "tumbling(4s)");
    fs::write(&paths[1], format!("{new}\nroute logs to archive")).unwrap();
    let backtest = ["backtest", &paths[0], &paths[1], DEMO];
    assert_eq!(written(&backtest, &|_| true), listed(&page, "## backtest"));
    assert_eq!(written(&["view", DEMO], &|_| true), listed(&page, "## view"));
}
