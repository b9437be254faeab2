//! Which span of a derived trace hangs below which.

use std::collections::BTreeMap;

use crate::otlp::derive::{SpanHead, SpanIds};

/// The parent of each span where that is among them, else none. A loop of parents is broken at its
/// first span, in the order given.
pub(super) fn parents<'s>(spans: impl Iterator<Item = &'s SpanHead>) -> Vec<Option<SpanIds>> {
    let spans: Vec<&SpanHead> = spans.collect();
    let places: BTreeMap<SpanIds, usize> =
        spans.iter().enumerate().map(|(at, span)| (span.ids, at)).collect();
    let of = |span: &&SpanHead| {
        let parent = SpanIds { trace: span.ids.trace, span: span.parent };
        places.get(&parent).copied()
    };
    let mut parents: Vec<Option<usize>> = spans.iter().map(of).collect();
    // By span: the walk that has been there; walks that meet an earlier one end at the root.
    let mut walks = vec![usize::MAX; spans.len()];
    for start in 0..spans.len() {
        let mut at = start;
        while walks[at] == usize::MAX {
            walks[at] = start;
            let Some(parent) = parents[at] else { break };
            if walks[parent] == start {
                let next = |at: &usize| parents[*at].filter(|next| *next != parent);
                let first = std::iter::successors(Some(parent), next).min();
                parents[first.unwrap_or(parent)] = None;
                break;
            }
            at = parent;
        }
    }
    parents.into_iter().map(|parent| parent.map(|at| spans[at].ids)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_of_parents_are_broken_at_their_first_span() {
        let ids = |span: u8| SpanIds { trace: [1; 16], span: [span; 8] };
        // Parents by span from 1 on; 9 is not there, 0 is none.
        let of = |parents: &[u8]| {
            let head = |(at, parent): (usize, &u8)| SpanHead {
                ids: ids(at as u8 + 1),
                parent: [*parent; 8],
                start_ns: 0,
                end_ns: 0,
                is_error: false,
            };
            let heads: Vec<SpanHead> = parents.iter().enumerate().map(head).collect();
            let found = super::parents(heads.iter());
            found.iter().map(|parent| parent.map_or(0, |ids| ids.span[0])).collect::<Vec<u8>>()
        };
        assert_eq!(of(&[0, 1, 9, 2]), [0, 1, 0, 2]);
        assert_eq!(of(&[1]), [0], "its own parent");
        assert_eq!(of(&[2, 1, 2]), [0, 1, 2]);
        assert_eq!(of(&[4, 3, 4, 2]), [4, 0, 4, 2], "the way into a loop stays");
        assert_eq!(of(&[2, 3, 1, 5, 6, 5]), [0, 3, 1, 5, 0, 5]);
        assert_eq!(of(&[]), Vec::<u8>::new());
    }
}
