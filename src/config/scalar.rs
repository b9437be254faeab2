//! The types of single values: how each is read, shown and described.
//!
//! Invariant: what [`Scalar::json`] gives holds no secret, and reading it again gives the value.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tailwater_rules::PACK_PREFIX;

use super::secret::{MASK, Secret};
use crate::args::At;

/// A scalar as it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    /// Its text, after substitution.
    pub(crate) text: &'a str,
    /// The folder that relative paths are seen from.
    pub(crate) folder: &'a Path,
}

/// Why a scalar cannot be read: what to do, if there is something to say.
pub(crate) type Unread = Option<String>;

/// A type of single values.
pub(crate) trait Scalar: Clone {
    /// What is expected, with an example.
    const EXPECTED: &'static str;
    /// Whether it is written without quotes in any syntax: numbers, booleans.
    const IS_BARE: bool = false;
    /// Whether it is text in any syntax, be it written like a number.
    const TAKES_ANY: bool = false;
    /// Whether it is never shown.
    const IS_SECRET: bool = false;

    /// Reads it.
    fn read(raw: &Raw<'_>) -> Result<Self, Unread>;

    /// What `null` is, where it is a value.
    fn null() -> Option<Self> {
        None
    }

    /// As it is shown.
    fn json(&self) -> Json;

    /// Its JSON Schema.
    fn schema() -> Json;
}

impl<T: Scalar> Scalar for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const IS_BARE: bool = T::IS_BARE;
    const TAKES_ANY: bool = T::TAKES_ANY;
    const IS_SECRET: bool = T::IS_SECRET;

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        T::read(raw).map(Some)
    }

    fn null() -> Option<Self> {
        Some(None)
    }

    fn json(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::json)
    }

    fn schema() -> Json {
        json!({ "anyOf": [T::schema(), { "type": "null" }] })
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    const IS_BARE: bool = true;

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        raw.text.parse().map_err(|_| None)
    }

    fn json(&self) -> Json {
        json!(self)
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

/// A number of things, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl Scalar for Count {
    const EXPECTED: &'static str = "a whole number from 1 on";
    const IS_BARE: bool = true;

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        let digits = raw.text.replace('_', "");
        match digits.parse() {
            Ok(0) | Err(_) => Err(None),
            Ok(number) if number > u64::from(u32::MAX) => {
                Err(Some(format!("it is at most {}", u32::MAX)))
            }
            Ok(number) => Ok(Self(number)),
        }
    }

    fn json(&self) -> Json {
        json!(self.0)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX })
    }
}

impl Scalar for At {
    const EXPECTED: &'static str = "an address such as `127.0.0.1:4317` or `[::1]:4317`, or `none`";

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        raw.text.parse().map_err(|_| {
            let has_name = raw.text.starts_with(|c: char| c.is_ascii_alphabetic());
            has_name.then(|| "a name is looked up by nobody here: write its address".to_owned())
        })
    }

    fn json(&self) -> Json {
        match self {
            Self::Nowhere => json!("none"),
            Self::Address(address) => json!(address.to_string()),
        }
    }

    fn schema() -> Json {
        let v4 = r"([0-9]{1,3}\.){3}[0-9]{1,3}";
        let v6 = r"\[[0-9A-Fa-f:.]+(%[0-9]+)?\]";
        let pattern = format!("^(none|({v4}|{v6}):[0-9]{{1,5}})$");
        json!({ "type": "string", "pattern": pattern, "examples": ["127.0.0.1:4317", "none"] })
    }
}

impl Scalar for String {
    const EXPECTED: &'static str = "text";

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        Ok(raw.text.to_owned())
    }

    fn json(&self) -> Json {
        json!(self)
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

impl Scalar for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        if raw.text.is_empty() {
            return Err(None);
        }
        Ok(raw.folder.join(raw.text))
    }

    fn json(&self) -> Json {
        json!(self.display().to_string())
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// The value of a `param` of rules, in the language of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamText(pub(crate) String);

impl Scalar for ParamText {
    const EXPECTED: &'static str = "a value as rules write it";
    const TAKES_ANY: bool = true;

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        Ok(Self(raw.text.to_owned()))
    }

    fn json(&self) -> Json {
        json!(self.0)
    }

    fn schema() -> Json {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

/// A rule file, a folder of them, or a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RulePath(pub(crate) PathBuf);

impl Scalar for RulePath {
    const EXPECTED: &'static str = "a rule file, a folder, or a pack such as `std/red`";

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        if raw.text.starts_with(PACK_PREFIX) {
            return Ok(Self(PathBuf::from(raw.text)));
        }
        PathBuf::read(raw).map(Self)
    }

    fn json(&self) -> Json {
        self.0.json()
    }

    fn schema() -> Json {
        PathBuf::schema()
    }
}

impl Scalar for Secret {
    const EXPECTED: &'static str = "text that is kept secret";
    const IS_SECRET: bool = true;

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        if raw.text.is_empty() {
            return Err(Some("a secret is not empty".to_owned()));
        }
        if raw.text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(Some("a secret is one line without control characters".to_owned()));
        }
        Ok(Self::new(raw.text))
    }

    fn json(&self) -> Json {
        json!(MASK)
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// A URL of `http` or `https`. What may be a secret in it (user, password, query) is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(String);

impl Url {
    /// From an option, where the sink says what is wrong with it.
    pub(super) fn of_option(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The whole of it, for whoever connects.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?****"));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) =
            authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("****@", host));
        format!("{scheme}://{user}{host}{path}{query}")
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Scalar for Url {
    const EXPECTED: &'static str = "a URL such as `http://localhost:9093`";

    fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
        let rest = raw.text.strip_prefix("http://").or_else(|| raw.text.strip_prefix("https://"));
        let Some(rest) = rest else {
            return Err(Some("it begins with `http://` or `https://`".to_owned()));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c);
        if authority.is_empty() || raw.text.contains(is_odd) {
            return Err(None);
        }
        if authority.contains('@') {
            let text = "user and password go into `headers`: `Authorization: Basic …`";
            return Err(Some(text.to_owned()));
        }
        Ok(Self(raw.text.to_owned()))
    }

    fn json(&self) -> Json {
        json!(self.shown())
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^https?://[^/@]+" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tailwater_engine::ingest::listen::WhenFull;

    use super::super::measure::Bytes;
    use super::*;

    fn read<T: Scalar>(text: &str) -> Result<Json, Unread> {
        T::read(&Raw { text, folder: Path::new("/etc/x") }).map(|value| value.json())
    }

    fn is_read_again<T: Scalar>(text: &str, shown: &str) {
        let json = read::<T>(text).unwrap_or_else(|_| panic!("`{text}`"));
        assert_eq!(json, json!(shown), "{text}");
        assert_eq!(read::<T>(shown), Ok(json));
    }

    #[test]
    fn what_is_shown_is_read_again() {
        is_read_again::<Duration>("90s", "1m30s");
        is_read_again::<Duration>("1500ms", "1s500ms");
        is_read_again::<Duration>("2d", "2d");
        is_read_again::<Bytes>("64MiB", "64MiB");
        is_read_again::<Bytes>("1024 KiB", "1MiB");
        is_read_again::<Bytes>("1000000B", "1MB");
        is_read_again::<Bytes>("7B", "7B");
        is_read_again::<At>("[::1]:80", "[::1]:80");
        is_read_again::<At>("none", "none");
        is_read_again::<PathBuf>("a/b", "/etc/x/a/b");
        is_read_again::<RulePath>("std/red", "std/red");
        is_read_again::<WhenFull>("drop_oldest", "drop_oldest");
        is_read_again::<Url>("https://a:1/b", "https://a:1/b");
    }

    #[test]
    fn what_may_be_a_secret_in_a_url_is_not_shown() {
        let url = Url::of_option("https://user:pass@host/path?token=x#y");
        assert_eq!(format!("{url:?}"), "https://****@host/path?****");
        assert_eq!(url.json(), json!("https://****@host/path?****"));
    }

    #[test]
    fn odd_values_are_refused() {
        for text in ["", "5", "s", "5 s", "5s1h", "5s5s", "0s", "-1s", "99999999999d", "1.5s"] {
            assert!(read::<Duration>(text).is_err(), "{text}");
        }
        for text in ["", "5", "MiB", "0B", "-1B", "99999999999GiB", "1TB", "1mib"] {
            assert!(read::<Bytes>(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "1.0", "1e3", "4294967296", " 1"] {
            assert!(read::<Count>(text).is_err(), "{text}");
        }
        for text in ["localhost:1", "host", "ftp://a", "http://", "http://a b", "http://u:p@h"] {
            assert!(read::<Url>(text).is_err() && read::<At>(text).is_err(), "{text}");
        }
        assert!(read::<Secret>("").is_err() && read::<Secret>("a\nb").is_err());
        assert!(read::<bool>("yes").is_err() && read::<bool>("True").is_err());
    }
}
