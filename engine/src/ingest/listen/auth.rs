//! Who may send: bearer tokens.
//!
//! Invariant: the time of a comparison does not depend on the token; no token is ever printed.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};

/// The bearer tokens that a listener takes, as hashes. Clones share one list, so that tokens can be
/// exchanged while listeners run.
#[derive(Clone, Default)]
pub struct Tokens {
    hashes: Arc<RwLock<Vec<[u8; 32]>>>,
}

impl Tokens {
    /// Tokens of which each sender must show one.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let list = Self::default();
        list.replace(tokens);
        list
    }

    /// Takes these tokens from now on, and no others.
    pub fn replace<'a>(&self, tokens: impl IntoIterator<Item = &'a str>) {
        let hashes = tokens.into_iter().map(|token| hash(token.as_bytes())).collect();
        *self.hashes.write().unwrap_or_else(PoisonError::into_inner) = hashes;
    }

    /// Whether a token is one of them. Every token of the list is compared, each byte of it.
    pub(super) fn admit(&self, token: &[u8]) -> bool {
        let found = hash(token);
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        hashes.iter().fold(false, |known, hash| known | is_equal(hash, &found))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(masked)")
    }
}

/// Tokens are compared by their hash: equal length, and nothing to learn from a prefix.
fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0, |found, (a, b)| found | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// What a listener asks of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) tokens: Option<Tokens>,
}

impl Access {
    /// Whether the request may go on.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(tokens) = &self.tokens else { return true };
        let shown = headers.get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        match shown.split_at_checked("Bearer ".len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => tokens.admit(token),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_admitted_while_it_is_listed() {
        let tokens = Tokens::new(["one", "two"]);
        assert!(tokens.admit(b"one") && tokens.admit(b"two"));
        assert!(!tokens.admit(b"on") && !tokens.admit(b"") && !tokens.admit(b"three"));
        let shared = tokens.clone();
        shared.replace(["three"]);
        assert!(tokens.admit(b"three") && !tokens.admit(b"one"));
        assert_eq!(format!("{tokens:?}"), "Tokens(masked)");
    }
}
