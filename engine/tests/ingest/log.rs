//! The input log: what was written is read again, and nothing else.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use tailwater_engine::ErrorKind;
use tailwater_engine::journal::{LogReader, LogRecord, LogWriter, Opening, RuleText, Tail};
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, SourceId, SourceSpec,
};

fn opening() -> Opening {
    let source =
        |name: &str| SourceSpec { name: Arc::from(name), has_arrival: true, mapping: None };
    Opening {
        program: "1.2.3".to_owned(),
        rules: vec![RuleText { name: "a.tw".to_owned(), text: "edition 1\n".to_owned() }],
        imports: vec![RuleText { name: "std/x".to_owned(), text: String::new() }],
        params: vec![("share".to_owned(), "5%".to_owned())],
        sources: vec![source("a"), source("b")],
    }
}

fn records() -> Vec<LogRecord> {
    let data = |source: u32, payload: &'static [u8]| {
        LogRecord::Frame(FrameBody::Data(DataFrame {
            source: SourceId(source),
            arrival_ns: Some(1_767_225_600_000_000_000),
            format: PayloadFormat::OtlpTraces,
            compression: Compression::None,
            payload: Bytes::from_static(payload),
            place: 7,
        }))
    };
    vec![
        data(0, b"payload"),
        LogRecord::Frame(FrameBody::Tick(-5)),
        LogRecord::Cut,
        LogRecord::Table(RuleText { name: "owners.csv".to_owned(), text: "a,b\n".to_owned() }),
        data(1, b""),
        LogRecord::Frame(FrameBody::SourceEnd(SourceId(1))),
        LogRecord::Frame(FrameBody::End),
        LogRecord::Cut,
    ]
}

/// A log, with the place where each record ends.
fn written() -> (Vec<u8>, Vec<u64>) {
    let mut bytes = Vec::new();
    let mut log = LogWriter::new(&mut bytes, &opening()).expect("memory takes it");
    let mut ends = vec![log.bytes()];
    for record in records() {
        match record {
            LogRecord::Frame(body) => log.frame(&body),
            LogRecord::Cut => log.cut(),
            LogRecord::Table(file) => log.table(&file),
        }
        .expect("memory takes it");
        ends.push(log.bytes());
    }
    log.flush().expect("memory takes it");
    (bytes, ends)
}

fn read(bytes: &[u8]) -> Result<(Opening, Vec<LogRecord>, Option<Tail>), ErrorKind> {
    let mut log = LogReader::open(Cursor::new(bytes), "x").map_err(|error| error.kind())?;
    let mut records = Vec::new();
    while let Some(record) = log.next_record().map_err(|error| error.kind())? {
        records.push(record);
    }
    Ok((log.opening().clone(), records, log.tail().cloned()))
}

#[test]
fn what_was_written_is_read_again() {
    assert_eq!(read(&written().0), Ok((opening(), records(), None)));
}

#[test]
fn a_log_cut_off_anywhere_is_good_up_to_its_last_whole_record() {
    let (bytes, ends) = written();
    for length in 0..bytes.len() {
        let result = read(&bytes[..length]);
        let whole = ends.iter().filter(|end| **end <= length as u64).count();
        if whole == 0 {
            assert_eq!(result, Err(ErrorKind::Format), "{length} bytes");
            continue;
        }
        let (_, found, tail) = result.unwrap_or_else(|kind| panic!("{length} bytes: {kind:?}"));
        assert_eq!(found, records()[..whole - 1], "{length} bytes");
        let is_whole = ends[whole - 1] == length as u64;
        assert_eq!(tail.map(|tail| tail.at), (!is_whole).then_some(ends[whole - 1]));
    }
}

#[test]
fn a_flipped_bit_is_found_and_nothing_behind_it_is_used() {
    let (bytes, ends) = written();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let Ok((_, found, tail)) = read(&damaged) else {
            assert!((bit / 8) < ends[0] as usize, "only the opening makes a log unreadable");
            continue;
        };
        let whole = ends.iter().filter(|end| **end <= (bit / 8) as u64).count();
        assert_eq!(found, records()[..whole - 1], "bit {bit}");
        assert!(tail.is_some(), "bit {bit}");
    }
}

#[test]
fn a_log_of_another_version_says_so() {
    let mut bytes = written().0;
    bytes[12] = 9;
    let error = LogReader::open(Cursor::new(bytes), "old.twlog").err().expect("an error");
    let text = error.to_string();
    assert!(text.contains("`old.twlog`") && text.contains("version 9"), "{text}");
}
