//! Every place where a value can hide, in every format.

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use std::io::Write;
use tailwater_engine::model::{Compression, PayloadFormat};
use tailwater_engine::plan::{RedactAction, ValueClass};
use tailwater_engine::redact::Redactor;

use crate::support::{all, classes, frame, holds, redactor};
use crate::to_json;

/// A canary, numbered so that each is told apart.
fn canary(place: &mut usize) -> String {
    *place += 1;
    format!("x{place}@canary.example")
}

fn text(value: String) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(value)) }
}

fn pair(key: String, value: AnyValue) -> KeyValue {
    KeyValue { key, value: Some(value), ..KeyValue::default() }
}

/// Attributes of all shapes.
fn attributes(n: &mut usize) -> Vec<KeyValue> {
    let list = Value::ArrayValue(ArrayValue {
        values: vec![AnyValue { value: Some(Value::IntValue(7)) }, text(canary(n))],
    });
    let map = Value::KvlistValue(KeyValueList {
        values: vec![
            pair("inner".to_owned(), text(canary(n))),
            pair(canary(n), text("v".to_owned())),
            pair("list".to_owned(), AnyValue { value: Some(list.clone()) }),
        ],
    });
    vec![
        pair("plain".to_owned(), text(canary(n))),
        pair(canary(n), text("v".to_owned())),
        pair("list".to_owned(), AnyValue { value: Some(list) }),
        pair("map".to_owned(), AnyValue { value: Some(map) }),
        pair(
            "bytes".to_owned(),
            AnyValue { value: Some(Value::BytesValue(canary(n).into_bytes())) },
        ),
    ]
}

fn resource(n: &mut usize) -> Resource {
    Resource { attributes: attributes(n), ..Resource::default() }
}

fn scope(n: &mut usize) -> InstrumentationScope {
    InstrumentationScope {
        name: canary(n),
        version: canary(n),
        attributes: attributes(n),
        ..InstrumentationScope::default()
    }
}

fn traces(n: &mut usize) -> ExportTraceServiceRequest {
    let span = Span {
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        trace_state: format!("a=1,b={},ot=th:8;rv:41111111111111", canary(n)),
        name: format!("GET {}", canary(n)),
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        attributes: attributes(n),
        events: vec![Event {
            time_unix_nano: 1,
            name: canary(n),
            attributes: attributes(n),
            ..Event::default()
        }],
        links: vec![Link {
            trace_id: vec![9; 16],
            span_id: vec![9; 8],
            trace_state: format!("b={}", canary(n)),
            attributes: attributes(n),
            ..Link::default()
        }],
        status: Some(Status { message: canary(n), code: 2 }),
        ..Span::default()
    };
    let resource_spans = vec![ResourceSpans {
        resource: Some(resource(n)),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope(n)),
            spans: vec![span],
            schema_url: format!("https://h/{}", canary(n)),
        }],
        schema_url: format!("https://h/{}", canary(n)),
    }];
    ExportTraceServiceRequest { resource_spans }
}

fn logs(n: &mut usize) -> ExportLogsServiceRequest {
    let body = Value::KvlistValue(KeyValueList { values: attributes(n) });
    let record = |body, n: &mut usize| LogRecord {
        time_unix_nano: 5,
        severity_text: canary(n),
        body,
        attributes: attributes(n),
        event_name: canary(n),
        ..LogRecord::default()
    };
    let log_records = vec![
        record(Some(text(format!("user {} failed", canary(n)))), n),
        record(Some(AnyValue { value: Some(body) }), n),
    ];
    let scope_logs = vec![ScopeLogs { scope: Some(scope(n)), log_records, schema_url: canary(n) }];
    let logs = ResourceLogs { resource: Some(resource(n)), scope_logs, schema_url: canary(n) };
    ExportLogsServiceRequest { resource_logs: vec![logs] }
}

fn exemplars(n: &mut usize) -> Vec<Exemplar> {
    vec![Exemplar {
        filtered_attributes: attributes(n),
        time_unix_nano: 5,
        span_id: vec![1; 8],
        ..Exemplar::default()
    }]
}

fn metrics(n: &mut usize) -> ExportMetricsServiceRequest {
    let number = |n: &mut usize| NumberDataPoint {
        attributes: attributes(n),
        time_unix_nano: 5,
        exemplars: exemplars(n),
        ..NumberDataPoint::default()
    };
    let data = [
        metric::Data::Gauge(Gauge { data_points: vec![number(n)] }),
        metric::Data::Sum(Sum { data_points: vec![number(n)], ..Sum::default() }),
        metric::Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint {
                attributes: attributes(n),
                exemplars: exemplars(n),
                ..HistogramDataPoint::default()
            }],
            aggregation_temporality: 1,
        }),
        metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint {
                attributes: attributes(n),
                exemplars: exemplars(n),
                ..ExponentialHistogramDataPoint::default()
            }],
            aggregation_temporality: 1,
        }),
        metric::Data::Summary(Summary {
            data_points: vec![SummaryDataPoint {
                attributes: attributes(n),
                ..SummaryDataPoint::default()
            }],
        }),
    ];
    let metrics = data.map(|data| Metric {
        name: canary(n),
        description: canary(n),
        unit: canary(n),
        metadata: attributes(n),
        data: Some(data),
    });
    let scope_metrics = vec![ScopeMetrics {
        scope: Some(scope(n)),
        metrics: metrics.to_vec(),
        schema_url: canary(n),
    }];
    let metrics =
        ResourceMetrics { resource: Some(resource(n)), scope_metrics, schema_url: canary(n) };
    ExportMetricsServiceRequest { resource_metrics: vec![metrics] }
}

fn redactors() -> Vec<Redactor> {
    [RedactAction::Mask, RedactAction::Drop, RedactAction::Hash].map(|a| redactor(&all(a))).into()
}

#[track_caller]
fn check(redactor: &Redactor, format: PayloadFormat, payload: Vec<u8>) -> Vec<u8> {
    assert!(holds(&payload, "@canary.example") || holds(&payload, "canary"));
    let once = redactor.frame(frame(format, payload));
    for canary in ["canary.example", "@canary"] {
        assert!(
            !holds(&once.payload, canary),
            "{format:?}: {}",
            String::from_utf8_lossy(&once.payload)
        );
    }
    let twice = redactor.frame(once.clone());
    assert_eq!(twice, once, "redacting twice changes nothing");
    once.payload.to_vec()
}

#[test]
fn no_canary_is_left_in_protobuf() {
    for redactor in redactors() {
        let out = check(&redactor, PayloadFormat::OtlpTraces, traces(&mut 0).encode_to_vec());
        let traces = ExportTraceServiceRequest::decode(&out[..]).expect("whole");
        let span = &traces.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.trace_id, [7; 16]);
        // Members leave whole, and the numbers that decide sampling stay.
        assert_eq!(span.trace_state, "a=1,ot=th:8;rv:41111111111111");
        let out = check(&redactor, PayloadFormat::OtlpLogs, logs(&mut 0).encode_to_vec());
        ExportLogsServiceRequest::decode(&out[..]).expect("whole");
        let out = check(&redactor, PayloadFormat::OtlpMetrics, metrics(&mut 0).encode_to_vec());
        ExportMetricsServiceRequest::decode(&out[..]).expect("whole");
    }
}

#[test]
fn no_canary_is_left_in_the_files_of_the_collector() {
    for redactor in redactors() {
        let mut all = Vec::new();
        let n = &mut 0;
        for one in [traces(n).encode_to_vec(), logs(n).encode_to_vec(), metrics(n).encode_to_vec()]
        {
            all.extend((one.len() as u32).to_be_bytes());
            all.extend(one);
        }
        let out = check(&redactor, PayloadFormat::OtlpDelimited, all);
        let mut rest = &out[..];
        let mut lengths = 0;
        while let Some((head, more)) = rest.split_first_chunk::<4>() {
            rest = &more[u32::from_be_bytes(*head) as usize..];
            lengths += 1;
        }
        assert_eq!(lengths, 3);
    }
}

#[test]
fn no_canary_is_left_in_otlp_json() {
    for redactor in redactors() {
        let n = &mut 0;
        let lines = [
            to_json::traces(&traces(n)).to_string(),
            to_json::logs(&logs(n)).to_string(),
            to_json::metrics(&metrics(n)).to_string(),
        ];
        let out = check(&redactor, PayloadFormat::OtlpJson, lines.join("\n").into_bytes());
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.lines().count(), 3);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON stays JSON");
        }
        // Bytes are looked at as what they are in base64: `eD…` is `x…`.
        assert!(!text.contains(r#""bytesValue":"eD"#), "{text}");
    }
}

#[test]
fn letters_that_are_written_as_escapes_are_read() {
    let redactor = redactor(&all(RedactAction::Mask));
    let escaped = r#"{"msg":"from bob\u0040canary.example","u":"https:\/\/a:canary@canary\u002e"}"#;
    let out = crate::support::redacted(&redactor, PayloadFormat::Ndjson, escaped);
    assert_eq!(out, r#"{"msg":"from [email]","u":"https://[url_user]@canary."}"#);
}

#[test]
fn no_canary_is_left_in_lines_and_rows() {
    let c = "x@canary.example";
    let lines = [
        format!(
            r#"{{"v":1,"src":"{c}","ts":1,"type":"event","data":{{"level":"{c}","msg":"m {c}","name":"{c}","ctx":{{"{c}":1,"a":["{c}"]}},"own":"{c}","{c}":2}}}}"#
        ),
        format!(
            r#"{{"v":1,"src":"s","ts":1,"type":"metric","data":{{"name":"{c}","value":1,"unit":"{c}","tags":{{"a":{{"b":"{c}"}}}}}}}}"#
        ),
        format!(
            r#"{{"v":1,"src":"s","ts":1,"type":"span","{c}":"{c}","data":{{"attributes":{{"a":"{c}"}}}}}}"#
        ),
        format!(
            r#"{{"v":1,"src":"s","ts":1,"type":"progress","data":{{"job_id":"{c}","status":"{c}"}}}}"#
        ),
    ];
    let rows = [
        format!(r#"{{"message":"{c}","level":"{c}","{c}":"{c}","deep":{{"a":[{{"b":"{c}"}}]}}}}"#),
        format!(r#"{{ "trace_id" : "{c}", "x" : "{c}" }}"#),
    ];
    for redactor in redactors() {
        check(&redactor, PayloadFormat::Lines, lines.join("\n").into_bytes());
        check(&redactor, PayloadFormat::Ndjson, rows.join("\n").into_bytes());
        let csv = format!("time,message,{c}\n1,\"a \"\"q\"\" {c}\",v\r\n2,{c},\"{c}\"\n");
        let out = check(&redactor, PayloadFormat::Csv, csv.into_bytes());
        assert_eq!(String::from_utf8_lossy(&out).lines().count(), 3);
    }
}

#[test]
fn no_canary_is_left_in_jaeger_and_zipkin() {
    let c = "x@canary.example";
    let tag = format!(
        r#"[{{"key":"k","type":"string","value":"{c}"}},{{"key":"{c}","type":"bool","value":true}}]"#
    );
    let jaeger = format!(
        r#"{{"data":[{{"traceID":"01","spans":[{{"traceID":"01","spanID":"02","operationName":"{c}","references":[],"startTime":1,"duration":1,"tags":{tag},"logs":[{{"timestamp":1,"fields":{tag}}}],"processID":"p1","warnings":["{c}"]}}],"processes":{{"p1":{{"serviceName":"{c}","tags":{tag}}}}},"note":"{c}"}}]}}"#
    );
    let zipkin = format!(
        r#"[{{"traceId":"01","id":"02","name":"{c}","timestamp":1,"duration":1,"localEndpoint":{{"serviceName":"{c}"}},"tags":{{"a":"{c}","{c}":"b"}},"annotations":[{{"timestamp":1,"value":"{c}"}}],"more":{{"x":["{c}"]}}}}]"#
    );
    for redactor in redactors() {
        check(&redactor, PayloadFormat::Jaeger, jaeger.clone().into_bytes());
        check(&redactor, PayloadFormat::Zipkin, zipkin.clone().into_bytes());
    }
}

#[test]
fn numbers_can_be_card_numbers() {
    let redactor = redactor(&classes(RedactAction::Mask, &[ValueClass::Card]));
    let card = AnyValue { value: Some(Value::IntValue(4_111_111_111_111_111)) };
    let mut request = logs(&mut 0);
    let record = &mut request.resource_logs[0].scope_logs[0].log_records[0];
    record.attributes = vec![pair("pan".to_owned(), card)];
    let mut whole = request.clone();
    let out = redactor.frame(frame(PayloadFormat::OtlpLogs, request.encode_to_vec()));
    let request = ExportLogsServiceRequest::decode(out.payload).expect("whole");
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(record.attributes[0].value, Some(text("[card]".to_owned())));
    let json = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"pan","value":{"intValue":"4111111111111111"}}]}]}]}]}"#;
    let out = crate::support::redacted(&redactor, PayloadFormat::OtlpJson, json);
    assert!(out.contains(r#"{"stringValue":"[card]"}"#), "{out}");
    let record = &mut whole.resource_logs[0].scope_logs[0].log_records[0];
    record.attributes[0].value =
        Some(AnyValue { value: Some(Value::DoubleValue(4_111_111_111_111_111.0)) });
    let out = redactor.frame(frame(PayloadFormat::OtlpLogs, whole.encode_to_vec()));
    let request = ExportLogsServiceRequest::decode(out.payload).expect("whole");
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(record.attributes[0].value, Some(text("[card]".to_owned())));
    for double in ["4111111111111111", "4111111111111111.0"] {
        let json = json.replace("\"4111111111111111\"", double).replace("intValue", "doubleValue");
        let out = crate::support::redacted(&redactor, PayloadFormat::OtlpJson, &json);
        assert!(out.contains(r#"{"stringValue":"[card]"}"#), "{out}");
        let row = format!("{{\"pan\":{double}}}");
        let out = crate::support::redacted(&redactor, PayloadFormat::Ndjson, &row);
        assert_eq!(out, r#"{"pan":"[card]"}"#);
    }
    let jaeger =
        r#"[{"spans":[{"tags":[{"key":"pan","type":"int64","value":4111111111111111}]}]}]"#;
    let out = crate::support::redacted(&redactor, PayloadFormat::Jaeger, jaeger);
    assert!(out.contains(r#"{"key":"pan","type":"string","value":"[card]"}"#), "{out}");
    let row = r#"{"pan":4111111111111111,"time_ns":1700000000123456789}"#;
    let out = crate::support::redacted(&redactor, PayloadFormat::Ndjson, row);
    assert_eq!(out, r#"{"pan":"[card]","time_ns":1700000000123456789}"#);
}

#[test]
fn lengths_and_tags_that_are_digits_hide_no_card() {
    // Behind a body stands the tag of attributes, `2`, and their length, a digit from 48 bytes on;
    // before it stands its own length.
    let cards = ["4222222222222", "4111111111111111", "4111111111111111110"];
    for (card, attribute_bytes) in cards.iter().flat_map(|card| (30..70).map(move |n| (card, n))) {
        for body in [(*card).to_owned(), format!("{card} {}", "x".repeat(attribute_bytes - 20))] {
            let log_record = LogRecord {
                body: Some(text(body)),
                attributes: vec![pair("k".to_owned(), text("v".repeat(attribute_bytes)))],
                ..LogRecord::default()
            };
            let scope_logs =
                vec![ScopeLogs { log_records: vec![log_record], ..Default::default() }];
            let resource_logs = vec![ResourceLogs { scope_logs, ..Default::default() }];
            let request = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
            let redactor = redactor(&classes(RedactAction::Mask, &[ValueClass::Card]));
            let out = redactor.frame(frame(PayloadFormat::OtlpLogs, request)).payload;
            assert!(!holds(&out, card), "{card} beside {attribute_bytes} bytes");
        }
    }
}

#[test]
fn compressed_frames_are_looked_into() {
    let redactor = redactor(&all(RedactAction::Mask));
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(&logs(&mut 0).encode_to_vec()).expect("memory takes it");
    let payload = encoder.finish().expect("memory takes it");
    let zipped = frame(PayloadFormat::OtlpLogs, payload);
    let out = redactor
        .frame(tailwater_engine::model::DataFrame { compression: Compression::Gzip, ..zipped });
    assert_eq!(out.compression, Compression::None);
    assert!(!holds(&out.payload, "canary.example"));
    ExportLogsServiceRequest::decode(out.payload).expect("whole");
}

#[test]
fn a_frame_without_a_hit_stays_as_received() {
    let mut request = logs(&mut 0);
    let record = &mut request.resource_logs[0].scope_logs[0].log_records[0];
    record.severity_text = "info".to_owned();
    let bytes = b"\x0a\x04\x12\x02\x12\x00".to_vec();
    let out =
        redactor(&all(RedactAction::Mask)).frame(frame(PayloadFormat::OtlpLogs, bytes.clone()));
    assert_eq!(out.payload, bytes);
    let text = "{ \"message\" : \"all is well @ home\" , \"n\":1 }\r\n\n{\"message\":\"b\"}";
    let out =
        crate::support::redacted(&redactor(&all(RedactAction::Mask)), PayloadFormat::Ndjson, text);
    assert_eq!(out, text);
}
