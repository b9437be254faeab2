//! Brackets: they match, and no place is too deep. Runs before any recursive pass.

use super::lexer::{Token, TokenKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits::NESTING_MAX;
use crate::text_range::FileId;

/// What is wrong with the brackets of a run of tokens; the first problem only, as one missing
/// bracket makes every later one look wrong.
pub(crate) fn check(text: &str, tokens: &[Token], file: FileId) -> Option<Diagnostic> {
    let mut open: Vec<&Token> = Vec::new();
    // `if` and `where` recurse without a bracket: how many stand open on each bracket level.
    let mut words = vec![0_usize];
    let mut words_open = 0;
    for token in tokens {
        match token.kind {
            TokenKind::Word if matches!(token.text(text), "if" | "where") => {
                words_open += 1;
                if let Some(level) = words.last_mut() {
                    *level += 1;
                }
                if open.len() + words_open > NESTING_MAX {
                    return Some(too_deep(token, file));
                }
            }
            TokenKind::Punctuation if token.text(text) == "," => {
                if let Some(level) = words.last_mut() {
                    words_open -= std::mem::take(level);
                }
            }
            TokenKind::Open => {
                open.push(token);
                words.push(0);
                if open.len() + words_open > NESTING_MAX {
                    return Some(too_deep(token, file));
                }
            }
            TokenKind::Close => match open.pop() {
                Some(opened) if closing(opened.text(text)) == token.text(text) => {
                    words_open -= words.pop().unwrap_or(0);
                }
                Some(opened) => return Some(mismatch(text, opened, token, file)),
                None => return Some(stray(text, token, file)),
            },
            _ => {}
        }
    }
    let opened = open.last()?;
    let text_of = opened.text(text);
    let end = tokens.last()?.range(file).at_end();
    Some(
        Diagnostic::new(codes::BRACKETS, opened.range(file), format!("`{text_of}` is not closed"))
            .label("opened here")
            .help(format!("close it with `{}`", closing(text_of)))
            .guess(end, format!(" {}", closing(text_of))),
    )
}

fn too_deep(token: &Token, file: FileId) -> Diagnostic {
    let message = format!("brackets are nested deeper than {NESTING_MAX} levels");
    Diagnostic::new(codes::NESTING, token.range(file), message)
        .label(format!("level {}", NESTING_MAX + 1))
        .help("name parts of the expression with `const`, `fn` or a `set` column")
}

fn mismatch(text: &str, opened: &Token, token: &Token, file: FileId) -> Diagnostic {
    let (open, close) = (opened.text(text), token.text(text));
    let message = format!("`{close}` does not close `{open}`");
    Diagnostic::new(codes::BRACKETS, token.range(file), message)
        .label(format!("expected `{}`", closing(open)))
        .because(opened.range(file), "opened here")
        .help(format!("write `{}`", closing(open)))
        .guess(token.range(file), closing(open))
}

fn stray(text: &str, token: &Token, file: FileId) -> Diagnostic {
    let message = format!("`{}` closes nothing", token.text(text));
    Diagnostic::new(codes::BRACKETS, token.range(file), message)
        .help("remove it")
        .guess(token.range(file), "")
}

fn closing(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}
