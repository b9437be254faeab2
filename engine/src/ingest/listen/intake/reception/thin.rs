//! Spans of a request that finds the queue full: as many as there is room for.
//!
//! One in 2, 4, 8 … stays, so that each stands for a whole number, which the format of the payload
//! says: rules count with it. Which stay follows from their trace ids, so that every process keeps
//! the same traces and a tighter choice keeps some of a looser one. Each that stays carries the
//! threshold that it has passed, that share of the one that it came with (the tighter of two
//! shares would take more than its part of spans that were sampled before, and each would stand
//! for another number): the spans that it stands for in all are 2^56 / (2^56 − threshold). Source:
//! OpenTelemetry, "`TraceState`: probability sampling".

use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::ingest::decoder::{DecodeReport, Decoder};
use crate::ingest::emit::emit;
use crate::limits::SAMPLE_HALVINGS_MAX;
use crate::model::{
    Batch, Column, ColumnSpec, Compression, DataFrame, Demand, Field, Interner, ItemContent,
    PayloadFormat, Signal, SourceId, SourceSpec,
};
use crate::otlp::request::request;
use crate::sampling::{Threshold, read_tracestate, stamp_span};

/// A request of which a part is left.
pub(super) struct Thinned {
    /// It as OTLP in protobuf.
    pub(super) payload: Bytes,
    /// Its format, which says what its spans stand for.
    pub(super) format: PayloadFormat,
    /// Spans in it.
    pub(super) kept: u64,
}

/// A share of the spans of a request, rounded down to a half of a half …; `None` for one that holds
/// anything else, or cannot be written again.
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
    let halvings = halvings(share);
    let all: Vec<u32> = (0..batch.rows as u32).collect();
    let contents: Option<Vec<ItemContent>> = emit(batch, &all).into_iter().collect();
    let kept = kept(batch, (id, state), contents?, halvings);
    let payload = request(&kept.iter().collect::<Vec<_>>());
    let format = PayloadFormat::OtlpTracesSampled { halvings };
    Some(Thinned { payload, format, kept: kept.len() as u64 })
}

/// How often a number is halved until no more than a share of it is left.
fn halvings(share: f64) -> u8 {
    let fits = |halvings: &u8| 1.0 / f64::from(1_u32 << halvings) <= share;
    (0..SAMPLE_HALVINGS_MAX).find(fits).unwrap_or(SAMPLE_HALVINGS_MAX)
}

/// The spans that stay, each with the fields that say what it has passed.
fn kept(
    batch: &Batch,
    (id, state): (usize, usize),
    contents: Vec<ItemContent>,
    halvings: u8,
) -> Vec<ItemContent> {
    let (Some(Column::Ids16(ids)), Some(Column::Symbols(states))) =
        (batch.columns.get(id), batch.columns.get(state))
    else {
        return Vec::new();
    };
    let symbols = batch.symbols.borrow();
    let mut kept = Vec::new();
    for (mut content, (id, state)) in contents.into_iter().zip(ids.iter().zip(states)) {
        let text = symbols.resolve(*state);
        let arrived = read_tracestate(text);
        let settled = arrived.settled_by(Some(*id), || xxh3_64(&content.item));
        let threshold = settled.threshold.unwrap_or(Threshold::ALWAYS).halved(halvings);
        if threshold.admits(settled.randomness) {
            let stated = settled.own.is_none().then_some(settled.randomness);
            content.append = Bytes::from(stamp_span(text, (Some(threshold), stated), None));
            kept.push(content);
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
        for (share, one_in) in [(0.5, 2), (0.3, 4), (0.25, 4), (0.1, 16), (0.0, 64)] {
            let left = left(&all, share);
            let stand_for: f64 = left.iter().map(weight).sum();
            assert!((stand_for - 10_000.0).abs() <= f64::from(one_in), "{share}: {stand_for}");
            let thinned = thin(&all, PayloadFormat::OtlpTraces, share).unwrap();
            assert_eq!(thinned.format.stands_for(), one_in, "{share}");
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
        let came = spans(1_024, "ot=th:c");
        let again = left(&came, 0.5);
        // A quarter of the ids has passed `th:c`; with the others it does not count.
        let (before, contradicted): (Vec<&Span>, Vec<&Span>) =
            again.iter().partition(|span| span.trace_state == "ot=th:e");
        assert_eq!(before.len(), 128, "half of the quarter");
        assert!(contradicted.iter().all(|span| span.trace_state == "ot=th:8"), "{contradicted:?}");
    }

    #[test]
    fn spans_without_a_trace_id_are_chosen_by_their_bytes() {
        let mut request = ExportTraceServiceRequest::decode(spans(4_096, "")).unwrap();
        let spans = &mut request.resource_spans[0].scope_spans[0].spans;
        spans.iter_mut().for_each(|span| span.trace_id.clear());
        let left = left(&request.encode_to_vec().into(), 0.25);
        assert!((900..=1_150).contains(&left.len()), "{}", left.len());
        // They say what they were chosen by: whoever sees them next has other bytes.
        let says = |span: &Span| {
            let said = read_tracestate(&span.trace_state);
            said.threshold == Threshold::from_hex("c")
                && said.threshold.zip(said.randomness).is_some_and(|(th, rv)| th.admits(rv))
        };
        assert!(left.iter().all(says), "{:?}", left[0]);
    }

    #[test]
    fn other_signals_are_not_thinned() {
        let logs =
            Bytes::from_static(b"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]}]}");
        assert!(thin(&logs, PayloadFormat::OtlpJson, 0.5).is_none());
        assert!(thin(&logs, PayloadFormat::Lines, 0.5).is_none());
    }
}
