//! Items that stand for several: what a full queue has left of more.

use tailwater_engine::aggregate::{AccumulatorKind, Finisher};
use tailwater_engine::model::Value;

use super::{numbered, partial_of, partial_standing};

const MS: i64 = 1_000_000;

#[test]
fn an_item_that_stands_for_several_counts_as_often() {
    let durations = [3, 5, 5, 900].map(|ms| Value::Duration(ms * MS));
    let truths = [true, false, false, true].map(Value::Bool);
    let kinds = [
        (AccumulatorKind::Count, Finisher::Count, &durations),
        (AccumulatorKind::Sum, Finisher::Sum, &durations),
        (AccumulatorKind::SumSquares, Finisher::Stddev, &durations),
        (AccumulatorKind::Sketch { digits: 2 }, Finisher::Quantile(500_000), &durations),
        (AccumulatorKind::Truth, Finisher::Ratio, &truths),
        (AccumulatorKind::Histogram, Finisher::Histogram, &durations),
        (AccumulatorKind::Top, Finisher::Top(3), &durations),
        (AccumulatorKind::Apdex { threshold_ns: 4 * MS }, Finisher::Apdex, &durations),
        (AccumulatorKind::Min, Finisher::Value, &durations),
        (AccumulatorKind::Max, Finisher::Value, &durations),
        (AccumulatorKind::First, Finisher::Value, &durations),
        (AccumulatorKind::Last, Finisher::Value, &durations),
        (AccumulatorKind::Distinct { precision: 12 }, Finisher::Distinct, &durations),
    ];
    for (kind, finisher, values) in kinds {
        let updates = values.iter().enumerate().map(|(at, value)| (at as i64, value.clone()));
        let once = numbered(updates.collect());
        // The first item stands for itself, the others for eight each.
        let mut partial = partial_of(&kind, &once[..1]);
        partial.merge(partial_standing(&kind, &once[1..], 8));
        let often: Vec<_> = once[1..].iter().flat_map(|update| vec![update.clone(); 8]).collect();
        let mut wanted = partial_of(&kind, &[&once[..1], &often].concat());
        partial.seal();
        wanted.seal();
        let value = |partial: &tailwater_engine::aggregate::Partial| {
            partial.finish(&finisher, 1_000_000_000)
        };
        assert_eq!(value(&partial), value(&wanted), "{kind:?}");
    }
}

#[test]
fn values_that_are_collected_are_those_that_are_there() {
    let kind = AccumulatorKind::Collect { limit: 10 };
    let updates = numbered(vec![(1, Value::Int(1)), (2, Value::Int(2))]);
    let mut partial = partial_standing(&kind, &updates, 64);
    partial.seal();
    let list = Value::List([Value::Int(1), Value::Int(2)].into_iter().collect());
    assert_eq!(partial.finish(&Finisher::List, 1), list);
}
