//! Random patterns over random streams, one body in every mode, against the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use proptest::collection::{btree_set, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use tailwater_engine::model::{Row, Value};

use super::oracle::{Body, Condition, Element, Event, Match, Mode, Step, Timeout, Without};
use crate::replay::{BASE_S, plan, span};
use crate::ways::{Way, rows, ways};

const LETTERS: [&str; 4] = ["a", "b", "c", "d"];
const KEYS: [&str; 2] = ["x", "y"];
const LATENESS_S: i64 = 4;
const MODES: [(&str, Mode); 5] = [
    ("one", Mode::One),
    ("one overlap", Mode::Overlap),
    ("each", Mode::Each),
    ("all limit 3", Mode::All(3)),
    ("all limit 1000", Mode::All(1000)),
];

fn letters(letters: &BTreeSet<usize>) -> String {
    let names: Vec<String> = letters.iter().map(|at| format!("\"{}\"", LETTERS[*at])).collect();
    format!("name in [{}]", names.join(", "))
}

fn step_text(at: usize, step: &Step) -> String {
    let quantity = match (step.min, step.max) {
        (1, 1) => String::new(),
        (0, 1) => "?".to_owned(),
        (min, 9) => format!("{{{min},}}"),
        (min, max) => format!("{{{min},{max}}}"),
    };
    let mut text = format!("s{at}{quantity}: s where {}", letters(&step.letters));
    match step.condition {
        Condition::None => {}
        Condition::MoreThanFirst => text += " and v > s0.v",
        Condition::NotLess => {
            write!(text, " and (count(s{at}) == 0 or v >= prev(s{at}.v))").unwrap();
        }
    }
    if let Some(gap_s) = step.gap_s {
        write!(text, " gap {gap_s}s").unwrap();
    }
    text
}

/// A body in every mode; over rows, each of them a span, where `of_rows`.
fn rules(body: &Body, (lateness_s, of_rows): (i64, bool)) -> String {
    let mut text = format!("stream i = spans lateness {lateness_s}s\n");
    text += if of_rows {
        "pattern s by service.name, name within 1s match each { e: i } \
         select { v: e.v, p: e.p }\n"
    } else {
        "stream s = i\n"
    };
    let inside = inside(body);
    let items: Vec<String> = (0..body.steps().len())
        .map(|at| format!("n{at}: count(s{at}), p{at}: sum(s{at}.p)"))
        .collect();
    for (index, (name, mode)) in MODES.iter().enumerate() {
        if body.until.is_some() && matches!(mode, Mode::All(_)) {
            continue; // nothing collects in it
        }
        let (within_s, items) = (body.within_s, items.join(", "));
        let timeout = if matches!(mode, Mode::All(_)) { "" } else { " on timeout side t" };
        let number = if timeout.is_empty() { String::new() } else { index.to_string() };
        writeln!(
            text,
            "pattern m{index} by service.name within {within_s}s match {name} {{ {inside} }}\
             {timeout}{number} select {{ {items} }}"
        )
        .unwrap();
    }
    let names: Vec<String> = (0..body.steps().len()).map(|at| format!("n{at}, p{at}")).collect();
    writeln!(text, "rows late = t2 select {{ {}, reached }}", names.join(", ")).unwrap();
    text
}

fn inside(body: &Body) -> String {
    let mut inside = String::new();
    if let Some((letter, for_s)) = body.lead {
        write!(inside, "not q: s where name == \"{}\" for {for_s}s then ", LETTERS[letter])
            .unwrap();
    }
    let mut at = 0;
    for (index, element) in body.elements.iter().enumerate() {
        let first = match element {
            Element::One(step) | Element::Either(step, _) | Element::AnyOrder(step, _) => step,
        };
        if index > 0 {
            inside += if first.is_next { " next " } else { " then " };
        }
        match element {
            Element::One(step) => inside += &step_text(at, step),
            Element::Either(a, b) => {
                write!(inside, "{} or {}", step_text(at, a), step_text(at + 1, b)).unwrap();
            }
            Element::AnyOrder(a, b) => {
                let (a, b) = (step_text(at, a), step_text(at + 1, b));
                write!(inside, "any order {{ {a}, {b} }}").unwrap();
            }
        }
        at += if matches!(element, Element::One(_)) { 1 } else { 2 };
    }
    if let Some((letter, for_s)) = body.trail {
        write!(inside, " then not z: s where name == \"{}\" for {for_s}s", LETTERS[letter])
            .unwrap();
    }
    if let Some(without) = body.without {
        write!(inside, " without s where name == \"{}\"", LETTERS[without.letter]).unwrap();
        if without.is_more_than_first {
            inside += " and v > s0.v";
        }
    }
    if let Some(letter) = body.until {
        write!(inside, " until s where name == \"{}\"", LETTERS[letter]).unwrap();
    }
    inside
}

fn text(event: &Event) -> String {
    let attribute =
        |key: &str, v: i64| format!("{{\"key\":\"{key}\",\"value\":{{\"intValue\":\"{v}\"}}}}");
    let (v, p) = (attribute("v", event.v), attribute("p", event.place as i64));
    let rest = format!(",\"attributes\":[{v},{p}]");
    let (key, letter) = (KEYS[event.key], LETTERS[event.letter]);
    span(key, letter, event.time_s * 1_000, 0, &rest)
}

/// What rules say, by name.
fn said(rules: &str, log: &[Event], way: Way) -> BTreeMap<String, Vec<Row>> {
    let plan = Arc::new(plan(rules).unwrap_or_else(|text| panic!("{text}\n{rules}")));
    let rows = rows(&plan, log.iter().map(text).collect(), way);
    let names = plan.rules.iter().map(|rule| rule.name.to_string());
    names.zip(rows).collect()
}

fn found(row: &Row) -> Match {
    let s = |ns: i64| ns.div_euclid(1_000_000_000) - BASE_S;
    let Value::Str(key) = &row.key[0] else { panic!("a key") };
    let number = |value: &Value| match value {
        Value::Int(number) => *number,
        Value::Null => 0,
        other => panic!("a number, not {other:?}"),
    };
    let pairs = row.values.chunks(2).map(|pair| (number(&pair[0]), number(&pair[1])));
    let key = KEYS.iter().position(|known| *known == &**key).unwrap();
    (s(row.start_ns), s(row.end_ns), key, pairs.collect())
}

/// An unfinished match: the step's name comes last.
fn timeout(row: &Row) -> Timeout {
    let mut row = row.clone();
    let Some(Value::Str(name)) = row.values.pop() else { panic!("a step") };
    (found(&row), name[1..].parse().unwrap())
}

fn step(is_plain: bool) -> impl Strategy<Value = Step> {
    let quantity = prop_oneof![
        4 => Just((1, 1)),
        1 => Just((2, 2)),
        1 => Just((1, 9)),
        1 => Just((2, 3)),
        1 => Just((0, 1)),
    ];
    let condition = prop_oneof![
        4 => Just(Condition::None),
        1 => Just(Condition::MoreThanFirst),
        1 => Just(Condition::NotLess),
    ];
    let gap = weighted(0.3, 0..5i64);
    (btree_set(0..4usize, 1..3), quantity, gap, weighted(0.2, Just(())), condition).prop_map(
        move |(letters, (min, max), gap_s, next, condition)| {
            let (min, max) = if is_plain { (1, 1) } else { (min, max) };
            let gap_s = gap_s.map(|gap_s| gap_s + 1);
            Step { letters, min, max, gap_s, is_next: next.is_some(), condition }
        },
    )
}

fn element() -> impl Strategy<Value = Element> {
    prop_oneof![
        8 => step(false).prop_map(Element::One),
        1 => (step(false), step(false)).prop_map(|(a, b)| Element::Either(a, b)),
        1 => (step(true), step(true)).prop_map(|(a, b)| Element::AnyOrder(a, b)),
    ]
}

/// Bodies that the language takes: the first step is there and depends on nothing before it, the
/// last is not left out, one word ties an element's steps to the one before.
fn body() -> impl Strategy<Value = Body> {
    let without = (0..4usize, any::<bool>())
        .prop_map(|(letter, is_more_than_first)| Without { letter, is_more_than_first });
    let absence = || weighted(0.2, (0..4usize, 1..6i64));
    let parts = (step(false), vec(element(), 0..3), 1..15i64, absence(), absence());
    let until = weighted(0.5, 0..4usize);
    (parts, weighted(0.3, without), until).prop_map(|(parts, without, until)| {
        let (first, more, within_s, lead, trail) = parts;
        let mut first = Step { is_next: false, condition: Condition::None, ..first };
        first.min = first.min.max(1);
        let is_single = first.max == 1;
        let mut elements = vec![Element::One(first)];
        elements.extend(more);
        let last = elements.len() - 1;
        for (at, element) in elements.iter_mut().enumerate() {
            let (a, b) = match element {
                Element::One(step) => (step, None),
                Element::Either(a, b) | Element::AnyOrder(a, b) => (a, Some(b)),
            };
            let is_next = a.is_next;
            for step in [Some(a), b].into_iter().flatten() {
                step.is_next = is_next;
                if at == last {
                    step.min = step.min.max(1);
                }
                if step.condition == Condition::MoreThanFirst && !is_single {
                    step.condition = Condition::None;
                }
                if step.condition == Condition::NotLess && step.max == 1 {
                    step.condition = Condition::None;
                }
            }
        }
        // Only a last step that repeats collects, and nothing else waits behind it.
        let until = until.filter(|_| match elements.last() {
            Some(Element::One(step)) => step.max > 1,
            _ => false,
        });
        let trail = trail.filter(|(_, for_s)| *for_s <= within_s && until.is_none());
        let without = without.map(|without| Without {
            is_more_than_first: without.is_more_than_first && is_single,
            ..without
        });
        Body { elements, within_s, lead, trail, without, until }
    })
}

/// Events that mostly go forward: ties, disorder, and some too late.
fn log() -> impl Strategy<Value = Vec<Event>> {
    let back = prop_oneof![5 => Just(0i64), 2 => 1..4i64, 1 => 4..9i64];
    let key = prop_oneof![4 => Just(0usize), 1 => Just(1)];
    vec((0..4i64, back, 0..4usize, key, 0..4i64), 1..13).prop_map(|steps| {
        let mut now_s = 20;
        let event =
            |(place, (on_s, back_s, letter, key, v)): (usize, (i64, i64, usize, usize, i64))| {
                now_s += on_s;
                Event { time_s: now_s - back_s, letter, key, v, place: place + 1 }
            };
        steps.into_iter().enumerate().map(event).collect()
    })
}

/// As rows the events of a log have an order only by time: no two of them come together. One second
/// is 16 here.
fn apart(body: Body, log: &[Event]) -> (Body, Vec<Event>) {
    const S: i64 = 16;
    let step = |step: Step| Step { gap_s: step.gap_s.map(|s| s * S), ..step };
    let element = |element| match element {
        Element::One(a) => Element::One(step(a)),
        Element::Either(a, b) => Element::Either(step(a), step(b)),
        Element::AnyOrder(a, b) => Element::AnyOrder(step(a), step(b)),
    };
    let absence = |absence: Option<(usize, i64)>| absence.map(|(letter, s)| (letter, s * S));
    let body = Body {
        elements: body.elements.into_iter().map(element).collect(),
        within_s: body.within_s * S,
        lead: absence(body.lead),
        trail: absence(body.trail),
        ..body
    };
    let event = |event: &Event| Event { time_s: event.time_s * S + event.place as i64, ..*event };
    (body, log.iter().map(event).collect())
}

fn cases() -> ProptestConfig {
    // The full sweep is a command of its own: see docs/testing.md.
    let cases = std::env::vars().find(|(name, _)| name == "PATTERN_CASES");
    let cases = cases.and_then(|(_, n)| n.parse().ok()).unwrap_or(2_000);
    ProptestConfig { cases, max_shrink_iters: 4_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn patterns_find_what_trying_everything_finds(
        body in body(),
        log in log(),
        way in ways(13),
        of_rows in weighted(0.3, Just(())),
    ) {
        let (mut body, mut log, mut lateness_s) = (body, log, LATENESS_S);
        if of_rows.is_some() {
            (body, log) = apart(body, &log);
            lateness_s *= 16;
        }
        let rules = rules(&body, (lateness_s, of_rows.is_some()));
        let said = said(&rules, &log, way);
        let rows = |name: &str| said.get(name).map_or(&[][..], |rows| rows);
        for (index, (name, mode)) in MODES.iter().enumerate() {
            if body.until.is_some() && matches!(mode, Mode::All(_)) {
                continue;
            }
            let mut rows: Vec<Match> = rows(&format!("m{index}")).iter().map(found).collect();
            rows.sort();
            let expected = body.matches(&log, lateness_s, *mode);
            prop_assert_eq!(&rows, &expected, "match {}\n{}", name, rules);
        }
        let mut late: Vec<Timeout> = rows("late").iter().map(timeout).collect();
        late.sort();
        prop_assert_eq!(&late, &body.timeouts(&log, lateness_s), "timeouts\n{}", rules);
    }
}
