//! Random correlations over random streams against an oracle that looks at everything at once.
//!
//! The oracle is written from `docs/language.md`: whole lists of items, no state, no deadlines, no
//! watermark but for lateness. It shares no code with the engine.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tailwater_engine::model::{Row, Value};

use crate::replay::{BASE_S, plan, span};
use crate::ways::{Way, rows, ways};

const LETTERS: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 2] = ["x", "y"];
const LATENESS_S: i64 = 4;
const PICKS: [(&str, Pick); 3] =
    [("first", Pick::First(1)), ("all limit 2", Pick::First(2)), ("last", Pick::Last)];
const OUTCOMES: [&str; 4] = ["matched", "left_only", "right_only", "duplicates"];

#[derive(Debug, Clone, Copy)]
enum Pick {
    First(usize),
    Last,
}

/// One item: second, letter, key, place in the log.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Item {
    time_s: i64,
    letter: usize,
    key: usize,
    place: usize,
}

#[derive(Debug, Clone)]
struct Pair {
    left: BTreeSet<usize>,
    right: BTreeSet<usize>,
    within_s: (i64, i64),
}

/// Outcome, second of the decision, place of the left item and of the right one, 0 where absent.
type Decided = (&'static str, i64, i64, i64);

impl Pair {
    fn rules(&self) -> String {
        let letters = |letters: &BTreeSet<usize>| {
            let names: Vec<String> =
                letters.iter().map(|at| format!("\"{}\"", LETTERS[*at])).collect();
            format!("s where name in [{}]", names.join(", "))
        };
        let (left, right) = (letters(&self.left), letters(&self.right));
        let (least, most) = self.within_s;
        let mut text = format!("stream s = spans lateness {LATENESS_S}s\n");
        for (at, (pick, _)) in PICKS.iter().enumerate() {
            writeln!(
                text,
                "correlate m{at} {{ l: {left}\n r: {right} }} on service.name \
                 within [{least}s, {most}s] pick {pick} select {{ l: l.p, r: r.p }}\n\
                 rows d{at} = m{at}.duplicates select {{ l, r }}"
            )
            .unwrap();
        }
        text
    }

    fn expected(&self, log: &[Item], pick: Pick) -> Vec<Decided> {
        let mut taken: Vec<Item> = Vec::new();
        let mut high_s = i64::MIN / 2;
        for item in log {
            if item.time_s > high_s - LATENESS_S {
                taken.push(*item);
            }
            high_s = high_s.max(item.time_s);
        }
        taken.sort_by_key(|item| (item.time_s, item.place));
        let (least_s, most_s) = self.within_s;
        let side = |letters: &BTreeSet<usize>| -> Vec<Item> {
            taken.iter().filter(|item| letters.contains(&item.letter)).copied().collect()
        };
        let (lefts, rights) = (side(&self.left), side(&self.right));
        let can = |left: &Item, right: &Item| {
            let apart_s = right.time_s - left.time_s;
            left.key == right.key
                && left.place != right.place
                && (least_s..=most_s).contains(&apart_s)
        };
        let mut found = Vec::new();
        let mut picked = BTreeSet::new();
        for left in &lefts {
            let own: Vec<&Item> = rights.iter().filter(|right| can(left, right)).collect();
            let place = left.place as i64;
            let deadline_s = left.time_s + most_s.max(0);
            if own.is_empty() {
                found.push(("left_only", deadline_s, place, 0));
            }
            let takes: Vec<(&Item, i64)> = match pick {
                Pick::First(limit) => {
                    let first = own.into_iter().take(limit);
                    first.map(|right| (right, left.time_s.max(right.time_s))).collect()
                }
                Pick::Last => {
                    own.into_iter().next_back().map(|r| (r, deadline_s)).into_iter().collect()
                }
            };
            for (right, at_s) in takes {
                picked.insert(right.place);
                found.push(("matched", at_s, place, right.place as i64));
            }
        }
        for right in rights.iter().filter(|right| !picked.contains(&right.place)) {
            let place = right.place as i64;
            let deadline_s = right.time_s + (-least_s).max(0);
            let more_s = if matches!(pick, Pick::Last) { most_s.max(0) } else { 0 };
            let is_duplicate = lefts.iter().any(|left| can(left, right));
            found.push(if is_duplicate {
                ("duplicates", deadline_s + more_s, 0, place)
            } else {
                ("right_only", deadline_s, 0, place)
            });
        }
        found.sort_unstable();
        found
    }
}

/// What each way to pick says.
fn said(rules: &str, log: &[Item], way: Way) -> Vec<Vec<Decided>> {
    let plan = Arc::new(plan(rules).unwrap_or_else(|text| panic!("{text}\n{rules}")));
    let text = |item: &Item| {
        let place = item.place;
        let rest =
            format!(",\"attributes\":[{{\"key\":\"p\",\"value\":{{\"intValue\":\"{place}\"}}}}]");
        span(KEYS[item.key], LETTERS[item.letter], item.time_s * 1_000, 0, &rest)
    };
    let mut by_pick = vec![Vec::new(); PICKS.len()];
    for row in rows(&plan, log.iter().map(text).collect(), way).into_iter().flatten() {
        let name = &plan.rules[row.rule.0 as usize].name;
        let at = usize::from(name.as_bytes()[1] - b'0');
        let outcome = name.split_once('.').map_or("duplicates", |(_, outcome)| outcome);
        let outcome = OUTCOMES.into_iter().find(|known| *known == outcome).unwrap();
        by_pick[at].push(decided(outcome, &row));
    }
    by_pick.iter_mut().for_each(|found| found.sort_unstable());
    by_pick
}

fn decided(outcome: &'static str, row: &Row) -> Decided {
    let number = |value: &Value| match value {
        Value::Int(number) => *number,
        Value::Null => 0,
        other => panic!("a number, not {other:?}"),
    };
    let at_s = row.decision_ns.div_euclid(1_000_000_000) - BASE_S;
    (outcome, at_s, number(&row.values[0]), number(&row.values[1]))
}

fn pair() -> impl Strategy<Value = Pair> {
    let letters = || btree_set(0..3usize, 1..3);
    (letters(), letters(), -5..6i64, 0..7i64).prop_map(|(left, right, least_s, more_s)| Pair {
        left,
        right,
        within_s: (least_s, least_s + more_s),
    })
}

/// Items that mostly go forward: ties, disorder, and some too late.
fn log() -> impl Strategy<Value = Vec<Item>> {
    let back = prop_oneof![5 => Just(0i64), 2 => 1..4i64, 1 => 4..9i64];
    let key = prop_oneof![4 => Just(0usize), 1 => Just(1)];
    vec((0..4i64, back, 0..3usize, key), 1..16).prop_map(|steps| {
        let mut now_s = 20;
        let item = |(place, (on_s, back_s, letter, key)): (usize, (i64, i64, usize, usize))| {
            now_s += on_s;
            Item { time_s: now_s - back_s, letter, key, place: place + 1 }
        };
        steps.into_iter().enumerate().map(item).collect()
    })
}

fn cases() -> ProptestConfig {
    // The full sweep is a command of its own: see docs/testing.md.
    let cases = std::env::vars().find(|(name, _)| name == "CORRELATION_CASES");
    let cases = cases.and_then(|(_, n)| n.parse().ok()).unwrap_or(500);
    ProptestConfig { cases, max_shrink_iters: 4_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn correlations_find_what_looking_at_everything_finds(
        pair in pair(),
        log in log(),
        way in ways(16),
    ) {
        let said = said(&pair.rules(), &log, way);
        for ((name, pick), found) in PICKS.iter().zip(&said) {
            prop_assert_eq!(found, &pair.expected(&log, *pick), "pick {}\n{}", name, pair.rules());
        }
    }
}
