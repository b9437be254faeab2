//! Ids in hexadecimal digits.

use super::damage::{Damage, Reason};

/// The value of a character, and whether it is no digit.
#[inline]
fn digit_of(character: u8) -> (u8, bool) {
    let (digit, letter) = (character.wrapping_sub(b'0'), (character | 0x20).wrapping_sub(b'a'));
    let value = if digit < 10 { digit } else { letter.wrapping_add(10) };
    (value, digit >= 10 && letter >= 6)
}

/// Characters of the longest id.
const DIGITS_MAX: usize = 32;

/// The bytes of exactly `2 * N` digits of any case; `None` for anything else.
#[inline]
pub(super) fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N || 2 * N > DIGITS_MAX {
        return None;
    }
    // Without branches or tables, and as many characters whatever the id, so that they are worked
    // on at once.
    let mut text = [b'0'; DIGITS_MAX];
    text[..2 * N].copy_from_slice(digits);
    let (mut values, mut is_bad) = ([0; DIGITS_MAX], false);
    for (value, character) in values.iter_mut().zip(text) {
        let (digit, is_other) = digit_of(character);
        *value = digit;
        is_bad |= is_other;
    }
    let mut id = [0; N];
    for (byte, pair) in id.iter_mut().zip(values.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    (!is_bad).then_some(id)
}

/// The bytes of at most `2 * N` digits, padded with zeros on the left.
fn decode_padded<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() > 2 * N {
        return None;
    }
    let mut id = [0; N];
    for (i, &digit) in digits.iter().rev().enumerate() {
        let (value, is_other) = digit_of(digit);
        if is_other {
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
        for character in 0..=u8::MAX {
            let value = char::from(character).to_digit(16).map(|value| [value as u8]);
            assert_eq!(decode::<1>(&[b'0', character]), value, "{character}");
        }
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
