//! Ids in hexadecimal digits.

use super::damage::{Damage, Reason};

/// The value of a character, and whether it is no digit.
#[inline]
fn digit_of(character: u8) -> (u8, bool) {
    let (digit, letter) = (character.wrapping_sub(b'0'), (character | 0x20).wrapping_sub(b'a'));
    let value = if digit < 10 { digit } else { letter.wrapping_add(10) };
    (value, digit >= 10 && letter >= 6)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes that are at least so much, of bytes below 128.
#[inline]
fn at_least(bytes: u64, least: u8) -> u64 {
    (bytes | HIGHS).wrapping_sub(ONES * u64::from(least))
}

/// The four bytes of eight digits, the first one lowest, and marks of those that are digits. By
/// words, as what the compiler made of a loop over characters was ten times as much now and then.
#[inline]
fn eight_digits(text: u64) -> (u32, u64) {
    let small = text | (ONES * 0x20);
    let is_digit = at_least(text, b'0') & !at_least(text, b'9' + 1);
    let is_letter = at_least(small, b'a') & !at_least(small, b'f' + 1) & HIGHS;
    let is_good = (is_digit | is_letter) & !text & HIGHS;
    let values = (text & (ONES * 0x0f)) + (is_letter >> 7) * 9;
    let pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    ((fours | fours >> 16) as u32, is_good)
}

/// The bytes of exactly `2 * N` digits of any case; `None` for anything else.
#[inline]
pub(super) fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let (mut id, mut is_good) = ([0; N], HIGHS);
    let words = digits.as_chunks::<8>().0;
    for (at, four) in id.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (value, good) = eight_digits(u64::from_le_bytes(words[at]));
        *four = value.to_le_bytes();
        is_good &= good;
    }
    for at in N / 4 * 4..N {
        let [(high, is_bad), (low, is_worse)] = [digits[2 * at], digits[2 * at + 1]].map(digit_of);
        id[at] = high << 4 | low;
        is_good = if is_bad || is_worse { 0 } else { is_good };
    }
    (is_good == HIGHS).then_some(id)
}

/// The bytes of exactly `2 * N` digits that a quote follows.
#[inline]
pub(super) fn before_quote<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digits = text.get(..2 * N)?;
    if text.get(2 * N) == Some(&b'"') { decode(digits) } else { None }
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
    fn words_of_digits_are_read_as_single_ones_are() {
        assert_eq!(decode::<5>(b"0123456789"), Some([0x01, 0x23, 0x45, 0x67, 0x89]));
        assert_eq!(decode::<4>(b"abCDef09"), Some([0xab, 0xcd, 0xef, 0x09]));
        for character in 0..=u8::MAX {
            for at in 0..8 {
                let mut text = *b"f0A9b3c7";
                text[at] = character;
                let digits = text.map(|digit| char::from(digit).to_digit(16));
                let pairs = digits.as_chunks::<2>().0.iter();
                let bytes: Option<Vec<u8>> =
                    pairs.map(|[high, low]| Some(((*high)? << 4 | (*low)?) as u8)).collect();
                assert_eq!(decode::<4>(&text).map(Vec::from), bytes, "{character} at {at}");
            }
        }
    }

    #[test]
    fn short_ids_are_padded_on_the_left() {
        assert_eq!(decode_padded::<4>(b"abc"), Some([0, 0, 0x0a, 0xbc]));
        assert_eq!(decode_padded::<2>(b""), Some([0, 0]));
        assert_eq!(decode_padded::<1>(b"abc"), None);
        assert_eq!(decode_padded::<2>(b"-1"), None);
    }
}
