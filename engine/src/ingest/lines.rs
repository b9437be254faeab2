//! The line protocol: one JSON object a line, at most 64 KiB.
//!
//! `v` is 1, `src` names the sender, `ts` is in milliseconds since 1970, `type` says what `data`
//! holds; `tid`, `sid`, `pid` (trace, span and parent id in hexadecimal) are optional. An event
//! is an item of `events` and of `logs`. The members of an event's `ctx`, a metric's `tags` and
//! a span's `attributes` are attributes, and so is every member of `data` that has no meaning of
//! its own. A span's times may stand in `data` under any common name; without them it starts at
//! `ts`.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use xxhash_rust::xxh3::xxh3_64;

use super::damage::{Damage, Reason};
use super::decoder::SenderSeen;
use super::flat::{
    Column, Columns, FlatSource, Row, by_common_names, field_columns, known_columns, next_line,
    object,
};
use super::hex;
use super::json::{Json, Members, Text};
use super::line_run::{Begun, LineRun, signals_of};
use super::writer::Writer;
use crate::limits::LINE_BYTES_MAX;
use crate::model::{ByteRange, ColumnMapping, Signal, Symbol};

/// The columns of each type's `data`.
#[derive(Default)]
pub(super) struct LineColumns {
    by_signal: [Option<FlatSource>; Signal::ALL.len()],
}

impl LineColumns {
    fn of(&mut self, signal: Signal) -> &mut FlatSource {
        self.by_signal[signal.index()].get_or_insert_with(|| match signal {
            Signal::Spans => FlatSource::with_nested(&by_common_names(signal), "attributes"),
            Signal::Metrics => FlatSource::with_nested(&mapping(signal), "tags"),
            _ => FlatSource::with_nested(&mapping(signal), "ctx"),
        })
    }
}

fn mapping(signal: Signal) -> ColumnMapping {
    let columns: &[(&str, &str)] = match signal {
        Signal::Metrics => &[("name", "name"), ("value", "value"), ("unit", "unit")],
        Signal::Progress => {
            &[("job_id", "job_id"), ("percent", "percent"), ("job.status", "status")]
        }
        Signal::Resources => &[("cpu", "cpu"), ("mem", "mem"), ("disk", "disk"), ("net", "net")],
        Signal::Events => &[("severity", "level"), ("body", "msg"), ("name", "name")],
        _ => &[("severity", "level"), ("body", "msg"), ("event.name", "name")],
    };
    ColumnMapping {
        signal,
        columns: columns.iter().map(|&(path, column)| (path.into(), column.into())).collect(),
    }
}

/// Whether a member of `data` is a field, or holds attributes, in some type of line.
pub(super) fn is_field(name: &[u8]) -> bool {
    static NAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let own = [Signal::Metrics, Signal::Progress, Signal::Resources, Signal::Events];
        let own = own.into_iter().map(mapping);
        let mut names: Vec<Vec<u8>> = [by_common_names(Signal::Spans)]
            .into_iter()
            .chain(own)
            .flat_map(|mapping| field_columns(Some(&mapping)))
            .collect();
        names.extend(["ctx", "tags", "attributes"].map(|name| name.as_bytes().to_vec()));
        names
    });
    NAMES.iter().any(|known| known == name)
}

/// What the members of `data` stand for in a type of line; of a type that nobody knows all are
/// attributes.
pub(super) fn known_members(kind: &[u8]) -> &'static [(Vec<u8>, Column)] {
    static MEMBERS: LazyLock<[Columns; Signal::ALL.len()]> = LazyLock::new(|| {
        Signal::ALL.map(|signal| {
            let (mapping, nested) = match signal {
                Signal::Spans => (by_common_names(signal), "attributes"),
                Signal::Metrics => (mapping(signal), "tags"),
                _ => (mapping(signal), "ctx"),
            };
            let mut members = vec![(nested.as_bytes().to_vec(), Column::Nested)];
            members.extend(known_columns(Some(&mapping)));
            members
        })
    });
    signals_of(kind).map_or(&[], |signals| &MEMBERS[signals[0].index()])
}

/// What stands around `data`.
#[derive(Default)]
struct Envelope<'a> {
    version: Option<i64>,
    source: Option<Text<'a>>,
    time_ms: Option<i64>,
    kind: Option<Text<'a>>,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_id: [u8; 8],
    data: Option<Json<'a>>,
}

/// Decodes all lines of a payload; a damaged one is set aside.
pub(super) fn decode(payload: &[u8], columns: &mut LineColumns, w: &mut Writer<'_>) {
    let (mut start, mut run) = (0, LineRun::default());
    while start < payload.len() {
        let end = next_line(payload, start);
        let line = payload[start..end].trim_ascii_end();
        let result = if line.len() > LINE_BYTES_MAX {
            Err(Damage::new(start, Reason::LineTooLong))
        } else if line.is_empty() {
            Ok(())
        } else {
            let json = Json::at(&payload[..start + line.len()], start);
            match in_place(json, &mut run, columns, w) {
                Ok(true) => Ok(()),
                // What is wrong is said by the way that sees the whole line first.
                Ok(false) | Err(_) => {
                    run.end();
                    message(json, columns, w)
                }
            }
        };
        if let Err(damage) = result {
            w.set_aside(damage);
        }
        start = end;
    }
}

fn message(
    mut json: Json<'_>,
    columns: &mut LineColumns,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let (at, checkpoint) = (json.pos(), w.checkpoint());
    let envelope = envelope(&mut json)?;
    w.range = ByteRange::new(at, json.pos());
    let Head { source, time_ns, kind } = head(&envelope, at)?;
    let signals = match kind {
        Kind::Goodbye => {
            seen(source.as_bytes(), true, w);
            return Ok(());
        }
        Kind::Heartbeat => {
            w.tally.heartbeats.push((Arc::from(&*source), time_ns));
            &[Signal::Heartbeats]
        }
        Kind::Items(signals) => signals,
    };
    seen(source.as_bytes(), false, w);
    let symbol = w.intern(source.as_bytes(), at)?;
    for &signal in signals {
        let result = item(&envelope, time_ns, symbol, columns.of(signal), signal, w);
        if let Err(damage) = result {
            w.roll_back(&checkpoint);
            return Err(damage);
        }
    }
    Ok(())
}

/// Reads a line whose `data` comes last, as most do, without passing over it first. False where it
/// is another line; with that or an error nothing is written.
fn in_place<'a>(
    mut json: Json<'a>,
    run: &mut LineRun<'a>,
    columns: &mut LineColumns,
    w: &mut Writer<'_>,
) -> Result<bool, Damage> {
    let at = json.pos();
    let begun = match run.begin(&mut json) {
        Some(begun) => begun,
        None => {
            json.seek(at);
            let Some(begun) = in_any_order(&mut json)? else { return Ok(false) };
            begun
        }
    };
    let Some(symbol) = run.source(begun.source, w) else { return Ok(false) };
    if let [signal] = *begun.signals {
        item_in_place(json, &begun, (symbol, at), columns.of(signal), run, w)?;
    } else {
        let checkpoint = w.checkpoint();
        for &signal in begun.signals {
            let columns = columns.of(signal);
            if let Err(damage) = item_in_place(json, &begun, (symbol, at), columns, run, w) {
                w.roll_back(&checkpoint);
                return Err(damage);
            }
        }
    }
    if run.is_news() {
        seen(begun.source, false, w);
    }
    Ok(true)
}

/// Reads what stands before `data`, in any order and form; none where `data` is not the last to
/// come or this is no item.
fn in_any_order<'a>(json: &mut Json<'a>) -> Result<Option<Begun<'a>>, Damage> {
    let at = json.pos();
    let mut envelope = Envelope::default();
    let mut members = json.object()?;
    loop {
        let Some(key) = json.key(&mut members)? else { return Ok(None) };
        let key = key.bytes()?;
        if *key == *b"data" && json.peek() == b'{' {
            break;
        }
        member(json, &key, &mut envelope)?;
    }
    envelope.data = Some(*json);
    let Head { time_ns, kind: Kind::Items(signals), .. } = head(&envelope, at)? else {
        return Ok(None);
    };
    let source = envelope.source.and_then(|source| source.plain());
    let Envelope { trace_id, span_id, parent_id, .. } = envelope;
    Ok(source.map(|source| Begun { source, time_ns, signals, trace_id, span_id, parent_id }))
}

/// Reads `data` and the end of a line into a row of the columns' signal.
fn item_in_place(
    mut json: Json<'_>,
    begun: &Begun<'_>,
    (symbol, at): (Symbol, usize),
    columns: &mut FlatSource,
    run: &mut LineRun<'_>,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    let signal = columns.signal;
    if run.is_first_of(signal) {
        w.table(signal).begin_resource();
    }
    let heap = w.table(signal).heap.len();
    let mut row = Row::begin(columns, w);
    row.item.time = begun.time_ns;
    row.item.source = symbol;
    row.item.trace_id = begun.trace_id;
    row.item.span_id = begun.span_id;
    row.item.parent_id = begun.parent_id;
    let whole = object(&mut json, &mut row, columns, w).and_then(|()| end(&mut json));
    if whole.is_ok() {
        w.range = ByteRange::new(at, json.pos());
        return row.finish(columns, w);
    }
    w.table(signal).heap.truncate(heap);
    whole
}

/// The end of a line behind its last member.
fn end(json: &mut Json<'_>) -> Result<(), Damage> {
    if json.key(&mut Members::Further)?.is_some() {
        return Err(json.damage(Reason::TrailingData)); // it may say anything anew
    }
    json.end_of_line()
}

/// Notes a sender, unless it sent the line before, too.
fn seen(source: &[u8], leaves: bool, w: &mut Writer<'_>) {
    let sender = SenderSeen { hash: xxh3_64(source), leaves };
    if w.tally.senders.last() != Some(&sender) {
        w.tally.senders.push(sender);
    }
}

/// Checks what stands around a line's `data`, and that there is data where it must be. What is in
/// it is passed over.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn check(line: &[u8]) -> Result<(), Damage> {
    let mut json = Json::at(line, 0);
    if LineRun::default().begin(&mut json).is_some()
        && json.skip().is_ok()
        && end(&mut json).is_ok()
    {
        return Ok(());
    }
    head(&envelope(&mut Json::at(line, 0))?, 0).map(drop)
}

/// What a line is about.
struct Head<'a> {
    source: Cow<'a, str>,
    time_ns: i64,
    kind: Kind,
}

enum Kind {
    Items(&'static [Signal]),
    Heartbeat,
    Goodbye,
}

fn head<'a>(envelope: &Envelope<'a>, at: usize) -> Result<Head<'a>, Damage> {
    if envelope.version != Some(1) {
        return Err(Damage::new(at, Reason::LineVersion));
    }
    let no_source = Damage::new(at, Reason::LineSource);
    let source = envelope.source.ok_or(no_source)?.string()?;
    if source.is_empty() {
        return Err(no_source);
    }
    let time_ns = envelope
        .time_ms
        .and_then(|ms| ms.checked_mul(1_000_000))
        .ok_or(Damage::new(at, Reason::BadTime))?;
    let no_type = Damage::new(at, Reason::LineType);
    let kind = envelope.kind.ok_or(no_type)?.bytes()?;
    let kind = match &*kind {
        b"heartbeat" => Kind::Heartbeat,
        b"goodbye" => Kind::Goodbye,
        _ => Kind::Items(signals_of(&kind).ok_or(no_type)?),
    };
    if matches!(kind, Kind::Items(_)) && envelope.data.is_none() {
        return Err(Damage::new(at, Reason::LineData));
    }
    Ok(Head { source, time_ns, kind })
}

fn item(
    envelope: &Envelope<'_>,
    time_ns: i64,
    source: Symbol,
    columns: &mut FlatSource,
    signal: Signal,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    debug_assert_eq!(columns.signal, signal);
    let mut row = begin(envelope, time_ns, source, columns, w);
    if let Some(mut data) = envelope.data {
        object(&mut data, &mut row, columns, w)?;
    }
    row.finish(columns, w)
}

/// A row with what stands around `data`.
fn begin(
    envelope: &Envelope<'_>,
    time_ns: i64,
    source: Symbol,
    columns: &FlatSource,
    w: &mut Writer<'_>,
) -> Row {
    w.table(columns.signal).begin_resource();
    let mut row = Row::begin(columns, w);
    row.item.time = time_ns;
    row.item.source = source;
    row.item.trace_id = envelope.trace_id;
    row.item.span_id = envelope.span_id;
    row.item.parent_id = envelope.parent_id;
    row
}

fn envelope<'a>(json: &mut Json<'a>) -> Result<Envelope<'a>, Damage> {
    let mut envelope = Envelope::default();
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        member(json, &key.bytes()?, &mut envelope)?;
    }
    json.end_of_line()?;
    Ok(envelope)
}

fn member<'a>(json: &mut Json<'a>, key: &[u8], envelope: &mut Envelope<'a>) -> Result<(), Damage> {
    match key {
        b"v" => envelope.version = Some(json.integer()?),
        b"src" => envelope.source = Some(json.text()?),
        b"ts" => envelope.time_ms = Some(json.integer()?),
        b"type" => envelope.kind = Some(json.text()?),
        b"tid" => envelope.trace_id = json.text_or_null()?.id(hex::trace_id)?,
        b"sid" => envelope.span_id = json.text_or_null()?.id(hex::span_id)?,
        b"pid" => envelope.parent_id = json.text_or_null()?.id(hex::span_id)?,
        b"data" if json.peek() == b'{' => {
            envelope.data = Some(*json);
            json.skip()?;
        }
        b"data" if json.null() => {}
        b"data" => return Err(json.damage(Reason::LineData)),
        _ => json.skip()?,
    }
    Ok(())
}
