//! Single behaviours, by hand.

use tailwater_engine::plan::WindowShape;

use super::oracle::Event;
use tailwater_engine::model::DropReason;

use super::plans::{SECOND, count_by_name, file_frames, frames, run, run_polled};

fn event(key: &str, time_s: i64) -> Event {
    Event { source: 0, key: key.to_string(), time_ns: time_s * SECOND }
}

fn tumbling() -> WindowShape {
    WindowShape::Sliding { size_ns: 10 * SECOND, every_ns: 10 * SECOND }
}

#[test]
fn a_row_is_late_only_once_its_window_has_closed() {
    let plan = count_by_name(tumbling(), 10 * SECOND, 10_000);
    // At 129 s the watermark is 119 s: the window to 120 s is open. At 130 s it closes.
    let events =
        [event("a", 111), event("a", 129), event("a", 112), event("a", 130), event("a", 113)];
    for sizes in [vec![1], vec![5], vec![2]] {
        let run = run(&plan, &frames(&events, &sizes), 2, 2);
        assert_eq!(run.rows[&(110 * SECOND, 120 * SECOND, "a".to_string())], 2, "{sizes:?}");
        assert_eq!(run.late, 1, "{sizes:?}");
    }
}

#[test]
fn keys_beyond_the_limit_go_to_other_with_exact_totals() {
    let plan = count_by_name(tumbling(), 10 * SECOND, 2);
    let events: Vec<Event> =
        ["a", "b", "c", "a", "d", "c"].iter().map(|key| event(key, 101)).collect();
    let run = run(&plan, &frames(&events, &[6]), 1, 1);
    let window = (100 * SECOND, 110 * SECOND);
    assert_eq!(run.rows[&(window.0, window.1, "a".to_string())], 2);
    assert_eq!(run.rows[&(window.0, window.1, "b".to_string())], 1);
    assert_eq!(run.rows.len(), 2);
    assert_eq!(run.other[&window], 3);
}

/// Every cut of the events into frames and epochs, and a restore after every frame, say the same.
fn run_file(events: &[Event]) -> super::plans::Run {
    let plan = count_by_name(tumbling(), 10 * SECOND, 10_000);
    let first = run(&plan, &file_frames(events, &[7]), 1, 1);
    for sizes in [vec![1], vec![2, 3], vec![64], vec![1_000]] {
        for (workers, cut) in [(1, 64), (2, 1), (3, 5)] {
            let frames = file_frames(events, &sizes);
            let again = run(&plan, &frames, workers, cut);
            assert_eq!(again.rows, first.rows, "{sizes:?}, {workers} workers, cut {cut}");
            assert_eq!(again.dropped, first.dropped, "{sizes:?}, {workers} workers, cut {cut}");
            assert_eq!(again.unaccounted, 0);
        }
    }
    first
}

fn steady(count: i64) -> Vec<Event> {
    (0..count).map(|n| event("a", 100 + n / 4)).collect()
}

#[test]
fn a_snapshot_comes_while_the_engine_goes_on() {
    let plan = count_by_name(tumbling(), 10 * SECOND, 10_000);
    let frames = frames(&steady(200), &[7]);
    let whole = run(&plan, &frames, 1, 1);
    for at in [0, 1, frames.len() / 2, frames.len()] {
        assert_eq!(run_polled(&plan, &frames, at), whole, "after {at} frames");
    }
}

#[test]
fn one_broken_clock_in_a_file_closes_no_window() {
    for broken in [event("b", 90_000), Event { time_ns: i64::MAX, ..event("b", 0) }] {
        for at in [0, 1, 57, 399] {
            let mut events = steady(400);
            events.insert(at, broken.clone());
            let run = run_file(&events);
            assert_eq!(run.dropped.get(&DropReason::AheadOfTime), Some(&1), "at {at}");
            assert_eq!(run.late, 0, "at {at}");
            assert_eq!(run.rows.values().sum::<u64>(), 400, "at {at}");
        }
    }
}

#[test]
fn a_gap_in_a_recording_is_no_broken_clock() {
    let mut events = steady(40);
    events.extend((0..3).map(|n| event("a", 5_000 + n)));
    events.push(event("a", 9_000));
    let run = run_file(&events);
    assert_eq!(run.dropped.len(), 0);
    assert_eq!(run.rows.values().sum::<u64>(), 44);
}

#[test]
fn an_event_without_a_time_is_dropped_and_counted() {
    let mut events = steady(10);
    events.insert(3, Event { time_ns: i64::MIN, ..event("b", 0) });
    let run = run_file(&events);
    assert_eq!(run.dropped.get(&DropReason::NoTime), Some(&1));
    assert_eq!(run.rows.values().sum::<u64>(), 10);
}

#[test]
fn a_timestamp_ahead_of_its_arrival_moves_no_watermark() {
    let plan = count_by_name(tumbling(), 10 * SECOND, 10_000);
    let mut events = steady(100);
    events.insert(50, event("b", 90_000));
    let mut frames = frames(&events, &[10]);
    for frame in &mut frames {
        frame.arrival_ns = Some(super::plans::BASE_NS + 130 * SECOND);
    }
    let run = run(&plan, &frames, 2, 3);
    assert_eq!(run.late, 0);
    assert_eq!(run.rows.values().sum::<u64>(), 101);
}

#[test]
fn a_snapshot_while_a_jump_waits_for_its_witnesses_loses_nothing() {
    let plan = count_by_name(tumbling(), 10 * SECOND, 10_000);
    let mut events = steady(30);
    events.insert(10, event("b", 90_000));
    let frames = file_frames(&events, &[4]);
    // A snapshot is complete once its epoch is decided, here by the end of the log.
    let whole = run(&plan, &frames, 1, 1);
    assert_eq!(whole.dropped.get(&DropReason::AheadOfTime), Some(&1));
    assert_eq!(whole.rows.values().sum::<u64>(), 30);
}

#[test]
fn a_log_that_stops_while_a_jump_waits_is_finished_all_the_same() {
    // No end of the log is pushed: the last event's witnesses never come.
    let plan = count_by_name(tumbling(), 10 * SECOND, 10_000);
    let mut events = steady(10);
    events.push(event("b", 90_000));
    events.push(event("a", 103));
    for frames in [file_frames(&events, &[1]), file_frames(&events[..1], &[1])] {
        let open = super::plans::run_open(&plan, &frames, 2);
        assert_eq!(open.received, frames.len() as u64);
        assert_eq!(open.unaccounted, 0);
    }
}
