//! How much a target keeps of traffic of all shapes, and what it promises of all of them.
//!
//! Bounds are percentages of the smaller of what comes and what the goal allows. Where a stretch
//! begins with what an interval may bring at once, they say so by lying above 100.

use proptest::prelude::*;
use tailwater_engine::sampling::{Arrival, Goal, Randomness, Rate, Target, Threshold};

const SECOND_NS: f64 = 1e9;

/// Time in seconds, key and weight.
type Item = (f64, u32, u64);

/// A fixed sequence of well-mixed numbers.
pub(crate) struct Mixed(pub(crate) u64);

impl Mixed {
    pub(crate) fn next(&mut self) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 0.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

/// So many a second at random moments, of random keys.
fn poisson(rate: f64, seconds: f64, keys: u64) -> Vec<Item> {
    let (mut mixed, mut now, mut items) = (Mixed(7), 0.0, Vec::new());
    loop {
        now -= mixed.unit().ln() / rate;
        if now > seconds {
            return items;
        }
        items.push((now, (mixed.next() % keys) as u32, 1));
    }
}

/// So many a second at even distances.
fn even(rate: f64, seconds: f64, key: u32) -> Vec<Item> {
    (0..(rate * seconds) as u64).map(|n| (n as f64 / rate, key, 1)).collect()
}

fn merged(parts: Vec<Vec<Item>>) -> Vec<Item> {
    let mut items: Vec<Item> = parts.into_iter().flatten().collect();
    items.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    items
}

/// As a collector sends them: what came in so many seconds at the end of those, key by key.
fn batched(items: Vec<Item>, seconds: f64) -> Vec<Item> {
    let at = |item: Item| (((item.0 / seconds).floor() + 1.0) * seconds, item.1, item.2);
    merged(vec![items.into_iter().map(at).collect()])
}

/// Four keys of ten a second each.
fn four_keys() -> Vec<Item> {
    merged((0..4).map(|key| even(10.0, 300.0, key)).collect())
}

fn feed(target: &mut Target<u32>, mixed: &mut Mixed, (at_s, key, weight): Item) -> Threshold {
    let randomness = Randomness::of_hash(mixed.next());
    let at_ns = (at_s * SECOND_NS) as i64;
    let threshold = target.threshold(&key, Arrival { at_ns, weight, stands_for: 1, randomness });
    if threshold.admits(randomness) { threshold } else { Threshold::NEVER }
}

/// Weight of what is kept, and what it stands for.
fn kept(goal: Goal, items: &[Item]) -> (u64, f64) {
    let (mut target, mut mixed) = (Target::new(goal), Mixed(1));
    let (mut kept, mut stands_for) = (0, 0.0);
    for item in items {
        let threshold = feed(&mut target, &mut mixed, *item);
        if threshold != Threshold::NEVER {
            kept += item.2;
            stands_for += item.2 as f64 * threshold.adjusted_count();
        }
    }
    (kept, stands_for)
}

fn weight(items: &[Item]) -> u64 {
    items.iter().map(|item| item.2).sum()
}

/// Percent of what may be kept.
fn percent(goal: Goal, items: &[Item]) -> f64 {
    let came = weight(items) as f64;
    let allowed = match goal {
        Goal::Rate(rate) => {
            let last_s = items.last().map_or(0.0, |item| item.0);
            rate.micro as f64 / 1e6 / f64::from(rate.period_s) * last_s
        }
        Goal::Share(millionths) => came * millionths as f64 / 1e6,
    };
    kept(goal, items).0 as f64 / came.min(allowed) * 100.0
}

fn per_s(rate: f64) -> Goal {
    Goal::Rate(Rate::of_number(rate))
}

fn per_m(rate: f64) -> Goal {
    per_s(rate / 60.0)
}

#[test]
fn sparse_traffic_below_its_target_is_kept_whole() {
    for (every_s, goal) in [(10.0, per_m(20.0)), (5.0, per_m(30.0)), (30.0, per_m(3.0))] {
        let items = even(1.0 / every_s, 3_600.0, 0);
        let kept = kept(goal, &items).0;
        assert_eq!(kept, items.len() as u64);
    }
    assert!(percent(per_m(3.0), &poisson(2.0 / 60.0, 36_000.0, 1)) > 96.0);
    assert!(percent(per_m(3.0), &poisson(3.0 / 60.0, 36_000.0, 1)) > 87.0);
}

#[test]
fn random_traffic_keeps_its_target() {
    // Rate, keys, target; all a second.
    for (rate, keys, target) in [
        (6.0, 1, 3.0),
        (6.0, 1, 5.0),
        (6.0, 1, 12.0),
        (6.0, 4, 3.0),
        (6.0, 10, 3.0),
        (6.0, 10, 8.0),
        (6.0, 20, 3.0),
        (6.0, 20, 6.0),
        (6.0, 200, 6.0),
        (6.0, 2_000, 3.0),
        (2.0, 1, 1.0),
        (1.0, 5, 2.0),
        (30.0, 5, 10.0),
        (50.0, 1_000, 10.0),
        (100.0, 5, 20.0),
        (1_000.0, 20, 50.0),
        (0.5, 1, 0.05),
        (0.5, 30, 0.05),
    ] {
        let items = poisson(rate, 300.0_f64.max(2_000.0 / rate), keys);
        let percent = percent(per_s(target), &items);
        assert!((94.0..106.0).contains(&percent), "{rate} {keys} {target}: {percent}");
    }
}

#[test]
fn batches_keep_their_target_up_to_an_interval() {
    for seconds in [1.0, 5.0, 10.0] {
        let items = batched(four_keys(), seconds);
        assert_eq!(kept(per_s(54.0), &items).0, weight(&items), "all is below the target");
        for target in [30.0, 5.0] {
            let percent = percent(per_s(target), &items);
            assert!((97.0..106.0).contains(&percent), "{seconds} {target}: {percent}");
        }
    }
    // Behind a longer pause there is what an interval brings: a quarter of each minute's target.
    let minutes = batched(four_keys(), 60.0);
    assert!((25.0..40.0).contains(&percent(per_s(54.0), &minutes)));
    let cron = merged(
        (0..30)
            .map(|n| even(60.0, 1.0, 0).iter().map(|i| (i.0 + 60.0 * f64::from(n), 0, 1)).collect())
            .collect(),
    );
    assert!((15 * 30..17 * 30).contains(&kept(per_s(1.0), &cron).0));
    assert_eq!(kept(per_s(4.0), &cron).0, 1_800);
}

#[test]
fn low_rates_are_met_over_their_own_time() {
    let minutes = even(1.0 / 60.0, 86_400.0, 0);
    for (per_day, least, most) in [(1.0, 1, 4), (24.0, 18, 26), (120.0, 110, 125)] {
        let kept = kept(per_s(per_day / 86_400.0), &minutes).0;
        assert!((least..=most).contains(&kept), "{per_day} a day: {kept}");
    }
    // Two months.
    let minutes = even(1.0 / 60.0, 60.0 * 86_400.0, 0);
    let percent = percent(per_s(1.0 / 86_400.0), &minutes);
    assert!((85.0..110.0).contains(&percent), "{percent}");
}

#[test]
fn shares_are_met_by_sparse_and_batched_traffic() {
    for (items, what) in [
        (poisson(0.1, 20_000.0, 3), "one in 10 s"),
        (poisson(0.1, 20_000.0, 100), "one in 10 s of many keys"),
        (poisson(6.0, 2_000.0, 20), "some keys"),
        (batched(four_keys(), 1.0), "batches of 1 s"),
        (batched(four_keys(), 60.0), "batches of 60 s"),
    ] {
        let percent = percent(Goal::Share(100_000), &items);
        assert!((85.0..115.0).contains(&percent), "{what}: {percent}");
    }
}

#[test]
fn keys_that_come_once_keep_the_target_too() {
    for (rate, target) in [(20.0, 10.0), (1_000.0, 10.0)] {
        let mut items = even(rate, 300.0, 0);
        items.iter_mut().enumerate().for_each(|(n, item)| item.1 = n as u32);
        let percent = percent(per_s(target), &items);
        assert!((85.0..110.0).contains(&percent), "{rate}: {percent}");
    }
}

#[test]
fn heavy_items_keep_the_target() {
    let mut mixed = Mixed(9);
    let mut items = poisson(2.0, 1_200.0, 5);
    items.iter_mut().for_each(|item| item.2 = 50 + mixed.next() % 450);
    let percent = percent(per_s(20.0), &items);
    assert!((88.0..110.0).contains(&percent), "{percent}");
}

#[test]
fn what_is_kept_stands_for_what_came() {
    let burst = merged(vec![
        even(10.0, 120.0, 0),
        even(500.0, 10.0, 0).iter().map(|i| (i.0 + 50.0, 0, 1)).collect(),
    ]);
    for (goal, items) in [
        (per_s(5.0), burst),
        (per_s(10.0), poisson(100.0, 600.0, 50)),
        (per_s(5.0), batched(four_keys(), 5.0)),
        (Goal::Share(100_000), poisson(50.0, 600.0, 50)),
    ] {
        let ratio = kept(goal, &items).1 / weight(&items) as f64;
        assert!((0.85..1.15).contains(&ratio), "{ratio}");
    }
}

proptest! {
    /// Whatever comes: all of it is kept while an interval brings no more than its goal, every
    /// threshold leaves a chance, and no stretch of time keeps more than its goal, two intervals'
    /// worth and chance allow.
    #[test]
    fn what_is_promised_holds_of_any_traffic(
        gaps in prop::collection::vec((0_u32..40_000, 0_u32..30), 1..600),
    ) {
        let (mut target, mut mixed) = (Target::new(per_s(2.0)), Mixed(3));
        let (mut now_s, mut times, mut all_kept) = (0.0, Vec::new(), 0);
        for (gap_ms, key) in gaps {
            // Bursts, and pauses between them.
            now_s += if gap_ms % 4 > 0 { 0.001 } else { f64::from(gap_ms) / 1e3 };
            times.push(now_s);
            let randomness = Randomness::of_hash(mixed.next());
            let at_ns = (now_s * SECOND_NS) as i64;
            let arrival = Arrival { at_ns, weight: 1, stands_for: 1, randomness };
            let threshold = target.threshold(&key, arrival);
            prop_assert!(threshold < Threshold::NEVER);
            let interval = times.iter().filter(|at| now_s - **at <= 15.0).count();
            prop_assert!(interval > 30 || threshold == Threshold::ALWAYS);
            all_kept += u64::from(threshold.admits(randomness));
            prop_assert!((all_kept as f64) < 2.0 * now_s + 60.0 + 20.0);
        }
    }
}
