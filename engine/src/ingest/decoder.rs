//! Frames to batches, on one worker.
//!
//! Invariant: what is made of a frame depends on the frame and the demand alone, not on what was
//! decoded before it; symbols mean something to their own table only.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::{
    Batch, ByteRange, Compression, DataFrame, Demand, Ledger, PayloadFormat, RawItems, SetAside,
    Signal, SourceSpec, Symbols,
};

use super::damage::{Damage, Reason};
use super::flat::{self, FlatSource};
use super::layout::Layout;
use super::lines::LineColumns;
use super::table::{Members, Table};
use super::writer::{Tally, Writer};
use super::{inflate, jaeger, lines, otlp_json, protobuf, zipkin};

/// What became of the items of decoded frames.
#[derive(Debug, Clone, Default)]
pub struct DecodeReport {
    /// Items received and damage; frames and bytes are the caller's to count. Items of signals
    /// that no rule reads are counted as received and used here, as nothing after the decoder
    /// sees them.
    pub ledger: Ledger,
    /// (source name, time in nanoseconds) of the line protocol's heartbeats, in log order.
    pub heartbeats: Vec<(Arc<str>, i64)>,
    /// The line protocol's senders in log order, each run of lines from one as one entry.
    pub senders: Vec<SenderSeen>,
}

/// A sender (`src`) of the line protocol, and whether its last line said goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderSeen {
    /// xxh3 of its name: equal on every worker.
    pub hash: u64,
    /// Whether it retires.
    pub leaves: bool,
}

/// Decodes frames on one worker. The caller owns the symbol table and may replace it between
/// frames.
pub struct Decoder {
    demand: Arc<Demand>,
    sources: Arc<[SourceSpec]>,
    tables: Vec<Table>,
    tally: Tally,
    /// The symbol table that the members were interned in; held so that its address stays its
    /// own.
    members: Option<(Symbols, Members)>,
    inflated: Vec<u8>,
    scratch: Vec<u8>,
    /// Columns of the sources of flat rows, made when first needed.
    flat: Vec<Option<FlatSource>>,
    lines: LineColumns,
}

impl Decoder {
    /// A decoder for what a plan reads from these sources.
    pub fn new(demand: Arc<Demand>, sources: Arc<[SourceSpec]>) -> Self {
        let tables = Signal::ALL
            .iter()
            .map(|&signal| Table::new(Layout::new(&demand, signal), &demand))
            .collect();
        Self {
            flat: sources.iter().map(|_| None).collect(),
            lines: LineColumns::default(),
            demand,
            sources,
            tables,
            tally: Tally::default(),
            members: None,
            inflated: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Appends one batch for each wanted signal that the frame holds, in the order of
    /// [`Signal::ALL`], rows in payload order, and adds to the report.
    pub fn decode(
        &mut self,
        frame_seq: u64,
        frame: &DataFrame,
        symbols: &Symbols,
        out: &mut Vec<Batch>,
        report: &mut DecodeReport,
    ) {
        self.refresh_members(symbols);
        let mut inflated = std::mem::take(&mut self.inflated);
        let result = inflate::inflate(&frame.payload, frame.compression, &mut inflated);
        let payload = match frame.compression {
            Compression::None => &frame.payload[..],
            _ => &inflated[..],
        };
        match result {
            Err(reason) => self.set_whole_aside(reason),
            Ok(()) if payload.len() > MESSAGE_BYTES_MAX => self.set_whole_aside(Reason::TooLarge),
            Ok(()) => self.walk(payload, frame, symbols),
        }
        self.settle(frame, payload, report);
        let kept = self.kept_payload(frame, &mut inflated);
        self.inflated = inflated;
        self.emit(frame_seq, frame, (symbols, kept.as_ref()), out);
    }

    /// The payload, decompressed, where rows of the frame may be said again.
    fn kept_payload(&self, frame: &DataFrame, inflated: &mut Vec<u8>) -> Option<Bytes> {
        if !self.tables.iter().any(|table| table.is_raw() && table.rows > 0) {
            return None;
        }
        Some(match frame.compression {
            Compression::None => frame.payload.clone(),
            _ => Bytes::from(std::mem::take(inflated)),
        })
    }

    /// Takes a batch's memory back for later frames.
    pub fn recycle(&mut self, batch: Batch) {
        self.tables[batch.signal.index()].recycle(batch);
    }

    fn refresh_members(&mut self, symbols: &Symbols) {
        let is_current = self.members.as_ref().is_some_and(|(known, _)| Rc::ptr_eq(known, symbols));
        if !is_current {
            let members = Members::new(&mut symbols.borrow_mut());
            self.members = Some((Rc::clone(symbols), members));
        }
    }

    fn set_whole_aside(&mut self, reason: Reason) {
        self.tally.damaged += 1;
        self.tally.set_aside.push(Damage::new(0, reason));
    }

    fn walk(&mut self, payload: &[u8], frame: &DataFrame, symbols: &Symbols) {
        let (Some((_, members)), Some(spec), Some(flat)) = (
            &self.members,
            self.sources.get(frame.source.0 as usize),
            self.flat.get_mut(frame.source.0 as usize),
        ) else {
            return self.set_whole_aside(Reason::UnknownSource);
        };
        let interner = &mut *symbols.borrow_mut();
        let source = interner.intern(&spec.name);
        let mut w = Writer {
            tables: &mut self.tables,
            interner,
            members,
            tally: &mut self.tally,
            source,
            range: ByteRange::default(),
            scratch: &mut self.scratch,
        };
        match frame.format {
            PayloadFormat::OtlpTraces | PayloadFormat::OtlpLogs | PayloadFormat::OtlpMetrics => {
                protobuf::decode(payload, frame.format, &mut w);
            }
            PayloadFormat::OtlpTracesSampled { .. } => {
                protobuf::decode(payload, PayloadFormat::OtlpTraces, &mut w);
            }
            PayloadFormat::OtlpDelimited => protobuf::decode_delimited(payload, &mut w),
            PayloadFormat::OtlpJson => otlp_json::decode(payload, &mut w),
            PayloadFormat::Ndjson => flat::decode_ndjson(payload, columns(flat, spec), &mut w),
            PayloadFormat::Csv => flat::decode_csv(payload, columns(flat, spec), &mut w),
            PayloadFormat::Lines => lines::decode(payload, &mut self.lines, &mut w),
            PayloadFormat::Jaeger => jaeger::decode(payload, &mut w),
            PayloadFormat::Zipkin => zipkin::decode(payload, &mut w),
        }
    }

    /// Moves the tally into the report.
    fn settle(&mut self, frame: &DataFrame, payload: &[u8], report: &mut DecodeReport) {
        let tally = std::mem::take(&mut self.tally);
        let ledger = &mut report.ledger;
        ledger.damaged += tally.damaged;
        ledger.end_before_start += tally.end_before_start;
        for (signal, &count) in Signal::ALL.iter().zip(&tally.received) {
            let counts = &mut ledger.signals[signal.index()];
            counts.received += count;
            if !self.demand.wants(*signal) {
                counts.used += count;
            }
        }
        let room = crate::limits::SET_ASIDE_KEPT_MAX.saturating_sub(ledger.set_aside.len());
        ledger.set_aside.extend(tally.set_aside.iter().take(room).map(|damage| SetAside {
            source: frame.source,
            place: place(frame, payload, damage.at()),
            reason: Arc::from(damage.reason.text()),
        }));
        report.heartbeats.extend(tally.heartbeats);
        report.senders.extend(tally.senders);
    }

    fn emit(
        &mut self,
        frame_seq: u64,
        frame: &DataFrame,
        (symbols, payload): (&Symbols, Option<&Bytes>),
        out: &mut Vec<Batch>,
    ) {
        let spec = self.sources.get(frame.source.0 as usize);
        let mapping = spec.and_then(|spec| spec.mapping.clone());
        for (table, &signal) in self.tables.iter_mut().zip(&Signal::ALL) {
            let (raw, offsets) = (table.take_raw(), table.take_offsets());
            if table.rows == 0 {
                continue;
            }
            let raw = payload.zip(raw).map(|(payload, raw)| RawItems {
                payload: payload.clone(),
                format: frame.format,
                mapping: mapping.clone(),
                rows: raw.rows,
                contexts: raw.contexts.into(),
            });
            let (rows, columns, heap) = table.take(&self.demand);
            out.push(Batch {
                signal,
                source: frame.source,
                frame_seq,
                rows,
                stands_for: frame.format.stands_for(),
                columns,
                heap,
                symbols: Rc::clone(symbols),
                offsets,
                raw,
            });
        }
    }
}

/// The columns of a source, made when first needed.
fn columns<'a>(known: &'a mut Option<FlatSource>, spec: &SourceSpec) -> &'a mut FlatSource {
    known.get_or_insert_with(|| FlatSource::new(spec.mapping.as_deref()))
}

/// The line (text) or byte offset (binary) in the source of an offset in the payload.
fn place(frame: &DataFrame, payload: &[u8], at: usize) -> u64 {
    let before = &payload[..at.min(payload.len())];
    match frame.format {
        PayloadFormat::OtlpTraces
        | PayloadFormat::OtlpLogs
        | PayloadFormat::OtlpMetrics
        | PayloadFormat::OtlpTracesSampled { .. }
        | PayloadFormat::OtlpDelimited => frame.place + before.len() as u64,
        _ => frame.place + memchr::memchr_iter(b'\n', before).count() as u64,
    }
}
