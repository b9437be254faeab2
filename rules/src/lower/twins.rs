//! Rules that say the same under two names each have a state of their own.
//!
//! A state is found again by the hash of what its rule reads and does, in which names are not. Of
//! rules whose hashes are equal, the second and later ones get another, by their order: without
//! it, a restore gave one of them the state of all.

use std::collections::BTreeMap;

use tailwater_engine::plan::{Plan, RuleKind};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Makes the hashes of states of one kind differ, in the order of declarations.
pub(super) fn tell_apart(plan: &mut Plan) {
    let mut seen: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let mut own = |kind, hash: &mut u64| {
        let twins = seen.entry((kind, *hash)).or_default();
        if *twins > 0 {
            *hash = xxh3_64_with_seed(&hash.to_le_bytes(), *twins);
        }
        *twins += 1;
    };
    for table in &mut plan.tables {
        own("table", &mut table.hash);
    }
    for row_table in &mut plan.row_tables {
        own("row table", &mut row_table.table.hash);
    }
    for rule in &mut plan.rules {
        match &mut rule.kind {
            RuleKind::Pattern(rule) => own("pattern", &mut rule.hash),
            RuleKind::Correlate(rule) => own("correlation", &mut rule.hash),
            RuleKind::Alert(rule) => own("alert", &mut rule.hash),
            RuleKind::Traces(rule) => own("traces", &mut rule.hash),
            RuleKind::Sample(rule) => own("sampling", &mut rule.hash),
            RuleKind::Retrace(rule) => own("retrace", &mut rule.hash),
            // Without a state by hash.
            _ => {}
        }
    }
}
