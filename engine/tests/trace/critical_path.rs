//! The critical path: the cases that Jaeger's UI is tested with, times by operation, and an oracle
//! that follows the definition word for word.

use proptest::prelude::*;
use tailwater_engine::trace::{
    CriticalPath, Forest, LinkedKind, OperationTimes, PathSpans, Segment, SpanKind,
};

use super::{forest, links, tree};

struct Spans {
    forest: Forest,
    starts_ns: Vec<i64>,
    ends_ns: Vec<i64>,
    kinds: Vec<LinkedKind>,
}

impl Spans {
    fn path(&self) -> CriticalPath {
        let mut path = CriticalPath::default();
        path.find(&self.forest, self.borrow());
        path
    }

    fn borrow(&self) -> PathSpans<'_> {
        PathSpans { starts_ns: &self.starts_ns, ends_ns: &self.ends_ns, kinds: &self.kinds }
    }
}

/// Spans as (parent's place from 1, or 0; start; end), in any order.
fn spans(of: &[(u64, i64, i64)]) -> Spans {
    let ids: Vec<u64> = (1..=of.len() as u64).collect();
    let parent_ids: Vec<u64> = of.iter().map(|span| span.0).collect();
    Spans {
        forest: forest(&ids, &parent_ids),
        starts_ns: of.iter().map(|span| span.1).collect(),
        ends_ns: of.iter().map(|span| span.2).collect(),
        kinds: vec![SpanKind::Internal.into(); of.len()],
    }
}

fn segments(spans: &Spans) -> Vec<(u32, i64, i64)> {
    let of = |segment: &Segment| (segment.span, segment.start_ns, segment.end_ns);
    spans.path().segments().iter().map(of).collect()
}

#[test]
fn two_children_one_after_the_other() {
    let spans = spans(&[(0, 0, 100), (1, 20, 40), (1, 50, 60)]);
    let expected = [(0, 0, 20), (1, 20, 40), (0, 40, 50), (2, 50, 60), (0, 60, 100)];
    assert_eq!(segments(&spans), expected);
}

#[test]
fn of_children_side_by_side_the_last_to_end_counts() {
    let spans = spans(&[(0, 0, 100), (1, 10, 50), (1, 20, 60)]);
    assert_eq!(segments(&spans), [(0, 0, 20), (2, 20, 60), (0, 60, 100)]);
}

#[test]
fn what_lies_outside_of_its_parent_is_left_out_with_all_below() {
    // After it, before it, and a child of what is left out that would fit itself.
    assert_eq!(segments(&spans(&[(0, 0, 30), (1, 40, 80), (2, 10, 20)])), [(0, 0, 30)]);
    assert_eq!(segments(&spans(&[(2, 1, 5), (0, 10, 30)])), [(1, 10, 30)]);
    assert_eq!(segments(&spans(&[(0, 10, 30), (1, 1, 5)])), [(0, 10, 30)]);
    // A child that begins as its parent ends.
    assert_eq!(segments(&spans(&[(0, 0, 30), (1, 30, 30)])), [(0, 0, 30)]);
}

#[test]
fn what_reaches_out_of_its_parent_is_clipped_to_it() {
    let chain = spans(&[(0, 1, 30), (1, 15, 35), (2, 20, 40)]);
    assert_eq!(segments(&chain), [(0, 1, 15), (1, 15, 20), (2, 20, 30)], "behind");
    let skewed = spans(&[(0, 1, 30), (1, 15, 35), (2, 10, 25)]);
    assert_eq!(segments(&skewed), [(0, 1, 15), (2, 15, 25), (1, 25, 30)], "before");
    let wide = spans(&[(0, 10, 30), (1, 5, 35)]);
    assert_eq!(segments(&wide), [(1, 10, 30)], "at both ends");
}

#[test]
fn nobody_waits_for_a_consumer() {
    let mut spans = spans(&[(0, 0, 30), (1, 10, 20), (2, 12, 14)]);
    let kinds = [SpanKind::Producer, SpanKind::Consumer, SpanKind::Internal];
    spans.kinds = kinds.map(LinkedKind::from).into();
    assert_eq!(segments(&spans), [(0, 0, 30)]);
    spans.kinds[0] = SpanKind::Server.into();
    assert_eq!(segments(&spans), [(0, 0, 10), (1, 10, 12), (2, 12, 14), (1, 14, 20), (0, 20, 30)]);
}

#[test]
fn nobody_waits_for_what_only_follows() {
    let mut spans = spans(&[(0, 0, 100), (1, 20, 80), (1, 10, 40), (2, 30, 70)]);
    spans.kinds[1] = LinkedKind::of_name("follows server");
    assert_eq!(segments(&spans), [(0, 0, 10), (2, 10, 40), (0, 40, 100)]);
    // A root follows nobody who is there.
    spans.kinds[0].follows = true;
    assert_eq!(segments(&spans).len(), 3);
}

#[test]
fn a_child_that_ended_just_as_the_next_began_is_passed_over_as_in_jaeger() {
    let spans = spans(&[(0, 0, 40), (1, 10, 20), (1, 20, 30)]);
    assert_eq!(segments(&spans), [(0, 0, 20), (2, 20, 30), (0, 30, 40)]);
}

#[test]
fn every_tree_has_its_path() {
    // Two roots, an orphan; an end before its start counts as the start.
    let spans = spans(&[(0, 0, 10), (0, 5, 25), (2, 10, 20), (99, 7, 9), (0, 50, 40)]);
    let expected = [(0, 0, 10), (1, 5, 10), (2, 10, 20), (1, 20, 25), (3, 7, 9)];
    assert_eq!(segments(&spans), expected);
}

#[test]
fn times_of_spans() {
    let spans = spans(&[(0, 0, 100), (1, 10, 60), (1, 40, 80), (2, 10, 30)]);
    let path = spans.path();
    let times = |span| (path.exclusive_ns(span), path.inclusive_ns(span), path.self_ns(span));
    // On the path: 0 from 80, 2 from 40, then 3 is the last to end of what ended before... no
    // child of 0 did, so 0 again.
    assert_eq!(segments(&spans), [(0, 0, 40), (2, 40, 80), (0, 80, 100)]);
    assert_eq!(times(0), (60, 100, 30), "10..80 is covered by children");
    assert_eq!(times(1), (0, 0, 30));
    assert_eq!(times(2), (40, 40, 40));
    assert_eq!(times(3), (0, 0, 20));
    assert_eq!(path.duration_ns(), 100);
}

#[test]
fn an_operation_below_itself_counts_a_moment_once() {
    let spans = spans(&[(0, 0, 100), (1, 10, 90), (2, 20, 80), (1, 92, 96)]);
    let mut times = OperationTimes::default();
    let rows = times.sum(&spans.forest, &spans.path(), &[0, 7, 7, 7]);
    let row = |index: usize| {
        let row = rows[index];
        (row.operation, row.spans, row.exclusive_ns, row.inclusive_ns, row.self_ns)
    };
    assert_eq!(row(0), (0, 1, 16, 100, 16));
    assert_eq!(row(1), (7, 3, 84, 84, 84));
    assert_eq!(rows.len(), 2);
}

#[test]
fn a_million_spans_cost_no_stack_and_no_square() {
    let count = 1_000_000_i64;
    let deep: Vec<_> = (0..count).map(|at| (at as u64, at, 3 * count - at)).collect();
    assert_eq!(segments(&spans(&deep)).len(), 2 * deep.len() - 1);
    let mut wide = vec![(0, 0, 4 * count)];
    wide.extend((1..count).map(|at| (1, 4 * at, 4 * at + 2)));
    assert_eq!(segments(&spans(&wide)).len(), 2 * wide.len() - 1);
}

/// The definition, with everything clipped beforehand and recursion.
mod definition {
    use super::*;

    pub(super) struct Clipped(Vec<Option<(i64, i64)>>);

    pub(super) fn clip(spans: &Spans) -> Clipped {
        let mut kept = vec![None; spans.forest.len()];
        for &span in spans.forest.preorder() {
            let start = spans.starts_ns[span as usize];
            let own = (start, spans.ends_ns[span as usize].max(start));
            let kind = |span: u32| spans.kinds[span as usize];
            kept[span as usize] = match spans.forest.parent(span) {
                None => Some(own),
                Some(_) if kind(span).follows => None,
                Some(parent)
                    if kind(parent).kind == SpanKind::Producer
                        && kind(span).kind == SpanKind::Consumer =>
                {
                    None
                }
                Some(parent) => kept[parent as usize].and_then(|within| clipped(own, within)),
            };
        }
        Clipped(kept)
    }

    fn clipped((start, end): (i64, i64), (from, to): (i64, i64)) -> Option<(i64, i64)> {
        let is_inside = if start >= from { start < to } else { end > from };
        is_inside.then_some((start.max(from), end.min(to)))
    }

    pub(super) fn walk(
        spans: &Spans,
        kept: &Clipped,
        span: u32,
        back: Option<i64>,
        out: &mut Vec<(u32, i64, i64)>,
    ) {
        let (start, end) = kept.0[span as usize].expect("the walk enters kept spans only");
        let end = back.unwrap_or(end);
        let ends = |child: u32| kept.0[child as usize].map(|times| (times.1, child));
        let last = spans.forest.children(span).iter().filter_map(|&child| ends(child));
        let last = last
            .filter(|(child_end, _)| back.is_none_or(|back| *child_end < back))
            .max_by_key(|&(child_end, child)| (child_end, std::cmp::Reverse(child)));
        let from = last.map_or(start, |(child_end, _)| child_end);
        if from != end {
            out.push((span, from, end));
        }
        match (last, spans.forest.parent(span)) {
            (Some((_, child)), _) => walk(spans, kept, child, None, out),
            (None, Some(parent)) => walk(spans, kept, parent, Some(start), out),
            (None, None) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]
    #[test]
    fn the_path_is_as_defined(
        (ids, parent_ids) in prop_oneof![4 => tree(), 1 => links()],
        times in prop::collection::vec((0..40_i64, -2..30_i64), 16),
        kinds in prop::collection::vec((0..6_usize, prop::bool::weighted(0.1)), 16),
    ) {
        let linked = |(member, follows)| LinkedKind { kind: SpanKind::of_member(member), follows };
        let spans = Spans {
            forest: forest(&ids, &parent_ids),
            starts_ns: times.iter().map(|times| times.0).collect(),
            ends_ns: times.iter().map(|times| times.0 + times.1).collect(),
            kinds: kinds.into_iter().map(linked).collect(),
        };
        let kept = definition::clip(&spans);
        let mut expected = Vec::new();
        for &root in spans.forest.roots() {
            let mut tree = Vec::new();
            definition::walk(&spans, &kept, root, None, &mut tree);
            expected.extend(tree.into_iter().rev());
        }
        prop_assert_eq!(segments(&spans), expected);
        let path = spans.path();
        for &root in spans.forest.roots() {
            let (from, to) = (spans.starts_ns[root as usize], spans.ends_ns[root as usize]);
            prop_assert_eq!(path.inclusive_ns(root), (to - from).max(0), "the path fills its root");
        }
        for span in 0..spans.forest.len() as u32 {
            let (from, to) = (spans.starts_ns[span as usize], spans.ends_ns[span as usize]);
            let covered = (from..to).filter(|&at| {
                spans.forest.children(span).iter().any(|&child| {
                    (spans.starts_ns[child as usize]..spans.ends_ns[child as usize]).contains(&at)
                })
            });
            let expected = (to - from).max(0) - covered.count() as i64;
            let expected = if spans.forest.place(span).is_some() { expected } else { 0 };
            // Children are given by start here only if the trace's order is that of starts.
            let is_in_order = spans.forest.children(span)
                .is_sorted_by_key(|&child| spans.starts_ns[child as usize]);
            prop_assert!(!is_in_order || path.self_ns(span) == expected);
        }
    }
}
