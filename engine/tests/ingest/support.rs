//! Decoding in one call, and batches as plain rows.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::ingest::{DecodeReport, Decoder};
use tailwater_engine::model::{
    AttributePlace, Batch, ColumnMapping, ColumnSpec, Compression, DataFrame, Demand, Field,
    Interner, PayloadFormat, Signal, SourceId, SourceSpec, Value,
};

/// Rows of one signal, each the values of its demanded columns.
pub(crate) type Rows = Vec<Vec<Value>>;

/// What a payload was decoded to.
pub(crate) struct Decoded {
    pub(crate) rows: Vec<Rows>,
    pub(crate) report: DecodeReport,
}

impl Decoded {
    pub(crate) fn of(&self, signal: Signal) -> &Rows {
        &self.rows[signal.index()]
    }

    pub(crate) fn received(&self, signal: Signal) -> u64 {
        self.report.ledger.signals[signal.index()].received
    }
}

/// A demand for every field of every signal and these attribute keys, anywhere.
pub(crate) fn demand_all(keys: &[&str]) -> Demand {
    let mut demand = Demand::default();
    for signal in Signal::ALL {
        demand.want(signal);
        for &field in Field::ALL {
            if field.is_of(signal) {
                demand.column(signal, ColumnSpec::Field(field));
            }
        }
        // The other way round, so that the first is now the one that comes first, now another.
        let first = keys.iter().rev().map(|key| Arc::from(*key));
        demand.column(signal, ColumnSpec::FirstAttribute(first.collect()));
        for key in keys {
            demand.column(signal, attribute(AttributePlace::Any, key));
        }
    }
    demand
}

pub(crate) fn attribute(place: AttributePlace, key: &str) -> ColumnSpec {
    ColumnSpec::Attribute { place, key: Arc::from(key) }
}

/// The column of a field or (by its path) of an attribute in a row of `demand_all`.
pub(crate) fn column(demand: &Demand, signal: Signal, path: &str) -> usize {
    demand
        .columns(signal)
        .iter()
        .position(|spec| match spec {
            ColumnSpec::Field(field) => field.path() == path,
            ColumnSpec::Attribute { key, .. } => &**key == path,
            ColumnSpec::FirstAttribute(_) => false,
        })
        .expect("a demanded column")
}

pub(crate) fn frame(payload: impl Into<Bytes>, format: PayloadFormat) -> DataFrame {
    DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format,
        compression: Compression::None,
        payload: payload.into(),
        place: match format {
            PayloadFormat::OtlpTraces
            | PayloadFormat::OtlpLogs
            | PayloadFormat::OtlpMetrics
            | PayloadFormat::OtlpDelimited => 0,
            _ => 1,
        },
    }
}

pub(crate) fn source(mapping: Option<ColumnMapping>) -> Arc<[SourceSpec]> {
    Arc::new([SourceSpec {
        name: Arc::from("input"),
        has_arrival: false,
        mapping: mapping.map(Arc::new),
    }])
}

pub(crate) fn decode(demand: &Demand, payload: impl Into<Bytes>, format: PayloadFormat) -> Decoded {
    decode_frames(demand, source(None), &[frame(payload, format)])
}

pub(crate) fn decode_frames(
    demand: &Demand,
    sources: Arc<[SourceSpec]>,
    frames: &[DataFrame],
) -> Decoded {
    let mut decoder = Decoder::new(Arc::new(demand.clone()), sources);
    let symbols = Interner::shared();
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    let mut rows = vec![Rows::new(); Signal::ALL.len()];
    for (seq, frame) in frames.iter().enumerate() {
        decoder.decode(seq as u64, frame, &symbols, &mut batches, &mut report);
        for batch in batches.drain(..) {
            rows[batch.signal.index()].extend(rows_of(&batch));
            decoder.recycle(batch);
        }
    }
    Decoded { rows, report }
}

fn rows_of(batch: &Batch) -> Rows {
    for column in &batch.columns {
        assert_eq!(column.len(), batch.rows, "every column has every row");
    }
    (0..batch.rows)
        .map(|row| batch.columns.iter().map(|column| batch.value_at(column, row)).collect())
        .collect()
}

/// Reads a file's bytes through the reader and decodes all its frames.
pub(crate) fn replay(demand: &Demand, bytes: Vec<u8>, options: &ReaderOptions) -> Decoded {
    let input = Input::new("input", std::io::Cursor::new(bytes));
    let mut reader = FileReader::open(vec![input], options).expect("a known format");
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().expect("a readable input") {
        frames.push(frame);
    }
    let mut decoded = decode_frames(demand, reader.sources().into(), &frames);
    decoded.report.ledger.merge(reader.ledger());
    decoded
}

/// A file of the recordings; `None` where they are not on this machine.
pub(crate) fn recording(path: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(std::env::var_os("TAILWATER_RECORDINGS")?);
    Some(std::fs::read(folder.join(path)).expect("a recording"))
}
