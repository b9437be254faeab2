//! The graph as SVG 1.1: boxes and curves, no script, no style sheet.
//!
//! An edge is the thicker the more requests there are and the redder the more of them fail; what it
//! says stands beside it where nothing else does.

use std::fmt::Write as _;

use tailwater_engine::trace::Connection;

use super::layout::{Layout, Plan, layout};
use super::{Graph, GraphEdge, Node, NodeKind, failed_text, rate_text};

/// Pixels around the whole.
const MARGIN: f64 = 24.0;

/// Height of a node's box.
const NODE_HEIGHT: f64 = 44.0;

/// Widths of boxes: estimates of the font's characters, and bounds.
const CHAR_WIDTH: f64 = 7.4;
const NODE_WIDTH_MIN: f64 = 96.0;
const NODE_WIDTH_MAX: f64 = 230.0;

/// Pixels between two layers: room for what stands on edges.
const LAYER_GAP: f64 = 170.0;

/// Size of what stands on an edge: width of a character, height of a line.
const LABEL_CHAR_WIDTH: f64 = 5.7;
const LABEL_LINE_HEIGHT: f64 = 12.5;

/// Characters of a node's name.
const NAME_CHARS_MAX: usize = 28;

type Point = (f64, f64);

/// A cubic curve.
type Curve = [Point; 4];

/// A box that something stands in: middle, half width, half height.
type Area = (Point, f64, f64);

struct Picture<'a> {
    graph: &'a Graph,
    layout: Layout,
    /// Left side and width of each layer.
    columns: Vec<(f64, f64)>,
    /// What nothing may cover.
    taken: Vec<Area>,
    body: String,
    text: String,
}

/// The image of a graph.
pub(crate) fn svg(graph: &Graph) -> String {
    let heights = vec![NODE_HEIGHT; graph.nodes.len()];
    let edges: Vec<(usize, usize)> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let layout = layout(&Plan { heights: &heights, edges: &edges });
    let mut columns: Vec<(f64, f64)> = Vec::new();
    for layer in 0..layout.layers.iter().max().map_or(0, |last| last + 1) {
        let nodes = graph.nodes.iter().zip(&layout.layers).filter(|(_, of)| **of == layer);
        let width = nodes.map(|(node, _)| graph.width(node)).fold(0.0, f64::max);
        let left = columns.last().map_or(MARGIN, |(left, width)| left + width + LAYER_GAP);
        columns.push((left, width));
    }
    let (body, text) = (String::new(), String::new());
    let mut picture = Picture { graph, layout, columns, taken: Vec::new(), body, text };
    picture.draw()
}

/// What stands in a box below the name: what the node is, requests, failures.
struct Subtitle {
    what: String,
    failed: Option<String>,
}

impl Graph {
    fn subtitle(&self, node: &Node) -> Subtitle {
        let what = match node.kind {
            NodeKind::User | NodeKind::Service => None,
            NodeKind::Database => Some("database".to_owned()),
            NodeKind::Queue => Some("queue".to_owned()),
            NodeKind::Peer => Some("peer".to_owned()),
        };
        let rate = (node.requests > 0).then(|| rate_text(self.rate(node.requests)));
        let what: Vec<String> = what.into_iter().chain(rate).collect();
        Subtitle { what: what.join(" · "), failed: failed_text(node.failures, node.requests) }
    }

    /// Width of a node's box.
    fn width(&self, node: &Node) -> f64 {
        let chars = |text: &str| text.chars().count() as f64;
        let name = chars(node.title()).min(NAME_CHARS_MAX as f64) * CHAR_WIDTH;
        let Subtitle { what, failed } = self.subtitle(node);
        let below = chars(&what) + failed.map_or(0.0, |failed| chars(&failed) + 3.0);
        (name.max(below * LABEL_CHAR_WIDTH) + 26.0).clamp(NODE_WIDTH_MIN, NODE_WIDTH_MAX)
    }
}

impl Picture<'_> {
    fn draw(&mut self) -> String {
        let graph = self.graph;
        let right = self.columns.last().map_or(MARGIN, |(left, width)| left + width);
        for index in 0..graph.nodes.len() {
            let (middle, half) = (self.middle(index), graph.width(&graph.nodes[index]) / 2.0);
            self.taken.push((middle, half, NODE_HEIGHT / 2.0));
        }
        let mut by_requests: Vec<usize> = (0..graph.edges.len()).collect();
        by_requests.sort_by_key(|&index| std::cmp::Reverse(graph.edges[index].requests));
        // The rare ones first: what there is much of lies on top, and finds its place first.
        by_requests.iter().rev().for_each(|&index| self.edge(index));
        by_requests.iter().for_each(|&index| self.label(index));
        (0..graph.nodes.len()).for_each(|index| self.node(index));
        let mut height = self.layout.height + 2.0 * MARGIN + 24.0;
        let width = (right + MARGIN).max(420.0);
        if graph.nodes.is_empty() {
            self.note((width / 2.0, 40.0), "middle", "no edges between services");
            height = 80.0;
        }
        let seconds = graph.duration_ns as f64 / 1e9;
        let requests: u64 = graph.edges.iter().map(|edge| edge.requests).sum();
        let mut note = format!("{requests} requests in {seconds:.1} s");
        if let Some(more) = &graph.note {
            let _ = write!(note, " · {more}");
        }
        self.note((MARGIN, height - 14.0), "start", &note);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}{}</svg>\n",
            self.body, self.text
        )
    }

    fn note(&mut self, (x, y): Point, anchor: &str, text: &str) {
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"11\" \
             fill=\"#777777\">{}</text>",
            escape(text)
        );
    }

    fn middle(&self, node: usize) -> Point {
        let (left, width) = self.columns[self.layout.layers[node]];
        (left + width / 2.0, self.layout.centers[node] + MARGIN)
    }

    /// The curves of an edge from one box over its bends to the other.
    fn curves(&self, index: usize) -> Vec<Curve> {
        let edge = &self.graph.edges[index];
        let (from, to) = (self.middle(edge.from), self.middle(edge.to));
        let half = |node: usize| self.graph.width(&self.graph.nodes[node]) / 2.0;
        if edge.from == edge.to {
            let (x, top) = (from.0, from.1 - NODE_HEIGHT / 2.0);
            return vec![[
                (x - 16.0, top),
                (x - 34.0, top - 34.0),
                (x + 34.0, top - 34.0),
                (x + 16.0, top),
            ]];
        }
        let way = if from.0 < to.0 { 1.0 } else { -1.0 };
        let shift = self.shift(index);
        let mut points = vec![(from.0 + way * half(edge.from), from.1 + shift)];
        for &(layer, center) in &self.layout.bends[index] {
            let (left, width) = self.columns[layer];
            let (enter, leave) = (left, left + width);
            let (enter, leave) = if way > 0.0 { (enter, leave) } else { (leave, enter) };
            points.extend([(enter, center + MARGIN + shift), (leave, center + MARGIN + shift)]);
        }
        points.push((to.0 - way * half(edge.to), to.1 + shift));
        points
            .windows(2)
            .map(|pair| {
                let (a, b) = (pair[0], pair[1]);
                let reach = (b.0 - a.0) / 2.0;
                [a, (a.0 + reach, a.1), (b.0 - reach, b.1), b]
            })
            .collect()
    }

    /// Pixels by which an edge stands aside where there are others between the same two nodes.
    fn shift(&self, index: usize) -> f64 {
        let of = &self.graph.edges[index];
        let (low, high) = (of.from.min(of.to), of.from.max(of.to));
        let is_beside =
            |edge: &GraphEdge| (edge.from.min(edge.to), edge.from.max(edge.to)) == (low, high);
        let all = self.graph.edges.iter().filter(|edge| is_beside(edge)).count();
        let before = self.graph.edges[..index].iter().filter(|edge| is_beside(edge)).count();
        (before as f64 - (all as f64 - 1.0) / 2.0) * 14.0
    }

    fn edge(&mut self, index: usize) {
        let edge = &self.graph.edges[index];
        let curves = self.curves(index);
        let color = color(edge.failures, edge.requests);
        let thick = 1.2 + self.graph.rate(edge.requests).max(0.1).log10().max(0.0) * 0.9;
        let mut path = format!("M{:.1} {:.1}", curves[0][0].0, curves[0][0].1);
        for [_, b, c, d] in &curves {
            let _ =
                write!(path, " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", b.0, b.1, c.0, c.1, d.0, d.1);
        }
        let is_message = edge.connection == Connection::Messaging;
        let dash = if is_message { " stroke-dasharray=\"5 3\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{thick:.1}\"{dash}/>"
        );
        // A head of its own: markers take no colour from their line in SVG 1.1.
        let [_, _, before, tip] = curves[curves.len() - 1];
        let (dx, dy) = (tip.0 - before.0, tip.1 - before.1);
        let length = dx.hypot(dy).max(0.001);
        let (ux, uy) = (dx / length * 9.0, dy / length * 9.0);
        let _ = writeln!(
            self.body,
            "<path d=\"M{:.1} {:.1} L{:.1} {:.1} L{:.1} {:.1} Z\" fill=\"{color}\"/>",
            tip.0,
            tip.1,
            tip.0 - ux - uy * 0.45,
            tip.1 - uy + ux * 0.45,
            tip.0 - ux + uy * 0.45,
            tip.1 - uy - ux * 0.45
        );
    }

    /// What an edge says, on its curve where nothing stands yet.
    fn label(&mut self, index: usize) {
        let edge = &self.graph.edges[index];
        let (first, failed) = self.graph.labels(edge);
        let chars =
            first.chars().count().max(failed.as_ref().map_or(0, |text| text.chars().count()));
        let half_width = chars as f64 * LABEL_CHAR_WIDTH / 2.0 + 3.0;
        let lines = if failed.is_some() { 2.0 } else { 1.0 };
        let half_height = lines * LABEL_LINE_HEIGHT / 2.0 + 1.0;
        let curves = self.curves(index);
        let places = places(&curves);
        let free = places.iter().copied().min_by(|a, b| {
            let covered = |at: &Point| self.covered((*at, half_width, half_height));
            covered(a).total_cmp(&covered(b))
        });
        let Some((x, y)) = free else { return };
        self.taken.push(((x, y), half_width, half_height));
        let _ = writeln!(
            self.text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"#ffffff\" \
             fill-opacity=\"0.88\"/>",
            x - half_width,
            y - half_height,
            half_width * 2.0,
            half_height * 2.0
        );
        let baseline = y - half_height + LABEL_LINE_HEIGHT - 1.5;
        self.label_line((x, baseline), "#444444", &first);
        if let Some(failed) = failed {
            self.label_line((x, baseline + LABEL_LINE_HEIGHT), "#c62828", &failed);
        }
    }

    fn label_line(&mut self, (x, y): Point, fill: &str, text: &str) {
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"10.5\" fill=\"{fill}\">{}\
             </text>",
            escape(text)
        );
    }

    /// Square pixels of an area in which something stands.
    fn covered(&self, ((x, y), half_width, half_height): Area) -> f64 {
        let overlap = |((ox, oy), ow, oh): &Area| {
            let wide = (half_width + ow - (x - ox).abs()).max(0.0);
            let high = (half_height + oh - (y - oy).abs()).max(0.0);
            wide * high
        };
        self.taken.iter().map(overlap).sum()
    }

    fn node(&mut self, index: usize) {
        let node = &self.graph.nodes[index];
        let ((x, y), wide) = (self.middle(index), self.graph.width(node));
        let (left, top) = (x - wide / 2.0, y - NODE_HEIGHT / 2.0);
        let (fill, stroke) = match node.kind {
            NodeKind::User => ("#eceff1", "#546e7a"),
            NodeKind::Service => ("#e3f2fd", "#1565c0"),
            NodeKind::Database => ("#fff8e1", "#b28704"),
            NodeKind::Queue => ("#f3e5f5", "#7b1fa2"),
            NodeKind::Peer => ("#fafafa", "#9e9e9e"),
        };
        let round = if node.kind == NodeKind::User { NODE_HEIGHT / 2.0 } else { 7.0 };
        let dash = if Graph::is_told(node) { " stroke-dasharray=\"4 3\"" } else { "" };
        let _ = writeln!(
            self.text,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{NODE_HEIGHT}\" \
             rx=\"{round}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.3\"{dash}/>"
        );
        let mut name: String = node.title().chars().take(NAME_CHARS_MAX).collect();
        if node.title().chars().count() > NAME_CHARS_MAX {
            name.pop();
            name.push('…');
        }
        let Subtitle { what, failed } = self.graph.subtitle(node);
        let baseline = if what.is_empty() { y + 4.0 } else { y - 3.0 };
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" text-anchor=\"middle\" font-weight=\"bold\" \
             fill=\"#222222\">{}</text>",
            escape(&name)
        );
        if what.is_empty() {
            return;
        }
        let failed = failed.map(|failed| format!(" · <tspan fill=\"#c62828\">{failed}</tspan>"));
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10.5\" \
             fill=\"#555555\">{what}{}</text>",
            y + 12.5,
            failed.unwrap_or_default()
        );
    }
}

/// Points along an edge where what it says may stand, the middle first.
fn places(curves: &[Curve]) -> Vec<Point> {
    const SHARES: [f64; 9] = [0.5, 0.6, 0.4, 0.7, 0.3, 0.77, 0.23, 0.83, 0.17];
    let middle = curves.len() / 2;
    let mut order: Vec<usize> = (0..curves.len()).collect();
    order.sort_by_key(|&index| (index.abs_diff(middle), index));
    // Between bends a curve is a straight line through a layer: labels stand between layers.
    let between = order.into_iter().filter(|index| index % 2 == 0);
    between.flat_map(|index| SHARES.map(|share| point(&curves[index], share))).collect()
}

fn point([a, b, c, d]: &Curve, share: f64) -> Point {
    let rest = 1.0 - share;
    let weights = [
        rest * rest * rest,
        3.0 * rest * rest * share,
        3.0 * rest * share * share,
        share * share * share,
    ];
    let mix = |of: fn(&Point) -> f64| {
        [a, b, c, d].iter().zip(weights).map(|(point, weight)| of(point) * weight).sum()
    };
    (mix(|point| point.0), mix(|point| point.1))
}

/// Grey where all is well, orange from the first failure on, red from one in ten.
fn color(failures: u64, requests: u64) -> &'static str {
    match (failures, failures.saturating_mul(10) >= requests) {
        (0, _) => "#90a4ae",
        (_, false) => "#ef8a3c",
        (_, true) => "#c62828",
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
