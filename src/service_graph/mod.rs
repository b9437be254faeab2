//! The service graph of whole traces: who asks whom, how often, how often in vain, and how long it
//! takes.
//!
//! Edges come from the engine's definition; here they are summed, and drawn as SVG, DOT or Mermaid.
//! Invariant: equal traces, in any order, give equal bytes.

mod layout;
mod place;
mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tailwater_engine::trace::{Connection, Edge, End};

use crate::trace::Trace;
use crate::view::short_duration;

pub(crate) use svg::svg;
pub(crate) use text::{dot, mermaid};

/// Distinct edges that are summed; requests along others are counted.
const EDGES_MAX: usize = 20_000;

/// Edges that are drawn, those with the most requests.
const DRAWN_MAX: usize = 300;

/// Who is at one end of an edge; `None` is the user.
type Name = Option<Arc<str>>;

/// What is summed by.
type Key = (Name, Arc<str>, Connection);

/// What a node is known as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NodeKind {
    /// Whoever asks from outside.
    User,
    /// It sends spans.
    Service,
    /// A database that others tell of.
    Database,
    /// A queue or topic that others tell of.
    Queue,
    /// Something else that others tell of.
    Peer,
}

#[derive(Debug, Clone, Default)]
struct Sum {
    requests: u64,
    failures: u64,
    latencies_ns: Vec<i64>,
}

/// A node of the graph.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its name; empty for the user.
    pub(crate) name: String,
    /// What it is known as.
    pub(crate) kind: NodeKind,
    /// Requests to it; of the user, from it.
    pub(crate) requests: u64,
    /// Those that failed.
    pub(crate) failures: u64,
}

/// An edge of the graph; its ends are places among the nodes.
#[derive(Debug, Clone)]
pub(crate) struct GraphEdge {
    /// Who asks.
    pub(crate) from: usize,
    /// Who is asked.
    pub(crate) to: usize,
    /// How they are connected.
    pub(crate) connection: Connection,
    /// Requests.
    pub(crate) requests: u64,
    /// Those that failed.
    pub(crate) failures: u64,
    /// 95th percentile of how long requests took, as the client saw it where it was seen.
    pub(crate) p95_ns: Option<i64>,
}

/// A service graph that is complete.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    /// Nodes by name, the user first.
    pub(crate) nodes: Vec<Node>,
    /// Edges by their ends.
    pub(crate) edges: Vec<GraphEdge>,
    /// From the first start to the last end, nanoseconds.
    pub(crate) duration_ns: i64,
    /// What is not drawn, if anything.
    pub(crate) note: Option<String>,
}

/// Sums the edges of traces.
#[derive(Debug, Default)]
pub(crate) struct ServiceGraph {
    sums: BTreeMap<Key, Sum>,
    kinds: BTreeMap<Name, NodeKind>,
    first_ns: Option<i64>,
    last_ns: i64,
    unpaired: u64,
    beyond: u64,
}

impl ServiceGraph {
    /// Adds the edges of a trace.
    pub(crate) fn add(&mut self, trace: &Trace) {
        self.first_ns = Some(self.first_ns.map_or(trace.start_ns, |ns| ns.min(trace.start_ns)));
        self.last_ns = self.last_ns.max(trace.end_ns);
        let (sums, kinds, beyond) = (&mut self.sums, &mut self.kinds, &mut self.beyond);
        self.unpaired += trace.edges(|edge| {
            let key = (edge.client.map(Arc::from), Arc::from(edge.server), edge.connection);
            if sums.len() >= EDGES_MAX && !sums.contains_key(&key) {
                *beyond += 1;
                return;
            }
            let (client, server) = kinds_of(edge);
            learn(kinds, &key.0, client);
            learn(kinds, &Some(Arc::clone(&key.1)), server);
            let sum = sums.entry(key).or_default();
            sum.requests += 1;
            sum.failures += u64::from(edge.is_failed);
            sum.latencies_ns.extend(edge.client_ns.or(edge.server_ns));
        });
    }

    /// The graph, with the edges that have the most requests.
    pub(crate) fn finish(self) -> Graph {
        let duration_ns = self.last_ns.saturating_sub(self.first_ns.unwrap_or(self.last_ns));
        let mut sums: Vec<(Key, Sum)> = joined(self.sums, &self.kinds).into_iter().collect();
        let all = sums.len();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.requests));
        sums.truncate(DRAWN_MAX);
        sums.sort_by(|(a, _), (b, _)| a.cmp(b));
        let ends = |((client, server, _), _): &(Key, Sum)| [client.clone(), Some(server.clone())];
        let names: BTreeSet<Name> = sums.iter().flat_map(ends).collect();
        let places: BTreeMap<&Name, usize> = names.iter().zip(0..).collect();
        let mut nodes: Vec<Node> = names
            .iter()
            .map(|name| (name, self.kinds.get(name).copied().unwrap_or(NodeKind::Peer)))
            .map(|(name, kind)| Node {
                name: name.as_deref().unwrap_or_default().to_owned(),
                kind,
                requests: 0,
                failures: 0,
            })
            .collect();
        let mut edges = Vec::new();
        for ((client, server, connection), sum) in sums {
            let (from, to) = (places[&client], places[&Some(server)]);
            let of_user = if client.is_none() { Some(from) } else { None };
            for node in of_user.into_iter().chain([to]) {
                nodes[node].requests += sum.requests;
                nodes[node].failures += sum.failures;
            }
            let (requests, failures) = (sum.requests, sum.failures);
            let p95_ns = p95(sum.latencies_ns);
            edges.push(GraphEdge { from, to, connection, requests, failures, p95_ns });
        }
        let mut notes = Vec::new();
        if all > edges.len() {
            notes.push(format!("{} edges with fewer requests are not drawn", all - edges.len()));
        }
        if self.beyond > 0 {
            notes.push(format!("{} requests had no room", self.beyond));
        }
        if self.unpaired > 0 {
            notes.push(format!("{} spans have no other end", self.unpaired));
        }
        let note = (!notes.is_empty()).then(|| notes.join(" · "));
        Graph { nodes, edges, duration_ns, note }
    }
}

/// A call of a service whose answer was not seen this time is a request as those that were.
fn joined(sums: BTreeMap<Key, Sum>, kinds: &BTreeMap<Name, NodeKind>) -> BTreeMap<Key, Sum> {
    let mut joined: BTreeMap<Key, Sum> = BTreeMap::new();
    for ((client, server, connection), sum) in sums {
        let server = Some(server);
        let is_service = kinds.get(&server) == Some(&NodeKind::Service);
        let Some(server) = server else { continue };
        let connection = match connection {
            Connection::Virtual | Connection::Database if is_service && client.is_some() => {
                Connection::Request
            }
            other => other,
        };
        let into = joined.entry((client, server, connection)).or_default();
        into.requests += sum.requests;
        into.failures += sum.failures;
        into.latencies_ns.extend(sum.latencies_ns);
    }
    joined
}

/// What the ends of an edge are, as far as it says.
fn kinds_of(edge: &Edge<&str>) -> (NodeKind, NodeKind) {
    let unseen = match edge.connection {
        Connection::Messaging => NodeKind::Queue,
        Connection::Database => NodeKind::Database,
        Connection::Request | Connection::Virtual => NodeKind::Peer,
    };
    match (edge.client, edge.unseen) {
        (None, _) => (NodeKind::User, NodeKind::Service),
        (_, None) => (NodeKind::Service, NodeKind::Service),
        (_, Some(End::Client)) => (unseen, NodeKind::Service),
        (_, Some(End::Server)) => (NodeKind::Service, unseen),
    }
}

/// A node is a service if it sends spans anywhere, else what others say of it.
fn learn(kinds: &mut BTreeMap<Name, NodeKind>, name: &Name, kind: NodeKind) {
    let known = kinds.entry(name.clone()).or_insert(kind);
    *known = (*known).min(kind);
}

impl Graph {
    /// Requests a second; those of a moment count as those of a second.
    fn rate(&self, requests: u64) -> f64 {
        requests as f64 / (self.duration_ns as f64 / 1e9).max(1.0)
    }

    /// What an edge says beside its ends: rate and latency, and failures if there are any.
    fn labels(&self, edge: &GraphEdge) -> (String, Option<String>) {
        let rate = rate_text(self.rate(edge.requests));
        let first = match edge.p95_ns {
            Some(p95_ns) => format!("{rate} · p95 {}", short_duration(p95_ns)),
            None => rate,
        };
        (first, failed_text(edge.failures, edge.requests))
    }
}

impl Node {
    /// What it is called.
    fn title(&self) -> &str {
        if self.kind == NodeKind::User { "user" } else { &self.name }
    }
}

/// `12.3/s`, with two digits or three.
fn rate_text(rate: f64) -> String {
    match rate {
        ..0.995 => format!("{rate:.2}/s"),
        ..99.5 => format!("{rate:.1}/s"),
        _ => format!("{rate:.0}/s"),
    }
}

/// `2.4% failed`, if anything did.
fn failed_text(failures: u64, requests: u64) -> Option<String> {
    let percent = failures as f64 * 100.0 / requests.max(1) as f64;
    match percent {
        0.0 => None,
        ..0.095 => Some("<0.1% failed".to_owned()),
        ..9.95 => Some(format!("{percent:.1}% failed")),
        _ => Some(format!("{percent:.0}% failed")),
    }
}

/// Nearest rank.
fn p95(mut latencies_ns: Vec<i64>) -> Option<i64> {
    latencies_ns.sort_unstable();
    let rank = (latencies_ns.len() * 95).div_ceil(100);
    latencies_ns.get(rank.checked_sub(1)?).copied()
}
