//! Frames into single items, for sorting: lines, CSV records, the items of OTLP/JSON requests.

use bytes::Bytes;

use super::cut::record_ends;
use crate::ingest::damage::Damage;
use crate::ingest::json::Json;
use crate::model::{DataFrame, PayloadFormat};

/// Calls back with each item of a frame: its bytes (a payload of the frame's format, for CSV
/// without the header) and the line that it starts at.
pub(super) fn items(frame: &DataFrame, mut found: impl FnMut(Bytes, u64)) {
    let payload = &frame.payload;
    let mut start = 0;
    let mut place = frame.place;
    if frame.format == PayloadFormat::Csv {
        start = header_length(payload);
        place += lines_of(&payload[..start]);
    }
    while start < payload.len() {
        let rest = &payload[start..];
        let end = if frame.format == PayloadFormat::Csv {
            record_ends(rest).next()
        } else {
            memchr::memchr(b'\n', rest).map(|end| end + 1)
        };
        let end = start + end.unwrap_or(rest.len());
        let line = payload.slice(start..end);
        if !line.trim_ascii().is_empty() {
            match frame.format {
                PayloadFormat::OtlpJson => match requests(&line) {
                    Ok(parts) => parts.into_iter().for_each(|part| found(part.into(), place)),
                    Err(_) => found(line.clone(), place),
                },
                _ => found(line.clone(), place),
            }
        }
        place += lines_of(&line);
        start = end;
    }
}

/// Bytes of a CSV payload's header line.
pub(super) fn header_length(payload: &[u8]) -> usize {
    record_ends(payload).next().unwrap_or(payload.len())
}

fn lines_of(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// (groups, scopes, items) of the three kinds of request.
const NAMES: [[&str; 3]; 3] = [
    ["resourceSpans", "scopeSpans", "spans"],
    ["resourceLogs", "scopeLogs", "logRecords"],
    ["resourceMetrics", "scopeMetrics", "metrics"],
];

/// An OTLP/JSON request as requests of one item each, a line each.
fn requests(line: &[u8]) -> Result<Vec<Vec<u8>>, Damage> {
    let mut out = Vec::new();
    let mut json = Json::at(line, 0);
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        let key = key.bytes()?;
        let Some(names) = NAMES.iter().find(|names| names[0].as_bytes() == &*key) else {
            json.skip()?;
            continue;
        };
        let mut groups = json.array()?;
        while json.element(&mut groups)? {
            let (resource, scopes) = parts(&mut json, line, "resource", names[1])?;
            for mut scope in scopes {
                let (scope, items) = parts(&mut scope, line, "scope", names[2])?;
                for mut item in items {
                    let item = raw(&mut item, line)?;
                    out.push(request(names, &resource, &scope, item));
                }
            }
        }
    }
    Ok(out)
}

/// The header member of an object, as it stands, and cursors at the elements of its list.
fn parts<'a>(
    json: &mut Json<'a>,
    line: &'a [u8],
    header: &str,
    list: &str,
) -> Result<(Vec<u8>, Vec<Json<'a>>), Damage> {
    let (mut found, mut elements) = (b"null".to_vec(), Vec::new());
    let mut members = json.object()?;
    while let Some(key) = json.key(&mut members)? {
        match key.bytes()? {
            name if *name == *header.as_bytes() => found = raw(json, line)?.to_vec(),
            name if *name == *list.as_bytes() => {
                let mut list = json.array()?;
                while json.element(&mut list)? {
                    elements.push(json.passed()?);
                }
            }
            _ => json.skip()?,
        }
    }
    Ok((found, elements))
}

/// A value as it stands.
fn raw<'a>(json: &mut Json<'a>, line: &'a [u8]) -> Result<&'a [u8], Damage> {
    json.peek();
    let start = json.pos();
    json.skip()?;
    Ok(&line[start..json.pos()])
}

fn request(names: &[&str; 3], resource: &[u8], scope: &[u8], item: &[u8]) -> Vec<u8> {
    let [groups, scopes, items] = names.map(str::as_bytes);
    [
        &b"{\""[..],
        groups,
        b"\":[{\"resource\":",
        resource,
        b",\"",
        scopes,
        b"\":[{\"scope\":",
        scope,
        b",\"",
        items,
        b"\":[",
        item,
        b"]}]}]}\n",
    ]
    .concat()
}
