//! Texts of the classes in a run of bytes.
//!
//! One search serves two ends. [`Finder::hits`] takes one value and finds exactly what is to be
//! replaced. [`Finder::may_hold`] takes the bytes of a whole frame and finds at least every value
//! that the other would find in it: there the neighbours of a value are tags and lengths, so that
//! what stands beside it says nothing.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
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
    At,
    EncodedAt,
    Authority,
    Field,
    Jwt,
    Scheme(ValueClass),
    Token(usize),
    PrivateKey,
    Statement,
}

/// Searches for the classes of a policy.
#[derive(Debug)]
pub(super) struct Finder {
    classes: ClassSet,
    needles: Option<AhoCorasick>,
    opens: Vec<Opens>,
    has_digits: bool,
}

impl Finder {
    pub(super) fn new(classes: ClassSet) -> Self {
        let mut texts: Vec<&[u8]> = Vec::new();
        let mut opens = Vec::new();
        for (class, text, what) in needles() {
            if classes.has(class) {
                texts.push(text);
                opens.push(what);
            }
        }
        let needles = (!texts.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::DFA))
                .ascii_case_insensitive(true)
                .build(&texts)
                .expect("a hundred short needles are far below the automaton's limits")
        });
        let has_digits = classes.has_any(&[
            ValueClass::Card,
            ValueClass::Ssn,
            ValueClass::Iban,
            ValueClass::Ipv4,
            ValueClass::Ipv6,
            ValueClass::Mac,
            ValueClass::Phone,
        ]);
        Self { classes, needles, opens, has_digits }
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
    fn search(&self, text: &[u8], look: Look, found: &mut dyn FnMut(Hit) -> bool) {
        if let Some(needles) = &self.needles {
            let mut statement_from = 0;
            for needle in needles.find_overlapping_iter(text) {
                let opens = self.opens[needle.pattern().as_usize()];
                let (start, end) = (needle.start(), needle.end());
                if opens == Opens::Statement {
                    if start < statement_from || !sql::opens(text, start, end, look) {
                        continue;
                    }
                    // A statement is taken once, from its first verb to the end.
                    statement_from = text.len();
                    if look == Look::Frame {
                        if found(Hit { start, end, class: ValueClass::Sql }) {
                            return;
                        }
                    } else {
                        sql::literals(text, start, found);
                    }
                    continue;
                }
                if let Some(hit) = opened(opens, text, start, end, look)
                    && found(hit)
                {
                    return;
                }
            }
        }
        if self.has_digits {
            self.search_digits(text, look, found);
        }
    }

    fn search_digits(&self, text: &[u8], look: Look, found: &mut dyn FnMut(Hit) -> bool) {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let (next, hit) = match byte {
                b'0'..=b'9' => {
                    let end = number::run_end(text, at);
                    (end, self.at_digits(text, at, end, look))
                }
                b':' => (at + 1, network::at_colon(text, at, self.wants(), look)),
                b'-' | b'.' if self.classes.has(ValueClass::Mac) => {
                    (at + 1, network::at_joint(text, at, look))
                }
                _ => (at + 1, None),
            };
            let hit = hit.filter(|hit| self.classes.has(hit.class));
            if let Some(hit) = hit {
                if found(hit) {
                    return;
                }
                at = next.max(hit.end);
            } else {
                at = next;
            }
        }
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
        tries.into_iter().filter(|(class, _)| self.classes.has(*class)).find_map(|(class, find)| {
            let (start, end) = find(text, start, end, look)?;
            Some(Hit { start, end, class })
        })
    }
}

/// Looks at a run of digits; gives the ends of what it is part of.
type Matcher = fn(&[u8], usize, usize, Look) -> Option<(usize, usize)>;

fn opened(opens: Opens, text: &[u8], start: usize, end: usize, look: Look) -> Option<Hit> {
    let (class, range) = match opens {
        Opens::At | Opens::EncodedAt => (ValueClass::Email, web::email(text, start, end, look)),
        Opens::Authority => (ValueClass::UrlUser, web::user_info(text, end, look)),
        Opens::Field => (ValueClass::UrlQuery, web::field(text, start, end, look)),
        Opens::Jwt => (ValueClass::Jwt, credential::jwt(text, start)),
        Opens::Scheme(class) => (class, credential::scheme(text, start, end, class, look)),
        Opens::Token(index) => (ValueClass::Token, credential::token(text, start, index, look)),
        Opens::PrivateKey => (ValueClass::PrivateKey, credential::private_key(text, start)),
        Opens::Statement => return None,
    };
    range.map(|(start, end)| Hit { start, end, class })
}

fn needles() -> impl Iterator<Item = (ValueClass, &'static [u8], Opens)> {
    let fixed: [(ValueClass, &'static [u8], Opens); 7] = [
        (ValueClass::Email, b"@", Opens::At),
        (ValueClass::Email, b"%40", Opens::EncodedAt),
        (ValueClass::UrlUser, b"://", Opens::Authority),
        (ValueClass::Jwt, b"eyJ", Opens::Jwt),
        (ValueClass::Bearer, b"bearer", Opens::Scheme(ValueClass::Bearer)),
        (ValueClass::Basic, b"basic", Opens::Scheme(ValueClass::Basic)),
        (ValueClass::PrivateKey, b"-----BEGIN", Opens::PrivateKey),
    ];
    let fields = web::FIELDS.iter().map(|name| (ValueClass::UrlQuery, *name, Opens::Field));
    let tokens = credential::TOKENS.iter().enumerate();
    let tokens = tokens.map(|(at, token)| (ValueClass::Token, token.prefix, Opens::Token(at)));
    let verbs = sql::VERBS.iter().map(|verb| (ValueClass::Sql, *verb, Opens::Statement));
    fixed.into_iter().chain(fields).chain(tokens).chain(verbs)
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
