//! Any partition and order of the same updates gives one result and one canonical state.

use proptest::collection::vec;
use proptest::prelude::*;
use tailwater_engine::aggregate::{AccumulatorKind, ExemplarOrder, Finisher, Partial};
use tailwater_engine::model::Value;

use super::{Update, explicit, exponential, numbered, partial_of, point};

fn durations() -> BoxedStrategy<Value> {
    prop_oneof![0..2_000i64, 0..10_000_000_000i64].prop_map(Value::Duration).boxed()
}

fn floats() -> BoxedStrategy<Value> {
    let any = proptest::num::f64::ANY.prop_map(Value::Float);
    prop_oneof![any, (-1e3..1e3).prop_map(Value::Float), Just(Value::Float(0.0))].boxed()
}

fn mixed() -> BoxedStrategy<Value> {
    let few = (0..5i64).prop_map(Value::Int);
    let text = "[a-c]{0,2}".prop_map(|text| Value::str(&text));
    prop_oneof![few, text, any::<bool>().prop_map(Value::Bool), Just(Value::Null)].boxed()
}

fn wide() -> BoxedStrategy<Value> {
    prop_oneof![(0..20i64).prop_map(Value::Int), any::<i64>().prop_map(Value::Int)].boxed()
}

/// Histogram points, forged ones among them.
fn points() -> BoxedStrategy<Value> {
    let count = prop_oneof![Just(0u64), 0..100u64, any::<u64>()];
    let scale = prop_oneof![-11..=21i32, any::<i32>()];
    let offset = prop_oneof![-500..500i32, any::<i32>()];
    let exponential = (scale, offset, vec(count.clone(), 0..300), any::<f64>(), any::<u64>())
        .prop_map(|(scale, offset, counts, threshold, zeros)| {
            let mut made = exponential(scale, offset, &counts);
            let buckets = made.exponential.as_mut().unwrap();
            buckets.zero_threshold = threshold;
            buckets.zero_count = zeros;
            buckets.negative_offset = offset / 3;
            buckets.negative = counts.into_iter().rev().collect();
            point(made)
        });
    let bound = prop_oneof![(0..6i32).prop_map(f64::from), any::<f64>()];
    let any_bounds = (vec(bound, 0..6), vec(count.clone(), 0..7))
        .prop_map(|(bounds, counts)| point(explicit(&bounds, &counts)));
    let subsets = (1..63u32, vec(count, 7)).prop_map(|(set, counts)| {
        let bounds: Vec<f64> = (0..6).filter(|at| set >> at & 1 == 1).map(f64::from).collect();
        point(explicit(&bounds, &counts[..=bounds.len()]))
    });
    prop_oneof![exponential, any_bounds, subsets, floats()].boxed()
}

fn cases() -> Vec<(AccumulatorKind, Vec<Finisher>, BoxedStrategy<Value>)> {
    use AccumulatorKind as Kind;
    let quantiles = || vec![Finisher::Quantile(500_000), Finisher::Quantile(990_000)];
    let sums = || vec![Finisher::Sum, Finisher::Avg, Finisher::SumRate];
    let spread = vec![Finisher::Sum, Finisher::Stddev];
    vec![
        (Kind::Count, vec![Finisher::Count, Finisher::CountRate], mixed()),
        (Kind::Sum, sums(), floats()),
        (Kind::Sum, sums(), wide()),
        (Kind::SumSquares, spread.clone(), floats()),
        (Kind::SumSquares, spread, wide()),
        (Kind::Min, vec![Finisher::Value], mixed()),
        (Kind::Max, vec![Finisher::Value], mixed()),
        (Kind::First, vec![Finisher::Value], mixed()),
        (Kind::Last, vec![Finisher::Value], mixed()),
        (Kind::Truth, vec![Finisher::Ratio], mixed()),
        (Kind::Sketch { digits: 2 }, quantiles(), durations()),
        (Kind::Sketch { digits: 3 }, quantiles(), floats()),
        (Kind::Sketch { digits: 2 }, quantiles(), prop_oneof![floats(), wide()].boxed()),
        (Kind::Histogram, vec![Finisher::Histogram, Finisher::Quantile(900_000)], floats()),
        (Kind::Histogram, vec![Finisher::Histogram, Finisher::Quantile(900_000)], points()),
        (Kind::Distinct { precision: 12 }, vec![Finisher::Distinct], mixed()),
        (Kind::Distinct { precision: 4 }, vec![Finisher::Distinct], wide()),
        (Kind::Top, vec![Finisher::Top(3)], mixed()),
        (Kind::Collect { limit: 5 }, vec![Finisher::List], mixed()),
        (Kind::Exemplar { order: ExemplarOrder::Max }, vec![Finisher::List], durations()),
        (Kind::Exemplar { order: ExemplarOrder::Min }, vec![Finisher::List], durations()),
        (Kind::Exemplar { order: ExemplarOrder::Any }, vec![Finisher::List], durations()),
        (Kind::Apdex { threshold_ns: 1_000 }, vec![Finisher::Apdex], durations()),
    ]
}

fn merged(kind: &AccumulatorKind, updates: &[(u64, Update)], cuts: &[usize]) -> Partial {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (updates.len() + 1)).collect();
    cuts.extend([0, updates.len()]);
    cuts.sort_unstable();
    let mut parts: Vec<Partial> =
        cuts.windows(2).map(|cut| partial_of(kind, &updates[cut[0]..cut[1]])).collect();
    // As a tree, so that merged parts meet merged parts.
    while parts.len() > 1 {
        let other = parts.remove(0);
        parts.last_mut().unwrap().merge(other);
        parts.rotate_left(1);
    }
    parts.remove(0)
}

fn check(
    kind: &AccumulatorKind,
    finishers: &[Finisher],
    updates: &[(u64, Update)],
    shuffled: &[(u64, Update)],
    cuts: &[usize],
) -> Result<(), TestCaseError> {
    let mut whole = partial_of(kind, updates);
    let mut parts = merged(kind, shuffled, cuts);
    let bytes = bincode::serialize(&parts).unwrap();
    parts = bincode::deserialize(&bytes).unwrap();
    whole.seal();
    parts.seal();
    for finisher in finishers {
        let (a, b) = (whole.finish(finisher, 1_000), parts.finish(finisher, 1_000));
        prop_assert_eq!(a, b, "{:?} {:?}", kind, finisher);
    }
    whole.canonical();
    parts.canonical();
    let (a, b) = (bincode::serialize(&whole).unwrap(), bincode::serialize(&parts).unwrap());
    prop_assert!(a == b, "{kind:?}: {whole:?} and {parts:?}");
    Ok(())
}

/// Updates, the same in another order, and where they are cut.
type Cut = (Vec<(u64, Update)>, Vec<(u64, Update)>, Vec<usize>);

fn updates(values: BoxedStrategy<Value>, many: usize) -> impl Strategy<Value = Cut> {
    vec((0..50i64, values), 0..many).prop_map(numbered).prop_flat_map(move |updates| {
        (Just(updates.clone()), Just(updates).prop_shuffle(), vec(0..many, 0..6))
    })
}

#[test]
fn neither_order_nor_partition_shows() {
    for (kind, finishers, values) in cases() {
        for many in [8, 700] {
            let cases = if many == 8 { 200 } else { 12 };
            let config = ProptestConfig { cases, ..ProptestConfig::default() };
            let mut runner = proptest::test_runner::TestRunner::new(config);
            runner
                .run(&updates(values.clone(), many), |(updates, shuffled, cuts)| {
                    check(&kind, &finishers, &updates, &shuffled, &cuts)
                })
                .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        }
    }
}

#[test]
fn more_distinct_values_than_are_counted_exactly() {
    let values = (0..6_000i64).map(|n| (n, Value::Int(if n % 4 == 0 { 7 } else { n })));
    let updates = numbered(values.collect());
    let mut reversed = updates.clone();
    reversed.reverse();
    let cuts = [10, 1_500, 3_000, 3_001, 5_000];
    for (kind, finisher) in [
        (AccumulatorKind::Top, Finisher::Top(1)),
        (AccumulatorKind::Distinct { precision: 12 }, Finisher::Distinct),
    ] {
        check(&kind, &[finisher], &updates, &reversed, &cuts).unwrap();
    }
}

#[test]
fn what_is_taken_back_leaves_the_rest() {
    let values: Vec<Value> = (0..9).map(|n| Value::Duration(n * 1_000)).collect();
    let all = numbered(values.into_iter().map(|value| (0, value)).collect());
    for (kind, finisher) in [
        (AccumulatorKind::Count, Finisher::Count),
        (AccumulatorKind::Sum, Finisher::Sum),
        (AccumulatorKind::SumSquares, Finisher::Stddev),
        (AccumulatorKind::Apdex { threshold_ns: 2_000 }, Finisher::Apdex),
    ] {
        let mut whole = partial_of(&kind, &all);
        assert!(whole.subtract(&partial_of(&kind, &all[..4])));
        let rest = partial_of(&kind, &all[4..]);
        assert_eq!(whole.finish(&finisher, 1), rest.finish(&finisher, 1), "{kind:?}");
    }
    let kind = AccumulatorKind::Top;
    let mut whole = partial_of(&kind, &all);
    assert!(!whole.subtract(&partial_of(&kind, &all[..4])));
    assert_eq!(whole, partial_of(&kind, &all));
}
