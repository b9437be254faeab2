//! What stands on the page after which rows.

use std::sync::Arc;

use super::*;
use crate::model::{
    AlertState, ExemplarVerdict, ExponentialBuckets, HistogramPoint, Row, RowKind, RuleId,
    Transition, Value,
};
use crate::otlp::wire::field;
use crate::sink::{AlertShape, RuleShape, Shape};

const SECOND: i64 = 1_000_000_000;

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn store(series: usize) -> PrometheusStore {
    let rule = RuleShape {
        name: Arc::from("http"),
        keys: names(&["service.name"]),
        values: names(&["n", "p99", "share", "body"]),
        counts: vec![true, false, false, false],
        every_ns: 60 * SECOND,
        ..RuleShape::default()
    };
    let alert = AlertShape {
        name: Arc::from("Slow"),
        severity: Some(Arc::from("page")),
        keys: names(&["service.name"]),
        ..AlertShape::default()
    };
    let config = PrometheusConfig { series, ..PrometheusConfig::default() };
    PrometheusStore::new(config, Arc::from([Shape::Rule(rule), Shape::Alert(alert)]))
}

fn read(store: &mut PrometheusStore, format: PageFormat) -> String {
    String::from_utf8(store.page(format).to_vec()).unwrap()
}

fn row(service: &str, n: i64) -> Row {
    Row {
        rule: RuleId(0),
        decision_ns: 0,
        start_ns: 0,
        end_ns: 60 * SECOND,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::from([Value::str(service)]),
        values: vec![
            Value::Int(n),
            Value::Duration(1_500_000_000),
            Value::Ratio(0.25),
            Value::str("no number"),
        ],
    }
}

fn transition(state: AlertState) -> Transition {
    Transition {
        rule: RuleId(1),
        decision_ns: 0,
        state,
        since_ns: 0,
        key: vec![Value::str("a \"b\"\n\\")],
        is_other: false,
        labels: Vec::new(),
        annotations: Vec::new(),
        evidence: None,
    }
}

#[test]
fn a_row_is_gauges_and_counts_are_added_up() {
    let mut store = store(100);
    store.row(&row("shop", 3), 2 * SECOND);
    store.row(&row("shop", 4), 3 * SECOND);
    let text = "\
# HELP http_n `n` of the newest window of `http`
# TYPE http_n gauge
http_n{service_name=\"shop\"} 4
# HELP http_n_seen_total `n` of all windows of `http` so far
# TYPE http_n_seen_total counter
http_n_seen_total{service_name=\"shop\"} 7
# HELP http_p99_seconds `p99` of the newest window of `http`
# TYPE http_p99_seconds gauge
http_p99_seconds{service_name=\"shop\"} 1.5
# HELP http_share_ratio `share` of the newest window of `http`
# TYPE http_share_ratio gauge
http_share_ratio{service_name=\"shop\"} 0.25
";
    assert_eq!(read(&mut store, PageFormat::Text), text);
    let open = read(&mut store, PageFormat::OpenMetrics);
    assert!(open.contains("# TYPE http_n_seen counter\n"), "{open}");
    assert!(open.contains("http_n_seen_total{service_name=\"shop\"} 7\n"), "{open}");
    assert!(open.contains("http_n_seen_created{service_name=\"shop\"} 2.000000000\n"), "{open}");
    assert!(open.contains("# UNIT http_p99_seconds seconds\n"), "{open}");
    assert!(open.ends_with("# EOF\n"), "{open}");
    assert_eq!(store.counts().not_numbers, 2);
}

#[test]
fn revisions_show_nothing_and_the_overflow_group_says_so() {
    let mut store = store(100);
    store.row(&Row { kind: RowKind::Revision(1), ..row("shop", 3) }, 0);
    assert!(store.is_empty());
    store.row(&Row { is_other: true, key: Arc::from([Value::Null]), ..row("shop", 3) }, 0);
    let page = read(&mut store, PageFormat::Text);
    assert!(page.contains("http_n{otel_metric_overflow=\"true\"} 3\n"), "{page}");
}

#[test]
fn a_series_leaves_when_it_is_not_renewed() {
    let mut store = store(100);
    store.row(&row("old", 1), 0);
    store.row(&row("new", 1), 200 * SECOND);
    store.expire(301 * SECOND);
    let page = read(&mut store, PageFormat::Text);
    assert!(!page.contains("old") && page.contains("http_n{service_name=\"new\"} 1\n"), "{page}");
    assert_eq!((store.counts().expired, store.len()), (4, 4));
    assert!(store.held_bytes() > page.len(), "{}", store.held_bytes());
    store.expire(501 * SECOND);
    assert_eq!((read(&mut store, PageFormat::Text).as_str(), store.held_bytes()), ("", 0));
}

#[test]
fn further_series_are_left_out_and_counted() {
    let mut store = store(5);
    store.row(&row("a", 1), 0);
    store.row(&row("b", 1), 0);
    assert_eq!((store.len(), store.counts().overflowed), (5, 3));
    store.row(&row("a", 9), 0);
    let page = read(&mut store, PageFormat::Text);
    assert!(page.contains("http_n{service_name=\"a\"} 9\n"), "known series go on: {page}");
}

#[test]
fn series_that_are_over_make_room_though_nobody_asks_for_the_page() {
    let mut store = store(8);
    store.row(&row("a", 1), 0);
    store.row(&row("b", 1), 0);
    store.row(&row("c", 1), 299 * SECOND);
    assert_eq!((store.len(), store.counts().overflowed), (8, 4));
    store.row(&row("b", 2), 299 * SECOND);
    store.row(&row("c", 1), 301 * SECOND);
    assert_eq!((store.len(), store.counts().overflowed), (8, 8), "it has just been looked at");
    store.row(&row("c", 1), 310 * SECOND);
    assert_eq!(
        (store.len(), store.counts()),
        (8, PrometheusCounts { expired: 4, ..store.counts() })
    );
    let page = read(&mut store, PageFormat::Text);
    assert!(page.contains("service_name=\"b\"} 2\n") && !page.contains("\"a\""), "{page}");
    assert!(page.contains("http_n{service_name=\"c\"} 1\n"), "{page}");
}

#[test]
fn an_alert_is_on_the_page_while_it_is_pending_or_firing() {
    let mut store = store(100);
    store.transition(&transition(AlertState::Pending), 0);
    let labels = |state| {
        format!(
            "ALERTS{{alertname=\"Slow\",alertstate=\"{state}\",service_name=\"a \\\"b\\\"\\n\\\\\",\
             severity=\"page\"}} 1\n"
        )
    };
    assert!(read(&mut store, PageFormat::Text).contains(&labels("pending")));
    store.transition(&transition(AlertState::Firing), 0);
    let page = read(&mut store, PageFormat::Text);
    assert!(page.contains(&labels("firing")) && !page.contains("pending\""), "{page}");
    store.expire(i64::MAX - 1);
    assert!(
        read(&mut store, PageFormat::Text).contains(&labels("firing")),
        "it fires until it resolves"
    );
    store.transition(&transition(AlertState::Resolved), 0);
    assert!(store.is_empty());
}

/// A rule with a count, a distribution and exemplars.
fn with_histogram() -> PrometheusStore {
    let rule = RuleShape {
        name: Arc::from("http"),
        keys: names(&["service.name"]),
        values: names(&["n", "times", "some"]),
        counts: vec![true, false, false],
        histograms: vec![false, true, false],
        ..RuleShape::default()
    };
    PrometheusStore::new(PrometheusConfig::default(), Arc::from([Shape::Rule(rule)]))
}

fn histogram_row(counts: &[u64]) -> Row {
    let exponential = ExponentialBuckets {
        scale: 0,
        positive_offset: 0,
        positive: counts.to_vec(),
        ..ExponentialBuckets::default()
    };
    let count = counts.iter().sum();
    let point = HistogramPoint {
        count,
        sum: Some(count as f64),
        exponential: Some(exponential),
        ..HistogramPoint::default()
    };
    let some = Value::map(vec![
        (Arc::from("trace_id"), Value::Bytes(Arc::from([7; 16]))),
        (Arc::from("span_id"), Value::Bytes(Arc::from([9; 8]))),
        (Arc::from("value"), Value::Duration(3 * SECOND)),
        (Arc::from("time"), Value::Time(5 * SECOND)),
    ]);
    let values = vec![
        Value::Int(count as i64),
        Value::Histogram(Arc::new(point)),
        Value::List(Arc::from([some])),
    ];
    Row { values, ..row("shop", 0) }
}

#[test]
fn distributions_are_added_up_to_classic_buckets_with_exemplars() {
    let mut store = with_histogram();
    store.row(&histogram_row(&[1, 2]), 2 * SECOND);
    store.row(&histogram_row(&[1, 1, 1]), 3 * SECOND);
    let lines = "\
# HELP http_times `times` of all windows of `http` so far
# TYPE http_times histogram
http_times_bucket{le=\"2.0\",service_name=\"shop\"} 2
http_times_bucket{le=\"4.0\",service_name=\"shop\"} 5
http_times_bucket{le=\"8.0\",service_name=\"shop\"} 6
http_times_bucket{le=\"+Inf\",service_name=\"shop\"} 6
http_times_sum{service_name=\"shop\"} 6
http_times_count{service_name=\"shop\"} 6
";
    let found = read(&mut store, PageFormat::Text);
    assert!(found.contains(lines), "{found}");
    assert!(!found.contains("trace_id"), "text has no exemplars: {found}");
    let found = read(&mut store, PageFormat::OpenMetrics);
    let trace = "07".repeat(16);
    let exemplar =
        format!("# {{trace_id=\"{trace}\",span_id=\"{}\"}} 3 5.000000000\n", "09".repeat(8));
    let bucket = format!("http_times_bucket{{le=\"4.0\",service_name=\"shop\"}} 5 {exemplar}");
    assert!(found.contains(&bucket), "{found}");
    assert!(found.contains(&format!("http_n_seen_total{{service_name=\"shop\"}} 6 {exemplar}")));
    assert_eq!(found.matches("trace_id").count(), 2, "{found}");
    assert!(found.contains("http_times_created{service_name=\"shop\"} 2.000000000\n"));
}

/// A row whose exemplars say what became of their traces.
fn marked_row(marks: &[(u8, &str)]) -> Row {
    let one = |(trace, mark): &(u8, &str)| {
        Value::map(vec![
            (Arc::from("trace_id"), Value::Bytes(Arc::from([*trace; 16]))),
            (Arc::from("value"), Value::Duration(3 * SECOND)),
            (Arc::from("time"), Value::Time(5 * SECOND)),
            (Arc::from("sampled"), Value::str(mark)),
        ])
    };
    let mut row = histogram_row(&[1, 2]);
    row.values[2] = Value::List(marks.iter().map(one).collect());
    row
}

/// The trace that the counter shows.
fn shown(store: &mut PrometheusStore) -> Option<String> {
    let page = read(store, PageFormat::OpenMetrics);
    let line = page.lines().find(|line| line.starts_with("http_n_seen_total")).unwrap().to_owned();
    Some(line.split_once("trace_id=\"")?.1[..2].to_owned())
}

#[test]
fn an_exemplar_is_shown_once_its_trace_is_kept() {
    let mut store = with_histogram();
    let verdict = |trace: u8, is_kept| ExemplarVerdict { trace_id: [trace; 16], is_kept };
    store.row(&marked_row(&[(1, "dropped"), (2, "open"), (3, "open")]), 0);
    assert_eq!(shown(&mut store), None);
    store.verdicts(&[verdict(1, true), verdict(3, false), verdict(9, true)]);
    assert_eq!(shown(&mut store), None);
    store.verdicts(&[verdict(2, true)]);
    assert_eq!(shown(&mut store).as_deref(), Some("02"));
    // One that is open does not take the place of one that is kept.
    store.row(&marked_row(&[(4, "open")]), 0);
    assert_eq!(shown(&mut store).as_deref(), Some("02"));
    store.row(&marked_row(&[(6, "open"), (5, "kept")]), 0);
    assert_eq!(shown(&mut store).as_deref(), Some("05"));
    store.verdicts(&[verdict(4, true), verdict(6, true)]);
    assert_eq!(shown(&mut store).as_deref(), Some("06"));
}

#[test]
fn an_exemplar_without_a_value_counts_itself_and_is_in_no_bucket() {
    let mut store = with_histogram();
    let mut row = marked_row(&[(7, "kept")]);
    if let Value::List(items) = &row.values[2]
        && let Value::Map(entries) = &items[0]
    {
        let without = entries.iter().map(|(name, value)| match &**name {
            "value" => (Arc::clone(name), Value::Null),
            _ => (Arc::clone(name), value.clone()),
        });
        row.values[2] = Value::List([Value::map(without.collect())].into());
    }
    store.row(&row, 0);
    let page = read(&mut store, PageFormat::OpenMetrics);
    let with: Vec<&str> = page.lines().filter(|line| line.contains("trace_id")).collect();
    assert_eq!(with.len(), 1, "{page}");
    assert!(
        with[0].starts_with("http_n_seen_total") && with[0].ends_with("} 1 5.000000000"),
        "{page}"
    );
}

#[test]
fn a_sum_that_may_go_back_is_left_out_of_openmetrics_with_its_count() {
    let mut store = with_histogram();
    let mut below_zero = histogram_row(&[1]);
    if let Value::Histogram(point) = &mut below_zero.values[1] {
        let exponential = Arc::make_mut(point).exponential.as_mut().unwrap();
        exponential.negative = vec![1];
    }
    store.row(&below_zero, 0);
    let found = read(&mut store, PageFormat::OpenMetrics);
    assert!(found.contains("http_times_bucket{le=\"-1.0\",service_name=\"shop\"} 1\n"), "{found}");
    assert!(!found.contains("http_times_sum") && !found.contains("http_times_count"), "{found}");
    assert!(read(&mut store, PageFormat::Text).contains("http_times_sum"));
}

#[test]
fn protobuf_has_native_histograms() {
    let mut store = with_histogram();
    store.row(&histogram_row(&[1, 3]), 2 * SECOND);
    let page = store.page(PageFormat::Protobuf);
    let mut rest = &page[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let length =
            rest[..digits].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
        found.push(&rest[digits..digits + length]);
        rest = &rest[digits + length..];
    }
    let text = |family: &[u8]| String::from_utf8(field(family, 1).unwrap().1.to_vec()).unwrap();
    let titles: Vec<String> = found.iter().map(|family| text(family)).collect();
    assert_eq!(titles, ["http_n", "http_n_seen_total", "http_times"]);
    let metric = field(found[2], 4).unwrap().1;
    let histogram = field(metric, 7).unwrap().1;
    let number = |number: u64| field(histogram, number).unwrap();
    assert_eq!((field(found[2], 3).unwrap().0, number(1).0, number(5).0), (4, 4, 0));
    let span = number(12).1;
    // The first bucket, (1, 2], is number 1; zigzag makes 2 of it.
    assert_eq!((field(span, 1).unwrap().0, field(span, 2).unwrap().0), (2, 2));
    assert_eq!(number(13).1, [2, 4], "1, then 2 more");
    assert_eq!(f64::from_le_bytes(number(2).1.try_into().unwrap()).to_bits(), 4f64.to_bits());
    assert!(field(histogram, 16).is_some(), "an exemplar");
}
