//! JSON numbers, and numbers that OTLP/JSON writes as strings.

use super::{Json, Text};
use crate::ingest::damage::{Damage, Reason, push};

impl<'a> Json<'a> {
    /// The characters of a number.
    #[inline]
    pub(in crate::ingest) fn number_token(&mut self) -> Result<&'a [u8], Damage> {
        let start = self.pos;
        let rest = &self.data[start..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        self.pos += length;
        match rest[..length].last() {
            Some(b'0'..=b'9') => Ok(&rest[..length]),
            _ => Err(self.damage(Reason::BadNumber)),
        }
    }

    /// A whole number in plain digits, the usual case; `None`, and the cursor stays, for anything
    /// else.
    #[inline]
    pub(in crate::ingest) fn digits(&mut self) -> Option<i64> {
        self.peek();
        let rest = self.data.get(self.pos..)?;
        let (mut value, mut length) = (0_i64, 0);
        while length <= 8
            && let Some(chunk) = rest[length..].first_chunk::<8>()
            && let Some(part) = eight_digits(u64::from_le_bytes(*chunk))
        {
            value = value * 100_000_000 + part as i64;
            length += 8;
        }
        loop {
            match rest.get(length) {
                Some(&digit @ b'0'..=b'9') if length < 18 || value < 922_337_203_685_477_580 => {
                    value = value * 10 + i64::from(digit - b'0');
                    length += 1;
                }
                Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') => return None,
                _ => break,
            }
        }
        if length == 0 {
            return None;
        }
        self.pos += length;
        Some(value)
    }

    /// A number, or a string that holds one, by a reader of its characters; `None` for `null`.
    fn number<T>(
        &mut self,
        read: impl FnOnce(&[u8]) -> Option<T>,
        wrong: Reason,
    ) -> Result<Option<T>, Damage> {
        let byte = self.peek();
        let at = self.pos;
        let value = if byte == b'"' {
            let text = self.text()?;
            match text.plain() {
                Some(plain) => read(plain),
                None => read(&text.bytes()?),
            }
        } else if self.null() {
            return Ok(None);
        } else {
            read(self.number_token()?)
        };
        value.map(Some).ok_or_else(|| Damage::new(at, wrong))
    }

    /// A signed whole number; `null` counts as 0.
    pub(in crate::ingest) fn integer(&mut self) -> Result<i64, Damage> {
        Ok(self.number(integer_of, Reason::NotInteger)?.unwrap_or(0))
    }

    /// An unsigned whole number; `null` counts as 0.
    pub(in crate::ingest) fn unsigned(&mut self) -> Result<u64, Damage> {
        Ok(self.number(unsigned_of, Reason::NotInteger)?.unwrap_or(0))
    }

    /// A floating-point number; `"NaN"`, `"Infinity"` and `"-Infinity"` count, as in proto3 JSON.
    pub(in crate::ingest) fn float(&mut self) -> Result<f64, Damage> {
        let read = |token: &[u8]| match token {
            b"NaN" => Some(f64::NAN),
            b"Infinity" => Some(f64::INFINITY),
            b"-Infinity" => Some(f64::NEG_INFINITY),
            token => float_of(token),
        };
        Ok(self.number(read, Reason::BadNumber)?.unwrap_or(0.0))
    }

    /// A list of numbers.
    pub(in crate::ingest) fn numbers<T>(
        &mut self,
        out: &mut Vec<T>,
        read: impl Fn(&mut Self) -> Result<T, Damage>,
    ) -> Result<(), Damage> {
        let mut members = self.array()?;
        while self.element(&mut members)? {
            let number = read(self)?;
            push(out, number, self.pos)?;
        }
        Ok(())
    }

    /// An enumeration: its number, or its name as proto3 JSON also allows.
    pub(in crate::ingest) fn enumeration(&mut self, names: &[&str]) -> Result<i64, Damage> {
        if self.peek() != b'"' {
            return self.integer();
        }
        let text: Text<'a> = self.text()?;
        let name = text.bytes()?;
        if let Some(number) = names.iter().position(|known| known.as_bytes() == &*name) {
            return Ok(number as i64);
        }
        integer_of(&name).ok_or_else(|| Damage::new(text.at(), Reason::NotInteger))
    }
}

/// The value of a decimal whole number; one with a fraction or exponent must still be whole.
#[inline]
pub(in crate::ingest) fn integer_of(token: &[u8]) -> Option<i64> {
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let Some(value) = digits_of(digits) else {
        return whole(token)
            .and_then(|whole| (I64_LEAST..-I64_LEAST).contains(&whole).then_some(whole as i64));
    };
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// The value of an unsigned decimal whole number.
#[inline]
pub(in crate::ingest) fn unsigned_of(token: &[u8]) -> Option<u64> {
    digits_of(token).or_else(|| {
        whole(token)
            .filter(|whole| (0.0..-2.0 * I64_LEAST).contains(whole))
            .map(|whole| whole as u64)
    })
}

/// The value of 1 to 20 digits; `None` for anything else.
#[inline]
fn digits_of(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    let (mut value, mut rest) = (0_u64, digits);
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let part = eight_digits(u64::from_le_bytes(*chunk))?;
        value = value.checked_mul(100_000_000)?.checked_add(part)?;
        rest = after;
    }
    for &digit in rest {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    Some(value)
}

/// Eight digits at once: pairs, then fours, then all, each by one multiplication.
#[inline]
fn eight_digits(chunk: u64) -> Option<u64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let digits = chunk.wrapping_sub(ZEROS);
    let too_big = chunk.wrapping_add(0x4646_4646_4646_4646);
    if (digits | too_big) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    Some(low.wrapping_add(high) >> 32)
}

/// -2^63, which a double holds exactly.
const I64_LEAST: f64 = i64::MIN as f64;

fn whole(token: &[u8]) -> Option<f64> {
    float_of(token).filter(|value| value.fract() == 0.0)
}

/// The value of a JSON number.
pub(super) fn float_of(token: &[u8]) -> Option<f64> {
    let starts_well = matches!(token, [b'-', b'0'..=b'9', ..] | [b'0'..=b'9', ..]);
    starts_well
        .then(|| std::str::from_utf8(token).ok()?.parse().ok())
        .flatten()
        .filter(|value: &f64| value.is_finite())
}
