//! What is not shown of a file: everything that is not known to be no secret.
//!
//! Invariant: of what is not known, no letter or digit is left.

use std::ops::Range;

/// Places of all words but those within places that may be seen.
pub(super) fn but(text: &str, mut seen: Vec<Range<usize>>) -> Vec<Range<usize>> {
    seen.sort_by_key(|range| range.start);
    let (mut next, mut until) = (0, 0);
    let mut places = words(text);
    places.retain(|word| {
        while seen.get(next).is_some_and(|range| range.start <= word.start) {
            until = until.max(seen[next].end);
            next += 1;
        }
        word.start >= until
    });
    places
}

/// Places of all words of a file of unknown structure but the keys of its lines. A key is known by
/// what follows it: a colon with a space or nothing behind it, or one equals sign.
pub(super) fn values(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let keys = text.split_inclusive('\n').map(|line| {
        let key = start..start + key_length(line);
        start += line.len();
        key
    });
    let keys = keys.collect();
    but(text, keys)
}

fn words(text: &str) -> Vec<Range<usize>> {
    let is_between = |c: char| c.is_whitespace() || ",:=[]{}'\"#".contains(c);
    let mut places = Vec::new();
    let mut start = 0;
    for word in text.split_inclusive(is_between) {
        let length = word.trim_end_matches(is_between).len();
        if word.contains(|c: char| c.is_alphanumeric() || !c.is_ascii()) {
            places.push(start..start + length);
        }
        start += word.len();
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
        for range in values(text).into_iter().rev() {
            masked.replace_range(range, "*");
        }
        masked
    }

    #[test]
    fn keys_stay_and_values_go() {
        for (text, left) in [
            ("token: s3cret", "token: *"),
            ("  - token: \"a b\"\n", "  - token: \"* *\"\n"),
            ("  s3-cret", "  *"),
            ("c2VjcmV0cw==", "*=="),
            ("token = 's3cret'", "token = '*'"),
            ("[listeners.lines]", "[listeners.lines]"),
            ("tokens: [a, b", "tokens: [*, *"),
            ("sinks:\n  pager:\n    url: http://h", "sinks:\n  pager:\n    url: *:*"),
            ("pässwort", "*"),
        ] {
            assert_eq!(masked(text), left);
        }
    }

    #[test]
    fn what_may_be_seen_stays() {
        let text = "a: b # c\nd: [e, f]";
        let at = |part: &str| text.find(part).unwrap()..text.find(part).unwrap() + part.len();
        assert_eq!(but(text, vec![at("d"), at("a: b"), at("f")]), [at("c"), at("e")]);
    }
}
