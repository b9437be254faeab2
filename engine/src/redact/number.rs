//! Card numbers, US social security numbers, IBANs, telephone numbers.
//!
//! Invariant: a hit has the form and, where there is one, the check digits of its kind; digits of a
//! longer number, an id or a fraction are none. Knows bytes, not where they stand in a frame.

use super::escape::{self, joins};
use super::find::{Look, at, before, run, run_back};

/// Digits of a card number.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Groups in which card numbers are written.
const CARD_GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];

/// Hexadecimal digits from which a word of them is an id, which a number in it is part of.
const ID_DIGITS_MIN: usize = 16;

/// Letters and digits on one side of a number, from which it is part of a long id, whatever comes
/// behind them.
const ID_SIDE_BYTES_MAX: usize = 128;

/// Digits of an international telephone number (ITU-T E.164), country code included.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// Digits from which a number that is written in one run has no more groups: what follows it is a
/// time or a count.
const WHOLE_NUMBER_DIGITS: usize = 10;

/// Digits of a North American number with its country code.
const AMERICAN_DIGITS: usize = 11;

/// Where the digits at a place end.
pub(super) fn run_end(text: &[u8], start: usize) -> usize {
    run(text, start, |byte| byte.is_ascii_digit())
}

/// Where the digits before a place begin.
pub(super) fn run_start(text: &[u8], end: usize) -> usize {
    run_back(text, end, usize::MAX, |byte| byte.is_ascii_digit())
}

/// The first run from a place on of as many digits as a card number has at least; before the
/// place stands no digit.
///
/// One byte in thirteen is looked at where it is no digit (as Boyer and Moore do, 1977).
pub(super) fn long_run(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let length = *CARD_DIGITS.start();
    let mut start = from;
    while let Some(window) = text.get(start..start + length) {
        match window.iter().rposition(|byte| !byte.is_ascii_digit()) {
            Some(other) => start += other + 1,
            None => return Some((start, run_end(text, start + length))),
        }
    }
    None
}

/// The first card number of a frame in one run of digits; `run` is its first long run.
pub(super) fn long_card(text: &[u8], run: (usize, usize), look: Look) -> Option<(usize, usize)> {
    let mut next = Some(run);
    while let Some((start, end)) = next {
        let found = behind_escapes(text, (start, end), |from| card(text, from, end, look));
        if found.is_some() {
            return found;
        }
        next = long_run(text, end);
    }
    None
}

/// What is found in digits up to `end`; their first ones may be an escape's, as in
/// `%2010.1.2.3`.
pub(super) fn behind_escapes<T>(
    text: &[u8],
    (start, end): (usize, usize),
    find: impl Fn(usize) -> Option<T>,
) -> Option<T> {
    let mut from = start;
    loop {
        let found = find(from);
        if found.is_some() {
            return found;
        }
        let behind = escape::end_around(text, from);
        if behind <= from || behind >= end {
            return None;
        }
        from = behind;
    }
}

/// Whether a number is a card's.
pub(super) fn is_card_number(value: u64) -> bool {
    if value < 1_000_000_000_000 {
        return false;
    }
    let (mut digits, mut count, mut rest) = ([0; 20], 0, value);
    while rest > 0 {
        digits[19 - count] = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
    }
    is_card(&digits[20 - count..])
}

/// A double as a whole number of so many digits as a card's has, if it is one.
pub(super) fn whole(value: f64) -> Option<u64> {
    /// From here on doubles skip whole numbers.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    let is_whole = (1e12..=WHOLE_MAX).contains(&value) && value.fract() == 0.0;
    is_whole.then_some(value as u64)
}

/// Whether digits are a card number: an issuer's prefix with its lengths, and the check digit of
/// Luhn's formula (ISO/IEC 7812-1, annex B).
fn is_card(digits: &[u8]) -> bool {
    let count = digits.len();
    if !CARD_DIGITS.contains(&count) {
        return false;
    }
    let first_two = (digits[0] - b'0') * 10 + (digits[1] - b'0');
    let fits = match first_two {
        22..=27 | 51..=55 => count == 16,
        34 | 37 => count == 15,
        30 | 36 | 38 | 39 => count >= 14,
        35 => count >= 16,
        40..=49 => matches!(count, 13 | 16 | 19),
        50 | 56..=69 => true,
        _ => false,
    };
    fits && has_check_digit(digits)
}

fn has_check_digit(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match (place % 2, digit) {
                (0, _) => digit,
                (_, 0..=4) => 2 * digit,
                _ => 2 * digit - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A card number in one run or in groups.
pub(super) fn card(text: &[u8], start: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    let digits = &text[start..end];
    match look {
        Look::Value | Look::Text if digits.len() >= *CARD_DIGITS.start() => {
            (is_card(digits) && !is_fraction(text, start) && !is_id(text, start, end))
                .then_some((start, end))
        }
        Look::Bytes if has_card(digits) => Some((start, end)),
        Look::Value if digits.len() == 4 => card_groups(text, start, look),
        Look::Text | Look::Bytes if digits.len() >= 4 => card_groups(text, end - 4, look),
        _ => None,
    }
}

/// Whether some of the digits are a card number. In a frame of bytes the length before a value,
/// and the tag, the length and the bytes of what follows it, may be digits too: attributes of 48
/// bytes behind a body end it with `20`.
fn has_card(digits: &[u8]) -> bool {
    let longest = *CARD_DIGITS.end();
    (0..digits.len()).any(|from| {
        let rest = &digits[from..digits.len().min(from + longest)];
        CARD_DIGITS.take_while(|count| *count <= rest.len()).any(|count| is_card(&rest[..count]))
    })
}

fn card_groups(text: &[u8], start: usize, look: Look) -> Option<(usize, usize)> {
    // A blank in a form is a `+`.
    let is_plus = at(text, start + 4) == b'+';
    let joint = if is_plus { b"+" } else { escape::joint(text, start + 4)? };
    CARD_GROUPS.iter().find_map(|groups| {
        let (mut digits, mut count, mut place) = ([0; 19], 0, start);
        for (index, &group) in groups.iter().enumerate() {
            if index > 0 {
                if !text[place..].starts_with(joint) {
                    return None;
                }
                place += joint.len();
            }
            let part = text.get(place..place + group)?;
            if !part.iter().all(u8::is_ascii_digit) {
                return None;
            }
            digits[count..count + group].copy_from_slice(part);
            count += group;
            place += group;
        }
        let ends = !look.is_value() || !at(text, place).is_ascii_digit();
        (ends && is_card(&digits[..count])).then_some((start, place))
    })
}

/// Whether digits stand behind the point of a number.
fn is_fraction(text: &[u8], start: usize) -> bool {
    before(text, start) == b'.' && start > 1 && before(text, start - 1).is_ascii_digit()
}

/// Whether digits are part of a hexadecimal id.
fn is_id(text: &[u8], start: usize, end: usize) -> bool {
    let least = start.saturating_sub(ID_SIDE_BYTES_MAX);
    let most = text.len().min(end + ID_SIDE_BYTES_MAX);
    let mut from = start;
    // The letter of `\f4111…` is not the value's.
    while from > least && joins(text, from) {
        from -= 1;
    }
    // `%B4111…`: the start of what is on a card's stripe.
    let is_stripe = before(text, from) == b'%';
    let to = run(&text[..most], end, |byte| byte.is_ascii_alphanumeric());
    let word = &text[from..to];
    !is_stripe
        && word.len() >= ID_DIGITS_MIN
        && word.len() > end - start
        && word.iter().all(u8::is_ascii_hexdigit)
}

/// A US social security number, `123-45-6789`: no area 000, 666 or from 900, no group 00, no
/// serial number 0000.
pub(super) fn ssn(text: &[u8], start: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    let from = end.checked_sub(3).filter(|from| *from >= start)?;
    let joint = escape::joint(text, end)?;
    let (second, third) = (end + joint.len(), end + 2 * joint.len() + 2);
    let to = third + 4;
    let (area, group, serial) =
        (&text[from..end], text.get(second..second + 2)?, text.get(third..to)?);
    let fits = text[second + 2..third] == *joint
        && [area, group, serial].into_iter().flatten().all(u8::is_ascii_digit);
    if !fits || area == b"000" || area == b"666" || area[0] == b'9' {
        return None;
    }
    if group == b"00" || serial == b"0000" {
        return None;
    }
    if look.is_value() {
        let tail = at(text, to);
        let is_longer = joins(text, from) || matches!(before(text, from), b'-' | b'.');
        let goes_on =
            tail.is_ascii_alphanumeric() || (tail == b'-' && at(text, to + 1).is_ascii_digit());
        if from != start || is_longer || goes_on {
            return None;
        }
    }
    Some((from, to))
}

/// (country, characters of an account number in it), from the IBAN registry (ISO 13616).
const IBAN_LENGTHS: [(&[u8; 2], usize); 84] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
];

/// An IBAN, in one run or in groups of four, whose remainder modulo 97 is 1.
pub(super) fn iban(text: &[u8], start: usize, _end: usize, look: Look) -> Option<(usize, usize)> {
    let from = start.checked_sub(2)?;
    let country = text.get(from..start)?;
    let (_, length) = IBAN_LENGTHS.iter().find(|(known, _)| known[..] == *country)?;
    let (mut letters, mut count, mut place) = ([0; 34], 0, from);
    while count < *length {
        match at(text, place) {
            b' ' if count % 4 == 0 && count > 0 => place += 1,
            byte if byte.is_ascii_uppercase() || byte.is_ascii_digit() => {
                letters[count] = byte;
                count += 1;
                place += 1;
            }
            _ => return None,
        }
    }
    let is_alone =
        !look.is_value() || !(joins(text, from) || at(text, place).is_ascii_alphanumeric());
    (is_alone && remainder(&letters[..count]) == 1).then_some((from, place))
}

/// The remainder modulo 97 (ISO/IEC 7064) of an account number, country and check digits last.
fn remainder(letters: &[u8]) -> u32 {
    let (head, rest) = letters.split_at(4);
    rest.iter().chain(head).fold(0, |remainder, &letter| match letter {
        b'0'..=b'9' => (remainder * 10 + u32::from(letter - b'0')) % 97,
        _ => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
    })
}

/// A telephone number.
pub(super) fn phone(text: &[u8], start: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    if before(text, start) == b'+' {
        return international(text, (start - 1, start), look);
    }
    let from = match look {
        Look::Value => start,
        Look::Text | Look::Bytes => end.checked_sub(3).filter(|from| *from >= start)?,
    };
    north_american(text, from, end, look)
}

/// `+` and the digits from `start` on, alone or in groups: as many groups as a number can have.
pub(super) fn international(
    text: &[u8],
    (plus, start): (usize, usize),
    look: Look,
) -> Option<(usize, usize)> {
    if at(text, start) == b'0' || (look.is_value() && joins(text, plus)) {
        return None;
    }
    let (mut count, mut place, mut found) = (0, start, None);
    loop {
        let rest = &text[..text.len().min(place + *PHONE_DIGITS.end() + 1)];
        let end = run_end(rest, place);
        count += end - place;
        // In a frame, a tag that is a digit may stand behind it.
        if !look.is_value() && count >= *PHONE_DIGITS.start() {
            return Some((plus, end));
        }
        if count > *PHONE_DIGITS.end() {
            return found;
        }
        if count >= *PHONE_DIGITS.start() {
            found = Some((plus, end));
        }
        let is_whole = end - start >= WHOLE_NUMBER_DIGITS && place == start;
        let is_american = text[start] == b'1' && count == AMERICAN_DIGITS;
        place = behind_joints(text, end);
        let ends = is_whole || is_american || place == end || !at(text, place).is_ascii_digit();
        if ends || (found.is_some() && is_date(text, place)) {
            return found;
        }
    }
}

/// Whether a date begins at a place: `2024-05-01`.
fn is_date(text: &[u8], place: usize) -> bool {
    text.get(place..place + 10).is_some_and(|date| {
        date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    })
}

/// Behind the joints at a place, of which there are two at most, as in `) `.
fn behind_joints(text: &[u8], end: usize) -> usize {
    (0..2).fold(end, |place, _| {
        let length = match at(text, place) {
            b'.' | b'(' | b')' => 1,
            _ => escape::joint(text, place).map_or(0, <[u8]>::len),
        };
        place + length
    })
}

/// `212-555-0123`, `(212) 555-0123`, `212.555.0123` (NANP: area and exchange begin with 2 to 9).
fn north_american(text: &[u8], from: usize, end: usize, look: Look) -> Option<(usize, usize)> {
    let in_brackets = before(text, from) == b'(' && at(text, end) == b')';
    let (start, mut place) = if in_brackets { (from - 1, end + 1) } else { (from, end) };
    if in_brackets && at(text, place) == b' ' {
        place += 1;
    } else if !in_brackets {
        if !matches!(at(text, place), b'-' | b'.' | b' ') {
            return None;
        }
        place += 1;
    }
    let rest = text.get(place..place + 8)?;
    let joint = rest[3];
    let fits = end - from == 3
        && (b'2'..=b'9').contains(&text[from])
        && (b'2'..=b'9').contains(&rest[0])
        && matches!(joint, b'-' | b'.' | b' ')
        && (in_brackets || joint == text[end])
        && [1, 2, 4, 5, 6, 7].into_iter().all(|at| rest[at].is_ascii_digit());
    if !fits {
        return None;
    }
    if look.is_value() {
        let (head, tail) = (before(text, start), at(text, place + 8));
        let goes_on = tail.is_ascii_alphanumeric()
            || (matches!(tail, b'-' | b'.') && at(text, place + 9).is_ascii_digit());
        if joins(text, start) || matches!(head, b'.' | b'-') && start > 1 || goes_on {
            return with_country(text, start).filter(|_| !goes_on).map(|from| (from, place + 8));
        }
    }
    Some((start, place + 8))
}

/// The start of `1-` before a North American number.
fn with_country(text: &[u8], start: usize) -> Option<usize> {
    let from = start.checked_sub(2)?;
    let is_one = text[from] == b'1' && matches!(text[from + 1], b'-' | b'.' | b' ');
    (is_one && !joins(text, from)).then_some(from)
}
