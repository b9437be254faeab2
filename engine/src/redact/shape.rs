//! What stands where in documents of JSON.

use super::schema::{self, Field, Kind, Message};

/// What a JSON value is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) kind: ShapeKind,
    /// Whether it is a list of such values.
    pub(super) is_list: bool,
}

impl Shape {
    /// An id, number or time.
    pub(super) const KEEP: Self = Self::one(ShapeKind::Keep);

    const fn one(kind: ShapeKind) -> Self {
        Self { kind, is_list: false }
    }

    const fn many(kind: ShapeKind) -> Self {
        Self { kind, is_list: true }
    }
}

/// Kinds of JSON values.
#[derive(Debug, Clone, Copy)]
pub(super) enum ShapeKind {
    /// An id, number or time: left alone if it looks like one.
    Keep,
    /// Text that is no attribute.
    Text,
    /// Text that is the attribute of this key.
    Service(&'static str),
    /// A W3C `tracestate`.
    TraceState,
    /// An object with known members; others are looked through.
    Object(Members),
    /// An object whose members are objects of one kind.
    MapOf(Members),
    /// An attribute of OTLP.
    Attribute,
    /// A value of OTLP.
    Value,
    /// A tag of Jaeger.
    Tag,
    /// An object whose members are attributes.
    Map,
    /// An object whose members are fields and attributes.
    Row,
}

/// The members that an object is known to have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Members {
    Of(&'static Message),
    Named(&'static [(&'static str, Shape)]),
}

impl Members {
    /// What the member of a name is.
    pub(super) fn find(self, name: &[u8]) -> Option<Shape> {
        match self {
            Self::Of(message) => {
                let field = message.fields.iter().find(|field| field.name.as_bytes() == name)?;
                Some(of_field(field))
            }
            Self::Named(members) => {
                members.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, shape)| *shape)
            }
        }
    }
}

fn of_field(field: &Field) -> Shape {
    let kind = match field.kind {
        Kind::Keep => ShapeKind::Keep,
        Kind::Text => ShapeKind::Text,
        Kind::TraceState => ShapeKind::TraceState,
        Kind::Message(message) => ShapeKind::Object(Members::Of(message)),
        Kind::Attribute => ShapeKind::Attribute,
        Kind::Value => ShapeKind::Value,
    };
    Shape { kind, is_list: field.is_list }
}

const KEEP: Shape = Shape::KEEP;
const TEXT: Shape = Shape::one(ShapeKind::Text);

/// The attributes that stand as `serviceName` in Jaeger and Zipkin.
pub(super) const SERVICES: [&str; 2] = ["service.name", "peer.service"];

const OWN_SERVICE: Shape = Shape::one(ShapeKind::Service(SERVICES[0]));

/// A request of OTLP/JSON.
pub(super) const OTLP: Shape = Shape::one(ShapeKind::Object(Members::Of(&schema::DOCUMENT)));

/// A row of plain NDJSON.
pub(super) const ROW: Shape = Shape::one(ShapeKind::Row);

/// A line of the line protocol.
pub(super) const LINE: Shape = Shape::one(ShapeKind::Object(Members::Named(&[
    ("v", KEEP),
    ("src", TEXT),
    ("ts", KEEP),
    ("type", TEXT),
    ("tid", KEEP),
    ("sid", KEEP),
    ("pid", KEEP),
    ("data", ROW),
])));

/// A document of Jaeger, or a list of them.
pub(super) const JAEGER: Shape = Shape::many(ShapeKind::Object(JAEGER_DOCUMENT));

const JAEGER_TRACE: &[(&str, Shape)] = &[
    ("traceID", KEEP),
    ("spans", Shape::many(ShapeKind::Object(JAEGER_SPAN))),
    ("processes", Shape::one(ShapeKind::MapOf(JAEGER_PROCESS))),
    ("warnings", Shape::many(ShapeKind::Text)),
];
const JAEGER_DOCUMENT: Members = Members::Named(&[
    ("data", Shape::many(ShapeKind::Object(Members::Named(JAEGER_TRACE)))),
    ("total", KEEP),
    ("limit", KEEP),
    ("offset", KEEP),
    ("traceID", KEEP),
    ("spans", Shape::many(ShapeKind::Object(JAEGER_SPAN))),
    ("processes", Shape::one(ShapeKind::MapOf(JAEGER_PROCESS))),
    ("warnings", Shape::many(ShapeKind::Text)),
]);
const JAEGER_SPAN: Members = Members::Named(&[
    ("traceID", KEEP),
    ("spanID", KEEP),
    ("parentSpanID", KEEP),
    ("flags", KEEP),
    ("operationName", TEXT),
    ("references", Shape::many(ShapeKind::Object(JAEGER_REFERENCE))),
    ("startTime", KEEP),
    ("duration", KEEP),
    ("tags", Shape::many(ShapeKind::Tag)),
    ("logs", Shape::many(ShapeKind::Object(JAEGER_LOG))),
    ("processID", TEXT),
    ("process", Shape::one(ShapeKind::Object(JAEGER_PROCESS))),
    ("warnings", Shape::many(ShapeKind::Text)),
]);
const JAEGER_REFERENCE: Members =
    Members::Named(&[("refType", TEXT), ("traceID", KEEP), ("spanID", KEEP)]);
const JAEGER_LOG: Members =
    Members::Named(&[("timestamp", KEEP), ("fields", Shape::many(ShapeKind::Tag))]);
const JAEGER_PROCESS: Members =
    Members::Named(&[("serviceName", OWN_SERVICE), ("tags", Shape::many(ShapeKind::Tag))]);

/// A list of Zipkin spans.
pub(super) const ZIPKIN: Shape = Shape::many(ShapeKind::Object(ZIPKIN_SPAN));

const ZIPKIN_SPAN: Members = Members::Named(&[
    ("traceId", KEEP),
    ("id", KEEP),
    ("parentId", KEEP),
    ("name", TEXT),
    ("kind", TEXT),
    ("timestamp", KEEP),
    ("duration", KEEP),
    ("debug", KEEP),
    ("shared", KEEP),
    ("localEndpoint", Shape::one(ShapeKind::Object(ZIPKIN_LOCAL))),
    ("remoteEndpoint", Shape::one(ShapeKind::Object(ZIPKIN_REMOTE))),
    ("annotations", Shape::many(ShapeKind::Object(ZIPKIN_ANNOTATION))),
    ("tags", Shape::one(ShapeKind::Map)),
]);
const ZIPKIN_LOCAL: Members =
    Members::Named(&[("serviceName", OWN_SERVICE), ("ipv4", TEXT), ("ipv6", TEXT), ("port", KEEP)]);
const ZIPKIN_REMOTE: Members = Members::Named(&[
    ("serviceName", Shape::one(ShapeKind::Service(SERVICES[1]))),
    ("ipv4", TEXT),
    ("ipv6", TEXT),
    ("port", KEEP),
]);
const ZIPKIN_ANNOTATION: Members = Members::Named(&[("timestamp", KEEP), ("value", TEXT)]);
