//! What is taken out of telemetry before it reaches the input log: secrets by [`Redactor`], what is
//! beyond bounds by [`Trimmer`].
//!
//! A frame is searched once, over its bytes, for anything that might have to go. Only one with
//! such a place is walked, and only one with a hit is written again; every other frame stays as it
//! was received. Redacting what was redacted changes nothing.
//!
//! Invariant: what cannot be read is not let through. Must not know: clocks, random numbers, rules,
//! listeners, timely.

mod credential;
mod csv;
mod escape;
mod find;
mod glob;
mod json;
mod mark;
mod network;
mod number;
mod policy;
mod protobuf;
mod schema;
mod shape;
mod sql;
mod starts;
mod state;
mod trim;
mod trim_csv;
mod web;

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

pub use policy::{RedactCount, RedactCounters};
pub use trim::{Bound, ItemBounds, TrimCounters, Trimmer};

use crate::error::Error;
use crate::ingest::{Column, Columns};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::{Compression, DataFrame, PayloadFormat, SourceSpec};
use crate::plan::Redaction;
use find::Look;
use policy::{Fate, Policy};
use shape::Shape;

/// Redacts frames, one after another.
#[derive(Debug)]
pub struct Redactor {
    policy: Policy,
    /// What the columns of each source stand for.
    columns: Vec<Columns>,
}

impl Redactor {
    /// A redactor of the frames of some sources.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Setting`] where something is hashed and no secret is given, or where
    /// there are too many keys to search for.
    pub fn new(
        redaction: &Redaction,
        secret: Option<&[u8]>,
        sources: &[SourceSpec],
    ) -> Result<Self, Error> {
        let columns: Vec<_> = sources.iter().map(crate::ingest::known_columns).collect();
        let policy = Policy::new(redaction, secret, &aliases(&columns))?;
        Ok(Self { policy, columns })
    }

    /// What it has done so far; may be read by other threads while it works.
    pub fn counters(&self) -> Arc<RedactCounters> {
        Arc::clone(&self.policy.counters)
    }

    /// A frame without what is to be taken out; the same one where there is nothing.
    #[must_use]
    pub fn frame(&self, frame: DataFrame) -> DataFrame {
        match self.payload(&frame) {
            None => frame,
            Some(payload) => {
                self.policy.counters.rewrote_frame();
                let compression = Compression::None;
                DataFrame { payload: Bytes::from(payload), compression, ..frame }
            }
        }
    }

    /// One text without what is to be taken out; `None` where the whole text is.
    pub fn text<'t>(&self, text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        let mut out = Vec::new();
        match self.policy.text(text, &mut out) {
            Fate::Same => Some(Cow::Borrowed(text)),
            Fate::Changed => Some(Cow::Owned(out)),
            Fate::Drop => None,
        }
    }

    /// Whether the bytes of a frame may hold something; `false` is certain.
    pub fn may_concern(&self, format: PayloadFormat, bytes: &[u8]) -> bool {
        let is_hidden = match format {
            PayloadFormat::OtlpTraces
            | PayloadFormat::OtlpLogs
            | PayloadFormat::OtlpMetrics
            | PayloadFormat::OtlpTracesSampled { .. }
            | PayloadFormat::OtlpDelimited => return protobuf::may_concern(&self.policy, bytes),
            PayloadFormat::Csv => false,
            PayloadFormat::Ndjson | PayloadFormat::Lines | PayloadFormat::Zipkin => {
                has_escapes(bytes)
            }
            PayloadFormat::OtlpJson | PayloadFormat::Jaeger => {
                has_escapes(bytes) || has_base64(bytes)
            }
        };
        is_hidden || self.policy.may_concern(bytes, Look::Text)
    }

    /// The new payload of a frame, if it has to change.
    fn payload(&self, frame: &DataFrame) -> Option<Vec<u8>> {
        let Some(plain) = inflated(frame) else {
            self.policy.counters.could_not_read();
            return Some(broken(frame.format).to_vec());
        };
        let is_by_piece = matches!(frame.format, PayloadFormat::Ndjson | PayloadFormat::Lines);
        if !is_by_piece && !self.may_concern(frame.format, &plain) {
            return None;
        }
        let mut out = Vec::with_capacity(if is_by_piece { 0 } else { plain.len() });
        let is_changed = match frame.format {
            PayloadFormat::OtlpTraces | PayloadFormat::OtlpTracesSampled { .. } => {
                self.request(&plain, &schema::TRACES, &mut out)
            }
            PayloadFormat::OtlpLogs => self.request(&plain, &schema::LOGS, &mut out),
            PayloadFormat::OtlpMetrics => self.request(&plain, &schema::METRICS, &mut out),
            PayloadFormat::OtlpDelimited => self.delimited(&plain, &mut out),
            PayloadFormat::OtlpJson => self.documents(&plain, &shape::OTLP, frame, &mut out),
            PayloadFormat::Jaeger => self.documents(&plain, &shape::JAEGER, frame, &mut out),
            PayloadFormat::Zipkin => self.documents(&plain, &shape::ZIPKIN, frame, &mut out),
            PayloadFormat::Ndjson => self.pieces(&plain, frame, rows_end, &mut out),
            PayloadFormat::Lines => self.pieces(&plain, frame, line_end, &mut out),
            PayloadFormat::Csv => {
                csv::rewrite(&self.policy, &plain, self.columns_of(frame), &mut out)
            }
        };
        is_changed.then_some(out)
    }

    /// Payloads in which each piece stands for itself: those that may hold something are walked.
    fn pieces(
        &self,
        data: &[u8],
        frame: &DataFrame,
        end_of: fn(&[u8], usize) -> usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let (mut pos, mut copied, mut is_changed) = (0, 0, false);
        while pos < data.len() {
            let end = end_of(data, pos);
            let piece = &data[pos..end];
            if self.may_concern(frame.format, piece) {
                if out.capacity() == 0 {
                    out.reserve(data.len());
                }
                out.extend_from_slice(&data[copied..pos]);
                is_changed |= match frame.format {
                    PayloadFormat::Lines => self.line(piece, out),
                    _ => self.documents(piece, &shape::ROW, frame, out),
                };
                copied = end;
            }
            pos = end;
        }
        if is_changed {
            out.extend_from_slice(&data[copied..]);
        }
        is_changed
    }

    fn columns_of(&self, frame: &DataFrame) -> &[(Vec<u8>, Column)] {
        self.columns.get(frame.source.0 as usize).map_or(&[], |columns| columns)
    }

    fn request(&self, data: &[u8], schema: &schema::Message, out: &mut Vec<u8>) -> bool {
        protobuf::Rewriter::new(&self.policy).request(data, schema, out) == Fate::Changed
    }

    /// Requests, each behind its length. Which signal one has, its first item says.
    fn delimited(&self, data: &[u8], out: &mut Vec<u8>) -> bool {
        let (mut pos, mut is_changed) = (0, false);
        while pos < data.len() {
            let head = data.get(pos..pos + 4);
            let length =
                head.map(|head| u32::from_be_bytes(head.try_into().expect("four bytes")) as usize);
            let Some(request) = length.and_then(|length| data.get(pos + 4..pos + 4 + length))
            else {
                // The rest cannot be told apart: one damaged message stands for it.
                self.policy.counters.could_not_read();
                out.extend_from_slice(&[0, 0, 0]);
                return true;
            };
            let whole = &data[pos..pos + 4 + request.len()];
            pos += whole.len();
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            let schema = match crate::ingest::signal_of_request(request) {
                Some(PayloadFormat::OtlpLogs) => Some(&schema::LOGS),
                Some(PayloadFormat::OtlpMetrics) => Some(&schema::METRICS),
                Some(_) => Some(&schema::TRACES),
                None => None,
            };
            let has_changed = match schema {
                Some(schema) => self.request(request, schema, out),
                None => {
                    self.policy.counters.could_not_read();
                    out.extend_from_slice(protobuf::BROKEN);
                    true
                }
            };
            if has_changed {
                let length = (out.len() - start - 4) as u32;
                out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            } else {
                out.truncate(start);
                out.extend_from_slice(whole);
            }
            is_changed |= has_changed;
        }
        is_changed
    }

    /// Documents one after another. Where one cannot be read, reading goes on where the decoder
    /// does.
    fn documents(&self, data: &[u8], shape: &Shape, frame: &DataFrame, out: &mut Vec<u8>) -> bool {
        let columns = self.columns_of(frame);
        let mut rewriter = json::Rewriter::of_rows(&self.policy, data, columns);
        let mut is_changed = false;
        while rewriter.blanks(out) {
            let (from, start) = (rewriter.pos(), out.len());
            if let Ok(has_changed) = rewriter.document(*shape, out) {
                is_changed |= has_changed;
                continue;
            }
            self.policy.counters.could_not_read();
            is_changed = true;
            out.truncate(start);
            out.extend_from_slice(json::BROKEN);
            let rest = &data[from..];
            let next = match frame.format {
                PayloadFormat::OtlpJson => memchr::memmem::find(rest, b"\n{"),
                PayloadFormat::Ndjson => memchr::memchr(b'\n', rest),
                _ => None,
            };
            let Some(next) = next else { return true };
            // Lines keep their numbers.
            let lines = memchr::memchr_iter(b'\n', &rest[..next]).count();
            out.extend(std::iter::repeat_n(b'\n', lines));
            rewriter.seek(from + next);
        }
        is_changed
    }

    /// An object on a line of its own.
    fn line(&self, line: &[u8], out: &mut Vec<u8>) -> bool {
        if line.trim_ascii().is_empty() {
            out.extend_from_slice(line);
            return false;
        }
        let start = out.len();
        // What the members of `data` are, the type says, which may stand behind them.
        let kind = json::Rewriter::of_rows(&self.policy, line, &[]).kind_of_line();
        let members = crate::ingest::known_members(&kind);
        let mut rewriter = json::Rewriter::of_rows(&self.policy, line, members);
        rewriter.blanks(out);
        let result = rewriter.document(shape::LINE, out);
        let rest = &line[rewriter.pos().min(line.len())..];
        match result {
            Ok(has_changed) if rest.trim_ascii().is_empty() => {
                out.extend_from_slice(rest);
                has_changed
            }
            _ => {
                self.policy.counters.could_not_read();
                out.truncate(start);
                out.extend_from_slice(json::BROKEN);
                if line.ends_with(b"\n") {
                    out.push(b'\n');
                }
                true
            }
        }
    }
}

/// The names under which formats write attributes, and their keys.
fn aliases(columns: &[Columns]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let of_lines = crate::ingest::known_members(b"span");
    let of_rows = columns.iter().flatten().chain(of_lines).filter_map(|(name, column)| {
        let Column::Attribute(key) = column else { return None };
        Some((name.clone(), key.to_vec()))
    });
    let of_services =
        shape::SERVICES.iter().map(|key| (b"serviceName".to_vec(), key.as_bytes().to_vec()));
    of_rows.chain(of_services).collect()
}

/// Where the line at a place ends.
fn line_end(data: &[u8], pos: usize) -> usize {
    memchr::memchr(b'\n', &data[pos..]).map_or(data.len(), |at| pos + at + 1)
}

/// Where rows from a place on end for certain: an object ends on one line and another begins on
/// the next, which within one document stands nowhere.
fn rows_end(data: &[u8], pos: usize) -> usize {
    let mut end = pos;
    loop {
        let start = end;
        end = line_end(data, start);
        let is_whole = data[start..end].trim_ascii_end().ends_with(b"}");
        if end == data.len() || (is_whole && data[end..].starts_with(b"{\"")) {
            return end;
        }
    }
}

/// Whether letters are written as escapes, which hide text from a search over bytes.
fn has_escapes(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', bytes).any(|at| matches!(bytes.get(at + 1), Some(b'u' | b'/')))
}

/// Whether bytes may be written in base64, which hides them as well.
fn has_base64(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"bytesValue").is_some()
        || memchr::memmem::find(bytes, b"binary").is_some()
}

/// What stands for a payload that cannot be read at all.
fn broken(format: PayloadFormat) -> &'static [u8] {
    match format {
        PayloadFormat::OtlpTraces
        | PayloadFormat::OtlpLogs
        | PayloadFormat::OtlpMetrics
        | PayloadFormat::OtlpTracesSampled { .. } => protobuf::BROKEN,
        PayloadFormat::OtlpDelimited => &[0, 0, 0],
        _ => json::BROKEN,
    }
}

/// The payload as it is without compression; `None` where it is damaged or too large.
fn inflated(frame: &DataFrame) -> Option<Cow<'_, [u8]>> {
    let mut out = Vec::new();
    let bytes_max = MESSAGE_BYTES_MAX as u64 + 1;
    match frame.compression {
        Compression::None => return Some(Cow::Borrowed(&frame.payload)),
        Compression::Gzip => flate2::read::MultiGzDecoder::new(&frame.payload[..])
            .take(bytes_max)
            .read_to_end(&mut out),
        Compression::Zstd => zstd::stream::read::Decoder::with_buffer(&frame.payload[..])
            .and_then(|decoder| decoder.take(bytes_max).read_to_end(&mut out)),
    }
    .ok()?;
    (out.len() <= MESSAGE_BYTES_MAX).then_some(Cow::Owned(out))
}
