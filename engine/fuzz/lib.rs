//! What the fuzz targets share: decode anything, and check that every item is accounted for.

use std::sync::Arc;

use bytes::Bytes;
use tailwater_engine::ingest::{DecodeReport, Decoder};
use tailwater_engine::model::{
    AttributePlace, Batch, ColumnSpec, Compression, DataFrame, Demand, Field, Interner,
    PayloadFormat, Signal, SourceId, SourceSpec,
};

/// Every field of every signal, and a few attributes.
pub fn demand() -> Demand {
    let mut demand = Demand::default();
    for signal in Signal::ALL {
        for &field in Field::ALL.iter().filter(|field| field.is_of(signal)) {
            demand.column(signal, ColumnSpec::Field(field));
        }
        for key in ["service.name", "k", ""] {
            let place = AttributePlace::Any;
            demand.column(signal, ColumnSpec::Attribute { place, key: Arc::from(key) });
        }
    }
    demand
}

/// Decodes a payload.
///
/// # Panics
/// If a column lacks a row, or an item is neither a row nor set aside.
pub fn decode(payload: &[u8], format: PayloadFormat) -> (Vec<Batch>, DecodeReport) {
    let source = SourceSpec { name: Arc::from("fuzz"), has_arrival: false, mapping: None };
    let frame = DataFrame {
        source: SourceId(0),
        arrival_ns: None,
        format,
        compression: Compression::None,
        payload: Bytes::copy_from_slice(payload),
        place: 1,
    };
    let mut decoder = Decoder::new(Arc::new(demand()), Arc::new([source]));
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    decoder.decode(0, &frame, &Interner::shared(), &mut batches, &mut report);
    let mut rows = [0; Signal::ALL.len()];
    for batch in &batches {
        assert!(batch.columns.iter().all(|column| column.len() == batch.rows));
        for column in &batch.columns {
            (0..batch.rows).for_each(|row| drop(batch.value_at(column, row)));
        }
        rows[batch.signal.index()] += batch.rows as u64;
    }
    for signal in Signal::ALL {
        assert_eq!(rows[signal.index()], report.ledger.signals[signal.index()].received);
    }
    assert_eq!(report.ledger.set_aside.len() as u64, report.ledger.damaged.min(100));
    (batches, report)
}
