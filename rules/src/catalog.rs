//! The engine's fields and functions as the language's catalogue.

use std::sync::Arc;

use tailwater_dsl::catalog::{
    Catalog, FieldDef, FunctionClass, FunctionDef, ParamDef, ResultRule, SourceDef,
};
use tailwater_dsl::types::Type;
use tailwater_engine::model::{Field, FieldKind, Signal};
use tailwater_engine::plan::function::{Function, Kind};

/// Everything that rules may name without declaring it.
pub fn catalog() -> Catalog {
    let mut functions: Vec<FunctionDef> =
        Function::ALL.iter().map(|function| scalar(*function)).collect();
    functions.extend(aggregates());
    functions.extend(distributions());
    Catalog { sources: Signal::ALL.into_iter().map(source).collect(), functions, sinks: None }
}

fn source(signal: Signal) -> SourceDef {
    let (doc, time, has_start) = match signal {
        Signal::Spans => ("Spans.", "end of the span", true),
        Signal::SpanEvents => ("Events on spans.", "time of the event", false),
        Signal::Logs => ("Log records.", "time of the record, else when observed", false),
        Signal::Metrics => ("Metric data points.", "time of the data point", false),
        Signal::Events => ("Events of the line protocol.", "`ts` of the line", false),
        Signal::Progress => ("Progress of jobs, line protocol.", "`ts` of the line", false),
        Signal::Resources => ("Resource use, line protocol.", "`ts` of the line", false),
        Signal::Heartbeats => ("Heartbeats, line protocol.", "`ts` of the line", false),
    };
    let fields =
        Field::ALL.iter().filter(|field| field.is_of(signal)).map(|field| field_def(*field));
    SourceDef {
        name: signal.name().to_owned(),
        doc: doc.to_owned(),
        fields: fields.collect(),
        has_attributes: true,
        time: time.to_owned(),
        has_start,
    }
}

fn field_def(field: Field) -> FieldDef {
    let (ty, optional) = match field.kind() {
        FieldKind::Time => (Type::Time, true),
        FieldKind::Duration => (Type::Duration, false),
        FieldKind::TraceId | FieldKind::SpanId => (Type::Bytes, true),
        FieldKind::Text => (Type::String, false),
        FieldKind::Enum(members) => {
            let members: Vec<String> = members.iter().map(|&member| member.to_owned()).collect();
            (Type::Enum(Arc::from(members)), false)
        }
        FieldKind::Int => (Type::Int, false),
        FieldKind::Bool => (Type::Bool, false),
        FieldKind::Any => (Type::Any, true),
        FieldKind::Number => (Type::Number, true),
        FieldKind::Ratio => (Type::Ratio, true),
    };
    let identifies = matches!(field.kind(), FieldKind::TraceId | FieldKind::SpanId);
    FieldDef {
        path: field.path().to_owned(),
        ty,
        optional,
        doc: field.doc().to_owned(),
        identifies,
    }
}

fn accepted(kind: Kind) -> Vec<Type> {
    match kind {
        Kind::Text => vec![Type::String],
        Kind::Int => vec![Type::Int],
        Kind::Float => vec![Type::Float],
        Kind::Bool => vec![Type::Bool],
        Kind::Number => vec![Type::Number, Type::Duration, Type::Size, Type::Ratio],
        Kind::Any | Kind::SameAsFirst => Vec::new(),
    }
}

fn scalar(function: Function) -> FunctionDef {
    let def = function.def();
    let param = |(name, kind): &(&str, Kind)| ParamDef {
        name: (*name).to_owned(),
        types: accepted(*kind),
        ..ParamDef::default()
    };
    let result = match def.result {
        Kind::Text => ResultRule::Fixed(Type::String),
        Kind::Int => ResultRule::Fixed(Type::Int),
        Kind::Float => ResultRule::Fixed(Type::Float),
        Kind::Bool => ResultRule::Fixed(Type::Bool),
        Kind::Number | Kind::SameAsFirst => ResultRule::SameAs(0),
        Kind::Any => ResultRule::Fixed(Type::Any),
    };
    FunctionDef {
        name: def.name.to_owned(),
        class: FunctionClass::Scalar,
        params: def.parameters.iter().map(param).collect(),
        variadic: false,
        result,
        optional: matches!(def.name, "int" | "float" | "mod" | "floor" | "ceil" | "round"),
        doc: def.doc.to_owned(),
        example: def.example.0.to_owned(),
    }
}

fn aggregates() -> Vec<FunctionDef> {
    let number = || vec![Type::Number, Type::Duration, Type::Size, Type::Ratio];
    let x = |types: Vec<Type>| ParamDef { name: "x".to_owned(), types, ..ParamDef::default() };
    let def = |name: &str, params: Vec<ParamDef>, result: ResultRule, optional: bool, doc: &str| {
        let example =
            if params.is_empty() { format!("{name}()") } else { format!("{name}(duration)") };
        FunctionDef {
            name: name.to_owned(),
            class: FunctionClass::Aggregate,
            params,
            variadic: false,
            result,
            optional,
            doc: doc.to_owned(),
            example,
        }
    };
    let same = || ResultRule::SameAs(0);
    let mut all = vec![
        def(
            "count",
            vec![ParamDef { optional: true, ..x(Vec::new()) }],
            ResultRule::Fixed(Type::Int),
            false,
            "Number of items; with an argument, of those where it is not null. Exact; 8 bytes.",
        ),
        def("sum", vec![x(number())], same(), true, "Sum. Exact, floats too; 64 bytes and more."),
        def(
            "avg",
            vec![x(number())],
            ResultRule::MeanOf(0),
            true,
            "Mean, from the exact sum; 64 bytes and more.",
        ),
        def(
            "stddev",
            vec![x(number())],
            ResultRule::MeanOf(0),
            true,
            "Population standard deviation, from exact sums; 64 bytes and more.",
        ),
        def("min", vec![x(Vec::new())], same(), true, "Smallest value. Exact; 64 bytes."),
        def("max", vec![x(Vec::new())], same(), true, "Largest value. Exact; 64 bytes."),
        def(
            "first",
            vec![x(Vec::new())],
            same(),
            true,
            "Value of the first item in event-time order that has one; 64 bytes.",
        ),
        def(
            "last",
            vec![x(Vec::new())],
            same(),
            true,
            "Value of the last item in event-time order that has one; 64 bytes.",
        ),
        def(
            "ratio",
            vec![x(vec![Type::Bool])],
            ResultRule::Fixed(Type::Ratio),
            true,
            "Share of the items for which a condition is true. Exact; 16 bytes.",
        ),
        def(
            "rate",
            Vec::new(),
            ResultRule::Fixed(Type::Rate),
            false,
            "Items per second of the window. Exact; 8 bytes.",
        ),
    ];
    all.extend(percentiles(&number()));
    all
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
    let limit = ParamDef { named_only: true, ..constant("limit", vec![Type::Int]) };
    let def = |params: Vec<ParamDef>, result: ResultRule, optional: bool, doc: &str, example| {
        let example: &str = example;
        FunctionDef {
            name: example.split('(').next().unwrap_or_default().to_owned(),
            class: FunctionClass::Aggregate,
            params,
            variadic: false,
            result,
            optional,
            doc: doc.to_owned(),
            example: example.to_owned(),
        }
    };
    let entries = Type::List(Box::new(Type::Map(Box::new(Type::Any))));
    vec![
        def(
            vec![param("x", Vec::new())],
            ResultRule::Fixed(Type::Int),
            false,
            DISTINCT_DOC,
            "distinct(name)",
        ),
        def(
            vec![constant("k", vec![Type::Int]), param("x", Vec::new())],
            ResultRule::Fixed(entries),
            false,
            TOP_DOC,
            "top(3, name)",
        ),
        def(
            vec![param("x", Vec::new()), limit],
            ResultRule::ListOf(0),
            false,
            "The first values in event-time order, nulls left out, at most `limit` (1 to 1 024). \
             Exact; 48 bytes a value and its text.",
            "collect(name, limit: 10)",
        ),
        def(
            vec![param("x", vec![Type::Duration]), constant("threshold", vec![Type::Duration])],
            ResultRule::Fixed(Type::Float),
            true,
            "Share of durations up to the threshold, plus half the share up to four times it. \
             Exact; 24 bytes.",
            "apdex(duration, 500ms)",
        ),
        def(
            vec![param("x", numbers)],
            ResultRule::Fixed(Type::Histogram),
            true,
            HISTOGRAM_DOC,
            "histogram(duration)",
        ),
    ]
}

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
    the upper end of an hdrhistogram bucket of 2 digits, at most 0.8 % above the value (durations \
    in microseconds; floats: base-2 exponential buckets, within 1.1 % where their range is at most \
    six decades). 2 bytes a value, up to 60 KB.";

fn percentiles(types: &[Type]) -> Vec<FunctionDef> {
    let x = ParamDef { name: "x".to_owned(), types: types.to_vec(), ..ParamDef::default() };
    let rank = ParamDef {
        name: "n".to_owned(),
        types: vec![Type::Number],
        literal_only: true,
        ..ParamDef::default()
    };
    let def = |name: &str, params: Vec<ParamDef>, example: String| FunctionDef {
        name: name.to_owned(),
        class: FunctionClass::Aggregate,
        params,
        variadic: false,
        result: ResultRule::SameAs(0),
        optional: true,
        doc: PERCENTILE_DOC.to_owned(),
        example,
    };
    let short = ["p50", "p75", "p90", "p95", "p99", "p999"];
    let mut all: Vec<FunctionDef> =
        short.iter().map(|name| def(name, vec![x.clone()], format!("{name}(duration)"))).collect();
    all.push(def("percentile", vec![x, rank], "percentile(duration, 99.5)".to_owned()));
    all
}
