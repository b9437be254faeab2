//! Items that came in other formats than OTLP and leave as OTLP: they say the same.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::ingest::{DecodeReport, Decoder, emit, emit_raw};
use tailwater_engine::model::{
    ColumnMapping, ColumnSpec, Demand, EmittedItem, Field, Interner, ItemKey, PayloadFormat,
    RuleId, Signal, SourceId, Value,
};
use tailwater_engine::sink::otlp::{Encoding, item_requests};

use crate::support::{Rows, decode, demand_all, recording, replay};

const SIGNALS: [Signal; 3] = [Signal::Spans, Signal::Logs, Signal::Metrics];

/// Everything in a file said again as one request in protobuf for each signal, and what could not.
fn again(text: &str, options: &ReaderOptions) -> (Vec<(Signal, Vec<u8>)>, usize) {
    let input = Input::new("input", std::io::Cursor::new(text.as_bytes().to_vec()));
    let mut reader = FileReader::open(vec![input], options).expect("a known format");
    let mut demand = Demand::default();
    SIGNALS.iter().for_each(|signal| demand.want_raw(*signal));
    let mut decoder = None;
    let (mut items, mut refused) = (Vec::new(), 0);
    while let Some(frame) = reader.next_frame().expect("a readable input") {
        let decoder = decoder
            .get_or_insert_with(|| Decoder::new(Arc::new(demand.clone()), reader.sources().into()));
        let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
        decoder.decode(0, &frame, &Interner::shared(), &mut batches, &mut report);
        for batch in batches.iter().filter(|batch| SIGNALS.contains(&batch.signal)) {
            let rows: Vec<u32> = (0..batch.rows as u32).collect();
            for (row, content) in emit(batch, &rows).into_iter().enumerate() {
                let key =
                    ItemKey { frame_seq: 0, row: row as u32, time_ns: 0, source: SourceId(0) };
                let Some(content) = content else {
                    refused += 1;
                    continue;
                };
                let (rule, signal) = (RuleId(0), batch.signal);
                items.push(EmittedItem { rule, signal, decision_ns: 0, key, content });
            }
        }
    }
    let requests = item_requests(Encoding::Protobuf, &items.iter().collect::<Vec<_>>());
    let body = |one: tailwater_engine::sink::otlp::ItemRequest| (one.signal, one.body.to_vec());
    (requests.into_iter().map(body).collect(), refused)
}

/// Rows without what another format cannot keep, in an order of their own.
fn comparable(demand: &Demand, signal: Signal, rows: &Rows) -> Vec<String> {
    let is_kept = |spec: &ColumnSpec| match spec {
        ColumnSpec::Field(field) => !matches!(field, Field::Source | Field::Series),
        ColumnSpec::Attribute { .. } | ColumnSpec::FirstAttribute(_) => true,
    };
    let row = |row: &Vec<Value>| {
        let kept = row.iter().zip(demand.columns(signal)).filter(|(_, spec)| is_kept(spec));
        format!("{:?}", kept.collect::<Vec<_>>())
    };
    let mut rows: Vec<String> = rows.iter().map(row).collect();
    rows.sort();
    rows
}

fn says_the_same(text: &str, options: &ReaderOptions, keys: &[&str]) {
    let demand = demand_all(keys);
    let came = replay(&demand, text.as_bytes().to_vec(), options);
    let (requests, refused) = again(text, options);
    assert_eq!(refused, 0);
    let mut seen = 0;
    for (signal, body) in requests {
        let format = match signal {
            Signal::Logs => PayloadFormat::OtlpLogs,
            Signal::Metrics => PayloadFormat::OtlpMetrics,
            _ => PayloadFormat::OtlpTraces,
        };
        let left = decode(&demand, body, format);
        assert_eq!(left.report.ledger.damaged, 0);
        for signal in [signal, Signal::SpanEvents] {
            if signal == Signal::SpanEvents && format != PayloadFormat::OtlpTraces {
                continue;
            }
            let wanted = comparable(&demand, signal, came.of(signal));
            assert_eq!(comparable(&demand, signal, left.of(signal)), wanted);
            seen += wanted.len();
        }
    }
    assert!(seen > 0, "something left");
}

#[test]
fn lines_of_the_line_protocol() {
    let text = concat!(
        r#"{"v":1,"src":"a","ts":1000,"type":"event","tid":"1","data":{"level":"error","#,
        r#""msg":"m","ctx":{"k":7,"list":[1,{"x":null}]}}}"#,
        "\n",
        r#"{"v":2,"src":"a","ts":1000,"type":"event","data":{}}"#,
        "\n",
        r#"{"v":1,"src":"a","ts":2000,"type":"metric","data":{"name":"n","value":1.5,"#,
        r#""unit":"s","tags":{"k":"t"}}}"#,
        "\n",
        r#"{"v":1,"src":"a","ts":2500,"type":"metric","data":{"name":"n","value":7}}"#,
        "\n",
        r#"{"type":"span","v":1,"src":"c","ts":5000,"sid":"2","pid":"1","data":{"name":"s","#,
        r#""duration_ms":5,"attributes":{"k":"v"}}}"#,
        "\n",
    );
    says_the_same(text, &ReaderOptions::default(), &["k", "list"]);
    let (requests, _) = again(text, &ReaderOptions::default());
    let logs = &requests.iter().find(|(signal, _)| *signal == Signal::Logs).unwrap().1;
    let named = decode(&demand_all(&["service.name"]), logs.clone(), PayloadFormat::OtlpLogs);
    let named = format!("{:?}", named.of(Signal::Logs));
    assert!(named.ends_with("Str(\"a\")]]"), "the sender is the service: {named}");
}

#[test]
fn plain_objects_and_csv() {
    let lines = concat!(
        r#"{"span_id":"07","trace_id":"ff","service":"cart","name":"GET /cart","kind":"server","#,
        r#""start_ns":1000,"end_ns":3500,"status":"error","http.code":500,"nested":{"a":[1,2.5]}}"#,
        "\n",
        r#"{ "name" : "b", "start_ns": 6, "span_id": "2", "http.code": "007", "é": true }"#,
        "\n",
    );
    says_the_same(lines, &ReaderOptions::default(), &["service.name", "http.code", "nested", "é"]);
    let csv = "span_id,name,start_ns,end_ns,\"a,b\",code\r\n\
               1,\"say \"\"hi\"\"\",10,20,x,200\r\n\
               2,\"two\nlines\",11,19,\"007\",1.5\r\n\
               3,short\r\n\
               5,é,12,22,007,true\r\n";
    says_the_same(csv, &ReaderOptions::default(), &["a,b", "code"]);
    let columns = [("name", "what"), ("start", "begin:ms"), ("team.id", "team")];
    let columns = columns.iter().map(|(path, column)| (Arc::from(*path), Arc::from(*column)));
    let mapping = ColumnMapping { signal: Signal::Spans, columns: columns.collect() };
    let mapped = ReaderOptions { mapping: Some(mapping), ..ReaderOptions::default() };
    says_the_same("{\"what\":\"x\",\"begin\":5,\"team\":\"t\"}\n", &mapped, &["team.id"]);
}

#[test]
fn spans_of_zipkin_and_jaeger() {
    let zipkin = r#"[
        {"traceId":"a1","parentId":"1","id":"2","kind":"CLIENT","timestamp":2,"duration":7,
         "localEndpoint":{"serviceName":"front"},"remoteEndpoint":{"serviceName":"back"}},
        {"traceId":"a1","parentId":"1","id":"2","kind":"SERVER","timestamp":3,"duration":5,
         "localEndpoint":{"serviceName":"back"},"shared":true,"tags":{"error":"boom"}},
        {"traceId":"a1","parentId":"2","id":"3","timestamp":4,"duration":1,
         "annotations":[{"timestamp":4,"value":"hit"}]}
    ]"#;
    says_the_same(zipkin, &ReaderOptions::default(), &["service.name", "peer.service", "error"]);
    let jaeger = r#"{"data":[{"traceID":"1","spans":[
        {"traceID":"1","spanID":"2","operationName":"op","startTime":10,"duration":5,
         "references":[{"refType":"FOLLOWS_FROM","traceID":"1","spanID":"8"},
                       {"refType":"CHILD_OF","traceID":"1","spanID":"9"},
                       {"refType":"CHILD_OF","traceID":"abc","spanID":"7"}],
         "tags":[{"key":"span.kind","type":"string","value":"server"},
                 {"key":"n","type":"int64","value":"9223372036854775222"},
                 {"key":"b","type":"binary","value":"AQI="}],
         "logs":[{"timestamp":12,"fields":[{"key":"event","type":"string","value":"e"}]}],
         "processID":"p1"},
        {"traceID":"1","spanID":"4","operationName":"later","startTime":1,"duration":1,
         "logs":[{"timestamp":13,"fields":[]},{"timestamp":14,"fields":[]}],"processID":"p1"}],
        "processes":{"p1":{"serviceName":"svc",
          "tags":[{"key":"host","type":"string","value":"h"}]}}}]}"#;
    says_the_same(jaeger, &ReaderOptions::default(), &["service.name", "host", "n", "b", "event"]);
    let (requests, _) = again(jaeger, &ReaderOptions::default());
    let request = ExportTraceServiceRequest::decode(&requests[0].1[..]).expect("OTLP");
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    let links: Vec<(u8, u8)> =
        span.links.iter().map(|link| (link.trace_id[15], link.span_id[7])).collect();
    assert_eq!((links, span.dropped_links_count), (vec![(1, 8), (0xbc, 7)], 0));
}

#[test]
fn what_was_dropped_before_and_the_flag_leave_as_fields_of_otlp() {
    let counts = "\"otel.dropped_attributes_count\":3,\"k\":1";
    let line = format!(
        "{{\"v\":1,\"src\":\"a\",\"ts\":5,\"type\":\"span\",\"data\":{{\"trace_flags\":\"01\",{counts}}}}}\n"
    );
    let row = format!("{{\"span_id\":\"1\",\"start_ns\":5,\"trace_flags\":1,{counts}}}\n");
    let zipkin = "[{\"traceId\":\"1\",\"id\":\"1\",\"timestamp\":1,\"debug\":true,\"tags\":{\"k\":\"v\",\
                  \"otel.dropped_attributes_count\":\"3\",\"otel.dropped_events_count\":\"2\"}}]";
    let jaeger = "{\"traceID\":\"1\",\"spans\":[{\"traceID\":\"1\",\"spanID\":\"2\",\"flags\":1,\"processID\":\"p\",\
                  \"tags\":[{\"key\":\"k\",\"type\":\"string\",\"value\":\"v\"},{\"key\":\
                  \"otel.dropped_attributes_count\",\"type\":\"int64\",\"value\":3},{\"key\":\
                  \"otel.dropped_links_count\",\"type\":\"int64\",\"value\":4}]}],\"processes\":{\"p\":{}}}";
    let counts =
        [(&*line, [3, 0, 0]), (&*row, [3, 0, 0]), (zipkin, [3, 2, 0]), (jaeger, [3, 0, 4])];
    for (text, expected) in counts {
        let (requests, refused) = again(text, &ReaderOptions::default());
        assert_eq!(refused, 0, "{text}");
        let request = ExportTraceServiceRequest::decode(&requests[0].1[..]).expect("OTLP");
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        let keys: Vec<&str> = span.attributes.iter().map(|one| one.key.as_str()).collect();
        assert_eq!((keys, span.flags & 1), (vec!["k"], 1), "{text}");
        let counts =
            [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count];
        assert_eq!(counts, expected, "{text}");
    }
    // One that is no count is an attribute like others.
    let text = "{\"span_id\":\"1\",\"start_ns\":5,\"otel.dropped_attributes_count\":\"many\"}\n";
    let (requests, _) = again(text, &ReaderOptions::default());
    let request = ExportTraceServiceRequest::decode(&requests[0].1[..]).expect("OTLP");
    assert_eq!(request.resource_spans[0].scope_spans[0].spans[0].attributes.len(), 1);
}

#[test]
fn one_that_reads_otherwise_leaves_the_others_alone() {
    // The second name is no UTF-8 where it is read; no rule had read it.
    let mut text = b"{\"name\":\"a\",\"start_ns\":1,\"span_id\":\"1\"}\n".to_vec();
    text.extend_from_slice(b"{\"name\":\"\xff\",\"start_ns\":2,\"span_id\":\"2\"}\n");
    text.extend_from_slice(b"{\"name\":\"c\",\"start_ns\":3,\"span_id\":\"3\"}\n");
    let mapping = ColumnMapping {
        signal: Signal::Spans,
        columns: [("name", "name"), ("start", "start_ns"), ("span.id", "span_id")]
            .map(|(path, column)| (Arc::from(path), Arc::from(column)))
            .to_vec(),
    };
    let mut demand = Demand::default();
    demand.want_raw(Signal::Spans);
    let mut decoder = Decoder::new(Arc::new(demand), crate::support::source(Some(mapping)));
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    let frame = crate::support::frame(text, PayloadFormat::Ndjson);
    decoder.decode(0, &frame, &Interner::shared(), &mut batches, &mut report);
    let left: Vec<bool> = emit(&batches[0], &[0, 1, 2]).iter().map(Option::is_some).collect();
    assert_eq!(left, [true, false, true]);
}

#[test]
fn recordings_leave_as_they_came() {
    let zipkin = ["ascend", "envoy", "messaging-kafka", "yelp"];
    let zipkin = zipkin.map(|name| format!("zipkin/{name}.json"));
    let jaeger = ["example_trace", "genaiTestTrace", "ui_01"];
    let jaeger = jaeger.map(|name| format!("jaeger/{name}.json"));
    for path in zipkin.iter().chain(&jaeger) {
        if let Some(bytes) = recording(path) {
            let text = String::from_utf8(bytes).expect("text");
            let keys = ["service.name", "peer.service", "http.method", "http.path", "error"];
            says_the_same(&text, &ReaderOptions::default(), &keys);
        }
    }
}

#[test]
fn some_spans_of_a_document_leave_without_the_others() {
    let zipkin = r#"[{"traceId":"a","id":"1","name":"x","timestamp":2,"duration":7},
        {"traceId":"b","id":"2","name":"y","timestamp":3,"duration":5},
        {"traceId":"c","id":"3","name":"z","timestamp":4,"duration":1}]"#;
    let jaeger = r#"{"data":[{"traceID":"1","spans":[
        {"traceID":"1","spanID":"2","operationName":"x","startTime":10,"duration":5},
        {"traceID":"1","spanID":"4","operationName":"y","startTime":1,"duration":1}]},
        {"traceID":"2","spans":[
        {"traceID":"2","spanID":"2","operationName":"z","startTime":10,"duration":5}]}]}"#;
    for text in [zipkin, jaeger] {
        let input = Input::new("input", std::io::Cursor::new(text.as_bytes().to_vec()));
        let mut reader = FileReader::open(vec![input], &ReaderOptions::default()).unwrap();
        let mut demand = Demand::default();
        demand.want_raw(Signal::Spans);
        let frame = reader.next_frame().unwrap().unwrap();
        let mut decoder = Decoder::new(Arc::new(demand), reader.sources().into());
        let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
        decoder.decode(0, &frame, &Interner::shared(), &mut batches, &mut report);
        let all = emit(&batches[0], &[0, 1, 2]);
        assert!(all.iter().all(Option::is_some) && all[0] != all[2]);
        // As a worker holds them that has these two only.
        let mut raw = batches[0].raw.clone().unwrap();
        raw.rows.remove(1);
        assert_eq!(emit_raw(&raw, Signal::Spans, &[1, 0]), [all[2].clone(), all[0].clone()]);
    }
}
