//! Late items of a stream, as cases: one place decides about all of them.

use bytes::Bytes;

use super::{Case, CaseKind, Held, Timing, Weight};
use crate::model::{EmittedItem, Signal, Value};
use crate::plan::eval::eval_row;
use crate::plan::{SampleFit, SampleKeys, SampleLine, SampleRule, SampledFrom};
use crate::sampling::{Reading, Settled, read_log, read_tracestate};

/// A late item for its verdict; `columns` are those of the row that says it, `raw` the number and
/// the hash of the bytes that it came in.
pub(crate) fn late_case(
    sample: &SampleRule,
    item: EmittedItem,
    columns: &[Value],
    (bytes, hash): (u64, u64),
) -> Case {
    let (id, state) = match sample.from {
        SampledFrom::Late { trace_id, trace_state, .. } => (trace_id, trace_state),
        SampledFrom::Items { .. } | SampledFrom::Traces { .. } => (None, None),
    };
    let id = match id.and_then(|at| columns.get(at as usize)) {
        Some(Value::Bytes(id)) => <[u8; 16]>::try_from(&**id).ok(),
        _ => None,
    };
    let trace_state = match state.and_then(|at| columns.get(at as usize)) {
        Some(Value::Str(text)) => Bytes::copy_from_slice(text.as_bytes()),
        _ => Bytes::new(),
    };
    let arrived = match item.signal {
        Signal::Logs => read_log(&item.content.item),
        _ => read_tracestate(std::str::from_utf8(&trace_state).unwrap_or_default()),
    };
    let is_refused = arrived.reading == Reading::Refused;
    let Settled { own, randomness, threshold: arrived } = arrived.settled_by(id, || hash);
    let lines = || sample.lines.iter().enumerate();
    let mut order = [0; 16];
    order[..8].copy_from_slice(&item.key.frame_seq.to_be_bytes());
    order[8..12].copy_from_slice(&item.key.row.to_be_bytes());
    Case {
        rule: item.rule,
        decision_ns: item.decision_ns,
        order,
        randomness,
        line: 0,
        fits: lines().filter(|(_, line)| fits(line, columns)).fold(0, |all, (at, _)| all | 1 << at),
        keys: lines().filter_map(|(at, line)| Some((at as u16, keys(line, columns)?))).collect(),
        weight: Weight { items: 1, bytes },
        held: vec![Held { item, trace_state, own, arrived, is_refused }],
        kind: CaseKind::Undecided,
        timing: Timing::default(),
        columns: Vec::new(),
    }
}

fn fits(line: &SampleLine, columns: &[Value]) -> bool {
    match &line.fits {
        SampleFit::All => true,
        SampleFit::Row(when) => eval_row(when, columns) == Value::Bool(true),
        SampleFit::Filter(_) => false, // of batches
    }
}

/// The keys of a line that has any.
fn keys(line: &SampleLine, columns: &[Value]) -> Option<Vec<Value>> {
    match &line.keys {
        SampleKeys::Row(keys) if !keys.is_empty() => {
            Some(keys.iter().map(|key| eval_row(key, columns)).collect())
        }
        SampleKeys::Row(_) | SampleKeys::Columns(_) => None,
    }
}
