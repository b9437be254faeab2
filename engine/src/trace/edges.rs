//! Edges of the service graph that one trace shows: who asked whom, how it went, how long it took.
//!
//! An edge is made where a span's parent is a caller and the span the called one: client and
//! server, producer and consumer, or any two spans of different services. A call whose other end
//! is not in the trace makes an edge to a virtual node, named by the caller's peer attributes; of
//! calls nested in one another only the innermost does, so that a request is counted once.
//!
//! Invariant: a span makes at most one edge as the called and one as the caller. Must not know how
//! names are held: they are compared, no more.

use super::SpanKind;
use super::forest::{Forest, Role};

/// Attributes of a calling span that name what it called, the first that is present. From
/// OpenTelemetry's semantic conventions, current names before older ones.
pub const PEER_ATTRIBUTES: [&str; 12] = [
    "service.peer.name",
    "peer.service",
    "db.namespace",
    "db.name",
    "db.system.name",
    "db.system",
    "messaging.destination.name",
    "messaging.system",
    "server.address",
    "net.peer.name",
    "rpc.service",
    "net.sock.peer.addr",
];

/// Whether the attribute, by its presence, says that a client span called a database.
pub fn is_database_attribute(key: &str) -> bool {
    matches!(key, "db.namespace" | "db.name" | "db.system.name" | "db.system")
}

/// What edges read of one span. `N` is how the caller holds names.
#[derive(Debug, Clone, Copy)]
pub struct EdgeSpan<N> {
    /// Name of the service; `None` if unknown, which is nobody's other service.
    pub service: Option<N>,
    /// Kind of the span.
    pub kind: SpanKind,
    /// Whether its status is error.
    pub is_error: bool,
    /// End minus start, nanoseconds.
    pub duration_ns: i64,
    /// The first of [`PEER_ATTRIBUTES`].
    pub peer: Option<N>,
    /// Whether it has an attribute of a database.
    pub is_database: bool,
}

/// How client and server are connected. Names as in the Collector's `servicegraph` connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// A request, or a parent and child in two services.
    Request,
    /// A message.
    Messaging,
    /// A database that is known by what its client says.
    Database,
    /// A node that is known by what the other end says.
    Virtual,
}

impl Connection {
    /// The label `connection_type`: empty for a request.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Request => "",
            Self::Messaging => "messaging_system",
            Self::Database => "database",
            Self::Virtual => "virtual_node",
        }
    }
}

/// An end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Who asks.
    Client,
    /// Who is asked.
    Server,
}

/// One request from one node of the service graph to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edge<N> {
    /// Who asked; `None` is the user, outside of everything that sends spans.
    pub client: Option<N>,
    /// Who was asked.
    pub server: N,
    /// How they are connected.
    pub connection: Connection,
    /// Whether either end has the status error.
    pub is_failed: bool,
    /// Duration of the calling span, if one was seen as such, nanoseconds.
    pub client_ns: Option<i64>,
    /// Duration of the called span, if it was seen, nanoseconds.
    pub server_ns: Option<i64>,
    /// The end that no span was seen of: it is known by what the other says, or is the user.
    pub unseen: Option<End>,
    /// The called span; the calling one where that was not seen.
    pub span: u32,
}

/// The edges of one trace.
#[derive(Debug, Clone)]
pub struct Edges<N> {
    found: Vec<Edge<N>>,
    unpaired: u64,
    /// Spans that a made edge leaves, or that are above one.
    answered: Vec<bool>,
}

impl<N> Default for Edges<N> {
    fn default() -> Self {
        Self { found: Vec::new(), unpaired: 0, answered: Vec::new() }
    }
}

impl<N: Copy + PartialEq> Edges<N> {
    /// Finds the edges of a trace. What was here before is forgotten, its memory kept.
    ///
    /// # Panics
    /// If there are fewer spans than the forest has.
    pub fn find(&mut self, forest: &Forest, spans: &[EdgeSpan<N>]) {
        self.found.clear();
        self.unpaired = 0;
        self.answered.clear();
        self.answered.resize(forest.len(), false);
        // Children come before their parents here, so that inner calls have made their edges.
        for &span in forest.preorder().iter().rev() {
            let of = &spans[span as usize];
            let is_call = matches!(of.kind, SpanKind::Client | SpanKind::Producer);
            if is_call && !self.answered[span as usize] {
                self.leave(span, of);
            }
            match forest.parent(span) {
                Some(parent) => {
                    self.cross((parent, &spans[parent as usize]), (span, of));
                    self.answered[parent as usize] |= self.answered[span as usize];
                }
                None => self.arrive(forest.role(span), span, of),
            }
        }
        self.found.reverse();
    }

    /// An edge along parent and child, where they are two ends of something.
    fn cross(&mut self, (parent, from): (u32, &EdgeSpan<N>), (span, to): (u32, &EdgeSpan<N>)) {
        let connection = match (from.kind, to.kind) {
            (SpanKind::Client, SpanKind::Server) => Connection::Request,
            (SpanKind::Producer, SpanKind::Consumer) => Connection::Messaging,
            _ if from.service == to.service => return,
            (SpanKind::Producer, _) | (_, SpanKind::Consumer) => Connection::Messaging,
            _ => Connection::Request,
        };
        let (Some(client), Some(server)) = (from.service, to.service) else {
            self.unpaired += 1;
            return;
        };
        let is_call = matches!(from.kind, SpanKind::Client | SpanKind::Producer);
        self.answered[parent as usize] = true;
        self.found.push(Edge {
            client: Some(client),
            server,
            connection,
            is_failed: to.is_error || (is_call && from.is_error),
            client_ns: is_call.then_some(from.duration_ns),
            server_ns: Some(to.duration_ns),
            unseen: None,
            span,
        });
    }

    /// A call whose other end is not in the trace.
    fn leave(&mut self, span: u32, of: &EdgeSpan<N>) {
        let (Some(client), Some(server)) = (of.service, of.peer) else {
            self.unpaired += 1;
            return;
        };
        let connection = match of.kind {
            SpanKind::Producer => Connection::Messaging,
            _ if of.is_database => Connection::Database,
            _ => Connection::Virtual,
        };
        self.answered[span as usize] = true;
        self.found.push(Edge {
            client: Some(client),
            server,
            connection,
            is_failed: of.is_error,
            client_ns: Some(of.duration_ns),
            server_ns: None,
            unseen: Some(End::Server),
            span,
        });
    }

    /// A called span without a parent in the trace: of the user if it names none.
    fn arrive(&mut self, role: Role, span: u32, of: &EdgeSpan<N>) {
        let (client, connection) = match (of.kind, role) {
            (SpanKind::Server, Role::Root) => (None, Connection::Virtual),
            (SpanKind::Consumer, _) if of.peer.is_some() => (of.peer, Connection::Messaging),
            (SpanKind::Server | SpanKind::Consumer, _) => {
                self.unpaired += 1;
                return;
            }
            _ => return,
        };
        let Some(server) = of.service else {
            self.unpaired += 1;
            return;
        };
        self.found.push(Edge {
            client,
            server,
            connection,
            is_failed: of.is_error,
            client_ns: None,
            server_ns: Some(of.duration_ns),
            unseen: Some(End::Client),
            span,
        });
    }

    /// The edges, callers before what they call in turn.
    pub fn as_slice(&self) -> &[Edge<N>] {
        &self.found
    }

    /// Calls and called spans whose other end is not in the trace and has no name.
    pub fn unpaired(&self) -> u64 {
        self.unpaired
    }
}
