//! Traces and what they say beside themselves, as the language sees them.

use tailwater_dsl::catalog::{FieldDef, SourceDef};
use tailwater_dsl::hir::TracePart as Part;
use tailwater_dsl::types::Type;
use tailwater_engine::model::Signal;
use tailwater_engine::plan::{TraceField, TracePart};

/// All of them.
pub(super) fn all() -> [SourceDef; 3] {
    [
        traces(),
        part(Part::Operations, "Time of traces by service and name, one item each."),
        part(Part::Edges, "Requests between services, databases and others, one item each."),
    ]
}

fn part(part: Part, doc: &str) -> SourceDef {
    let of = match part {
        Part::Operations => TracePart::Operations,
        Part::Edges => TracePart::Edges,
    };
    let field = |(path, doc): &(&str, &str)| {
        let (ty, optional) = match *path {
            "trace.id" => (Type::Bytes, false),
            "place" | "spans" | "errors" => (Type::Int, false),
            "service.name" => (Type::String, true),
            "exclusive" | "inclusive" | "self" => (Type::Duration, false),
            "client.duration" | "server.duration" => (Type::Duration, true),
            "failed" => (Type::Bool, false),
            _ => (Type::String, false),
        };
        let identifies = *path == "trace.id";
        FieldDef { path: (*path).to_owned(), ty, optional, doc: (*doc).to_owned(), identifies }
    };
    SourceDef {
        name: part.source().to_owned(),
        doc: doc.to_owned(),
        fields: of.columns().iter().map(field).collect(),
        time: "when the trace closes".to_owned(),
        ..SourceDef::default()
    }
}

/// Spans of one trace id together.
fn traces() -> SourceDef {
    let field = |field: &TraceField| {
        let ty = match field {
            TraceField::Id => Type::Bytes,
            TraceField::Start | TraceField::End => Type::Time,
            TraceField::Duration | TraceField::CriticalPathDuration => Type::Duration,
            TraceField::Services => Type::List(Box::new(Type::String)),
            TraceField::Complete | TraceField::Early => Type::Bool,
            TraceField::CriticalPath => Type::List(Box::new(Type::Map(Box::new(Type::Any)))),
            _ => Type::Int,
        };
        FieldDef {
            path: field.path().to_owned(),
            ty,
            optional: false,
            doc: field.doc().to_owned(),
            identifies: *field == TraceField::Id,
        }
    };
    SourceDef {
        name: "traces".to_owned(),
        doc: "Spans of one trace id together.".to_owned(),
        fields: TraceField::ALL.iter().map(field).collect(),
        has_attributes: false,
        time: "when the trace closes".to_owned(),
        has_start: false,
        leaves: false,
        totals: None,
        inner: Some(Signal::Spans.name().to_owned()),
    }
}
