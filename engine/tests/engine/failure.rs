//! A worker that panics is an error of the run, never a run that waits for ever.

use tailwater_engine::error::ErrorKind;
use tailwater_engine::plan::WindowShape;

use super::oracle::Event;
use super::plans::{SECOND, count_by_name, fail, frames};

#[test]
fn a_worker_that_panics_ends_the_run_with_an_error() {
    let ten = 10 * SECOND;
    let shape = WindowShape::Sliding { size_ns: ten, every_ns: ten };
    let plan = count_by_name(shape, ten, 100);
    let event = |n: i64| Event { source: 0, key: "a".to_owned(), time_ns: n * SECOND };
    let events: Vec<Event> = (0..40).map(event).collect();
    for workers in [1, 2, 4] {
        // One frame reaches one worker; many wait for room at those that are left.
        for frames_of in [40, 1] {
            let frames = frames(&events, &[frames_of]);
            assert_eq!(fail(&plan, &frames, workers), Some(ErrorKind::Worker));
        }
    }
}
