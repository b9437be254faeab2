//! Targets and rates over simulated traffic.

use proptest::prelude::*;
use tailwater_engine::sampling::{Arrival, Buckets, Goal, Randomness, Rate, RateLimit, Target};

use crate::targets::Mixed;

const SECOND_NS: i64 = 1_000_000_000;

/// Time, key and weight.
type Item = (i64, u32, u64);

/// Whether something of a key and a weight is kept.
fn is_kept(target: &mut Target<u32>, (at_ns, key, weight): Item, mixed: &mut Mixed) -> bool {
    let randomness = Randomness::of_hash(mixed.next());
    let arrival = Arrival { at_ns, weight, stands_for: 1, randomness };
    target.threshold(&key, arrival).admits(randomness)
}

fn per_s(count: u64) -> Goal {
    Goal::Rate(Rate::per_second(count))
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
                    kept[key] += u64::from(is_kept(target, (at_ns, key as u32, 1), &mut mixed));
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
    let mut target = Target::new(per_s(20));
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
    let mut target = Target::new(per_s(10));
    simulate(&mut target, 0, 60, &[100]);
    let kept = simulate(&mut target, 60, 1, &[20_000]);
    // Unadapted, a tenth of it would pass.
    assert!(kept[0][0] < 150, "{kept:?}");
    let after = per_second(&simulate(&mut target, 61, 30, &[20_000]));
    assert!((8.0..13.0).contains(&after), "{after}");
    // And it opens again as the burst ends.
    simulate(&mut target, 91, 20, &[100]);
    let calm = per_second(&simulate(&mut target, 111, 60, &[100]));
    assert!((8.0..12.0).contains(&calm), "{calm}");
}

#[test]
fn the_first_second_brings_no_more_than_an_interval_does() {
    let mut target = Target::new(per_s(20));
    let kept = simulate(&mut target, 0, 1, &[10_000]);
    assert!((300..350).contains(&kept[0][0]), "{kept:?}");
}

#[test]
fn after_a_pause_no_more_comes_at_once_than_in_an_interval() {
    let mut target = Target::new(per_s(10));
    simulate(&mut target, 0, 60, &[1_000]);
    let kept = simulate(&mut target, 3_600, 1, &[1_000]);
    assert!((150..175).contains(&kept[0][0]), "{kept:?}");
}

#[test]
fn keys_beyond_the_bound_share_a_threshold() {
    let mut target = Target::new(per_s(50));
    let counts = vec![3; 5_000];
    simulate(&mut target, 0, 30, &counts);
    assert!(target.keys() <= 501, "{}", target.keys());
    let rate = per_second(&simulate(&mut target, 30, 10, &counts));
    assert!(rate < 100.0, "{rate} of 15000 a second");
}

#[test]
fn a_restored_target_goes_on_alike() {
    let mut whole = Target::new(per_s(20));
    simulate(&mut whole, 0, 20, &[300, 5, 40]);
    let bytes = bincode::serialize(whole.state()).unwrap();
    let state = bincode::deserialize(&bytes).unwrap();
    let mut restored = Target::from_state(per_s(20), state);
    let go_on = |target: &mut Target<u32>| simulate(target, 20, 20, &[300, 5, 40]);
    assert_eq!(go_on(&mut whole), go_on(&mut restored));
    assert_eq!(whole.state(), restored.state());
}

#[test]
fn a_rate_admits_so_many_a_second_and_bursts_of_two() {
    let limit = RateLimit::of(Rate::per_second(10));
    let mut buckets = Buckets::default();
    let mut admitted = 0;
    for n in 0..10_000_i64 {
        admitted += u64::from(buckets.admit(limit, n * SECOND_NS / 1_000, &0_u32, 1));
    }
    assert_eq!(admitted, 20 + 99, "10 s of 10 a second, and the full bucket at the start");
}

#[test]
fn rates_of_hours_and_days_are_exact() {
    // One a minute for a day, from the first on.
    for (per_s, kept) in [
        (1.0 / 86_400.0, 1),
        (1.0 / 3_600.0, 24),
        (5.0 / 3_600.0, 120),
        (6.0 / 3_600.0, 144),
        (1.0 / 60.0, 1_440),
        (1.0, 1_440),
    ] {
        let (limit, mut buckets) = (RateLimit::of(Rate::of_number(per_s)), Buckets::default());
        let minutes = 0..24 * 60_i64;
        let admitted = minutes.filter(|n| buckets.admit(limit, n * 60 * SECOND_NS, &(), 1)).count();
        assert_eq!(admitted, kept, "{per_s}");
    }
}

#[test]
fn a_number_is_the_fraction_that_it_was_written_as() {
    for (per_s, micro, period_s) in [
        (20.0, 20_000_000, 1),
        (0.5, 500_000, 1),
        (5.0 / 60.0, 5_000_000, 60),
        (0.25 / 3_600.0, 250_000, 3_600),
        (7.0 / 86_400.0, 7_000_000, 86_400),
        (10_485_760.0 / 3_600.0, 10_485_760_000_000, 3_600),
        (1e12, 1_000_000_000_000_000_000, 1),
        (1e12 / 3.0, 333_333_333_333_333_312, 1),
        (1e-30, 1, 86_400),
    ] {
        assert_eq!(Rate::of_number(per_s), Rate { micro, period_s }, "{per_s}");
    }
}

#[test]
fn what_is_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_back() {
    let limit = RateLimit::of(Rate::per_second(1_000));
    let mut buckets = Buckets::default();
    assert!(buckets.admit(limit, 0, &0_u32, 5_000));
    assert!(!buckets.admit(limit, SECOND_NS, &0, 1));
    assert!(!buckets.admit(limit, 3 * SECOND_NS, &0, 1));
    assert!(buckets.admit(limit, 4 * SECOND_NS, &0, 1));
}

#[test]
fn many_keys_share_buckets_at_last() {
    let limit = RateLimit { rate: Rate::per_second(1), burst_ns: SECOND_NS };
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
        let limit = RateLimit::of(Rate::per_second(5));
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
