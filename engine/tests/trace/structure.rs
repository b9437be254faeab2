//! Structural operators, against an oracle that tries every pair of spans.

use proptest::prelude::*;
use tailwater_engine::trace::{Forest, Relation, SpanSet, Structure, StructureOp, Structures};

use super::{forest, links, tree};

fn spans(what: &Structure, forest: &Forest, masks: &[u64]) -> Vec<u32> {
    let mut structures = Structures::default();
    let set = structures.evaluate(what, forest, masks);
    assert_eq!((set.is_empty(), set.count()), (set.iter().count() == 0, set.iter().count() as u64));
    set.iter().collect()
}

fn op(sign: &str) -> Structure {
    let op = StructureOp::all().find(|op| op.text() == sign).expect("an operator");
    Structure::Op(op, Box::new(Structure::Leaf(0)), Box::new(Structure::Leaf(1)))
}

/// ```text
/// 0 root
/// ├── 1 a
/// │   ├── 2 b
/// │   │   └── 3 ab
/// │   └── 4 a
/// └── 5 b
///     └── 6 a
/// ```
fn example() -> (Forest, [u64; 7]) {
    let forest = forest(&[1, 2, 3, 4, 5, 6, 7], &[0, 1, 2, 3, 2, 1, 6]);
    (forest, [0, 0b01, 0b10, 0b11, 0b01, 0b10, 0b01])
}

#[test]
fn each_operator_on_a_tree_that_can_be_drawn() {
    let (forest, masks) = example();
    let cases: [(&str, &[u32]); 15] = [
        (">>", &[2, 3]),
        (">", &[2]),
        ("<<", &[2, 5]),
        ("<", &[2, 5]),
        ("~", &[2, 5]),
        ("!>>", &[5]),
        ("!>", &[3, 5]),
        ("!<<", &[3]),
        ("!<", &[3]),
        ("!~", &[3]),
        ("&>>", &[1, 2, 3]),
        ("&>", &[1, 2]),
        ("&<<", &[2, 3, 5, 6]),
        ("&<", &[2, 3, 5, 6]),
        ("&~", &[1, 2, 4, 5]),
    ];
    for (sign, expected) in cases {
        assert_eq!(spans(&op(sign), &forest, &masks), expected, "{{a}} {sign} {{b}}");
    }
}

#[test]
fn and_wants_both_sides_or_takes_either() {
    let (forest, masks) = example();
    let leaf = |bit| Box::new(Structure::Leaf(bit));
    let (a, b, neither) = (leaf(0), leaf(1), leaf(2));
    let all = [1, 2, 3, 4, 5, 6];
    assert_eq!(spans(&Structure::And(a.clone(), b.clone()), &forest, &masks), all);
    assert!(spans(&Structure::And(a.clone(), neither.clone()), &forest, &masks).is_empty());
    assert_eq!(spans(&Structure::Or(a.clone(), neither.clone()), &forest, &masks), [1, 3, 4, 6]);
    // Nested: a `b` that has an `a` above it, and below that nothing that is `a`.
    let inner = Box::new(op(">>"));
    let op = StructureOp::Unrelated(Relation::Ancestor);
    assert_eq!(spans(&Structure::Op(op, a, inner), &forest, &masks), [3]);
}

#[test]
fn a_span_is_no_relative_of_itself_and_roots_are_no_siblings() {
    let forest = forest(&[1, 2], &[0, 0]);
    let masks = [0b11, 0b11];
    for sign in [">>", ">", "<<", "<", "~", "&>>", "&~"] {
        assert!(spans(&op(sign), &forest, &masks).is_empty(), "{sign}");
    }
    assert_eq!(spans(&op("!~"), &forest, &masks), [0, 1]);
}

#[test]
fn sets_reach_beyond_one_word_and_are_used_again() {
    let ids: Vec<u64> = (1..=200).collect();
    let parent_ids: Vec<u64> = (0..200).collect();
    let forest = forest(&ids, &parent_ids);
    let mut masks = vec![0; 200];
    (masks[10], masks[199]) = (0b01, 0b10);
    let mut structures = Structures::default();
    for _ in 0..3 {
        let set = structures.evaluate(&op(">>"), &forest, &masks);
        assert_eq!(set.iter().collect::<Vec<_>>(), [199]);
        assert!(set.contains(199) && !set.contains(10));
        structures.recycle(set);
    }
    assert_eq!(SpanSet::default().count(), 0);
}

fn is_above(forest: &Forest, above: u32, below: u32) -> bool {
    std::iter::successors(forest.parent(below), |&span| forest.parent(span))
        .any(|span| span == above)
}

/// Whether `right` is so related to `left`.
pub(super) fn is_related(forest: &Forest, relation: Relation, left: u32, right: u32) -> bool {
    let parent = |span| forest.parent(span);
    match relation {
        Relation::Descendant => is_above(forest, left, right),
        Relation::Ancestor => is_above(forest, right, left),
        Relation::Child => parent(right) == Some(left),
        Relation::Parent => parent(left) == Some(right),
        Relation::Sibling => {
            left != right && parent(left).is_some() && parent(left) == parent(right)
        }
    }
}

/// The meaning of a structure, pair by pair.
pub(super) fn meaning(what: &Structure, forest: &Forest, masks: &[u64]) -> Vec<u32> {
    let has = |list: &[u32], span: u32| list.contains(&span);
    let all = || (0..masks.len() as u32).filter(|&span| forest.place(span).is_some());
    match what {
        Structure::Leaf(bit) => {
            all().filter(|&span| masks[span as usize] >> bit & 1 == 1).collect()
        }
        Structure::And(left, right) | Structure::Or(left, right) => {
            let (left, right) = (meaning(left, forest, masks), meaning(right, forest, masks));
            if matches!(what, Structure::And(..)) && (left.is_empty() || right.is_empty()) {
                return Vec::new();
            }
            all().filter(|&span| has(&left, span) || has(&right, span)).collect()
        }
        Structure::Op(op, left, right) => {
            let (left, right) = (meaning(left, forest, masks), meaning(right, forest, masks));
            let on_right = |relation, span: u32| {
                has(&right, span) && left.iter().any(|&l| is_related(forest, relation, l, span))
            };
            let on_left = |relation, span: u32| {
                has(&left, span) && right.iter().any(|&r| is_related(forest, relation, span, r))
            };
            all()
                .filter(|&span| match *op {
                    StructureOp::Related(relation) => on_right(relation, span),
                    StructureOp::Unrelated(relation) => {
                        has(&right, span) && !on_right(relation, span)
                    }
                    StructureOp::Both(relation) => {
                        on_right(relation, span) || on_left(relation, span)
                    }
                })
                .collect()
        }
    }
}

pub(super) fn structure() -> impl Strategy<Value = Structure> {
    let ops: Vec<StructureOp> = StructureOp::all().collect();
    (0..3_u32).prop_map(Structure::Leaf).prop_recursive(3, 12, 2, move |inner| {
        let sides = (inner.clone().prop_map(Box::new), inner.prop_map(Box::new));
        (0..5_u8, prop::sample::select(ops.clone()), sides).prop_map(|(form, op, (left, right))| {
            match form {
                0 => Structure::And(left, right),
                1 => Structure::Or(left, right),
                _ => Structure::Op(op, left, right),
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]
    #[test]
    fn structures_mean_what_pairs_say(
        what in structure(),
        (ids, parent_ids) in prop_oneof![tree(), links()],
        masks in prop::collection::vec(0..8_u64, 16),
    ) {
        let forest = forest(&ids, &parent_ids);
        let masks = &masks[..ids.len()];
        prop_assert_eq!(spans(&what, &forest, masks), meaning(&what, &forest, masks));
    }
}
