//! `tailwater test`: the tests that rules carry.

use std::fmt::Write as _;

use tailwater_dsl::text_range::{TextRange, line_column};
use tailwater_rules::{TestResult, run_tests};

use crate::args::{General, Test};
use crate::exit::Exit;
use crate::output::print;
use crate::rule_files::{self, Compiled, compile};
use crate::terminal::{Style, tell};

/// Runs the tests; exit code 1 if one fails.
pub(crate) fn run(args: &Test, general: General) -> anyhow::Result<Exit> {
    let params = rule_files::params(&args.params)?;
    let (mut count, mut failed, mut are_broken) = (0, 0, false);
    for set in rule_files::sets(rule_files::read(&args.paths)?, args.each) {
        let compiled = compile(&set, params.clone());
        compiled.tell(general);
        let (Some(program), Some(plan)) = (&compiled.program, &compiled.plan) else {
            are_broken = true;
            continue;
        };
        let results = run_tests(program, plan)?;
        let mut text = String::new();
        for result in &results {
            write_result(&compiled, result, general, &mut text);
        }
        print(&text)?;
        count += results.len();
        failed += results.iter().filter(|result| !result.failures.is_empty()).count();
    }
    if !general.is_quiet && (count > 0 || !are_broken) {
        let hint = if count == 0 { ": the rules hold no `test`" } else { "" };
        tell(&format!("{} passed, {failed} failed{hint}\n", count - failed));
    }
    Ok(match (are_broken, failed) {
        (true, _) => Exit::Rules,
        (false, 1..) => Exit::Findings,
        (false, 0) => Exit::Good,
    })
}

fn write_result(compiled: &Compiled, result: &TestResult, general: General, text: &mut String) {
    let is_colored = general.colors.on_stdout;
    let is_good = result.failures.is_empty();
    if is_good && general.is_quiet {
        return;
    }
    let word = if is_good {
        Style::Green.paint("ok", is_colored)
    } else {
        Style::Red.paint("FAILED", is_colored)
    };
    let _ = writeln!(text, "{word}  {}", result.name);
    for failure in &result.failures {
        let place = place(compiled, failure.range);
        let _ = writeln!(text, "    {place}: expected {}", failure.expected);
        if failure.found.is_empty() {
            let _ = writeln!(text, "      found nothing");
        }
        for found in &failure.found {
            let _ = writeln!(text, "      found {found}");
        }
        if failure.found_count > failure.found.len() {
            let more = failure.found_count - failure.found.len();
            let _ = writeln!(text, "      … and {more} more");
        }
    }
}

/// `rules/shop.tw:12:5`.
fn place(compiled: &Compiled, range: TextRange) -> String {
    let Some(file) = compiled.files.iter().find(|file| file.id == range.file) else {
        return "?".to_owned();
    };
    let (line, column) = line_column(&file.text, range.start as usize);
    format!("{}:{line}:{column}", file.name)
}
