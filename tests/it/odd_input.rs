//! Odd files through the program: a clear word about what was set aside, and the rest goes on.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const COUNT: &str = "aggregate c from spans by name over tumbling(10s) select { n: count() }";

/// A file of a test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

fn replay(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.arg("replay").args(args).args(["-e", COUNT]).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn line(name: &str, start: &str, end: &str) -> String {
    let times = format!(r#""startTimeUnixNano":"{start}","endTimeUnixNano":"{end}""#);
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"name":"{name}",{times}}}]}}]}}]}}"#)
        + "\n"
}

#[test]
fn odd_times_are_set_aside_and_the_rest_is_counted() {
    let at = |s: i64| format!("{}", 1_760_000_000_000_000_000i64 + s * 1_000_000_000);
    let mut lines: String = (0..200).map(|n| line("good", &at(n / 50), &at(n / 50 + 1))).collect();
    lines += &line("zero", "0", "0");
    lines += &line("far", &at(1), "18446744073709551615");
    lines += &line("later", &at(1), &at(86_400 * 365));
    lines += &line("minus", &at(1), "-1");
    lines += &line("backwards", &at(5), &at(4));
    lines += &(0..200).map(|n| line("good", &at(4 + n / 50), &at(5 + n / 50))).collect::<String>();
    let path = file("odd_times.jsonl", &lines);
    let path = path.to_str().unwrap();
    let output = replay(&[path, "--format", "csv"]);
    assert_eq!(output.status.code(), Some(65), "one line is damaged");
    let rows = text(&output.stdout);
    let counted = |name: &str| -> i64 {
        let own = rows.lines().filter(|row| row.contains(&format!(",{name},")));
        own.map(|row| row.rsplit(',').next().unwrap().parse::<i64>().unwrap()).sum()
    };
    assert_eq!(counted("good"), 400, "{rows}");
    assert_eq!(counted("backwards"), 1, "{rows}");
    assert_eq!([counted("far"), counted("later"), counted("zero")], [0; 3], "{rows}");
    let summary = text(&output.stderr);
    for wanted in [
        "2 items lie more than 5m ahead of their file",
        "1 items have no time",
        "1 damaged line",
        "unaccounted 0",
    ] {
        assert!(summary.contains(wanted), "{wanted}: {summary}");
    }
}

#[test]
fn a_file_that_is_gone_is_named_before_anything_is_read() {
    let good = file("here.jsonl", &line("good", "1", "2"));
    let gone = good.with_file_name("gone.jsonl");
    let _ = fs::remove_file(&gone);
    let output = replay(&[good.to_str().unwrap(), gone.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(66), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("gone.jsonl"), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
}
