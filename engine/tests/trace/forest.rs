//! Forests: roots, orphans, duplicates, loops, order, size.

use proptest::prelude::*;
use tailwater_engine::trace::{Forest, Role};

use super::{forest, links};

#[test]
fn a_tree_has_its_children_in_order() {
    // 1 ── 2 ── 4
    //  └── 3
    let forest = forest(&[1, 2, 3, 4], &[0, 1, 1, 2]);
    assert_eq!(forest.roots(), [0]);
    assert_eq!(forest.children(0), [1, 2]);
    assert_eq!(forest.preorder(), [0, 1, 3, 2]);
    assert_eq!((forest.parent(3), forest.parent(0)), (Some(1), None));
    assert_eq!((forest.depth(), forest.depth_of(3), forest.size(0)), (3, 2, 4));
    assert!(forest.is_complete());
}

#[test]
fn a_child_may_stand_before_its_parent() {
    let forest = forest(&[2, 1], &[1, 0]);
    assert_eq!((forest.roots(), forest.preorder()), ([1].as_slice(), [1, 0].as_slice()));
    assert!(forest.is_complete());
}

#[test]
fn a_missing_parent_makes_an_orphan_and_a_tree_of_its_own() {
    let forest = forest(&[1, 2, 3], &[0, 9, 2]);
    assert_eq!(forest.roots(), [0, 1]);
    assert_eq!((forest.role(1), forest.role(2)), (Role::Orphan, Role::Child));
    assert_eq!((forest.orphan_count(), forest.root_count(), forest.root()), (1, 1, Some(0)));
    assert!(!forest.is_complete());
}

#[test]
fn two_roots_are_not_complete_and_the_first_is_the_root() {
    let forest = forest(&[1, 2], &[0, 0]);
    assert_eq!((forest.root_count(), forest.root(), forest.is_complete()), (2, Some(0), false));
}

#[test]
fn of_two_spans_with_one_id_the_first_stands() {
    let forest = forest(&[1, 2, 2, 3], &[0, 1, 0, 2]);
    assert_eq!((forest.role(2), forest.duplicate_count()), (Role::Duplicate, 1));
    assert_eq!((forest.parent(3), forest.preorder()), (Some(1), [0, 1, 3].as_slice()));
    assert_eq!(forest.place(2), None);
    assert!(forest.is_complete(), "a duplicate takes nothing away");
}

#[test]
fn a_span_without_an_id_is_nobody() {
    let forest = forest(&[0, 0, 5], &[0, 0, 0]);
    assert_eq!((forest.duplicate_count(), forest.root_count()), (0, 3));
}

#[test]
fn loops_are_broken_at_their_first_span() {
    // 3 → 2 → 1 → 3, and 4 below 2; 5 is its own parent.
    let forest = forest(&[1, 2, 3, 4, 5], &[3, 1, 2, 2, 5]);
    assert_eq!((forest.roots(), forest.loop_count()), ([0, 4].as_slice(), 2));
    assert_eq!((forest.role(0), forest.role(4)), (Role::LoopHead, Role::LoopHead));
    assert_eq!(forest.preorder(), [0, 1, 2, 3, 4]);
    assert_eq!((forest.root(), forest.is_complete()), (None, false));
}

#[test]
fn a_chain_of_a_million_spans_is_walked_and_memory_is_used_again() {
    let spans = 1_000_000_u64;
    let ids: Vec<u64> = (1..=spans).rev().collect();
    let parent_ids: Vec<u64> = (0..spans).rev().collect();
    let mut forest = Forest::default();
    forest.build(&ids, &parent_ids);
    assert_eq!((forest.depth(), forest.roots()), (1_000_000, [999_999].as_slice()));
    forest.build(&[7], &[0]);
    assert_eq!((forest.len(), forest.depth(), forest.preorder()), (1, 1, [0].as_slice()));
    forest.build(&[], &[]);
    assert_eq!((forest.is_empty(), forest.depth(), forest.is_complete()), (true, 0, false));
}

/// The same by looking everything up for each span, one after another.
fn check(ids: &[u64], parent_ids: &[u64]) {
    let forest = forest(ids, parent_ids);
    let first = |id: u64| ids.iter().position(|&known| known == id).filter(|_| id != 0);
    let stands = |at: usize| ids[at] == 0 || first(ids[at]) == Some(at);
    let named = |at: usize| first(parent_ids[at]).filter(|_| parent_ids[at] != 0);
    let on_loop = |at: usize| {
        let mut up = named(at);
        let mut seen = vec![at];
        while let Some(next) = up.filter(|next| *next != at) {
            if seen.contains(&next) {
                return None;
            }
            seen.push(next);
            up = named(next);
        }
        up.map(|_| seen)
    };
    for (at, &parent_id) in parent_ids.iter().enumerate() {
        let role = match on_loop(at) {
            _ if !stands(at) => Role::Duplicate,
            Some(of) if of.iter().min() == Some(&at) => Role::LoopHead,
            _ if parent_id == 0 => Role::Root,
            _ if named(at).is_some() => Role::Child,
            _ => Role::Orphan,
        };
        assert_eq!(forest.role(at as u32), role, "span {at}");
        let parent = named(at).filter(|_| role == Role::Child);
        assert_eq!(forest.parent(at as u32), parent.map(|parent| parent as u32));
        let children: Vec<u32> = (0..ids.len() as u32)
            .filter(|&other| forest.parent(other) == Some(at as u32))
            .collect();
        assert_eq!(forest.children(at as u32), children);
    }
    let mut all = forest.preorder().to_vec();
    for (place, &span) in all.iter().enumerate() {
        assert_eq!(forest.place(span), Some(place as u32));
        let size: u32 = forest.children(span).iter().map(|&child| forest.size(child)).sum();
        assert_eq!(forest.size(span), size + 1);
        let depth = forest.parent(span).map_or(0, |parent| forest.depth_of(parent) + 1);
        assert_eq!(forest.depth_of(span), depth);
        if let Some(parent) = forest.parent(span) {
            let from = forest.place(parent).expect("a parent stands") as usize;
            assert!((from + 1..from + forest.size(parent) as usize).contains(&place));
        }
    }
    all.sort_unstable();
    let standing: Vec<u32> = (0..ids.len()).filter(|&at| stands(at)).map(|at| at as u32).collect();
    assert_eq!(all, standing, "each standing span is in one tree");
    let deepest = standing.iter().map(|&span| forest.depth_of(span) + 1).max();
    assert_eq!(forest.depth(), deepest.unwrap_or(0));
}

proptest! {
    #[test]
    fn whatever_the_ids_each_span_has_its_place((ids, parent_ids) in links()) {
        check(&ids, &parent_ids);
    }
}
