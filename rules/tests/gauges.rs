//! What the engine tells of its state: the same for any number of workers, and gone with the state.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tailwater_engine::model::{Compression, DataFrame, PayloadFormat, SourceId, SourceSpec};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::Engine;
use tailwater_engine::self_metrics::EngineGauges;

use super::replay::{BASE_S, plan, span};

const RULES: &str = "stream s = spans lateness 5s idle 1h
    aggregate windows from s by service.name over tumbling(10s) select { n: count(), p99(duration) }
    aggregate slides from s by name over sliding(30s, every: 10s) select { p99(duration) }
    aggregate sessions from s by service.name over session(20s) select { n: count() }
    aggregate of_rows from windows by n over tumbling(1m) select { rows: count() }
    traces t from s close when (root and quiet 2s) or age 10s
    aggregate of_traces from t by root.service.name over tumbling(30s) select { n: count() }
    alert Many from windows when n > 1 on no data keep
    rows beside = windows join windows before 10m as was on service.name
      top 40 by n select { n: n, before: was.n }
    pattern Twice by service.name within 1h {
      a: s where name == \"first\"
      then b: s where name == \"second\"
    } select { at: a.end }";

fn push(engine: &mut Engine, line: String) {
    let frame = DataFrame {
        source: SourceId(0),
        arrival_ns: Some(i64::MAX / 2),
        format: PayloadFormat::OtlpJson,
        compression: Compression::None,
        payload: Bytes::from(line),
        place: 1,
    };
    engine.push(frame).unwrap();
}

/// Ends an epoch and waits until it is done.
fn settle(engine: &mut Engine) {
    let epoch = engine.current_epoch();
    engine.flush().unwrap();
    while engine.poll().is_none_or(|output| output.epoch < epoch) {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn groups(plan: &Plan, gauges: &EngineGauges) -> Vec<(String, u64)> {
    let shown = plan.rules.iter().enumerate().filter(|(_, rule)| !rule.place.is_hidden);
    shown.map(|(at, rule)| (rule.name.to_string(), gauges.groups(at))).collect()
}

fn bytes(plan: &Plan, gauges: &EngineGauges, name: &str) -> u64 {
    let at = plan.rules.iter().position(|rule| &*rule.name == name).unwrap();
    gauges.state_bytes(at)
}

/// Groups by rule, and bytes of two rules.
type Told = (Vec<(String, u64)>, u64, u64);

/// What 50 services leave behind, and what is left of it an hour later: groups by rule, and
/// bytes of the windows and of the rows that wait for others.
fn told(plan: &Arc<Plan>, workers: usize) -> [Told; 2] {
    let source = SourceSpec { name: Arc::from("test"), has_arrival: true, mapping: None };
    let builder = Engine::builder(Arc::clone(plan)).sources(vec![source]).workers(workers);
    let mut engine = builder.build().unwrap();
    let gauges = engine.gauges();
    assert_eq!(gauges.watermark_ns(0), None);
    for index in 0..100 {
        // Twice each, so that the alert fires once windows close.
        let ids = format!(r#","traceId":"{0:032x}","spanId":"{0:016x}""#, index + 1);
        push(&mut engine, span(&format!("service {}", index % 50), "first", 1_000, 10, &ids));
    }
    push(&mut engine, span("late", "other", 16_000, 0, ""));
    settle(&mut engine);
    let ns = |s: i64| Some((BASE_S + s) * 1_000_000_000);
    assert_eq!((gauges.watermark_ns(0), gauges.high_ns(0, 0)), (ns(11), ns(16)));
    for name in ["windows", "slides", "sessions", "Many", "Twice"] {
        assert!(bytes(plan, &gauges, name) > 0, "{name}");
    }
    let of = |name| bytes(plan, &gauges, name);
    let first = (groups(plan, &gauges), of("sessions"), of("beside"));
    push(&mut engine, span("late", "other", 5_000_000, 0, ""));
    settle(&mut engine);
    // What has left, left with the epoch after the one that let it go.
    push(&mut engine, span("late", "other", 5_000_001, 0, ""));
    settle(&mut engine);
    let second = (groups(plan, &gauges), of("sessions"), of("beside"));
    engine.finish().unwrap();
    [first, second]
}

#[test]
fn groups_are_those_of_the_rules_for_any_number_of_workers() {
    let plan = Arc::new(plan(RULES).unwrap());
    let [first, second] = told(&plan, 1);
    let group = |of: &[(String, u64)], name: &str| {
        of.iter().find(|(rule, _)| rule == name).map(|(_, groups)| *groups).unwrap()
    };
    let all = |of: &[(String, u64)]| {
        ["windows", "slides", "sessions", "Many", "Twice", "of_traces"].map(|name| group(of, name))
    };
    // The first window has closed, the sliding one and the sessions have not.
    assert_eq!(all(&first.0), [1, 2, 51, 50, 50, 50]);
    assert_eq!(all(&second.0), [1, 1, 1, 50, 0, 0]);
    assert!(second.1 < first.1, "{second:?} of {first:?}");
    // 50 rows on the joined side for ten minutes, behind the join and the ranking; none later but
    // the one of the window that has closed since.
    assert!((50 * 600..50 * 3_000).contains(&first.2), "{first:?}");
    assert!(second.2 < first.2 / 20, "{second:?} of {first:?}");
    for workers in [2, 4] {
        let [more_first, more_second] = told(&plan, workers);
        assert_eq!((more_first.0, more_second.0), (first.0.clone(), second.0.clone()), "{workers}");
        assert_eq!((more_first.2, more_second.2), (first.2, second.2), "{workers}");
    }
}
