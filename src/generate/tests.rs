//! Equal seeds give equal bytes; the data is as the options and the labels say.

use super::{Format, IncidentKind, Options, Summary, run};

fn small() -> Options {
    Options { spans: 20_000, ..Options::default() }
}

fn generate(options: &Options) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = run(options, &mut bytes).unwrap();
    (bytes, summary)
}

/// (service, name, start, end, is error).
type Row = (String, String, i64, i64, bool);

/// The rows of plain NDJSON.
fn rows(options: &Options) -> (Vec<Row>, Summary) {
    let (bytes, summary) = generate(&Options { format: Format::Ndjson, ..options.clone() });
    let rows = String::from_utf8(bytes).unwrap();
    let rows = rows.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let whole = |key: &str| row[key].as_i64().unwrap();
        (
            text("service"),
            text("name"),
            whole("start_ns"),
            whole("end_ns"),
            text("status") == "error",
        )
    });
    (rows.collect(), summary)
}

#[test]
fn equal_seeds_give_equal_bytes() {
    for format in [Format::OtlpJson, Format::Ndjson, Format::OtlpDelimited] {
        let options = Options { format, ..small() };
        let (bytes, summary) = generate(&options);
        assert_eq!((&bytes, &summary), (&generate(&options).0, &summary));
        assert_ne!(bytes, generate(&Options { seed: 2, ..options }).0);
    }
}

#[test]
fn the_summary_counts_what_is_written() {
    let options = Options { duplicates: 0.1, ..small() };
    let (rows, summary) = rows(&options);
    assert_eq!(summary.spans, 20_000);
    assert!((1_500..2_500).contains(&summary.duplicates), "{}", summary.duplicates);
    assert_eq!(rows.len() as u64, summary.spans + summary.duplicates);
    let twice = rows.len() - rows.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert!(twice as u64 >= summary.duplicates * 9 / 10, "duplicates are whole rows");
}

#[test]
fn rows_are_late_only_within_the_disorder() {
    let calm = Options { disorder: 0.0, duplicates: 0.0, ..small() };
    let worst = |options: &Options| {
        let mut high = 0;
        let (rows, _) = rows(options);
        let behind = rows.iter().map(|row| {
            high = high.max(row.3);
            high - row.3
        });
        behind.max().unwrap()
    };
    assert!(worst(&calm) <= 20_000_000, "{}", worst(&calm));
    let wild = Options { disorder: 0.2, disorder_ns: 5_000_000_000, ..calm };
    assert!((3_000_000_000..=5_020_000_000).contains(&worst(&wild)), "{}", worst(&wild));
}

#[test]
fn labels_say_the_truth() {
    let (rows, summary) = rows(&Options { spans: 60_000, error_rate: 0.0, ..small() });
    assert_eq!(summary.incidents.len(), 3);
    let last_ns = rows.iter().map(|row| row.2).max().unwrap();
    assert!(summary.incidents.iter().all(|incident| incident.end_ns < last_ns));
    for incident in &summary.incidents {
        let label: serde_json::Value = serde_json::from_str(&incident.to_json()).unwrap();
        let service = label["service"].as_str().unwrap();
        let during = |start_ns: i64| (incident.start_ns..incident.end_ns).contains(&start_ns);
        let own = |row: &&Row| row.0 == service && !row.1.starts_with("call ");
        let inside: Vec<_> = rows.iter().filter(own).filter(|row| during(row.2)).collect();
        let outside: Vec<_> = rows.iter().filter(own).filter(|row| !during(row.2)).collect();
        assert!(outside.len() > 100, "{service}");
        match incident.kind {
            IncidentKind::ErrorBurst => {
                let operation = label["operation"].as_str().unwrap();
                let hit: Vec<_> = inside.iter().filter(|row| row.1 == operation).collect();
                let errors = hit.iter().filter(|row| row.4).count();
                assert!(errors * 3 > hit.len() && !hit.is_empty(), "{errors} of {}", hit.len());
            }
            IncidentKind::LatencyShift => {
                let median = |rows: &[&Row]| {
                    let mut all: Vec<i64> = rows.iter().map(|row| row.3 - row.2).collect();
                    all.sort_unstable();
                    all[all.len() / 2]
                };
                assert!(median(&inside) > 3 * median(&outside), "{service}");
            }
            IncidentKind::ServiceDown => {
                let others = rows.iter().filter(|row| during(row.2)).count();
                assert!(inside.is_empty() && others > 100, "{service}, {others} others");
            }
        }
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let refuse = |options: Options| run(&options, &mut Vec::new()).unwrap_err().to_string();
    assert!(refuse(Options { services: 0, ..small() }).contains("services"));
    assert!(refuse(Options { services: 21, ..small() }).contains("`21`"));
    assert!(refuse(Options { error_rate: 1.5, ..small() }).contains("error rate"));
    assert!(refuse(Options { operations: 0, ..small() }).contains("operation"));
    assert!(refuse(Options { sigma: f64::NAN, ..small() }).contains("sigma"));
}
