//! Credentials that tell themselves: tokens by prefix, schemes of HTTP, private keys.
//!
//! Prefixes and lengths are those that the issuers publish for secret scanners.

use smallvec::SmallVec;

use super::escape::{joins, percent};
use super::find::{Look, Run, at, before, run, run_back};
use crate::plan::ValueClass;

/// What the rest of a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// `A` to `Z` and digits.
    Upper,
    /// Letters, digits, `_` and `-`.
    Word,
    /// Those, and `.`, `/`, `+`, `=`, `~`.
    Loose,
}

/// A kind of token.
pub(super) struct Token {
    /// How it begins, upper and lower case as it stands.
    pub(super) prefix: &'static [u8],
    /// What follows.
    letters: Letters,
    /// How much of it, bytes at least.
    bytes_min: usize,
    /// Whether the prefix is a field's name, which stays.
    pub(super) is_name: bool,
}

impl Token {
    /// Whether a byte may stand behind its prefix.
    pub(super) fn takes(&self, byte: u8) -> bool {
        match self.letters {
            Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Word => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Loose => {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'=' | b'~')
            }
        }
    }
}

const fn of(prefix: &'static [u8], letters: Letters, bytes_min: usize) -> Token {
    Token { prefix, letters, bytes_min, is_name: false }
}

const fn named(prefix: &'static [u8], bytes_min: usize) -> Token {
    Token { prefix, letters: Loose, bytes_min, is_name: true }
}

use Letters::{Loose, Upper, Word};

/// The kinds of tokens.
pub(super) const TOKENS: [Token; 60] = [
    // Amazon Web Services
    of(b"AKIA", Upper, 16),
    of(b"ASIA", Upper, 16),
    of(b"ABIA", Upper, 16),
    of(b"ACCA", Upper, 16),
    named(b"secret_access_key", 16),
    named(b"SecretAccessKey", 16),
    // Google Cloud
    of(b"AIza", Word, 35),
    of(b"ya29.", Word, 20),
    of(b"GOCSPX-", Word, 24),
    // Microsoft Azure
    named(b"AccountKey", 16),
    named(b"SharedAccessKey", 16),
    named(b"SharedAccessSignature", 16),
    of(b"8Q~", Loose, 31),
    // GitHub
    of(b"ghp_", Word, 30),
    of(b"gho_", Word, 30),
    of(b"ghu_", Word, 30),
    of(b"ghs_", Word, 30),
    of(b"ghr_", Word, 30),
    of(b"github_pat_", Word, 22),
    // GitLab
    of(b"glpat-", Word, 20),
    of(b"gldt-", Word, 20),
    of(b"glrt-", Word, 20),
    of(b"glptt-", Word, 20),
    of(b"glcbt-", Word, 20),
    of(b"glft-", Word, 20),
    of(b"glsoat-", Word, 20),
    of(b"glagent-", Word, 20),
    of(b"gloas-", Word, 20),
    // Slack
    of(b"xoxb-", Word, 10),
    of(b"xoxp-", Word, 10),
    of(b"xoxa-", Word, 10),
    of(b"xoxe-", Word, 10),
    of(b"xoxo-", Word, 10),
    of(b"xoxr-", Word, 10),
    of(b"xoxs-", Word, 10),
    of(b"xapp-", Word, 10),
    of(b"hooks.slack.com/services/", Loose, 20),
    // Stripe
    of(b"sk_live_", Word, 10),
    of(b"sk_test_", Word, 10),
    of(b"rk_live_", Word, 10),
    of(b"rk_test_", Word, 10),
    of(b"whsec_", Loose, 20),
    // others
    of(b"npm_", Word, 36),
    of(b"pypi-", Word, 50),
    of(b"dckr_pat_", Word, 20),
    of(b"dop_v1_", Word, 32),
    of(b"SG.", Loose, 60),
    of(b"sk-", Word, 32),
    of(b"hf_", Word, 30),
    of(b"hvs.", Word, 24),
    of(b"shpat_", Word, 32),
    of(b"glsa_", Word, 32),
    of(b"glc_", Loose, 32),
    of(b"NRAK-", Word, 20),
    of(b"dapi", Word, 32),
    of(b"ATATT3", Loose, 50),
    of(b"PMAK-", Word, 40),
    of(b"lin_api_", Word, 32),
    of(b"AGE-SECRET-KEY-", Word, 40),
    of(b"EAAA", Word, 60),
];

/// Bytes of a JSON web token's header and payload, at least.
const JWT_PART_BYTES_MIN: usize = 10;

/// Bytes of a credential in the middle of a text, at least; shorter words are prose.
const CREDENTIAL_BYTES_MIN: usize = 8;

/// Bytes from which a word is a credential, whatever it is made of.
const CREDENTIAL_BYTES_SURE: usize = 20;

/// Letters by which user and password are told; what follows them goes with them.
const LOOKED_AT_BYTES: usize = 256;

/// Runs that were walked behind the prefixes of tokens, by their [`Letters`].
pub(super) type TokenRuns = [Run; 3];

/// Runs that were walked as parts of a JSON web token.
#[derive(Debug, Default)]
pub(super) struct JwtRuns {
    header: Run,
    payload: Run,
    rest: Run,
}

/// Where the next foot of armour behind a place is, and where it ends.
#[derive(Debug, Default)]
pub(super) struct Armour {
    from: usize,
    foot: usize,
    end: usize,
}

/// A token whose prefix, in whatever case, begins at a place.
fn token_at(
    text: &[u8],
    start: usize,
    token: &Token,
    look: Look,
    past: &mut TokenRuns,
) -> Option<(usize, usize)> {
    let from = start + token.prefix.len();
    let head = text.get(start..from)?;
    if token.is_name {
        if !look.is_value() {
            return Some((from, from)); // what stands between, escapes may hide
        }
        let from = behind_assignment(text, from)?;
        let end = past[token.letters as usize].end(text, from, |byte| token.takes(byte));
        return (end - from >= token.bytes_min).then_some((from, end));
    }
    if head != token.prefix {
        return None;
    }
    let is_inside = joins(text, start) && token.prefix != b"8Q~";
    if look.is_value() && is_inside {
        return None;
    }
    let end = past[token.letters as usize].end(text, from, |byte| token.takes(byte));
    if end - from < token.bytes_min {
        return None;
    }
    let begin = match token.prefix {
        // A secret of Entra ID has three characters before its mark.
        b"8Q~" => run_back(text, start, 3, |byte| token.takes(byte)),
        _ => start,
    };
    Some((begin, end))
}

/// Behind what stands between a name and its value: `=`, `: `, `" : "`, `=>`.
fn behind_assignment(text: &[u8], from: usize) -> Option<usize> {
    const BETWEEN_BYTES_MAX: usize = 16;
    let rest = &text[from..text.len().min(from + BETWEEN_BYTES_MAX)];
    let is_between =
        |byte: &u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'=' | b':' | b'>');
    let length = rest.iter().take_while(|byte| is_between(byte)).count();
    let is_assigned = rest[..length].iter().any(|byte| matches!(byte, b'=' | b':'));
    is_assigned.then_some(from + length)
}

/// A token of one kind of [`TOKENS`].
pub(super) fn token(
    text: &[u8],
    start: usize,
    index: usize,
    look: Look,
    past: &mut TokenRuns,
) -> Option<(usize, usize)> {
    token_at(text, start, &TOKENS[index], look, past)
}

/// Whether a byte may stand in a part of a JSON web token.
pub(super) fn is_jwt_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// A JSON web token: `eyJ…`, a point, a payload, a signature.
pub(super) fn jwt(text: &[u8], start: usize, past: &mut JwtRuns) -> Option<(usize, usize)> {
    let is_part = is_jwt_letter;
    let header = past.header.end(text, start, is_part);
    let is_header = text[start..].starts_with(b"eyJ") && header - start >= JWT_PART_BYTES_MIN;
    if !is_header || text.get(header) != Some(&b'.') {
        return None;
    }
    let payload = past.payload.end(text, header + 1, is_part);
    if payload - header <= JWT_PART_BYTES_MIN {
        return None;
    }
    let is_rest = |byte: u8| is_part(byte) || matches!(byte, b'.' | b'=');
    let end = past.rest.end(text, payload, is_rest);
    Some((start, end))
}

/// The credential behind `Bearer` or `Basic`; `past` is the last one that was walked.
pub(super) fn scheme(
    text: &[u8],
    (start, end): (usize, usize),
    class: ValueClass,
    look: Look,
    past: &mut Run,
) -> Option<(usize, usize)> {
    let blank = behind_blanks(text, end, look);
    if blank == end {
        return None;
    }
    if !look.is_value() {
        return Some((blank, blank));
    }
    if joins(text, start) {
        return None;
    }
    let from = behind_quote(text, blank);
    // In a form a `+` is a blank, and ends a credential, too.
    let is_form = before(text, blank) == b'+';
    let whole = past.end(text, from, is_credential_letter);
    let plus = || run(&text[..whole], from, |byte| byte != b'+');
    let most = if is_form { plus() } else { whole };
    let is_alone = || whole > from && most == whole && is_all_of(text, (start, whole));
    let to = match class {
        ValueClass::Basic => user_and_password(&text[..most], from),
        _ => is_sure(&text[from..most]).then_some(most),
    };
    let to = to.or_else(|| is_alone().then_some(whole))?;
    Some((from, to))
}

/// Whether a text is a credential, not a word of prose.
fn is_sure(text: &[u8]) -> bool {
    text.len() >= CREDENTIAL_BYTES_SURE
        || (text.len() >= CREDENTIAL_BYTES_MIN && text.iter().any(u8::is_ascii_digit))
}

/// Behind the quote at a place, if one is there: `"…"`, `\"…\"`, `<…>`, `%22…%22`.
fn behind_quote(text: &[u8], place: usize) -> usize {
    let is_quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'<');
    let quote = place + usize::from(at(text, place) == b'\\');
    if is_quote(at(text, quote)) {
        return quote + 1;
    }
    percent(text, place).filter(|(byte, _)| is_quote(*byte)).map_or(place, |(_, end)| end)
}

/// Behind the blanks at a place. In JSON one may be written with a backslash, in a URL with `%20`,
/// in a form with `+`.
fn behind_blanks(text: &[u8], mut place: usize, look: Look) -> usize {
    loop {
        place = match at(text, place) {
            b' ' | b'\t' | b'\r' | b'\n' | b'+' => place + 1,
            b'\\' if !look.is_value() => place + 1,
            _ => match percent(text, place) {
                Some((b' ' | b'\t' | b'\r' | b'\n', end)) => end,
                _ => return place,
            },
        };
    }
}

/// Whether a byte may stand in a credential: those of RFC 6750, and those that issuers use.
fn is_credential_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'|' | b':' | b'$' | b'%'
        )
}

/// Whether nothing else stands in a text, blanks apart.
fn is_all_of(text: &[u8], (start, end): (usize, usize)) -> bool {
    // Many a scheme may stand behind many blanks: only the first one is looked at.
    let is_first = start == 0 || text[..start].iter().rev().all(u8::is_ascii_whitespace);
    is_first && text[end..].trim_ascii().is_empty()
}

/// Where user and password, which stand at a place in base64, end. Letters may be written as
/// percent escapes, if it is not what is before the first of them; any other escape ends them.
fn user_and_password(text: &[u8], from: usize) -> Option<usize> {
    let (mut end, mut letters) = (from, SmallVec::<[u8; LOOKED_AT_BYTES]>::new());
    let mut plain = None;
    let is_letter =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    loop {
        let escape = percent(text, end);
        let (letter, behind) = escape.unwrap_or((at(text, end), end + 1));
        let is_behind_padding = letters.last() == Some(&b'=') && letter != b'=';
        if !is_letter(letter) || is_behind_padding {
            break;
        }
        if escape.is_some() && plain.is_none() {
            plain = Some((letters.len(), end));
        }
        if letters.len() < LOOKED_AT_BYTES {
            letters.push(letter);
        }
        end = behind;
    }
    let before_escape =
        || plain.filter(|(count, _)| is_user_and_password(&letters[..*count])).map(|(_, end)| end);
    if is_user_and_password(&letters) { Some(end) } else { before_escape() }
}

fn is_user_and_password(letters: &[u8]) -> bool {
    // Without `=` at its end a word of prose may be base64, too, but not of letters.
    let is_printable = |plain: &[u8]| plain.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let is_sure = |plain: &[u8]| letters.len().is_multiple_of(4) || is_printable(plain);
    crate::ingest::base64(letters).is_some_and(|plain| plain.contains(&b':') && is_sure(&plain))
}

/// A private key, to the end of its armour or of the text.
pub(super) fn private_key(text: &[u8], start: usize, past: &mut Armour) -> Option<(usize, usize)> {
    const LABEL_BYTES_MAX: usize = 64;
    let label = text.get(start..)?;
    let label = &label[..label.len().min(LABEL_BYTES_MAX)];
    let words = memchr::memmem::find(label, b"PRIVATE KEY")?;
    let rest = start + words;
    if !(past.from..=past.foot).contains(&rest) || past.end == 0 {
        let behind = |from: usize, mark: &[u8]| {
            memchr::memmem::find(&text[from..], mark).map(|at| from + at + mark.len())
        };
        let foot = behind(rest, b"-----END");
        let end = foot.and_then(|foot| behind(foot, b"-----"));
        let at = foot.map_or(text.len(), |foot| foot - b"-----END".len());
        *past = Armour { from: rest, foot: at, end: end.unwrap_or(text.len()) };
    }
    Some((start, past.end))
}

#[cfg(test)]
mod tests {
    use super::{Loose, TOKENS, TokenRuns, Upper, Word};

    #[test]
    fn every_kind_of_token_is_found_in_a_sentence() {
        use crate::redact::find::Look;
        for (index, token) in TOKENS.iter().enumerate() {
            let letter = match token.letters {
                Upper => 'Q',
                Word | Loose => 'k',
            };
            let rest = letter.to_string().repeat(token.bytes_min);
            let prefix = String::from_utf8_lossy(token.prefix);
            let joint = if token.is_name { "=" } else { "" };
            let text = format!("it is {prefix}{joint}{rest} here");
            let start = 6;
            let found =
                super::token(text.as_bytes(), start, index, Look::Value, &mut TokenRuns::default());
            let (from, end) = found.unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[end..], " here");
            assert!(from <= start + token.prefix.len() + joint.len());
            let short = &text[..text.len() - " here".len() - 1];
            assert_eq!(
                super::token(
                    short.as_bytes(),
                    start,
                    index,
                    Look::Value,
                    &mut TokenRuns::default()
                ),
                None
            );
        }
    }
}
