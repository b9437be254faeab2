//! The graph for Graphviz and for Mermaid, which lay it out themselves.

use std::fmt::Write as _;

use tailwater_engine::trace::Connection;

use super::{Graph, Node, NodeKind};

/// The graph in DOT.
pub(crate) fn dot(graph: &Graph) -> String {
    let mut text = String::from(
        "digraph services {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  \
         edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    for (index, node) in graph.nodes.iter().enumerate() {
        let shape = match node.kind {
            NodeKind::User => ", shape=circle",
            NodeKind::Service => "",
            NodeKind::Database => ", shape=cylinder, style=solid",
            NodeKind::Queue => ", shape=cds, style=solid",
            NodeKind::Peer => ", style=\"rounded,dashed\"",
        };
        let _ = writeln!(text, "  n{index} [label=\"{}\"{shape}];", quoted(node.title()));
    }
    for edge in &graph.edges {
        let (first, failed) = graph.labels(edge);
        let color = if failed.is_some() { ", color=\"#c62828\"" } else { "" };
        let failed = failed.map(|failed| format!("\\n{failed}")).unwrap_or_default();
        let is_message = edge.connection == Connection::Messaging;
        let style = if is_message { ", style=dashed" } else { "" };
        let (from, to) = (edge.from, edge.to);
        let _ = writeln!(text, "  n{from} -> n{to} [label=\"{first}{failed}\"{color}{style}];");
    }
    if let Some(note) = &graph.note {
        let _ = writeln!(text, "  label=\"{}\";", quoted(note));
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c if c.is_control() => vec![' '],
            c => vec![c],
        })
        .collect()
}

/// The graph in Mermaid.
pub(crate) fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (index, node) in graph.nodes.iter().enumerate() {
        let name = entities(node.title());
        let (open, close) = match node.kind {
            NodeKind::User => ("((\"", "\"))"),
            NodeKind::Service => ("[\"", "\"]"),
            NodeKind::Database => ("[(\"", "\")]"),
            NodeKind::Queue => ("[[\"", "\"]]"),
            NodeKind::Peer => ("([\"", "\"])"),
        };
        let _ = writeln!(text, "  n{index}{open}{name}{close}");
    }
    let mut failing = Vec::new();
    for (index, edge) in graph.edges.iter().enumerate() {
        let (first, failed) = graph.labels(edge);
        if failed.is_some() {
            failing.push(index.to_string());
        }
        let failed = failed.map(|failed| format!("<br/>{failed}")).unwrap_or_default();
        let line = if edge.connection == Connection::Messaging { "-.->" } else { "-->" };
        let (from, to) = (edge.from, edge.to);
        let _ = writeln!(text, "  n{from} {line}|\"{first}{failed}\"| n{to}");
    }
    if !failing.is_empty() {
        let _ = writeln!(text, "  linkStyle {} stroke:#c62828", failing.join(","));
    }
    if let Some(note) = &graph.note {
        let _ = writeln!(text, "  %% {note}");
    }
    text
}

/// Mermaid takes what has a meaning to it as entities.
fn entities(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => "#quot;".to_owned(),
            '#' => "#35;".to_owned(),
            '<' => "#lt;".to_owned(),
            '>' => "#gt;".to_owned(),
            '&' => "#amp;".to_owned(),
            '`' => "#96;".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

impl Graph {
    /// The nodes that are known only by what others say.
    pub(super) fn is_told(node: &Node) -> bool {
        !matches!(node.kind, NodeKind::Service | NodeKind::User)
    }
}
