//! The time of items, before they are decoded for good.
//!
//! An item's time is that of the rules: a span's end, a record's or point's own time.

use std::sync::Arc;

use bytes::Bytes;

use crate::ingest::{DecodeReport, Decoder};
use crate::model::{
    Batch, Column, ColumnSpec, DataFrame, Demand, Field, Interner, Ledger, PayloadFormat, Signal,
    SourceSpec, Symbols,
};

/// Decodes nothing but times.
pub(super) struct Probe {
    decoder: Decoder,
    symbols: Symbols,
    batches: Vec<Batch>,
}

impl Probe {
    /// A probe for frames of these sources.
    pub(super) fn new(sources: &[SourceSpec]) -> Self {
        let mut demand = Demand::default();
        for signal in Signal::ALL {
            let field = match signal {
                Signal::Spans => Field::End,
                // They travel with their span.
                Signal::SpanEvents => continue,
                _ => Field::Time,
            };
            demand.column(signal, ColumnSpec::Field(field));
        }
        Self {
            decoder: Decoder::new(Arc::new(demand), sources.into()),
            symbols: Interner::shared(),
            batches: Vec::new(),
        }
    }

    /// The least time of a frame's items that have one (0 if none has), the number of items,
    /// and what is damaged.
    pub(super) fn least_time(&mut self, frame: &DataFrame) -> (i64, usize, Ledger) {
        let mut report = DecodeReport::default();
        self.decoder.decode(0, frame, &self.symbols, &mut self.batches, &mut report);
        let (mut least, mut items) = (None, 0);
        for batch in self.batches.drain(..) {
            items += batch.rows;
            if let Some(Column::Times(times)) = batch.columns.first() {
                let times = times.iter().copied().filter(|&time| time != 0);
                least = times.chain(least).min();
            }
            self.decoder.recycle(batch);
        }
        (least.unwrap_or(0), items, report.ledger)
    }
}

/// The time of a frame's first item (of all of a document's items the least); 0 if it has none.
pub(super) fn first_time(frame: &DataFrame, sources: &[SourceSpec]) -> i64 {
    let mut first = frame.clone();
    first.payload = first_item(frame);
    Probe::new(sources).least_time(&first).0
}

/// The part of a payload that holds its first item; for CSV with the header.
fn first_item(frame: &DataFrame) -> Bytes {
    let payload = &frame.payload;
    let lines = match frame.format {
        PayloadFormat::Lines | PayloadFormat::Ndjson => 1,
        PayloadFormat::Csv => 2,
        _ => return payload.clone(),
    };
    let end = memchr::memchr_iter(b'\n', payload).nth(lines - 1);
    payload.slice(..end.map_or(payload.len(), |end| end + 1))
}
