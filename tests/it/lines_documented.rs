//! The lines that the documentation shows, as a replay reads them.

use std::fs;
use std::process::Command;

use crate::live_run::path;

const RULES: &str = "\
aggregate one from events by severity, body, name, job, disk over count(1) select { n: count() }
aggregate logged from logs by event.name over count(1) select { n: count() }
aggregate point from metrics by name, unit, queue over count(1) select { v: max(value) }
aggregate span from spans by name, service.name, status, kind, http.route over count(1) \
select { d: max(duration) }
aggregate job from progress by job_id, job.status over count(1) select { p: max(percent) }
aggregate box from resources by source over count(1) \
select { c: max(cpu), m: max(mem), d: max(disk), n: max(net) }
";

#[test]
fn lines_mean_what_is_said_of_them() {
    let docs = fs::read_to_string(crate::tidy::root().join("docs/operating.md")).unwrap();
    let section = docs.split("\n### ").find(|text| text.starts_with("Lines\n")).unwrap();
    let lines = section.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(lines.lines().count(), 7);
    let file = path("documented-lines.jsonl");
    fs::write(&file, lines).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(["replay", file.to_str().unwrap(), "-e", RULES, "--format", "jsonl"])
        .output()
        .unwrap();
    let (said, told) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(!told.contains("set aside") && told.contains("unaccounted 0"), "{told}");
    for (rule, key, values) in [
        (
            "one",
            r#"{"severity":"error","body":"disk is full","name":"job.failed","job":"a7","disk":"sdb"}"#,
            r#"{"n":1}"#,
        ),
        ("logged", r#"{"event.name":"job.failed"}"#, r#"{"n":1}"#),
        ("point", r#"{"name":"queue.depth","unit":"{item}","queue":"in"}"#, r#"{"v":7}"#),
        ("job", r#"{"job_id":"a7","job.status":"running"}"#, r#"{"p":40}"#),
        ("box", r#"{"source":"w1"}"#, r#"{"c":0.5,"m":0.25,"d":0.75,"n":1200}"#),
    ] {
        let row = said.lines().find(|line| line.contains(&format!("\"rule\":\"{rule}\"")));
        let row = row.unwrap_or_else(|| panic!("{rule} says nothing: {said}{told}"));
        assert!(row.contains(&format!("\"key\":{key},\"values\":{values}")), "{row}");
    }
    let span = said.lines().find(|line| line.contains("\"rule\":\"span\"")).expect("a span");
    for part in [r#""name":"GET /""#, r#""service.name":"shop""#, r#""status":"error""#] {
        assert!(span.contains(part), "{span}");
    }
    for part in [r#""kind":"server""#, r#""http.route":"/""#, "12500000"] {
        assert!(span.contains(part), "{span}");
    }
}
