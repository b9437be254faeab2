//! Exact values, and error bounds as the documentation states them.

use tailwater_engine::aggregate::{AccumulatorKind, ExemplarOrder, Finisher};
use tailwater_engine::model::{HistogramPoint, Value};

use super::{explicit, exponential, point, result};

const TOP: AccumulatorKind = AccumulatorKind::Top;
const DISTINCT: AccumulatorKind = AccumulatorKind::Distinct { precision: 12 };
const HISTOGRAM: AccumulatorKind = AccumulatorKind::Histogram;
const MEDIAN: Finisher = Finisher::Quantile(500_000);

fn ints(values: impl IntoIterator<Item = i64>) -> Vec<Value> {
    values.into_iter().map(Value::Int).collect()
}

fn float(value: &Value) -> f64 {
    let Value::Float(value) = value else { panic!("a float, not {value:?}") };
    *value
}

#[test]
fn distinct_is_exact_for_256_values_and_within_its_error_for_more() {
    let few = ints((0..1_000).map(|n| n % 256));
    assert_eq!(result(&DISTINCT, &few, Finisher::Distinct), Value::Int(256));
    assert_eq!(result(&DISTINCT, &[Value::Null], Finisher::Distinct), Value::Int(0));
    for many in [1_000i64, 20_000, 100_000] {
        let counted = result(&DISTINCT, &ints(0..many), Finisher::Distinct);
        let Value::Int(counted) = counted else { panic!("an integer") };
        // Three standard errors of 1.04 / 2^6.
        let error = (counted as f64 / many as f64 - 1.0).abs();
        assert!(error < 3.0 * 1.04 / 64.0, "{counted} of {many}");
    }
}

#[test]
fn the_most_frequent_come_first_then_by_value() {
    let said = result(&TOP, &ints([5, 3, 5, 9, 3, 5, 1]), Finisher::Top(3)).to_string();
    let counts: Vec<(i64, i64)> = vec![(5, 3), (3, 2), (1, 1)];
    let entry = |(value, count): &(i64, i64)| {
        Value::map(vec![("value".into(), Value::Int(*value)), ("count".into(), Value::Int(*count))])
    };
    let wanted = Value::List(counts.iter().map(entry).collect());
    assert_eq!(said, wanted.to_string());
}

#[test]
fn a_frequent_value_among_many_is_found_within_the_bound() {
    let values = ints((0..20_000).map(|n| if n % 10 == 0 { -1 } else { n }));
    let Value::List(top) = result(&TOP, &values, Finisher::Top(1)) else { panic!("a list") };
    let Value::Map(entry) = &top[0] else { panic!("a map") };
    let field = |name: &str| entry.iter().find(|(key, _)| &**key == name).unwrap().1.clone();
    assert_eq!(field("value"), Value::Int(-1));
    let Value::Int(count) = field("count") else { panic!("an integer") };
    // Never too low; too high by 0.14 % of all events at most.
    assert!((2_000..=2_028).contains(&count), "{count}");
}

#[test]
fn the_first_values_are_collected_in_order() {
    let kind = AccumulatorKind::Collect { limit: 2 };
    let values = [Value::Null, Value::Int(4), Value::Int(2), Value::Int(9)];
    let wanted = Value::List([Value::Int(4), Value::Int(2)].into());
    assert_eq!(result(&kind, &values, Finisher::List), wanted);
}

#[test]
fn exemplars_are_the_three_of_the_largest_values() {
    let kind = AccumulatorKind::Exemplar { order: ExemplarOrder::Max };
    let values: Vec<Value> = [3, 9, 1, 9, 5].map(Value::Duration).to_vec();
    let Value::List(best) = result(&kind, &values, Finisher::List) else { panic!("a list") };
    let field = |at: usize, name: &str| {
        let Value::Map(entries) = &best[at] else { panic!("a map") };
        entries.iter().find(|(key, _)| &**key == name).unwrap().1.clone()
    };
    let found: Vec<Value> = (0..best.len()).map(|at| field(at, "value")).collect();
    assert_eq!(found, [9, 9, 5].map(Value::Duration));
    assert_eq!(field(0, "trace_id"), Value::Bytes([2; 16].as_slice().into()));
    assert_eq!(field(1, "time"), Value::Time(3));
}

#[test]
fn apdex_weighs_tolerable_events_half() {
    let kind = AccumulatorKind::Apdex { threshold_ns: 100 };
    let values = [100, 101, 400, 401].map(Value::Duration);
    assert_eq!(result(&kind, &values, Finisher::Apdex), Value::Float(0.5));
    assert_eq!(result(&kind, &[Value::Null], Finisher::Apdex), Value::Null);
}

#[test]
fn deviations_do_not_cancel() {
    let values = [1e15 + 1.0, 1e15 + 3.0].map(Value::Float);
    assert_eq!(result(&AccumulatorKind::SumSquares, &values, Finisher::Stddev), Value::Float(1.0));
    let values = ints([i64::MAX, i64::MAX - 4]);
    assert_eq!(result(&AccumulatorKind::SumSquares, &values, Finisher::Stddev), Value::Float(2.0));
}

#[test]
fn float_quantiles_are_within_the_bound_of_their_scale() {
    // Nine doublings fit 640 buckets at scale 6: base 2^(1/64), error (base − 1) / (base + 1).
    let base = 2f64.powf(1.0 / 64.0);
    let bound = (base - 1.0) / (base + 1.0) + 1e-12;
    let values: Vec<Value> = (2..=1_001).map(|n| Value::Float(f64::from(n))).collect();
    for millionths in [1_000u32, 100_000, 500_000, 990_000, 1_000_000] {
        let exact = f64::from(millionths) / 1_000.0 + 1.0;
        let found = float(&result(&HISTOGRAM, &values, Finisher::Quantile(millionths)));
        assert!((found / exact - 1.0).abs() <= bound, "{found} for {exact}");
    }
}

#[test]
fn values_and_points_of_one_base_are_one_distribution() {
    // Scale 0: buckets (1, 2], (2, 4], (4, 8].
    let mut incoming = exponential(0, 0, &[1, 2, 1]);
    incoming.sum = Some(13.0);
    let values = [Value::Float(3.0), point(incoming)];
    let Value::Histogram(held) = result(&HISTOGRAM, &values, Finisher::Histogram) else {
        panic!("a histogram")
    };
    let buckets = held.exponential.as_ref().unwrap();
    assert_eq!((held.count, held.sum, held.min), (5, Some(16.0), None));
    assert_eq!((buckets.scale, buckets.positive_offset), (0, 0));
    assert_eq!(buckets.positive, [1, 3, 1]);
    // 2·2·4 / (2 + 4)
    let median = float(&result(&HISTOGRAM, &values, MEDIAN));
    assert!((median - 8.0 / 3.0).abs() < 1e-12, "{median}");
}

#[test]
fn explicit_points_keep_the_bounds_that_all_have() {
    let values = [
        point(explicit(&[1.0, 2.0, 4.0], &[1, 1, 1, 1])),
        point(explicit(&[2.0, 3.0, 4.0], &[2, 1, 1, 0])),
    ];
    let Value::Histogram(held) = result(&HISTOGRAM, &values, Finisher::Histogram) else {
        panic!("a histogram")
    };
    assert_eq!((&*held.bounds, &*held.counts), (&[2.0, 4.0][..], &[4, 3, 1][..]));
    // Rank 4 of 8 is the end of the bucket (0, 2].
    assert_eq!(result(&HISTOGRAM, &values, MEDIAN), Value::Float(2.0));
}

#[test]
fn forged_points_are_refused_or_bounded() {
    let refused = [
        exponential(20, i32::MAX - 1, &[1, 1, 1]),
        exponential(0, i32::MIN, &[1]),
        exponential(i32::MAX, 0, &[1]),
        exponential(i32::MIN, 0, &[1]),
        explicit(&[2.0, 1.0], &[1, 1, 1]),
        explicit(&[1.0, f64::NAN], &[1, 1, 1]),
        explicit(&[1.0, 1.0], &[1, 1, 1]),
        explicit(&[1.0], &[1, 1, 1]),
        HistogramPoint { count: 3, ..HistogramPoint::default() },
    ];
    for forged in refused {
        let text = format!("{forged:?}");
        let values = [point(forged)];
        assert_eq!(result(&HISTOGRAM, &values, Finisher::Histogram), Value::Null, "{text}");
    }
    let mut wide = vec![0; 60_000];
    (wide[0], wide[59_999]) = (u64::MAX, u64::MAX);
    let values = [point(exponential(10, -30_000, &wide)), Value::Float(1.0)];
    let Value::Histogram(held) = result(&HISTOGRAM, &values, Finisher::Histogram) else {
        panic!("a histogram")
    };
    assert_eq!(held.count, u64::MAX);
    assert!(held.exponential.as_ref().unwrap().positive.len() <= 640);
}

#[test]
fn the_widest_zero_bucket_is_kept() {
    let mut incoming = exponential(3, 0, &[1]);
    let buckets = incoming.exponential.as_mut().unwrap();
    (buckets.zero_count, buckets.zero_threshold) = (4, 0.25);
    let values = [point(incoming), point(exponential(3, 0, &[1]))];
    let Value::Histogram(held) = result(&HISTOGRAM, &values, Finisher::Histogram) else {
        panic!("a histogram")
    };
    let buckets = held.exponential.as_ref().unwrap();
    assert_eq!((buckets.zero_count, buckets.zero_threshold.to_bits()), (4, 0.25f64.to_bits()));
    assert_eq!(result(&HISTOGRAM, &values, MEDIAN), Value::Float(0.0));
}
