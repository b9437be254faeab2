//! Brackets: they match, and no place is too deep. Runs before any recursive pass.

use super::lexer::{Token, TokenKind};
use super::parse::CLAUSES;
use crate::diagnostic::{Diagnostic, codes};
use crate::limits::NESTING_MAX;
use crate::text_range::{FileId, TextRange};

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
                Some(opened) => {
                    let fits_outer = open
                        .last()
                        .is_some_and(|outer| closing(outer.text(text)) == token.text(text));
                    return Some(mismatch(text, opened, token, fits_outer, file));
                }
                None => return Some(stray(text, token, file)),
            },
            _ => {}
        }
    }
    unclosed(text, tokens, open.last()?, file)
}

fn unclosed(text: &str, tokens: &[Token], opened: &Token, file: FileId) -> Option<Diagnostic> {
    let text_of = opened.text(text);
    let end = likely_end(text, tokens, opened)?.range(file).at_end();
    Some(
        Diagnostic::new(codes::BRACKETS, opened.range(file), format!("`{text_of}` is not closed"))
            .label("opened here")
            .help(format!("close it with `{}`", closing(text_of)))
            .guess(end, if text_of == "{" { " }" } else { closing(text_of) }),
    )
}

fn too_deep(token: &Token, file: FileId) -> Diagnostic {
    let message = format!("the text is nested deeper than {NESTING_MAX} levels");
    Diagnostic::new(codes::NESTING, token.range(file), message)
        .label(format!("level {}", NESTING_MAX + 1))
        .note("each open bracket, `if` and `where` is a level")
        .help("name parts of the expression with `const`, `fn` or a `set` column")
}

/// The last token that an open bracket can be meant to hold: the one before the next clause that
/// begins a line.
fn likely_end<'t>(text: &str, tokens: &'t [Token], opened: &Token) -> Option<&'t Token> {
    let from = tokens.iter().position(|token| token.start == opened.start)? + 1;
    let begins = |at: usize| {
        let (before, token) = (&tokens[at - 1], &tokens[at]);
        let named = tokens.get(at + 1).is_some_and(|next| matches!(next.text(text), ":" | "("));
        text[before.end..token.start].contains('\n')
            && CLAUSES.contains(&token.text(text))
            && !named
    };
    let next = (from..tokens.len()).find(|&at| begins(at)).unwrap_or(tokens.len());
    tokens.get(next - 1)
}

fn mismatch(
    text: &str,
    opened: &Token,
    token: &Token,
    fits_outer: bool,
    file: FileId,
) -> Diagnostic {
    let (open, close) = (opened.text(text), token.text(text));
    let message = format!("`{close}` does not close `{open}`");
    let wanted = closing(open);
    let range = token.range(file);
    let diagnostic = Diagnostic::new(codes::BRACKETS, range, message)
        .label(format!("expected `{wanted}`"))
        .because(opened.range(file), "opened here");
    let is_list = (open, close) == ("(", "]") && text[..opened.start].trim_end().ends_with(" in");
    if is_list {
        let help = "a list stands in square brackets: write `[`";
        return diagnostic.help(help).guess(opened.range(file), "[");
    }
    if fits_outer {
        // It closes the bracket around: the inner one was forgotten.
        let gap = &text[..token.start];
        let at = range.start as usize - (gap.len() - gap.trim_end().len());
        let at = TextRange::new(file, at, at);
        return diagnostic.help(format!("close `{open}` first")).guess(at, wanted);
    }
    diagnostic.help(format!("write `{wanted}`")).guess(range, wanted)
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
