//! The walkers against prost, on random requests of every field.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use proptest::prelude::*;
use prost::Message;
use tailwater_engine::model::{AttributePlace, Demand, PayloadFormat, Signal};

use crate::support::{Decoded, attribute, decode, demand_all};
use crate::{generate, oracle, to_json};

/// All fields, and attributes in every place.
fn demand() -> Demand {
    let mut demand = demand_all(&["service.name", "http.route", "a.b.c.d", ""]);
    for signal in [Signal::Spans, Signal::SpanEvents, Signal::Logs, Signal::Metrics] {
        demand.column(signal, attribute(AttributePlace::Item, "k"));
        demand.column(signal, attribute(AttributePlace::Scope, "k"));
        demand.column(signal, attribute(AttributePlace::Resource, "k"));
        demand.column(signal, attribute(AttributePlace::Resource, "schlüssel"));
    }
    demand
}

fn is_clean(decoded: &Decoded) -> bool {
    decoded.report.ledger.damaged == 0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn traces(request in generate::traces()) {
        let demand = demand();
        let (spans, events) = oracle::spans(&request, &demand);
        let binary = decode(&demand, request.encode_to_vec(), PayloadFormat::OtlpTraces);
        prop_assert_eq!(binary.of(Signal::Spans), &spans);
        prop_assert_eq!(binary.of(Signal::SpanEvents), &events);
        let json = to_json::traces(&request).to_string();
        let json = decode(&demand, json, PayloadFormat::OtlpJson);
        prop_assert_eq!(json.of(Signal::Spans), &spans);
        prop_assert_eq!(json.of(Signal::SpanEvents), &events);
        prop_assert!(is_clean(&binary) && is_clean(&json));
        let inverted = |decoded: &Decoded| decoded.report.ledger.end_before_start;
        prop_assert_eq!(inverted(&binary), inverted(&json));
    }

    #[test]
    fn logs(request in generate::logs()) {
        let demand = demand();
        let rows = oracle::logs(&request, &demand);
        let binary = decode(&demand, request.encode_to_vec(), PayloadFormat::OtlpLogs);
        prop_assert_eq!(binary.of(Signal::Logs), &rows);
        let json = to_json::logs(&request).to_string();
        let json = decode(&demand, json, PayloadFormat::OtlpJson);
        prop_assert_eq!(json.of(Signal::Logs), &rows);
        prop_assert!(is_clean(&binary) && is_clean(&json));
    }

    #[test]
    fn metrics(request in generate::metrics()) {
        let demand = demand();
        let rows = oracle::metrics(&request, &demand);
        let binary = decode(&demand, request.encode_to_vec(), PayloadFormat::OtlpMetrics);
        prop_assert_eq!(binary.of(Signal::Metrics), &rows);
        let json = format!("{:#}", to_json::metrics(&request));
        let json = decode(&demand, json, PayloadFormat::OtlpJson);
        prop_assert_eq!(json.of(Signal::Metrics), &rows);
        prop_assert!(is_clean(&binary) && is_clean(&json));
    }

    /// Whatever is demanded: the same rows, minus the columns that are not, and the same counts.
    #[test]
    fn a_smaller_demand_changes_nothing_else(
        request in generate::traces(),
        picks in proptest::collection::vec(any::<bool>(), 64),
    ) {
        let all = demand();
        let mut some = Demand::default();
        let mut kept = Vec::new();
        for (i, spec) in all.columns(Signal::Spans).iter().enumerate() {
            if picks[i] {
                some.column(Signal::Spans, spec.clone());
                kept.push(i);
            }
        }
        some.want(Signal::Spans);
        let payload = request.encode_to_vec();
        let full = decode(&all, payload.clone(), PayloadFormat::OtlpTraces);
        let part = decode(&some, payload, PayloadFormat::OtlpTraces);
        let expected: Vec<Vec<_>> = full
            .of(Signal::Spans)
            .iter()
            .map(|row| kept.iter().map(|&i| row[i].clone()).collect())
            .collect();
        prop_assert_eq!(part.of(Signal::Spans), &expected);
        let events = Signal::SpanEvents.index();
        let counts = part.report.ledger.signals[events];
        prop_assert_eq!(counts.received, full.report.ledger.signals[events].received);
        prop_assert_eq!(counts.used, counts.received);
        prop_assert_eq!(full.report.ledger.signals[events].used, 0);
    }
}

/// Attributes whose fields come in any order and number, as no encoder writes them: keys that are
/// asked for, keys as long as those, others, and values.
fn fields_of_attribute() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        Just("k".to_owned()),
        Just("q".to_owned()),
        Just("a.b.c.d".to_owned()),
        Just("longer than any".to_owned()),
        Just("x".repeat(200)),
    ];
    let field = (0..3_u8, text).prop_map(|(which, text)| {
        let any = |text: &str| {
            let value = Some(Value::StringValue(text.to_owned()));
            AnyValue { value }.encode_to_vec()
        };
        let (tag, bytes) = match which {
            0 => (0x0a, text.into_bytes()),
            1 => (0x12, any(&text)),
            _ => (0x22, text.into_bytes()),
        };
        let mut field = vec![tag];
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        field.extend(bytes);
        field
    });
    proptest::collection::vec(field, 0..5).prop_map(|fields| fields.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn attributes_mean_what_their_last_fields_say(
        attributes in proptest::collection::vec(fields_of_attribute(), 1..4),
    ) {
        let demand = demand();
        let mut span = Vec::new();
        for attribute in attributes {
            span.push(0x4a);
            prost::encoding::encode_varint(attribute.len() as u64, &mut span);
            span.extend(attribute);
        }
        let around = |tag: u8, bytes: Vec<u8>| {
            let mut own = vec![tag];
            prost::encoding::encode_varint(bytes.len() as u64, &mut own);
            [own, bytes].concat()
        };
        let request = around(0x0a, around(0x12, around(0x12, span)));
        let known = ExportTraceServiceRequest::decode(&request[..]).expect("prost reads it");
        let (spans, _) = oracle::spans(&known, &demand);
        let read = decode(&demand, request, PayloadFormat::OtlpTraces);
        prop_assert_eq!(read.of(Signal::Spans), &spans);
    }
}
