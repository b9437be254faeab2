//! A file cut into declarations, so that one broken declaration hides no other.

use super::lexer::{Token, TokenKind};
use super::parse::CLAUSES;
use crate::diagnostic::suggest::is_very_near;

/// Words that open a declaration.
pub(crate) const KEYWORDS: [&str; 19] = [
    "edition",
    "import",
    "param",
    "const",
    "fn",
    "stream",
    "aggregate",
    "rows",
    "alert",
    "route",
    "test",
    "pattern",
    "correlate",
    "retrace",
    "traces",
    "sample",
    "redact",
    "validate",
    "table",
];

/// Of those, the ones that this version does not run.
pub(crate) const NOT_YET: [&str; 1] = ["validate"];

/// The tokens of one declaration, with its comments; `first` is the keyword's index where it has
/// one (text before the first declaration has none).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) first: Option<usize>,
    pub(crate) end: usize,
}

/// Cuts tokens before each declaration's keyword; comments right above it go with it.
///
/// Where brackets balance, only keywords outside of them count. Where they do not, one in the
/// first column counts too: an unclosed bracket must not swallow the rest of the file.
pub(crate) fn split(text: &str, tokens: &[Token]) -> Vec<Piece> {
    let balanced = is_balanced(tokens);
    let mut starts = Vec::new();
    let mut depth = 0_usize;
    let mut previous: Option<usize> = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            _ if token.is_comment() => continue,
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word => {
                let column = column_blank(text, tokens, index);
                let outside = if balanced { depth == 0 } else { depth == 0 || column == Some(0) };
                let word = token.text(text);
                let before = previous.map(|at| &tokens[at]);
                let opens = outside
                    && (column.is_some() || follows(text, before, &tokens[index..]))
                    && (KEYWORDS.contains(&word)
                        || (column == Some(0) && is_slip(text, &tokens[index..])))
                    && !continues(text, before)
                    && is_headed(text, &tokens[index..]);
                if opens {
                    starts.push((previous.map_or(0, |at| at + 1), index));
                    depth = 0;
                }
            }
            _ => {}
        }
        previous = Some(index);
    }
    pieces(text, tokens, &starts)
}

fn pieces(text: &str, tokens: &[Token], starts: &[(usize, usize)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let lead_end = starts.first().map_or(tokens.len(), |start| start.0);
    if tokens[..lead_end].iter().any(|token| !token.is_comment()) {
        pieces.push(Piece { start: 0, first: None, end: lead_end });
    }
    for (at, &(after_previous, first)) in starts.iter().enumerate() {
        // A comment behind the previous declaration's last token, on its line, is that one's.
        let mut start = after_previous;
        if start > 0 {
            while start < first && !breaks_line(text, &tokens[start - 1], &tokens[start]) {
                start += 1;
            }
        }
        if let Some(last) = pieces.last_mut().filter(|_| at > 0 || lead_end > 0) {
            last.end = last.end.max(start);
        }
        pieces.push(Piece { start, first: Some(first), end: tokens.len() });
        let count = pieces.len();
        if count > 1 {
            pieces[count - 2].end = start;
        }
    }
    pieces
}

fn breaks_line(text: &str, a: &Token, b: &Token) -> bool {
    text[a.end..b.start].contains('\n')
}

fn is_balanced(tokens: &[Token]) -> bool {
    let mut depth = 0_i64;
    for token in tokens {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// The token's column, if it is the first on its line.
fn column_blank(text: &str, tokens: &[Token], index: usize) -> Option<usize> {
    let from = index.checked_sub(1).map_or(0, |before| tokens[before].end);
    let blank = &text[from..tokens[index].start];
    match blank.rfind('\n') {
        Some(at) => Some(blank.len() - at - 1),
        None => (index == 0).then_some(blank.len()),
    }
}

/// Whether the token before asks for more, so that a keyword behind it is a plain name.
fn continues(text: &str, previous: Option<&Token>) -> bool {
    previous.is_some_and(|token| match token.kind {
        TokenKind::Punctuation => token.text(text) != "%",
        TokenKind::Word => {
            matches!(token.text(text), "by" | "where" | "and" | "or" | "not" | "when" | "having")
        }
        _ => false,
    })
}

/// Whether a declaration begins in the middle of a line: behind a bracket or a number, where no
/// clause goes on with a plain name, or because what follows is the head of such a declaration.
fn follows(text: &str, before: Option<&Token>, tokens: &[Token]) -> bool {
    let is_behind = |token: &Token| matches!(token.kind, TokenKind::Close | TokenKind::Number);
    let is_word = |token: &Token| matches!(token.kind, TokenKind::Word | TokenKind::String);
    before.is_some_and(|token| is_behind(token) || (is_word(token) && has_head(text, tokens)))
}

/// Whether a keyword is followed by what only a declaration of its kind begins with.
fn has_head(text: &str, tokens: &[Token]) -> bool {
    let mut rest = tokens.iter().skip(1).filter(|token| !token.is_comment());
    let Some(next) = rest.next() else { return false };
    match tokens[0].text(text) {
        "edition" => return next.kind == TokenKind::Number,
        "import" | "test" => return next.kind == TokenKind::String,
        "redact" => return next.kind == TokenKind::Open,
        _ if next.kind != TokenKind::Word => return false,
        _ => {}
    }
    // The name may be a path.
    let mut after = rest.next();
    while after.is_some_and(|dot| dot.text(text) == ".") {
        (_, after) = (rest.next(), rest.next());
    }
    let Some(after) = after else { return false };
    match tokens[0].text(text) {
        "route" => matches!(after.text(text), "where" | "to"),
        "sample" | "correlate" | "fn" => after.kind == TokenKind::Open,
        "pattern" => after.text(text) == "by",
        _ => matches!(after.text(text), "from" | "="),
    }
}

/// Whether a word in the first column is a misspelt keyword in front of a name: it must not
/// become part of the declaration before it.
fn is_slip(text: &str, tokens: &[Token]) -> bool {
    let next = tokens.iter().skip(1).find(|token| !token.is_comment());
    let word = tokens[0].text(text);
    next.is_some_and(|next| matches!(next.kind, TokenKind::Word | TokenKind::String))
        && !CLAUSES.contains(&word)
        && KEYWORDS.iter().any(|known| is_very_near(word, known))
}

/// Whether what follows a keyword can be a declaration's head rather than an expression.
fn is_headed(text: &str, tokens: &[Token]) -> bool {
    let mut rest = tokens.iter().skip(1).filter(|token| !token.is_comment());
    match rest.next() {
        None => true,
        Some(next) => match next.kind {
            TokenKind::Punctuation => tokens[0].text(text) != "route" && next.text(text) == "=",
            TokenKind::Open => matches!(tokens[0].text(text), "redact" | "table" | "test"),
            TokenKind::Close => false,
            _ => true,
        },
    }
}
