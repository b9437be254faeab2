//! Blanks between two tokens on one line.

use crate::syntax::lexer::{Token, TokenKind};

/// Words behind which a bracket opens an expression, not the arguments of a call.
const BEFORE_VALUE: [&str; 31] = [
    "and",
    "or",
    "not",
    "in",
    "if",
    "then",
    "else",
    "where",
    "when",
    "until",
    "having",
    "by",
    "for",
    "hold",
    "over",
    "every",
    "within",
    "limit",
    "groups",
    "lateness",
    "idle",
    "before",
    "top",
    "matches",
    "contains",
    "starts_with",
    "ends_with",
    "per",
    "amend",
    "set",
    "select",
];

/// Words that are operators only behind a value; else they are functions.
const OPERATOR_OR_FUNCTION: [&str; 4] = ["matches", "contains", "starts_with", "ends_with"];

/// A line's tokens as far as spacing needs them.
pub(super) struct Spacing<'a> {
    pub(super) text: &'a str,
    /// Whether a `-` keeps its blanks: names such as `queue-service` hold one.
    pub(super) keeps_minus: bool,
}

impl Spacing<'_> {
    /// Whether a blank stands between `tokens[at - 1]` and `tokens[at]`.
    pub(super) fn between(&self, tokens: &[Token], at: usize) -> bool {
        let (Some(before), Some(token)) = (at.checked_sub(1).map(|i| &tokens[i]), tokens.get(at))
        else {
            return false;
        };
        if before.is_comment() || token.is_comment() {
            return true;
        }
        let (a, b) = (before.text(self.text), token.text(self.text));
        if self.keeps_minus && (a == "-" || b == "-") {
            return before.end != token.start;
        }
        if b == "?" || (b.len() > 1 && b.starts_with('{')) {
            return false; // the quantity of a step
        }
        match (a, b) {
            ("{", "}") => return false,
            (_, "," | ":" | "." | ")" | "]") | ("(" | "[" | ".", _) => return false,
            ("{" | "," | ":", _) | (_, "}") => return true,
            _ => {}
        }
        if b == "(" {
            return !self.is_call(tokens, at - 1);
        }
        if b == "[" {
            // `values mask [email]` is no place in a list.
            let word = at.checked_sub(2).map_or("", |at| tokens[at].text(self.text));
            return !is_value(before, a) || matches!(word, "keys" | "values");
        }
        if matches!(a, "-" | "!") {
            return !self.is_unary(tokens, at - 1);
        }
        true
    }

    fn is_call(&self, tokens: &[Token], at: usize) -> bool {
        let word = tokens[at].text(self.text);
        if tokens[at].kind != TokenKind::Word {
            return false;
        }
        if OPERATOR_OR_FUNCTION.contains(&word) {
            return !self.follows_value(tokens, at);
        }
        !BEFORE_VALUE.contains(&word)
    }

    fn is_unary(&self, tokens: &[Token], at: usize) -> bool {
        !self.follows_value(tokens, at)
    }

    fn follows_value(&self, tokens: &[Token], at: usize) -> bool {
        let before = tokens[..at].iter().rev().find(|token| !token.is_comment());
        before.is_some_and(|token| is_value(token, token.text(self.text)))
    }
}

fn is_value(token: &Token, text: &str) -> bool {
    match token.kind {
        TokenKind::Word => !BEFORE_VALUE.contains(&text),
        TokenKind::Number | TokenKind::String | TokenKind::Close => true,
        _ => false,
    }
}
