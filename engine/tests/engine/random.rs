//! Random streams against the oracle.

use proptest::collection::vec;
use proptest::prelude::*;
use tailwater_engine::plan::WindowShape;

use super::oracle::{Event, TICK, Window, evaluate};
use super::plans::{SECOND, count_by_name, count_once, frames, run, run_restored};

/// Streams that mostly go forward, with disorder up to beyond the lateness, ties, and jumps.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let step = prop_oneof![
        8 => 0..3 * SECOND,
        2 => -8 * SECOND..0,
        1 => -25 * SECOND..0,
        1 => 5 * SECOND..60 * SECOND,
    ];
    let ties = prop_oneof![Just(1i64), Just(SECOND)];
    let source = prop_oneof![9 => 0..3usize, 1 => Just(TICK)];
    (vec((source, 0..4u8, step), 1..60), ties).prop_map(|(steps, grain)| {
        let mut now = 100 * SECOND;
        // The clock is far from the telemetry, and goes on by itself.
        let mut clock = 500 * SECOND;
        let event = |(source, key, step): (usize, u8, i64)| {
            if source == TICK {
                clock += step.abs();
                return Event { source, key: String::new(), time_ns: clock };
            }
            let time = (now + step).max(SECOND) / grain * grain;
            if step > 0 {
                now += step;
            }
            Event { source, key: format!("k{key}"), time_ns: time }
        };
        steps.into_iter().map(event).collect()
    })
}

fn windows() -> impl Strategy<Value = (Window, WindowShape, i64)> {
    let sliding = |size: i64, every: i64, width: i64| {
        let (size_ns, every_ns) = (size * SECOND, every * SECOND);
        let window = Window::Sliding { size_ns, every_ns };
        (window, WindowShape::Sliding { size_ns, every_ns }, width * SECOND)
    };
    let session = |gap: i64| {
        let gap_ns = gap * SECOND;
        let shape = WindowShape::Session { gap_ns, max_ns: None };
        (Window::Session { gap_ns }, shape, gap_ns)
    };
    let (size_ns, every_ns) = (60 * SECOND, 20 * SECOND);
    let cumulate = Window::Cumulate { size_ns, every_ns };
    let count = WindowShape::Count { events: 3 };
    prop_oneof![
        Just(sliding(10, 10, 10)),
        Just(sliding(30, 10, 10)),
        Just(sliding(25, 10, 5)),
        Just((cumulate, WindowShape::Cumulate { size_ns, every_ns }, every_ns)),
        Just(session(5)),
        Just(session(15)),
        Just((Window::Count { events: 3 }, count, i64::MAX / 4)),
    ]
}

fn cases() -> ProptestConfig {
    // The full sweep is a command of its own: see docs/testing.md.
    let cases = option_env!("TAILWATER_CASES").and_then(|n| n.parse().ok()).unwrap_or(150);
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_engine_agrees_with_the_oracle(
        events in events(),
        (window, shape, width_ns) in windows(),
        sizes in vec(1..7usize, 1..4),
        cut in 1..9usize,
    ) {
        let plan = count_by_name(shape, width_ns, 10_000);
        let frames = frames(&events, &sizes);
        let answer = evaluate(window, &events);
        let one = run(&plan, &frames, 1, cut);
        prop_assert_eq!(&one.rows, &answer.rows);
        prop_assert_eq!(one.late, answer.late);
        prop_assert_eq!(one.unaccounted, 0);
        let items = events.iter().filter(|event| event.source != TICK).count();
        prop_assert_eq!(one.received, items as u64);
        for (workers, cut) in [(2, cut), (4, 1), (3, 64)] {
            let many = run(&plan, &frames, workers, cut);
            prop_assert_eq!(&many.lines, &one.lines);
            prop_assert_eq!(many.late, one.late);
            prop_assert_eq!(&many.transitions, &one.transitions);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..cases() })]

    #[test]
    fn a_restored_engine_goes_on_as_if_nothing_had_happened(
        events in events(),
        (_, shape, width_ns) in windows(),
        limit in prop_oneof![Just(2u32), Just(10_000)],
    ) {
        let plan = count_by_name(shape, width_ns, limit);
        let frames = frames(&events, &[3, 1, 5]);
        let whole = run(&plan, &frames, 1, 1);
        let restored = run_restored(&plan, &frames);
        prop_assert_eq!(restored, whole);
    }

    #[test]
    fn duplicates_are_the_same_for_any_number_of_workers_and_after_a_restore(
        events in events(),
        (_, shape, width_ns) in windows(),
    ) {
        let plan = count_once(shape, width_ns);
        let frames = frames(&events, &[3, 1, 5]);
        let one = run(&plan, &frames, 1, 1);
        prop_assert_eq!(one.unaccounted, 0);
        prop_assert_eq!(&run(&plan, &frames, 3, 1), &one);
        prop_assert_eq!(&run_restored(&plan, &frames), &one);
    }

    #[test]
    fn a_limit_admits_the_same_keys_on_any_number_of_workers(
        events in events(),
        (window, shape, width_ns) in windows(),
        limit in 1..3u32,
        cut in 1..9usize,
    ) {
        let plan = count_by_name(shape, width_ns, limit);
        let frames = frames(&events, &[3, 1, 5]);
        let one = run(&plan, &frames, 1, cut);
        for workers in [2, 4] {
            prop_assert_eq!(&run(&plan, &frames, workers, cut), &one);
        }
        if matches!(window, Window::Sliding { .. } | Window::Cumulate { .. }) {
            let answer = evaluate(window, &events);
            let mut totals = std::collections::BTreeMap::new();
            for ((start, end, _), count) in &answer.rows {
                *totals.entry((*start, *end)).or_insert(0) += count;
            }
            let mut found = one.other.clone();
            for ((start, end, _), count) in &one.rows {
                *found.entry((*start, *end)).or_insert(0) += count;
            }
            prop_assert_eq!(found, totals);
        }
    }
}
