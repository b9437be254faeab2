//! What is taken out of telemetry before it reaches the input log, as the plan holds it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A kind of text that can be told by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum ValueClass {
    /// A mail address.
    Email,
    /// A payment card number (ISO/IEC 7812), its check digit right.
    Card,
    /// A US social security number in groups.
    Ssn,
    /// An IBAN (ISO 13616), its check digits right.
    Iban,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A MAC address (EUI-48).
    Mac,
    /// A telephone number: international with `+`, or North American in groups.
    Phone,
    /// A JSON web token (RFC 7519).
    Jwt,
    /// A bearer credential (RFC 6750).
    Bearer,
    /// A basic credential (RFC 7617).
    Basic,
    /// A key or token of a cloud, forge or service, by its prefix.
    Token,
    /// A private key in PEM form.
    PrivateKey,
    /// User and password in a URL.
    UrlUser,
    /// The value of a query or form field whose name says that it is secret.
    UrlQuery,
    /// Literals in a SQL statement.
    Sql,
}

impl ValueClass {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Email,
        Self::Card,
        Self::Ssn,
        Self::Iban,
        Self::Ipv4,
        Self::Ipv6,
        Self::Mac,
        Self::Phone,
        Self::Jwt,
        Self::Bearer,
        Self::Basic,
        Self::Token,
        Self::PrivateKey,
        Self::UrlUser,
        Self::UrlQuery,
        Self::Sql,
    ];

    /// Its name in rules, marks and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Card => "card",
            Self::Ssn => "ssn",
            Self::Iban => "iban",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Mac => "mac",
            Self::Phone => "phone",
            Self::Jwt => "jwt",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Token => "token",
            Self::PrivateKey => "private_key",
            Self::UrlUser => "url_user",
            Self::UrlQuery => "url_query",
            Self::Sql => "sql",
        }
    }

    /// The class of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Bits of an address that a mask keeps where the rule does not say.
    pub fn kept_bits(self) -> Option<u8> {
        match self {
            Self::Ipv4 => Some(24),
            Self::Ipv6 => Some(48),
            _ => None,
        }
    }
}

/// What becomes of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RedactAction {
    /// The found text is replaced by the name of its class.
    Mask,
    /// The whole value leaves.
    Drop,
    /// The found text is replaced by a keyed hash of it.
    Hash,
}

impl RedactAction {
    /// Its name in rules and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Drop => "drop",
            Self::Hash => "hash",
        }
    }
}

/// What is done where a text of a class is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClassRule {
    /// The class.
    pub class: ValueClass,
    /// What becomes of it.
    pub action: RedactAction,
    /// Leading bits of an address that a mask keeps.
    pub kept_bits: u8,
}

/// What is done with the values of some keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyRule {
    /// The keys, `*` and `?` as in file names.
    pub glob: Arc<str>,
    /// What becomes of their values.
    pub action: RedactAction,
}

/// Everything that is taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Redaction {
    /// Keys that leave with their values.
    pub deny: Vec<Arc<str>>,
    /// Where not empty, the only keys that stay.
    pub allow: Vec<Arc<str>>,
    /// Keys whose whole values are replaced.
    pub keys: Vec<KeyRule>,
    /// Texts that are replaced wherever they stand; a class at most once.
    pub classes: Vec<ClassRule>,
    /// The name of the secret that hashes are keyed with; there where something is hashed.
    pub secret: Option<Arc<str>>,
}
