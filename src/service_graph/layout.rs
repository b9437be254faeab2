//! Where nodes stand: layers from left to right, few crossings, short edges.
//!
//! The way of Sugiyama, Tagawa and Toda (1981): edges that close a cycle are turned round, nodes
//! go one layer behind the last of those that ask them, an edge over several layers gets a bend in
//! each, layers are ordered by the barycentres of their neighbours, and heights follow those of
//! neighbours as far as the order lets them. Every choice has a fixed order, so equal graphs look
//! equal.

use super::place::settle;

/// Times that layers are ordered by their neighbours, to and fro.
const ORDER_SWEEPS: usize = 12;

/// Times that heights follow those of neighbours, to and fro.
const HEIGHT_SWEEPS: usize = 12;

/// Height of a bend, pixels.
const BEND_HEIGHT: f64 = 26.0;

/// Pixels between two items of a layer.
const GAP: f64 = 20.0;

/// What is laid out: sizes of nodes, and edges between them.
pub(super) struct Plan<'a> {
    pub(super) heights: &'a [f64],
    pub(super) edges: &'a [(usize, usize)],
}

/// Where everything is.
pub(super) struct Layout {
    /// Layer of each node.
    pub(super) layers: Vec<usize>,
    /// Middle of each node.
    pub(super) centers: Vec<f64>,
    /// For each edge the layers and heights of its bends, from client to server.
    pub(super) bends: Vec<Vec<(usize, f64)>>,
    /// Height of all.
    pub(super) height: f64,
}

/// A node, or a bend of an edge.
struct Item {
    layer: usize,
    height: f64,
    center: f64,
    left: Vec<usize>,
    right: Vec<usize>,
}

pub(super) fn layout(plan: &Plan) -> Layout {
    let forward = forward_edges(plan);
    let layers = layers(plan.heights.len(), &forward);
    let mut items: Vec<Item> = (layers.iter().zip(plan.heights))
        .map(|(&layer, &height)| Item { layer, height, center: 0.0, left: vec![], right: vec![] })
        .collect();
    let chains: Vec<Vec<usize>> = forward.iter().map(|&edge| chain(edge, &mut items)).collect();
    let mut order: Vec<Vec<usize>> =
        vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
    for (index, item) in items.iter().enumerate() {
        order[item.layer].push(index);
    }
    reorder(&items, &mut order);
    place(&mut items, &order);
    let top = items.iter().map(|item| item.center - item.height / 2.0).fold(f64::MAX, f64::min);
    items.iter_mut().for_each(|item| item.center -= top);
    let bends = plan.edges.iter().zip(&chains).map(|(&(from, to), chain)| {
        let mut bends: Vec<(usize, f64)> =
            chain.iter().map(|&item| (items[item].layer, items[item].center)).collect();
        // A chain goes to the right; the edge may not.
        if layers[from] > layers[to] {
            bends.reverse();
        }
        bends
    });
    let bends = bends.collect();
    let height = items.iter().map(|item| item.center + item.height / 2.0).fold(0.0, f64::max);
    let centers = items[..plan.heights.len()].iter().map(|item| item.center).collect();
    Layout { layers, centers, bends, height }
}

/// The edges with those that close a cycle turned round; loops stay as they are.
fn forward_edges(plan: &Plan) -> Vec<(usize, usize)> {
    let nodes = plan.heights.len();
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut asked = vec![0; nodes];
    for &(from, to) in plan.edges.iter().filter(|(from, to)| from != to) {
        out[from].push(to);
        asked[to] += 1;
    }
    // Those whom nobody asks come first: from them on, all goes to the right.
    let mut starts: Vec<usize> = (0..nodes).collect();
    starts.sort_by_key(|&node| asked[node] > 0);
    let mut rank = vec![usize::MAX; nodes];
    let mut is_seen = vec![false; nodes];
    let mut next = nodes;
    for start in starts {
        let mut stack = vec![(start, 0)];
        while let Some((node, child)) = stack.pop() {
            if child == 0 && std::mem::replace(&mut is_seen[node], true) {
                continue;
            }
            match out[node].get(child) {
                Some(&to) => {
                    stack.push((node, child + 1));
                    if !is_seen[to] {
                        stack.push((to, 0));
                    }
                }
                None => {
                    // Nodes end after all that they reach: the order of ends is topological.
                    next -= 1;
                    rank[node] = next;
                }
            }
        }
    }
    let turned = |&(from, to): &(usize, usize)| {
        if rank[from] <= rank[to] { (from, to) } else { (to, from) }
    };
    plan.edges.iter().map(turned).collect()
}

/// One layer behind the last of those that ask.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0; nodes];
    for _ in 0..nodes {
        let mut is_still = true;
        for &(from, to) in edges.iter().filter(|(from, to)| from != to) {
            if layers[to] <= layers[from] {
                layers[to] = layers[from] + 1;
                is_still = false;
            }
        }
        if is_still {
            break;
        }
    }
    layers
}

/// Links the ends of an edge by bends, one for each layer between; the bends.
fn chain((from, to): (usize, usize), items: &mut Vec<Item>) -> Vec<usize> {
    let mut bends = Vec::new();
    if from == to {
        return bends;
    }
    let mut last = from;
    for layer in items[from].layer + 1..items[to].layer {
        let bend = items.len();
        let (height, center) = (BEND_HEIGHT, 0.0);
        items.push(Item { layer, height, center, left: vec![], right: vec![] });
        link(last, bend, items);
        bends.push(bend);
        last = bend;
    }
    link(last, to, items);
    bends
}

fn link(left: usize, right: usize, items: &mut [Item]) {
    items[left].right.push(right);
    items[right].left.push(left);
}

/// Orders layers by barycentres, to and fro, and keeps the order with the fewest crossings.
fn reorder(items: &[Item], order: &mut Vec<Vec<usize>>) {
    let mut places = vec![0.0; items.len()];
    let note = |layer: &[usize], places: &mut [f64]| {
        layer.iter().enumerate().for_each(|(place, &item)| places[item] = place as f64);
    };
    order.iter().for_each(|layer| note(layer, &mut places));
    let mut best = (crossings(items, order, &places), order.clone());
    for sweep in 0..ORDER_SWEEPS {
        let to_right = sweep % 2 == 0;
        for step in 1..order.len() {
            let layer = if to_right { step } else { order.len() - 1 - step };
            let mean = |item: usize| {
                let near = if to_right { &items[item].left } else { &items[item].right };
                match near.len() {
                    0 => places[item],
                    count => near.iter().map(|&n| places[n]).sum::<f64>() / count as f64,
                }
            };
            let mut keyed: Vec<(f64, usize)> =
                order[layer].iter().map(|&item| (mean(item), item)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            order[layer] = keyed.into_iter().map(|(_, item)| item).collect();
            note(&order[layer], &mut places);
        }
        let crossed = crossings(items, order, &places);
        if crossed < best.0 {
            best = (crossed, order.clone());
        }
    }
    *order = best.1;
}

/// Pairs of edges between neighbouring layers that cross.
fn crossings(items: &[Item], order: &[Vec<usize>], places: &[f64]) -> usize {
    let mut count = 0;
    for layer in order {
        let mut ends: Vec<f64> = Vec::new();
        for &item in layer {
            let from = ends.len();
            for &right in &items[item].right {
                count += ends[..from].iter().filter(|&&end| end > places[right]).count();
                ends.push(places[right]);
            }
        }
    }
    count
}

/// Heights: each item wants to stand where its neighbours do on average.
fn place(items: &mut [Item], order: &[Vec<usize>]) {
    for layer in order {
        let wanted = vec![0.0; layer.len()];
        set(items, layer, &wanted);
    }
    for sweep in 0..HEIGHT_SWEEPS {
        let to_right = sweep % 2 == 0;
        for step in 0..order.len() {
            let layer = &order[if to_right { step } else { order.len() - 1 - step }];
            let wanted: Vec<f64> = layer
                .iter()
                .map(|&item| {
                    let (left, right) = (&items[item].left, &items[item].right);
                    let near = match (to_right, left.is_empty(), right.is_empty()) {
                        (true, false, _) | (false, _, true) => left,
                        _ => right,
                    };
                    match near.len() {
                        0 => items[item].center,
                        count => near.iter().map(|&n| items[n].center).sum::<f64>() / count as f64,
                    }
                })
                .collect();
            set(items, layer, &wanted);
        }
    }
}

fn set(items: &mut [Item], layer: &[usize], wanted: &[f64]) {
    let heights: Vec<f64> = layer.iter().map(|&item| items[item].height + GAP).collect();
    for (&item, center) in layer.iter().zip(settle(wanted, &heights)) {
        items[item].center = center;
    }
}
