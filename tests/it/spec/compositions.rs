//! Rule files put together at random, over random telemetry: rules about rules of every kind. No
//! oracle knows what they should say; they must say the same in every way to cut the work.

mod lines;
mod rules;

use proptest::prelude::*;

use super::parse::Shown;
use super::run::{Answer, Between, Way, answer, compile};

/// How many rule files; `COMPOSITION_CASES` in the environment says another number.
fn cases() -> ProptestConfig {
    let asked =
        std::env::var_os("COMPOSITION_CASES").and_then(|cases| cases.to_str()?.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(32),
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What each rule says by itself: rules may take turns as the cut into epochs has it.
fn by_rule(answer: Answer, is_capped: bool) -> Answer {
    let Answer { mut rows, items, counts } = answer;
    if is_capped {
        // Traces that are decided early at one watermark leave as epochs have it.
        rows.sort();
    }
    rows.sort_by_key(|row| {
        let mut words = row.split(' ');
        let first = words.next().unwrap_or_default().to_owned();
        // Of samplings the name is two words; of their items, signals take turns as well.
        let more = if first == "sample" { 2 } else { 0 };
        words.take(more).fold(first, |name, word| name + " " + word)
    });
    Answer { rows, items, counts }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rules_about_rules_say_the_same_in_every_way(
        declarations in rules::declarations(),
        lines in lines::lines(),
    ) {
        let rules = rules::text(&declarations);
        let plan = match compile(&rules) {
            // A sampling may ask about what spans have no value for.
            Err(why) if why.contains("NotYet") => return Ok(()),
            plan => plan.map_err(|why| TestCaseError::fail(format!("{rules}\n{why}")))?,
        };
        let input = lines::input(&lines);
        let log = super::input::log(&input).map_err(TestCaseError::fail)?;
        let way = |workers, lines, frames, between| Way { workers, lines, frames, between };
        let said = |way, shown| {
            answer(&plan, &log, (false, shown), way).map_err(TestCaseError::fail)
        };
        let same = |one: &Answer, other: &Answer, way: Way| {
            let input = input.join("\n");
            prop_assert!(one == other, "{rules}\n{input}\nsays\n{one}\nbut {way:?}:\n{other}");
            Ok(())
        };
        // The same cut: the same in the same order, limits and all.
        let first = said(way(1, 2, 3, Between::Nothing), Shown::All)?;
        for workers in [2, 4] {
            let way = way(workers, 2, 3, Between::Nothing);
            same(&first, &said(way, Shown::All)?, way)?;
        }
        // What is said before the last word may, too; what stands at the end does not.
        let is_capped = rules.contains("limit spans");
        let first = by_rule(said(way(1, 4, 64, Between::Nothing), Shown::Standing)?, is_capped);
        let ways = [
            way(2, 1, 3, Between::Nothing),
            way(4, 2, 1, Between::Nothing),
            way(2, 1, 1, Between::Restore),
        ];
        for way in ways {
            same(&first, &by_rule(said(way, Shown::Standing)?, is_capped), way)?;
        }
    }
}

/// Slices of sessions that speak every so often are shorter than the gap: one was given up while
/// its keys were still asked about, and another key of `other` got its place, by the timing of
/// threads.
#[test]
fn what_a_limit_leaves_out_of_sessions_is_the_same_every_time() {
    let rules = "aggregate c from spans by service.name, name over session(gap: 3s)\n\
                 select { n: count() } limit groups 2 overflow other results every 4s";
    let input = "0ms span shop \"y\" server error 3000ms @a\n\
                 18700ms span shop \"x\" client ok 3000ms @a\n\
                 18800ms span shop \"y\" client ok 10ms @a\n\
                 17398ms span shop \"y\" server error 10ms @b\n\
                 6233ms span mail \"x\" client ok 500ms @a\n\
                 tick 21700ms\n\
                 24129ms span mail \"x\" client ok 3000ms @b\n\
                 34700ms span bank \"x\" error 10ms @b\n\
                 43700ms span bank \"x\" client ok 0ms @b\n\
                 44400ms span bank \"y\" server error 10ms @b\n\
                 62267ms span mail \"y\" server ok 3000ms @b\n\
                 57860ms span bank \"x\" ok 0ms @b";
    let plan = compile(&format!("edition 1\n{rules}")).unwrap();
    let input: Vec<String> = input.lines().map(str::to_owned).collect();
    let log = super::input::log(&input).unwrap();
    let said = |workers| {
        let way = Way { workers, lines: 2, frames: 3, between: Between::Nothing };
        answer(&plan, &log, (false, Shown::All), way).unwrap()
    };
    let first = said(1);
    for workers in [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4] {
        assert!(said(workers) == first, "{workers}: {}\nand\n{first}", said(workers));
    }
}
