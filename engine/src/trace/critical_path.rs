//! The critical path: which span the trace was waiting for, at each moment.
//!
//! Defined as Jaeger's UI does (`TracePage/CriticalPath`). The walk goes backwards from the end of
//! a root: it descends into the child that ends last, and where a span has no such child goes back
//! to its parent, there to the child that ended last before this one began. What reaches out of
//! its parent is clipped to it, what lies outside of it is left out with all below it, and so is
//! what nobody waits for: a consumer below a producer, a span that only follows its parent. Every
//! tree of the forest has its path.
//!
//! Invariant: the segments of a tree do not overlap. Costs what the path touches, not the trace.

use super::forest::Forest;
use super::{LinkedKind, SpanKind};

/// What the path reads of spans, one entry a span in the forest's order.
#[derive(Debug, Clone, Copy)]
pub struct PathSpans<'a> {
    /// Starts, nanoseconds since the Unix epoch.
    pub starts_ns: &'a [i64],
    /// Ends; one before its start counts as it.
    pub ends_ns: &'a [i64],
    /// Kinds, and who only follows its parent.
    pub kinds: &'a [LinkedKind],
}

/// A stretch of time in which a span was on the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The span.
    pub span: u32,
    /// Start, nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// End, after the start.
    pub end_ns: i64,
}

impl Segment {
    /// Its length in nanoseconds.
    pub fn duration_ns(&self) -> i64 {
        self.end_ns - self.start_ns
    }
}

/// The critical path of one trace, and what each span has of it.
#[derive(Debug, Clone, Default)]
pub struct CriticalPath {
    segments: Vec<Segment>,
    exclusive_ns: Vec<i64>,
    inclusive_ns: Vec<i64>,
    self_ns: Vec<i64>,
    walk: Walk,
}

/// Where the walk is with each span: times as clipped, and its children that are still to come,
/// the last to end first.
#[derive(Debug, Clone, Default)]
struct Walk {
    starts_ns: Vec<i64>,
    ends_ns: Vec<i64>,
    /// Children of the spans entered so far, one run after the other.
    pending: Vec<u32>,
    /// The rest of each entered span's run in `pending`.
    rests: Vec<(u32, u32)>,
}

impl CriticalPath {
    /// Finds the path of a trace. What was here before is forgotten, its memory kept.
    ///
    /// # Panics
    /// If the lists are shorter than the forest.
    pub fn find(&mut self, forest: &Forest, spans: PathSpans) {
        self.find_segments(forest, spans);
        self.sum(forest);
        self.find_self_times(forest, spans);
    }

    /// As [`CriticalPath::find`], without what each span has of it.
    ///
    /// # Panics
    /// If the lists are shorter than the forest.
    pub fn find_segments(&mut self, forest: &Forest, spans: PathSpans) {
        self.segments.clear();
        self.walk.reset(forest.len());
        for &root in forest.roots() {
            let first = self.segments.len();
            self.walk.run(root, forest, spans, &mut self.segments);
            self.segments[first..].reverse();
        }
        self.exclusive_ns.clear();
        self.inclusive_ns.clear();
        self.self_ns.clear();
    }

    /// Exclusive times, and inclusive ones from the leaves up.
    fn sum(&mut self, forest: &Forest) {
        self.exclusive_ns.clear();
        self.exclusive_ns.resize(forest.len(), 0);
        for segment in &self.segments {
            self.exclusive_ns[segment.span as usize] += segment.duration_ns();
        }
        self.inclusive_ns.clone_from(&self.exclusive_ns);
        for &span in forest.preorder().iter().rev() {
            if let Some(parent) = forest.parent(span) {
                self.inclusive_ns[parent as usize] += self.inclusive_ns[span as usize];
            }
        }
    }

    /// Durations less what the children cover. Children come in order of their starts.
    fn find_self_times(&mut self, forest: &Forest, spans: PathSpans) {
        self.self_ns.clear();
        self.self_ns.resize(forest.len(), 0);
        for &span in forest.preorder() {
            let (start, end) = spans.times(span);
            let (mut uncovered, mut covered_to) = (end - start, start);
            for &child in forest.children(span) {
                let (from, to) = spans.times(child);
                let (from, to) = (from.max(covered_to), to.min(end));
                uncovered -= (to - from).max(0);
                covered_to = covered_to.max(to);
            }
            self.self_ns[span as usize] = uncovered;
        }
    }

    /// The segments, tree after tree in the order of roots, within a tree in order of time.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Nanoseconds that a span itself was on the path.
    pub fn exclusive_ns(&self, span: u32) -> i64 {
        self.exclusive_ns[span as usize]
    }

    /// Nanoseconds that a span, or one below it, was on the path.
    pub fn inclusive_ns(&self, span: u32) -> i64 {
        self.inclusive_ns[span as usize]
    }

    /// Nanoseconds of a span in which none of its children ran, on the path or not.
    pub fn self_ns(&self, span: u32) -> i64 {
        self.self_ns[span as usize]
    }

    /// Length of the path: the sum of all segments, in nanoseconds.
    pub fn duration_ns(&self) -> i64 {
        self.segments.iter().fold(0, |sum: i64, segment| sum.saturating_add(segment.duration_ns()))
    }
}

impl PathSpans<'_> {
    /// Start and end; the end is not before the start, the difference fits.
    fn times(&self, span: u32) -> (i64, i64) {
        let start = self.starts_ns[span as usize].max(0);
        (start, self.ends_ns[span as usize].max(start))
    }

    /// Nobody waits for a consumer of what a producer sent, nor for what only follows.
    fn is_awaited(&self, child: u32, parent: u32) -> bool {
        let (child, parent) = (self.kinds[child as usize], self.kinds[parent as usize]);
        !child.follows && (parent.kind, child.kind) != (SpanKind::Producer, SpanKind::Consumer)
    }
}

impl Walk {
    fn reset(&mut self, spans: usize) {
        self.pending.clear();
        for times in [&mut self.starts_ns, &mut self.ends_ns] {
            times.clear();
            times.resize(spans, 0);
        }
        self.rests.clear();
        self.rests.resize(spans, (0, 0));
    }

    /// Walks one tree from the end of its root to its start.
    fn run(&mut self, root: u32, forest: &Forest, spans: PathSpans, out: &mut Vec<Segment>) {
        (self.starts_ns[root as usize], self.ends_ns[root as usize]) = spans.times(root);
        self.enter(root, forest, spans);
        let (mut span, mut end_ns) = (root, self.ends_ns[root as usize]);
        // A child that ended just as the one after it began counts as before it only if the walk
        // comes down: going back up, it must have ended earlier.
        let mut is_back = false;
        loop {
            let child = self.next_child(span, is_back.then_some(end_ns));
            let start_ns = match child {
                Some(child) => self.ends_ns[child as usize],
                None => self.starts_ns[span as usize],
            };
            if start_ns != end_ns {
                out.push(Segment { span, start_ns, end_ns });
            }
            end_ns = start_ns;
            if let Some(child) = child {
                self.enter(child, forest, spans);
                (span, is_back) = (child, false);
            } else if let Some(parent) = forest.parent(span) {
                (span, is_back) = (parent, true);
            } else {
                return;
            }
        }
    }

    /// Clips the children of a span to it, and keeps those that lie within it, by their ends.
    fn enter(&mut self, span: u32, forest: &Forest, spans: PathSpans) {
        let (start, end) = (self.starts_ns[span as usize], self.ends_ns[span as usize]);
        let first = self.pending.len();
        for &child in forest.children(span) {
            let (from, to) = spans.times(child);
            let is_outside = from >= end || (from < start && to <= start);
            if is_outside || !spans.is_awaited(child, span) {
                continue;
            }
            self.starts_ns[child as usize] = from.max(start);
            self.ends_ns[child as usize] = to.min(end);
            self.pending.push(child);
        }
        let ends = &self.ends_ns;
        self.pending[first..]
            .sort_unstable_by_key(|&child| (std::cmp::Reverse(ends[child as usize]), child));
        self.rests[span as usize] = (first as u32, self.pending.len() as u32);
    }

    /// The child that ends last, before a time if one is given; no child twice.
    fn next_child(&mut self, span: u32, before_ns: Option<i64>) -> Option<u32> {
        let (from, to) = &mut self.rests[span as usize];
        while from < to {
            let child = self.pending[*from as usize];
            *from += 1;
            if before_ns.is_none_or(|before| self.ends_ns[child as usize] < before) {
                return Some(child);
            }
        }
        None
    }
}
