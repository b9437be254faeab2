//! The aggregate functions, with error bound and memory.

use tailwater_dsl::catalog::{FunctionClass, FunctionDef, ParamDef, ResultRule};
use tailwater_dsl::types::Type;
use tailwater_engine::limits::{COLLECTED_MAX, TOP_VALUES_MAX};

/// Every aggregate function.
pub(super) fn all() -> Vec<FunctionDef> {
    let mut all = numbers();
    all.extend(of_order());
    all.extend(percentiles(&number()));
    all.extend(distributions());
    all.push(exemplar());
    all
}

fn number() -> Vec<Type> {
    vec![Type::Number, Type::Duration, Type::Size, Type::Ratio]
}

fn x(types: Vec<Type>) -> ParamDef {
    ParamDef { name: "x".to_owned(), types, ..ParamDef::default() }
}

/// A function that always has a result.
fn total(name: &str, params: Vec<ParamDef>, result: ResultRule, doc: &str) -> FunctionDef {
    FunctionDef { optional: false, ..def(name, params, result, doc) }
}

/// A function whose result is null where the window has nothing for it.
fn def(name: &str, params: Vec<ParamDef>, result: ResultRule, doc: &str) -> FunctionDef {
    let example = match (params.is_empty(), name) {
        (true, _) | (_, "rate") => format!("{name}()"),
        (_, "ratio") => "ratio(status == error)".to_owned(),
        _ => format!("{name}(duration)"),
    };
    FunctionDef {
        name: name.to_owned(),
        class: FunctionClass::Aggregate,
        params,
        variadic: false,
        alternatives: false,
        needs: Vec::new(),
        result,
        optional: true,
        doc: doc.to_owned(),
        example,
    }
}

/// Counts, sums and what is made of them.
fn numbers() -> Vec<FunctionDef> {
    let same = || ResultRule::SameAs(0);
    vec![
        total(
            "count",
            vec![ParamDef { optional: true, ..x(Vec::new()) }],
            ResultRule::Fixed(Type::Int),
            "Number of items; with an argument, of those where it is not null. Exact; 8 bytes.",
        ),
        def("sum", vec![x(number())], same(), "Sum. Exact, floats too; 64 bytes and more."),
        def(
            "avg",
            vec![x(number())],
            ResultRule::MeanOf(0),
            "Mean, from the exact sum; 64 bytes and more.",
        ),
        def(
            "stddev",
            vec![x(number())],
            ResultRule::MeanOf(0),
            "Population standard deviation, from exact sums; 64 bytes and more.",
        ),
    ]
}

/// Values by their order, shares and rates.
fn of_order() -> Vec<FunctionDef> {
    let same = || ResultRule::SameAs(0);
    vec![
        def("min", vec![x(Vec::new())], same(), "Smallest value. Exact; 64 bytes."),
        def("max", vec![x(Vec::new())], same(), "Largest value. Exact; 64 bytes."),
        def(
            "first",
            vec![x(Vec::new())],
            same(),
            "Value of the first item in event-time order that has one; 64 bytes.",
        ),
        def(
            "last",
            vec![x(Vec::new())],
            same(),
            "Value of the last item in event-time order that has one; 64 bytes.",
        ),
        def(
            "ratio",
            vec![x(vec![Type::Bool])],
            ResultRule::Fixed(Type::Ratio),
            "Share of the items for which a condition is true. Exact; 16 bytes.",
        ),
        def(
            "rate",
            vec![ParamDef { optional: true, ..x(vec![Type::Number]) }],
            ResultRule::Fixed(Type::Rate),
            "Items per second of the window. Exact; 8 bytes. With an argument, its `increase` per \
             second.",
        ),
        FunctionDef {
            example: "increase(value)".to_owned(),
            ..def("increase", vec![x(vec![Type::Number])], same(), INCREASE_DOC)
        },
    ]
}

/// Aggregates that hold more than a number: estimates, lists, shares of a threshold.
fn distributions() -> Vec<FunctionDef> {
    let numbers = vec![Type::Number, Type::Duration, Type::Size, Type::Ratio, Type::Histogram];
    let param = |name: &str, types: Vec<Type>| ParamDef {
        name: name.to_owned(),
        types,
        ..ParamDef::default()
    };
    let constant =
        |name: &str, types: Vec<Type>| ParamDef { literal_only: true, ..param(name, types) };
    let whole = |name: &str, most: usize| ParamDef {
        bounds: Some((1.0, most as f64)),
        ..constant(name, vec![Type::Int])
    };
    let limit = ParamDef { named_only: true, ..whole("limit", COLLECTED_MAX as usize) };
    let def = |params: Vec<ParamDef>, result: ResultRule, doc: &str, example: &str| FunctionDef {
        example: example.to_owned(),
        ..def(example.split('(').next().unwrap_or_default(), params, result, doc)
    };
    let total = |params, result, doc, example| FunctionDef {
        optional: false,
        ..def(params, result, doc, example)
    };
    let entries = Type::List(Box::new(Type::Map(Box::new(Type::Any))));
    vec![
        total(
            vec![param("x", Vec::new())],
            ResultRule::Fixed(Type::Int),
            DISTINCT_DOC,
            "distinct(name)",
        ),
        total(
            vec![whole("k", TOP_VALUES_MAX), param("x", Vec::new())],
            ResultRule::Fixed(entries),
            TOP_DOC,
            "top(3, name)",
        ),
        total(
            vec![param("x", Vec::new()), limit],
            ResultRule::ListOf(0),
            "The first values in event-time order, nulls left out, at most `limit` (1 to 1 024). \
             Exact; 48 bytes a value and its text.",
            "collect(name, limit: 10)",
        ),
        def(
            vec![param("x", vec![Type::Duration]), constant("threshold", vec![Type::Duration])],
            ResultRule::Fixed(Type::Float),
            "Share of durations up to the threshold, plus half the share up to four times it. \
             Exact; 24 bytes.",
            "apdex(duration, 500ms)",
        ),
        def(
            vec![param("x", numbers)],
            ResultRule::Fixed(Type::Histogram),
            HISTOGRAM_DOC,
            "histogram(duration)",
        ),
    ]
}

fn exemplar() -> FunctionDef {
    let best = |name: &str| ParamDef {
        name: name.to_owned(),
        optional: true,
        named_only: true,
        ..ParamDef::default()
    };
    let entries = Type::List(Box::new(Type::Map(Box::new(Type::Any))));
    FunctionDef {
        name: "exemplar".to_owned(),
        class: FunctionClass::Aggregate,
        params: vec![best("max"), best("min")],
        variadic: false,
        alternatives: true,
        needs: vec!["trace.id".to_owned(), "span.id".to_owned()],
        result: ResultRule::Fixed(entries),
        optional: false,
        doc: EXEMPLAR_DOC.to_owned(),
        example: "exemplar(max: duration)".to_owned(),
    }
}

const INCREASE_DOC: &str = "By how much counters grew, over all series of the group. Each point \
    counts with what it adds to the point of its series before it, which may lie up to 10 min \
    before the window, so that windows side by side add up; a smaller value is a reset, after \
    which all of it counts. Points of delta temporality add up. A series is told apart by the \
    attributes of resource, scope and point (of other items than metrics: by the group). Exact; \
    40 bytes a point, null above 100 000 points.";

const EXEMPLAR_DOC: &str = "Up to three items that stand for the group, as maps of `trace_id`, \
    `span_id`, `value` and `time`: those with the largest (`max:`) or smallest (`min:`) value, or, \
    without a value, of the traces that shares keep first (`exemplar()`); items without a trace \
    are left out. Of spans, span events and logs. 240 bytes.";

const DISTINCT_DOC: &str = "Number of distinct values, nulls left out. Exact up to 256; beyond \
    that HyperLogLog with a standard error of 1.6 %. 8 bytes a value, up to 4 KB.";

const TOP_DOC: &str = "The k most frequent values as maps of `value` and `count` (k from 1 to \
    1 024). Exact up to 1 024 distinct values; beyond that counts are never too low, and too high \
    by more than 0.14 % of all items with a probability under 2 %; a value of share f is missed \
    with a probability of about e^(-1024 f). Up to 400 KB and the texts.";

const HISTOGRAM_DOC: &str = "Distribution in base-2 exponential buckets, at most 640 of each sign: \
    1.1 % wide or less where values span six decades; durations in seconds. Points with explicit \
    bounds are merged on the bounds that all have; null where both kinds meet. Up to 11 KB.";

const PERCENTILE_DOC: &str = "Percentile by nearest rank. Exact for up to 16 values; beyond that \
    the upper end of an hdrhistogram bucket of 2 digits, at most 0.8 % above the value, 2 bytes a \
    value, up to 60 KB; with `digits: 3` at most 0.1 % above, up to 450 KB (durations in \
    microseconds; floats: base-2 exponential buckets, within 1.1 % where their range is at most \
    six decades; the points of a histogram metric merge their buckets, and the result is exact to \
    the bucket).";

fn percentiles(types: &[Type]) -> Vec<FunctionDef> {
    let x = ParamDef { name: "x".to_owned(), types: types.to_vec(), ..ParamDef::default() };
    let rank = ParamDef {
        name: "n".to_owned(),
        types: vec![Type::Number],
        literal_only: true,
        bounds: Some((0.0, 100.0)),
        ..ParamDef::default()
    };
    let digits = ParamDef {
        name: "digits".to_owned(),
        types: vec![Type::Int],
        optional: true,
        named_only: true,
        literal_only: true,
        bounds: Some((2.0, 3.0)),
        ..ParamDef::default()
    };
    let def = |name: &str, params: Vec<ParamDef>, doc: String, example: String| FunctionDef {
        name: name.to_owned(),
        class: FunctionClass::Aggregate,
        params,
        variadic: false,
        alternatives: false,
        needs: Vec::new(),
        result: ResultRule::SameAs(0),
        optional: true,
        doc,
        example,
    };
    let short = [
        ("p50", "50"),
        ("p75", "75"),
        ("p90", "90"),
        ("p95", "95"),
        ("p99", "99"),
        ("p999", "99.9"),
    ];
    let short = short.map(|(name, rank)| {
        let doc = format!("The same as `percentile(x, {rank})`: within 1.1 %, up to 60 KB.");
        def(name, vec![x.clone(), digits.clone()], doc, format!("{name}(duration)"))
    });
    let mut all = Vec::from(short);
    let example = "percentile(duration, 99.5)".to_owned();
    all.push(def("percentile", vec![x, rank, digits], PERCENTILE_DOC.to_owned(), example));
    all
}
