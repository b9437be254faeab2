//! The engine's fields and functions as the language's catalogue.

mod aggregate;
mod past;
mod traces;

use std::sync::Arc;

use tailwater_dsl::catalog::{
    Catalog, FieldDef, FunctionClass, FunctionDef, ParamDef, ResultRule, SourceDef, TotalsDef,
    ValueClassDef,
};
use tailwater_dsl::types::Type;
use tailwater_engine::model::{Field, FieldKind, Signal};
use tailwater_engine::plan::ValueClass;
use tailwater_engine::plan::function::{self, Function, Kind, Param, ResultKind, check_regex};

/// Everything that rules may name without declaring it.
pub fn catalog() -> Catalog {
    let mut functions: Vec<FunctionDef> = function::all().map(scalar).collect();
    functions.extend(aggregate::all());
    functions.extend(past::all());
    Catalog {
        sources: Signal::ALL.into_iter().map(source).chain(traces::all()).collect(),
        functions,
        sinks: None,
        check_regex: Some(check_regex),
        value_classes: ValueClass::ALL.into_iter().map(value_class).collect(),
    }
}

fn value_class(class: ValueClass) -> ValueClassDef {
    let address_bits = match class {
        ValueClass::Ipv4 => Some(32),
        ValueClass::Ipv6 => Some(128),
        _ => None,
    };
    ValueClassDef { name: class.name().to_owned(), address_bits }
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
    let is_known = |field: &&Field| Field::by_path(signal, field.path()).is_some();
    let fields = Field::ALL.iter().filter(is_known).map(|field| field_def(*field));
    SourceDef {
        name: signal.name().to_owned(),
        doc: doc.to_owned(),
        fields: fields.collect(),
        has_attributes: true,
        time: time.to_owned(),
        has_start,
        leaves: matches!(signal, Signal::Spans | Signal::Logs | Signal::Metrics),
        totals: (signal == Signal::Metrics).then(metric_totals),
        inner: None,
    }
}

/// A data point's value is a total since its start, unless the point says otherwise.
fn metric_totals() -> TotalsDef {
    let owned = |(path, member): (&str, &str)| (path.to_owned(), member.to_owned());
    TotalsDef {
        field: "value".to_owned(),
        functions: vec!["sum".to_owned()],
        unless: [("temporality", "delta"), ("type", "gauge")].map(owned).to_vec(),
        instead: "increase(value)".to_owned(),
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
        FieldKind::Texts => (Type::List(Box::new(Type::String)), true),
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

/// The types that a parameter of this kind takes; none for any.
fn accepted(kind: Kind) -> Vec<Type> {
    match kind {
        Kind::Any => Vec::new(),
        Kind::Number => vec![Type::Number, Type::Duration, Type::Size, Type::Ratio],
        kind => vec![result(kind)],
    }
}

/// The type of a result of this kind.
fn result(kind: Kind) -> Type {
    match kind {
        Kind::Any => Type::Any,
        Kind::Bool => Type::Bool,
        Kind::Int => Type::Int,
        Kind::Float => Type::Float,
        Kind::Number => Type::Number,
        Kind::Text => Type::String,
        Kind::Bytes => Type::Bytes,
        Kind::Duration => Type::Duration,
        Kind::Time => Type::Time,
        Kind::Size => Type::Size,
        Kind::Ratio => Type::Ratio,
        Kind::List => Type::List(Box::new(Type::Any)),
        Kind::Map => Type::Map(Box::new(Type::Any)),
    }
}

fn scalar(function: Function) -> FunctionDef {
    let def = function.def();
    let param = |param: &Param| ParamDef {
        name: param.name.to_owned(),
        types: param.kinds.iter().flat_map(|kind| accepted(*kind)).collect(),
        optional: param.optional,
        literal_only: param.regex,
        regex: param.regex,
        ..ParamDef::default()
    };
    let result = match def.result {
        ResultKind::Fixed(kind) => ResultRule::Fixed(result(kind)),
        ResultKind::SameAs(at) => ResultRule::SameAs(at),
        ResultKind::ElementOf(at) => ResultRule::ElementOf(at),
        ResultKind::Join => ResultRule::Join,
    };
    FunctionDef {
        name: def.name.to_owned(),
        class: FunctionClass::Scalar,
        params: def.params.iter().map(param).collect(),
        variadic: def.variadic,
        alternatives: false,
        needs: Vec::new(),
        result,
        optional: def.nullable,
        doc: def.doc.to_owned(),
        example: def.example.0.to_owned(),
    }
}
