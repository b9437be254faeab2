//! Texts of the classes in a run of bytes.
//!
//! One search serves two ends. [`Finder::hits`] takes one value and finds exactly what is to be
//! replaced. [`Finder::may_hold`] takes the bytes of a whole frame and finds at least every value
//! that the other would find in it: there the neighbours of a value are tags and lengths, so that
//! what stands beside it says nothing.

use smallvec::SmallVec;

use super::{credential, network, number, sql, web};
use crate::plan::ValueClass;

/// Whether what stands beside a text tells its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// One value, from end to end.
    Value,
    /// Bytes of a frame.
    Frame,
}

impl Look {
    /// Whether this is one value.
    pub(super) fn is_value(self) -> bool {
        self == Self::Value
    }
}

/// Some bytes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) class: ValueClass,
}

pub(super) type Hits = SmallVec<[Hit; 4]>;

/// A set of classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ClassSet(u32);

impl ClassSet {
    pub(super) fn with(self, class: ValueClass) -> Self {
        Self(self.0 | 1 << class as u32)
    }

    pub(super) fn has(self, class: ValueClass) -> bool {
        self.0 >> class as u32 & 1 == 1
    }

    fn has_any(self, classes: &[ValueClass]) -> bool {
        classes.iter().any(|class| self.has(*class))
    }
}

/// What a needle may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    EncodedAt,
    Authority,
    Jwt,
    Scheme(ValueClass),
    Token(usize),
    PrivateKey,
    Statement,
}

/// Places that the three bytes at the start of needles are hashed to.
const PLACES: usize = 1 << 15;

/// What a byte may be part of, above its lower-case form in the lowest eight bits.
const DIGIT: u16 = 1 << 8;
const COLON: u16 = 1 << 9;
const JOINT: u16 = 1 << 10;
const AT: u16 = 1 << 11;
const EQUALS: u16 = 1 << 12;

/// Searches for the classes of a policy, in one pass over the bytes.
#[derive(Debug)]
pub(super) struct Finder {
    classes: ClassSet,
    /// By byte: its lower-case form and what it may be part of.
    bytes: Box<[u16; 256]>,
    /// Hashes of the first three bytes of the needles: a bit each.
    starts: Box<[u64; PLACES / 64]>,
    /// By first three bytes, sorted.
    needles: Vec<(u32, &'static [u8], Opens)>,
}

fn place_of(start: u32) -> usize {
    (start.wrapping_mul(0x9e37_79b1) >> 17) as usize
}

impl Finder {
    pub(super) fn new(classes: ClassSet) -> Self {
        let mut bytes = Box::new([0_u16; 256]);
        for byte in 0..=u8::MAX {
            let flags = match byte {
                b'0'..=b'9' if classes.has_any(&OF_DIGITS) => DIGIT,
                b':' if classes.has_any(&[ValueClass::Ipv6, ValueClass::Mac]) => COLON,
                b'-' | b'.' if classes.has(ValueClass::Mac) => JOINT,
                b'@' if classes.has(ValueClass::Email) => AT,
                b'=' if classes.has(ValueClass::UrlQuery) => EQUALS,
                _ => 0,
            };
            bytes[usize::from(byte)] = flags | u16::from(byte.to_ascii_lowercase());
        }
        let mut starts = Box::new([0_u64; PLACES / 64]);
        let mut needles: Vec<(u32, &'static [u8], Opens)> = Vec::new();
        for (_, text, opens) in needles_of().filter(|(class, ..)| classes.has(*class)) {
            let start = text[..3]
                .iter()
                .fold(0, |start, byte| start << 8 | u32::from(byte.to_ascii_lowercase()));
            let place = place_of(start);
            starts[place / 64] |= 1 << (place % 64);
            needles.push((start, text, opens));
        }
        needles.sort_by_key(|(start, ..)| *start);
        Self { classes, bytes, starts, needles }
    }

    /// Whether the bytes of a frame may hold something; `false` is certain.
    pub(super) fn may_hold(&self, bytes: &[u8]) -> bool {
        let mut found = false;
        self.search(bytes, Look::Frame, &mut |_| {
            found = true;
            true
        });
        found
    }

    /// Everything in one value, in order; what overlaps is one hit of the class that begins it.
    pub(super) fn hits(&self, text: &[u8], hits: &mut Hits) {
        self.search(text, Look::Value, &mut |hit| {
            hits.push(hit);
            false
        });
        if hits.len() > 1 {
            hits.sort_unstable_by_key(|hit| (hit.start, usize::MAX - hit.end, hit.class));
            hits.dedup_by(|next, kept| {
                let overlaps = next.start < kept.end;
                // The password and host of a URL look like a mail address: the host stays.
                let is_host = kept.class == ValueClass::UrlUser && next.class == ValueClass::Email;
                if overlaps && !is_host {
                    kept.end = kept.end.max(next.end);
                }
                overlaps
            });
        }
    }

    /// Whether an integer attribute is a card number.
    pub(super) fn is_card(&self, value: u64) -> bool {
        self.classes.has(ValueClass::Card) && number::is_card_number(value)
    }

    /// Whether integers have to be looked at.
    pub(super) fn wants_integers(&self) -> bool {
        self.classes.has(ValueClass::Card)
    }

    /// Calls back for every hit until told to end.
    #[inline]
    fn search(&self, text: &[u8], look: Look, found: &mut dyn FnMut(Hit) -> bool) {
        let mut past = Past::default();
        let mut start = 0_u32;
        for (at, byte) in text.iter().enumerate() {
            let what = self.bytes[usize::from(*byte)];
            start = (start << 8 | u32::from(what & 0xff)) & 0x00ff_ffff;
            let place = place_of(start);
            let may_open = self.starts[place / 64] >> (place % 64) & 1 == 1;
            if (may_open || what > 0xff) && self.look_at(text, at, start, look, &mut past, found) {
                return;
            }
        }
    }

    /// Looks closer at a place; says whether the search ends.
    #[inline(never)]
    fn look_at(
        &self,
        text: &[u8],
        at: usize,
        start: u32,
        look: Look,
        past: &mut Past,
        found: &mut dyn FnMut(Hit) -> bool,
    ) -> bool {
        let hit = match self.bytes[usize::from(text[at])] & 0xff00 {
            DIGIT if at >= past.digits => {
                past.digits = number::run_end(text, at);
                self.at_digits(text, at, past.digits, look)
            }
            COLON => network::at_colon(text, at, self.wants(), look),
            JOINT => network::at_joint(text, at, look),
            AT => web::email(text, at, at + 1, look).map(hit(ValueClass::Email)),
            EQUALS => web::field_before(text, at, look).map(hit(ValueClass::UrlQuery)),
            _ => None,
        };
        if let Some(hit) = hit.filter(|hit| self.classes.has(hit.class)) {
            past.digits = past.digits.max(hit.end);
            if found(hit) {
                return true;
            }
        }
        let Some(from) = at.checked_sub(2) else { return false };
        let first = self.needles.partition_point(|(known, ..)| *known < start);
        let same = self.needles[first..].iter().take_while(|(known, ..)| *known == start);
        for (_, needle, opens) in same {
            let end = from + needle.len();
            if text.get(from..end).is_some_and(|part| part.eq_ignore_ascii_case(needle))
                && Self::take(*opens, text, (from, end), look, past, found)
            {
                return true;
            }
        }
        false
    }

    fn take(
        opens: Opens,
        text: &[u8],
        (start, end): (usize, usize),
        look: Look,
        past: &mut Past,
        found: &mut dyn FnMut(Hit) -> bool,
    ) -> bool {
        if opens != Opens::Statement {
            return opened(opens, text, start, end, look).is_some_and(found);
        }
        // A statement is taken once, from its first verb to the end.
        if past.is_statement || !sql::opens(text, start, end, look) {
            return false;
        }
        past.is_statement = true;
        if look == Look::Frame {
            return found(Hit { start, end, class: ValueClass::Sql });
        }
        sql::literals(text, start, found);
        false
    }

    fn wants(&self) -> (bool, bool) {
        (self.classes.has(ValueClass::Ipv6), self.classes.has(ValueClass::Mac))
    }

    fn at_digits(&self, text: &[u8], start: usize, end: usize, look: Look) -> Option<Hit> {
        let tries: [(ValueClass, Matcher); 5] = [
            (ValueClass::Ipv4, network::ipv4),
            (ValueClass::Iban, number::iban),
            (ValueClass::Card, number::card),
            (ValueClass::Ssn, number::ssn),
            (ValueClass::Phone, number::phone),
        ];
        tries
            .into_iter()
            .filter(|(class, _)| self.classes.has(*class))
            .find_map(|(class, find)| find(text, start, end, look).map(hit(class)))
    }
}

/// The classes that begin with digits, or with what stands right before some.
const OF_DIGITS: [ValueClass; 5] =
    [ValueClass::Card, ValueClass::Ssn, ValueClass::Iban, ValueClass::Ipv4, ValueClass::Phone];

/// What a search has behind it.
#[derive(Debug, Default)]
struct Past {
    /// Digits before this place have been looked at.
    digits: usize,
    /// Whether a statement was found.
    is_statement: bool,
}

fn hit(class: ValueClass) -> impl Fn((usize, usize)) -> Hit {
    move |(start, end)| Hit { start, end, class }
}

/// Looks at a run of digits; gives the ends of what it is part of.
type Matcher = fn(&[u8], usize, usize, Look) -> Option<(usize, usize)>;

fn opened(opens: Opens, text: &[u8], start: usize, end: usize, look: Look) -> Option<Hit> {
    let (class, range) = match opens {
        Opens::EncodedAt => (ValueClass::Email, web::email(text, start, end, look)),
        Opens::Authority => (ValueClass::UrlUser, web::user_info(text, end, look)),
        Opens::Jwt => (ValueClass::Jwt, credential::jwt(text, start)),
        Opens::Scheme(class) => (class, credential::scheme(text, start, end, class, look)),
        Opens::Token(index) => (ValueClass::Token, credential::token(text, start, index, look)),
        Opens::PrivateKey => (ValueClass::PrivateKey, credential::private_key(text, start)),
        Opens::Statement => return None,
    };
    range.map(|(start, end)| Hit { start, end, class })
}

fn needles_of() -> impl Iterator<Item = (ValueClass, &'static [u8], Opens)> {
    let fixed: [(ValueClass, &'static [u8], Opens); 6] = [
        (ValueClass::Email, b"%40", Opens::EncodedAt),
        (ValueClass::UrlUser, b"://", Opens::Authority),
        (ValueClass::Jwt, b"eyJ", Opens::Jwt),
        (ValueClass::Bearer, b"bearer", Opens::Scheme(ValueClass::Bearer)),
        (ValueClass::Basic, b"basic", Opens::Scheme(ValueClass::Basic)),
        (ValueClass::PrivateKey, b"-----BEGIN", Opens::PrivateKey),
    ];
    let tokens = credential::TOKENS.iter().enumerate();
    let tokens = tokens.map(|(at, token)| (ValueClass::Token, token.prefix, Opens::Token(at)));
    let verbs = sql::VERBS.iter().map(|verb| (ValueClass::Sql, *verb, Opens::Statement));
    fixed.into_iter().chain(tokens).chain(verbs)
}

/// The byte before a place; 0 at the start.
pub(super) fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(0)
}

/// The byte at a place; 0 at the end.
pub(super) fn at(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// Where a run of bytes of a kind ends.
pub(super) fn run(text: &[u8], start: usize, fits: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !fits(*byte)).unwrap_or(rest.len())
}

/// Where a run of bytes of a kind that ends at a place begins; at most so many bytes before it.
pub(super) fn run_back(
    text: &[u8],
    end: usize,
    bytes_max: usize,
    fits: impl Fn(u8) -> bool,
) -> usize {
    let least = end.saturating_sub(bytes_max);
    let part = &text[least..end];
    least + part.iter().rposition(|byte| !fits(*byte)).map_or(0, |at| at + 1)
}
