//! Single behaviours, by hand.

use tailwater_engine::plan::WindowShape;

use super::oracle::Event;
use super::plans::{SECOND, count_by_name, frames, run};

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
