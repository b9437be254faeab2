//! Typed rules become a plan: streams are composed, equal expressions, filters, accumulators and
//! tables are found once.
//!
//! What the engine cannot run yet is reported with its place, never left out silently.

mod aggregate;
mod alert;
mod correlate;
mod expr;
mod naming;
mod past;
mod pattern;
mod pattern_identity;
mod redact;
mod retrace;
mod retrace_spans;
mod route;
mod row_names;
mod rows;
mod sample;
mod sample_facts;
mod sample_items;
mod sample_late;
mod selected;
mod signal;
mod span_set;
mod stream;
mod table;
mod traces;
mod twins;

use tailwater_dsl::hir::{Declaration, DeclarationKind, Program};
use tailwater_dsl::text_range::TextRange;
use tailwater_engine::limits::LEVELS_MAX;
use tailwater_engine::plan::Plan;

use stream::Streams;

/// Something that is part of the language and that this version does not run; or that no version
/// can, as is known only here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYet {
    /// What it is, as rules write it; of what no version can run, what is wrong.
    pub what: String,
    /// Where it stands.
    pub range: TextRange,
    /// Where no version can run it: the code of the mistake, and what to do.
    pub mistake: Option<(&'static str, String)>,
}

impl NotYet {
    pub(crate) fn new(what: impl Into<String>, range: TextRange) -> Self {
        Self { what: what.into(), range, mistake: None }
    }
}

/// Lowers a program.
///
/// # Errors
/// Everything in it that this version does not run, in declaration order.
pub fn lower(program: &Program) -> Result<Plan, Vec<NotYet>> {
    let mut plan = Plan::default();
    let mut missing = Vec::new();
    let mut streams = Streams::new(program);
    if traces::reads_all(program) {
        traces::all(&mut plan, &mut streams);
    }
    for declaration in &program.declarations {
        let result = lower_one(&mut plan, &mut streams, declaration);
        route::of_rule(&mut plan, declaration);
        if let Err(more) = result {
            missing.extend(more);
        }
    }
    if missing.is_empty() {
        table::seal(&mut plan);
        naming::settle(&mut plan);
        twins::tell_apart(&mut plan);
        Ok(plan)
    } else {
        missing.dedup();
        Err(missing)
    }
}

/// Lowers one declaration, and notes which rules it has become.
fn lower_one(
    plan: &mut Plan,
    streams: &mut Streams<'_>,
    declaration: &Declaration,
) -> Result<(), Vec<NotYet>> {
    let id = declaration.id;
    match &declaration.kind {
        DeclarationKind::Stream(_) => streams.declare(plan, id),
        DeclarationKind::Aggregate(aggregate) => {
            aggregate::lower(plan, streams, declaration, aggregate).map(|rule| {
                streams.rules.insert(id, rule);
            })
        }
        DeclarationKind::Rows(rows) => rows::lower(plan, streams, declaration, rows).map(|rule| {
            streams.rules.insert(id, rule);
        }),
        DeclarationKind::Alert(alert) => {
            alert::lower(plan, streams, declaration, alert).map(|rule| {
                streams.rules.insert(id, rule);
            })
        }
        DeclarationKind::Pattern(pattern) => pattern::lower(plan, streams, declaration, pattern)
            .map(|(rule, timeout)| {
                streams.rules.insert(id, rule);
                streams.timeouts.extend(timeout.map(|timeout| (id, timeout)));
            }),
        DeclarationKind::Traces(of) => traces::lower(plan, streams, declaration, of).map(|rule| {
            streams.rules.insert(id, rule);
        }),
        DeclarationKind::Correlate(correlate) => {
            correlate::lower(plan, streams, declaration, correlate).map(|rules| {
                streams.outcomes.extend(rules.map(|(outcome, rule)| ((id, outcome), rule)));
            })
        }
        DeclarationKind::Sample(sample) => sample::lower(plan, streams, declaration, sample),
        DeclarationKind::Retrace(of) => retrace::lower(plan, streams, declaration, of),
        DeclarationKind::Route(route) => route::lower(plan, streams, declaration, route),
        DeclarationKind::Redact(redact) => {
            plan.redaction = Some(redact::lower(redact));
            Ok(())
        }
    }
}

pub(crate) use expr::literal;

/// A mistake: what is wrong, and what to do.
pub(crate) fn wrong(
    code: &'static str,
    (what, help): (String, String),
    range: TextRange,
) -> Vec<NotYet> {
    vec![NotYet { what, range, mistake: Some((code, help)) }]
}

pub(crate) fn not_yet(what: &str, range: TextRange) -> Vec<NotYet> {
    vec![NotYet::new(what, range)]
}

/// Rules that read one another beyond what is allowed.
fn too_deep(range: TextRange) -> Vec<NotYet> {
    let what = format!("more than {LEVELS_MAX} rules read one another in a row");
    let help = "let this rule read one of the first of them, or select more at once".to_owned();
    wrong("E0006", (what, help), range)
}
