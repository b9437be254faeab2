//! Just enough Rust reading for the rules: code without comments and literals, and where the test
//! code is. Lines keep their numbers.

/// The text with comments and the insides of string and character literals blanked.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' | b'b' if !is_word_before(bytes, at) => match raw_end(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            b'\'' => match char_end(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(bytes[at - 1])
}

/// Whether a byte can be part of a name.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    bytes.len().min(end + 1)
}

/// The end of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`.
fn raw_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut start = at;
    while matches!(bytes.get(start), Some(b'r' | b'b')) && start < at + 2 {
        start += 1;
    }
    let is_raw = bytes[at..start].contains(&b'r');
    let hashes = bytes[start..].iter().take_while(|byte| is_raw && **byte == b'#').count();
    if bytes.get(start + hashes) != Some(&b'"') {
        return None;
    }
    if !is_raw {
        return Some(string_end(bytes, start));
    }
    let close: Vec<u8> = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = start + hashes + 1;
    let length = bytes[body..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| body + length + close.len()))
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let rest = bytes[at + 3..].iter().position(|byte| *byte == b'\'')?;
        return Some(at + 3 + rest + 1);
    }
    let length = std::str::from_utf8(&bytes[at + 1..bytes.len().min(at + 5)])
        .map_or_else(
            |error| {
                let valid = &bytes[at + 1..at + 1 + error.valid_up_to()];
                std::str::from_utf8(valid).ok().and_then(|text| text.chars().next())
            },
            |text| text.chars().next(),
        )?
        .len_utf8();
    (bytes.get(at + 1 + length) == Some(&b'\'')).then_some(at + length + 2)
}

/// The place of the bracket that closes the one at `open`.
pub(crate) fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The code with items under `#[cfg(test)]` blanked too. `code` comes from [`code_only`].
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let Some(open) = code[at..].find(['{', ';']).map(|length| at + length) else {
            continue;
        };
        let end = if code.as_bytes()[open] == b'{' { closing(code, open) } else { Some(open) };
        let end = end.map_or(code.len(), |end| end + 1);
        out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a whole file is test or bench code.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.contains("tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.contains("benches/")
        || path.starts_with("examples/")
}

/// The number of the line, from 1, that holds a place of the text.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Places where `word` stands as a word of its own, or begins a path.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let bytes = code.as_bytes();
        let is_end = |byte: Option<&u8>| byte.is_none_or(|byte| !is_word(*byte));
        (*at == 0 || !is_word(bytes[at - 1])) && is_end(bytes.get(at + word.len()))
    })
}

#[test]
fn literals_and_comments_are_blank() {
    let text = "a(\"x { \\\" }\", '{', '\\'', r#\"\"}\"#); // {\n/* { /* */ */ b::<'a>()";
    let code = code_only(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains(['{', '}', '"', '/']), "{code}");
    assert!(code.contains("b::<'a>()"), "{code}");
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn test_items_are_blank() {
    let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}";
    let rest = without_tests(code);
    assert!(rest.contains("fn a") && rest.contains("fn c") && !rest.contains("fn b"), "{rest}");
    assert!(without_tests("#[cfg(test)]\nmod tests;\nfn c() {}").contains("fn c"));
}
