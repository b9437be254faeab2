//! A worker's table of texts is replaced when it is full; what is held of texts before stays.

use std::sync::Arc;

use super::replay::{plan, span};
use super::ways::{Way, outputs};

/// Rules of every kind that hold texts from one epoch to another.
const RULES: &str = r#"
stream seen = spans where blob != "never" lateness 5s
stream fresh = seen dedupe by name within 10s limit 1_000
aggregate grid from seen by service.name, name over tumbling(20s)
  select { n: count(), first(name), last(name), top(2, name), distinct(name),
           collect(name, limit: 3) }
aggregate slow from seen by service.name over sliding(60s, every: 20s)
  select { n: count(), max(name) }
aggregate gaps from seen by service.name over session(gap: 8s) select { n: count(), last(name) }
aggregate five from seen by service.name over count(5)
  select { n: count(), first(name), last(name) }
aggregate once from fresh by name over tumbling(20s) select { n: count() }
aggregate sums from grid by service.name over tumbling(40s) select { of: sum(n), l: last(name) }
alert Many from grid when n > 3 on no data resolve
pattern again by service.name within 30s {
  a: seen where name == "op 1"
  then b{2}: seen where name == "op 2" and service.name == a.service.name
} select { x: a.name, y: last(b.name) }
correlate pairs { l: seen where name == "op 3" r: seen where name == "op 4" } on service.name
  within [0s, 9s] pick first select { one: l.name, two: r.name }
traces t from seen close when quiet 6s
aggregate of_traces from t by root.name over tumbling(20s) select { n: count(), s: sum(span_count) }
aggregate ops from t.operations by service.name, name over tumbling(20s)
  select { n: count(), last(name) }
aggregate asked from t.edges by client, server over tumbling(20s) select { n: count() }
sample t {
  keep when has({name == "op 1"} > {name == "op 2"})
  keep target 1 per s by root.service.name, root.name otherwise
} to archive
"#;

/// Spans whose blobs are as long; enough of them fill a worker's table of texts.
fn texts(blob: usize) -> Vec<String> {
    let filler = "x".repeat(blob);
    let text = |n: i64| {
        let (service, name) = (["shop", "bank", "mail"][n as usize % 3], n * 7 % 5);
        let (trace, at) = (n / 6, n * 90);
        let parent = if n % 6 == 0 { String::new() } else { format!("{n:016x}") };
        let rest = format!(
            r#","traceId":"{trace:032x}","spanId":"{:016x}","parentSpanId":"{parent}",
            "kind":{},"attributes":[{{"key":"blob","value":{{"stringValue":"{n}{filler}"}}}}]"#,
            n + 1,
            2 + n % 2
        );
        span(service, &format!("op {name}"), at, 40, &rest)
    };
    (0..1_500).map(text).collect()
}

#[test]
fn what_is_held_of_texts_outlives_their_table() {
    let plan = Arc::new(plan(RULES).unwrap_or_else(|text| panic!("{text}")));
    let said = |blob, workers, frames_max| {
        let way = Way { workers, frames_max, restored_after: None };
        let (mut rows, mut transitions, mut items) = (Vec::new(), Vec::new(), Vec::new());
        for output in outputs(&plan, texts(blob), way) {
            rows.extend(output.rows.iter().map(|row| format!("{row:?}")));
            transitions.extend(output.transitions.iter().map(|one| format!("{one:?}")));
            items.extend(output.items.iter().map(|item| (item.rule, item.decision_ns, item.key)));
        }
        (rows, transitions, items)
    };
    let short = said(1, 1, 16);
    assert!(short.0.len() > 200 && !short.1.is_empty() && !short.2.is_empty());
    // 90 MB of texts, which a table of 64 MiB does not hold.
    assert!(said(60_000, 1, 16) == short, "a new table of texts changed what rules say");
}
