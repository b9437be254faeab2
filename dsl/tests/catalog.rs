//! A catalogue like the host's: all sources, the aggregate functions, some scalar ones.

use tailwater_dsl::catalog::{
    Catalog, FieldDef, FunctionClass, FunctionDef, ParamDef, ResultRule, SourceDef, TotalsDef,
    ValueClassDef,
};
use tailwater_dsl::types::Type;

fn enumeration(members: &[&str]) -> Type {
    Type::Enum(members.iter().map(|member| (*member).to_owned()).collect())
}

fn field(path: &str, ty: Type) -> FieldDef {
    let identifies = path.rsplit('.').next() == Some("id") || path == "job_id";
    FieldDef { path: path.to_owned(), ty, optional: identifies, doc: String::new(), identifies }
}

fn source(name: &str, fields: Vec<FieldDef>) -> SourceDef {
    let mut fields = fields;
    if name != "spans" {
        fields.push(field("time", Type::Time));
    }
    fields.push(field("source", Type::String));
    SourceDef {
        inner: None,
        name: name.to_owned(),
        doc: String::new(),
        fields,
        has_attributes: !matches!(name, "progress" | "resources" | "heartbeats"),
        time: "its time".to_owned(),
        has_start: name == "spans",
        leaves: ["spans", "logs", "metrics"].contains(&name),
        totals: (name == "metrics").then(|| TotalsDef {
            field: "value".to_owned(),
            functions: vec!["sum".to_owned()],
            unless: vec![("temporality".to_owned(), "delta".to_owned())],
            instead: "increase(value)".to_owned(),
        }),
    }
}

fn ids() -> Vec<FieldDef> {
    vec![field("trace.id", Type::Bytes), field("span.id", Type::Bytes)]
}

fn sources() -> Vec<SourceDef> {
    let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];
    let severities = ["unspecified", "trace", "debug", "info", "warn", "error", "fatal"];
    let mut spans = ids();
    spans.extend([
        field("parent.id", Type::Bytes),
        field("name", Type::String),
        field("kind", enumeration(&kinds)),
        field("status", enumeration(&["unset", "ok", "error"])),
        field("status.message", Type::String),
        field("start", Type::Time),
        field("end", Type::Time),
        field("duration", Type::Duration),
        field("event_count", Type::Int),
    ]);
    let mut logs = ids();
    logs.extend([
        field("severity", enumeration(&severities)),
        field("severity.number", Type::Int),
        field("body", Type::Any),
        field("event.name", Type::String),
    ]);
    let mut events = ids();
    events.extend([field("name", Type::String), field("severity", enumeration(&severities))]);
    let metrics = vec![
        field("name", Type::String),
        field("unit", Type::String),
        field("temporality", enumeration(&["unspecified", "delta", "cumulative"])),
        field("monotonic", Type::Bool),
        field("value", Type::Any),
    ];
    let number = |path: &str| field(path, Type::Number);
    vec![
        source("spans", spans),
        source("span_events", [ids(), vec![field("name", Type::String)]].concat()),
        source("logs", logs),
        source("metrics", metrics),
        source("events", events),
        source("progress", vec![field("job_id", Type::String), number("percent")]),
        source("resources", vec![number("cpu"), number("mem"), number("disk"), number("net")]),
        source("heartbeats", Vec::new()),
    ]
}

/// A parameter as text: `x:duration|number`, with `?` behind the name where it may be left out,
/// `!` where it is constant, `@` where it is named only, `~` where it is a regular expression.
fn param(text: &str) -> ParamDef {
    let (name, types) = text.split_once(':').unwrap_or((text, ""));
    let has = |sign: char| name.contains(sign);
    let types = types.split('|').filter(|word| !word.is_empty()).map(|word| match word {
        "string" => Type::String,
        "number" => Type::Number,
        "int" => Type::Int,
        "bool" => Type::Bool,
        "duration" => Type::Duration,
        "size" => Type::Size,
        "time" => Type::Time,
        "ratio" => Type::Ratio,
        "list" => Type::List(Box::new(Type::Any)),
        other => panic!("no type `{other}` in the test catalogue"),
    });
    ParamDef {
        name: name.trim_end_matches(['?', '!', '@', '~']).to_owned(),
        types: types.collect(),
        optional: has('?'),
        named_only: has('@'),
        literal_only: has('!'),
        regex: has('~'),
        bounds: text.starts_with("k!").then_some((1.0, 1_024.0)),
    }
}

fn function(class: FunctionClass, name: &str, params: &[&str], result: ResultRule) -> FunctionDef {
    let params: Vec<_> = params.iter().map(|text| param(text)).collect();
    let args: Vec<_> = params.iter().filter(|p| !p.optional).map(|p| p.name.clone()).collect();
    FunctionDef {
        name: name.to_owned(),
        class,
        example: format!("{name}({})", args.join(", ")),
        params,
        variadic: name == "concat",
        alternatives: name == "exemplar",
        needs: if name == "exemplar" { vec!["span.id".to_owned()] } else { Vec::new() },
        result,
        optional: false,
        doc: String::new(),
    }
}

fn functions() -> Vec<FunctionDef> {
    use FunctionClass::{Aggregate, RowWindow, Scalar};
    use ResultRule::{ElementOf, Fixed, ListOf, MeanOf, PerSecondOf, SameAs};
    let mut all = vec![
        function(Aggregate, "count", &[], Fixed(Type::Int)),
        function(Aggregate, "ratio", &["condition:bool"], Fixed(Type::Ratio)),
        function(Aggregate, "distinct", &["x"], Fixed(Type::Int)),
        function(Aggregate, "top", &["k!:int", "x"], ListOf(1)),
        function(Aggregate, "collect", &["x", "limit!@?:int"], ListOf(0)),
        function(Aggregate, "histogram", &["x:number|duration|size"], Fixed(Type::Histogram)),
        function(
            Aggregate,
            "exemplar",
            &["max@?:duration|number", "min@?:duration|number"],
            Fixed(Type::Map(Box::new(Type::Any))),
        ),
        function(Aggregate, "apdex", &["x:duration", "target!:duration"], Fixed(Type::Ratio)),
        function(Aggregate, "increase", &["x:number"], Fixed(Type::Float)),
        function(
            Aggregate,
            "percentile",
            &["x:number|duration|size", "n!:number", "digits!@?:int"],
            SameAs(0),
        ),
        function(Scalar, "concat", &["a:string", "b:string"], Fixed(Type::String)),
        function(Scalar, "length", &["x:string|list"], Fixed(Type::Int)),
        function(Scalar, "round", &["x:number"], Fixed(Type::Int)),
        function(Scalar, "abs", &["x:number|duration"], SameAs(0)),
        function(Scalar, "mod", &["a:int", "b:int"], Fixed(Type::Int)),
        function(Scalar, "int", &["x"], Fixed(Type::Int)),
        function(Scalar, "float", &["x"], Fixed(Type::Float)),
        function(Scalar, "element", &["list:list", "at:int"], ElementOf(0)),
        function(Scalar, "split", &["x:string", "by:string"], Fixed(list_of(Type::String))),
        function(
            Scalar,
            "replace",
            &["x:string", "pattern~:string", "with:string"],
            Fixed(Type::String),
        ),
        function(Scalar, "truncate", &["time:time", "to!:duration"], Fixed(Type::Time)),
        function(Scalar, "hash", &["x"], Fixed(Type::Int)),
        function(RowWindow, "ewma", &["x:number|duration|ratio", "half!@?:duration"], SameAs(0)),
        function(RowWindow, "zscore", &["x:number|duration|ratio"], Fixed(Type::Float)),
        function(RowWindow, "mad", &["x:number|duration|ratio"], SameAs(0)),
    ];
    for name in ["lower", "upper", "trim"] {
        all.push(function(Scalar, name, &["x:string"], Fixed(Type::String)));
    }
    for name in ["min", "max", "first", "last"] {
        all.push(function(Aggregate, name, &["x"], SameAs(0)));
    }
    for name in ["sum", "stddev"] {
        all.push(function(Aggregate, name, &["x:number|duration|size|ratio"], SameAs(0)));
    }
    all.push(function(Aggregate, "avg", &["x:number|duration|size|ratio"], MeanOf(0)));
    all.push(function(Aggregate, "rate", &["x?:number"], PerSecondOf(0)));
    for name in ["p50", "p75", "p90", "p95", "p99", "p999"] {
        all.push(function(Aggregate, name, &["x:number|duration|size"], SameAs(0)));
    }
    all
}

fn list_of(ty: Type) -> Type {
    Type::List(Box::new(ty))
}

/// The test catalogue; its sinks are configured, so that unknown ones are reported.
pub(crate) fn catalog() -> Catalog {
    let sinks = ["prometheus", "otlp", "alertmanager", "jaeger", "archive"];
    Catalog {
        sources: sources(),
        functions: functions(),
        sinks: Some(sinks.iter().map(|sink| (*sink).to_owned()).collect()),
        check_regex: None,
        value_classes: [("email", None), ("card", None), ("ssn", None), ("ipv4", Some(32))]
            .into_iter()
            .chain([("jwt", None), ("bearer", None), ("private_key", None)])
            .map(|(name, address_bits)| ValueClassDef { name: name.to_owned(), address_bits })
            .collect(),
    }
}
