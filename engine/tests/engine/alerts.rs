//! Alert state machines, by hand: busy = two events in a window for 10 s; missing = the same at
//! once, held for 20 s, and also where a group has no row.

use tailwater_engine::plan::WindowShape;

use super::oracle::Event;
use super::plans::{SECOND, count_by_name, frames, run, run_restored};

/// `counts[i]` events of the key in the i-th window from 100 s on.
fn events(key: &str, counts: &[usize]) -> Vec<Event> {
    let window = |(index, count): (usize, &usize)| {
        let time_ns = (101 + 10 * index as i64) * SECOND;
        vec![Event { source: 0, key: key.to_string(), time_ns }; *count]
    };
    counts.iter().enumerate().flat_map(window).collect()
}

/// Transitions of one alert, the same under every worker count and after a restore every frame.
fn transitions(alert: u32, events: &[Event]) -> Vec<(&'static str, String, i64)> {
    let shape = WindowShape::Sliding { size_ns: 10 * SECOND, every_ns: 10 * SECOND };
    let plan = count_by_name(shape, 10 * SECOND, 10_000);
    let frames = frames(events, &[3]);
    let one = run(&plan, &frames, 1, 2);
    assert_eq!(run(&plan, &frames, 4, 1).transitions, one.transitions);
    assert_eq!(run_restored(&plan, &frames).transitions, one.transitions);
    let of_alert = one.transitions.into_iter().filter(|(id, ..)| *id == alert);
    of_alert.map(|(_, state, key, at_s)| (state, key, at_s)).collect()
}

fn said(states: &[(&'static str, i64)]) -> Vec<(&'static str, String, i64)> {
    states.iter().map(|(state, at_s)| (*state, "a".to_string(), *at_s)).collect()
}

#[test]
fn a_condition_must_hold_before_it_fires() {
    let found = transitions(1, &events("a", &[2, 2, 2, 1, 1]));
    assert_eq!(found, said(&[("pending", 110), ("firing", 120), ("resolved", 140)]));
    let found = transitions(1, &events("a", &[2, 1, 2, 1]));
    let expected =
        said(&[("pending", 110), ("inactive", 120), ("pending", 130), ("inactive", 140)]);
    assert_eq!(found, expected);
}

#[test]
fn a_group_without_a_row_resolves_where_told_to() {
    let mut events = events("a", &[2, 2, 2, 0, 0, 0]);
    events.push(Event { source: 0, key: "b".to_string(), time_ns: 155 * SECOND });
    let found = transitions(1, &events);
    assert_eq!(found, said(&[("pending", 110), ("firing", 120), ("resolved", 140)]));
}

#[test]
fn a_group_without_a_row_fires_where_told_to() {
    let mut events = events("a", &[1, 1]);
    events.push(Event { source: 0, key: "b".to_string(), time_ns: 135 * SECOND });
    let mut found = transitions(2, &events);
    found.retain(|(_, key, _)| key == "a");
    assert_eq!(found, said(&[("firing", 130)]));
}

#[test]
fn hold_keeps_an_alert_firing() {
    let found = transitions(2, &events("a", &[2, 1, 2, 1, 1, 1]));
    assert_eq!(found, said(&[("firing", 110), ("resolved", 150)]));
}
