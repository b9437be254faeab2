//! Samplings of the late items of a stream: what lines read of an item travels with its row.

use std::sync::Arc;

use tailwater_dsl::hir::Sample;
use tailwater_engine::model::{Field, RuleId};
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::{
    Plan, Rule, RuleKind, RulePlace, SampleFit, SampleKeys, SampleLine, SampledFrom,
};

use super::sample::{keys_of, of_items, texts, verb};
use super::sample_facts::questions;
use super::stream::{Composed, Streams};
use super::{NotYet, wrong};

/// A sampling of late items, each by itself.
pub(super) fn lower(
    plan: &mut Plan,
    streams: &Streams<'_>,
    (sample, source, name): (&Sample, &Composed, &str),
    (rule, signal, place): (RuleId, u32, RulePlace),
) -> Result<(), Vec<NotYet>> {
    if let Some((_, range)) = questions(sample).first() {
        let what = "late items come behind what other rules have said by their time".to_owned();
        let help = "ask in a sample of the stream itself: for a sample no item is late".to_owned();
        return Err(wrong("E3008", (what, help), *range));
    }
    let kind = plan.signals[signal as usize].signal;
    let (mut lines, mut identity) = (Vec::new(), vec![format!("{name} late {kind:?}")]);
    for line in &sample.lines {
        let when = line.when.as_ref().map(|when| source.lower(plan, streams, when)).transpose()?;
        let keys = keys_of(&line.verb).iter().map(|key| source.lower(plan, streams, key));
        let keys = SampleKeys::Row(keys.collect::<Result<_, _>>()?);
        let verb = verb(&line.verb);
        identity.push(format!("{} {} {verb:?} {}", line.name, line.is_shadow, texts(line)));
        lines.push(SampleLine {
            name: Arc::from(&*line.name),
            is_shadow: line.is_shadow,
            verb,
            fits: when.map_or(SampleFit::All, SampleFit::Row),
            keys,
        });
    }
    let mut column = |field: Field| {
        let of_kind = Field::by_path(kind, field.path())?;
        match source.field(plan, streams, of_kind.path())? {
            Expr::Column(at) => Some(at),
            _ => None,
        }
    };
    let from = SampledFrom::Late {
        rule,
        signal,
        filter: source.condition.clone(),
        trace_id: column(Field::TraceId),
        trace_state: column(Field::TraceState),
    };
    plan.rules.push(Rule {
        name: Arc::from(name),
        kind: RuleKind::Sample(Box::new(of_items(sample, from, (lines, Vec::new()), &identity))),
        place,
    });
    Ok(())
}
