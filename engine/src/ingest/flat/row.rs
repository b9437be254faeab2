//! A flat row under way: values into the item and its attribute slots.

use super::severity;
use super::target::{FlatSource, Target};
use super::time::{Unit, rfc3339_ns};
use crate::ingest::damage::{Damage, Reason};
use crate::ingest::hex;
use crate::ingest::item::{Item, KINDS, STATUSES, TEMPORALITIES, member};
use crate::ingest::json::integer_of;
use crate::ingest::writer::Writer;
use crate::model::{Cell, Field, FieldKind, Signal, Symbol};

/// A row's item, and what only its end can settle.
pub(in crate::ingest) struct Row {
    pub(in crate::ingest) item: Item,
    duration_ns: Option<i64>,
    has_end: bool,
}

impl Row {
    /// A row with nothing set.
    #[inline]
    pub(in crate::ingest) fn begin(source: &FlatSource, w: &mut Writer<'_>) -> Self {
        w.table(source.signal).begin_row();
        Self { item: Item::EMPTY, duration_ns: None, has_end: false }
    }

    /// Sets a time or duration in nanoseconds.
    #[inline]
    pub(super) fn set_time(&mut self, target: Target, ns: i64) {
        match target {
            Target::Start(_) => self.item.start = ns,
            Target::End(_) => {
                self.item.end = ns;
                self.has_end = true;
            }
            Target::Duration(_) => self.duration_ns = Some(ns),
            Target::Observed(_) => self.item.observed = ns,
            _ => self.item.time = ns,
        }
    }

    /// Sets what an integer sets.
    pub(super) fn set_number(&mut self, target: Target, number: i64) {
        match target {
            Target::Kind => self.item.kind = member(number, KINDS),
            Target::Status => self.item.status = member(number, STATUSES),
            Target::Sampled => self.item.sampled = number & 1 == 1,
            Target::Temporality => self.item.temporality = member(number, TEMPORALITIES),
            Target::Severity | Target::SeverityNumber => {
                self.item.severity_number = i32::try_from(number).unwrap_or(0);
            }
            _ => {}
        }
    }

    /// Sets a field from its text, escapes and quotes resolved.
    pub(super) fn set_text(
        &mut self,
        target: Target,
        text: &[u8],
        at: usize,
        source: &FlatSource,
        w: &mut Writer<'_>,
    ) -> Result<(), Damage> {
        if text.is_empty() {
            return Ok(());
        }
        let item = &mut self.item;
        match target {
            Target::Skip | Target::Nested => {}
            Target::TraceId => item.trace_id = hex::trace_id(text, at)?,
            Target::SpanId => item.span_id = hex::span_id(text, at)?,
            Target::ParentId if text == b"root" || text == b"null" => {}
            Target::ParentId => item.parent_id = hex::span_id(text, at)?,
            Target::Start(unit)
            | Target::End(unit)
            | Target::Time(unit)
            | Target::Observed(unit)
            | Target::Duration(unit) => self.set_time(target, time_of(text, unit, at)?),
            Target::Severity | Target::SeverityNumber => {
                item.severity_number = match integer_of(text) {
                    Some(number) => i32::try_from(number).unwrap_or(0),
                    None => severity::number_of(text),
                };
                if target == Target::Severity {
                    item.severity_text = w.intern(text, at)?;
                }
            }
            Target::Kind | Target::Status | Target::Temporality | Target::MetricType => {
                self.set_member(target, text);
            }
            Target::Monotonic => item.monotonic = text.eq_ignore_ascii_case(b"true"),
            Target::Sampled => item.sampled = is_sampled(text),
            Target::Text(field) => {
                let symbol = w.intern(text, at)?;
                self.set_symbol(field, symbol);
            }
            Target::Any(field) => {
                let cell = Cell::Str(w.intern(text, at)?);
                self.set_cell(field, cell, at)?;
            }
            Target::Attribute(index) => {
                let cell = Cell::Str(w.intern(text, at)?);
                set_attribute(index, cell, source, w);
            }
        }
        Ok(())
    }

    /// Sets an enumeration from a member's name, with or without OpenTelemetry's prefix.
    fn set_member(&mut self, target: Target, text: &[u8]) {
        let field = match target {
            Target::Kind => Field::Kind,
            Target::Status => Field::Status,
            Target::Temporality => Field::Temporality,
            _ => Field::MetricType,
        };
        match (target, member_of(field, text)) {
            (Target::MetricType, Some(index)) => self.item.metric_type = index as u8,
            (_, Some(index)) => self.set_number(target, index as i64),
            (_, None) => self.set_number(target, integer_of(text).unwrap_or(0)),
        }
    }

    /// Sets a text field.
    pub(super) fn set_symbol(&mut self, field: Field, symbol: Symbol) {
        let item = &mut self.item;
        match field {
            Field::Name => item.name = symbol,
            Field::SpanName => item.span_name = symbol,
            Field::StatusMessage => item.status_message = symbol,
            Field::TraceState => item.trace_state = symbol,
            Field::SeverityText => item.severity_text = symbol,
            Field::EventName => item.event_name = symbol,
            Field::Unit => item.unit = symbol,
            Field::JobId => item.job_id = symbol,
            Field::JobStatus => item.job_status = symbol,
            _ => {}
        }
    }

    /// Sets a field of any value.
    ///
    /// # Errors
    /// Where the field holds numbers only and this is none.
    pub(super) fn set_cell(&mut self, field: Field, cell: Cell, at: usize) -> Result<(), Damage> {
        let is_number = matches!(cell, Cell::Int(_) | Cell::Float(_) | Cell::Null);
        if field.kind() == FieldKind::Number && !is_number {
            return Err(Damage::new(at, Reason::BadNumber));
        }
        let item = &mut self.item;
        match field {
            Field::Body => item.body = cell,
            Field::Percent => item.percent = cell,
            Field::Cpu => item.cpu = cell,
            Field::Memory => item.memory = cell,
            Field::Disk => item.disk = cell,
            Field::Network => item.network = cell,
            _ => item.value = cell,
        }
        Ok(())
    }

    /// Settles times and writes the row, where it lies: moved, it is read as a whole right after
    /// it was written by parts, which waits for these.
    ///
    /// # Errors
    /// As [`Writer::push`].
    #[inline]
    pub(in crate::ingest) fn finish(
        &mut self,
        source: &FlatSource,
        w: &mut Writer<'_>,
    ) -> Result<(), Damage> {
        let item = &mut self.item;
        if source.signal == Signal::Spans {
            match (self.has_end, self.duration_ns) {
                (true, Some(ns)) if item.start == 0 => item.start = item.end.saturating_sub(ns),
                (true, _) => {}
                (false, ns) => {
                    if item.start == 0 {
                        item.start = item.time;
                    }
                    item.end = item.start.saturating_add(ns.unwrap_or(0));
                }
            }
            if item.start == 0 {
                item.start = item.time;
            }
            return w.push_span(item);
        }
        if item.time == 0 {
            item.time = item.observed;
        }
        w.push(source.signal, item)
    }
}

/// The place of an enumeration's member by its name in any case, with or without OpenTelemetry's
/// prefix.
pub(in crate::ingest) fn member_of(field: Field, text: &[u8]) -> Option<usize> {
    let FieldKind::Enum(members) = field.kind() else { return None };
    let prefix = match field {
        Field::Kind => "SPAN_KIND_",
        Field::Status => "STATUS_CODE_",
        Field::Temporality => "AGGREGATION_TEMPORALITY_",
        _ => "",
    };
    let name = match text.split_at_checked(prefix.len()) {
        Some((start, name)) if start.eq_ignore_ascii_case(prefix.as_bytes()) => name,
        _ => text,
    };
    members.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether flags of a trace context have the bit `sampled`: two hexadecimal digits, as in a
/// `traceparent`, a decimal number of another length, or `true`. Source: W3C Trace Context,
/// §3.2.2.5.
fn is_sampled(text: &[u8]) -> bool {
    if let Some([flags]) = hex::decode::<1>(text) {
        return flags & 1 == 1;
    }
    match integer_of(text) {
        Some(number) => number & 1 == 1,
        None => text.eq_ignore_ascii_case(b"true"),
    }
}

/// Sets an attribute.
#[inline]
pub(super) fn set_attribute(index: usize, cell: Cell, source: &FlatSource, w: &mut Writer<'_>) {
    w.table(source.signal).set_slots(&source.slots[index], cell);
}

/// Nanoseconds of a time in digits, of a fraction, or in RFC 3339.
pub(super) fn time_of(text: &[u8], unit: Unit, at: usize) -> Result<i64, Damage> {
    if let Some(value) = integer_of(text) {
        return Ok(unit.of_integer(value));
    }
    if let Some(ns) = rfc3339_ns(text) {
        return Ok(ns);
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|value| value.is_finite())
        .map(|value| unit.of_float(value))
        .ok_or_else(|| Damage::new(at, Reason::BadTime))
}
