//! Numbers, ids and times as text, without the formatting machinery: a row has several of them, and
//! writing rows was a tenth of a run over sessions.
//!
//! Everything here appends ASCII to a text; a test holds it to what `format!` says.

/// Pairs of decimal digits, `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
};

/// The most digits of a number of 64 bits, and its sign.
const NUMBER_BYTES: usize = 20;

fn push_ascii(bytes: &[u8], out: &mut String) {
    out.push_str(std::str::from_utf8(bytes).unwrap_or_default());
}

/// Writes a number's last digits to the end of a buffer, at least as many as are asked for; where
/// they begin.
fn digits(mut number: u64, least: usize, buffer: &mut [u8; NUMBER_BYTES]) -> usize {
    let mut at = NUMBER_BYTES;
    while number >= 100 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    at -= 2;
    buffer[at..at + 2].copy_from_slice(&PAIRS[number as usize]);
    if number < 10 && NUMBER_BYTES - at > least {
        at += 1;
    }
    while NUMBER_BYTES - at < least {
        at -= 1;
        buffer[at] = b'0';
    }
    at
}

/// Appends a whole number.
pub fn write_int(number: i64, out: &mut String) {
    if number < 0 {
        out.push('-');
    }
    write_padded(number.unsigned_abs(), 1, out);
}

/// Appends a whole number with at least so many digits, 18 at most.
fn write_padded(number: u64, least: usize, out: &mut String) {
    let mut buffer = [0; NUMBER_BYTES];
    let at = digits(number, least, &mut buffer);
    push_ascii(&buffer[at..], out);
}

/// Appends bytes in lower-case hex.
pub fn write_hex(bytes: &[u8], out: &mut String) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    let mut buffer = [0; 32];
    for chunk in bytes.chunks(buffer.len() / 2) {
        for (pair, byte) in buffer.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        push_ascii(&buffer[..chunk.len() * 2], out);
    }
}

/// Appends a time as RFC 3339 in UTC, with as many digits of a second as it needs.
pub fn write_time(time_ns: i64, out: &mut String) {
    let (second, ns) = (time_ns.div_euclid(1_000_000_000), time_ns.rem_euclid(1_000_000_000));
    let (day, second) = (second.div_euclid(86_400), second.rem_euclid(86_400) as usize);
    let (year, month, date) = civil(day);
    // A time of 64 bits is of the years 1677 to 2262.
    write_padded(year.unsigned_abs(), 4, out);
    let mut rest = *b"-00-00T00:00:00.000000000";
    let parts = [month as usize, date as usize, second / 3_600, second / 60 % 60, second % 60];
    for (at, part) in [1, 4, 7, 10, 13].into_iter().zip(parts) {
        rest[at..at + 2].copy_from_slice(&PAIRS[part]);
    }
    let mut len = rest.len() - 10;
    if ns > 0 {
        let mut buffer = [0; NUMBER_BYTES];
        let at = digits(ns as u64, 9, &mut buffer);
        rest[len + 1..].copy_from_slice(&buffer[at..]);
        let zeros = buffer[at..].iter().rev().take_while(|digit| **digit == b'0').count();
        len = rest.len() - zeros;
    }
    push_ascii(&rest[..len], out);
    out.push('Z');
}

/// Year, month and day of a day since 1970-01-01 (proleptic Gregorian calendar, counted in eras
/// of 400 years that begin in March).
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The way that needs no care.
    fn plain_time(time_ns: i64) -> String {
        let (second, ns) = (time_ns.div_euclid(1_000_000_000), time_ns.rem_euclid(1_000_000_000));
        let time = jiff::Timestamp::new(second, 0).expect("within its years");
        let text = time.to_string();
        if ns == 0 {
            return text;
        }
        let fraction = format!("{ns:09}");
        format!("{}.{}Z", text.trim_end_matches('Z'), fraction.trim_end_matches('0'))
    }

    fn written(write: impl Fn(&mut String)) -> String {
        let mut out = String::from("x");
        write(&mut out);
        out.split_off(1)
    }

    proptest! {
        #[test]
        fn numbers_ids_and_times_are_those_of_format(
            number in prop_oneof![any::<i64>(), -1_000..1_000_i64],
            round in prop_oneof![Just(1_i64), Just(1_000), Just(100_000_000), Just(1_000_000_000)],
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let time_ns = number / round * round;
            prop_assert_eq!(written(|out| write_int(number, out)), number.to_string());
            prop_assert_eq!(written(|out| write_hex(&bytes, out)), hex.concat());
            prop_assert_eq!(written(|out| write_time(time_ns, out)), plain_time(time_ns));
        }
    }

    #[test]
    fn the_ends_of_time_are_written() {
        for at in [i64::MIN, i64::MAX, 0, -1, 9, 10, 99, 100] {
            assert_eq!(written(|out| write_int(at, out)), at.to_string());
            assert_eq!(written(|out| write_time(at, out)), plain_time(at));
        }
    }
}
