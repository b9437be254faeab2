//! Rule tests: given items through the very engine that runs live, expected rows and alerts.
//!
//! Test time 0 is [`TEST_START_NS`]: a midnight, so that windows of every usual length begin
//! there. Items arrive in the order of their arrival times.

mod expect;
mod given;
mod sampled;

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_dsl::hir::{Program, SourceRef, Test};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::Error;
use tailwater_engine::model::{FrameBody, Row, RuleId, SourceSpec, Transition};
use tailwater_engine::plan::Plan;
use tailwater_engine::redact::Redactor;
use tailwater_engine::runtime::{Engine, LineCounts, TraceExplained};

/// 2024-01-01T00:00:00Z: time 0 of every test, nanoseconds since the Unix epoch.
pub const TEST_START_NS: i64 = 1_704_067_200_000_000_000;

/// What every `secret("…")` is in a test: hashes are the same wherever it runs.
pub(crate) const TEST_SECRET: &[u8] = b"test";

/// Items of one test; further ones are refused.
pub const TEST_ITEMS_MAX: u64 = 1_000_000;

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The expectation.
    pub range: TextRange,
    /// What was expected, in words.
    pub expected: String,
    /// What was found instead: rows or transitions of that rule, the first ones.
    pub found: Vec<String>,
    /// How many there were.
    pub found_count: usize,
}

/// What a test gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The test's name.
    pub name: String,
    /// Where it stands.
    pub range: TextRange,
    /// Its expectations.
    pub expectations: usize,
    /// Those that were not met; empty when it passed.
    pub failures: Vec<Failure>,
}

/// Everything that the rules said in a test.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) rows: Vec<Row>,
    pub(crate) transitions: Vec<Transition>,
    /// By rule and line of samplings: what they did.
    pub(crate) samples: BTreeMap<(RuleId, u16), LineCounts>,
    /// Of the traces that expectations name: what samplings made of them.
    pub(crate) explained: Vec<TraceExplained>,
}

/// Runs all tests of a program, in the order of the files.
///
/// # Errors
/// If the engine cannot be started or a worker stops; a failed expectation is no error.
pub fn run_tests(program: &Program, plan: &Arc<Plan>) -> Result<Vec<TestResult>, Error> {
    program.tests.iter().map(|test| run_test(program, plan, test)).collect()
}

fn run_test(program: &Program, plan: &Arc<Plan>, test: &Test) -> Result<TestResult, Error> {
    let mut result = TestResult {
        name: test.name.clone(),
        range: test.range,
        expectations: test.expect.len(),
        failures: Vec::new(),
    };
    let items: u64 = test.given.iter().map(|given| given.times).sum();
    if items > TEST_ITEMS_MAX {
        result.failures.push(Failure {
            range: test.range,
            expected: format!("at most {TEST_ITEMS_MAX} items"),
            found: vec![format!("{items} items")],
            found_count: 1,
        });
        return Ok(result);
    }
    let plan = &showing(program, plan, test);
    let mut said = run(plan, test)?;
    // One trace is told of in one run.
    for id in sampled::traces_of(test) {
        let explained = Some(id);
        let plan = Arc::new(Plan { explained, ..Plan::clone(plan) });
        said.explained.extend(run(&plan, test)?.explained);
    }
    let failed = test.expect.iter().filter_map(|e| expect::check(program, plan, &said, e));
    result.failures.extend(failed);
    Ok(result)
}

/// The plan, with duplicates as results where the test is about them: otherwise they are said to
/// their readers only, and nothing could be expected of them.
fn showing(program: &Program, plan: &Arc<Plan>, test: &Test) -> Arc<Plan> {
    let mut plan = Arc::clone(plan);
    for expect in &test.expect {
        let SourceRef::Outcome(..) = expect.rule else { continue };
        let name = expect::name_of(program, &expect.rule);
        let found = plan.rules.iter().position(|rule| *rule.name == *name);
        if let Some(at) = found.filter(|&at| plan.rules[at].place.is_hidden) {
            Arc::make_mut(&mut plan).rules[at].place.is_hidden = false;
        }
    }
    plan
}

fn run(plan: &Arc<Plan>, test: &Test) -> Result<Said, Error> {
    let source = SourceSpec { name: Arc::from("test"), has_arrival: true, mapping: None };
    let sources = vec![source];
    let redactor = plan.redaction.as_ref();
    let redactor = redactor.map(|of| Redactor::new(of, Some(TEST_SECRET), &sources)).transpose()?;
    let mut engine = Engine::builder(Arc::clone(plan)).sources(sources).build()?;
    let mut said = Said::default();
    let mut take = |output: tailwater_engine::runtime::EpochOutput| {
        said.rows.extend(output.rows);
        said.transitions.extend(output.transitions);
        said.explained.extend(output.explained);
        said.samples = output.samples; // of the whole test so far
    };
    for frame in given::frames(&test.given) {
        engine.push(match &redactor {
            Some(redactor) => redactor.frame(frame),
            None => frame,
        })?;
        while let Some(output) = engine.poll() {
            take(output);
        }
    }
    engine.push_body(FrameBody::End)?;
    engine.finish()?.0.into_iter().for_each(take);
    Ok(said)
}
