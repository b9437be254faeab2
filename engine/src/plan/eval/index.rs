//! The filters of all rules as one tree: what they have in common is asked once.
//!
//! A filter is a conjunction; its conditions are put in one order, and filters that begin with the
//! same conditions share them. Where many branches of a node ask one column for a text, the text
//! of a row says which branch it takes, so that a row costs as much among a thousand filters as
//! among ten. Bounds of one column stand in a row: what fails a weak one is not asked for a
//! stronger one. Must not change what a filter means; a property test holds it to single rows.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::vector::Evaluator;
use crate::limits::{FILTER_LOOKUP_MIN, FILTER_TREE_DEPTH_MAX};
use crate::model::{Batch, Cell, Column, Symbol, Symbols, Value};
use crate::plan::expr::{BinaryOp, Expr};

/// The rows of a batch that filters keep.
#[derive(Debug, Clone, Default)]
pub struct Selections {
    /// By filter: where its rows are.
    ranges: Vec<(u32, u32)>,
    rows: Vec<u32>,
    /// Filters with rows, ascending.
    hits: Vec<u32>,
}

impl Selections {
    /// The rows of a filter, ascending.
    pub fn of(&self, filter: u32) -> &[u32] {
        self.ranges
            .get(filter as usize)
            .map_or(&[], |(from, to)| &self.rows[*from as usize..*to as usize])
    }

    /// The filters that keep any row, ascending.
    pub fn hits(&self) -> &[u32] {
        &self.hits
    }

    fn add(&mut self, filter: u32, rows: &[u32]) {
        let from = self.rows.len() as u32;
        self.rows.extend_from_slice(rows);
        self.ranges[filter as usize] = (from, self.rows.len() as u32);
        self.hits.push(filter);
    }
}

/// What an index asks by lookup and in order, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexSummary {
    /// Column and number of distinct texts that are looked up, by place of the first lookup.
    pub lookups: Vec<(u32, usize)>,
    /// Column and number of bounds that stand in order.
    pub bounds: Vec<(u32, usize)>,
    /// Distinct conditions that are asked one by one.
    pub single: usize,
}

/// A condition and what follows where it holds.
struct Edge {
    condition: Expr,
    node: u32,
}

/// Branches of a node that one column's text decides.
struct Lookup {
    column: u32,
    /// Branches by text.
    texts: BTreeMap<Arc<str>, SmallVec<[u32; 1]>>,
    /// The same by symbol of the table at hand; looked up only, never iterated.
    symbols: HashMap<Symbol, SmallVec<[u32; 1]>, FixedState>,
}

#[derive(Default)]
struct Node {
    /// Filters whose conditions all hold here.
    filters: Vec<u32>,
    lookups: Vec<Lookup>,
    /// Conditions of one column and direction, each implied by the next.
    bounds: Vec<Vec<Edge>>,
    edges: Vec<Edge>,
}

/// The filters of one batch's columns, compiled; one a worker.
pub struct FilterIndex {
    filters: usize,
    nodes: Vec<Node>,
    /// The table that lookups know the symbols of.
    symbols: Option<Symbols>,
    /// By node: rows on their way into it.
    arriving: Vec<Vec<u32>>,
}

impl FilterIndex {
    /// Compiles filters.
    pub fn new(filters: &[Expr]) -> Self {
        let mut tree = Tree::default();
        let conditions: Vec<Vec<Condition>> = filters.iter().map(conditions).collect();
        let mut uses: BTreeMap<u32, usize> = BTreeMap::new();
        for condition in conditions.iter().flatten() {
            if let Kind::Texts(column, _) = condition.kind() {
                *uses.entry(column).or_default() += 1;
            }
        }
        for (filter, mut conditions) in conditions.into_iter().enumerate() {
            // Stable: what has no rank of its own stays in the order of the rule.
            conditions.sort_by_key(|condition| match condition.kind() {
                Kind::Texts(column, _) => (0, std::cmp::Reverse(uses[&column]), column),
                Kind::Bound(column, ..) => (1, std::cmp::Reverse(0), column),
                Kind::Other => (2, std::cmp::Reverse(0), 0),
            });
            tree.add(filter as u32, conditions);
        }
        let nodes: Vec<Node> = tree.nodes.into_iter().map(Node::new).collect();
        let arriving = vec![Vec::new(); nodes.len()];
        Self { filters: filters.len(), nodes, symbols: None, arriving }
    }

    /// What is asked by lookup and in order.
    pub fn summary(&self) -> IndexSummary {
        let mut summary = IndexSummary::default();
        let mut texts: BTreeMap<u32, std::collections::BTreeSet<&str>> = BTreeMap::new();
        let mut bounds: BTreeMap<u32, std::collections::BTreeSet<String>> = BTreeMap::new();
        let mut single = std::collections::BTreeSet::new();
        for node in &self.nodes {
            for lookup in &node.lookups {
                let known = texts.entry(lookup.column).or_default();
                known.extend(lookup.texts.keys().map(|text| &**text));
            }
            for edge in node.bounds.iter().flatten() {
                if let Kind::Bound(column, ..) = kind(&edge.condition) {
                    bounds.entry(column).or_default().insert(format!("{:?}", edge.condition));
                }
            }
            single.extend(node.edges.iter().map(|edge| format!("{:?}", edge.condition)));
        }
        summary.lookups = texts.into_iter().map(|(at, texts)| (at, texts.len())).collect();
        summary.bounds = bounds.into_iter().map(|(at, bounds)| (at, bounds.len())).collect();
        summary.single = single.len();
        summary
    }

    /// The rows of a batch where each filter is true.
    pub(super) fn select(&mut self, evaluator: &mut Evaluator, batch: &Batch) -> Selections {
        self.adopt(&batch.symbols);
        let mut out = Selections { ranges: vec![(0, 0); self.filters], ..Selections::default() };
        if self.filters > 0 && batch.rows > 0 {
            let mut all = evaluator.spare();
            all.extend(0..batch.rows as u32);
            visit((&self.nodes, &mut self.arriving), 0, &all, (evaluator, batch), &mut out);
            evaluator.give_back(all);
            out.hits.sort_unstable();
        }
        out
    }

    /// Makes the texts of lookups symbols of a table.
    fn adopt(&mut self, symbols: &Symbols) {
        if self.symbols.as_ref().is_some_and(|known| Rc::ptr_eq(known, symbols)) {
            return;
        }
        let mut table = symbols.borrow_mut();
        for lookup in self.nodes.iter_mut().flat_map(|node| &mut node.lookups) {
            let of = |(text, nodes): (&Arc<str>, &SmallVec<[u32; 1]>)| {
                (table.intern(text), nodes.clone())
            };
            lookup.symbols = lookup.texts.iter().map(of).collect();
        }
        drop(table);
        self.symbols = Some(Rc::clone(symbols));
    }
}

/// Follows the rows that have come to a node.
fn visit(
    (nodes, arriving): (&[Node], &mut Vec<Vec<u32>>),
    at: usize,
    rows: &[u32],
    (evaluator, batch): (&mut Evaluator, &Batch),
    out: &mut Selections,
) {
    let node = &nodes[at];
    node.filters.iter().for_each(|filter| out.add(*filter, rows));
    for lookup in &node.lookups {
        for next in lookup.deal(rows, batch, arriving) {
            let rows = std::mem::take(&mut arriving[next as usize]);
            visit((nodes, &mut *arriving), next as usize, &rows, (&mut *evaluator, batch), out);
            arriving[next as usize] = rows;
            arriving[next as usize].clear();
        }
    }
    let chains = node.bounds.iter().map(|edges| (edges.as_slice(), true));
    for (edges, is_chain) in chains.chain([(node.edges.as_slice(), false)]) {
        let mut kept = evaluator.spare();
        kept.extend_from_slice(rows);
        for edge in edges {
            if !is_chain {
                kept.clear();
                kept.extend_from_slice(rows);
            }
            evaluator.filter(&edge.condition, batch, &mut kept);
            if !kept.is_empty() {
                let next = edge.node as usize;
                visit((nodes, &mut *arriving), next, &kept, (&mut *evaluator, batch), out);
            } else if is_chain {
                break;
            }
        }
        evaluator.give_back(kept);
    }
}

impl Lookup {
    /// Deals rows to the branches that their texts name; those that got any.
    fn deal(&self, rows: &[u32], batch: &Batch, arriving: &mut [Vec<u32>]) -> Vec<u32> {
        let mut touched: Vec<u32> = Vec::new();
        // Items of one sender come together: the text is mostly the one before.
        let (mut last, mut branches): (Option<Symbol>, &[u32]) = (None, &[]);
        let mut deal = |row: u32, symbol: Symbol| {
            if last != Some(symbol) {
                last = Some(symbol);
                branches = self.symbols.get(&symbol).map_or(&[], |nodes| &nodes[..]);
            }
            for node in branches {
                let arriving = &mut arriving[*node as usize];
                if arriving.is_empty() {
                    touched.push(*node);
                }
                arriving.push(row);
            }
        };
        match batch.columns.get(self.column as usize) {
            Some(Column::Symbols(v)) => rows.iter().for_each(|row| deal(*row, v[*row as usize])),
            Some(Column::Cells(v)) => rows.iter().for_each(|row| {
                if let Cell::Str(symbol) = v[*row as usize] {
                    deal(*row, symbol);
                }
            }),
            _ => {} // a text equals nothing else
        }
        touched
    }
}

/// What a condition lets the index do.
enum Kind {
    /// The column is one of some texts.
    Texts(u32, SmallVec<[Arc<str>; 1]>),
    /// The column is on one side of a constant: whether above, kind and value of the constant.
    Bound(u32, bool, u8, i64),
    Other,
}

fn kind(expr: &Expr) -> Kind {
    match expr {
        Expr::Binary(op, column, constant) => match (&**column, &**constant) {
            (Expr::Column(at), Expr::Const(constant)) => of_constant(*op, *at, constant),
            _ => Kind::Other,
        },
        Expr::In(column, list) => match &**column {
            Expr::Column(at) if !list.is_empty() => {
                let text = |value: &Value| match value {
                    Value::Str(text) => Some(Arc::clone(text)),
                    _ => None,
                };
                let texts: Option<SmallVec<_>> = list.iter().map(text).collect();
                texts.map_or(Kind::Other, |texts| Kind::Texts(*at, texts))
            }
            _ => Kind::Other,
        },
        _ => Kind::Other,
    }
}

fn of_constant(op: BinaryOp, at: u32, constant: &Value) -> Kind {
    let (kind, bound) = match constant {
        Value::Str(text) if op == BinaryOp::Eq => {
            return Kind::Texts(at, SmallVec::from_elem(Arc::clone(text), 1));
        }
        Value::Int(bound) => (0, *bound),
        Value::Duration(bound) => (1, *bound),
        Value::Time(bound) => (2, *bound),
        Value::Size(bound) => (3, *bound),
        _ => return Kind::Other,
    };
    match op {
        BinaryOp::Gt | BinaryOp::Ge => Kind::Bound(at, true, kind, bound),
        BinaryOp::Lt | BinaryOp::Le => Kind::Bound(at, false, kind, bound),
        _ => Kind::Other,
    }
}

/// One condition of a conjunction.
struct Condition(Expr);

impl Condition {
    fn kind(&self) -> Kind {
        kind(&self.0)
    }
}

/// The conditions of a filter; beyond the bound of depth the rest is one.
fn conditions(filter: &Expr) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut open = vec![filter];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Binary(BinaryOp::And, a, b)
                if conditions.len() + open.len() + 2 <= FILTER_TREE_DEPTH_MAX =>
            {
                open.extend([&**b, &**a]);
            }
            Expr::Const(Value::Bool(true)) => {}
            expr => conditions.push(Condition(expr.clone())),
        }
    }
    conditions
}

/// The tree while it grows: branches by condition, in the order in which filters came.
#[derive(Default)]
struct Tree {
    nodes: Vec<(Vec<u32>, Vec<Edge>)>,
    /// Looked up only, never iterated.
    known: HashMap<(u32, Expr), u32, FixedState>,
}

impl Tree {
    fn add(&mut self, filter: u32, conditions: Vec<Condition>) {
        if self.nodes.is_empty() {
            self.nodes.push(Default::default());
        }
        let mut at = 0;
        for Condition(condition) in conditions {
            let key = (at, condition);
            at = match self.known.get(&key) {
                Some(node) => *node,
                None => {
                    let node = self.nodes.len() as u32;
                    self.nodes.push(Default::default());
                    let (from, condition) = key.clone();
                    self.nodes[from as usize].1.push(Edge { condition, node });
                    self.known.insert(key, node);
                    node
                }
            };
        }
        self.nodes[at as usize].0.push(filter);
    }
}

/// A constant, whether it is itself left out, and the branch.
type Bound = (i64, bool, Edge);

impl Node {
    fn new((filters, all): (Vec<u32>, Vec<Edge>)) -> Self {
        let mut node = Self { filters, ..Self::default() };
        let mut by_column: BTreeMap<u32, Vec<Edge>> = BTreeMap::new();
        let mut by_bound: BTreeMap<(u32, bool, u8), Vec<Bound>> = BTreeMap::new();
        for edge in all {
            match kind(&edge.condition) {
                Kind::Texts(column, _) => by_column.entry(column).or_default().push(edge),
                Kind::Bound(column, is_above, kind, bound) => {
                    // Of two at one place the one that includes it is the weaker.
                    let Expr::Binary(op, ..) = &edge.condition else { continue };
                    let is_strict = matches!(op, BinaryOp::Gt | BinaryOp::Lt);
                    let chain = by_bound.entry((column, is_above, kind)).or_default();
                    chain.push((bound, is_strict, edge));
                }
                Kind::Other => node.edges.push(edge),
            }
        }
        for (column, edges) in by_column {
            node.decide(column, edges);
        }
        for ((_, is_above, _), mut chain) in by_bound {
            chain.sort_by_key(|(bound, is_strict, _)| {
                (if is_above { *bound } else { !*bound }, *is_strict)
            });
            node.bounds.push(chain.into_iter().map(|(_, _, edge)| edge).collect());
        }
        node
    }

    /// Makes branches by one column's text a lookup, where they are enough for that.
    fn decide(&mut self, column: u32, edges: Vec<Edge>) {
        let mut texts: BTreeMap<Arc<str>, SmallVec<[u32; 1]>> = BTreeMap::new();
        for edge in &edges {
            if let Kind::Texts(_, own) = kind(&edge.condition) {
                for text in own {
                    let nodes = texts.entry(text).or_default();
                    if !nodes.contains(&edge.node) {
                        nodes.push(edge.node);
                    }
                }
            }
        }
        if edges.len() < FILTER_LOOKUP_MIN {
            self.edges.extend(edges);
            return;
        }
        let symbols = HashMap::with_hasher(FixedState::with_seed(0));
        self.lookups.push(Lookup { column, texts, symbols });
    }
}
