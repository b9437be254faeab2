//! JSON, its items cut to bounds: OTLP, lines of the line protocol and plain rows; how documents
//! of other formats are walked, `trim_foreign` knows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::policy::Policy;
use super::super::trim::{Bound, DOCUMENT, LISTS_MAX, Node, Trim};
use super::{Fate, Result, Rewriter, is_id_name, put_string};
use crate::model::PayloadFormat;
use crate::otlp::dropped::{ATTRIBUTES_DROPPED, is_dropped_count};

/// Writes documents of a format again where an item in them is beyond a bound; says whether one is.
pub(in crate::redact) fn trim(
    trim: &Trim,
    policy: &Policy,
    (data, format): (&[u8], PayloadFormat),
    out: &mut Vec<u8>,
) -> bool {
    if trim.is_small(data.len()) {
        return false;
    }
    let mut rewriter = Rewriter::new(policy, data, &|_| false);
    let mut is_changed = false;
    while rewriter.blanks(out) {
        let (from, start) = (rewriter.pos, out.len());
        let fate = match format {
            PayloadFormat::Jaeger => rewriter.cut_jaeger(trim, out),
            PayloadFormat::Zipkin => rewriter.cut_zipkin(trim, out),
            _ => rewriter.cut_node(trim, &DOCUMENT, out),
        };
        if !matches!(fate, Ok(Fate::Changed)) {
            out.truncate(start);
            let end = if fate.is_ok() { rewriter.pos } else { data.len() };
            out.extend_from_slice(&data[from..end]);
            rewriter.seek(end);
        }
        is_changed |= matches!(fate, Ok(Fate::Changed));
    }
    is_changed
}

/// Whether a column of a plain row is a field rather than an attribute.
type IsField<'f> = &'f dyn Fn(&[u8]) -> bool;

/// The same for lines: those of the line protocol, or plain rows of which some columns are fields.
pub(in crate::redact) fn trim_lines(
    trim: &Trim,
    policy: &Policy,
    data: &[u8],
    is_field: Option<IsField<'_>>,
    out: &mut Vec<u8>,
) -> bool {
    let mut is_changed = false;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let start = out.len();
        let known = is_field.unwrap_or(&crate::ingest::is_line_field);
        let mut rewriter = Rewriter::new(policy, line, known);
        let mut cut = || match is_field {
            None => rewriter.cut_line(trim, out),
            Some(_) => rewriter.cut_row(trim, out),
        };
        let is_beyond = !trim.is_small(line.len()) && matches!(cut(), Ok(Fate::Changed));
        if is_beyond {
            out.extend_from_slice(&line[rewriter.pos..]);
        } else {
            out.truncate(start);
            out.extend_from_slice(line);
        }
        is_changed |= is_beyond;
    }
    is_changed
}

/// The bounded lists of an object: how many elements each has, and how many it says were dropped.
#[derive(Default)]
struct Survey {
    elements: [u64; LISTS_MAX],
    stated: [u64; LISTS_MAX],
}

impl Rewriter<'_> {
    fn cut_node(&mut self, trim: &Trim, node: &Node, out: &mut Vec<u8>) -> Result<Fate> {
        if self.peek() != b'{' {
            return self.skip().map(|()| Fate::Same);
        }
        let survey = if node.lists.is_empty() { Survey::default() } else { self.survey(node)? };
        let dropped = |at: usize| match node.lists.get(at) {
            Some(list) => survey.elements[at].saturating_sub(trim.most(list.bound)),
            None => 0,
        };
        let mut kept = [0; LISTS_MAX];
        let fate = self.members(out, |rewriter, key, member| {
            let out = &mut member.value;
            let next = rewriter.peek();
            let list = node.lists.iter().position(|list| list.name.as_bytes() == key);
            if let Some(at) = list.filter(|_| next == b'[') {
                let list = &node.lists[at];
                return rewriter.list(out, |rewriter, out| {
                    if kept[at] >= trim.most(list.bound) {
                        return rewriter.skip().map(|()| Fate::Drop);
                    }
                    kept[at] += 1;
                    match list.of {
                        Some(of) => rewriter.cut_node(trim, of, out),
                        None => rewriter.cut_attribute(trim, out),
                    }
                });
            }
            let child = node.children.iter().find(|(_, name, _)| name.as_bytes() == key);
            if let Some((.., child)) = child {
                if next == b'[' {
                    return rewriter.list(out, |rewriter, out| rewriter.cut_node(trim, child, out));
                }
                return rewriter.cut_node(trim, child, out);
            }
            if node.has_trace_state && key == b"traceState" && next == b'"' {
                let is_out = trim.refuses(&rewriter.string()?);
                return Ok(if is_out { Fate::Drop } else { Fate::Same });
            }
            // Written anew at the end, where anything is dropped.
            let count = node.lists.iter().position(|list| list.dropped_name.as_bytes() == key);
            rewriter.skip()?;
            Ok(if count.is_some_and(|at| dropped(at) > 0) { Fate::Drop } else { Fate::Same })
        })?;
        for (at, list) in node.lists.iter().enumerate().filter(|(at, _)| dropped(*at) > 0) {
            trim.add(list.bound, dropped(at));
            let count = dropped(at).saturating_add(survey.stated[at]).min(u64::from(u32::MAX));
            out.pop();
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            out.extend_from_slice(format!("\"{}\":{count}}}", list.dropped_name).as_bytes());
        }
        Ok(fate)
    }

    /// Looks through the object at the cursor, which stays where it is.
    fn survey(&mut self, node: &Node) -> Result<Survey> {
        let (pos, depth) = (self.pos, self.depth);
        let (mut survey, mut scratch) = (Survey::default(), Vec::new());
        self.members(&mut scratch, |rewriter, key, member| {
            let next = rewriter.peek();
            let list = node.lists.iter().position(|list| list.name.as_bytes() == key);
            let count = node.lists.iter().position(|list| list.dropped_name.as_bytes() == key);
            if let Some(at) = list.filter(|_| next == b'[') {
                return rewriter.list(&mut member.value, |rewriter, _| {
                    survey.elements[at] += 1;
                    rewriter.skip().map(|()| Fate::Same)
                });
            }
            let start = rewriter.pos;
            rewriter.skip()?;
            if let Some(at) = count {
                let text = rewriter.data[start..rewriter.pos].trim_ascii();
                let text = std::str::from_utf8(text).unwrap_or_default().trim_matches('"');
                survey.stated[at] = text.parse().unwrap_or(0);
            }
            Ok(Fate::Same)
        })?;
        (self.pos, self.depth) = (pos, depth);
        Ok(survey)
    }

    /// An attribute: `{"key": …, "value": {…}}`.
    fn cut_attribute(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        if self.peek() != b'{' || trim.length().is_none() {
            return self.skip().map(|()| Fate::Same);
        }
        self.members(out, |rewriter, key, member| match key {
            b"value" => rewriter.cut_value(trim, &mut member.value),
            _ => rewriter.skip().map(|()| Fate::Same),
        })
    }

    fn cut_value(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        if self.peek() != b'{' {
            return self.skip().map(|()| Fate::Same);
        }
        self.members(out, |rewriter, key, member| {
            let out = &mut member.value;
            match (key, rewriter.peek()) {
                (b"stringValue", b'"') => rewriter.cut_text(trim, out),
                (b"bytesValue", b'"') => {
                    let bytes = crate::ingest::base64(&rewriter.string()?).unwrap_or_default();
                    let Some(cut) = trim.cut_bytes(&bytes) else { return Ok(Fate::Same) };
                    put_string(STANDARD.encode(cut).as_bytes(), out);
                    Ok(Fate::Changed)
                }
                (b"arrayValue" | b"kvlistValue", b'{') => {
                    rewriter.members(out, |rewriter, name, member| {
                        if name != b"values" || rewriter.peek() != b'[' {
                            return rewriter.skip().map(|()| Fate::Same);
                        }
                        rewriter.list(&mut member.value, |rewriter, out| {
                            if key == b"arrayValue" {
                                rewriter.cut_value(trim, out)
                            } else {
                                rewriter.cut_attribute(trim, out)
                            }
                        })
                    })
                }
                _ => rewriter.skip().map(|()| Fate::Same),
            }
        })
    }

    pub(super) fn cut_text(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        let text = self.string()?;
        let Some(cut) = trim.cut(&text) else { return Ok(Fate::Same) };
        put_string(cut, out);
        Ok(Fate::Changed)
    }

    /// A line of the line protocol; of a span or an event its `data` is an item.
    fn cut_line(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        self.blanks(out);
        if self.peek() != b'{' || !matches!(&*self.text_of_member(b"type")?, b"span" | b"event") {
            return Ok(Fate::Same);
        }
        self.members(out, |rewriter, key, member| {
            if key == b"data" && rewriter.peek() == b'{' {
                return rewriter.cut_data(trim, true, &mut member.value);
            }
            rewriter.skip().map(|()| Fate::Same)
        })
    }

    /// A plain row.
    fn cut_row(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        self.blanks(out);
        if self.peek() != b'{' {
            return Ok(Fate::Same);
        }
        self.cut_data(trim, false, out)
    }

    /// An object whose members are fields and attributes; in a line some hold attributes.
    fn cut_data(&mut self, trim: &Trim, is_line: bool, out: &mut Vec<u8>) -> Result<Fate> {
        let survey = self.survey_data(is_line)?;
        let dropped = survey.attributes.saturating_sub(trim.most(Bound::Attributes));
        trim.add(Bound::Attributes, dropped);
        let mut kept = 0;
        let fate = self.members(out, |rewriter, key, member| {
            let out = &mut member.value;
            match rewriter.role(key, is_line) {
                Role::Field => rewriter.skip().map(|()| Fate::Same),
                // Written anew at the end, where anything is dropped.
                Role::Count if dropped > 0 => rewriter.skip().map(|()| Fate::Drop),
                Role::Count => rewriter.skip().map(|()| Fate::Same),
                Role::Nest => rewriter.members(out, |rewriter, _, member| {
                    rewriter.cut_attribute_of(trim, &mut kept, &mut member.value)
                }),
                Role::Attribute => rewriter.cut_attribute_of(trim, &mut kept, out),
            }
        })?;
        if dropped > 0 {
            let count = dropped.saturating_add(survey.stated);
            out.pop();
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            out.extend_from_slice(format!("\"{ATTRIBUTES_DROPPED}\":{count}}}").as_bytes());
        }
        Ok(fate)
    }

    fn cut_attribute_of(&mut self, trim: &Trim, kept: &mut u64, out: &mut Vec<u8>) -> Result<Fate> {
        if *kept >= trim.most(Bound::Attributes) {
            return self.skip().map(|()| Fate::Drop);
        }
        *kept += 1;
        self.cut_plain(trim, out)
    }

    /// Looks through the row at the cursor, which stays where it is.
    fn survey_data(&mut self, is_line: bool) -> Result<RowSurvey> {
        let (pos, depth) = (self.pos, self.depth);
        let (mut survey, mut scratch) = (RowSurvey::default(), Vec::new());
        self.members(&mut scratch, |rewriter, key, member| {
            match rewriter.role(key, is_line) {
                Role::Field => rewriter.skip()?,
                Role::Attribute => {
                    survey.attributes += 1;
                    rewriter.skip()?;
                }
                Role::Nest => {
                    rewriter.members(&mut member.value, |rewriter, _, _| {
                        survey.attributes += 1;
                        rewriter.skip().map(|()| Fate::Same)
                    })?;
                }
                Role::Count => {
                    let start = rewriter.pos;
                    rewriter.skip()?;
                    let text = std::str::from_utf8(&rewriter.data[start..rewriter.pos]);
                    let text = text.unwrap_or_default().trim().trim_matches('"');
                    survey.stated = text.parse().unwrap_or(0);
                }
            }
            Ok(Fate::Same)
        })?;
        (self.pos, self.depth) = (pos, depth);
        Ok(survey)
    }

    /// What the member of a row is whose value is next.
    fn role(&mut self, key: &[u8], is_line: bool) -> Role {
        if key == ATTRIBUTES_DROPPED.as_bytes() {
            return Role::Count;
        }
        let nests = is_line && matches!(key, b"ctx" | b"tags" | b"attributes");
        if nests && self.peek() == b'{' {
            return Role::Nest;
        }
        let is_field = (self.is_field)(key) || is_line && is_id_name(key) || is_dropped_count(key);
        if is_field { Role::Field } else { Role::Attribute }
    }

    /// Any JSON value of an attribute.
    pub(super) fn cut_plain(&mut self, trim: &Trim, out: &mut Vec<u8>) -> Result<Fate> {
        match self.peek() {
            b'"' => self.cut_text(trim, out),
            b'[' => self.list(out, |rewriter, out| rewriter.cut_plain(trim, out)),
            b'{' => {
                self.members(out, |rewriter, _, member| rewriter.cut_plain(trim, &mut member.value))
            }
            _ => self.skip().map(|()| Fate::Same),
        }
    }
}

/// What a member of a row is.
enum Role {
    Field,
    Attribute,
    /// An object of attributes.
    Nest,
    /// How many attributes were dropped before.
    Count,
}

/// What a row holds.
#[derive(Default)]
struct RowSurvey {
    attributes: u64,
    stated: u64,
}
