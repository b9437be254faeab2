//! Sets of spans that speak of named ones: against loops over all pairs and triples.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tailwater_engine::limits::TRACE_PAIRS_MAX;
use tailwater_engine::trace::{
    Assignment, Forest, NamedStructure, Search, Structure, StructureOp, Structures,
};

use super::structure::{is_related, meaning, structure};
use super::{forest, links, tree};

fn leaf(bit: u32) -> NamedStructure {
    NamedStructure::Plain(Structure::Leaf(bit))
}

fn named(name: u32, of: NamedStructure) -> NamedStructure {
    NamedStructure::Named(name, Box::new(of))
}

fn ops() -> Vec<StructureOp> {
    StructureOp::all().collect()
}

fn search(
    what: &NamedStructure,
    (forest, masks): (&Forest, &[u64]),
    holds: impl FnMut(u32, &Assignment) -> bool,
) -> Option<Vec<Assignment>> {
    Search::new((forest, masks), &mut Structures::default(), holds).find(what)
}

/// The same, found pair by pair.
fn by_pairs(what: &Structure) -> Option<NamedStructure> {
    Some(match what {
        Structure::Leaf(_) => NamedStructure::Plain(what.clone()),
        Structure::And(..) => return None,
        Structure::Or(left, right) => {
            NamedStructure::Or(Box::new(by_pairs(left)?), Box::new(by_pairs(right)?))
        }
        Structure::Op(op, left, right) => NamedStructure::Op {
            op: *op,
            left: Box::new(named(0, by_pairs(left)?)),
            right: Box::new(by_pairs(right)?),
            condition: None,
        },
    })
}

/// A span, and who is named beside it: `a` and `b`.
type Found = (u32, Option<u32>, Option<u32>);

/// `a: {0} op b: {1 and c0(a, b)}` by trying every pair.
fn first(
    op: StructureOp,
    (forest, masks): (&Forest, &[u64]),
    holds: &dyn Fn(u32, u32) -> bool,
) -> BTreeSet<Found> {
    let of = |bit: u32| meaning(&Structure::Leaf(bit), forest, masks);
    let (StructureOp::Related(relation)
    | StructureOp::Unrelated(relation)
    | StructureOp::Both(relation)) = op;
    let mut found = BTreeSet::new();
    for b in of(1) {
        let fits = |a: &u32| is_related(forest, relation, *a, b) && holds(*a, b);
        let left: Vec<u32> = of(0).into_iter().filter(fits).collect();
        if let StructureOp::Unrelated(_) = op {
            found.extend(left.is_empty().then_some((b, None, Some(b))));
            continue;
        }
        for a in left {
            found.insert((b, Some(a), Some(b)));
            if let StructureOp::Both(_) = op {
                found.insert((a, Some(a), Some(b)));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]
    #[test]
    fn without_conditions_names_change_nothing(
        what in structure(),
        (ids, parent_ids) in prop_oneof![tree(), links()],
        masks in prop::collection::vec(0..8_u64, 16),
    ) {
        let forest = forest(&ids, &parent_ids);
        let masks = &masks[..ids.len()];
        let Some(by_pairs) = by_pairs(&what) else { return Ok(()) };
        let found = search(&by_pairs, (&forest, masks), |_, _| true).unwrap();
        let mut spans: Vec<u32> = found.iter().map(|one| one.span).collect();
        spans.dedup();
        prop_assert_eq!(spans, meaning(&what, &forest, masks));
    }

    #[test]
    fn conditions_are_asked_of_every_pair(
        ops in prop::collection::vec(prop::sample::select(ops()), 2),
        (ids, parent_ids) in prop_oneof![tree(), links()],
        masks in prop::collection::vec(0..8_u64, 16),
        table in prop::collection::vec(any::<bool>(), 16 * 16),
    ) {
        let forest = forest(&ids, &parent_ids);
        let masks = &masks[..ids.len()];
        let holds = |a: u32, b: u32| table[(a * 16 + b) as usize];
        // Condition 0 is of `a` and the span, 1 of `b` and the span, 2 of `a` and the span.
        let asked = |condition: u32, one: &Assignment| {
            let by = one.named(u32::from(condition == 1));
            by.is_some_and(|by| holds(by, one.span))
        };
        let pair = NamedStructure::Op {
            op: ops[0],
            left: Box::new(named(0, leaf(0))),
            right: Box::new(named(1, leaf(1))),
            condition: Some(0),
        };
        let found = search(&pair, (&forest, masks), asked).unwrap();
        let found: BTreeSet<Found> =
            found.iter().map(|one| (one.span, one.named(0), one.named(1))).collect();
        let expected = first(ops[0], (&forest, masks), &holds);
        prop_assert_eq!(&found, &expected);
        for condition in [1, 2] {
            let chain = NamedStructure::Op {
                op: ops[1],
                left: Box::new(pair.clone()),
                right: Box::new(leaf(2)),
                condition: Some(condition),
            };
            let found = search(&chain, (&forest, masks), asked).unwrap();
            let spans: BTreeSet<u32> = found.iter().map(|one| one.span).collect();
            let (StructureOp::Related(relation) | StructureOp::Unrelated(relation)
                | StructureOp::Both(relation)) = ops[1];
            let right = meaning(&Structure::Leaf(2), &forest, masks);
            let fits = |(span, a, b): &Found, c: u32| {
                let by = if condition == 1 { *b } else { *a };
                is_related(&forest, relation, *span, c) && by.is_some_and(|by| holds(by, c))
            };
            let mut want: BTreeSet<u32> =
                right.iter().copied().filter(|&c| expected.iter().any(|f| fits(f, c))).collect();
            match ops[1] {
                StructureOp::Related(_) => {}
                StructureOp::Unrelated(_) => {
                    want = right.iter().copied().filter(|c| !want.contains(c)).collect();
                }
                StructureOp::Both(_) => {
                    let left = expected.iter().filter(|f| right.iter().any(|&c| fits(f, c)));
                    want.extend(left.map(|found| found.0));
                }
            }
            prop_assert_eq!(spans, want);
        }
    }
}

#[test]
fn a_search_that_takes_too_long_is_given_up() {
    let pairs_of = |spans: u64| {
        let ids: Vec<u64> = (1..=spans).collect();
        let parent_ids: Vec<u64> = (0..spans).collect(); // a chain
        let forest = forest(&ids, &parent_ids);
        let masks = vec![0b1; ids.len()];
        let op = StructureOp::all().find(|op| op.text() == ">>").unwrap();
        let (left, right) = (Box::new(named(0, leaf(0))), Box::new(leaf(0)));
        let what = NamedStructure::Op { op, left, right, condition: Some(0) };
        let mut asked = 0;
        let found = search(&what, (&forest, &masks), |_, _| {
            asked += 1;
            false
        });
        (found, asked)
    };
    assert_eq!(pairs_of(400), (Some(Vec::new()), 400 * 399 / 2));
    let (found, asked) = pairs_of(20_000);
    assert!(found.is_none());
    assert!(asked <= TRACE_PAIRS_MAX && asked > TRACE_PAIRS_MAX / 3, "{asked} pairs were asked");
}
