//! What OTLP/JSON may look like: its mapping differs from that of protobuf in general.
//!
//! Source: OTLP 1.11, "JSON Protobuf Encoding".

use tailwater_engine::model::{Demand, PayloadFormat, Signal, Value};

use crate::support::{Decoded, column, decode, demand_all};

const TRACE_ID: &str = "5B8EFFF798038103d269b633813fc60c";
const SPAN_ID: &str = "eEe19b7ec3c1B174";

/// One span with these members.
fn span(demand: &Demand, members: &str) -> Decoded {
    let text = format!(
        "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"{TRACE_ID}\",\"spanId\":\
         \"{SPAN_ID}\",{members}}}]}}]}}]}}"
    );
    decode(demand, text, PayloadFormat::OtlpJson)
}

fn value(demand: &Demand, decoded: &Decoded, path: &str) -> Value {
    assert_eq!(decoded.report.ledger.damaged, 0, "{:?}", decoded.report.ledger.set_aside);
    decoded.of(Signal::Spans)[0][column(demand, Signal::Spans, path)].clone()
}

#[test]
fn json_is_read_as_otlp_maps_it() {
    let demand = demand_all(&["k"]);
    // Ids are hexadecimal digits of any case.
    let found = span(&demand, "\"kind\":2");
    let Value::Bytes(id) = value(&demand, &found, "trace.id") else { panic!() };
    assert_eq!((id[0], id[15]), (0x5b, 0x0c));
    let Value::Bytes(id) = value(&demand, &found, "span.id") else { panic!() };
    assert_eq!((id[0], id[7]), (0xee, 0x74));
    // Members of enumerations are numbers.
    assert_eq!(value(&demand, &found, "kind"), Value::str("server"));
    let found = span(&demand, "\"status\":{\"code\":2}");
    assert_eq!(value(&demand, &found, "status"), Value::str("error"));
    // Integers of 64 bits are texts or numbers.
    for number in [
        "\"1700000000000000001\"",
        "1700000000000000001",
        // A text with escapes is the text that it spells.
        "\"\\u003170000000000000000\\u0031\"",
    ] {
        let found = span(&demand, &format!("\"startTimeUnixNano\":{number}"));
        assert_eq!(value(&demand, &found, "start"), Value::Time(1_700_000_000_000_000_001));
        let attribute =
            format!("\"attributes\":[{{\"key\":\"k\",\"value\":{{\"intValue\":{number}}}}}]");
        let found = span(&demand, &attribute);
        assert_eq!(value(&demand, &found, "k"), Value::Int(1_700_000_000_000_000_001));
    }
    // Names are in lowerCamelCase alone; what is not known is passed over, whatever is in it.
    let unknown = "\"start_time_unix_nano\":\"7\",\"name\":\"a\",\"later\":{\"x\":[{\"y\":null}]}";
    let found = span(&demand, unknown);
    assert_eq!(value(&demand, &found, "start"), Value::Null);
    assert_eq!(value(&demand, &found, "name"), Value::str("a"));
}

#[test]
fn ids_that_are_none_are_damage() {
    let demand = demand_all(&[]);
    // Base64, as protobuf maps bytes elsewhere.
    for id in ["W47/95gDgQPSabYzgT/GDA==", "5b8efff798038103d269b633813fc60", "zz"] {
        let text = format!(
            "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"{id}\"}}]}}]}}]}}"
        );
        let found = decode(&demand, text, PayloadFormat::OtlpJson);
        assert_eq!((found.report.ledger.damaged, found.of(Signal::Spans).len()), (1, 0), "{id}");
    }
}

#[test]
fn names_of_enumerations_are_read_though_nobody_should_send_them() {
    let demand = demand_all(&[]);
    let found = span(&demand, "\"kind\":\"SPAN_KIND_CLIENT\"");
    assert_eq!(value(&demand, &found, "kind"), Value::str("client"));
}
