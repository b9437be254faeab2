//! Plain NDJSON, CSV, the line protocol, Jaeger and Zipkin.

use std::sync::Arc;

use tailwater_engine::ingest::reader::ReaderOptions;
use tailwater_engine::model::{
    ColumnMapping, ColumnSpec, Demand, Field, PayloadFormat, Signal, Value,
};

use crate::support::{
    Decoded, attribute, column, decode, decode_frames, demand_all, frame, replay, source,
};

fn cells(demand: &Demand, decoded: &Decoded, signal: Signal, path: &str) -> Vec<Value> {
    let column = column(demand, signal, path);
    let rows = decoded.of(signal).iter();
    rows.map(|row| row[column].clone()).collect()
}

fn mapping(signal: Signal, columns: &[(&str, &str)]) -> ColumnMapping {
    ColumnMapping {
        signal,
        columns: columns.iter().map(|&(path, column)| (path.into(), column.into())).collect(),
    }
}

fn id(number: u8) -> Value {
    Value::Bytes(Arc::from([0, 0, 0, 0, 0, 0, 0, number]))
}

const BENCH_LINE: &str = concat!(
    r#"{"trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"0000000000000007","#,
    r#""parent_span_id":"","service":"cart","operation":"GET /cart","kind":2,"start_ns":1000,"#,
    r#""end_ns":3500,"duration_ns":2500,"status":2,"http.route":"/cart","#,
    r#""http.response.status_code":500,"region":"eu-1"}"#,
);

#[test]
fn spans_by_common_names() {
    let demand = demand_all(&["service.name", "http.response.status_code"]);
    let decoded = replay(&demand, BENCH_LINE.into(), &ReaderOptions::default());
    let cell = |path| cells(&demand, &decoded, Signal::Spans, path)[0].clone();
    assert_eq!(decoded.report.ledger.damaged, 0);
    assert_eq!(cell("span.id"), id(7));
    assert_eq!(cell("parent.id"), Value::Null);
    assert_eq!(cell("service.name"), Value::str("cart"));
    assert_eq!(cell("name"), Value::str("GET /cart"));
    assert_eq!(cell("kind"), Value::str("server"));
    assert_eq!(cell("start"), Value::Time(1_000));
    assert_eq!(cell("end"), Value::Time(3_500));
    assert_eq!(cell("duration"), Value::Duration(2_500));
    assert_eq!(cell("status"), Value::str("error"));
    assert_eq!(cell("http.response.status_code"), Value::Int(500));
}

#[test]
fn names_may_come_in_any_order_spacing_and_spelling() {
    let lines = concat!(
        "{\"span_id\":\"1\",\"start_ns\":5,\"name\":\"a\"}\n",
        "{ \"name\" : \"b\" , \"start_ns\" : 6 , \"span_id\" : \"2\" }\n",
        "\r\n",
        "{\"span_id\":\"3\",\"na\\u006de\":\"c\",\"other\":[{\"}\":\"\\\"\"}],\"start_ns\":7}\r\n",
        "{\"name\":\"\\u00e9\\ud83d\\ude00\\n\",\"span_id\":\"4\",\"start_ns\":8}",
    );
    let demand = demand_all(&[]);
    let decoded = replay(&demand, lines.into(), &ReaderOptions::default());
    assert_eq!(decoded.report.ledger.set_aside, []);
    let names = cells(&demand, &decoded, Signal::Spans, "name");
    assert_eq!(names, ["a", "b", "c", "é😀\n"].map(Value::str));
    let starts = cells(&demand, &decoded, Signal::Spans, "start");
    assert_eq!(starts, [5, 6, 7, 8].map(Value::Time));
    assert_eq!(cells(&demand, &decoded, Signal::Spans, "span.id"), [1, 2, 3, 4].map(id));
}

#[test]
fn nested_values_are_attributes_when_a_rule_reads_them() {
    let line = concat!(
        r#"{"message":"m","ts":"2024-02-29T00:00:00Z","level":"WARN","x":{"b":[1,2.5,null],"#,
        r#""a":true}}"#,
    );
    let demand = demand_all(&["x"]);
    let decoded = replay(&demand, line.into(), &ReaderOptions::default());
    let cell = |path| cells(&demand, &decoded, Signal::Logs, path)[0].clone();
    let list = vec![Value::Int(1), Value::Float(2.5), Value::Null];
    let expected =
        vec![(Arc::from("b"), Value::List(list.into())), (Arc::from("a"), Value::Bool(true))];
    assert_eq!(cell("x"), Value::map(expected));
    assert_eq!(cell("time"), Value::Time(1_709_164_800_000_000_000));
    assert_eq!(cell("severity"), Value::str("warn"));
    assert_eq!(cell("severity.text"), Value::str("WARN"));
    assert_eq!(cell("body"), Value::str("m"));
}

#[test]
fn a_mapping_names_columns_and_units() {
    let mapping = mapping(
        Signal::Spans,
        &[("span.id", "sid"), ("start", "t:ms"), ("duration", "took:us"), ("peer", "p")],
    );
    let mut demand = demand_all(&[]);
    demand.column(
        Signal::Spans,
        attribute(tailwater_engine::model::AttributePlace::Resource, "peer"),
    );
    let lines = "{\"sid\":\"1\",\"t\":2,\"took\":3,\"p\":\"x\"}\n{\"sid\":\"2\",\"t\":\"2.5\"}\n";
    let frames = [frame(lines, PayloadFormat::Ndjson)];
    let decoded = decode_frames(&demand, source(Some(mapping)), &frames);
    let ends = cells(&demand, &decoded, Signal::Spans, "end");
    assert_eq!(ends, [Value::Time(2_003_000), Value::Time(2_500_000)]);
    let peers = cells(&demand, &decoded, Signal::Spans, "peer");
    assert_eq!(peers, [Value::str("x"), Value::Null]);
    assert_eq!(decoded.report.ledger.end_before_start, 0);
}

#[test]
fn bad_lines_are_set_aside_with_their_number() {
    let lines = "{\"message\":\"a\"}\nnot json\n{\"message\":\"b\"} tail\n{\"message\":\"c\"\n\
                 {\"ts\":\"someday\",\"message\":\"d\"}\n\
                 {\"trace_id\":\"xyz\"}\n{\"message\":\"e\"}";
    let demand = demand_all(&[]);
    let decoded = decode(&demand, lines, PayloadFormat::Ndjson);
    let bodies = cells(&demand, &decoded, Signal::Logs, "body");
    assert_eq!(bodies, [Value::str("a"), Value::str("e")]);
    let places: Vec<u64> = decoded.report.ledger.set_aside.iter().map(|item| item.place).collect();
    assert_eq!(places, [2, 3, 4, 5, 6]);
}

#[test]
fn csv_with_quotes_types_and_damage() {
    let text = "span_id,name,start_ns,end_ns,\"a,b\",code\r\n\
                1,\"say \"\"hi\"\"\",10,20,x,200\r\n\
                2,\"two\nlines\",11,9,\"007\",1.5\r\n\
                3,short\r\n\
                4,\"open\"x,1,2,3,4\r\n\
                5,é,12,22,007,true\r\n";
    let demand = demand_all(&["a,b", "code"]);
    let decoded = replay(&demand, text.into(), &ReaderOptions::default());
    let cells = |path| cells(&demand, &decoded, Signal::Spans, path);
    assert_eq!(cells("name"), ["say \"hi\"", "two\nlines", "é"].map(Value::str));
    assert_eq!(cells("a,b"), ["x", "007", "007"].map(Value::str));
    assert_eq!(cells("code"), [Value::Int(200), Value::Float(1.5), Value::Bool(true)]);
    assert_eq!(cells("duration"), [10, 0, 10].map(Value::Duration));
    assert_eq!(decoded.report.ledger.end_before_start, 1);
    let places: Vec<u64> = decoded.report.ledger.set_aside.iter().map(|item| item.place).collect();
    assert_eq!(places, [5, 6]);
}

#[test]
fn the_line_protocol() {
    let lines = concat!(
        r#"{"v":1,"src":"a","ts":1000,"type":"event","tid":"1","data":{"level":"error","#,
        r#""msg":"m","ctx":{"k":7}}}"#,
        "\n",
        r#"{"v":1,"src":"a","ts":2000,"type":"metric","data":{"name":"n","value":1.5,"#,
        r#""unit":"s","tags":{"k":"t"}}}"#,
        "\n",
        r#"{"v":1,"src":"b","ts":3000,"type":"progress","data":{"job_id":"j","percent":50,"#,
        r#""status":"running"}}"#,
        "\n",
        r#"{"v":1,"src":"b","ts":4000,"type":"resource","data":{"cpu":0.5,"mem":2,"#,
        r#""disk":null,"net":4}}"#,
        "\n",
        r#"{"type":"span","v":1,"src":"c","ts":5000,"sid":"2","pid":"1","data":{"name":"s","#,
        r#""duration_ms":5,"attributes":{"k":"v"}}}"#,
        "\n",
        r#"{"v":1,"src":"c","ts":6000,"type":"heartbeat"}"#,
        "\n",
        r#"{"v":1,"src":"c","ts":7000,"type":"goodbye"}"#,
        "\n",
    );
    let demand = demand_all(&["k"]);
    let decoded = replay(&demand, lines.into(), &ReaderOptions::default());
    assert_eq!(decoded.report.ledger.set_aside, []);
    let cell = |signal, path| cells(&demand, &decoded, signal, path)[0].clone();
    for signal in [Signal::Events, Signal::Logs] {
        assert_eq!(cell(signal, "time"), Value::Time(1_000_000_000));
        assert_eq!(cell(signal, "severity"), Value::str("error"));
        assert_eq!(cell(signal, "body"), Value::str("m"));
        assert_eq!(cell(signal, "k"), Value::Int(7));
        assert_eq!(cell(signal, "source"), Value::str("a"));
    }
    assert_eq!(cell(Signal::Metrics, "value"), Value::Float(1.5));
    assert_eq!(cell(Signal::Metrics, "k"), Value::str("t"));
    assert_eq!(cell(Signal::Progress, "job.status"), Value::str("running"));
    assert_eq!(cell(Signal::Progress, "percent"), Value::Int(50));
    assert_eq!(cell(Signal::Resources, "cpu"), Value::Float(0.5));
    assert_eq!(cell(Signal::Resources, "disk"), Value::Null);
    assert_eq!(cell(Signal::Spans, "start"), Value::Time(5_000_000_000));
    assert_eq!(cell(Signal::Spans, "duration"), Value::Duration(5_000_000));
    assert_eq!(cell(Signal::Spans, "k"), Value::str("v"));
    assert_eq!(cell(Signal::Spans, "parent.id"), id(1));
    assert_eq!(cell(Signal::Heartbeats, "source"), Value::str("c"));
    assert_eq!(decoded.report.heartbeats, [(Arc::from("c"), 6_000_000_000)]);
    let leaves: Vec<bool> = decoded.report.senders.iter().map(|sender| sender.leaves).collect();
    assert_eq!(leaves, [false, false, false, true], "a, b, c, and c again, which leaves");
}

#[test]
fn lines_that_do_not_fit_the_protocol() {
    let lines = concat!(
        r#"{"v":2,"src":"a","ts":1,"type":"event","data":{}}"#,
        "\n",
        r#"{"v":1,"src":"a","ts":1,"type":"poem","data":{}}"#,
        "\n",
        r#"{"v":1,"ts":1,"type":"event","data":{}}"#,
        "\n",
        r#"{"v":1,"src":"a","type":"event","data":{}}"#,
        "\n",
        r#"{"v":1,"src":"a","ts":1,"type":"event"}"#,
        "\n",
        r#"{"v":1,"src":"a","ts":1,"type":"progress","data":{"percent":"half"}}"#,
        "\n",
        r#"{"v":1,"src":"a","ts":1,"type":"event","data":{"msg":"ok"}}"#,
        "\n",
    );
    let decoded = decode(&demand_all(&[]), lines, PayloadFormat::Lines);
    assert_eq!(decoded.received(Signal::Events), 1);
    assert_eq!(decoded.received(Signal::Logs), 1);
    let places: Vec<u64> = decoded.report.ledger.set_aside.iter().map(|item| item.place).collect();
    assert_eq!(places, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn members_of_a_line_may_come_in_any_order() {
    let data =
        r#""data":{"name":"s","trace_id":"0000000000000000000000000000000b","x_y":[{"Y":"}"}]}"#;
    let whole = [r#""v":1"#, r#""src":"a""#, r#""ts":5"#, r#""type":"span""#, data];
    let id = r#""tid":"0a""#; // that of `data` counts, wherever this one stands
    let mut lines: Vec<String> = Vec::new();
    for at in 0..=whole.len() {
        let mut members = whole.to_vec();
        members.insert(at, id);
        lines.push(format!("{{{}}}\n", members.join(",")));
        members.rotate_left(at);
        lines.push(format!("{{{}}}\n", members.join(",")));
    }
    // What comes behind may say anything anew, and may be broken.
    let end = [r#","src":"b"}"#, r#","data":{"name":"t"}}"#, r#","ts":7,"more":[1]}"#, ",", "}}"];
    lines.extend(end.map(|end| format!("{{{}{end}\n", whole.join(","))));
    let demand = demand_all(&[]);
    let decoded = decode(&demand, lines.concat(), PayloadFormat::Lines);
    let cells = |path| cells(&demand, &decoded, Signal::Spans, path);
    let good = lines.len() - 2;
    let mut names = vec![Value::str("s"); good];
    names[good - 2] = Value::str("t");
    assert_eq!(cells("name"), names);
    let mut sources = vec![Value::str("a"); good];
    sources[good - 3] = Value::str("b");
    assert_eq!(cells("source"), sources);
    let id = Value::Bytes([&[0; 15][..], &[11]].concat().into());
    let mut ids = vec![id; good];
    ids[good - 2] = Value::Null;
    assert_eq!(cells("trace.id"), ids);
    let mut times = vec![Value::Time(5_000_000); good];
    times[good - 1] = Value::Time(7_000_000);
    assert_eq!(cells("start"), times);
    let places: Vec<u64> = decoded.report.ledger.set_aside.iter().map(|item| item.place).collect();
    assert_eq!(places, [lines.len() as u64 - 1, lines.len() as u64]);
}

#[test]
fn spaces_between_the_members_of_a_line_change_nothing() {
    let usual = [
        "1",
        r#""a""#,
        "5",
        r#""span""#,
        r#""0000000000000000000000000000000a""#,
        r#""000000000000000b""#,
        r#""000000000000000c""#,
        r#"{"name":"s"}"#,
    ];
    let names = ["v", "src", "ts", "type", "tid", "sid", "pid", "data"];
    let odd = [
        "null",
        "10",
        "05",
        "-5",
        "5.0",
        "1e3",
        "x",
        "99999999999999999999",
        r#""""#,
        r#""5""#,
        r#""\u0061""#,
        r#""zz""#,
        r#""0a""#,
        r#""0000000000000000000000000000000G""#,
        r#""000000000000000G""#,
        r#""event""#,
        r#""heartbeat""#,
        r#""goodbye""#,
        "\"\u{1}\"",
        r#""000000000000000000000000000000001""#,
        "[1]",
        r#"{"a":["b","c"]}"#,
        r#"{"a":"b","c":"d}"}"#,
        r#"{"a":"b","c":"d"]"#,
        r#"{"a":"b","c":"d}"#,
        "",
    ];
    let demand = demand_all(&[]);
    for (at, value) in (0..names.len()).flat_map(|at| odd.iter().map(move |value| (at, *value))) {
        let member = |(place, name): (usize, &&str)| {
            format!("\"{name}\":{}", if place == at { value } else { usual[place] })
        };
        let members: Vec<String> = names.iter().enumerate().map(member).collect();
        let line = |open: &str, comma: &str| format!("{open}{}}}\n", members.join(comma));
        let said = |line: String| {
            let decoded = decode(&demand, line, PayloadFormat::Lines);
            let columns = ["start", "source", "trace.id", "span.id", "parent.id", "name"];
            let rows = columns.map(|path| cells(&demand, &decoded, Signal::Spans, path));
            let events = decoded.received(Signal::Events) + decoded.received(Signal::Logs);
            let heartbeats = decoded.report.heartbeats.len();
            (
                rows,
                decoded.report.ledger.set_aside.len(),
                decoded.report.senders,
                events,
                heartbeats,
            )
        };
        assert_eq!(said(line("{", ",")), said(line("{ ", " , ")), "{}", line("{", ","));
    }
}

#[test]
fn lines_that_follow_each_other_keep_their_own_senders() {
    let line = |source: &str, name: &str| {
        let data = format!("\"type\":\"span\",\"data\":{{\"name\":\"{name}\"}}");
        format!("{{\"v\":1,\"src\":\"{source}\",\"ts\":5,{data}}}\n")
    };
    let other = r#"{ "v":1,"src":"a","ts":5,"type":"span","data":{"name":"5"}}"#;
    let broken = r#"{"v":1,"src":"b","ts":5,"type":"span","data":{"name":["#;
    let lines = [
        &line("a", "1"),
        &line("ab", "2"),
        &line("ab", "3"),
        &line("a", "4"),
        &format!("{other}\n"),
        &line("a", "6"),
        &format!("{broken}\n"),
        &line("b", "7"),
        &line("b\\u0061", "8"),
    ];
    let demand = demand_all(&[]);
    let decoded = decode(&demand, lines.map(String::as_str).concat(), PayloadFormat::Lines);
    let cells = |path| cells(&demand, &decoded, Signal::Spans, path);
    assert_eq!(cells("name"), ["1", "2", "3", "4", "5", "6", "7", "8"].map(Value::str));
    assert_eq!(cells("source"), ["a", "ab", "ab", "a", "a", "a", "b", "ba"].map(Value::str));
    assert_eq!(decoded.report.senders.len(), 5, "each run once");
    assert_eq!(decoded.report.ledger.set_aside.len(), 1);
}

#[test]
fn whether_a_trace_is_sampled_is_read_where_a_format_says_it() {
    let demand = demand_all(&[]);
    let said = |text: String| {
        let decoded = replay(&demand, text.into(), &ReaderOptions::default());
        assert_eq!(decoded.report.ledger.damaged, 0);
        cells(&demand, &decoded, Signal::Spans, "trace.sampled")
    };
    let [yes, no] = [true, false].map(Value::Bool);
    for (flags, expected) in [
        ("1", &yes),
        ("3", &yes),
        ("2", &no),
        ("\"01\"", &yes),
        ("\"1\"", &yes),
        ("\"0b\"", &yes),
        ("\"0a\"", &no),
        ("\"00\"", &no),
        ("true", &yes),
        ("false", &no),
        ("\"\"", &no),
        ("null", &no),
    ] {
        let span = format!("\"span_id\":\"1\",\"start_ns\":1,\"trace_flags\":{flags}");
        assert_eq!(said(format!("{{{span}}}\n")), std::slice::from_ref(expected), "{flags}");
        let start = "\"v\":1,\"src\":\"a\",\"ts\":1,\"type\":\"span\"";
        let line = format!("{{{start},\"data\":{{\"trace_flags\":{flags}}}}}\n");
        assert_eq!(said(line), std::slice::from_ref(expected), "{flags}");
    }
    let csv = "trace_id,span_id,start_ns,traceFlags\n1,1,1,01\n1,2,1,00\n1,3,1,\n";
    assert_eq!(said(csv.to_owned()), [yes.clone(), no.clone(), no.clone()]);
    let zipkin = |more: &str| format!("{{\"traceId\":\"a\",\"id\":\"1\",\"timestamp\":1{more}}}");
    let text = format!("[{},{}]", zipkin(",\"debug\":true"), zipkin(",\"debug\":false"));
    assert_eq!(said(text), [yes.clone(), no.clone()]);
    let jaeger = |more: &str| {
        format!("{{\"traceID\":\"1\",\"spanID\":\"2\",\"startTime\":1,\"processID\":\"p\"{more}}}")
    };
    let spans = [jaeger(",\"flags\":1"), jaeger(",\"flags\":2"), jaeger("")].join(",");
    let processes = "\"processes\":{\"p\":{\"serviceName\":\"s\"}}";
    let text = format!("{{\"traceID\":\"1\",\"spans\":[{spans}],{processes}}}");
    assert_eq!(said(text), [yes, no.clone(), no]);
}

#[test]
fn zipkin_halves_of_one_span_get_ids_of_their_own() {
    let text = r#"[
        {"traceId":"a1","id":"1","kind":"SERVER","timestamp":1,"duration":9,"name":"root",
         "localEndpoint":{"serviceName":"front"}},
        {"traceId":"a1","parentId":"1","id":"2","kind":"CLIENT","timestamp":2,"duration":7,
         "localEndpoint":{"serviceName":"front"},"remoteEndpoint":{"serviceName":"back"}},
        {"traceId":"a1","parentId":"1","id":"2","kind":"SERVER","timestamp":3,"duration":5,
         "localEndpoint":{"serviceName":"back"},"shared":true,"tags":{"error":"boom"}},
        {"traceId":"a1","parentId":"2","id":"3","timestamp":4,"duration":1,
         "annotations":[{"timestamp":4,"value":"hit"}]}
    ]"#;
    let demand = demand_all(&["service.name", "peer.service"]);
    let decoded = replay(&demand, text.into(), &ReaderOptions::default());
    assert_eq!(decoded.report.ledger.damaged, 0);
    let cells = |path| cells(&demand, &decoded, Signal::Spans, path);
    let (ids, parents) = (cells("span.id"), cells("parent.id"));
    assert_eq!(parents[1], id(1));
    assert_ne!(ids[1], id(2), "the client's half is renamed");
    assert_eq!(parents[2], ids[1], "and is the server's parent");
    assert_eq!((&ids[2], &parents[3]), (&id(2), &id(2)), "children keep theirs");
    assert_eq!(cells("service.name")[..3], ["front", "front", "back"].map(Value::str));
    assert_eq!(cells("service.name")[3], Value::Null);
    assert_eq!(cells("peer.service")[1], Value::str("back"));
    assert_eq!(cells("status")[2], Value::str("error"));
    assert_eq!(cells("status.message")[2], Value::str("boom"));
    assert_eq!(cells("duration")[1], Value::Duration(7_000));
    assert_eq!(decoded.received(Signal::SpanEvents), 1);
}

#[test]
fn jaeger_tags_references_and_processes() {
    let text = r#"{"data":[{"traceID":"1","spans":[
        {"traceID":"1","spanID":"2","operationName":"op","startTime":10,"duration":5,
         "references":[{"refType":"FOLLOWS_FROM","traceID":"1","spanID":"8"},
                       {"refType":"CHILD_OF","traceID":"1","spanID":"9"},
                       {"refType":"CHILD_OF","traceID":"2","spanID":"7"}],
         "tags":[{"key":"span.kind","type":"string","value":"server"},
                 {"key":"error","type":"bool","value":true},
                 {"key":"n","type":"int64","value":"9223372036854775222"}],
         "logs":[{"timestamp":12,"fields":[{"key":"event","type":"string","value":"e"}]}],
         "processID":"p1"},
        {"traceID":"1","spanID":"3","operationName":"op","startTime":1,"duration":1,
         "processID":"p9"}],
        "processes":{"p1":{"serviceName":"svc",
          "tags":[{"key":"host","type":"string","value":"h"}]}}}]}"#;
    let demand = demand_all(&["service.name", "host", "n"]);
    let decoded = replay(&demand, text.into(), &ReaderOptions::default());
    let cell = |path| cells(&demand, &decoded, Signal::Spans, path)[0].clone();
    assert_eq!(decoded.received(Signal::Spans), 1);
    assert_eq!(decoded.report.ledger.damaged, 1, "a span without its process");
    assert_eq!(cell("parent.id"), id(9));
    assert_eq!(cell("link_count"), Value::Int(2));
    assert_eq!(cell("kind"), Value::str("server"));
    assert_eq!(cell("status"), Value::str("error"));
    assert_eq!(cell("service.name"), Value::str("svc"));
    assert_eq!(cell("host"), Value::str("h"));
    assert_eq!(cell("n"), Value::Int(9_223_372_036_854_775_222));
    assert_eq!(cell("start"), Value::Time(10_000));
    let events = cells(&demand, &decoded, Signal::SpanEvents, "name");
    assert_eq!(events, [Value::str("e")]);
    let times = cells(&demand, &decoded, Signal::SpanEvents, "time");
    assert_eq!(times, [Value::Time(12_000)]);
}

#[test]
fn a_signal_that_nobody_reads_is_counted_and_yields_no_batch() {
    let mut demand = Demand::default();
    demand.column(Signal::Logs, ColumnSpec::Field(Field::Body));
    let decoded = replay(&demand, BENCH_LINE.into(), &ReaderOptions::default());
    assert!(decoded.of(Signal::Spans).is_empty());
    assert_eq!(decoded.received(Signal::Spans), 1);
    assert_eq!(decoded.report.ledger.unaccounted(), 0);
}
