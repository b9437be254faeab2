//! Aggregates over what traces say: aggregated where traces close, they say what they say of rows.
//!
//! The same rules with one more call, the last row by order, take their rows one by one.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use tailwater_engine::model::Row;
use tailwater_engine::plan::Plan;

use super::replay::{BASE_S, plan};
use super::ways::{Way, outputs, ways};

/// `LAST(x)` becomes the call that needs the order of rows, or nothing.
const RULES: &str = "
stream s = spans lateness 1s
traces t from s close when (root and quiet 2s) or age 10s limit spans 5
aggregate edges from t.edges by client, server, connection over tumbling(5s)
  select {
    n: count(), bad: count() where failed, slow: max(client.duration), mean: avg(server.duration),
    p90(client.duration), kinds: distinct(server) LAST(place)
  } limit groups 3
aggregate early from t.edges by server over sliding(10s, every: 5s)
  select { n: count(), p50(server.duration) LAST(place) } results every 1s
aggregate times from t.operations by service.name, name where spans > 1 over sliding(6s, every: 2s)
  select { n: sum(spans), own: sum(exclusive), all: max(inclusive) LAST(place) } limit groups 2
aggregate roots from t by root.name where duration > 20ms over tumbling(7s)
  select { n: count(), p99(critical_path.duration), least: min(duration) LAST(duration) }
aggregate said from t by root.name, complete over tumbling(10s)
  select { n: count(), mean: avg(span_count) LAST(duration) } results changes
aggregate ids from t by trace.id over tumbling(4s)
  select { n: count(), errors: count() where has({status == error}) LAST(duration) }
  limit groups 2
";

fn rules(by_row: bool) -> Arc<Plan> {
    let mut text = String::new();
    let mut parts = RULES.split("LAST(");
    text.push_str(parts.next().unwrap());
    for part in parts {
        let (of, rest) = part.split_once(')').unwrap();
        if by_row {
            write!(text, ", in_order: last({of})").unwrap();
        }
        text.push_str(rest);
    }
    Arc::new(plan(&text).unwrap_or_else(|text| panic!("{text}")))
}

#[derive(Debug, Clone)]
struct Span {
    trace: u8,
    id: u8,
    parent: u8,
    service: u8,
    kind: u8,
    start_ms: i64,
    length_ms: i64,
    is_error: bool,
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let span = (
        (0..9u8, 1..7u8, 0..5u8, 0..3u8, 1..6u8),
        (prop_oneof![0..30_000i64, 0..2_000i64], 0..500i64, prop::bool::weighted(0.2)),
    );
    let of = |((trace, id, parent, service, kind), (start_ms, length_ms, is_error))| Span {
        trace,
        id,
        parent,
        service,
        kind,
        start_ms,
        length_ms,
        is_error,
    };
    vec(span.prop_map(of), 1..60).prop_map(|mut spans| {
        // Mostly in order, a few seconds off.
        spans.sort_by_key(|span| span.start_ms / 4_000);
        spans
    })
}

fn json(span: &Span) -> String {
    let ns = |ms: i64| (BASE_S * 1_000 + ms) * 1_000_000;
    let parent = match span.parent {
        0 => String::new(),
        parent => format!(r#""parentSpanId":"{parent:016x}","#),
    };
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"s{}"}}}}]}},"scopeSpans":[{{"spans":[{{"traceId":"{:032x}","spanId":"{:016x}",{parent}"name":"n{}","kind":{},"startTimeUnixNano":"{}","endTimeUnixNano":"{}","status":{{"code":{}}},"attributes":[{{"key":"peer.service","value":{{"stringValue":"p{}"}}}}]}}]}}]}}]}}"#,
        span.service,
        span.trace + 1,
        span.id,
        span.id % 2,
        span.kind,
        ns(span.start_ms),
        ns(span.start_ms + span.length_ms),
        if span.is_error { 2 } else { 0 },
        span.id % 3,
    )
}

/// Rows without the value by order, and what was counted at the end, by name of the rule.
fn said(spans: &[Span], by_row: bool, way: Way) -> (Vec<Row>, Vec<(String, [u64; 3])>) {
    let plan = rules(by_row);
    let (mut rows, mut counts) = (Vec::new(), Vec::new());
    for output in outputs(&plan, spans.iter().map(json).collect(), way) {
        let of = plan.rules.iter().zip(&output.rules);
        let of = of.map(|(rule, c)| (rule.name.to_string(), [c.taken, c.used, c.to_other]));
        counts = of.collect();
        for mut row in output.rows {
            if by_row {
                row.values.pop();
            }
            rows.push(row);
        }
    }
    (rows, counts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn aggregated_where_traces_close_rows_say_the_same(spans in spans(), way in ways(60)) {
        let (rows, counts) = said(&spans, true, way);
        let (local, local_counts) = said(&spans, false, way);
        prop_assert_eq!(rows, local);
        prop_assert_eq!(counts, local_counts);
    }
}
