//! Documents of Jaeger and Zipkin, and plain rows, their items cut to bounds.
//!
//! What was dropped of an item is counted in it under the keys that OpenTelemetry has for formats
//! without a place for that ("Mapping to non-OTLP formats", "Dropped Attributes Count"). Tags that
//! say what other formats have fields for (kind, status, name of an event) are no attributes here:
//! they stay, and do not count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::super::trim::{Bound, DROPPED_KEYS, Trim, dropped_key};
use super::{Fate, Result, Rewriter, put_string};
use crate::otlp::dropped::is_dropped_count;

/// Tags of Jaeger's and Zipkin's spans that are fields.
const FIELD_TAGS: [&str; 10] = [
    "error",
    "span.kind",
    "w3c.tracestate",
    "otel.status_code",
    "otel.status_description",
    "otel.scope.name",
    "otel.scope.version",
    "otel.library.name",
    "otel.library.version",
    "event",
];

fn is_attribute(key: &str) -> bool {
    !FIELD_TAGS.contains(&key) && !is_dropped_count(key.as_bytes())
}

/// How a format writes tags that count what was dropped.
struct CountForm {
    open: u8,
    close: u8,
    count: fn(&str, u64) -> String,
}

/// A list of tags with types.
const JAEGER: CountForm = CountForm {
    open: b'[',
    close: b']',
    count: |key, count| format!("{{\"key\":\"{key}\",\"type\":\"int64\",\"value\":{count}}}"),
};

/// An object of texts.
const ZIPKIN: CountForm =
    CountForm { open: b'{', close: b'}', count: |key, count| format!("\"{key}\":\"{count}\"") };

/// How many of each kind have to leave, and how many left before.
#[derive(Default)]
struct Excess {
    dropped: [u64; DROPPED_KEYS.len()],
    stated: [u64; DROPPED_KEYS.len()],
}

impl Excess {
    fn of(&self, bound: Bound) -> u64 {
        let at = DROPPED_KEYS.iter().position(|(known, _)| *known == bound);
        at.map_or(0, |at| self.dropped[at])
    }

    fn is_any(&self) -> bool {
        self.dropped.iter().any(|count| *count > 0)
    }

    /// Notes how many of a kind there are.
    fn note(&mut self, trim: &Trim, bound: Bound, count: usize) {
        if let Some(at) = DROPPED_KEYS.iter().position(|(known, _)| *known == bound) {
            self.dropped[at] = (count as u64).saturating_sub(trim.most(bound));
            trim.add(bound, self.dropped[at]);
        }
    }

    /// Notes how many an item says have left before.
    fn state(&mut self, key: &str, value: Option<&Json>) {
        let Some(at) = DROPPED_KEYS.iter().position(|(_, known)| *known == key) else { return };
        let number = value.and_then(|value| {
            value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        });
        self.stated[at] = number.unwrap_or(0);
    }

    /// Adds the counts to tags that end at the end of `out`.
    fn add_to_tags(&self, form: &CountForm, out: &mut Vec<u8>) {
        for (at, (_, key)) in DROPPED_KEYS.iter().enumerate() {
            if self.dropped[at] > 0 {
                let count = self.dropped[at].saturating_add(self.stated[at]);
                append(out, form.close, &(form.count)(key, count));
            }
        }
    }

    /// Adds the counts as tags of their own to a span that ends at the end of `out`.
    fn add_to_span(&self, form: &CountForm, out: &mut Vec<u8>) {
        let mut tags = vec![form.open, form.close];
        self.add_to_tags(form, &mut tags);
        append(out, b'}', &format!("\"tags\":{}", String::from_utf8_lossy(&tags)));
    }
}

/// Adds an element before the end of a list or object.
fn append(out: &mut Vec<u8>, close: u8, text: &str) {
    out.pop();
    if !matches!(out.last(), Some(b'[' | b'{')) {
        out.push(b',');
    }
    out.extend_from_slice(text.as_bytes());
    out.push(close);
}

/// A tag's key.
fn key_of(tag: &Json) -> &str {
    tag.get("key").and_then(Json::as_str).unwrap_or_default()
}

fn list_of<'j>(span: &'j Json, name: &str) -> &'j [Json] {
    span.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// The reference that is a span's parent rather than a link.
fn parent_of(span: &Json, references: &[Json]) -> Option<usize> {
    let id = |value: &Json| {
        let text = value.get("traceID").and_then(Json::as_str).unwrap_or_default();
        text.trim_start_matches('0').to_ascii_lowercase()
    };
    let own = id(span);
    let mut within = references.iter().enumerate().filter(|(_, reference)| id(reference) == own);
    let first = within.clone().next();
    let is_child = |(_, reference): &(usize, &Json)| {
        reference.get("refType").and_then(Json::as_str) == Some("CHILD_OF")
    };
    within.find(is_child).or(first).map(|(at, _)| at)
}

impl Rewriter<'_> {
    /// An answer with `data`, a trace, or a list of them.
    pub(super) fn cut_jaeger(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        match self.peek() {
            b'[' => self.list(out, |rewriter, out| rewriter.cut_jaeger(trim, out)),
            b'{' => self.members(out, |rewriter, key, member| {
                let out = &mut member.value;
                match (key, rewriter.peek()) {
                    (b"data", b'[') => rewriter.cut_jaeger(trim, out),
                    (b"spans", b'[') => {
                        rewriter.list(out, |rewriter, out| rewriter.cut_jaeger_span(trim, out))
                    }
                    _ => rewriter.skip().map(|()| Fate::Same),
                }
            }),
            _ => self.skip().map(|()| Fate::Same),
        }
    }

    /// The value at the cursor, read whole; the cursor stays. `None` where it is no JSON.
    fn look(&mut self) -> Result<Option<Json>> {
        self.peek();
        let (from, depth) = (self.pos, self.depth);
        self.skip()?;
        let text = &self.data[from..self.pos];
        (self.pos, self.depth) = (from, depth);
        Ok(serde_json::from_slice(text).ok())
    }

    fn cut_jaeger_span(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        let Some(span) = self.look()?.filter(Json::is_object) else {
            return self.skip().map(|()| Fate::Same);
        };
        let (tags, references) = (list_of(&span, "tags"), list_of(&span, "references"));
        let parent = parent_of(&span, references);
        let mut excess = Excess::default();
        let own = tags.iter().filter(|tag| is_attribute(key_of(tag)));
        excess.note(trim, Bound::Attributes, own.count());
        excess.note(trim, Bound::Events, list_of(&span, "logs").len());
        excess.note(trim, Bound::Links, references.len() - usize::from(parent.is_some()));
        tags.iter().for_each(|tag| excess.state(key_of(tag), tag.get("value")));
        let mut has_tags = false;
        let fate = self.members(out, |rewriter, key, member| {
            let out = &mut member.value;
            match (key, rewriter.peek()) {
                (b"tags", b'[') => {
                    has_tags = true;
                    let fate = rewriter.cut_tags(trim, Some(&excess), Bound::Attributes, out)?;
                    excess.add_to_tags(&JAEGER, out);
                    Ok(if excess.is_any() { Fate::Changed } else { fate })
                }
                (b"logs", b'[') => {
                    let most = trim.most(Bound::Events);
                    rewriter.first_of(most, out, |rewriter, out| rewriter.cut_jaeger_log(trim, out))
                }
                (b"references", b'[') if excess.of(Bound::Links) > 0 => {
                    rewriter.cut_references(trim, parent, out)
                }
                // No list: what is to be counted gets one.
                (b"tags", _) if excess.is_any() => rewriter.skip().map(|()| Fate::Drop),
                _ => rewriter.skip().map(|()| Fate::Same),
            }
        })?;
        if has_tags || !excess.is_any() {
            return Ok(fate);
        }
        excess.add_to_span(&JAEGER, out);
        Ok(Fate::Changed)
    }

    /// References of a span: its parent, and the first links.
    fn cut_references(
        &mut self,
        trim: &Trim,
        parent: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        let (mut at, mut kept) = (0, 0);
        self.list(out, |rewriter, _| {
            let is_parent = parent == Some(at);
            at += 1;
            kept += u64::from(!is_parent);
            let stays = is_parent || kept <= trim.most(Bound::Links);
            rewriter.skip().map(|()| if stays { Fate::Same } else { Fate::Drop })
        })
    }

    /// An event of a span.
    fn cut_jaeger_log(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        if self.peek() != b'{' {
            return self.skip().map(|()| Fate::Same);
        }
        self.members(out, |rewriter, key, member| match (key, rewriter.peek()) {
            (b"fields", b'[') => {
                rewriter.cut_tags(trim, None, Bound::EventAttributes, &mut member.value)
            }
            _ => rewriter.skip().map(|()| Fate::Same),
        })
    }

    /// The first elements of a list.
    fn first_of(
        &mut self,
        most: u64,
        out: &mut Vec<u8>,
        each: impl Fn(&mut Self, &mut Vec<u8>) -> Result<Fate>,
    ) -> Result<Fate> {
        let mut kept = 0;
        self.list(out, |rewriter, out| {
            kept += 1;
            if kept > most { rewriter.skip().map(|()| Fate::Drop) } else { each(rewriter, out) }
        })
    }

    /// Tags of a span, whose counts are written anew where something of it leaves, or fields of an
    /// event, which are counted here.
    fn cut_tags(
        &mut self,
        trim: &Trim,
        excess: Option<&Excess>,
        bound: Bound,
        out: &mut Vec<u8>,
    ) -> Result<Fate> {
        let mut kept = 0;
        self.list(out, |rewriter, out| {
            let Some(tag) = rewriter.look()? else {
                return rewriter.skip().map(|()| Fate::Same);
            };
            let key = key_of(&tag);
            let is_stale = |excess: &Excess| {
                dropped_key(key.as_bytes()).is_some_and(|bound| excess.of(bound) > 0)
            };
            if excess.is_some_and(is_stale) {
                return rewriter.skip().map(|()| Fate::Drop);
            }
            if !is_attribute(key) {
                return rewriter.skip().map(|()| Fate::Same);
            }
            kept += 1;
            if kept > trim.most(bound) {
                if excess.is_none() {
                    trim.add(bound, 1);
                }
                return rewriter.skip().map(|()| Fate::Drop);
            }
            let is_binary = tag.get("type").and_then(Json::as_str) == Some("binary");
            rewriter.cut_tag(trim, is_binary, out)
        })
    }

    fn cut_tag(&mut self, trim: &Trim, is_binary: bool, out: &mut Vec<u8>) -> Result<Fate> {
        if trim.length().is_none() || self.peek() != b'{' {
            return self.skip().map(|()| Fate::Same);
        }
        self.members(out, |rewriter, key, member| {
            let out = &mut member.value;
            match (key, rewriter.peek()) {
                (b"value", b'"') if is_binary => {
                    let bytes = crate::ingest::base64(&rewriter.string()?).unwrap_or_default();
                    let Some(cut) = trim.cut_bytes(&bytes) else { return Ok(Fate::Same) };
                    put_string(STANDARD.encode(cut).as_bytes(), out);
                    Ok(Fate::Changed)
                }
                (b"value", b'"') => rewriter.cut_text(trim, out),
                _ => rewriter.skip().map(|()| Fate::Same),
            }
        })
    }

    /// A list of Zipkin's spans.
    pub(super) fn cut_zipkin(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        if self.peek() != b'[' {
            return self.skip().map(|()| Fate::Same);
        }
        self.list(out, |rewriter, out| rewriter.cut_zipkin_span(trim, out))
    }

    fn cut_zipkin_span(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        let Some(span) = self.look()?.filter(Json::is_object) else {
            return self.skip().map(|()| Fate::Same);
        };
        let tags = span.get("tags").and_then(Json::as_object);
        let mut excess = Excess::default();
        let own = tags.into_iter().flatten().filter(|(key, _)| is_attribute(key));
        excess.note(trim, Bound::Attributes, own.count());
        excess.note(trim, Bound::Events, list_of(&span, "annotations").len());
        tags.into_iter().flatten().for_each(|(key, value)| excess.state(key, Some(value)));
        let mut has_tags = false;
        let fate = self.members(out, |rewriter, key, member| {
            let out = &mut member.value;
            match (key, rewriter.peek()) {
                (b"tags", b'{') => {
                    has_tags = true;
                    let fate = rewriter.cut_texts(trim, &excess, out)?;
                    excess.add_to_tags(&ZIPKIN, out);
                    Ok(if excess.is_any() { Fate::Changed } else { fate })
                }
                (b"annotations", b'[') => {
                    let most = trim.most(Bound::Events);
                    rewriter.first_of(most, out, |rewriter, _| rewriter.skip().map(|()| Fate::Same))
                }
                (b"tags", _) if excess.is_any() => rewriter.skip().map(|()| Fate::Drop),
                _ => rewriter.skip().map(|()| Fate::Same),
            }
        })?;
        if has_tags || !excess.is_any() {
            return Ok(fate);
        }
        excess.add_to_span(&ZIPKIN, out);
        Ok(Fate::Changed)
    }

    /// Zipkin's tags: an object of texts.
    fn cut_texts(&mut self, trim: &Trim, excess: &Excess, out: &mut Vec<u8>) -> Result<Fate> {
        let mut kept = 0;
        self.members(out, |rewriter, key, member| {
            if dropped_key(key).is_some_and(|bound| excess.of(bound) > 0) {
                return rewriter.skip().map(|()| Fate::Drop);
            }
            if !is_attribute(&String::from_utf8_lossy(key)) {
                return rewriter.skip().map(|()| Fate::Same);
            }
            kept += 1;
            if kept > trim.most(Bound::Attributes) {
                return rewriter.skip().map(|()| Fate::Drop);
            }
            rewriter.cut_plain(trim, &mut member.value)
        })
    }
}
