//! Tables whose files change while a run goes on.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::live_run::{Run, now_s, path};

/// Rules that read a table as a group key, and as a value.
fn rules_of(owners: &Path) -> String {
    format!(
        "table owners = csv(\"{}\") key service.name\n\
         stream s = spans set {{ rank: owners.rank }} lateness 0s idle 1s\n\
         aggregate teams from s by owners.team over tumbling(10s) \
         select {{ n: count() }} limit groups 10\n\
         aggregate each from s by service.name over tumbling(10s) \
         select {{ n: count(), most: max(rank) }} limit groups 10\n",
        owners.display()
    )
}

/// Replaces a file whole: half of one may be another table.
fn replace(path: &Path, text: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

/// Waits until the record holds a text: until then the run has not taken it.
fn records(record: &Path, text: &str) {
    for _ in 0..400 {
        let bytes = fs::read(record).unwrap_or_default();
        if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("`{text}` never came into the record");
}

fn replay(record: &Path, workers: &str) -> String {
    let mut replay = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    replay.args(["replay", "--format", "jsonl", "--workers", workers]).arg(record);
    let output = replay.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_changed_table_is_taken_recorded_and_replayed_and_a_broken_one_is_not() {
    let (owners, record, config) = (path("owners.csv"), path("tables.twlog"), path("tables.yaml"));
    fs::write(&owners, "service.name,team,rank\nshop,web,1\nbank,money,2\n").unwrap();
    fs::write(&config, "rules: { tables_every: 50ms }\n").unwrap();
    let (config, to) = (config.to_str().unwrap(), record.to_str().unwrap());
    let more = ["--config", config, "--record", to, "--workers", "2"];
    let run = Run::start(&rules_of(&owners), &more, &[]);
    let at_s = now_s() / 10 * 10;
    run.spans_at("shop", 3, at_s);
    run.shows("admin", "/metrics", "tailwater_items_total{signal=\"spans\",outcome=\"used\"} 3\n");
    replace(&owners, "service.name,team,rank\nshop,payments,7\nbank,money,2\n");
    records(&record, "shop,payments,7");
    // The same window goes on: what came before has been looked up.
    run.spans_at("shop", 2, at_s + 1);
    run.shows("admin", "/metrics", "tailwater_items_total{signal=\"spans\",outcome=\"used\"} 5\n");
    // Two rows of one key; then a column of another type; then none that is read; then no text.
    for (bad, warned) in [
        (&b"service.name,team,rank\nshop,a,1\nshop,b,1\n"[..], 1),
        (b"service.name,team,rank\nshop,a,high\n", 2),
        (b"service.name,group,rank\nshop,a,1\n", 3),
        (b"service.name,team,rank\nshop,\xe9,1\n", 4),
    ] {
        replace(&owners, bad);
        let warned = format!("tailwater_log_records_total{{level=\"warn\"}} {warned}\n");
        run.shows("admin", "/metrics", &warned);
    }
    run.spans_at("shop", 1, at_s + 11);
    run.spans_at("bank", 1, at_s + 30);
    run.shows("admin", "/metrics", "tailwater_rule_rows_total{rule=\"each\"} 2\n");
    let page = run.get("admin", "/metrics");
    assert!(page.contains("tailwater_unaccounted_items 0\n"), "{page}");
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    for text in [
        "changed and is taken",
        "the key `shop` has two rows",
        "changed and cannot be used; the table before stays",
        "columns of other types",
        "has no column `team`",
        "it is not UTF-8 from byte 28 on; the table before stays",
    ] {
        assert!(stderr.contains(text), "`{text}`: {stderr}");
    }
    let teams: Vec<&str> = stdout.lines().filter(|line| line.contains("\"teams\"")).collect();
    let has = |team: &str, n: u32| {
        let (team, n) = (format!("\"{team}\""), format!("\"n\":{n}"));
        teams.iter().any(|line| line.contains(&team) && line.contains(&n))
    };
    assert!(has("web", 3) && has("payments", 2) && has("payments", 1), "{stdout}");
    assert!(stdout.contains("\"most\":7"), "{stdout}");
    // The record needs no file.
    fs::remove_file(&owners).unwrap();
    for workers in ["1", "3"] {
        assert_eq!(replay(&record, workers), stdout, "{workers} workers");
    }
    other_rules(&owners, &record);
}

/// Other rules read the tables of the record as well, unless they are told to read the files.
fn other_rules(owners: &Path, record: &Path) {
    let rules = format!(
        "table owners = csv(\"{}\") key service.name\n\
         stream s = spans lateness 0s idle 1s\n\
         aggregate other from s by owners.team over tumbling(10s) \
         select {{ n: count() }} limit groups 10\n\
         traces t from s close when quiet 1s\n\
         sample t {{ web: keep when has({{owners.team == \"web\"}}) drop otherwise }} to stdout\n",
        owners.display()
    );
    let run = |more: &[&str]| {
        let mut replay = Command::new(env!("CARGO_BIN_EXE_tailwater"));
        replay.args(["replay", "--format", "csv", "-e", &rules]).arg(record).args(more);
        let output = replay.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, as_recorded, stderr) = run(&[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(as_recorded.contains(",web,3\n"), "{as_recorded}");
    assert!(as_recorded.contains(",payments,2\n"), "a change at its place: {as_recorded}");
    assert!(stderr.contains("as in the log; `--tables files`"), "{stderr}");
    // A trace is asked for across the change: it closed behind it.
    let mut why = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    why.args(["replay", "-e", &rules, "--why", "00000000000000000000000000000001"]).arg(record);
    let output = why.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let why = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(why.contains("sample t: kept by `web`"), "{why}");
    // A backtest reads a record as a replay does.
    let file = path("backtest.tw");
    fs::write(&file, &rules).unwrap();
    let mut backtest = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    let output = backtest.arg("backtest").args([&file, &file]).arg(record).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let rows = as_recorded.lines().count() - 1;
    let said = format!("no differences; {rows} rows before, {rows} after\n");
    assert!(stderr.ends_with(&said) && output.status.success(), "{rows}: {stderr}");
    let (code, _, stderr) = run(&["--tables", "files"]);
    assert_eq!(code, Some(78), "the file is gone: {stderr}");
    fs::write(owners, "service.name,team\nshop,now\n").unwrap();
    assert_eq!(run(&[]).1, as_recorded);
    let (_, stdout, stderr) = run(&["--tables", "files"]);
    assert!(stdout.contains(",now,5\n"), "{stdout}");
    assert!(!stderr.contains("as in the log"), "{stderr}");
}

#[test]
fn sighup_looks_at_tables_and_tells_of_rules_that_changed() {
    let (owners, rules, config) = (path("hup.csv"), path("hup.tw"), path("hup.yaml"));
    fs::write(&owners, "service.name,team,rank\nshop,web,1\n").unwrap();
    fs::write(&rules, "aggregate all from spans over tumbling(10s) select { n: count() }\n")
        .unwrap();
    fs::write(&config, "rules: { tables_every: 1h }\n").unwrap();
    let more = ["--config", config.to_str().unwrap(), "--rules", rules.to_str().unwrap()];
    let run = Run::start(&rules_of(&owners), &more, &[]);
    let logged = |level: &str, times: u32| {
        let text = format!("tailwater_log_records_total{{level=\"{level}\"}} {times}\n");
        run.shows("admin", "/metrics", &text);
    };
    replace(&owners, "service.name,team,rank\nshop,payments,1\n");
    run.signal("-HUP");
    logged("info", 2);
    replace(&rules, "aggregate all from spans over tumbling(20s) select { n: count() }\n");
    run.signal("-HUP");
    logged("warn", 1);
    replace(&rules, "aggregate all from spans select { n: count() }\n");
    run.signal("-HUP");
    logged("warn", 2);
    let at_s = now_s() / 10 * 10;
    run.spans_at("shop", 1, at_s);
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("\"payments\"") || stdout.is_empty(), "{stdout}");
    for text in [
        "changed and is taken",
        "looked at on SIGHUP; the rules are as they were",
        "the rules changed: a new start of the run takes them",
        "error[E3001]",
        "a new start would fail",
    ] {
        assert!(stderr.contains(text), "`{text}`: {stderr}");
    }
}

/// Late spans of traces and of derived traces are counted with what holds the spans.
#[test]
fn late_spans_of_traces_and_of_derived_traces_are_in_the_metrics() {
    let rules = "stream s = spans lateness 0s\n\
                 traces shop from s close when quiet 1s\n\
                 retrace by_name from s by name root { name: \"{name}\" } to stdout\n\
                 aggregate n from shop over tumbling(1m) select { n: count() }";
    let run = Run::start(rules, &[], &[]);
    run.spans("shop", 2, 0);
    run.spans("shop", 1, 60);
    // The first trace goes on, the second one had closed; both spans are behind the watermark, as
    // was the second one of the first two.
    run.spans("shop", 2, 10);
    let late = |rule: &str, count: u32| {
        format!("tailwater_rule_items_total{{rule=\"{rule}\",outcome=\"late\"}} {count}\n")
    };
    run.shows("admin", "/metrics", &late("by_name's spans", 3));
    let page = run.shows("admin", "/metrics", &late("shop", 1));
    assert!(page.contains("tailwater_rule_worst_late_seconds{rule=\"shop\"} "), "{page}");
    assert_eq!(run.end().0, Some(0));
}
