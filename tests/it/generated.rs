//! Generated telemetry is what the readers understand, in each format.

#[path = "../../src/generate/mod.rs"]
mod generate;

use generate::{Format, Options, run};
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::model::PayloadFormat;

#[test]
fn each_format_is_recognised() {
    for (format, wanted) in [
        (Format::OtlpJson, PayloadFormat::OtlpJson),
        (Format::Ndjson, PayloadFormat::Ndjson),
        (Format::OtlpDelimited, PayloadFormat::OtlpDelimited),
    ] {
        let mut bytes = Vec::new();
        let summary = run(&Options { spans: 2_000, format, ..Options::default() }, &mut bytes);
        let mut labels = Vec::new();
        summary.unwrap().write_labels(&mut labels).unwrap();
        assert_eq!(labels.split(|byte| *byte == b'\n').count() - 1, 3);
        let input = Input::new("generated", std::io::Cursor::new(bytes));
        let mut reader = FileReader::open(vec![input], &ReaderOptions::default()).unwrap();
        assert_eq!(reader.next_frame().unwrap().unwrap().format, wanted);
    }
}
