//! Values of the rules language as the engine computes with them.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::metric::HistogramPoint;

/// One value: an attribute, a group key, a result.
///
/// Values order totally ([`Value::cmp`]): by kind first, then by content; floats by
/// `f64::total_cmp`. Two values are equal iff that order says so, so that a group key with a
/// NaN is still one group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum Value {
    /// Absent.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text; an enumeration's member is its name.
    Str(Arc<str>),
    /// Bytes, ids among them.
    Bytes(Arc<[u8]>),
    /// A span of time in nanoseconds.
    Duration(i64),
    /// A point in time, nanoseconds since the Unix epoch.
    Time(i64),
    /// A size in bytes.
    Size(i64),
    /// A ratio; 0.05 prints as `5%`.
    Ratio(f64),
    /// A list.
    List(Arc<[Value]>),
    /// A map, sorted by key, keys unique.
    Map(Arc<[(Arc<str>, Value)]>),
    /// The distribution held by one histogram data point.
    Histogram(Arc<HistogramPoint>),
}

impl Value {
    /// Whether the value is absent.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A text value.
    pub fn str(text: &str) -> Self {
        Self::Str(Arc::from(text))
    }

    /// A map value: sorts by key; of equal keys the last one wins, as in JSON.
    pub fn map(mut entries: Vec<(Arc<str>, Value)>) -> Self {
        entries.reverse();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
        Self::Map(entries.into())
    }

    /// The number in this value, whatever its unit: nanoseconds, bytes, a plain ratio.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Int(v) | Self::Duration(v) | Self::Time(v) | Self::Size(v) => Some(v as f64),
            Self::Float(v) | Self::Ratio(v) => Some(v),
            _ => None,
        }
    }

    /// Bytes that values hold, with those of what they point to: what several hold counts for each.
    pub fn bytes_of(values: &[Self]) -> usize {
        values.iter().map(|value| size_of::<Self>() + value.pointed_bytes()).sum()
    }

    /// Bytes of what it points to.
    pub(crate) fn pointed_bytes(&self) -> usize {
        match self {
            Self::Str(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => Self::bytes_of(items),
            Self::Map(entries) => {
                let own = size_of::<(Arc<str>, Self)>();
                entries.iter().map(|(key, value)| own + key.len() + value.pointed_bytes()).sum()
            }
            Self::Histogram(point) => point.bytes(),
            _ => 0,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Float(_) => 3,
            Self::Str(_) => 4,
            Self::Bytes(_) => 5,
            Self::Duration(_) => 6,
            Self::Time(_) => 7,
            Self::Size(_) => 8,
            Self::Ratio(_) => 9,
            Self::List(_) => 10,
            Self::Map(_) => 11,
            Self::Histogram(_) => 12,
        }
    }

    /// Appends the canonical key encoding: equal values give equal bytes, and no encoding is a
    /// prefix of another. It is the identity of groups across workers and in snapshots.
    pub fn encode_key(&self, out: &mut Vec<u8>) {
        out.push(self.rank());
        match self {
            Self::Null => {}
            Self::Bool(v) => out.push(u8::from(*v)),
            Self::Int(v) | Self::Duration(v) | Self::Time(v) | Self::Size(v) => {
                out.extend_from_slice(&v.to_be_bytes());
            }
            Self::Float(v) | Self::Ratio(v) => out.extend_from_slice(&v.to_bits().to_be_bytes()),
            Self::Str(v) => encode_slice(v.as_bytes(), out),
            Self::Bytes(v) => encode_slice(v, out),
            Self::List(items) => {
                encode_len(items.len(), out);
                items.iter().for_each(|item| item.encode_key(out));
            }
            Self::Map(entries) => {
                encode_len(entries.len(), out);
                for (key, value) in entries.iter() {
                    encode_slice(key.as_bytes(), out);
                    value.encode_key(out);
                }
            }
            Self::Histogram(point) => point.encode_key(out),
        }
    }
}

fn encode_len(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(len as u32).to_be_bytes());
}

fn encode_slice(bytes: &[u8], out: &mut Vec<u8>) {
    encode_len(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// How a whole number compares with a float, without rounding: not every one is a float. What is
/// no number lies outside of all, as in the total order of floats.
pub(crate) fn int_to_float(a: i64, b: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() {
        return if b.is_sign_negative() { Ordering::Greater } else { Ordering::Less };
    }
    if b >= BEYOND {
        return Ordering::Less;
    }
    if b < -BEYOND {
        return Ordering::Greater;
    }
    a.cmp(&(b.trunc() as i64))
        .then_with(|| 0.0_f64.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal))
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b))
            | (Self::Duration(a), Self::Duration(b))
            | (Self::Time(a), Self::Time(b))
            | (Self::Size(a), Self::Size(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) | (Self::Ratio(a), Self::Ratio(b)) => a.total_cmp(b),
            // Equal texts are mostly one text, from the symbols of a worker.
            (Self::Str(a), Self::Str(b)) if Arc::ptr_eq(a, b) => Ordering::Equal,
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            (Self::Histogram(a), Self::Histogram(b)) => a.total_cmp(b),
            // By what they are, then as keys are told apart: 1 lies beside 1.0.
            (Self::Int(a), Self::Float(b)) => int_to_float(*a, *b).then(Ordering::Less),
            (Self::Float(a), Self::Int(b)) => int_to_float(*b, *a).then(Ordering::Less).reverse(),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}
