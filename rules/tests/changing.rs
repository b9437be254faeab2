//! Rows that later rows replace, and rules about rows, against what a few loops say.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use tailwater_engine::model::{Row, RowKind, Value};

use super::replay::{BASE_S, plan, span};
use super::ways::{Way, outputs, rows, ways};

/// Seconds of event time and the number of a service.
type Item = (i64, usize);

const SERVICES: [&str; 3] = ["a", "b", "c"];
const SIZE_S: i64 = 10;
const LATENESS_S: i64 = 3;
const AMEND_S: i64 = 20;

/// (start of the window, service) and a number.
type Counts = BTreeMap<(i64, String), i64>;

/// What rules say under one way to run them, by rule.
fn said(rules: &str, items: &[Item], way: Way) -> Vec<Vec<Row>> {
    let plan = Arc::new(plan(rules).unwrap_or_else(|text| panic!("{text}")));
    rows(&plan, texts(items), way)
}

fn texts(items: &[Item]) -> Vec<String> {
    let text = |(time_s, service): &Item| span(SERVICES[*service], "x", time_s * 1_000 - 1, 1, "");
    items.iter().map(text).collect()
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
        way in ways(40),
    ) {
        let said = said(&rules(late, results), &items, way);
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
        way in ways(40),
    ) {
        let said = said(&rules(late, "results changes"), &items, way);
        prop_assert_eq!(folded(&said[0]), expected(&items, amend_s));
    }
}

const GAP_S: i64 = 4;
const COUNT: usize = 3;

/// (start, end) in milliseconds, service, number.
type Standing = Vec<(i64, i64, String, i64)>;

/// What stands of rows that came, were replaced and withdrawn.
fn standing(rows: &[Row]) -> Standing {
    let mut standing: Vec<&Row> = Vec::new();
    let same = |a: &Row, b: &Row| (a.start_ns, a.end_ns, &a.key) == (b.start_ns, b.end_ns, &b.key);
    for row in rows {
        let known = standing.iter().position(|old| old.kind != RowKind::Final && same(old, row));
        let old = known.map(|at| standing.remove(at));
        if row.kind == RowKind::Retraction {
            let old = old.map(|old| &old.values);
            assert_eq!(old, Some(&row.values), "what is withdrawn was said");
        } else {
            standing.push(row);
        }
    }
    let ms = |time_ns: i64| time_ns.div_euclid(1_000_000) - BASE_S * 1_000;
    let placed = standing
        .into_iter()
        .map(|row| (ms(row.start_ns), ms(row.end_ns), place(row).1, number(&row.values[0])));
    let mut placed: Standing = placed.collect();
    placed.sort();
    placed
}

/// First and last second, service, number of items, and whether it is decided for good.
type Session = (i64, i64, usize, i64, bool);

/// Sessions of a service: an item is late iff one that it touches was decided for good at the
/// watermark as of the item before it, or would be itself.
fn sessions(items: &[Item], amend_s: i64) -> Standing {
    let (mut all, mut high_s): (Vec<Session>, _) = (Vec::new(), None);
    for &(time_s, service) in items {
        let is_decided = |last_s: i64| {
            high_s.is_some_and(|high: i64| last_s + GAP_S + amend_s <= high - LATENESS_S)
        };
        all.iter_mut().for_each(|session| session.4 |= is_decided(session.1));
        let touches =
            |s: &Session| s.2 == service && s.0 - GAP_S <= time_s && time_s <= s.1 + GAP_S;
        let touched: Vec<_> = all.iter().filter(|s| touches(s)).copied().collect();
        let is_late = touched.iter().any(|s| s.4) || (touched.is_empty() && is_decided(time_s));
        if !is_late {
            all.retain(|session| !touches(session));
            let first_s = touched.iter().map(|s| s.0).chain([time_s]).min().unwrap();
            let last_s = touched.iter().map(|s| s.1).chain([time_s]).max().unwrap();
            let n = touched.iter().map(|s| s.3).sum::<i64>() + 1;
            all.push((first_s, last_s, service, n, false));
        }
        high_s = high_s.max(Some(time_s));
    }
    let row = |(first_s, last_s, service, n, _): Session| {
        (first_s * 1_000, (last_s + GAP_S) * 1_000, SERVICES[service].to_owned(), n)
    };
    let mut rows: Standing = all.into_iter().map(row).collect();
    rows.sort();
    rows
}

/// Count windows of a service over the items that were not behind the watermark.
fn counts(items: &[Item]) -> Standing {
    let (mut taken, mut high_s) = (vec![Vec::new(); SERVICES.len()], None);
    for (at, &(time_s, service)) in items.iter().enumerate() {
        if high_s.is_none_or(|high: i64| time_s > high - LATENESS_S) {
            taken[service].push((time_s, at));
        }
        high_s = high_s.max(Some(time_s));
    }
    let mut rows = Standing::new();
    for (service, mut times) in taken.into_iter().enumerate() {
        times.sort_unstable();
        for window in times.chunks(COUNT) {
            let (first_s, last_s) = (window[0].0, window[window.len() - 1].0);
            let service = SERVICES[service].to_owned();
            rows.push((first_s * 1_000, last_s * 1_000, service, window.len() as i64));
        }
    }
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_of_sessions_and_count_windows_adds_up(
        items in items(),
        (late, amend_s) in prop_oneof![Just(("", 0)), Just(("late amend within 20s", AMEND_S))],
        results in prop_oneof![Just(""), Just("results every 5s"), Just("results changes")],
        way in ways(40),
    ) {
        let rules = format!(
            "stream s = spans lateness {LATENESS_S}s {late}
             stream t = spans lateness {LATENESS_S}s late side tardy
             aggregate c from s by service.name over session(gap: {GAP_S}s)
               select {{ n: count() }} {results}
             aggregate k from t by service.name over count({COUNT})
               select {{ n: count() }} {results}
             aggregate l from tardy over tumbling(1d) select {{ n: count() }}"
        );
        let plan = plan(&rules).unwrap_or_else(|text| panic!("{text}"));
        let rule = |name: &str| plan.rules.iter().position(|rule| &*rule.name == name).unwrap();
        let said = said(&rules, &items, way);
        prop_assert_eq!(standing(&said[rule("c")]), sessions(&items, amend_s));
        let windows = counts(&items);
        let used: i64 = windows.iter().map(|window| window.3).sum();
        prop_assert_eq!(standing(&said[rule("k")]), windows);
        let late: i64 = said[rule("l")].iter().map(|row| number(&row.values[0])).sum();
        prop_assert_eq!(late, items.len() as i64 - used);
    }
}

/// Windows that share items: how they are written, and all of them that hold a second, as first and
/// last one. Seconds of the base divide evenly by all sizes.
#[derive(Debug, Clone, Copy)]
enum Overlapping {
    /// Slices of 5 s: the size is no multiple of the step.
    Sliding,
    Cumulate,
}

impl Overlapping {
    fn text(self) -> &'static str {
        match self {
            Self::Sliding => "sliding(25s, every: 10s)",
            Self::Cumulate => "cumulate(30s, every: 10s)",
        }
    }

    fn of(self, time_s: i64) -> Vec<(i64, i64)> {
        let ends = (0..4).map(|n| (time_s.div_euclid(10) + 1 + n) * 10);
        match self {
            Self::Sliding => {
                let all = ends.map(|end_s| (end_s - 25, end_s));
                all.filter(|(start_s, _)| *start_s <= time_s).collect()
            }
            Self::Cumulate => {
                let start_s = time_s.div_euclid(30) * 30;
                let all = ends.filter(|end_s| *end_s <= start_s + 30);
                all.map(|end_s| (start_s, end_s)).collect()
            }
        }
    }

    /// Counts by window and service: an item counts in each of its windows that has not been
    /// decided for good at the watermark as of the item before it. And how many count in none.
    fn expected(self, items: &[Item], amend_s: i64) -> (Standing, u64) {
        let (mut counts, mut late, mut high_s) = (BTreeMap::new(), 0, None);
        for &(time_s, service) in items {
            let is_open =
                |end_s: i64| high_s.is_none_or(|high: i64| end_s + amend_s > high - LATENESS_S);
            let open: Vec<_> = self.of(time_s).into_iter().filter(|of| is_open(of.1)).collect();
            late += u64::from(open.is_empty());
            for (start_s, end_s) in open {
                let window = (start_s * 1_000, end_s * 1_000, SERVICES[service].to_owned());
                *counts.entry(window).or_default() += 1;
            }
            high_s = high_s.max(Some(time_s));
        }
        let row = |((start, end, service), n)| (start, end, service, n);
        (counts.into_iter().map(row).collect(), late)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_of_windows_that_share_items_adds_up(
        items in items(),
        window in prop_oneof![Just(Overlapping::Sliding), Just(Overlapping::Cumulate)],
        (late, amend_s) in prop_oneof![Just(("", 0)), Just(("late amend within 20s", AMEND_S))],
        results in prop_oneof![Just(""), Just("results every 5s"), Just("results changes")],
        way in ways(40),
    ) {
        let rules = format!(
            "stream s = spans lateness {LATENESS_S}s {late}
             aggregate c from s by service.name over {} select {{ n: count() }} {results}",
            window.text(),
        );
        let plan = Arc::new(plan(&rules).unwrap_or_else(|text| panic!("{text}")));
        let said = outputs(&plan, texts(&items), way);
        let (counts, late) = window.expected(&items, amend_s);
        prop_assert_eq!(said.last().map(|output| output.rules[0].late), Some(late));
        let rows: Vec<Row> = said.into_iter().flat_map(|output| output.rows).collect();
        prop_assert_eq!(standing(&rows), counts);
    }
}
