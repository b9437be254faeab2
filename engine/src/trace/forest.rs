//! Who is whose parent: the spans of one trace as a forest.
//!
//! Invariant: every span that stands (is no duplicate) is in exactly one tree, whatever ids the
//! senders wrote. Missing parents, duplicates and loops are counted and told apart, never lost.
//! Must not know times: the order of spans is given.

/// No span.
const NONE: u32 = u32::MAX;

/// Spans up to which ids are looked for one by one: sorting them would take longer.
const FEW: usize = 8;

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

/// The forest of one trace. Spans are named by their place in the order they were given in.
#[derive(Debug, Clone, Default)]
pub struct Forest {
    roles: Vec<Role>,
    parents: Vec<u32>,
    /// Where the children of each span begin in `children`; one more entry than spans.
    child_starts: Vec<u32>,
    children: Vec<u32>,
    roots: Vec<u32>,
    preorder: Vec<u32>,
    /// Place of each span in `preorder`.
    places: Vec<u32>,
    /// Spans of each span's tree, itself among them.
    sizes: Vec<u32>,
    depths: Vec<u32>,
    depth: u32,
    proper_roots: u32,
    orphans: u32,
    duplicates: u32,
    loops: u32,
    by_id: Vec<(u64, u32)>,
    /// Marks of the walk that finds loops; later the queue of the walk down.
    scratch: Vec<u32>,
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
        self.find_parents(ids, parent_ids);
        self.break_loops();
        self.list_children();
        self.walk_down();
        self.number();
    }

    /// The first span of each id stands. A span without an id is nobody's duplicate or parent.
    fn find_duplicates(&mut self, ids: &[u64]) {
        self.roles.clear();
        self.roles.resize(ids.len(), Role::Root);
        self.by_id.clear();
        self.duplicates = 0;
        if ids.len() <= FEW {
            for (at, id) in ids.iter().enumerate() {
                if *id != 0 && ids[..at].contains(id) {
                    self.roles[at] = Role::Duplicate;
                    self.duplicates += 1;
                }
            }
            return;
        }
        let known = ids.iter().enumerate().filter(|(_, id)| **id != 0);
        self.by_id.extend(known.map(|(index, &id)| (id, index as u32)));
        self.by_id.sort_unstable();
        let roles = &mut self.roles;
        let all = self.by_id.len();
        self.by_id.dedup_by(|later, first| {
            let is_duplicate = later.0 == first.0;
            if is_duplicate {
                roles[later.1 as usize] = Role::Duplicate;
            }
            is_duplicate
        });
        self.duplicates = (all - self.by_id.len()) as u32;
    }

    /// The span that stands for an id.
    fn find(&self, ids: &[u64], id: u64) -> Option<u32> {
        if ids.len() <= FEW {
            return ids.iter().position(|known| *known == id).map(|at| at as u32);
        }
        let place = self.by_id.binary_search_by_key(&id, |&(id, _)| id);
        place.ok().map(|place| self.by_id[place].1)
    }

    fn find_parents(&mut self, ids: &[u64], parent_ids: &[u64]) {
        self.parents.clear();
        self.parents.resize(parent_ids.len(), NONE);
        (self.orphans, self.proper_roots) = (0, 0);
        for (index, &parent_id) in parent_ids.iter().enumerate() {
            if self.roles[index] == Role::Duplicate {
                continue;
            }
            if parent_id == 0 {
                self.proper_roots += 1;
                continue;
            }
            match self.find(ids, parent_id) {
                Some(parent) => {
                    self.parents[index] = parent;
                    self.roles[index] = Role::Child;
                }
                None => {
                    self.roles[index] = Role::Orphan;
                    self.orphans += 1;
                }
            }
        }
    }

    /// Walks up from each span until a walk meets itself: that loop loses the parent of its
    /// first span.
    fn break_loops(&mut self) {
        self.loops = 0;
        let is_before = |(at, parent): (usize, &u32)| *parent == NONE || (*parent as usize) < at;
        if self.parents.iter().enumerate().all(is_before) {
            return; // who comes after their parent is in no loop
        }
        let marks = &mut self.scratch;
        marks.clear();
        marks.resize(self.parents.len(), NONE);
        for first in 0..self.parents.len() as u32 {
            let mut at = first;
            while at != NONE && marks[at as usize] == NONE {
                marks[at as usize] = first;
                at = self.parents[at as usize];
            }
            if at == NONE || marks[at as usize] != first {
                continue;
            }
            let (mut head, mut next) = (at, self.parents[at as usize]);
            while next != at {
                head = head.min(next);
                next = self.parents[next as usize];
            }
            self.parents[head as usize] = NONE;
            self.roles[head as usize] = Role::LoopHead;
            self.loops += 1;
        }
    }

    fn list_children(&mut self) {
        let spans = self.parents.len();
        self.child_starts.clear();
        self.child_starts.resize(spans + 1, 0);
        self.roots.clear();
        for (index, &parent) in self.parents.iter().enumerate() {
            if parent != NONE {
                self.child_starts[parent as usize + 1] += 1;
            } else if self.roles[index] != Role::Duplicate {
                self.roots.push(index as u32);
            }
        }
        for index in 0..spans {
            self.child_starts[index + 1] += self.child_starts[index];
        }
        self.children.clear();
        self.children.resize(self.child_starts[spans] as usize, 0);
        let ends = &mut self.scratch;
        ends.clear();
        ends.extend_from_slice(&self.child_starts[..spans]);
        for (index, &parent) in self.parents.iter().enumerate() {
            if parent != NONE {
                let end = &mut ends[parent as usize];
                self.children[*end as usize] = index as u32;
                *end += 1;
            }
        }
    }

    /// Depths from the roots down, then sizes from the leaves up.
    fn walk_down(&mut self) {
        let spans = self.parents.len();
        self.depths.clear();
        self.depths.resize(spans, 0);
        self.sizes.clear();
        self.sizes.resize(spans, 1);
        let queue = &mut self.scratch;
        queue.clear();
        queue.extend_from_slice(&self.roots);
        let mut at = 0;
        while let Some(&span) = queue.get(at) {
            let (from, to) = range(&self.child_starts, span);
            for &child in &self.children[from..to] {
                self.depths[child as usize] = self.depths[span as usize] + 1;
                queue.push(child);
            }
            at += 1;
        }
        self.depth = queue.last().map_or(0, |&span| self.depths[span as usize] + 1);
        for &span in queue.iter().rev() {
            let parent = self.parents[span as usize];
            if parent != NONE {
                self.sizes[parent as usize] += self.sizes[span as usize];
            }
        }
    }

    /// Places in preorder: a parent's is known when the queue reaches its children.
    fn number(&mut self) {
        let standing = self.scratch.len();
        self.places.clear();
        self.places.resize(self.parents.len(), NONE);
        self.preorder.clear();
        self.preorder.resize(standing, 0);
        let mut place = 0;
        for &root in &self.roots {
            self.places[root as usize] = place;
            place += self.sizes[root as usize];
        }
        for &span in &self.scratch {
            let mut place = self.places[span as usize];
            self.preorder[place as usize] = span;
            place += 1;
            let (from, to) = range(&self.child_starts, span);
            for &child in &self.children[from..to] {
                self.places[child as usize] = place;
                place += self.sizes[child as usize];
            }
        }
    }

    /// Number of spans given, duplicates among them.
    pub fn len(&self) -> usize {
        self.roles.len()
    }

    /// Whether there are no spans.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// How a span hangs in the forest.
    pub fn role(&self, span: u32) -> Role {
        self.roles[span as usize]
    }

    /// The parent of a span, if the trace has it.
    pub fn parent(&self, span: u32) -> Option<u32> {
        Some(self.parents[span as usize]).filter(|&parent| parent != NONE)
    }

    /// The children of a span, in order.
    pub fn children(&self, span: u32) -> &[u32] {
        let (from, to) = range(&self.child_starts, span);
        &self.children[from..to]
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
        Some(self.places[span as usize]).filter(|&place| place != NONE)
    }

    /// Number of spans in the tree below a span, itself among them.
    pub fn size(&self, span: u32) -> u32 {
        self.sizes[span as usize]
    }

    /// Steps from a span up to the root of its tree.
    pub fn depth_of(&self, span: u32) -> u32 {
        self.depths[span as usize]
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

fn range(starts: &[u32], span: u32) -> (usize, usize) {
    (starts[span as usize] as usize, starts[span as usize + 1] as usize)
}
