//! Texts of the classes in a run of bytes.
//!
//! One search serves two ends. [`Finder::hits`] takes one value and finds exactly what is to be
//! replaced. [`Finder::may_hold`] takes the bytes of a whole frame and finds at least every value
//! that the other would find in it: there the neighbours of a value are tags and lengths, or
//! quotes and escapes, so that what stands beside it says little.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::starts::{Bytes, Columns, LANES, Starts, grouped};
use super::{credential, network, number, sql, web};
use crate::plan::ValueClass;

/// Whether what stands beside a text tells its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// One value, from end to end.
    Value,
    /// A frame of text: a value ends at quotes, separators and escapes, which are no digits.
    Text,
    /// A frame of bytes: beside a value are tags and lengths, which may be anything.
    Bytes,
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
    EncodedEquals,
    EncodedPlus,
    Authority,
    EncodedAuthority,
    Jwt,
    Scheme(ValueClass),
    Token(usize),
    PrivateKey,
    Statement,
}

/// A run of digits begins.
const DIGIT: Columns = 1 << 0;
/// Digits before a blank, a `-` or a `)`, however written, and more of them behind it.
const GROUPS: Columns = 1 << 1;
/// A point between digits.
const POINT: Columns = 1 << 2;
/// Two capital letters before a digit.
const COUNTRY: Columns = 1 << 3;
/// A `+` before a digit; a `:` before a hexadecimal digit or another `:`.
const PREFIX: Columns = 1 << 4;
/// A `-` or `.` between hexadecimal digits.
const JOINT: Columns = 1 << 5;
/// An `@` behind what may be a part of a name.
const AT: Columns = 1 << 6;
/// An `=` behind the end of a secret field's name.
const EQUALS: Columns = 1 << 7;
/// Those of needles begin here.
const NEEDLES_FROM: usize = 8;

/// Columns of needles.
const NEEDLE_COLUMNS: usize = 8;

/// Searches for the classes of a policy, in one pass over the bytes.
#[derive(Debug)]
pub(super) struct Finder {
    classes: ClassSet,
    starts: Starts,
    /// By column.
    needles: [Vec<(&'static [u8], Opens)>; NEEDLE_COLUMNS],
}

impl Finder {
    pub(super) fn new(classes: ClassSet) -> Self {
        let mut starts = Starts::new();
        for (wanted_by, columns, places) in signs() {
            if classes.has_any(wanted_by) {
                starts.add(columns, &places);
            }
        }
        let wanted = || needles_of().filter(|(class, ..)| classes.has(*class));
        let places: Vec<[Bytes; LANES]> =
            wanted().map(|(_, text, opens)| first_bytes(text, opens)).collect();
        let mut needles: [Vec<(&'static [u8], Opens)>; NEEDLE_COLUMNS] = Default::default();
        let columns = grouped(&places, NEEDLE_COLUMNS);
        for (((_, text, opens), places), column) in wanted().zip(&places).zip(columns) {
            starts.add(1 << (NEEDLES_FROM + column), places);
            needles[column].push((text, opens));
        }
        Self { classes, starts, needles }
    }

    /// Whether the bytes of a frame may hold something; `false` is certain.
    pub(super) fn may_hold(&self, bytes: &[u8], look: Look) -> bool {
        let mut found = false;
        self.search(bytes, look, &mut |_| {
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

    /// Whether a double is.
    pub(super) fn is_card_double(&self, value: f64) -> bool {
        number::whole(value).is_some_and(|value| self.is_card(value))
    }

    /// Whether an integer attribute is a card number.
    pub(super) fn is_card(&self, value: u64) -> bool {
        self.classes.has(ValueClass::Card) && number::is_card_number(value)
    }

    /// Whether numbers have to be looked at.
    pub(super) fn wants_numbers(&self) -> bool {
        self.classes.has(ValueClass::Card)
    }

    /// Calls back for every hit until told to end.
    #[inline]
    fn search(&self, text: &[u8], look: Look, found: &mut dyn FnMut(Hit) -> bool) {
        let mut ignored = DIGIT;
        if self.classes.has(ValueClass::Card)
            && let Some(run) = number::long_run(text, 0)
        {
            // Only the number of a card in one run has no other sign than its digits.
            if look.is_value() {
                ignored = 0;
            } else if let Some((start, end)) = number::long_card(text, run, look) {
                found(Hit { start, end, class: ValueClass::Card });
                return;
            }
        }
        let mut past = Past::default();
        let _ = self.starts.find(text, ignored, |at, columns| {
            if self.look_at(text, (at, columns), look, &mut past, found) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
    }

    /// Looks closer at the place where a pattern ends; says whether the search ends.
    #[inline(never)]
    fn look_at(
        &self,
        text: &[u8],
        (at, columns): (usize, Columns),
        look: Look,
        past: &mut Past,
        found: &mut dyn FnMut(Hit) -> bool,
    ) -> bool {
        let (mut rest, mut ends) = (columns & ((1 << NEEDLES_FROM) - 1), false);
        while rest != 0 && !ends {
            // In the order in which they begin: what one covers, the digits behind it are part of.
            let sign = [GROUPS, PREFIX, DIGIT, POINT, COUNTRY, JOINT, AT, EQUALS]
                .into_iter()
                .find(|sign| rest & sign != 0)
                .unwrap_or(rest);
            rest &= !sign;
            let hit = self.at_sign(text, (at, sign), look, past);
            if let Some(hit) = hit.filter(|hit| self.classes.has(hit.class)) {
                past.digits = past.digits.max(hit.end);
                ends = found(hit);
            }
        }
        ends || (columns >> NEEDLES_FROM != 0
            && self.at_needles(text, (at, columns), look, past, found))
    }

    /// What one of the signs that end at a place is part of.
    fn at_sign(
        &self,
        text: &[u8],
        (at, sign): (usize, Columns),
        look: Look,
        past: &mut Past,
    ) -> Option<Hit> {
        let start = match sign {
            PREFIX if text[at - 1] == b':' => {
                let wants = (self.classes.has(ValueClass::Ipv6), self.classes.has(ValueClass::Mac));
                return network::at_colon(text, at - 1, wants, look);
            }
            JOINT => return network::at_joint(text, at - 1, look),
            AT => return web::email(text, at, at + 1, look).map(hit(ValueClass::Email)),
            EQUALS => {
                let found = web::field_before(text, (at, at + 1), look, &mut past.field);
                return found.map(hit(ValueClass::UrlQuery));
            }
            PREFIX | DIGIT => at,
            COUNTRY => at - 1,
            _ => number::run_start(text, at - 1),
        };
        if start < past.digits {
            return None;
        }
        let end = number::run_end(text, start);
        past.digits = past.digits.max(end);
        self.at_digits(text, start, end, look)
    }

    /// Looks at the needles that may begin three bytes before a place.
    fn at_needles(
        &self,
        text: &[u8],
        (at, columns): (usize, Columns),
        look: Look,
        past: &mut Past,
        found: &mut dyn FnMut(Hit) -> bool,
    ) -> bool {
        let from = at + 1 - LANES;
        for (column, needles) in self.needles.iter().enumerate() {
            if columns >> (NEEDLES_FROM + column) & 1 == 0 {
                continue;
            }
            for (needle, opens) in needles {
                let end = from + needle.len();
                if text.get(from..end).is_some_and(|part| part.eq_ignore_ascii_case(needle))
                    && Self::take(*opens, text, (from, end), look, past, found)
                {
                    return true;
                }
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
            return opened(opens, text, (start, end), look, past).is_some_and(found);
        }
        // A statement is taken once, from its first verb to the end.
        if past.is_statement || !sql::opens(text, (start, end), look, &mut past.partners) {
            return false;
        }
        past.is_statement = true;
        if !look.is_value() {
            return found(Hit { start, end, class: ValueClass::Sql });
        }
        sql::literals(text, start, found);
        false
    }

    fn at_digits(&self, text: &[u8], start: usize, end: usize, look: Look) -> Option<Hit> {
        let tries: [(ValueClass, Matcher); 5] = [
            (ValueClass::Ipv4, network::ipv4),
            (ValueClass::Iban, number::iban),
            (ValueClass::Card, number::card),
            (ValueClass::Ssn, number::ssn),
            (ValueClass::Phone, number::phone),
        ];
        number::behind_escapes(text, (start, end), |from| {
            let wanted = tries.iter().filter(|(class, _)| self.classes.has(*class));
            let mut found =
                wanted.filter_map(|(class, find)| find(text, from, end, look).map(hit(*class)));
            found.next()
        })
    }
}

/// Signs of the classes: which want one, its column, and what stands at its places.
fn signs() -> Vec<(&'static [ValueClass], Columns, Vec<Bytes>)> {
    use ValueClass::{Card, Email, Iban, Ipv4, Ipv6, Mac, Phone, Ssn, UrlQuery};
    let digit = Bytes::of(|byte| byte.is_ascii_digit());
    let hex = Bytes::of(|byte| byte.is_ascii_hexdigit());
    let upper = Bytes::of(|byte| byte.is_ascii_uppercase());
    let any_of = |bytes: &'static [u8]| Bytes::of(|byte| bytes.contains(&byte));
    let mut signs: Vec<(&'static [ValueClass], Columns, Vec<Bytes>)> = vec![
        (&[Card], DIGIT, vec![digit]),
        (
            &[Card, Ssn, Phone],
            GROUPS,
            vec![digit, digit, any_of(b"- )+%\xc2\xe2"), digit.and(any_of(b" \xa0\x80"))],
        ),
        (&[Ipv4, Phone], POINT, vec![digit, Bytes::one(b'.'), digit]),
        (&[Iban], COUNTRY, vec![upper, upper, digit, digit.and(upper)]),
        (&[Phone], PREFIX, vec![Bytes::one(b'+'), digit]),
        (&[Ipv6, Mac], PREFIX, vec![Bytes::one(b':'), hex.and(Bytes::one(b':'))]),
        (&[Mac], JOINT, vec![hex, hex, any_of(b"-."), hex]),
        (&[Email], AT, vec![Bytes::of(web::is_local), Bytes::one(b'@')]),
    ];
    let names = web::FIELDS.iter().map(|name| {
        let end = &name[name.len() - LANES..];
        (&[UrlQuery][..], EQUALS, end.iter().map(|byte| Bytes::letter(*byte)).collect())
    });
    signs.extend(names);
    signs
}

/// What the first bytes of a needle may be; behind a short one stands what must follow it.
fn first_bytes(needle: &[u8], opens: Opens) -> [Bytes; LANES] {
    let is_exact = match opens {
        Opens::Token(index) => !credential::TOKENS[index].is_name,
        opens => opens == Opens::Jwt,
    };
    let follows = || match opens {
        Opens::EncodedAt => Bytes::of(web::is_domain),
        Opens::EncodedPlus => Bytes::of(|byte| byte.is_ascii_digit()),
        Opens::Authority => Bytes::of(|byte| !web::ends_authority(byte)),
        Opens::Jwt => Bytes::of(credential::is_jwt_letter),
        Opens::Token(index) => Bytes::of(|byte| credential::TOKENS[index].takes(byte)),
        Opens::Statement => Bytes::of(|byte| sql::follows_verb(byte, Look::Bytes)),
        Opens::Scheme(_) | Opens::PrivateKey | Opens::EncodedAuthority | Opens::EncodedEquals => {
            Bytes::of(|_| true)
        }
    };
    std::array::from_fn(|place| match needle.get(place) {
        Some(byte) if is_exact => Bytes::one(*byte),
        Some(byte) => Bytes::letter(*byte),
        None => follows(),
    })
}

/// What a search has behind it. Runs that were walked are not walked again: what begins at every
/// third byte would else cost the square of a text's length.
#[derive(Debug, Default)]
struct Past {
    /// Digits before this place have been looked at.
    digits: usize,
    /// Whether a statement was found.
    is_statement: bool,
    partners: sql::Partners,
    field: web::FieldRuns,
    jwt: credential::JwtRuns,
    tokens: credential::TokenRuns,
    scheme: Run,
    armour: credential::Armour,
}

/// The last run of bytes of one kind that was walked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    from: usize,
    end: usize,
}

impl Run {
    /// Where the run of bytes of this kind at a place ends.
    pub(super) fn end(&mut self, text: &[u8], start: usize, fits: impl Fn(u8) -> bool) -> usize {
        self.to(start, || run(text, start, fits))
    }

    /// The same, where the end is found in another way.
    pub(super) fn to(&mut self, start: usize, find: impl FnOnce() -> usize) -> usize {
        if !(self.from..self.end).contains(&start) {
            *self = Self { from: start, end: find() };
        }
        self.end
    }
}

fn hit(class: ValueClass) -> impl Fn((usize, usize)) -> Hit {
    move |(start, end)| Hit { start, end, class }
}

/// Looks at a run of digits; gives the ends of what it is part of.
type Matcher = fn(&[u8], usize, usize, Look) -> Option<(usize, usize)>;

fn opened(
    opens: Opens,
    text: &[u8],
    (start, end): (usize, usize),
    look: Look,
    past: &mut Past,
) -> Option<Hit> {
    let (class, range) = match opens {
        Opens::EncodedAt => (ValueClass::Email, web::email(text, start, end, look)),
        Opens::EncodedEquals => {
            let found = web::field_before(text, (start, end), look, &mut past.field);
            (ValueClass::UrlQuery, found)
        }
        Opens::EncodedPlus => (ValueClass::Phone, number::international(text, (start, end), look)),
        Opens::Authority => (ValueClass::UrlUser, web::user_info(text, end, look)),
        Opens::EncodedAuthority => (ValueClass::UrlUser, web::encoded_user_info(text, end, look)),
        Opens::Jwt => (ValueClass::Jwt, credential::jwt(text, start, &mut past.jwt)),
        Opens::Scheme(class) => {
            (class, credential::scheme(text, (start, end), class, look, &mut past.scheme))
        }
        Opens::Token(index) => {
            (ValueClass::Token, credential::token(text, start, index, look, &mut past.tokens))
        }
        Opens::PrivateKey => {
            (ValueClass::PrivateKey, credential::private_key(text, start, &mut past.armour))
        }
        Opens::Statement => return None,
    };
    range.map(|(start, end)| Hit { start, end, class })
}

fn needles_of() -> impl Iterator<Item = (ValueClass, &'static [u8], Opens)> {
    let fixed: [(ValueClass, &'static [u8], Opens); 9] = [
        (ValueClass::Email, b"%40", Opens::EncodedAt),
        (ValueClass::Phone, b"%2B", Opens::EncodedPlus),
        (ValueClass::UrlQuery, b"%3D", Opens::EncodedEquals),
        (ValueClass::UrlUser, b"://", Opens::Authority),
        (ValueClass::UrlUser, b"%3A%2F%2F", Opens::EncodedAuthority),
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

#[cfg(test)]
mod tests;
