//! Spans of a request that finds the queue full: as many as there is room for.
//!
//! Which stay follows from their trace ids, so that every process keeps the same traces and a
//! tighter choice keeps some of a looser one. Each that stays carries the threshold that it has
//! passed, the tighter of its own and the one that it came with: the spans that it stands for are
//! 2^56 / (2^56 − threshold). Source: OpenTelemetry, "`TraceState`: probability sampling".

use std::sync::Arc;

use bytes::Bytes;

use crate::ingest::decoder::{DecodeReport, Decoder};
use crate::ingest::emit::emit;
use crate::limits::SAMPLE_SHARE_MIN;
use crate::model::{
    Batch, Column, ColumnSpec, Compression, DataFrame, Demand, Field, Interner, ItemContent,
    PayloadFormat, Signal, SourceId, SourceSpec,
};
use crate::otlp::request::request;
use crate::sampling::{Randomness, Threshold, read_tracestate, stamp_span};

/// A request of which a part is left.
pub(super) struct Thinned {
    /// It as OTLP in protobuf.
    pub(super) payload: Bytes,
    /// Spans in it.
    pub(super) kept: u64,
}

/// A share of the spans of a request; `None` for one that holds anything else, or cannot be written
/// again.
pub(super) fn thin(payload: &Bytes, format: PayloadFormat, share: f64) -> Option<Thinned> {
    if !matches!(format, PayloadFormat::OtlpTraces | PayloadFormat::OtlpJson) {
        return None;
    }
    let mut demand = Demand::default();
    demand.want_raw(Signal::Spans);
    let id = demand.column(Signal::Spans, ColumnSpec::Field(Field::TraceId));
    let state = demand.column(Signal::Spans, ColumnSpec::Field(Field::TraceState));
    let spec = SourceSpec { name: Arc::from(""), has_arrival: true, mapping: None };
    let frame = DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format,
        compression: Compression::None,
        payload: payload.clone(),
        place: 0,
    };
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    let mut decoder = Decoder::new(Arc::new(demand), Arc::from([spec]));
    decoder.decode(0, &frame, &Interner::shared(), &mut batches, &mut report);
    let is_other = |signal: &Signal| !matches!(signal, Signal::Spans | Signal::SpanEvents);
    let received = |signal: Signal| report.ledger.signals[signal.index()].received;
    let others: u64 = Signal::ALL.into_iter().filter(is_other).map(received).sum();
    let [batch] = batches.as_slice() else { return None };
    if others > 0 || report.ledger.damaged > 0 {
        return None;
    }
    let own = Threshold::of_share(share.clamp(SAMPLE_SHARE_MIN, 1.0));
    let kept = kept(batch, (id, state), own);
    let rows: Vec<u32> = kept.iter().map(|(row, _)| *row).collect();
    let contents: Option<Vec<ItemContent>> = emit(batch, &rows).into_iter().collect();
    let mut contents = contents?;
    for (content, (_, append)) in contents.iter_mut().zip(kept) {
        content.append = Bytes::from(append);
    }
    let payload = request(&contents.iter().collect::<Vec<_>>());
    Some(Thinned { payload, kept: rows.len() as u64 })
}

/// The rows that stay, each with the fields that say what it has passed. A span without a trace id
/// stays: there is nothing to choose it by.
fn kept(batch: &Batch, (id, state): (usize, usize), own: Threshold) -> Vec<(u32, Vec<u8>)> {
    let (Some(Column::Ids16(ids)), Some(Column::Symbols(states))) =
        (batch.columns.get(id), batch.columns.get(state))
    else {
        return Vec::new();
    };
    let symbols = batch.symbols.borrow();
    let mut kept = Vec::new();
    for (row, (id, state)) in ids.iter().zip(states).enumerate() {
        if *id == [0; 16] {
            kept.push((row as u32, Vec::new()));
            continue;
        }
        let text = symbols.resolve(*state);
        let arrived = read_tracestate(text);
        let (randomness, before) = arrived.settled(Randomness::of_trace_id(*id));
        if own.admits(randomness) {
            let threshold = before.map_or(own, |before| before.tightened(own));
            kept.push((row as u32, stamp_span(text, Some(threshold), None)));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    fn spans(count: u64, trace_state: &str) -> Bytes {
        // Spread evenly: the shares that stay are exact to one span.
        let span = |index: u64| Span {
            trace_id: (u128::from(index) * u128::from((1_u64 << 56) / count) + 1)
                .to_be_bytes()
                .to_vec(),
            trace_state: trace_state.to_owned(),
            name: format!("{index}"),
            ..Span::default()
        };
        let spans = (0..count).map(span).collect();
        let scoped = ScopeSpans { spans, ..ScopeSpans::default() };
        let group = ResourceSpans { scope_spans: vec![scoped], ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec().into()
    }

    fn left(payload: &Bytes, share: f64) -> Vec<Span> {
        let thinned = thin(payload, PayloadFormat::OtlpTraces, share).unwrap();
        let request = ExportTraceServiceRequest::decode(thinned.payload).unwrap();
        let groups = request.resource_spans.into_iter().flat_map(|group| group.scope_spans);
        let spans: Vec<Span> = groups.flat_map(|scope| scope.spans).collect();
        assert_eq!(spans.len() as u64, thinned.kept);
        spans
    }

    fn weight(span: &Span) -> f64 {
        read_tracestate(&span.trace_state).threshold.unwrap().adjusted_count()
    }

    #[test]
    fn what_stays_stands_for_all() {
        let all = spans(10_000, "a=b");
        for share in [0.5, 0.25, 0.1] {
            let left = left(&all, share);
            let stand_for: f64 = left.iter().map(weight).sum();
            assert!((stand_for - 10_000.0).abs() <= 1.0 / share + 1.0, "{share}: {stand_for}");
            assert!(left.iter().all(|span| span.trace_state.ends_with(",a=b")), "{:?}", left[0]);
        }
    }

    #[test]
    fn a_tighter_choice_keeps_some_of_a_looser_one_and_thresholds_only_grow() {
        let names = |spans: &[Span]| -> Vec<String> {
            spans.iter().map(|span| span.name.clone()).collect()
        };
        let all = spans(1_000, "");
        let (half, tenth) = (left(&all, 0.5), left(&all, 0.1));
        let half_names = names(&half);
        assert!(names(&tenth).iter().all(|name| half_names.contains(name)));
        let came = spans(1_000, "ot=th:c");
        let again = left(&came, 0.5);
        let of_quarter = again.iter().filter(|span| span.trace_state == "ot=th:c").count();
        let is_quarter = (248..=252).contains(&of_quarter);
        assert!(is_quarter, "what has passed a tighter one before keeps it: {of_quarter}");
    }

    #[test]
    fn other_signals_are_not_thinned() {
        let logs =
            Bytes::from_static(b"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]}]}");
        assert!(thin(&logs, PayloadFormat::OtlpJson, 0.5).is_none());
        assert!(thin(&logs, PayloadFormat::Lines, 0.5).is_none());
    }
}
