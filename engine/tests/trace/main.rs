//! What is said of one assembled trace: forest, structure, critical path, edges.

mod bindings;
mod critical_path;
mod edges;
mod forest;
mod structure;

use proptest::prelude::*;
use tailwater_engine::trace::Forest;

/// Ids and parent ids of up to 12 spans: few ids, so that duplicates, loops, missing parents and
/// spans without an id are common.
fn links() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    let link = (0..14_u64, 0..14_u64);
    prop::collection::vec(link, 0..12).prop_map(|links| links.into_iter().unzip())
}

/// A tree, or nearly one: each span has an id of its own and mostly an earlier parent.
fn tree() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    let parents = prop::collection::vec(any::<prop::sample::Index>(), 1..16);
    parents.prop_map(|parents| {
        let ids: Vec<u64> = (1..=parents.len() as u64).collect();
        let of = |at: usize, pick: &prop::sample::Index| pick.index(at + 1) as u64;
        let parent_ids = parents.iter().enumerate().map(|(at, pick)| of(at, pick)).collect();
        (ids, parent_ids)
    })
}

fn forest(ids: &[u64], parent_ids: &[u64]) -> Forest {
    let mut forest = Forest::default();
    forest.build(ids, parent_ids);
    forest
}
