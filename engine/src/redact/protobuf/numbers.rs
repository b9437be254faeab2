//! Numbers of OTLP in protobuf that are a card's.

use super::{DOUBLE, FIXED64, INT, VARINT, varint};
use crate::redact::policy::Policy;

/// Whether a number of a kind is a card's.
pub(super) fn is_card(policy: &Policy, kind: u32, bits: u64) -> bool {
    match kind {
        INT => policy.finder.is_card(bits),
        DOUBLE => policy.finder.is_card_double(f64::from_bits(bits)),
        _ => false,
    }
}

/// Whether a number in a frame may be a card's: the tag of `int_value`, and a varint of the right
/// size, or the tag of `double_value`, and a whole number.
pub(super) fn may_hold_card(policy: &Policy, bytes: &[u8]) -> bool {
    /// Bytes of a varint of 13 digits.
    const CARD_BYTES_MIN: usize = 6;
    const INT_TAG: u8 = (INT << 3 | VARINT) as u8;
    const DOUBLE_TAG: u8 = (DOUBLE << 3 | FIXED64) as u8;
    memchr::memchr2_iter(INT_TAG, DOUBLE_TAG, bytes).any(|at| {
        let rest = &bytes[at + 1..];
        if bytes[at] == INT_TAG {
            return varint(rest).is_some_and(|(value, length)| {
                length >= CARD_BYTES_MIN && policy.finder.is_card(value)
            });
        }
        let double = rest.first_chunk().map(|bits| u64::from_le_bytes(*bits));
        double.is_some_and(|bits| is_card(policy, DOUBLE, bits))
    })
}
