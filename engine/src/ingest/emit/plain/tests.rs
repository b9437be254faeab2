//! What is written from a line's text is what reading the line says.

use proptest::prelude::*;

use super::PlainSpans;
use crate::ingest::emit::foreign::read;
use crate::ingest::flat::by_common_names;
use crate::model::{ByteRange, PayloadFormat, RawContext, RawItems, RawRow, Signal};

/// Writes lines by both ways; how many are written from their text.
fn both_ways(lines: &[String]) -> usize {
    let mapping = std::sync::Arc::new(by_common_names(Signal::Spans));
    let mut plain = PlainSpans::new(Some(&mapping)).expect("spans");
    lines.iter().for_each(|line| plain.add(line.as_bytes()));
    let mut written = 0;
    for (line, made) in lines.iter().zip(plain.finish()) {
        let range = ByteRange::new(0, line.len());
        let raw = RawItems {
            payload: line.clone().into(),
            format: PayloadFormat::Ndjson,
            mapping: Some(mapping.clone()),
            rows: vec![RawRow { range, context: 0 }],
            contexts: [RawContext::default()].into(),
        };
        let Some(made) = made else { continue };
        let mut read = read(&raw, Signal::Spans, line.clone().into_bytes(), Some(1))
            .unwrap_or_else(|| panic!("written and not readable: {line}"));
        assert_eq!(Some(made), read.pop().map(|(_, content)| content), "{line}");
        written += 1;
    }
    written
}

fn name() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "trace_id",
        "traceId",
        "span_id",
        "parent_span_id",
        "service",
        "service_name",
        "service.version",
        "name",
        "operation",
        "kind",
        "status",
        "status_message",
        "start_ns",
        "start_ms",
        "start",
        "end_ns",
        "end",
        "duration_ns",
        "duration_ms",
        "time",
        "a",
        "region",
        "http.status",
        "\\u00e9",
        "k\\n",
        "",
    ];
    prop::sample::select(NAMES).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    const VALUES: &[&str] = &[
        "null",
        "true",
        "false",
        "tru",
        "0",
        "1",
        "2",
        "5",
        "9",
        "01",
        "-0",
        "-7",
        "1.5",
        "1e3",
        "1e999",
        "1.",
        "+1",
        "9223372036854775807",
        "9223372036854775808",
        "1760000040008036968",
        "1760000040008",
        "\"\"",
        "\"server\"",
        "\"SPAN_KIND_CLIENT\"",
        "\"ERROR\"",
        "\"nope\"",
        "\"root\"",
        "\"ff\"",
        "\"ca0188d436ac3739bc913b9a7b078895\"",
        "\"9ad27682c5ebbd55\"",
        "\"a b\"",
        "\"\u{e9}\"",
        "\"a\\n\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\t\"",
        "[1,2,[\"x\"]]",
        "{\"k\":{\"z\":1,\"z\":2}}",
        "[1,]",
        "{\"k\":01}",
        "\"2022-08-22T05:18:42Z\"",
    ];
    prop::sample::select(VALUES).prop_map(str::to_owned)
}

fn line() -> impl Strategy<Value = String> {
    let member = (name(), value(), prop::sample::select(&["", " "][..]));
    let members = prop::collection::vec(member, 0..10);
    let ends = prop::sample::select(&["}", "} ", "}x", ",}"][..]);
    (members, prop::bool::weighted(0.9), ends).prop_map(|(members, has_start, end)| {
        let start = ("start_ns".to_owned(), "1760000040008036968".to_owned(), "");
        let start = has_start.then_some(start);
        let members = start.into_iter().chain(members);
        let members = members.map(|(name, value, s)| format!("\"{name}\":{s}{value}{s}"));
        format!("{{{}{end}", members.collect::<Vec<_>>().join(","))
    })
}

proptest! {
    #[test]
    fn what_is_written_from_the_text_is_what_reading_it_says(
        lines in prop::collection::vec(line(), 1..6)
    ) {
        both_ways(&lines);
    }
}

#[test]
fn ordinary_lines_are_written_from_their_text() {
    let line = |id: &str, more: &str| {
        format!(
            "{{\"trace_id\":\"ca0188d436ac3739bc913b9a7b078895\",\"span_id\":\"{id}\",\
             \"service\":\"checkout\",\"operation\":\"PATCH\",\"kind\":2,\
             \"start_ns\":1760000040008036968,\"end_ns\":1760000040735227763,\"status\":2{more}}}"
        )
    };
    let lines = [
        line("9ad27682c5ebbd55", ",\"region\":\"eu-3\",\"code\":200,\"ratio\":0.5"),
        line("1", ",\"ok\":true,\"none\":null,\"list\":[1,{\"a\":\"b\"}],\"text\":\"a\\nb\""),
        line("2", ",\"region\":\"eu-3\",\"service.version\":\"1\",\"service_name\":\"cart\""),
    ];
    assert_eq!(both_ways(&lines), lines.len());
    let others = [
        line("2", ",\"code\":01"),
        line("2", ",\"text\":\"\\ud800\""),
        line("2", ",\"duration_ms\":1.5"),
        line("no id", ""),
        line("2", ",\"text\":\"a").replace('}', ""),
    ];
    assert_eq!(both_ways(&others), 0);
}
