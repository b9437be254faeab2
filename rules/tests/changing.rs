//! Rows that later rows replace, and rules about rows, against what a few loops say.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, Row, RowKind, SourceId, SourceSpec, Value,
};
use tailwater_engine::runtime::{Engine, EpochCut};

use super::replay::{BASE_S, plan, span};

/// Seconds of event time and the number of a service.
type Item = (i64, usize);

const SERVICES: [&str; 3] = ["a", "b", "c"];
const SIZE_S: i64 = 10;
const LATENESS_S: i64 = 3;
const AMEND_S: i64 = 20;

/// (start of the window, service) and a number.
type Counts = BTreeMap<(i64, String), i64>;

/// What a rule says under one way to run it.
fn said(rules: &str, items: &[Item], workers: usize, frames_max: usize) -> Vec<Vec<Row>> {
    let plan = Arc::new(plan(rules).unwrap_or_else(|text| panic!("{text}")));
    let source = SourceSpec { name: Arc::from("test"), has_arrival: false, mapping: None };
    let cut = EpochCut { frames_max, ..EpochCut::default() };
    let builder = Engine::builder(Arc::clone(&plan)).sources(vec![source]);
    let mut engine = builder.workers(workers).cut(cut).build().unwrap();
    for (time_s, service) in items {
        let payload = Bytes::from(span(SERVICES[*service], "x", time_s * 1_000 - 1, 1, ""));
        let frame = DataFrame {
            source: SourceId(0),
            arrival_ns: Some(i64::MAX / 2),
            format: PayloadFormat::OtlpJson,
            compression: Compression::None,
            payload,
            place: 1,
        };
        engine.push(frame).unwrap();
    }
    engine.push_body(FrameBody::End).unwrap();
    let mut by_rule = vec![Vec::new(); plan.rules.len()];
    for output in engine.finish().unwrap().0 {
        assert_eq!(output.ledger.unaccounted(), 0);
        for row in output.rows {
            by_rule[row.rule.0 as usize].push(row);
        }
    }
    by_rule
}

fn place(row: &Row) -> (i64, String) {
    let Value::Str(service) = &row.key[0] else { panic!("a service") };
    (row.start_ns / 1_000_000_000 - BASE_S, service.to_string())
}

fn number(value: &Value) -> i64 {
    let Value::Int(number) = value else { panic!("a number, not {value:?}") };
    *number
}

fn finals(rows: &[Row]) -> Counts {
    let mut counts = Counts::new();
    for row in rows.iter().filter(|row| row.kind == RowKind::Final) {
        let known = counts.insert(place(row), number(&row.values[0]));
        assert_eq!(known, None, "a window has one last word");
    }
    counts
}

/// Counts by window and service: an item counts unless its window has been decided for good at
/// the watermark as of the item before it.
fn expected(items: &[Item], amend_s: i64) -> Counts {
    let (mut counts, mut high_s) = (Counts::new(), None);
    for &(time_s, service) in items {
        let start_s = time_s.div_euclid(SIZE_S) * SIZE_S;
        let is_open = high_s.is_none_or(|high: i64| start_s + SIZE_S + amend_s > high - LATENESS_S);
        if is_open {
            *counts.entry((start_s, SERVICES[service].to_owned())).or_default() += 1;
        }
        high_s = high_s.max(Some(time_s));
    }
    counts
}

/// What stays of rows that came and were withdrawn.
fn folded(rows: &[Row]) -> Counts {
    let mut standing = Counts::new();
    for row in rows {
        let (place, n) = (place(row), number(&row.values[0]));
        if row.kind == RowKind::Retraction {
            assert_eq!(standing.remove(&place), Some(n), "what is withdrawn was said");
        } else {
            assert_eq!(standing.insert(place, n), None, "what stands is withdrawn first");
        }
    }
    standing
}

fn rules(late: &str, results: &str) -> String {
    format!(
        "stream s = spans lateness {LATENESS_S}s {late}
         aggregate c from s by service.name over tumbling({SIZE_S}s)
           select {{ n: count() }}
           {results}
         rows change = c join c before {SIZE_S}s as was on service.name
           select {{ now: n, was: was.n }}
         rows best = c top 2 by n"
    )
}

/// Every window with the one before it, by service.
fn changes(counts: &Counts) -> BTreeMap<(i64, String), (i64, i64)> {
    let before =
        |(start_s, service): &(i64, String)| counts.get(&(start_s - SIZE_S, service.clone()));
    let pair = |(place, n): (&(i64, String), &i64)| Some((place.clone(), (*n, *before(place)?)));
    counts.iter().filter_map(pair).collect()
}

/// The two services with most items of every window; of equal ones the first by name.
fn best(counts: &Counts) -> Counts {
    let mut windows: BTreeMap<i64, Vec<(i64, &str)>> = BTreeMap::new();
    for ((start_s, service), n) in counts {
        windows.entry(*start_s).or_default().push((-n, service));
    }
    let mut best = Counts::new();
    for (start_s, mut services) in windows {
        services.sort_unstable();
        for (n, service) in services.into_iter().take(2) {
            best.insert((start_s, service.to_owned()), -n);
        }
    }
    best
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    // Steps forward with some far back: on time, amending and too late.
    vec((0..6i64, prop_oneof![4 => 0..3i64, 1 => 3..45i64], 0..SERVICES.len()), 1..40).prop_map(
        |steps| {
            let mut now_s = 100;
            let item = |(step_s, back_s, service): (i64, i64, usize)| {
                now_s += step_s;
                (now_s - back_s, service)
            };
            steps.into_iter().map(item).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_rows_of_rows_agree_with_loops(
        items in items(),
        (late, amend_s) in prop_oneof![Just(("", 0)), Just(("late amend within 20s", AMEND_S))],
        results in prop_oneof![Just(""), Just("results every 5s")],
        (workers, frames_max) in prop_oneof![Just((1, 64)), Just((2, 1)), Just((4, 3))],
    ) {
        let said = said(&rules(late, results), &items, workers, frames_max);
        let counts = expected(&items, amend_s);
        prop_assert_eq!(&finals(&said[0]), &counts);
        let mut pairs = BTreeMap::new();
        for row in said[1].iter().filter(|row| row.kind == RowKind::Final) {
            pairs.insert(place(row), (number(&row.values[0]), number(&row.values[1])));
        }
        prop_assert_eq!(pairs, changes(&counts));
        prop_assert_eq!(finals(&said[2]), best(&counts));
    }

    #[test]
    fn what_changes_say_adds_up_to_what_is_final(
        items in items(),
        (late, amend_s) in prop_oneof![Just(("", 0)), Just(("late amend within 20s", AMEND_S))],
        (workers, frames_max) in prop_oneof![Just((1, 64)), Just((2, 1)), Just((4, 3))],
    ) {
        let said = said(&rules(late, "results changes"), &items, workers, frames_max);
        prop_assert_eq!(folded(&said[0]), expected(&items, amend_s));
    }
}
