//! More keys than a pattern may have under way.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use tailwater_engine::limits::{PATTERN_KEYS_PER_SHARD_MAX, SHARDS};
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, SourceId, SourceSpec, Value,
};
use tailwater_engine::runtime::{Engine, Snapshot};
use xxhash_rust::xxh3::xxh3_128;

use crate::replay::{BASE_S, plan};

const BEYOND: usize = 7;

/// Keys of one shard, more than it has room for.
fn keys() -> Vec<String> {
    let is_of_shard = |key: &String| {
        let mut bytes = Vec::new();
        Value::str(key).encode_key(&mut bytes);
        (xxh3_128(&bytes) as u64).is_multiple_of(SHARDS)
    };
    let all = (0..).map(|number| format!("key {number}")).filter(is_of_shard);
    all.take(PATTERN_KEYS_PER_SHARD_MAX as usize + BEYOND).collect()
}

/// A span of one name for every key, in order, at one second.
fn frame(keys: &[String], name: &str, at_s: i64) -> FrameBody {
    let at_ns = (BASE_S + at_s) * 1_000_000_000;
    let mut text = String::from(r#"{"resourceSpans":["#);
    for (index, key) in keys.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let attribute = format!(r#"{{"key":"service.name","value":{{"stringValue":"{key}"}}}}"#);
        let times = format!(r#""startTimeUnixNano":"{at_ns}","endTimeUnixNano":"{at_ns}""#);
        let scope = format!(r#"[{{"spans":[{{"name":"{name}",{times}}}]}}]"#);
        let resource = format!(r#"{{"attributes":[{attribute}]}}"#);
        write!(text, r#"{comma}{{"resource":{resource},"scopeSpans":{scope}}}"#).unwrap();
    }
    text.push_str("]}");
    FrameBody::Data(DataFrame {
        source: SourceId(0),
        arrival_ns: Some(i64::MAX / 2),
        format: PayloadFormat::OtlpJson,
        compression: Compression::None,
        payload: Bytes::from(text),
        place: 1,
    })
}

/// The keys of which a match was found, and how many events began nothing.
fn found(workers: usize, is_restored: bool) -> (Vec<String>, u64) {
    let rules = "stream s = spans lateness 1s
                 pattern p by service.name within 1m
                   { a: s where name == \"a\" then b: s where name == \"b\" }";
    let plan = Arc::new(plan(rules).unwrap());
    let source = SourceSpec { name: Arc::from("test"), has_arrival: false, mapping: None };
    let build = |snapshot: Option<Snapshot>, workers| {
        let builder = Engine::builder(Arc::clone(&plan)).sources(vec![source.clone()]);
        let builder = builder.workers(workers);
        match snapshot {
            Some(snapshot) => builder.restore(snapshot).build().unwrap(),
            None => builder.build().unwrap(),
        }
    };
    let keys = keys();
    let mut engine = build(None, workers);
    let mut outputs = Vec::new();
    engine.push_body(frame(&keys, "a", 1)).unwrap();
    engine.push_body(frame(&keys[..1], "c", 5)).unwrap();
    if is_restored {
        engine.snapshot().unwrap();
        let (said, mut snapshots) = engine.finish().unwrap();
        outputs.extend(said);
        let bytes = snapshots.pop().unwrap().to_bytes();
        engine = build(Some(Snapshot::from_bytes(&bytes).unwrap()), workers + 1);
    }
    // What was refused has room once others have ended.
    engine.push_body(frame(&keys, "b", 10)).unwrap();
    engine.push_body(frame(&keys[keys.len() - 1..], "a", 20)).unwrap();
    engine.push_body(frame(&keys[keys.len() - 1..], "b", 30)).unwrap();
    engine.push_body(FrameBody::End).unwrap();
    outputs.extend(engine.finish().unwrap().0);
    let key = |value: &Value| value.to_string();
    let rows = outputs.iter().flat_map(|output| &output.rows);
    let refused = outputs.last().unwrap().rules[0].refused;
    assert_eq!(outputs.last().unwrap().rules[0].unaccounted(), 0);
    (rows.map(|row| key(&row.key[0])).collect(), refused)
}

#[test]
fn keys_beyond_the_bound_begin_nothing_and_are_counted() {
    let one = found(1, false);
    let all = keys();
    let (room, last) = (PATTERN_KEYS_PER_SHARD_MAX as usize, all.len() - 1);
    let mut wanted: Vec<String> = all[..room].to_vec();
    wanted.sort();
    let mut matched = one.0.clone();
    assert_eq!(matched.pop().as_ref(), Some(&all[last]));
    matched.sort();
    assert_eq!(matched.len(), room);
    assert_eq!(matched, wanted);
    assert_eq!(one.1, BEYOND as u64);
    for (workers, is_restored) in [(2, false), (4, false), (1, true), (2, true)] {
        assert_eq!(found(workers, is_restored), one, "{workers} workers, {is_restored}");
    }
}
