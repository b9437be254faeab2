//! The page of a run's own metrics: by Prometheus's conventions, complete, and true.
//!
//! The rules of naming are those of `promtool check metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::{RULES, Run, path};

/// One family of a page, with its samples: (name, labels as written, value).
#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: String,
    samples: Vec<(String, String, f64)>,
}

/// Reads a page; everything that is wrong with it is told.
fn read(page: &str) -> (BTreeMap<String, Family>, Vec<String>) {
    let (mut families, mut wrong) = (BTreeMap::<String, Family>::new(), Vec::new());
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            if families.contains_key(name) {
                wrong.push(format!("{name} has two heads"));
            }
            help.clone_into(&mut families.entry(name.to_owned()).or_default().help);
            name.clone_into(&mut current);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        {
            if name != current {
                wrong.push(format!("the type of {name} stands under {current}"));
            }
            kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            if !seen.insert(series.to_owned()) {
                wrong.push(format!("{series} is there twice"));
            }
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let of_family = name == current
                || ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| name.strip_suffix(end) == Some(&current));
            match value.parse::<f64>() {
                Ok(value) if of_family => {
                    let sample = (name.to_owned(), labels.to_owned(), value);
                    families.entry(current.clone()).or_default().samples.push(sample);
                }
                _ => wrong.push(format!("`{line}` under {current}")),
            }
        }
    }
    (families, wrong)
}

const ABBREVIATIONS: [&str; 12] =
    ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "mins", "min", "h"];
const NOT_BASE_UNITS: [&str; 8] = [
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "minutes",
    "hours",
    "kilobytes",
    "megabytes",
    "percent",
];

/// What `promtool check metrics` would say of a family.
fn lint(name: &str, family: &Family) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |is_wrong: bool, text: &str| {
        if is_wrong {
            wrong.push(format!("{name}: {text}"));
        }
    };
    let is_counter = family.kind == "counter";
    let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    say(family.help.trim().is_empty(), "no help text");
    say(!["counter", "gauge", "histogram"].contains(&family.kind.as_str()), "no type");
    say(!name.chars().all(is_valid), "names are in lower case with `_`");
    say(is_counter != name.ends_with("_total"), "counters, and only they, end with `_total`");
    for end in ["_count", "_sum", "_bucket"] {
        say(name.ends_with(end), "an end that only histograms have");
    }
    let words: Vec<&str> = name.split('_').collect();
    say(words.iter().any(|w| ["counter", "gauge", "histogram", "summary"].contains(w)), "its type");
    say(words.iter().any(|w| ABBREVIATIONS.contains(w)), "an abbreviated unit");
    say(words.iter().any(|w| NOT_BASE_UNITS.contains(w)), "not a base unit");
    let labels = family.samples.iter().flat_map(|(_, labels, _)| labels.split("=\""));
    let names: Vec<&str> = labels.filter_map(|text| text.rsplit([',', '{']).next()).collect();
    say(names.contains(&"le") && family.kind != "histogram", "a label of histograms");
    wrong
}

fn check_histogram(name: &str, family: &Family) {
    let mut by_series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        // The last label; others may end like it (`rule`).
        let last = labels.rfind("le=\"").filter(|_| sample.ends_with("_bucket"));
        let own = labels[..last.unwrap_or(labels.len())].trim_end_matches([',', '}']).to_owned();
        let bound = last.map(|at| labels[at + 4..].trim_end_matches("\"}"));
        if sample.ends_with("_bucket") {
            let bound = bound.unwrap();
            assert!(bound == "+Inf" || bound.parse::<f64>().is_ok(), "{name}: {bound}");
            by_series.entry(own).or_default().push(*value);
        } else if sample.ends_with("_count") {
            let counts = &by_series[&own];
            assert!(counts.is_sorted(), "{name}: buckets add up");
            assert_eq!(counts.last(), Some(value), "{name}: the last bucket has all");
        }
    }
}

#[test]
fn the_lint_finds_what_is_wrong() {
    let wrong = |name: &str, kind: &str| {
        let family = Family { help: "x".into(), kind: kind.into(), ..Family::default() };
        lint(name, &family).len()
    };
    assert_eq!(wrong("a_seconds", "gauge"), 0);
    assert_eq!(wrong("a_total", "counter"), 0);
    for (name, kind) in [
        ("a_total", "gauge"),
        ("a", "counter"),
        ("a_ms", "gauge"),
        ("a_Bytes", "gauge"),
        ("a_count", "gauge"),
        ("a_milliseconds", "histogram"),
        ("a_gauge", "gauge"),
        ("a", ""),
    ] {
        assert!(wrong(name, kind) > 0, "{name} {kind}");
    }
    assert!(!read("# HELP a x\n# TYPE a gauge\nb 1\n").1.is_empty());
    assert!(!read("# HELP a x\n# TYPE a gauge\na 1\na 2\n").1.is_empty());
}

/// Three lines, one of them in the shadow, over the spans of `RULES`.
const SAMPLING: &str = "sample s {\n\
    trial: shadow drop when service.name == \"shop\"\n\
    bank: keep when service.name == \"bank\"\n\
    rest: drop otherwise\n\
    } to stdout\n\
    traces t from s close when quiet 1s\n\
    sample t { drop otherwise } to stdout";

/// Families that a run with one sink of each kind has.
const WANTED: [&str; 31] = [
    "tailwater_sink_items_total",
    "tailwater_sink_queued_items",
    "tailwater_sink_capacity_items",
    "tailwater_sink_requests_total",
    "tailwater_sink_retries_total",
    "tailwater_sink_failures_total",
    "tailwater_sink_breaker_state",
    "tailwater_build_info",
    "tailwater_intake_held_items",
    "tailwater_intake_held_bytes",
    "tailwater_intake_capacity_items",
    "tailwater_intake_queued_items",
    "tailwater_intake_items_total",
    "tailwater_listener_open_connections",
    "tailwater_epochs_total",
    "tailwater_ticks_total",
    "tailwater_items_total",
    "tailwater_dropped_items_total",
    "tailwater_unaccounted_items",
    "tailwater_request_items",
    "tailwater_epoch_items",
    "tailwater_item_age_seconds",
    "tailwater_epoch_duration_seconds",
    "tailwater_rule_items_total",
    "tailwater_rule_worst_late_seconds",
    "tailwater_rule_watermark_lag_seconds",
    "tailwater_source_lag_seconds",
    "tailwater_rule_groups",
    "tailwater_rule_state_bytes",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
];

/// The value of a series, by its name and labels as written.
fn value(families: &BTreeMap<String, Family>, name: &str, labels: &str) -> f64 {
    let family = ["_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let samples = &families[family].samples;
    let found = samples.iter().find(|sample| sample.0 == name && sample.1 == labels);
    found.unwrap_or_else(|| panic!("{name}{{{labels}: {samples:?}")).2
}

/// The page of docs names every family, and none that is not there.
fn check_docs(families: &BTreeMap<String, Family>) {
    let docs = std::fs::read_to_string(crate::tidy::root().join("docs/operating.md")).unwrap();
    let section =
        docs.split("\n## ").find(|text| text.starts_with("The run's own metrics")).unwrap();
    let named: BTreeSet<&str> = section
        .split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .filter(|word| word.starts_with("tailwater_"))
        .collect();
    let own = families.keys().map(String::as_str).filter(|name| name.starts_with("tailwater_"));
    assert_eq!(named, own.collect::<BTreeSet<_>>());
}

#[test]
fn the_page_keeps_prometheus_conventions_and_tells_what_happened() {
    let dead = "http://127.0.0.1:9";
    let sinks = ["--webhook", dead, "--otlp", dead, "--alertmanager", dead, "--grace", "1"];
    let rules = format!("{RULES}\n{SAMPLING}");
    let run = Run::start(&rules, &[&sinks[..], &["--workers", "2"]].concat(), &[]);
    run.spans("shop", 5, 0);
    run.spans("bank", 2, 3);
    run.waits("/metrics", |page| {
        page.contains("tailwater_rule_rows_total{rule=\"http\"} 1\n")
            && !page.contains("tailwater_ticks_total 0\n")
    });
    run.spans("bank", 1, 8); // an epoch after the window has closed
    let used = "tailwater_items_total{signal=\"spans\",outcome=\"used\"} 8\n";
    let failed =
        "tailwater_sink_failures_total{sink=\"webhook\",sends=\"alerts\",reason=\"connect\"} ";
    let page = run.waits("/metrics", |page| {
        let failures = page.lines().find_map(|line| line.strip_prefix(failed));
        page.contains(used)
            && page.contains("tailwater_rule_rows_total{rule=\"Many\"} 2\n")
            && failures.is_some_and(|count| count.trim() != "0")
    });
    let body = page.split("\r\n\r\n").nth(1).unwrap();
    let (families, mut wrong) = read(body);
    for (name, family) in &families {
        wrong.extend(lint(name, family));
        if family.kind == "histogram" {
            check_histogram(name, family);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for name in WANTED {
        assert!(families.contains_key(name), "{name} is missing: {body}");
    }
    check_docs(&families);
    let number = |name: &str, labels: &str| value(&families, name, labels);
    let whole = |name: &str, labels: &str| number(name, labels) as u64;
    assert_eq!(whole("tailwater_item_age_seconds_count", ""), 8);
    assert_eq!(whole("tailwater_request_items_sum", "source=\"otlp_http\"}"), 8);
    assert_eq!(whole("tailwater_epoch_items_sum", "signal=\"spans\"}"), 8);
    assert_eq!(whole("tailwater_unaccounted_items", ""), 0);
    assert_eq!(whole("tailwater_intake_unaccounted_items", ""), 0);
    assert_eq!(whole("tailwater_rule_groups", "rule=\"http\"}"), 1, "shop's window is closed");
    assert!(number("tailwater_rule_state_bytes", "rule=\"http\"}") > 100.0);
    assert_eq!(whole("tailwater_rule_groups", "rule=\"Many\"}"), 2);
    assert_eq!(whole("tailwater_rule_groups", "rule=\"t\"}"), 1, "an open trace");
    assert!(number("tailwater_rule_state_bytes", "rule=\"t\"}") > 100.0);
    for (line, shadow, kept, dropped) in
        [("trial", true, 0, 5), ("bank", false, 3, 0), ("rest", false, 0, 5)]
    {
        for (outcome, count) in [("kept", kept), ("dropped", dropped)] {
            let labels = format!(
                "rule=\"sample s\",line=\"{line}\",shadow=\"{shadow}\",outcome=\"{outcome}\"}}"
            );
            assert_eq!(whole("tailwater_sample_cases_total", &labels), count, "{labels}");
            assert_eq!(whole("tailwater_sample_items_total", &labels), count, "{labels}");
            let bytes = whole("tailwater_sample_bytes_total", &labels);
            assert!(bytes >= count * 30 && (bytes > 0) == (count > 0), "{labels}: {bytes}");
            assert_eq!(whole("tailwater_sample_late_items_total", &labels), 0, "{labels}");
        }
    }
    assert_eq!(whole("tailwater_rule_watermark_lag_seconds", "rule=\"http\"}"), 0);
    assert!(number("process_resident_memory_bytes", "") > 1e6);
    assert!(number("process_start_time_seconds", "") > 1.7e9);
    assert_eq!(whole("tailwater_listener_open_connections", "listener=\"lines\"}"), 0);
    let of_webhook = "sink=\"webhook\",sends=\"alerts\"";
    assert_eq!(whole("tailwater_sink_capacity_items", &format!("{of_webhook}}}")), 10_000);
    let waiting = whole("tailwater_sink_in_flight_items", &format!("{of_webhook}}}"))
        + whole("tailwater_sink_queued_items", &format!("{of_webhook}}}"));
    assert_eq!(waiting, 2, "alerts of shop and bank");
    assert_eq!(run.end().0, Some(74));
}

#[test]
fn a_run_that_reads_its_own_metrics_says_the_same_again() {
    let rules = "stream own = metrics where source == \"self\" lateness 0s\n\
        aggregate points from own by name over tumbling(1s) select { n: count(), high: max(value) }";
    let record = path("self.twlog");
    let run = Run::start(rules, &["--self-metrics", "--record", record.to_str().unwrap()], &[]);
    let row = "tailwater_rule_rows_total{rule=\"points\"}";
    run.waits("/metrics", |page| {
        let line = page.lines().find_map(|line| line.strip_prefix(row));
        line.is_some_and(|count| count.trim() != "0")
    });
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("\"name\":\"tailwater_intake_capacity_items\""), "{stdout}");
    assert!(stdout.contains("\"high\":100000"), "{stdout}");
    let replayed = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(["replay", record.to_str().unwrap(), "--format", "jsonl"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&replayed.stdout), stdout);
}

#[test]
fn health_says_how_long_things_take_of_late() {
    let dead = "http://127.0.0.1:9";
    let run = Run::start(RULES, &["--webhook", dead, "--grace", "1"], &[]);
    let latencies = || {
        let answer = run.get("admin", "/healthz");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body").to_owned();
        let health: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        health["latency_ms"].clone()
    };
    let before = latencies();
    assert!(before["age"].is_null() && before["requests"] == serde_json::json!([]), "{before}");
    run.spans("shop", 5, 0);
    run.spans("shop", 2, 8);
    let requests = "tailwater_sink_requests_total{sink=\"webhook\",sends=\"alerts\"} ";
    run.waits("/metrics", |page| {
        let count = page.lines().find_map(|line| line.strip_prefix(requests));
        count.is_some_and(|count| count.trim() != "0")
    });
    let latencies = latencies();
    assert_eq!(latencies["age"]["count"], 7, "{latencies}");
    assert!(latencies["epoch"]["count"].as_u64() >= Some(2), "{latencies}");
    let requests = &latencies["requests"][0];
    assert_eq!((&requests["source"], &requests["count"]), (&"otlp_http".into(), &2.into()));
    let sinks = latencies["sinks"].as_array().expect("a list");
    let webhook = sinks.iter().find(|sink| sink["sink"] == "webhook").expect("it tried");
    assert_eq!(webhook["sends"], "alerts");
    for told in [&latencies["age"], &latencies["epoch"], requests, webhook] {
        let ms = |what: &str| told[what].as_f64().expect("a number");
        assert!(0.0 < ms("p99") && ms("p50") <= ms("p99") && ms("p99") <= ms("max"), "{told}");
        assert!(ms("max") < 60_000.0, "{told}");
    }
    assert_eq!(run.end().0, Some(74));
}
