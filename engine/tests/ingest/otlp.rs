//! The walkers against prost, on random requests of every field.

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
