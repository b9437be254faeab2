//! More keys than a rule may have open.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, SourceId, SourceSpec, Value,
};
use tailwater_engine::runtime::Engine;

use super::replay::{BASE_S, plan};

const KEYS: usize = 1_000_000;
const KEYS_A_FRAME: usize = 8_000;
/// The limit of a rule that states none.
const GROUPS: usize = 10_000;

/// One span of a name of its own for every key.
fn frame(from: usize) -> DataFrame {
    let at_ns = BASE_S * 1_000_000_000 + 1;
    let mut text = String::from(r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#);
    for key in from..(from + KEYS_A_FRAME).min(KEYS) {
        let comma = if key == from { "" } else { "," };
        let name = format!(r#""name":"operation {key}""#);
        let times = format!(r#""startTimeUnixNano":"{at_ns}","endTimeUnixNano":"{at_ns}""#);
        write!(text, "{comma}{{{name},{times}}}").unwrap();
    }
    text.push_str("]}]}]}");
    DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format: PayloadFormat::OtlpJson,
        compression: Compression::None,
        payload: Bytes::from(text),
        place: 1,
    }
}

#[test]
fn a_million_keys_keep_to_the_limit_and_are_all_counted() {
    let rules = "stream s = spans lateness 1s
                 aggregate c from s by name over tumbling(10s) select { n: count() }
                 aggregate d from c over tumbling(10s) select { rows: count(), spans: sum(n) }";
    let plan = Arc::new(plan(rules).unwrap());
    let source = SourceSpec { name: Arc::from("test"), has_arrival: false, mapping: None };
    let builder = Engine::builder(Arc::clone(&plan)).sources(vec![source]).workers(2);
    let mut engine = builder.build().unwrap();
    for from in (0..KEYS).step_by(KEYS_A_FRAME) {
        engine.push(frame(from)).unwrap();
    }
    engine.push_body(FrameBody::End).unwrap();
    let (outputs, _) = engine.finish().unwrap();
    let last = outputs.last().unwrap();
    assert_eq!(last.rules[0].to_other as usize, KEYS - GROUPS);
    assert_eq!(last.rules[0].unaccounted(), 0);
    let rows: Vec<_> = outputs.iter().flat_map(|output| &output.rows).collect();
    let groups = rows.iter().filter(|row| row.rule.0 == 0);
    assert_eq!(groups.clone().filter(|row| !row.is_other).count(), GROUPS);
    let other: Vec<_> = groups.filter(|row| row.is_other).map(|row| &row.values[0]).collect();
    assert_eq!(other, [&Value::Int((KEYS - GROUPS) as i64)]);
    let sum = rows.iter().find(|row| row.rule.0 == 1).map(|row| &row.values);
    assert_eq!(sum, Some(&vec![Value::Int(GROUPS as i64 + 1), Value::Int(KEYS as i64)]));
}
