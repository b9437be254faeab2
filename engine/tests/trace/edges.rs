//! Edges of the service graph: each way in which two nodes meet in one trace.

use tailwater_engine::trace::{Connection, Edge, EdgeSpan, Edges, End, SpanKind};

use super::forest;

use SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified};

type Span = (u64, EdgeSpan<&'static str>);

fn span(parent: u64, service: &'static str, kind: SpanKind, duration_ns: i64) -> Span {
    let service = Some(service);
    let of =
        EdgeSpan { service, kind, is_error: false, duration_ns, peer: None, is_database: false };
    (parent, of)
}

fn peer((parent, of): Span, peer: &'static str) -> Span {
    (parent, EdgeSpan { peer: Some(peer), ..of })
}

fn database((parent, of): Span) -> Span {
    (parent, EdgeSpan { is_database: true, ..of })
}

fn error((parent, of): Span) -> Span {
    (parent, EdgeSpan { is_error: true, ..of })
}

fn find(spans: &[Span]) -> (Vec<Edge<&'static str>>, u64) {
    let ids: Vec<u64> = (1..=spans.len() as u64).collect();
    let parent_ids: Vec<u64> = spans.iter().map(|span| span.0).collect();
    let of: Vec<_> = spans.iter().map(|span| span.1).collect();
    let mut edges = Edges::default();
    edges.find(&forest(&ids, &parent_ids), &of);
    (edges.as_slice().to_vec(), edges.unpaired())
}

/// Edges as text: client, server, connection, failed, client's and server's time.
fn texts(spans: &[Span]) -> Vec<String> {
    let number = |ns: Option<i64>| ns.map_or("-".to_owned(), |ns| ns.to_string());
    let text = |edge: &Edge<&str>| {
        let (from, failed) = (edge.client.unwrap_or("user"), if edge.is_failed { "!" } else { "" });
        let (client, server) = (number(edge.client_ns), number(edge.server_ns));
        format!("{from}>{} {:?}{failed} {client} {server}", edge.server, edge.connection)
    };
    find(spans).0.iter().map(text).collect()
}

#[test]
fn client_and_server_are_one_request_and_a_root_server_is_asked_by_the_user() {
    let trace = [
        span(0, "shop", Server, 100),
        span(1, "shop", Client, 50),
        error(span(2, "cart", Server, 40)),
        span(3, "cart", Internal, 30),
    ];
    assert_eq!(texts(&trace), ["user>shop Virtual - 100", "shop>cart Request! 50 40"]);
    let (edges, _) = find(&trace);
    assert_eq!((edges[0].unseen, edges[1].unseen), (Some(End::Client), None));
    assert_eq!(edges[1].span, 2);
}

#[test]
fn either_end_fails_a_request() {
    let ask = error(span(0, "shop", Client, 50));
    assert_eq!(texts(&[ask, span(1, "cart", Server, 40)]), ["shop>cart Request! 50 40"]);
    // What a server is doing while it asks is not the request's failure.
    let busy = error(span(0, "shop", Internal, 50));
    assert_eq!(texts(&[busy, span(1, "cart", Server, 40)]), ["shop>cart Request - 40"]);
}

#[test]
fn a_service_may_ask_itself_by_kinds_only() {
    let trace = [span(0, "shop", Client, 5), span(1, "shop", Server, 4)];
    assert_eq!(texts(&trace), ["shop>shop Request 5 4"]);
    assert!(texts(&[span(0, "shop", Internal, 5), span(1, "shop", Internal, 4)]).is_empty());
}

#[test]
fn messages_with_their_consumer_and_with_only_their_queue() {
    let sent = peer(span(0, "shop", Producer, 5), "orders");
    assert_eq!(texts(&[sent, span(1, "mail", Consumer, 9)]), ["shop>mail Messaging 5 9"]);
    assert_eq!(texts(&[sent]), ["shop>orders Messaging 5 -"]);
    assert_eq!(find(&[sent]).0[0].unseen, Some(End::Server));
    let taken = peer(span(9, "mail", Consumer, 9), "orders");
    assert_eq!(texts(&[taken]), ["orders>mail Messaging - 9"]);
}

#[test]
fn databases_and_other_peers_without_spans_are_virtual() {
    let query = database(peer(span(0, "shop", Client, 5), "stock"));
    assert_eq!(texts(&[query]), ["shop>stock Database 5 -"]);
    let call = error(peer(span(0, "shop", Client, 5), "pay.example"));
    assert_eq!(texts(&[call]), ["shop>pay.example Virtual! 5 -"]);
    // A database that sends spans itself is known by its own name.
    assert_eq!(texts(&[query, span(1, "pg", Server, 4)]), ["shop>pg Request 5 4"]);
}

#[test]
fn of_nested_calls_only_the_innermost_is_a_request() {
    let sdk = peer(span(0, "shop", Client, 9), "bucket");
    let http = peer(span(1, "shop", Client, 7), "10.0.0.1");
    assert_eq!(texts(&[sdk, http]), ["shop>10.0.0.1 Virtual 7 -"]);
    let silent = span(1, "shop", Client, 7);
    assert_eq!(texts(&[sdk, silent]), ["shop>bucket Virtual 9 -"]);
    assert_eq!(texts(&[sdk, http, span(2, "s3", Server, 5)]), ["shop>s3 Request 7 5"]);
}

#[test]
fn services_without_kinds_meet_as_parent_and_child() {
    let trace = [
        span(0, "shop", Unspecified, 9),
        span(1, "cart", Unspecified, 7),
        error(span(1, "mail", Consumer, 3)),
    ];
    assert_eq!(texts(&trace), ["shop>cart Request - 7", "shop>mail Messaging! - 3"]);
}

#[test]
fn what_has_no_other_end_and_no_name_for_it_is_counted() {
    let trace = [span(0, "shop", Client, 9), span(9, "cart", Server, 7), span(9, "x", Consumer, 1)];
    assert_eq!(find(&trace), (Vec::new(), 3));
    let mut nameless = span(1, "", Server, 7);
    nameless.1.service = None;
    assert_eq!(find(&[span(0, "shop", Client, 9), nameless]).1, 2);
}

#[test]
fn labels_are_those_of_the_connector() {
    use Connection::{Database, Messaging, Request, Virtual};
    let labels = [Request, Messaging, Database, Virtual].map(Connection::label);
    assert_eq!(labels, ["", "messaging_system", "database", "virtual_node"]);
}
