//! Tokens with comments: what the nesting limit, the split and the formatter stand on.
//!
//! Never fails: whatever is no token becomes a `Bad` one and a diagnostic. Concatenated with the
//! blanks between them, tokens give the text back.

use crate::diagnostic::{Diagnostic, codes};
use crate::text_range::{FileId, TextRange};

/// Kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Word,
    Number,
    String,
    /// `(`, `[`, `{`.
    Open,
    /// `)`, `]`, `}`.
    Close,
    /// Operators, `,`, `:`, `.`.
    Punctuation,
    /// `// …`, without the line's end.
    LineComment,
    /// `/// …`, without the line's end.
    DocComment,
    /// `/* … */`.
    BlockComment,
    Bad,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.start..self.end]
    }

    /// Whether it is a comment as other languages write it, which the grammar does not know.
    pub(crate) fn is_foreign_comment(&self, text: &str) -> bool {
        self.kind == TokenKind::LineComment && !self.text(text).starts_with("//")
    }

    /// Whether it is a comment.
    pub(crate) fn is_comment(&self) -> bool {
        matches!(
            self.kind,
            TokenKind::LineComment | TokenKind::DocComment | TokenKind::BlockComment
        )
    }

    pub(crate) fn range(&self, file: FileId) -> TextRange {
        TextRange::new(file, self.start, self.end)
    }
}

/// Longest first: the first that fits is taken.
const PUNCTUATION: [&str; 38] = [
    "!>>", "!<<", "&>>", "&<<", "!>", "!<", "!~", "&>", "&<", "&~", ">>", "<<", "~", "===", "==",
    "!=", "<>", "<=", ">=", "=~", "&&", "||", "??", "=", "<", ">", "!", "+", "-", "*", "/", "%",
    ",", ":", ".", "&", "|", "?",
];

/// Characters of a text in typographic quotes: its end is looked for no further.
const TYPOGRAPHIC_MAX: usize = 1_000;

struct Lexer<'a> {
    text: &'a str,
    file: FileId,
    at: usize,
    tokens: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
}

/// All tokens of a text, and what is wrong with its characters.
pub(crate) fn lex(text: &str, file: FileId) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut lexer = Lexer { text, file, at: 0, tokens: Vec::new(), diagnostics: Vec::new() };
    while let Some(character) = lexer.rest().chars().next() {
        lexer.token(character);
    }
    (lexer.tokens, lexer.diagnostics)
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        let start = self.at;
        self.at += length;
        self.tokens.push(Token { kind, start, end: self.at });
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn range(&self, length: usize) -> TextRange {
        TextRange::new(self.file, self.at, self.at + length)
    }

    fn token(&mut self, first: char) {
        let rest = self.rest();
        match first {
            ' ' | '\t' | '\r' | '\n' => self.at += 1,
            _ if rest.starts_with("//") => self.line_comment(),
            _ if rest.starts_with("/*") => self.block_comment(),
            '#' => self.foreign_comment("#"),
            '-' if rest.starts_with("-- ") && self.begins_line() => self.foreign_comment("--"),
            '"' => self.string(0),
            'r' if rest.starts_with("r\"") => self.string(1),
            '\'' => self.single_quoted(),
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.bytes().take_while(|&b| is_word(b)).count();
                self.push(TokenKind::Word, length);
            }
            '0'..='9' => self.push(TokenKind::Number, number_length(rest)),
            '{' if quantity_length(rest) > 0 => {
                self.push(TokenKind::Punctuation, quantity_length(rest));
            }
            '(' | '[' | '{' => self.push(TokenKind::Open, 1),
            ')' | ']' | '}' => self.push(TokenKind::Close, 1),
            '“' | '„' | '«' => self.typographic(first),
            _ => self.punctuation(first),
        }
    }

    /// A text in quotes of a word processor.
    fn typographic(&mut self, first: char) {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .skip(1)
            .take(TYPOGRAPHIC_MAX)
            .take_while(|(_, character)| *character != '\n')
            .find(|(_, character)| matches!(character, '”' | '“' | '»' | '"'));
        let Some((at, last)) = end else { return self.bad(first) };
        let length = at + last.len_utf8();
        let inner = &rest[first.len_utf8()..at];
        let range = self.range(length);
        let fixed = format!("\"{}\"", inner.replace('\\', "\\\\"));
        self.report(
            Diagnostic::new(codes::CHARACTER, range, "texts stand in straight double quotes")
                .help("write it like this")
                .fix(range, fixed),
        );
        self.push(TokenKind::Bad, length);
    }

    fn line_comment(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        let length = rest[..length].trim_end().len();
        let is_doc = rest.starts_with("///") && !rest.starts_with("////");
        let kind = if is_doc { TokenKind::DocComment } else { TokenKind::LineComment };
        self.push(kind, length);
    }

    fn begins_line(&self) -> bool {
        let before = self.text[..self.at].trim_end_matches([' ', '\t', '\r']);
        before.is_empty() || before.ends_with('\n')
    }

    /// A comment as other languages write it: the rest of its line is none of the rules.
    fn foreign_comment(&mut self, sign: &str) {
        let signs = self.rest().len() - self.rest().trim_start_matches(sign).len();
        let range = self.range(signs);
        let message = format!("a comment begins with `//`, not with `{sign}`");
        self.report(
            Diagnostic::new(codes::CHARACTER, range, message).help("write `//`").fix(range, "//"),
        );
        self.line_comment();
    }

    fn block_comment(&mut self) {
        let rest = self.rest();
        match rest[2..].find("*/") {
            Some(at) => self.push(TokenKind::BlockComment, at + 4),
            None => {
                let message = "a comment is not closed";
                self.report(
                    Diagnostic::new(codes::UNTERMINATED, self.range(2), message)
                        .label("begins here")
                        .help("close it with `*/`"),
                );
                self.push(TokenKind::BlockComment, rest.len());
            }
        }
    }

    /// A text; `prefix` letters stand before the quote, which makes it raw.
    fn string(&mut self, prefix: usize) {
        let rest = self.rest();
        match quoted_length(&rest[prefix..], b'"', prefix > 0) {
            Ok(length) => self.push(TokenKind::String, prefix + length),
            Err(length) => {
                let length = prefix + length;
                let end = TextRange::new(self.file, self.at + length, self.at + length);
                self.report(
                    Diagnostic::new(
                        codes::UNTERMINATED,
                        self.range(length),
                        "a text is not closed",
                    )
                    .label("ends with the line")
                    .help("close it with `\"`; a line break inside is written `\\n`")
                    .guess(end, "\""),
                );
                self.push(TokenKind::Bad, length);
            }
        }
    }

    fn single_quoted(&mut self) {
        match quoted_length(self.rest(), b'\'', false) {
            Ok(length) => {
                let inner = &self.rest()[1..length - 1];
                let fixed = format!("\"{}\"", inner.replace("\\'", "'").replace('"', "\\\""));
                let range = self.range(length);
                let message = "texts stand in double quotes";
                self.report(
                    Diagnostic::new(codes::SPELLING, range, message)
                        .help("write it in double quotes")
                        .fix(range, fixed),
                );
                self.push(TokenKind::String, length);
            }
            Err(_) => self.bad('\''),
        }
    }

    fn punctuation(&mut self, first: char) {
        let rest = self.rest();
        match PUNCTUATION.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => self.push(TokenKind::Punctuation, sign.len()),
            None => self.bad(first),
        }
    }

    fn bad(&mut self, first: char) {
        let length = first.len_utf8();
        let range = self.range(length);
        let mut diagnostic = Diagnostic::new(
            codes::CHARACTER,
            range,
            match first {
                '`' => "a backtick is not part of the language".to_owned(),
                _ => format!("`{}` is not part of the language", first.escape_debug()),
            },
        );
        if first == ';' {
            diagnostic = diagnostic
                .help("a declaration ends where the next one begins; items are joined by `,`")
                .guess(range, "");
        } else if let Some(plain) = plain_form(first) {
            diagnostic = diagnostic.help(format!("write `{plain}`")).guess(range, plain);
        } else if first == '`' {
            let help = "names stand without quotes; any attribute is read by `attr[\"…\"]`";
            diagnostic = diagnostic.help(help).guess(range, "");
        } else {
            diagnostic = diagnostic.help("texts with such characters stand in quotes");
        }
        // A pasted binary file would report every byte; a run of bad characters is one problem.
        let continues = self
            .tokens
            .last()
            .is_some_and(|last| last.kind == TokenKind::Bad && last.end == self.at);
        if !continues {
            self.report(diagnostic);
        }
        self.push(TokenKind::Bad, length);
    }
}

fn plain_form(character: char) -> Option<&'static str> {
    Some(match character {
        '“' | '”' | '„' | '«' | '»' => "\"",
        '–' | '−' | '—' => "-",
        '≥' => ">=",
        '≤' => "<=",
        '≠' => "!=",
        '×' => "*",
        '\u{a0}' | '\u{2009}' | '\u{200b}' | '\u{feff}' => " ",
        _ => return None,
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Length of a quoted text with its quotes, or of what there is of it on the line.
fn quoted_length(text: &str, quote: u8, is_raw: bool) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => return Err(text[..at].trim_end().len()),
            b'\\' if !is_raw => {
                // The escaped character, whole, unless it is the line's end.
                let escaped = text[at + 1..].chars().next();
                at += 1 + escaped.filter(|&c| c != '\n').map_or(0, char::len_utf8);
            }
            byte if byte == quote => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(text.len())
}

/// Length of a number with its unit letters, or of a point in time.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if let Some(length) = stamp_length(bytes) {
        return length;
    }
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 1;
    while at < bytes.len() {
        let sign = matches!(bytes[at], b'e' | b'E')
            && digit(at - 1)
            && matches!(bytes.get(at + 1), Some(b'+' | b'-'))
            && digit(at + 2);
        if sign {
            at += 3;
        } else if is_word(bytes[at]) {
            at += 1;
        } else if bytes[at] == b'.' && digit(at + 1) {
            at += 2;
        } else {
            break;
        }
    }
    at + usize::from(bytes.get(at) == Some(&b'%'))
}

fn stamp_length(bytes: &[u8]) -> Option<usize> {
    let is_date = bytes.len() > 11
        && bytes[..11].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return None;
    }
    let run = |from: usize, dot: bool| {
        let rest = bytes[from..].iter();
        from + rest
            .take_while(|b| b.is_ascii_digit() || **b == b':' || (dot && **b == b'.'))
            .count()
    };
    let at = run(11, true);
    if at == 11 {
        return None;
    }
    Some(match bytes.get(at) {
        Some(b'Z') => at + 1,
        Some(b'+' | b'-') if run(at + 1, false) > at + 1 => run(at + 1, false),
        _ => at,
    })
}

/// Length of the quantity of a pattern's step, `{2,5}`: a colon follows it.
fn quantity_length(text: &str) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b',' | b'_' | b' ');
    let inside = text.as_bytes()[1..].iter().take_while(|byte| is_part(byte)).count();
    let has_digit = text[1..=inside].contains(|c: char| c.is_ascii_digit());
    let rest = &text[1 + inside..];
    let closes = rest.strip_prefix('}').is_some_and(|rest| rest.trim_start().starts_with(':'));
    if has_digit && closes { inside + 2 } else { 0 }
}
