//! The command line as its users meet it: what it prints where, and how it exits.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const RECORDING: &str = "examples/recordings/online-boutique.traces.otlp.jsonl.gz";
const DEMO: &str = "examples/recordings/otel-demo.otlp.jsonl.gz";
const COUNT: &str = "aggregate counts from spans by service.name over tumbling(1m) \
                     select { n: count() }";

fn tailwater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    tailwater().args(args).stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A folder of one test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_replay_writes_rows_on_stdout_and_the_summary_on_stderr() {
    let output = run(&["replay", RECORDING, "-e", COUNT]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("counts\n  window "), "{}", stdout(&output));
    assert!(stderr(&output).contains("read 5_203 spans"), "{}", stderr(&output));
    assert!(stderr(&output).contains("unaccounted 0"));
    assert!(!stdout(&output).contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn json_lines_add_up_to_what_was_read() {
    for workers in ["1", "2", "4"] {
        let output =
            run(&["replay", RECORDING, "-e", COUNT, "--format", "jsonl", "--workers", workers]);
        let mut sum = 0;
        for line in stdout(&output).lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&row["v"], &row["rule"]), (&1.into(), &"counts".into()));
            assert!(row["key"]["service.name"].is_string() && row["final"] == true);
            sum += row["values"]["n"].as_i64().unwrap();
        }
        assert_eq!(sum, 5_203);
    }
}

#[test]
fn from_and_to_choose_windows() {
    let whole = run(&["replay", RECORDING, "-e", COUNT, "--format", "csv", "-q"]);
    let part = run(&[
        "replay",
        RECORDING,
        "-e",
        COUNT,
        "--format",
        "csv",
        "-q",
        "--from",
        "2022-08-22T05:19:00Z",
        "--to",
        "2022-08-22T05:20:00Z",
    ]);
    let wanted =
        |line: &&str| line.starts_with("rule,") || line.contains(",2022-08-22T05:19:00Z,2");
    let wanted: Vec<&str> = stdout(&whole).lines().filter(wanted).collect();
    assert_eq!(stdout(&part).lines().collect::<Vec<_>>(), wanted);
    assert!(wanted.len() > 1 && stderr(&part).is_empty());
}

#[test]
fn wrong_rules_are_told_and_nothing_runs() {
    let rules = "aggregate a from span over tumbling(1m) select { n: count() }";
    let output = run(&["replay", RECORDING, "-e", rules]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stdout(&output).is_empty());
    assert!(stderr(&output).contains("did you mean `spans`?"), "{}", stderr(&output));
    let output = run(&["replay", RECORDING]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_cannot_be_read_is_named_once() {
    let output = run(&["replay", "missing.jsonl", "-e", COUNT]);
    assert_eq!(output.status.code(), Some(66));
    assert_eq!(stderr(&output).matches("No such file").count(), 1, "{}", stderr(&output));
    let output = run(&["replay", "LICENSE", "-e", COUNT]);
    assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
    assert!(stderr(&output).contains("--input-format"));
    let output = run(&["replay", "examples", "-e", COUNT]);
    assert!(stderr(&output).contains("found a directory"));
}

#[test]
fn a_cut_recording_is_used_as_far_as_it_goes() {
    let path = folder("cut").join("cut.gz");
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING)).unwrap();
    fs::write(&path, &whole[..40_000]).unwrap();
    let output = run(&["replay", text_of(&path), "-e", COUNT]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stdout(&output).starts_with("counts\n"));
    assert!(stderr(&output).contains("truncated"), "{}", stderr(&output));
    assert!(stderr(&output).contains("unaccounted 0"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_of_its_own() {
    for format in ["text", "jsonl", "csv"] {
        let output =
            run(&["replay", RECORDING, "-e", COUNT, "--format", format, "-o", "/dev/full"]);
        assert_eq!(output.status.code(), Some(74), "{}", stderr(&output));
        assert!(stderr(&output).contains("cannot write `/dev/full`"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let telemetry = folder("pipe").join("spans.jsonl");
    let made = run(&["gen", "--spans", "20000", "-o", text_of(&telemetry), "-q"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let rules = "aggregate a from spans by name over tumbling(1s) select { n: count() }";
    let mut child = tailwater()
        .args(["replay", text_of(&telemetry), "-e", rules, "--format", "jsonl", "-q"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 8];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn standard_input_is_a_recording_too() {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING)).unwrap();
    let mut child = tailwater()
        .args(["replay", "-", "-e", COUNT, "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), stdout(&run(&["replay", RECORDING, "-e", COUNT, "-q"])));
}

const SLOW: &str = r#"
edition 1
stream web = spans where service.name == "frontend" lateness 10s
aggregate http from web by name over tumbling(10s)
  select { n: count(), slow: count() where duration > 100ms }
  having n >= 20
alert Slow from http when slow > 20 hold 10s on no data resolve
test "slow pages fire" {
  given { 0s span frontend "GET /" server ok 200ms x400 every 100ms }
  expect { alert Slow firing by 1m }
}
"#;

#[test]
fn alerts_fire_and_the_exit_code_tells() {
    let rules = folder("alert").join("slow.tw");
    fs::write(&rules, SLOW).unwrap();
    let plot = rules.with_extension("svg");
    let arguments = ["replay", RECORDING, "--rules", text_of(&rules), "--plot", text_of(&plot)];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("Slow (alert)") && stdout(&output).contains("firing"));
    let image = fs::read_to_string(&plot).unwrap();
    assert!(image.starts_with("<svg") && image.contains("Slow fires"));
    run(&arguments);
    assert_eq!(fs::read_to_string(&plot).unwrap(), image, "equal input, equal image");
    let output = run(&[&arguments[..], &["--fail-on-alert"]].concat());
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn rule_tests_pass_and_fail() {
    let rules = folder("tests").join("slow.tw");
    fs::write(&rules, SLOW).unwrap();
    let output = run(&["test", text_of(&rules)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "ok  slow pages fire\n");
    fs::write(&rules, SLOW.replace("firing by 1m", "firing by 1s")).unwrap();
    let output = run(&["test", text_of(&rules)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("FAILED  slow pages fire"));
    assert!(stdout(&output).contains("slow.tw:10:"), "{}", stdout(&output));
}

#[test]
fn check_tells_its_findings_in_three_formats() {
    let rules = folder("check").join("rules.tw");
    fs::write(&rules, SLOW.replace("duration > 100ms", "duration > 100")).unwrap();
    let path = text_of(&rules);
    let output = run(&["check", path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("error[E2"), "{}", stdout(&output));
    let output = run(&["check", path, "--format", "json"]);
    let first = stdout(&output).lines().next().unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(first["range"]["start"]["line"], 5);
    let output = run(&["check", path, "--format", "github"]);
    assert!(stdout(&output).starts_with("::error file="));
    fs::write(&rules, SLOW).unwrap();
    assert_eq!(run(&["check", path, "--deny-warnings"]).status.code(), Some(0));
    let warned = SLOW.replace("on no data resolve", "");
    fs::write(&rules, warned).unwrap();
    assert_eq!(run(&["check", path]).status.code(), Some(0));
    assert_eq!(run(&["check", path, "--deny-warnings"]).status.code(), Some(3));
}

#[test]
fn check_compares_rules_with_a_recording() {
    const SHOP: &str = "examples/recordings/otel-demo.otlp.jsonl.gz";
    let check = |rules: &str, file: &str| run(&["check", "--recording", file, "-e", rules]);
    let said = |rules: &str| stdout(&check(rules, SHOP)).to_owned();
    let reads = |route: &str| {
        format!(
            "aggregate a from spans by service.name, route: {route} over tumbling(1m) \
             select {{ n: count() }} limit groups 10"
        )
    };
    let output = check(&reads("http.rout ?? \"none\""), SHOP);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("warning[W4011]") && text.contains("`http.rout`"), "{text}");
    assert_eq!(text.matches("W4011").count(), 1, "what occurs is not warned of: {text}");
    let text = said(&reads("http.rout ?? url.paths"));
    assert!(text.contains("any of the attributes `http.rout`, `url.paths`"), "{text}");
    let text = said(&reads("http.rout ?? http.method"));
    assert!(!text.contains("W4011"), "one of two is enough: {text}");
    let text = said(&reads("resource[\"service.nam\"]"));
    assert!(text.contains("`service.nam`"), "{text}");
    assert_eq!(check(&reads("name"), "nowhere.jsonl").status.code(), Some(66));
}

#[test]
fn generated_telemetry_is_a_function_of_the_seed() {
    let gen_seed = |seed: &str| run(&["gen", "--spans", "500", "--seed", seed]).stdout;
    assert!(!gen_seed("1").is_empty());
    assert_eq!(gen_seed("1"), gen_seed("1"));
    assert_ne!(gen_seed("1"), gen_seed("2"));
    assert_eq!(run(&["gen", "--error-rate", "7"]).status.code(), Some(2));
}

#[test]
fn colour_follows_the_option_and_the_environment() {
    let colored = |command: &mut Command| {
        let output = command.args(["replay", RECORDING, "-e", COUNT, "-q"]).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!colored(&mut tailwater()));
    assert!(colored(tailwater().env("CLICOLOR_FORCE", "1")));
    assert!(!colored(tailwater().env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")));
    assert!(colored(tailwater().args(["--color", "always"]).env("NO_COLOR", "1")));
}

#[test]
fn every_code_is_explained_and_completions_are_there() {
    let output = run(&["explain"]);
    for line in stdout(&output).lines() {
        let code = line.split_whitespace().next().unwrap();
        assert!(stdout(&run(&["explain", code])).contains(code));
    }
    assert_eq!(run(&["explain", "E9999"]).status.code(), Some(2));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(stdout(&run(&["completions", shell])).contains("replay"));
    }
}

#[test]
fn check_applies_safe_edits_and_only_those() {
    let rules = folder("fix").join("rules.tw");
    let wrong = "edition 1\naggregate a from spans where status = error && kind == server \
                 over tumbling(1m) select { n: count() }\n";
    fs::write(&rules, wrong).unwrap();
    let output = run(&["check", "--fix", text_of(&rules)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mended = fs::read_to_string(&rules).unwrap();
    assert_eq!(mended, wrong.replace("= error &&", "== error and"));
    let guess = wrong.replace("status = error &&", "duration > 5 and");
    fs::write(&rules, &guess).unwrap();
    assert_eq!(run(&["check", "--fix", text_of(&rules)]).status.code(), Some(1));
    assert_eq!(fs::read_to_string(&rules).unwrap(), guess, "a guess is offered, not applied");
}

#[test]
fn explain_shows_the_plan_of_rules_and_how_two_differ() {
    let output = run(&["explain", "examples/errors.tw"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("spans at end where kind == \"server\"\n"), "{text}");
    assert!(
        text.contains("  rule      http over tumbling(10s)\n            alert Errors\n"),
        "{text}"
    );
    let output = run(&["explain", "-e", COUNT, "--format", "dot"]);
    assert!(stdout(&output).starts_with("digraph rules {\n"), "{}", stdout(&output));
    let folder = folder("explain");
    let (old, new) = (folder.join("old.tw"), folder.join("new.tw"));
    fs::write(&old, COUNT).unwrap();
    fs::write(&new, COUNT.replace("1m", "5m")).unwrap();
    let output = run(&["explain", "--diff", text_of(&old), text_of(&new)]);
    let text = stdout(&output);
    assert!(text.contains("-   rule      counts over tumbling(1m)\n"), "{text}");
    assert!(text.contains("+   rule      counts over tumbling(5m)\n"), "{text}");
    let output = run(&["explain", "--diff", text_of(&old), text_of(&old)]);
    assert_eq!(stdout(&output), "the plans are equal\n");
    fs::write(&new, format!("{COUNT} having n > 3")).unwrap();
    let output = run(&["explain", "--diff", text_of(&old), text_of(&new)]);
    assert!(stdout(&output).contains("+             counts having n > 3\n"), "{}", stdout(&output));
    fs::write(&new, COUNT.replace("count()", "count() * 2")).unwrap();
    let output = run(&["explain", "--diff", text_of(&old), text_of(&new)]);
    assert!(stdout(&output).starts_with("same state, same conditions"), "{}", stdout(&output));
    let output = run(&["explain", "-e", "aggregate x from nowhere over tumbling(1m) select {}"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn fmt_brings_files_into_one_form() {
    let rules = folder("fmt").join("rules.tw");
    fs::write(&rules, SLOW).unwrap();
    let output = run(&["fmt", "--check", text_of(&rules)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output).trim_end(), text_of(&rules));
    assert_eq!(fs::read_to_string(&rules).unwrap(), SLOW);
    assert_eq!(run(&["fmt", text_of(&rules)]).status.code(), Some(0));
    assert_eq!(run(&["fmt", "--check", text_of(&rules)]).status.code(), Some(0));
    assert_eq!(run(&["test", text_of(&rules)]).status.code(), Some(0), "it means the same");
    fs::write(&rules, "aggregate {").unwrap();
    assert_eq!(run(&["fmt", text_of(&rules)]).status.code(), Some(1));
    assert_eq!(fs::read_to_string(&rules).unwrap(), "aggregate {");
}

#[test]
fn packs_are_rules_by_name_and_never_files() {
    let folder = folder("packs");
    fs::create_dir_all(folder.join("std")).unwrap();
    fs::write(folder.join("std/red.tw"), "nonsense").unwrap();
    fs::write(folder.join("std/red"), "nonsense").unwrap();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEMO);
    let here = |args: &[&str]| tailwater().args(args).current_dir(&folder).output().unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/packs");
    let together = here(&["test", text_of(&own)]);
    assert_eq!(together.status.code(), Some(78), "names clash in one set of rules");
    let each = here(&["test", "--each", "-q", text_of(&own)]);
    assert_eq!(each.status.code(), Some(0), "{}", String::from_utf8_lossy(&each.stderr));
    let output = here(&["test", "std/red", "std/plain"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).ends_with(" passed, 0 failed\n"));
    assert_eq!(here(&["check", "std/red", "std/plain", "--deny-warnings"]).status.code(), Some(0));
    let by_name = here(&["replay", text_of(&recording), "--rules", "std/red", "-q"]);
    assert!(stdout(&by_name).starts_with("red.http_server\n"), "{}", stdout(&by_name));
    let import = "import \"std/red\" as red";
    let imported = here(&["replay", text_of(&recording), "-e", import, "-q"]);
    assert_eq!(stdout(&by_name), stdout(&imported));
    let plan = here(&["explain", "std/red"]);
    assert!(stdout(&plan).contains("rule      red.database over"), "{}", stdout(&plan));
    let set = here(&["replay", text_of(&recording), "-e", import, "-q", "--set", "red.window=1"]);
    assert_eq!(set.status.code(), Some(78));
    assert!(stderr(&set).contains("std/red:"), "{}", stderr(&set));
}

#[test]
fn an_unknown_pack_is_told_with_those_that_there_are() {
    let output = run(&["test", "std/rde"]);
    assert_eq!(output.status.code(), Some(2));
    let wanted = ["did you mean `std/red`?", "`std/plain`"];
    assert!(wanted.iter().all(|text| stderr(&output).contains(text)), "{}", stderr(&output));
    let output = run(&["replay", RECORDING, "-e", "import \"std/rde\" as red"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(wanted.iter().all(|text| stderr(&output).contains(text)), "{}", stderr(&output));
}

#[test]
fn paths_that_are_surely_not_meant_are_told() {
    let output = run(&["replay", DEMO]);
    assert!(stderr(&output).contains("`--rules PATH`"), "{}", stderr(&output));
    let output = run(&["replay", DEMO, "examples/errors.tw"]);
    assert!(stderr(&output).contains("give it as `--rules examples/errors.tw`"));
    let output = run(&["replay", DEMO, "--rules", "examples/eror.tw"]);
    assert_eq!(output.status.code(), Some(66));
    assert!(stderr(&output).contains("did you mean `examples/errors.tw`?"), "{}", stderr(&output));
    let output = run(&["replay", "examples/recordings/otel-dem.otlp.jsonl.gz", "-e", COUNT]);
    assert_eq!(output.status.code(), Some(66));
    assert!(stderr(&output).contains(&format!("did you mean `{DEMO}`?")), "{}", stderr(&output));
    let output = run(&["replay", DEMO, "-e", COUNT, "--plot", "a.png"]);
    assert!(stderr(&output).contains("name `a.svg`"), "{}", stderr(&output));
}

#[test]
fn results_are_never_written_over_what_is_read() {
    let copy = folder("over").join("copy.gz");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(DEMO), &copy).unwrap();
    let before = fs::read(&copy).unwrap();
    for option in ["-o", "--plot"] {
        let output = run(&["replay", text_of(&copy), "-e", COUNT, option, text_of(&copy)]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(fs::read(&copy).unwrap() == before, "{option} left the recording alone");
    }
}

#[test]
fn a_surprising_result_comes_with_a_hint() {
    let hint = |rules: &str| stderr(&run(&["replay", DEMO, "-e", rules])).to_owned();
    let count = "over tumbling(1m) select { n: count() }";
    let text = hint(&format!("aggregate a from spans by servce.name {count}"));
    assert!(text.contains("attribute `servce.name`; did you mean `service.name`?"), "{text}");
    let text = hint(&format!("aggregate a from spans by service.name {count}"));
    assert!(!text.contains("hint"), "{text}");
    let text = hint(&format!("aggregate a from spans where name == \"none\" {count}"));
    assert!(text.contains("hint: the `where` of `a` let no item through"), "{text}");
    let text = hint(&format!("aggregate a from heartbeats {count}"));
    assert!(text.contains("hint: `a` reads heartbeats, and the input has none"), "{text}");
}
