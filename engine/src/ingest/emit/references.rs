//! Links of spans that came as references in Jaeger's format: columns know of which traces they
//! are, not of which spans, so they are read from the document.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::ingest::hex;
use crate::otlp::wire::Message;

/// Trace and span id.
type Ids = ([u8; 16], [u8; 8]);

/// By span, what it refers to beside its parent.
#[derive(Default)]
pub(super) struct References {
    links: BTreeMap<Ids, Vec<Ids>>,
}

impl References {
    /// Those of all spans of a document. Of two spans with the same ids the first counts.
    pub(super) fn read(payload: &[u8]) -> Self {
        let mut references = Self::default();
        // What cannot be read has been told already.
        if let Ok(document) = serde_json::from_slice(payload) {
            references.walk(&document);
        }
        references
    }

    fn walk(&mut self, value: &Json) {
        match value {
            Json::Object(members) => {
                if let (Some(own), Some(Json::Array(list))) =
                    (ids(value), members.get("references"))
                {
                    self.links.entry(own).or_insert_with(|| links(own.0, list));
                }
                members.values().for_each(|member| self.walk(member));
            }
            Json::Array(list) => list.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    /// Writes the links of a span; how many there are.
    pub(super) fn write(&self, trace_id: &[u8], span_id: &[u8], out: &mut Message) -> i64 {
        let own = trace_id.try_into().ok().zip(span_id.try_into().ok());
        let links = own.and_then(|own| self.links.get(&own)).map_or(&[][..], Vec::as_slice);
        for (trace_id, span_id) in links {
            let mut link = Message::default();
            link.delimited(1, trace_id);
            link.delimited(2, span_id);
            out.message(13, &link);
        }
        links.len() as i64
    }
}

/// The ids that stand in an object.
fn ids(object: &Json) -> Option<Ids> {
    let text = |name: &str| Some(object.get(name)?.as_str()?.as_bytes());
    let trace_id = hex::trace_id(text("traceID")?, 0).ok()?;
    Some((trace_id, hex::span_id(text("spanID")?, 0).ok()?))
}

/// All but the parent: the first `CHILD_OF` within the trace, else the first one within it.
fn links(trace_id: [u8; 16], list: &[Json]) -> Vec<Ids> {
    let mut all: Vec<(bool, Ids)> = list
        .iter()
        .filter_map(|one| {
            let is_child = one.get("refType").and_then(Json::as_str) == Some("CHILD_OF");
            Some((is_child, ids(one)?))
        })
        .collect();
    let is_here = |one: &(bool, Ids)| one.1.0 == trace_id;
    let child = all.iter().position(|one| one.0 && is_here(one));
    if let Some(parent) = child.or_else(|| all.iter().position(is_here)) {
        all.remove(parent);
    }
    all.into_iter().map(|(_, ids)| ids).collect()
}
