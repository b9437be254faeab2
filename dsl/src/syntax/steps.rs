//! Mistakes in the braces of a pattern, a correlation and a redaction.
//!
//! As [`habits`](super::habits), each is looked for where the grammar stopped.

use super::habits::{Place, spelling};
use super::lexer::TokenKind;
use crate::diagnostic::suggest::is_very_near;
use crate::diagnostic::{Diagnostic, codes};

/// Words and signs by which other languages say that one event follows another.
const FOLLOWS: [&str; 9] =
    ["-", "=", ">>", "|", ",", "followed", "followedBy", "followed_by", "FOLLOWED"];

/// Words that may stand behind the source of a step.
const BEHIND_A_SOURCE: [&str; 8] = ["where", "by", "gap", "then", "next", "or", "without", "until"];

/// The first mistake that explains the place.
pub(super) fn answer(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let open = body(place)?;
    match place.word(place.tokens.first()) {
        "pattern" => nameless(place, expected)
            .or_else(|| colon(place, expected))
            .or_else(|| quantity(place, expected))
            .or_else(|| absence(place, expected))
            .or_else(|| follows(place, expected))
            .or_else(|| together(place, expected))
            .or_else(|| within(place)),
        "correlate" => nameless(place, expected).or_else(|| colon(place, expected)),
        "redact" => brackets(place, expected, open),
        _ => None,
    }
}

/// The opening brace of the steps, sides or lines that hold the place.
pub(super) fn body(place: &Place<'_>) -> Option<usize> {
    let mut open = Vec::new();
    for (index, token) in place.tokens[..place.at].iter().enumerate() {
        match token.kind {
            TokenKind::Open => open.push(index),
            TokenKind::Close => drop(open.pop()),
            _ => {}
        }
    }
    let outer = *open.first()?;
    let before = place.word(place.token(outer.checked_sub(1)));
    let is_clause = matches!(before, "select" | "set" | "labels" | "annotations" | "root");
    (place.word(place.token(Some(outer))) == "{" && !is_clause).then_some(outer)
}

fn wants(expected: &[String], word: &str) -> bool {
    expected.iter().any(|known| known == word)
}

/// `{ logs where … }`: a source without the name of its step.
fn nameless(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let (found, source) = (place.word(Some(place.found())), place.before()?);
    let ends = BEHIND_A_SOURCE.contains(&found) || matches!(found, "}" | ")");
    if !(ends && wants(expected, "`:`") && source.kind == TokenKind::Word) {
        return None;
    }
    let what = part(place);
    let word = source.text(place.text);
    Some(
        Diagnostic::new(
            codes::SYNTAX,
            source.range(place.file),
            format!("this {what} has no name"),
        )
        .label("what it reads, or its name alone")
        .help(format!("give it one, and say what it reads: `a: {word}`")),
    )
}

/// `a = logs`, `a logs`, `a+: logs`
fn colon(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let (name, found) = (place.before()?, place.found());
    if !wants(expected, "`:`") || name.kind != TokenKind::Word {
        return None;
    }
    let range = found.range(place.file);
    let shown = found.text(place.text);
    let message = format!("`:` expected behind the name of a {}, found `{shown}`", part(place));
    let diagnostic = Diagnostic::new(codes::SYNTAX, range, message).label("not expected here");
    // `spans wheres attr["k"] != null` is no name of a further side.
    let word = name.text(place.text);
    let meant = ["where", "gap", "not", "then", "next"].into_iter();
    let meant = meant.filter(|known| word.len() > 2 && is_very_near(word, known)).min();
    if let Some(meant) = meant {
        let message = format!("`:` expected behind the name `{word}`, found `{shown}`");
        let diagnostic = Diagnostic::new(codes::SYNTAX, range, message).label("not expected here");
        return Some(diagnostic.did_you_mean(name.range(place.file), meant));
    }
    let help = format!("write `{word}: ` and what it reads");
    match shown {
        "=" => Some(diagnostic.help("write `:`").guess(range, ":")),
        _ if found.kind == TokenKind::Word => {
            Some(diagnostic.help(help).guess(name.range(place.file).at_end(), ":"))
        }
        _ => None,
    }
}

/// `a+: logs`, `a*: logs`
fn quantity(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let sign = place.word(Some(place.found()));
    let written = match sign {
        "+" => "{1,}",
        "*" => "{0,}",
        _ => return None,
    };
    if !wants(expected, "`:`") {
        return None;
    }
    let range = place.found().range(place.file);
    let message = format!("how often a step comes stands in braces, not as `{sign}`");
    Some(
        spelling(range, message)
            .help(format!("write `{written}`; `?` is a step that may be left out"))
            .guess(range, written),
    )
}

/// `then not b: logs`
fn absence(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    if !wants(expected, "`for`") {
        return None;
    }
    let shown = place.word(Some(place.found()));
    let message = format!("`for` expected: how long the event must not come; found `{shown}`");
    Some(
        Diagnostic::new(codes::SYNTAX, place.found().range(place.file), message)
            .label("not expected here")
            .help("an absence is written `not b: logs for 5m`"),
    )
}

/// `a: logs -> b: logs`
fn follows(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let found = place.found();
    let word = found.text(place.text);
    if !(wants(expected, "`then` or `next`") && FOLLOWS.contains(&word)) {
        return None;
    }
    let next = place.word(place.after());
    let last = match (word, next) {
        ("-" | "=", ">") => place.after()?,
        ("-" | "=", _) => return None,
        (_, "by" | "BY") => place.after()?,
        _ => found,
    };
    let range = place.range(found, last);
    let shown = place.text.get(range.bytes()).unwrap_or(word);
    Some(
        spelling(range, format!("that one step follows another is said by `then`, not `{shown}`"))
            .help("write `then`, or `next` where nothing else may come between")
            .guess(range, "then"),
    )
}

/// `a: logs and b: logs`
fn together(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let word = place.word(Some(place.found()));
    let is_and = word.eq_ignore_ascii_case("and") || word == "&&";
    let asks = is_and && wants(expected, "`then` or `next`");
    asks.then(|| {
        let message = format!("steps are not joined by `{word}`");
        Diagnostic::new(codes::SYNTAX, place.found().range(place.file), message)
            .label("not expected here")
            .help(
                "in that order: `a: spans then b: logs`; in any order: `any order { a: spans, b: \
                 logs }`",
            )
    })
}

/// `a: logs within 5m`
fn within(place: &Place<'_>) -> Option<Diagnostic> {
    let is_time = place.after().is_some_and(|token| token.kind == TokenKind::Number);
    let is_within = place.word(Some(place.found())) == "within" && is_time;
    is_within.then(|| {
        let message = "`within` is about the whole match, and stands outside of the braces";
        Diagnostic::new(codes::SYNTAX, place.found().range(place.file), message)
            .label("not expected here")
            .help("how far a step may be from the one before it is said by `gap 5m`")
    })
}

/// `values mask email`, `keys deny "*.x"`: up to the next line of the redaction.
fn brackets(place: &Place<'_>, expected: &[String], open: usize) -> Option<Diagnostic> {
    if !wants(expected, "`[`") || place.at < open + 3 {
        return None;
    }
    let ends = |at: &usize| {
        let token = &place.tokens[*at];
        token.kind == TokenKind::Close
            || token.kind == TokenKind::Open
            || matches!(token.text(place.text), "keys" | "values" | "key")
    };
    let found = place.found();
    let end = (place.at..place.tokens.len()).find(ends).unwrap_or(place.tokens.len());
    let last = place.tokens.get(end.checked_sub(1)?)?;
    let shown = found.text(place.text);
    let message = format!("`[` expected, found `{shown}`");
    let diagnostic = Diagnostic::new(codes::SYNTAX, found.range(place.file), message)
        .label("not expected here")
        .help("classes and keys stand in brackets: `values mask [email, \"*.card\"]`");
    if last.start < found.start {
        return Some(diagnostic);
    }
    let (from, to) = (found.range(place.file).at_start(), last.range(place.file).at_end());
    Some(diagnostic.guess(from, "[").guess(to, "]"))
}

/// What the braces hold.
fn part(place: &Place<'_>) -> &'static str {
    if place.word(place.tokens.first()) == "correlate" { "side" } else { "step" }
}
