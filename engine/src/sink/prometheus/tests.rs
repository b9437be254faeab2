//! What stands on the page after which rows.

use std::sync::Arc;

use super::*;
use crate::model::{AlertState, Row, RowKind, RuleId, Transition, Value};
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

fn row(service: &str, n: i64) -> Row {
    Row {
        rule: RuleId(0),
        decision_ns: 0,
        start_ns: 0,
        end_ns: 60 * SECOND,
        kind: RowKind::Final,
        is_other: false,
        key: vec![Value::str(service)],
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
    assert_eq!(store.page(PageFormat::Text), text);
    let open = store.page(PageFormat::OpenMetrics);
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
    store.row(&Row { is_other: true, key: vec![Value::Null], ..row("shop", 3) }, 0);
    let page = store.page(PageFormat::Text);
    assert!(page.contains("http_n{otel_metric_overflow=\"true\"} 3\n"), "{page}");
}

#[test]
fn a_series_leaves_when_it_is_not_renewed() {
    let mut store = store(100);
    store.row(&row("old", 1), 0);
    store.row(&row("new", 1), 200 * SECOND);
    store.expire(301 * SECOND);
    let page = store.page(PageFormat::Text);
    assert!(!page.contains("old") && page.contains("http_n{service_name=\"new\"} 1\n"), "{page}");
    assert_eq!((store.counts().expired, store.len()), (4, 4));
    store.expire(501 * SECOND);
    assert_eq!(store.page(PageFormat::Text), "");
}

#[test]
fn further_series_are_left_out_and_counted() {
    let mut store = store(5);
    store.row(&row("a", 1), 0);
    store.row(&row("b", 1), 0);
    assert_eq!((store.len(), store.counts().overflowed), (5, 3));
    store.row(&row("a", 9), 0);
    let page = store.page(PageFormat::Text);
    assert!(page.contains("http_n{service_name=\"a\"} 9\n"), "known series go on: {page}");
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
    assert!(store.page(PageFormat::Text).contains(&labels("pending")));
    store.transition(&transition(AlertState::Firing), 0);
    let page = store.page(PageFormat::Text);
    assert!(page.contains(&labels("firing")) && !page.contains("pending\""), "{page}");
    store.expire(i64::MAX - 1);
    assert!(store.page(PageFormat::Text).contains(&labels("firing")), "it fires until it resolves");
    store.transition(&transition(AlertState::Resolved), 0);
    assert!(store.is_empty());
}
