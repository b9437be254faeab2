//! Thresholds and randomness of consistent probability sampling.
//!
//! An item is kept iff its randomness is at least the threshold, both 56 bits. Source:
//! OpenTelemetry, "`TraceState`: Probability Sampling" and "`TraceState` Handling".

use serde::{Deserialize, Serialize};

/// 2^56: one more than the largest randomness.
const WHOLE: u64 = 1 << 56;

/// Hex digits of 56 bits.
const DIGITS: u32 = 14;

/// Hex digits to which a threshold is rounded beside its leading `f`s or `0`s, as samplers of
/// OpenTelemetry do by default, so that equal percentages are equal thresholds everywhere.
const PRECISION: u32 = 4;

/// How many of 2^56 are dropped: a rejection threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Threshold(u64);

impl Threshold {
    /// Keeps everything; `th:0`.
    pub const ALWAYS: Self = Self(0);

    /// Keeps nothing. It has no text: what is dropped carries nothing.
    pub const NEVER: Self = Self(WHOLE);

    /// The threshold that keeps a share of all items. What is not above 0 keeps nothing; from 1
    /// on everything is kept; a share below 2^-56 counts as 2^-56.
    ///
    /// Rounded to the nearest of 4 hex digits behind its leading `f`s or `0`s, a half up.
    pub fn of_share(share: f64) -> Self {
        if share.is_nan() || share <= 0.0 {
            return Self::NEVER;
        }
        if share >= 1.0 {
            return Self::ALWAYS;
        }
        // Exact but for the rounding to a whole number: 2^56 only moves the exponent.
        Self::rounded(((share * WHOLE as f64).round() as u64).max(1))
    }

    /// The threshold that keeps `kept` of `all`; all of them from `kept >= all` on.
    pub fn of_fraction(kept: u64, all: u64) -> Self {
        if kept >= all {
            return Self::ALWAYS;
        }
        let share = (u128::from(kept) * u128::from(WHOLE) / u128::from(all)) as u64;
        if share == 0 { Self::NEVER } else { Self::rounded(share) }
    }

    fn rounded(kept: u64) -> Self {
        let dropped = WHOLE - kept;
        // Leading digits that say nothing: zeros of the kept share are `f`s of the threshold,
        // zeros of the threshold are its own.
        let leading = |part: u64| (part.leading_zeros().saturating_sub(8)) / 4;
        let digits = (PRECISION + leading(kept).max(leading(dropped))).min(DIGITS);
        let shift = 4 * (DIGITS - digits);
        if shift == 0 {
            return Self(dropped);
        }
        let rounded = (dropped + (1 << (shift - 1))) >> shift << shift;
        Self(rounded.min(WHOLE - (1 << shift)))
    }

    /// The value of `th`: 1 to 14 lower-case hex digits; missing ones are zeros.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.len() as u32;
        if !(1..=DIGITS).contains(&digits) {
            return None;
        }
        Some(Self(hex(text)? << (4 * (DIGITS - digits))))
    }

    /// The value of `th`, without trailing zeros; `None` for [`Threshold::NEVER`].
    pub fn to_hex(self) -> Option<String> {
        if self.0 >= WHOLE {
            return None;
        }
        let text = format!("{:014x}", self.0);
        let short = text.trim_end_matches('0');
        Some(if short.is_empty() { "0".to_owned() } else { short.to_owned() })
    }

    /// Whether an item of that randomness is kept.
    pub fn admits(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// The tighter of both: what has passed one and then the other.
    #[must_use]
    pub fn tightened(self, other: Self) -> Self {
        self.max(other)
    }

    /// The threshold that keeps one in 2^halvings of what this one keeps: the share of a share.
    #[must_use]
    pub fn halved(self, halvings: u8) -> Self {
        Self(WHOLE - (WHOLE - self.0).checked_shr(halvings.into()).unwrap_or(0))
    }

    /// The share of items that is kept, 0 to 1.
    pub fn share(self) -> f64 {
        (WHOLE - self.0) as f64 / WHOLE as f64
    }

    /// How many items each kept one stands for: 2^56 / (2^56 − threshold), the nearest float;
    /// 0 for [`Threshold::NEVER`].
    pub fn adjusted_count(self) -> f64 {
        match WHOLE - self.0 {
            0 => 0.0,
            kept => WHOLE as f64 / kept as f64,
        }
    }
}

/// What is compared with a threshold: 56 bits, the same ones wherever an item is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Randomness(u64);

impl Randomness {
    /// The low 56 bits of a trace id, which W3C trace context (level 2) makes random.
    pub fn of_trace_id(id: [u8; 16]) -> Self {
        let low = id[8..].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        Self(low & (WHOLE - 1))
    }

    /// The high 56 bits of a 64-bit hash, for items without a trace id.
    pub fn of_hash(hash: u64) -> Self {
        Self(hash >> 8)
    }

    /// What has passed a threshold, spread over what the threshold leaves as this is over all.
    #[must_use]
    pub fn within(self, passed: Threshold) -> Self {
        let left = u128::from(WHOLE.saturating_sub(passed.0).max(1));
        let spread = ((u128::from(self.0) * left) >> (4 * DIGITS)) as u64;
        Self((passed.0 + spread).min(WHOLE - 1))
    }

    /// The value of `rv`: 14 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() as u32 == DIGITS { hex(text).map(Self) } else { None }
    }

    /// As `rv` is written.
    pub fn to_hex(self) -> String {
        format!("{:014x}", self.0)
    }
}

/// Lower-case hex digits, 14 at most.
fn hex(text: &str) -> Option<u64> {
    text.bytes().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}
