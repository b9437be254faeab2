//! Ids in hexadecimal digits.

use super::damage::{Damage, Reason};

/// The value of each character, 0x80 for those that are no digit.
const DIGITS: [u8; 256] = {
    let mut table = [0x80; 256];
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i as usize] = i;
        i += 1;
    }
    let mut i = 0;
    while i < 6 {
        table[b'a' as usize + i as usize] = 10 + i;
        table[b'A' as usize + i as usize] = 10 + i;
        i += 1;
    }
    table
};

/// The bytes of exactly `2 * N` digits of any case; `None` for anything else.
#[inline]
pub(super) fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let (mut id, mut bad) = ([0; N], 0);
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (DIGITS[pair[0] as usize], DIGITS[pair[1] as usize]);
        bad |= high | low;
        *byte = high << 4 | low & 0x0f;
    }
    (bad & 0x80 == 0).then_some(id)
}

/// The bytes of at most `2 * N` digits, padded with zeros on the left.
fn decode_padded<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() > 2 * N {
        return None;
    }
    let mut id = [0; N];
    for (i, &digit) in digits.iter().rev().enumerate() {
        let value = DIGITS[digit as usize];
        if value & 0x80 != 0 {
            return None;
        }
        id[N - 1 - i / 2] |= value << (4 * (i % 2));
    }
    Some(id)
}

/// The small digits of an id.
pub(super) fn encode(id: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    id.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A trace id of at most 32 digits, padded with zeros on the left.
///
/// # Errors
/// Damage at `at` for more digits or other characters.
pub(super) fn trace_id(digits: &[u8], at: usize) -> Result<[u8; 16], Damage> {
    padded(digits, at, Reason::TraceIdLength)
}

/// A span id of at most 16 digits, as [`trace_id`].
///
/// # Errors
/// As [`trace_id`].
pub(super) fn span_id(digits: &[u8], at: usize) -> Result<[u8; 8], Damage> {
    padded(digits, at, Reason::SpanIdLength)
}

fn padded<const N: usize>(digits: &[u8], at: usize, length: Reason) -> Result<[u8; N], Damage> {
    if digits.len() > 2 * N {
        return Err(Damage::new(at, length));
    }
    decode(digits).or_else(|| decode_padded(digits)).ok_or_else(|| Damage::new(at, Reason::NotHex))
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_padded};

    #[test]
    fn digits_of_any_case_are_read_and_others_refused() {
        assert_eq!(decode::<2>(b"0aFf"), Some([0x0a, 0xff]));
        assert_eq!(decode::<2>(b"0aFg"), None);
        assert_eq!(decode::<2>(b"0aF"), None);
    }

    #[test]
    fn short_ids_are_padded_on_the_left() {
        assert_eq!(decode_padded::<4>(b"abc"), Some([0, 0, 0x0a, 0xbc]));
        assert_eq!(decode_padded::<2>(b""), Some([0, 0]));
        assert_eq!(decode_padded::<1>(b"abc"), None);
        assert_eq!(decode_padded::<2>(b"-1"), None);
    }
}
