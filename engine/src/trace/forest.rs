//! Who is whose parent: the spans of one trace as a forest.
//!
//! Invariant: every span that stands (is no duplicate) is in exactly one tree, whatever ids the
//! senders wrote. Missing parents, duplicates and loops are counted and told apart, never lost.
//! Must not know times: the order of spans is given.

/// No span.
const NONE: u32 = u32::MAX;

/// Spans up to which ids are looked for in a table of places; sorted ids cannot be made to collide.
const FEW: usize = 64;

/// Places in that table for each span, at least.
const ROOM: usize = 4;

/// Nobody's place in that table.
const VACANT: u8 = u8::MAX;

/// How a span hangs in its forest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It names no parent.
    Root,
    /// Its parent is in the trace.
    Child,
    /// It names a parent that is not in the trace; the root of a tree.
    Orphan,
    /// The first span of a loop of parents, in the trace's order; the root of a tree.
    LoopHead,
    /// An earlier span has its id; it is in no tree.
    Duplicate,
}

/// A span in its forest.
#[derive(Debug, Clone, Copy)]
struct Node {
    role: Role,
    parent: u32,
    /// Where its children begin among those of all, and how many there are.
    first_child: u32,
    children: u32,
    /// Place in the preorder, and that of the next child while places are given.
    place: u32,
    next_place: u32,
    /// Spans of its tree, itself among them.
    size: u32,
    depth: u32,
}

impl Node {
    fn new(role: Role, parent: u32) -> Self {
        let (first_child, children, place, next_place) = (0, 0, NONE, 0);
        Self { role, parent, first_child, children, place, next_place, size: 1, depth: 0 }
    }
}

/// The forest of one trace. Spans are named by their place in the order they were given in.
#[derive(Debug, Clone, Default)]
pub struct Forest {
    nodes: Vec<Node>,
    children: Vec<u32>,
    roots: Vec<u32>,
    preorder: Vec<u32>,
    depth: u32,
    proper_roots: u32,
    orphans: u32,
    duplicates: u32,
    loops: u32,
    /// By hash of an id, in small traces: the first span that has it.
    table: Table,
    /// By id, in others.
    by_id: Vec<(u64, u32)>,
    /// Marks of the walk that finds loops; later spans with parents first.
    scratch: Vec<u32>,
}

/// Spans by id.
#[derive(Debug, Clone)]
struct Table([u8; FEW * ROOM]);

impl Default for Table {
    fn default() -> Self {
        Self([VACANT; FEW * ROOM])
    }
}

/// Places for so many spans: a power of two.
fn table_size(spans: usize) -> usize {
    (spans * ROOM).next_power_of_two()
}

impl Forest {
    /// Makes the forest of a trace: its span ids and the ids of their parents, 0 for none. What
    /// was here before is forgotten, its memory kept.
    ///
    /// # Panics
    /// If the lists differ in length, or hold 2^32 − 1 spans or more.
    pub fn build(&mut self, ids: &[u64], parent_ids: &[u64]) {
        assert_eq!(ids.len(), parent_ids.len(), "an id and a parent for each span");
        assert!(ids.len() < NONE as usize, "spans are numbered by 32 bits");
        self.find_duplicates(ids);
        let is_ordered = self.find_parents(ids, parent_ids);
        self.loops = 0;
        if !is_ordered {
            self.break_loops();
        }
        self.list_children();
        if is_ordered {
            self.give_places(0..ids.len() as u32);
        } else {
            let order = self.parents_first();
            self.give_places(order.iter().copied());
            self.scratch = order;
        }
    }

    /// The first span of each id stands. A span without an id is nobody's duplicate or parent.
    fn find_duplicates(&mut self, ids: &[u64]) {
        self.nodes.clear();
        self.duplicates = 0;
        if ids.len() <= FEW {
            self.table.0[..table_size(ids.len())].fill(VACANT);
            for (at, &id) in ids.iter().enumerate() {
                let place = self.table_place(ids, id);
                let is_duplicate = self.table.0[place] != VACANT && id != 0;
                let role = if is_duplicate { Role::Duplicate } else { Role::Root };
                self.duplicates += u32::from(is_duplicate);
                self.nodes.push(Node::new(role, NONE));
                if !is_duplicate && id != 0 {
                    self.table.0[place] = at as u8;
                }
            }
            return;
        }
        self.nodes.resize(ids.len(), Node::new(Role::Root, NONE));
        self.by_id.clear();
        let known = ids.iter().enumerate().filter(|(_, id)| **id != 0);
        self.by_id.extend(known.map(|(index, &id)| (id, index as u32)));
        self.by_id.sort_unstable();
        let nodes = &mut self.nodes;
        let all = self.by_id.len();
        self.by_id.dedup_by(|later, first| {
            let is_duplicate = later.0 == first.0;
            if is_duplicate {
                nodes[later.1 as usize].role = Role::Duplicate;
            }
            is_duplicate
        });
        self.duplicates = (all - self.by_id.len()) as u32;
    }

    /// The span that stands for an id.
    fn find(&self, ids: &[u64], id: u64) -> Option<u32> {
        if ids.len() <= FEW {
            let found = self.table.0[self.table_place(ids, id)];
            return (found != VACANT).then_some(found.into());
        }
        let place = self.by_id.binary_search_by_key(&id, |&(id, _)| id);
        place.ok().map(|place| self.by_id[place].1)
    }

    /// Where the table has an id, or has room for it.
    fn table_place(&self, ids: &[u64], id: u64) -> usize {
        let mask = table_size(ids.len()) - 1;
        let mut place = (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.table.0[place] != VACANT && ids[usize::from(self.table.0[place])] != id {
            place = (place + 1) & mask;
        }
        place
    }

    /// Returns whether every span comes after its parent, so that none is in a loop.
    fn find_parents(&mut self, ids: &[u64], parent_ids: &[u64]) -> bool {
        (self.orphans, self.proper_roots) = (0, 0);
        let mut is_ordered = true;
        for (index, &parent_id) in parent_ids.iter().enumerate() {
            if self.nodes[index].role == Role::Duplicate {
                continue;
            }
            if parent_id == 0 {
                self.proper_roots += 1;
                continue;
            }
            match self.find(ids, parent_id) {
                Some(parent) => {
                    is_ordered &= (parent as usize) < index;
                    self.nodes[index].parent = parent;
                    self.nodes[index].role = Role::Child;
                }
                None => {
                    self.nodes[index].role = Role::Orphan;
                    self.orphans += 1;
                }
            }
        }
        is_ordered
    }

    /// Walks up from each span until a walk meets itself: that loop loses the parent of its
    /// first span.
    fn break_loops(&mut self) {
        let marks = &mut self.scratch;
        marks.clear();
        marks.resize(self.nodes.len(), NONE);
        for first in 0..self.nodes.len() as u32 {
            let mut at = first;
            while at != NONE && marks[at as usize] == NONE {
                marks[at as usize] = first;
                at = self.nodes[at as usize].parent;
            }
            if at == NONE || marks[at as usize] != first {
                continue;
            }
            let (mut head, mut next) = (at, self.nodes[at as usize].parent);
            while next != at {
                head = head.min(next);
                next = self.nodes[next as usize].parent;
            }
            self.nodes[head as usize].parent = NONE;
            self.nodes[head as usize].role = Role::LoopHead;
            self.loops += 1;
        }
    }

    fn list_children(&mut self) {
        self.roots.clear();
        for index in 0..self.nodes.len() {
            let Node { parent, role, .. } = self.nodes[index];
            if parent != NONE {
                self.nodes[parent as usize].children += 1;
            } else if role != Role::Duplicate {
                self.roots.push(index as u32);
            }
        }
        let mut first = 0;
        for node in &mut self.nodes {
            node.first_child = first;
            first += std::mem::take(&mut node.children);
        }
        self.children.clear();
        self.children.resize(first as usize, 0);
        for index in 0..self.nodes.len() {
            let parent = self.nodes[index].parent;
            if parent != NONE {
                let parent = &mut self.nodes[parent as usize];
                self.children[(parent.first_child + parent.children) as usize] = index as u32;
                parent.children += 1;
            }
        }
    }

    /// Spans that stand, each after its parent.
    fn parents_first(&mut self) -> Vec<u32> {
        let mut order = std::mem::take(&mut self.scratch);
        order.clear();
        order.extend_from_slice(&self.roots);
        let mut at = 0;
        while let Some(&span) = order.get(at) {
            order.extend_from_slice(self.children(span));
            at += 1;
        }
        order
    }

    /// Sizes from the leaves up, then depths and places from the roots down: a parent's are known
    /// when its children come. The order has each span after its parent, children in order.
    fn give_places(&mut self, order: impl DoubleEndedIterator<Item = u32> + Clone) {
        let nodes = &mut self.nodes;
        for span in order.clone().rev() {
            let Node { parent, size, .. } = nodes[span as usize];
            if parent != NONE {
                nodes[parent as usize].size += size;
            }
        }
        self.preorder.clear();
        self.preorder.resize(nodes.len() - self.duplicates as usize, 0);
        self.depth = 0;
        let mut next_root = 0;
        for span in order {
            let Node { parent, size, role, .. } = nodes[span as usize];
            let (place, depth) = if parent != NONE {
                let parent = &mut nodes[parent as usize];
                let place = parent.next_place;
                parent.next_place += size;
                (place, parent.depth + 1)
            } else if role == Role::Duplicate {
                continue;
            } else {
                let place = next_root;
                next_root += size;
                (place, 0)
            };
            let node = &mut nodes[span as usize];
            (node.place, node.next_place, node.depth) = (place, place + 1, depth);
            self.preorder[place as usize] = span;
            self.depth = self.depth.max(depth + 1);
        }
    }

    /// Number of spans given, duplicates among them.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no spans.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How a span hangs in the forest.
    pub fn role(&self, span: u32) -> Role {
        self.nodes[span as usize].role
    }

    /// The parent of a span, if the trace has it.
    pub fn parent(&self, span: u32) -> Option<u32> {
        Some(self.nodes[span as usize].parent).filter(|&parent| parent != NONE)
    }

    /// The children of a span, in order.
    pub fn children(&self, span: u32) -> &[u32] {
        let Node { first_child, children, .. } = self.nodes[span as usize];
        &self.children[first_child as usize..][..children as usize]
    }

    /// The roots of all trees, in order: spans without a parent, orphans and heads of loops.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// The first span that names no parent: the root of the trace.
    pub fn root(&self) -> Option<u32> {
        self.roots.iter().copied().find(|&span| self.role(span) == Role::Root)
    }

    /// All spans that stand, each before its children and those before its next sibling.
    pub fn preorder(&self) -> &[u32] {
        &self.preorder
    }

    /// Place of a span in [`Forest::preorder`]; its descendants follow it there. `None` for a
    /// duplicate.
    pub fn place(&self, span: u32) -> Option<u32> {
        Some(self.nodes[span as usize].place).filter(|&place| place != NONE)
    }

    /// Number of spans in the tree below a span, itself among them.
    pub fn size(&self, span: u32) -> u32 {
        self.nodes[span as usize].size
    }

    /// Steps from a span up to the root of its tree.
    pub fn depth_of(&self, span: u32) -> u32 {
        self.nodes[span as usize].depth
    }

    /// Spans on the longest way from a root to a leaf; 0 for no spans.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Number of spans that name no parent.
    pub fn root_count(&self) -> u32 {
        self.proper_roots
    }

    /// Number of spans whose parent is not in the trace.
    pub fn orphan_count(&self) -> u32 {
        self.orphans
    }

    /// Number of spans that repeat the id of an earlier one.
    pub fn duplicate_count(&self) -> u32 {
        self.duplicates
    }

    /// Number of loops of parents that were broken.
    pub fn loop_count(&self) -> u32 {
        self.loops
    }

    /// Whether all spans hang below one root: nothing is known to be missing.
    pub fn is_complete(&self) -> bool {
        self.proper_roots == 1 && self.orphans == 0 && self.loops == 0
    }
}
