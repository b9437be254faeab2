//! Plain NDJSON and CSV against values written by other code.

use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;
use tailwater_engine::ingest::{DecodeReport, Decoder};
use tailwater_engine::model::{
    ColumnMapping, ColumnSpec, Demand, Field, Interner, PayloadFormat, Signal, Value,
};

use crate::support::{attribute, decode_frames, demand_all, frame, source};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,9}", "\\PC{0,24}", "[\"\\\\/\n\r\t\u{1}\u{7f}é😀\u{ffff}]{0,9}"]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e300..1e300_f64).prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        text().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::from),
            vec((text(), inner), 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

fn expected(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().expect("a double")),
        },
        Json::String(text) => Value::str(text),
        Json::Array(items) => Value::List(items.iter().map(expected).collect()),
        Json::Object(members) => {
            let members = members.iter();
            Value::map(members.map(|(k, v)| (Arc::from(k.as_str()), expected(v))).collect())
        }
    }
}

/// JSON with spaces where they may be, and non-ASCII characters as escapes where asked.
fn print(json: &Json, escape: bool) -> String {
    let text = json.to_string();
    if !escape {
        return text;
    }
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04X}").expect("a string takes all");
            }
        }
    }
    out
}

fn attributes_of(keys: &[&str]) -> Demand {
    let mut demand = Demand::default();
    for key in keys {
        demand.column(Signal::Logs, attribute(tailwater_engine::model::AttributePlace::Any, key));
    }
    demand
}

fn no_mapping() -> ColumnMapping {
    ColumnMapping { signal: Signal::Logs, columns: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_json_value_is_read_as_it_was_written(
        lines in vec((json(), json(), json(), 0..4_u8), 1..6),
    ) {
        let mut payload = String::new();
        let mut rows = Vec::new();
        for (x, y, other, style) in &lines {
            let [x_text, y_text, other] = [x, y, other].map(|json| print(json, style & 1 == 1));
            let line = match style >> 1 {
                0 => format!("{{\"x\":{x_text},\"other\":{other},\"y\":{y_text}}}\n"),
                _ => format!("\t{{ \"y\" :{y_text} ,\"other\": {other}, \"x\": {x_text}}} \r\n"),
            };
            payload.push_str(&line);
            rows.push(vec![expected(x), expected(y)]);
        }
        let frames = [frame(payload, PayloadFormat::Ndjson)];
        let demand = attributes_of(&["x", "y"]);
        let decoded = decode_frames(&demand, source(Some(no_mapping())), &frames);
        prop_assert_eq!(&decoded.report.ledger.set_aside, &vec![]);
        prop_assert_eq!(decoded.of(Signal::Logs), &rows);
    }

    #[test]
    fn every_csv_field_is_read_as_it_was_written(
        rows in vec((text(), text(), any::<bool>()), 0..8),
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut payload = String::from("x,other,y\n");
        for (x, y, crlf) in &rows {
            let end = if *crlf { "\r\n" } else { "\n" };
            payload.extend([quoted(x), ",12,".to_owned(), quoted(y), end.to_owned()]);
        }
        let frames = [frame(payload, PayloadFormat::Csv)];
        let demand = attributes_of(&["x", "y"]);
        let decoded = decode_frames(&demand, source(Some(no_mapping())), &frames);
        let cell = |text: &String| {
            if text.is_empty() { Value::Null } else { Value::str(text) }
        };
        let rows: Vec<_> = rows.iter().map(|(x, y, _)| vec![cell(x), cell(y)]).collect();
        prop_assert_eq!(&decoded.report.ledger.set_aside, &vec![]);
        prop_assert_eq!(decoded.of(Signal::Logs), &rows);
    }

    #[test]
    fn times_of_any_unit_are_exact(ns in 0..i64::MAX, unit in 0..4_usize) {
        let (name, factor) = [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)]
            [unit];
        let column = format!("t:{name}");
        let mapping = ColumnMapping {
            signal: Signal::Logs,
            columns: vec![("time".into(), column.as_str().into())],
        };
        let mut demand = Demand::default();
        demand.column(Signal::Logs, ColumnSpec::Field(Field::Time));
        let count = ns / factor;
        let text = format!("{{\"t\":{count}}}\n{{\"t\":\"{count}\"}}\n");
        let frames = [frame(text, PayloadFormat::Ndjson)];
        let decoded = decode_frames(&demand, source(Some(mapping)), &frames);
        let time = match count * factor {
            0 => Value::Null,
            ns => Value::Time(ns),
        };
        prop_assert_eq!(decoded.of(Signal::Logs), &vec![vec![time.clone()], vec![time]]);
    }
}

#[test]
fn a_new_symbol_table_may_come_between_any_two_frames() {
    let demand = demand_all(&["x"]);
    let mut decoder = Decoder::new(Arc::new(demand), source(None));
    let text = "{\"level\":\"warn\",\"x\":\"a\",\"message\":\"m\"}\n";
    let frame = frame(text, PayloadFormat::Ndjson);
    let mut report = DecodeReport::default();
    let mut seen = Vec::new();
    for round in 0..3 {
        let symbols = Interner::shared();
        for word in 0..round {
            symbols.borrow_mut().intern(&format!("word {word}"));
        }
        let mut batches = Vec::new();
        decoder.decode(0, &frame, &symbols, &mut batches, &mut report);
        let batch = batches.pop().expect("a batch of logs");
        assert!(Rc::ptr_eq(&batch.symbols, &symbols));
        let row: Vec<Value> = batch.columns.iter().map(|c| batch.value_at(c, 0)).collect();
        seen.push(row);
        decoder.recycle(batch);
    }
    assert!(seen[0].contains(&Value::str("warn")));
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}
