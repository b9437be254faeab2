//! What may be a secret in a file whose structure is not known: all but names of fields.
//!
//! Invariant: no letter or digit of a value is left, whatever the file looks like.

use std::ops::Range;

/// Places of all words of a text that are not the key of their line. A key is known by what
/// follows it: a colon with a space or nothing behind it, or one equals sign.
pub(super) fn places(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let from = start + key_length(line);
        let mut word: Option<usize> = None;
        for (at, c) in text[from..start + line.len()].char_indices() {
            let at = from + at;
            match (c.is_alphanumeric() || !c.is_ascii(), word) {
                (true, None) => word = Some(at),
                (false, Some(first)) => {
                    places.push(first..at);
                    word = None;
                }
                _ => {}
            }
        }
        places.extend(word.map(|first| first..start + line.len()));
        start += line.len();
    }
    places
}

/// Bytes at the start of a line that hold its key, or the header of a table of TOML.
fn key_length(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let rest = &line[indent..];
    let is_key = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
    let key = rest.trim_start_matches(is_key);
    let length = indent + rest.len() - key.len();
    let behind = key.trim_start_matches(' ');
    let is_pair = key.starts_with(": ") || key.trim_end() == ":";
    let is_equal = behind.starts_with("= ") || behind.starts_with("=\"");
    let is_table =
        rest.starts_with('[') && rest.trim_end().ends_with(']') && !rest.contains([',', '"']);
    match () {
        () if is_pair || is_equal => length,
        () if is_table => line.len(),
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut masked = text.to_owned();
        for range in places(text).into_iter().rev() {
            masked.replace_range(range, "*");
        }
        masked
    }

    #[test]
    fn keys_stay_and_values_go() {
        for (text, left) in [
            ("token: s3cret", "token: *"),
            ("  - token: \"a b\"\n", "  - token: \"* *\"\n"),
            ("  s3cret", "  *"),
            ("c2VjcmV0cw==", "*=="),
            ("token = 's3cret'", "token = '*'"),
            ("[listeners.lines]", "[listeners.lines]"),
            ("tokens: [a, b", "tokens: [*, *"),
            ("sinks:\n  pager:\n    url: http://h", "sinks:\n  pager:\n    url: *://*"),
            ("pässwort", "*"),
        ] {
            assert_eq!(masked(text), left);
        }
    }
}
