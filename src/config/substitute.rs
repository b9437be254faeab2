//! `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` within a scalar.
//!
//! Invariant: only the text of a scalar that is already parsed is changed, once; what comes in is
//! never read as syntax and never substituted again. `$$` is one `$`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a file that `${file:…}` names.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

/// What may be written.
const WRITTEN: &str = "expected `${env:NAME}`, `${env:NAME:-default}` or `${file:PATH}`; a `$` itself \
                       is written `$$`";

/// A scalar's text, and where parts of it came from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Substituted {
    /// The text.
    pub(super) text: String,
    /// What was put in, as it is written: `${env:TOKEN}`.
    pub(super) from: Vec<String>,
}

/// Substitutes; the error says what is wrong and never shows a value.
pub(super) fn substitute(text: &str, folder: &Path) -> Result<Substituted, String> {
    let mut result = Substituted::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            result.text.push('$');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('{') {
            let Some((inner, behind)) = behind.split_once('}') else {
                return Err("`${` without its `}`; a `$` itself is written `$$`".to_owned());
            };
            result.text.push_str(&value(inner, folder)?);
            // A default may be a secret of its own.
            let shown = inner.split_once(":-").map_or(inner, |(name, _)| name);
            result.from.push(format!("${{{shown}}}"));
            rest = behind;
        } else {
            result.text.push('$');
        }
    }
    result.text.push_str(rest);
    Ok(result)
}

fn value(inner: &str, folder: &Path) -> Result<String, String> {
    let Some((scheme, rest)) = inner.split_once(':') else {
        return Err(WRITTEN.to_owned());
    };
    match scheme {
        "env" => {
            let (name, default) = match rest.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (rest, None),
            };
            match (variable(name)?, default) {
                (Some(value), None) => Ok(value),
                // As in shells, an empty variable takes the default, too.
                (Some(value), Some(_)) if !value.is_empty() => Ok(value),
                (_, Some(default)) => Ok(default.to_owned()),
                (None, None) => Err(format!(
                    "the environment has no `{name}`: set it, or give a default: \
                     `${{env:{name}:-default}}`"
                )),
            }
        }
        "file" => file(&folder.join(rest)),
        _ => Err(WRITTEN.to_owned()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a configuration reads the environment")]
fn variable(name: &str) -> Result<Option<String>, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(
            "expected the name of a variable behind `${env:`: letters, digits, `_`".to_owned()
        );
    }
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("`{name}` is not UTF-8")),
    }
}

/// The text of a file without the newline at its end.
pub(super) fn file(path: &Path) -> Result<String, String> {
    let cannot =
        |cause: &dyn std::fmt::Display| format!("cannot read `{}`: {cause}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|cause| cannot(&cause))?;
    file.take(VALUE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|cause| cannot(&cause))?;
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        return Err(cannot(&format!("it has more than {VALUE_BYTES_MAX} bytes")));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| cannot(&"it is not UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<String, String> {
        substitute(text, Path::new("")).map(|done| done.text)
    }

    #[test]
    fn dollars_are_escaped_and_defaults_taken() {
        assert_eq!(text("a $5 $$ $${env:X} $").as_deref(), Ok("a $5 $ ${env:X} $"));
        assert_eq!(text("<${env:NO_SUCH_VARIABLE:-a:-b}>").as_deref(), Ok("<a:-b>"));
        assert_eq!(text("${env:NO_SUCH_VARIABLE:-}").as_deref(), Ok(""));
        let cargo = substitute("${env:CARGO_PKG_NAME}!", Path::new("")).unwrap();
        assert_eq!(
            (&*cargo.text, &*cargo.from),
            ("tailwater!", &["${env:CARGO_PKG_NAME}".to_owned()][..])
        );
    }

    #[test]
    fn what_cannot_be_substituted_is_said() {
        for (written, said) in [
            ("${env:NO_SUCH_VARIABLE}", "the environment has no `NO_SUCH_VARIABLE`"),
            ("${HOME}", "expected `${env:NAME}`"),
            ("${env:A B}", "expected the name of a variable"),
            ("${vault:x}", "or `${file:PATH}`"),
            ("${env:HOME", "without its `}`"),
            ("${file:/no/such/file}", "cannot read `/no/such/file`"),
        ] {
            let told = text(written).unwrap_err();
            assert!(told.contains(said), "{told}");
        }
    }
}
