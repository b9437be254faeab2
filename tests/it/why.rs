//! `replay --why`: what an alert did, by the rows and states behind it; what became of a trace.

use std::process::{Command, Output};

use serde_json::Value;

const DEMO: &str = "examples/recordings/otel-demo.otlp.jsonl.gz";

const RULES: &str = "edition 1
stream given = spans lateness 10s
aggregate ops from given by service.name over tumbling(5s) select { n: count(), p90(duration) }
alert Slow from ops where n > 2
  when p90 > 20ms and n >= 5 until p90 < 10ms for 5s hold 5s on no data resolve
  annotations { summary: \"slow: {p90}\" }
alert Never from ops when n > 1000000 on no data keep
alert Missing from ops when n > 1000000 on no data fire";

fn why(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .current_dir(crate::tidy::root())
        .args(["replay", DEMO, "-e", RULES, "-q", "--why"])
        .args(arguments)
        .output()
        .unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = why(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn steps(arguments: &[&str]) -> Vec<Value> {
    let all = [arguments, &["--format", "jsonl"]].concat();
    text(&all).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn why_is_a_command_too() {
    let asked = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
        command.current_dir(crate::tidy::root()).args(["why", "Slow", DEMO, "-e", RULES, "-q"]);
        command.args(arguments).output().unwrap()
    };
    let output = asked(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), text(&["Slow"]));
    let twice = asked(&["--why", "Never"]);
    assert_eq!(twice.status.code(), Some(2), "two things are asked at once");
}

#[test]
fn conditions_carry_the_values_of_their_row() {
    let text = text(&["Slow"]);
    assert!(text.starts_with("Slow (alert) from ops\n  where       n > 2\n"), "{text}");
    let (_, frontend) = text.split_once("service.name=frontend\n").unwrap();
    let (frontend, _) = frontend.split_once("\n\n").unwrap();
    let lines: Vec<&str> = frontend.lines().map(str::trim).collect();
    assert_eq!(lines[0], "2024-10-30T12:24:10Z  pending     must hold for 5s");
    assert_eq!(lines[1], "when   p90 (77.823ms) > 20ms and n (18) >= 5 is true");
    assert_eq!(lines[3], "summary: slow: 77.823ms");
    assert!(frontend.contains("firing      held for 5s since 2024-10-30T12:24:10Z"), "{text}");
    assert!(frontend.contains("(firing)\n"), "a row that changes nothing: {text}");
    assert!(frontend.contains("> 20ms and n (64) >= 5 is false"), "{text}");
    assert!(frontend.contains("resolved    15s after it began to hold"), "{text}");
}

#[test]
fn json_steps_agree_with_the_condition() {
    let steps = steps(&["Slow"]);
    assert!(steps.len() > 10);
    for step in &steps {
        let Some(when) = step.get("when") else { continue };
        let value = |name: &str| when["values"][name].as_f64().unwrap();
        let holds = value("p90") > 20e6 && value("n") >= 5.0;
        assert_eq!(when["holds"], holds, "{step}");
        assert_eq!(step["row"]["values"]["n"], when["values"]["n"]);
        let state = step["state"].as_str().unwrap();
        let is_changed = step["changed"].as_bool().unwrap();
        match (state, is_changed) {
            ("pending" | "firing", true) => assert!(holds, "{step}"),
            ("inactive" | "resolved", true) => assert!(!holds, "{step}"),
            _ => {}
        }
        if state == "firing" && is_changed {
            assert!(step["held"].as_i64() >= Some(5_000_000_000), "{step}");
        }
        if state == "resolved" {
            assert!(step["until"]["values"]["p90"].as_f64().unwrap() < 10e6, "{step}");
        }
    }
    for workers in ["2", "4"] {
        assert_eq!(self::steps(&["Slow", "--workers", workers]), steps);
    }
}

#[test]
fn steps_are_the_transitions_of_the_same_replay() {
    for alert in ["Slow", "Missing"] {
        let output = Command::new(env!("CARGO_BIN_EXE_tailwater"))
            .current_dir(crate::tidy::root())
            .args(["replay", DEMO, "-e", RULES, "-q", "--format", "jsonl"])
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let place = |one: &Value| [&one["key"], &one["time"], &one["state"]].map(Value::to_string);
        let mut wanted: Vec<_> =
            all.filter(|one| one["alert"] == alert).map(|o| place(&o)).collect();
        let steps = steps(&[alert]);
        let mut found: Vec<_> =
            steps.iter().filter(|step| step["changed"] == true).map(place).collect();
        wanted.sort();
        found.sort();
        assert!(!wanted.is_empty());
        assert_eq!(found, wanted, "{alert}");
    }
}

#[test]
fn missing_rows_are_told_and_nothing_is_told_where_nothing_was() {
    let missing = text(&["Missing"]);
    assert!(missing.contains("row    none in the window that ended: on no data fire"), "{missing}");
    assert!(missing.contains("still firing at the end"), "{missing}");
    let never = text(&["Never"]);
    assert!(never.contains("nothing to show: the condition held in no row"), "{never}");
    let later = text(&["Slow", "--from", "2024-11-01T00:00:00Z"]);
    assert!(later.contains("nothing between `--from` and `--to`"), "{later}");
}

#[test]
fn a_wrong_name_is_told_with_the_alerts_that_there_are() {
    for (name, wanted) in [("Slwo", "did you mean `Slow`?"), ("ops", "`ops` is no alert")] {
        let output = why(&[name]);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(wanted) && told.contains("`Missing`"), "{told}");
    }
    assert_eq!(why(&["Slow", "--format", "csv"]).status.code(), Some(2));
}

const SAMPLE: &str = "edition 1
traces all from spans close when (root and quiet 5s) or age 60s
sample all {
  health: drop when has({name == \"GET /healthz\"})
  trial: shadow keep 25% when span_count > 2
  slow: keep rate 1 per h when duration > 1s
  fast: keep target 1 per s by root.service.name when duration > 5ms
  keep 50% otherwise
} to archive";

/// What is told of a trace of the demo.
fn why_trace(id: &str, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .current_dir(crate::tidy::root())
        .args(["replay", DEMO, "-e", SAMPLE, "-q", "--why", id])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_trace_is_told_line_by_line() {
    let id = "00a3a12e6304b35816cfaceaffb7b714";
    let text = why_trace(id, &[]);
    let head = format!("trace {id}, sample all: kept by `line 5`\n");
    assert!(text.starts_with(&head), "{text}");
    assert!(text.contains("3 spans, 2_307 bytes, began 2024-10-30T12:24:17.919Z"), "{text}");
    assert!(text.contains("health: drop when has({name == \"GET /healthz\"})\n    does not hold"));
    let chance = "randomness cfaceaffb7b714 is at least the threshold c (keeps 25.0000 %): kept, in \
                  the shadow: decides nothing";
    assert!(text.contains("trial: shadow keep 25% when span_count > 2\n    span_count = 3\n"));
    assert!(text.contains(chance), "{text}");
    assert!(text.contains("▸ line 5: keep 50% otherwise\n    holds; randomness cfaceaffb7b714 is"));
    let workers = why_trace(id, &["--workers", "4"]);
    assert_eq!(workers, text);
}

#[test]
fn lines_behind_the_one_that_decided_are_not_asked() {
    let text = why_trace("00c7cf295d6db47146299037bc89974f", &["--format", "jsonl"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    let outcomes: Vec<&str> =
        told["lines"].as_array().unwrap().iter().filter_map(|l| l["outcome"].as_str()).collect();
    let decided = if told["verdict"]["kept"] == true { "kept" } else { "dropped" };
    assert_eq!(outcomes, ["unfit", "dropped", "unfit", decided, "not_asked"], "{text}");
    assert_eq!(told["verdict"]["line"], "fast");
    assert!(told["lines"][3]["threshold"].is_string(), "the target's: {text}");
    assert_eq!(told["lines"][4]["holds"], true);
}

#[test]
fn a_trace_that_is_not_there_is_said_to_be_missing() {
    let id = "000000000000000000000000000000ff";
    let text = why_trace(id, &[]);
    assert!(text.starts_with(&format!("trace {id}: no sampling has decided it")), "{text}");
    let told: Value = serde_json::from_str(&why_trace(id, &["--format", "jsonl"])).unwrap();
    assert_eq!(told["found"], false);
    let output = why(&[id]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("the rules hold none"), "{error}");
}
