//! Items cut to bounds: so many attributes, events and links, and values so long.
//!
//! The bounds are those of OpenTelemetry's SDKs ("Common specification", "Attribute Limits"; "Trace
//! SDK", "Span Limits"): the first ones stay, the rest is dropped and counted in the item where its
//! format has a place for that (all but CSV), text is cut by characters and bytes by bytes.
//! Attributes of resources, scopes and metric points are no one item's and stay whole.
//!
//! Invariant: a frame that keeps to the bounds stays as it was received. What cannot be walked is
//! left alone: its decoder sets it aside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::mark::cut_between;
use super::policy::Policy;
use super::{inflated, json, protobuf, trim_csv};
use crate::error::Error;
use crate::model::{Compression, DataFrame, PayloadFormat, Signal, SourceSpec};
use crate::otlp::dropped::{ATTRIBUTES_DROPPED, EVENTS_DROPPED, LINKS_DROPPED};
use crate::plan::Redaction;
use crate::sampling::{Reading, read_tracestate};

/// What of an item is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Attributes of a span or log record.
    Attributes,
    /// Attributes of an event of a span.
    EventAttributes,
    /// Attributes of a link.
    LinkAttributes,
    /// Events of a span.
    Events,
    /// Links of a span.
    Links,
    /// Characters (of bytes: bytes) of one text in the value of such an attribute.
    AttributeLength,
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Attributes,
        Self::EventAttributes,
        Self::LinkAttributes,
        Self::Events,
        Self::Links,
        Self::AttributeLength,
    ];

    /// Its name in metrics and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attributes => "attributes",
            Self::EventAttributes => "event_attributes",
            Self::LinkAttributes => "link_attributes",
            Self::Events => "events",
            Self::Links => "links",
            Self::AttributeLength => "attribute_length",
        }
    }
}

/// Where items of formats other than OTLP say how many of something were dropped.
pub(super) const DROPPED_KEYS: [(Bound, &str); 3] = [
    (Bound::Attributes, ATTRIBUTES_DROPPED),
    (Bound::Events, EVENTS_DROPPED),
    (Bound::Links, LINKS_DROPPED),
];

/// What a key says the number of, if it is one of those.
pub(super) fn dropped_key(key: &[u8]) -> Option<Bound> {
    DROPPED_KEYS.iter().find(|(_, known)| known.as_bytes() == key).map(|(bound, _)| *bound)
}

/// The bounds of items; what is not said is not bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemBounds {
    most: [Option<u32>; Bound::ALL.len()],
    checks_trace_state: bool,
}

impl ItemBounds {
    /// The same with one more.
    #[must_use]
    pub fn with(mut self, bound: Bound, most: Option<u32>) -> Self {
        self.most[bound as usize] = most;
        self
    }

    /// The same; a tracestate that breaks W3C's rules is left out, or is not.
    #[must_use]
    pub fn checking_trace_state(mut self, checks_trace_state: bool) -> Self {
        self.checks_trace_state = checks_trace_state;
        self
    }

    /// Whether there is anything to do.
    pub fn is_bounded(&self) -> bool {
        self.checks_trace_state || self.most.iter().any(Option::is_some)
    }

    /// The bound on lengths alone, and the others: what is cut in the middle has to be searched for
    /// secrets before, what leaves whole has not.
    pub fn split(self) -> (Self, Self) {
        let length = self.most[Bound::AttributeLength as usize];
        let lengths = Self::default().with(Bound::AttributeLength, length);
        (lengths, self.with(Bound::AttributeLength, None))
    }
}

/// How often each bound was reached.
#[derive(Debug, Default)]
pub struct TrimCounters {
    counts: [AtomicU64; Bound::ALL.len()],
    trace_states: AtomicU64,
    frames: AtomicU64,
}

impl TrimCounters {
    /// What was dropped or cut for a bound.
    pub fn count(&self, bound: Bound) -> u64 {
        self.counts[bound as usize].load(Ordering::Relaxed)
    }

    /// Tracestates that were left out.
    pub fn trace_states(&self) -> u64 {
        self.trace_states.load(Ordering::Relaxed)
    }

    /// Frames that were written again.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

/// Bounds with their counters, as walkers use them.
#[derive(Debug)]
pub(super) struct Trim {
    bounds: ItemBounds,
    counters: Arc<TrimCounters>,
    /// Bytes of a message that may hold something beyond a bound.
    floor_bytes: usize,
}

impl Trim {
    /// How many of a kind may stay.
    pub(super) fn most(&self, bound: Bound) -> u64 {
        self.bounds.most[bound as usize].map_or(u64::MAX, u64::from)
    }

    /// The bound on lengths, if there is one.
    pub(super) fn length(&self) -> Option<usize> {
        self.bounds.most[Bound::AttributeLength as usize].map(|most| most as usize)
    }

    pub(super) fn add(&self, bound: Bound, count: u64) {
        self.counters.counts[bound as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Whether a message of so many bytes keeps to the bounds, whatever it is.
    pub(super) fn is_small(&self, bytes: usize) -> bool {
        bytes < self.floor_bytes
    }

    /// Whether a tracestate has to leave; counted.
    pub(super) fn refuses(&self, trace_state: &[u8]) -> bool {
        let is_out = self.may_refuse(trace_state);
        if is_out {
            self.counters.trace_states.fetch_add(1, Ordering::Relaxed);
        }
        is_out
    }

    /// The same without counting.
    pub(super) fn may_refuse(&self, trace_state: &[u8]) -> bool {
        self.bounds.checks_trace_state
            && std::str::from_utf8(trace_state)
                .map_or(true, |text| read_tracestate(text).reading == Reading::Refused)
    }

    /// The part of a text that stays, if not all of it does. What stands for something that was
    /// redacted is not cut.
    pub(super) fn cut<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let most = self.length().filter(|most| text.len() > *most)?;
        // A character begins where no byte of another goes on.
        let mut starts = text.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80);
        let (end, _) = starts.nth(most)?;
        let end = cut_between(text, end)?;
        self.add(Bound::AttributeLength, 1);
        Some(&text[..end])
    }

    /// The same for bytes.
    pub(super) fn cut_bytes<'t>(&self, bytes: &'t [u8]) -> Option<&'t [u8]> {
        let most = self.length().filter(|most| bytes.len() > *most)?;
        self.add(Bound::AttributeLength, 1);
        Some(&bytes[..most])
    }
}

/// A message on the way to what is bounded, in protobuf and in JSON.
pub(super) struct Node {
    /// Messages inside: field, name in JSON, what each is.
    pub(super) children: &'static [(u32, &'static str, &'static Node)],
    /// Lists that are bounded.
    pub(super) lists: &'static [List],
    /// Whether it has a tracestate, in the field 3 of every such message.
    pub(super) has_trace_state: bool,
}

/// A bounded list of a message.
pub(super) struct List {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// Where what was dropped of it is counted.
    pub(super) dropped_number: u32,
    pub(super) dropped_name: &'static str,
    pub(super) bound: Bound,
    /// What its elements are; attributes where there is nothing.
    pub(super) of: Option<&'static Node>,
}

/// Lists of one message at most.
pub(super) const LISTS_MAX: usize = 3;

/// The field of a tracestate.
pub(super) const TRACE_STATE: u32 = 3;

const fn way(children: &'static [(u32, &'static str, &'static Node)]) -> Node {
    Node { children, lists: &[], has_trace_state: false }
}

const fn attributes(number: u32, bound: Bound) -> List {
    List {
        number,
        name: "attributes",
        dropped_number: number + 1,
        dropped_name: "droppedAttributesCount",
        bound,
        of: None,
    }
}

pub(super) static DOCUMENT: Node =
    way(&[(1, "resourceSpans", &RESOURCE_SPANS), (2, "resourceLogs", &RESOURCE_LOGS)]);
static TRACES: Node = way(&[(1, "resourceSpans", &RESOURCE_SPANS)]);
static LOGS: Node = way(&[(1, "resourceLogs", &RESOURCE_LOGS)]);
static RESOURCE_SPANS: Node = way(&[(2, "scopeSpans", &SCOPE_SPANS)]);
static SCOPE_SPANS: Node = way(&[(2, "spans", &SPAN)]);
static RESOURCE_LOGS: Node = way(&[(2, "scopeLogs", &SCOPE_LOGS)]);
static SCOPE_LOGS: Node = way(&[(2, "logRecords", &LOG_RECORD)]);
static SPAN: Node = Node {
    children: &[],
    lists: &[
        attributes(9, Bound::Attributes),
        List {
            number: 11,
            name: "events",
            dropped_number: 12,
            dropped_name: "droppedEventsCount",
            bound: Bound::Events,
            of: Some(&EVENT),
        },
        List {
            number: 13,
            name: "links",
            dropped_number: 14,
            dropped_name: "droppedLinksCount",
            bound: Bound::Links,
            of: Some(&LINK),
        },
    ],
    has_trace_state: true,
};
static EVENT: Node =
    Node { children: &[], lists: &[attributes(3, Bound::EventAttributes)], has_trace_state: false };
static LINK: Node =
    Node { children: &[], lists: &[attributes(4, Bound::LinkAttributes)], has_trace_state: true };
static LOG_RECORD: Node =
    Node { children: &[], lists: &[attributes(6, Bound::Attributes)], has_trace_state: false };

/// Cuts the items of frames, one frame after another.
#[derive(Debug)]
pub struct Trimmer {
    trim: Trim,
    /// The columns of each source of plain rows that are fields; none where rows are metrics.
    fields: Vec<Option<Vec<Vec<u8>>>>,
    /// Takes nothing out: walkers of JSON want one.
    policy: Policy,
}

impl Trimmer {
    /// A trimmer of the frames of some sources that counts there.
    ///
    /// # Errors
    /// Never, as long as a policy that takes nothing out can be made.
    pub fn new(
        bounds: ItemBounds,
        counters: Arc<TrimCounters>,
        sources: &[SourceSpec],
    ) -> Result<Self, Error> {
        // An element of a list takes two bytes at least, a character one.
        let bytes = |bound: Bound, each: usize| {
            bounds.most[bound as usize].map(|most| (most as usize + 1).saturating_mul(each))
        };
        let lists = Bound::ALL.into_iter().filter(|bound| *bound != Bound::AttributeLength);
        let floor = lists.filter_map(|bound| bytes(bound, 2)).min();
        let floor = floor.into_iter().chain(bytes(Bound::AttributeLength, 1)).min();
        let floor_bytes = if bounds.checks_trace_state { 0 } else { floor.unwrap_or(usize::MAX) };
        let trim = Trim { bounds, counters, floor_bytes };
        let is_metrics = |source: &SourceSpec| {
            source.mapping.as_ref().is_some_and(|mapping| mapping.signal == Signal::Metrics)
        };
        let fields = sources
            .iter()
            .map(|source| (!is_metrics(source)).then(|| crate::ingest::field_columns(source)));
        let fields = fields.collect();
        Ok(Self { trim, fields, policy: Policy::new(&Redaction::default(), None, &[])? })
    }

    /// A frame whose items keep to the bounds; the same one where they do.
    #[must_use]
    pub fn frame(&self, frame: DataFrame) -> DataFrame {
        match self.payload(&frame) {
            None => frame,
            Some(payload) => {
                self.trim.counters.frames.fetch_add(1, Ordering::Relaxed);
                let compression = Compression::None;
                DataFrame { payload: Bytes::from(payload), compression, ..frame }
            }
        }
    }

    /// The new payload of a frame, if it has to change.
    fn payload(&self, frame: &DataFrame) -> Option<Vec<u8>> {
        let plain = inflated(frame)?;
        let (trim, policy) = (&self.trim, &self.policy);
        let mut out = Vec::new();
        let is_changed = match frame.format {
            PayloadFormat::OtlpTraces | PayloadFormat::OtlpTracesSampled { .. } => {
                protobuf::trim(trim, &plain, &TRACES, &mut out)
            }
            PayloadFormat::OtlpLogs => protobuf::trim(trim, &plain, &LOGS, &mut out),
            PayloadFormat::OtlpDelimited => self.delimited(&plain, &mut out),
            PayloadFormat::OtlpJson | PayloadFormat::Jaeger | PayloadFormat::Zipkin => {
                json::trim(trim, policy, (&plain, frame.format), &mut out)
            }
            PayloadFormat::Lines => json::trim_lines(trim, policy, &plain, None, &mut out),
            PayloadFormat::Ndjson | PayloadFormat::Csv => {
                let fields = self.fields.get(frame.source.0 as usize)?.as_ref()?;
                let is_field = |name: &[u8]| fields.iter().any(|field| field == name);
                match frame.format {
                    PayloadFormat::Csv => trim_csv::trim(trim, &plain, &is_field, &mut out),
                    _ => json::trim_lines(trim, policy, &plain, Some(&is_field), &mut out),
                }
            }
            // No bounds for points of metrics.
            PayloadFormat::OtlpMetrics => false,
        };
        is_changed.then_some(out)
    }

    /// Requests, each behind its length. What cannot be told apart stays as it is.
    fn delimited(&self, data: &[u8], out: &mut Vec<u8>) -> bool {
        let (mut rest, mut is_changed) = (data, false);
        while let Some((head, after)) = rest.split_first_chunk::<4>()
            && let Some(request) = after.get(..u32::from_be_bytes(*head) as usize)
        {
            rest = &after[request.len()..];
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            let node = match crate::ingest::signal_of_request(request) {
                Some(PayloadFormat::OtlpTraces) => Some(&TRACES),
                Some(PayloadFormat::OtlpLogs) => Some(&LOGS),
                _ => None,
            };
            let has_changed =
                node.is_some_and(|node| protobuf::trim(&self.trim, request, node, out));
            if !has_changed {
                out.truncate(start + 4);
                out.extend_from_slice(request);
            }
            let length = (out.len() - start - 4) as u32;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            is_changed |= has_changed;
        }
        out.extend_from_slice(rest);
        is_changed
    }
}
