//! Past verdicts: what is remembered, for how long, in how many bytes.

use tailwater_engine::limits::{
    VERDICTS_DROPPED_GENERATIONS, VERDICTS_DROPPED_PLACES, VERDICTS_KEPT_PER_SHARD,
    VERDICTS_RECENT_PER_SHARD,
};
use tailwater_engine::sampling::{Decisions, IdFilter, Past, Randomness, Threshold, Verdict};

fn id(n: u64) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes()).to_le_bytes()
}

fn hash(n: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&id(n))
}

fn verdict(is_kept: bool, line: u16) -> Verdict {
    let (threshold, randomness) = (Some(Threshold::of_share(0.5)), Randomness::of_hash(7));
    Verdict { is_kept, line, threshold, randomness, at_ns: 0 }
}

#[test]
fn verdicts_are_remembered_exactly_then_as_marks_then_not_at_all() {
    let mut decisions = Decisions::default();
    let all = 20_000_u64;
    for n in 0..all {
        decisions.remember(id(n), verdict(n % 20 == 0, (n % 7) as u16));
    }
    for n in all - VERDICTS_RECENT_PER_SHARD as u64..all {
        assert_eq!(decisions.past(id(n)), Past::Exact(verdict(n % 20 == 0, (n % 7) as u16)));
    }
    // Kept ones are known for twenty times as long here, dropped ones as marks.
    let older = all - 5_000;
    assert_eq!(decisions.past(id(older)), Past::Exact(verdict(true, (older % 7) as u16)));
    assert_eq!(decisions.past(id(all - 5_001)), Past::Dropped);
    assert_eq!(decisions.past(id(0)), Past::Unknown);
    assert_eq!(decisions.past(id(1)), Past::Unknown);
    assert_eq!(decisions.past(id(all)), Past::Unknown);
}

#[test]
fn memory_is_bounded() {
    let mut decisions = Decisions::default();
    (0..100_000).for_each(|n| decisions.remember(id(n), verdict(n % 2 == 0, 0)));
    let exact = (VERDICTS_RECENT_PER_SHARD + VERDICTS_KEPT_PER_SHARD) * 2 * 64;
    let marks = VERDICTS_DROPPED_PLACES * VERDICTS_DROPPED_GENERATIONS * 4;
    assert!(decisions.bytes() <= exact + marks, "{}", decisions.bytes());
}

#[test]
fn a_later_verdict_replaces_the_first() {
    let mut decisions = Decisions::default();
    decisions.remember(id(1), verdict(false, 3));
    decisions.remember(id(1), verdict(true, 0));
    assert_eq!(decisions.past(id(1)), Past::Exact(verdict(true, 0)));
}

#[test]
fn the_last_verdict_counts_wherever_the_first_is_remembered() {
    let recent = VERDICTS_RECENT_PER_SHARD as u64;
    for between in [0, recent / 2, recent * 2] {
        for (first, last) in [(false, true), (true, false), (true, true)] {
            let mut decisions = Decisions::default();
            let pass = |decisions: &mut Decisions, from: u64, count: u64| {
                (from..from + count).for_each(|n| decisions.remember(id(n), verdict(false, 9)));
            };
            decisions.remember(id(1), verdict(first, 3));
            pass(&mut decisions, 1_000, between);
            decisions.remember(id(1), verdict(last, 4));
            for count in [0, recent / 2, recent, recent] {
                pass(&mut decisions, 5_000, count);
                // One to drop is remembered exactly as long as it is recent, or was to be kept.
                let past = decisions.past(id(1));
                let is_mark = past == Past::Dropped && !last;
                assert!(is_mark || past == Past::Exact(verdict(last, 4)), "{between} {past:?}");
            }
        }
    }
}

#[test]
fn a_restored_memory_goes_on_alike() {
    let mut decisions = Decisions::default();
    (0..5_000).for_each(|n| decisions.remember(id(n), verdict(n % 3 == 0, 1)));
    let bytes = bincode::serialize(&decisions.state()).unwrap();
    let mut restored = Decisions::from_state(bincode::deserialize(&bytes).unwrap());
    for n in 5_000..9_000 {
        decisions.remember(id(n), verdict(n % 3 == 0, 1));
        restored.remember(id(n), verdict(n % 3 == 0, 1));
    }
    assert_eq!(decisions.state(), restored.state());
    assert!((0..9_000).all(|n| decisions.past(id(n)) == restored.past(id(n))));
}

#[test]
fn marks_find_all_that_is_in_and_almost_nothing_else() {
    let mut filter = IdFilter::default();
    let all = 40_000;
    (0..all).for_each(|n| filter.insert(hash(n), 1 << 16, 4));
    assert!((0..all).all(|n| filter.contains(hash(n))));
    assert_eq!(filter.len(), all as usize);
    let bytes_each = filter.bytes() as f64 / all as f64;
    assert!((4.0..11.0).contains(&bytes_each), "{bytes_each}");
    // 6 in 10^9 expected; of a million none, but for bad luck once in 200 changes of the hash.
    let found = (all..all + 1_000_000).filter(|n| filter.contains(hash(*n))).count();
    assert!(found <= 1, "{found}");
}

#[test]
fn marks_of_one_shard_are_as_sharp() {
    // The ids of a shard have the same lowest ten bits of their hash.
    let of_shard = |n: u64| hash(n) & !1_023 | 7;
    let mut filter = IdFilter::default();
    let all = 6_000;
    (0..all).for_each(|n| filter.insert(of_shard(n), 2_048, 4));
    assert!((0..all).all(|n| filter.contains(of_shard(n))));
    // With fingerprints that hold these bits some 40 are found.
    let found = (all..all + 4_000_000).filter(|n| filter.contains(of_shard(*n))).count();
    assert!(found <= 1, "{found}");
}
