//! Targets and rates over simulated traffic.

use proptest::prelude::*;
use tailwater_engine::sampling::{Buckets, Goal, Randomness, RateLimit, Target};

const SECOND_NS: i64 = 1_000_000_000;

/// A fixed sequence of well-mixed numbers.
struct Mixed(u64);

impl Mixed {
    fn next(&mut self) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Sends `counts[key]` items of each key in each second; returns kept ones by second and key.
fn simulate(target: &mut Target<u32>, from_s: i64, seconds: i64, counts: &[u64]) -> Vec<Vec<u64>> {
    let mut mixed = Mixed(from_s as u64);
    (from_s..from_s + seconds)
        .map(|second| {
            let mut kept = vec![0; counts.len()];
            let most = counts.iter().copied().max().unwrap_or_default();
            for n in 0..most {
                for (key, _) in counts.iter().enumerate().filter(|(_, count)| n < **count) {
                    let at_ns = second * SECOND_NS + (n * 1_000_000_000 / most) as i64;
                    let threshold = target.threshold(at_ns, &(key as u32), 1);
                    kept[key] += u64::from(threshold.admits(Randomness::of_hash(mixed.next())));
                }
            }
            kept
        })
        .collect()
}

fn per_second(kept: &[Vec<u64>]) -> f64 {
    kept.iter().flatten().sum::<u64>() as f64 / kept.len() as f64
}

#[test]
fn a_target_is_met_and_rare_keys_are_seen() {
    let mut target = Target::new(Goal::PerSecond(20_000));
    simulate(&mut target, 0, 30, &[1_000, 100, 1, 10]);
    let kept = simulate(&mut target, 30, 60, &[1_000, 100, 1, 10]);
    let rate = per_second(&kept);
    assert!((18.0..22.0).contains(&rate), "{rate}");
    let by_key: Vec<u64> = (0..4).map(|key| kept.iter().map(|second| second[key]).sum()).collect();
    assert_eq!(by_key[2], 60, "one a second is below its share: all of it is kept");
    // The frequent key has its logarithm's share, not its own: a few times the rare ones'.
    assert!(by_key[0] < 4 * by_key[3] && by_key[0] > by_key[1], "{by_key:?}");
}

#[test]
fn a_target_share_is_met_over_all_keys() {
    let mut target = Target::new(Goal::Share(100_000));
    simulate(&mut target, 0, 30, &[1_000, 200, 50]);
    let rate = per_second(&simulate(&mut target, 30, 60, &[1_000, 200, 50]));
    assert!((115.0..135.0).contains(&rate), "{rate}");
}

#[test]
fn a_burst_is_held_within_its_second() {
    let mut target = Target::new(Goal::PerSecond(10_000));
    simulate(&mut target, 0, 60, &[100]);
    let kept = simulate(&mut target, 60, 1, &[20_000]);
    // Unadapted, a tenth of it would pass.
    assert!(kept[0][0] < 150, "{kept:?}");
    let after = per_second(&simulate(&mut target, 61, 30, &[20_000]));
    assert!((8.0..13.0).contains(&after), "{after}");
    // And it opens again as the burst ends.
    simulate(&mut target, 91, 120, &[100]);
    let calm = per_second(&simulate(&mut target, 211, 60, &[100]));
    assert!((8.0..12.0).contains(&calm), "{calm}");
}

#[test]
fn the_first_second_is_bounded_too() {
    let mut target = Target::new(Goal::PerSecond(20_000));
    let kept = simulate(&mut target, 0, 1, &[10_000]);
    assert!((20..200).contains(&kept[0][0]), "{kept:?}");
}

#[test]
fn a_pause_does_not_open_the_gates() {
    let mut target = Target::new(Goal::PerSecond(10_000));
    simulate(&mut target, 0, 60, &[1_000]);
    let kept = simulate(&mut target, 3_600, 1, &[1_000]);
    assert!(kept[0][0] < 30, "{kept:?}");
}

#[test]
fn keys_beyond_the_bound_share_a_threshold() {
    let mut target = Target::new(Goal::PerSecond(50_000));
    let counts = vec![3; 5_000];
    simulate(&mut target, 0, 30, &counts);
    assert!(target.keys() <= 501, "{}", target.keys());
    let rate = per_second(&simulate(&mut target, 30, 10, &counts));
    assert!(rate < 100.0, "{rate} of 15000 a second");
}

#[test]
fn a_restored_target_goes_on_alike() {
    let mut whole = Target::new(Goal::PerSecond(20_000));
    simulate(&mut whole, 0, 20, &[300, 5, 40]);
    let bytes = bincode::serialize(whole.state()).unwrap();
    let state = bincode::deserialize(&bytes).unwrap();
    let mut restored = Target::from_state(Goal::PerSecond(20_000), state);
    let go_on = |target: &mut Target<u32>| simulate(target, 20, 20, &[300, 5, 40]);
    assert_eq!(go_on(&mut whole), go_on(&mut restored));
    assert_eq!(whole.state(), restored.state());
}

#[test]
fn a_rate_admits_so_many_a_second_and_bursts_of_two() {
    let limit = RateLimit::of(10_000);
    let mut buckets = Buckets::default();
    let mut admitted = 0;
    for n in 0..10_000_i64 {
        admitted += u64::from(buckets.admit(limit, n * SECOND_NS / 1_000, &0_u32, 1));
    }
    assert_eq!(admitted, 20 + 99, "10 s of 10 a second, and the full bucket at the start");
}

#[test]
fn what_is_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_back() {
    let limit = RateLimit::of(1_000_000);
    let mut buckets = Buckets::default();
    assert!(buckets.admit(limit, 0, &0_u32, 5_000));
    assert!(!buckets.admit(limit, SECOND_NS, &0, 1));
    assert!(!buckets.admit(limit, 3 * SECOND_NS, &0, 1));
    assert!(buckets.admit(limit, 4 * SECOND_NS, &0, 1));
}

#[test]
fn many_keys_share_buckets_at_last() {
    let limit = RateLimit { milli_per_s: 1_000, burst_milli: 1_000 };
    let mut buckets = Buckets::default();
    let admitted = (0..10_000_u32).filter(|key| buckets.admit(limit, 0, key, 1)).count();
    assert_eq!(admitted, 501);
    // Full buckets are forgotten, so that other keys have theirs.
    let admitted = (10_000..10_400_u32).filter(|key| buckets.admit(limit, SECOND_NS, key, 1));
    assert_eq!(admitted.count(), 400);
}

proptest! {
    /// No stretch of time passes more than the burst, the rate, and the one that left a debt.
    #[test]
    fn a_rate_holds_over_any_stretch(
        gaps in prop::collection::vec((0_i64..400_000_000, 1_u64..30), 1..200),
    ) {
        let limit = RateLimit::of(5_000);
        let (mut buckets, mut now, mut passed) = (Buckets::default(), 0, Vec::new());
        for (gap, weight) in gaps {
            now += gap;
            if buckets.admit(limit, now, &(), weight) {
                passed.push((now, weight));
            }
        }
        for from in 0..passed.len() {
            let mut sum = 0;
            for (at, weight) in &passed[from..] {
                let elapsed_s = (at - passed[from].0) as f64 / SECOND_NS as f64;
                prop_assert!(sum as f64 <= 10.0 + 5.0 * elapsed_s + 1e-6);
                sum += weight;
            }
        }
    }
}
