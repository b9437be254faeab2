//! The W3C tracestate, read strictly, and OpenTelemetry's entry in it.
//!
//! Source: W3C Trace Context, "tracestate Header", and OpenTelemetry, "`TraceState` Handling". What
//! breaks the rules is dropped as a whole and counted, as W3C asks; of what keeps them each
//! member stays byte for byte, and of OpenTelemetry's own all but `th`.

use super::{Randomness, Threshold};
use crate::limits::{TRACESTATE_BYTES_MAX, TRACESTATE_MEMBERS_MAX};

/// Bytes of a member that leaves first when a tracestate has to be cut.
const MEMBER_LONG_BYTES: usize = 128;

/// Bytes of OpenTelemetry's entry.
const ENTRY_BYTES_MAX: usize = 256;

/// How a tracestate arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// Empty.
    Absent,
    /// By the rules.
    Read,
    /// Against the rules, or beyond their bounds: nothing of it counts.
    Refused,
}

/// What a tracestate says about sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// How it arrived.
    pub reading: Reading,
    /// `th` of the entry `ot`.
    pub threshold: Option<Threshold>,
    /// `rv` of the entry `ot`.
    pub randomness: Option<Randomness>,
}

impl Arrived {
    /// Reads what an item carries about sampling, given the randomness of its trace id: the
    /// randomness that counts, and the arriving threshold unless it contradicts that randomness
    /// (such an item cannot have passed it).
    pub fn settled(&self, own: Randomness) -> (Randomness, Option<Threshold>) {
        let randomness = self.randomness.unwrap_or(own);
        (randomness, self.threshold.filter(|threshold| threshold.admits(randomness)))
    }
}

/// What counts of what an item carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The randomness that whoever sees the item next finds: stated, or of its trace id.
    pub own: Option<Randomness>,
    /// What is compared with thresholds.
    pub randomness: Randomness,
    /// What it passed before, unless its randomness contradicts that.
    pub threshold: Option<Threshold>,
}

impl Arrived {
    /// The same of an item that may have no trace id: without one, and where it states none, its
    /// randomness is that of a hash. A hash says nothing of a threshold that the item has passed:
    /// it is spread over what that has left.
    pub fn settled_by(&self, trace_id: Option<[u8; 16]>, hash: impl FnOnce() -> u64) -> Settled {
        let id = trace_id.filter(|id| *id != [0; 16]).map(Randomness::of_trace_id);
        let own = self.randomness.or(id);
        let randomness = own.unwrap_or_else(|| {
            let hashed = Randomness::of_hash(hash());
            self.threshold.map_or(hashed, |passed| hashed.within(passed))
        });
        let threshold = self.threshold.filter(|threshold| threshold.admits(randomness));
        Settled { own, randomness, threshold }
    }
}

/// Reads a tracestate.
pub fn read_tracestate(text: &str) -> Arrived {
    let mut arrived = Arrived { reading: Reading::Absent, threshold: None, randomness: None };
    let Some(members) = members(text) else {
        arrived.reading = Reading::Refused;
        return arrived;
    };
    if members.is_empty() {
        return arrived;
    }
    arrived.reading = Reading::Read;
    let entry = members.iter().find(|member| member.key == "ot");
    for (key, value) in entry.into_iter().flat_map(|member| fields(member.value)) {
        match key {
            "th" => arrived.threshold = Threshold::from_hex(value),
            "rv" => arrived.randomness = Randomness::from_hex(value),
            _ => {}
        }
    }
    arrived
}

/// The tracestate with another `th`, or without one, and with another `rv` where one is given. The
/// entry `ot` comes first if it changes; all else stays byte for byte, in its order, unless there
/// is no room for it: what leaves is no longer than what came, or than the bound where that is
/// more.
pub fn rewrite_tracestate(
    text: &str,
    threshold: Option<Threshold>,
    randomness: Option<Randomness>,
) -> String {
    let read = members(text);
    let is_refused = read.is_none();
    let members = read.unwrap_or_default();
    let entry = members.iter().find(|member| member.key == "ot");
    let mut list = Vec::new();
    if let Some(digits) = threshold.and_then(Threshold::to_hex) {
        list.push(format!("th:{digits}"));
    }
    let has = || entry.into_iter().flat_map(|member| fields(member.value));
    // Before all that may have no room: a threshold is nothing without it.
    let stated = has().filter(|(key, _)| *key == "rv").last();
    let stated = stated.map(|(_, digits)| digits.to_owned());
    if let Some(digits) = randomness.map(Randomness::to_hex).or(stated) {
        list.push(format!("rv:{digits}"));
    }
    for (key, value) in has() {
        if key != "th" && key != "rv" {
            list.push(format!("{key}:{value}"));
        }
    }
    let mut own = list.join(";");
    while own.len() > ENTRY_BYTES_MAX {
        let Some(cut) = own.rfind(';') else { break };
        own.truncate(cut);
    }
    let is_same = entry.map_or(own.is_empty(), |member| same_fields(member.value, &own));
    if is_same && !is_refused {
        return text.to_owned();
    }
    let first = if own.is_empty() { String::new() } else { format!("ot={own}") };
    let others = members.iter().filter(|member| member.key != "ot").map(|member| member.text);
    joined(&first, others.collect(), TRACESTATE_BYTES_MAX.max(text.len()))
}

/// Whether two entries say the same, in whatever order.
fn same_fields(one: &str, other: &str) -> bool {
    let sorted = |text| {
        let mut list: Vec<(&str, &str)> = fields(text).collect();
        list.sort_unstable();
        list
    };
    sorted(one) == sorted(other)
}

/// Joins members within the bounds. What does not fit leaves as W3C asks: long members first,
/// then from the right.
fn joined<'a>(first: &'a str, mut others: Vec<&'a str>, bytes_max: usize) -> String {
    let has_first = usize::from(!first.is_empty());
    let bytes = |others: &[&str]| {
        let members = others.len() + has_first;
        first.len() + others.iter().map(|text| text.len()).sum::<usize>() + members.max(1) - 1
    };
    while bytes(&others) > bytes_max || others.len() + has_first > TRACESTATE_MEMBERS_MAX {
        match others.iter().rposition(|text| text.len() > MEMBER_LONG_BYTES) {
            Some(long) => drop(others.remove(long)),
            None if others.pop().is_none() => break,
            None => {}
        }
    }
    if has_first == 1 {
        others.insert(0, first);
    }
    others.join(",")
}

/// One member of a tracestate.
pub(crate) struct Member<'a> {
    /// As it stands.
    text: &'a str,
    /// Before its first `=`.
    pub(crate) key: &'a str,
    /// Behind it.
    pub(crate) value: &'a str,
}

/// The members of a tracestate; `None` where it breaks the rules, which bound members and not the
/// whole. Of equal keys the first counts
/// and the others stay; empty members say nothing.
pub(crate) fn members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut members = Vec::new();
    for part in text.split(',') {
        let part = part.trim_matches([' ', '\t']);
        if part.is_empty() {
            continue;
        }
        let (key, value) = part.split_once('=')?;
        if members.len() == TRACESTATE_MEMBERS_MAX || !is_key(key) || !is_value(value) {
            return None;
        }
        members.push(Member { text: part, key, value });
    }
    Some(members)
}

fn is_key(key: &str) -> bool {
    let starts = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.len() <= 256
        && key.bytes().next().is_some_and(starts)
        && key.bytes().all(|byte| starts(byte) || b"_-*/@".contains(&byte))
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !b",=".contains(&byte))
        && !value.ends_with(' ')
}

/// The fields of OpenTelemetry's entry; nothing where one of them breaks the rules.
fn fields(value: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_name = |key: &str| {
        key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_content = |value: &str| {
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let list: Option<Vec<(&str, &str)>> = value
        .split(';')
        .map(|field| field.split_once(':').filter(|(k, v)| is_name(k) && is_content(v)))
        .collect();
    list.unwrap_or_default().into_iter()
}
