//! A file becomes declarations: lexed, checked for nesting, split, each parsed alone.
//!
//! A clause that cannot be read is blanked and the rest of its declaration parsed again, so that
//! one run reports the mistakes of every clause.

use pest::Parser;

use super::build::Build;
use super::error;
use super::foreign::opener;
use super::grammar::{Grammar, Rule};
use super::lexer::{Token, TokenKind, lex};
use super::split::{KEYWORDS, NOT_YET, Piece, split};
use crate::ast::{Declaration, DeclarationKind, Expr, File, Name};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Applicability, Diagnostic, Edit, codes};
use crate::limits::{DECLARATIONS_MAX, RECOVERIES_MAX, SOURCE_BYTES_MAX, TRIED_BYTES_MAX};
use crate::text_range::{FileId, TextRange};

/// Words that open a clause.
pub(super) const CLAUSES: [&str; 27] = [
    "from",
    "where",
    "set",
    "at",
    "dedupe",
    "lateness",
    "idle",
    "late",
    "by",
    "over",
    "select",
    "having",
    "limit",
    "results",
    "to",
    "join",
    "top",
    "when",
    "until",
    "for",
    "hold",
    "on",
    "severity",
    "labels",
    "annotations",
    "with",
    "close",
];

/// Reads a whole file.
pub(crate) fn parse_file(text: &str, file: FileId) -> (File, Vec<Diagnostic>) {
    if text.len() > SOURCE_BYTES_MAX {
        let message = format!("the file has {} bytes, {SOURCE_BYTES_MAX} are allowed", text.len());
        let range = TextRange::new(file, 0, 0);
        let diagnostic =
            Diagnostic::new(codes::TOO_LARGE, range, message).help("split it into several files");
        return (File::default(), vec![diagnostic]);
    }
    let (tokens, mut diagnostics) = lex(text, file);
    let pieces = split(text, &tokens);
    let mut declarations = Vec::new();
    if pieces.len() > DECLARATIONS_MAX {
        let message = format!("the file has more than {DECLARATIONS_MAX} declarations");
        let range = TextRange::new(file, 0, 0);
        diagnostics.push(Diagnostic::new(codes::TOO_LARGE, range, message));
        return (File::default(), diagnostics);
    }
    for piece in pieces {
        declarations.extend(parse_piece(text, &tokens, piece, file, &mut diagnostics));
    }
    (File { declarations }, diagnostics)
}

/// Reads a single expression that stands at `start` of the file, inside a text.
pub(crate) fn parse_expr(
    text: &str,
    file: FileId,
    start: usize,
) -> Result<(Expr, Vec<Diagnostic>), Box<Diagnostic>> {
    let (tokens, bad) = lex(text, file);
    let shift = |mut diagnostic: Diagnostic| {
        for label in &mut diagnostic.labels {
            label.range = TextRange::new(
                file,
                label.range.start as usize + start,
                label.range.end as usize + start,
            );
        }
        diagnostic.edits.clear();
        Box::new(diagnostic)
    };
    if let Some(first) = bad.into_iter().next() {
        return Err(shift(first));
    }
    if let Some(diagnostic) = super::depth::check(text, &tokens, file) {
        return Err(shift(diagnostic));
    }
    match Grammar::parse(Rule::lone_expr, text) {
        Ok(mut pairs) => {
            let mut build = Build::new(file, start);
            let pair = pairs.next().and_then(|pair| pair.into_inner().next());
            let expr = pair.and_then(|pair| build.expr(pair));
            let whole = TextRange::new(file, start, start + text.len());
            expr.map(|expr| (expr, build.diagnostics)).ok_or_else(|| Box::new(error::bug(whole)))
        }
        Err(error) => Err(shift(error::describe(&error, text, &tokens, file, &|_| true))),
    }
}

fn parse_piece(
    text: &str,
    tokens: &[Token],
    piece: Piece,
    file: FileId,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Declaration> {
    let Some(first) = piece.first.filter(|&at| KEYWORDS.contains(&tokens[at].text(text))) else {
        stray_text(text, &tokens[piece.start..piece.end], file, diagnostics);
        return misspelt(text, tokens, piece, file);
    };
    let doc = doc_text(text, &tokens[piece.start..first]);
    let foreign = |token: &&Token| token.is_foreign_comment(text);
    let foreign: Vec<Token> = tokens[first..piece.end].iter().filter(foreign).copied().collect();
    let tokens: Vec<Token> =
        tokens[first..piece.end].iter().copied().filter(|token| !token.is_comment()).collect();
    let (head, last) = (tokens.first()?, tokens.last()?);
    let range = TextRange::new(file, head.start, last.end);
    let keyword = Name { text: head.text(text).to_owned(), range: head.range(file) };
    let mut declaration = Declaration {
        name: declared_name(text, &tokens, file),
        keyword,
        doc,
        range,
        is_partial: true,
        kind: DeclarationKind::Broken,
    };
    if NOT_YET.contains(&declaration.keyword.text.as_str()) {
        diagnostics.push(error::not_yet(&declaration));
        declaration.kind = DeclarationKind::NotYet;
        return Some(declaration);
    }
    let mut source = text[range.bytes()].to_owned();
    let start = head.start;
    for comment in foreign.iter().filter(|comment| comment.end <= last.end) {
        blank(&mut source, comment.start - start..comment.end - start);
    }
    let (tokens, is_blanked) = balanced(text, tokens, file, &mut source, diagnostics);
    // A bad token has been reported; where it stands inside a clause, the others still count.
    let had_bad = tokens.iter().any(|token| token.kind == TokenKind::Bad);
    let mut attempt = Attempt { text, tokens: &tokens, file, range, had_bad };
    if !tokens.is_empty() {
        attempt.run(&mut source, &mut declaration, diagnostics);
        declaration.is_partial |= is_blanked;
    }
    Some(declaration)
}

/// Blanks clauses whose brackets are wrong, so that the others are still read; no tokens where
/// nothing can be saved.
fn balanced(
    text: &str,
    mut tokens: Vec<Token>,
    file: FileId,
    source: &mut String,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Token>, bool) {
    let base = tokens.first().map_or(0, |token| token.start);
    for round in 0..=RECOVERIES_MAX {
        let Some(diagnostic) = super::depth::check(text, &tokens, file) else {
            return (tokens, round > 0);
        };
        let wrong = diagnostic.labels.iter().map(|label| label.range.start).min();
        diagnostics.push(diagnostic);
        let at = tokens.iter().position(|token| Some(token.start as u32) == wrong);
        let Some((from, to)) = at.and_then(|at| clause_around(text, &tokens, at)) else { break };
        blank(source, tokens[from].start - base..tokens[to - 1].end - base);
        tokens.drain(from..to);
    }
    (Vec::new(), true)
}

/// The clause around a token, where brackets cannot be trusted: words at a line's start, and
/// those outside of all brackets opened before the token.
fn clause_around(text: &str, tokens: &[Token], at: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut starts = Vec::new();
    for (index, token) in tokens.iter().enumerate().skip(2) {
        let before = &tokens[index - 1];
        let begins_line = text[before.end..token.start].contains('\n');
        let named = tokens.get(index + 1).is_some_and(|next| next.text(text) == ":");
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word
                if (begins_line || depth == 0) && !named && CLAUSES.contains(&token.text(text)) =>
            {
                starts.push(index);
                depth = 0;
            }
            _ => {}
        }
    }
    let from = starts.iter().copied().rfind(|&start| start <= at)?;
    Some((from, starts.iter().copied().find(|&start| start > at).unwrap_or(tokens.len())))
}

/// Replaces text by blanks, lines kept.
fn blank(source: &mut String, bytes: std::ops::Range<usize>) -> bool {
    let Some(old) = source.get(bytes.clone()) else { return false };
    if old.trim().is_empty() {
        return false;
    }
    let blanks: String = old.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    source.replace_range(bytes, &blanks);
    true
}

/// Makes safe edits that need no more room than what they replace; all or none, and none where
/// there is nothing to make.
fn mend(source: &mut String, edits: &[Edit]) -> bool {
    let fits = |edit: &Edit| {
        edit.replacement.len() <= edit.range.bytes().len()
            && edit.applicability == Applicability::Safe
            && source.is_char_boundary(edit.range.start as usize)
            && source.is_char_boundary(edit.range.end as usize)
    };
    if edits.is_empty() || !edits.iter().all(fits) {
        return false;
    }
    for edit in edits {
        let bytes = edit.range.bytes();
        source.replace_range(bytes.clone(), &format!("{:1$}", edit.replacement, bytes.len()));
    }
    true
}

/// Whether the grammar reads on behind the edits and behind where it stopped, with them made.
fn gets_further(source: &str, stopped: usize, edits: &[Edit]) -> bool {
    if source.len() > TRIED_BYTES_MAX {
        return false;
    }
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let (mut text, mut from) = (String::with_capacity(source.len()), 0);
    let (mut moved, mut replaced) = (stopped, 0);
    for edit in edits {
        let bytes = edit.range.bytes();
        let Some(kept) = source.get(from..bytes.start) else { return false };
        text.push_str(kept);
        text.push_str(&edit.replacement);
        from = bytes.end;
        if bytes.end <= stopped {
            moved = moved + edit.replacement.len() - bytes.len();
        }
        if bytes.contains(&stopped) {
            replaced = text.len();
        }
    }
    text.push_str(source.get(from..).unwrap_or_default());
    let Err(error) = Grammar::parse(Rule::declaration, &text) else { return true };
    let at = error::position(&error);
    // What stands behind an edit fits it, too: `on match …` is no better than `one match …`.
    let behind = replaced + text[replaced..].len() - text[replaced..].trim_start().len();
    at > if replaced > 0 { behind } else { moved }
}

struct Attempt<'a> {
    text: &'a str,
    tokens: &'a [Token],
    file: FileId,
    range: TextRange,
    had_bad: bool,
}

impl Attempt<'_> {
    fn run(
        &mut self,
        source: &mut String,
        declaration: &mut Declaration,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let start = self.range.start as usize;
        for round in 0..=RECOVERIES_MAX {
            match Grammar::parse(Rule::declaration, source) {
                Ok(mut pairs) => {
                    let mut build = Build::new(self.file, start);
                    let pair = pairs.next().and_then(|pair| pair.into_inner().next());
                    match pair.and_then(|pair| build.declaration(pair, declaration)) {
                        Some(()) => declaration.is_partial = round > 0,
                        None => diagnostics.push(error::bug(self.range)),
                    }
                    diagnostics.append(&mut build.diagnostics);
                    return;
                }
                Err(error) => {
                    let at = start + error::position(&error);
                    let is_mended = self.report(&error, source, at, diagnostics);
                    if !is_mended && !self.blank(source, at) {
                        return;
                    }
                }
            }
        }
    }

    /// Reports the error; whether what was found could be written right in its place, so that
    /// nothing else need be set aside.
    fn report(
        &self,
        error: &pest::error::Error<Rule>,
        source: &mut String,
        at: usize,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
        let is_bad = |token: &&Token| token.kind == TokenKind::Bad;
        let near_bad = self.had_bad
            && self.tokens.iter().find(|token| token.end > at).as_ref().is_some_and(is_bad);
        if near_bad {
            return false;
        }
        let live: Vec<Token> = self
            .tokens
            .iter()
            .copied()
            .filter(|token| {
                let from = token.start - self.range.start as usize;
                !source.as_bytes()[from].is_ascii_whitespace()
            })
            .map(|token| Token {
                start: token.start - self.range.start as usize,
                end: token.end - self.range.start as usize,
                ..token
            })
            .collect();
        let place = error::position(error);
        let place = live.iter().find(|token| token.end > place).map_or(place, |token| token.start);
        let works = |edits: &[Edit]| gets_further(source, place, edits);
        let mut diagnostic = error::describe(error, source, &live, self.file, &works);
        let is_mended = diagnostic.code == codes::SPELLING && mend(source, &diagnostic.edits);
        for label in &mut diagnostic.labels {
            label.range.start += self.range.start;
            label.range.end += self.range.start;
        }
        for edit in &mut diagnostic.edits {
            edit.range.start += self.range.start;
            edit.range.end += self.range.start;
        }
        diagnostics.push(diagnostic);
        is_mended
    }

    /// Blanks the clause, or the line of a rule test, a redaction or a sample, that holds the
    /// place; false where there is none that was not blanked before.
    fn blank(&self, source: &mut String, at: usize) -> bool {
        let Some(index) = self.tokens.iter().position(|token| token.end > at) else { return false };
        let has_lines = matches!(self.tokens[0].text(self.text), "test" | "redact" | "sample");
        let bounds = if has_lines { self.line_of(index) } else { self.clause_of(index) };
        let Some((from, to)) = bounds else { return false };
        let base = self.range.start as usize;
        blank(source, self.tokens[from].start - base..self.tokens[to - 1].end - base)
    }

    fn line_of(&self, index: usize) -> Option<(usize, usize)> {
        let breaks =
            |at: usize| self.text[self.tokens[at - 1].end..self.tokens[at].start].contains('\n');
        let mut from = index;
        while from > 1 && !breaks(from) {
            from -= 1;
        }
        let mut to = index + 1;
        while to < self.tokens.len() && !breaks(to) {
            to += 1;
        }
        let mut depth = 0_i32;
        for token in &self.tokens[from..to] {
            depth += match token.kind {
                TokenKind::Open => 1,
                TokenKind::Close => -1,
                _ => 0,
            };
            if depth < 0 {
                return None;
            }
        }
        (depth == 0 && from > 1).then_some((from, to))
    }

    fn clause_of(&self, index: usize) -> Option<(usize, usize)> {
        let starts = self.clause_starts();
        let after = starts.iter().copied().find(|&at| at > index).unwrap_or(self.tokens.len());
        let before = starts.iter().copied().rfind(|&at| at <= index);
        // An unknown word at a line's start was meant as a clause of its own.
        let own_line = index > 1
            && self.tokens[index].kind == TokenKind::Word
            && self.text[self.tokens[index - 1].end..self.tokens[index].start].contains('\n');
        let from = if own_line { Some(index) } else { before };
        // `from when …` has no source: the next clause's word is not to be taken for one.
        let is_from = |at: &usize| self.tokens[*at].text(self.text) == "from";
        let from = from.map(|from| from.checked_sub(1).filter(is_from).unwrap_or(from));
        from.map(|from| (from, after))
    }

    fn clause_starts(&self) -> Vec<usize> {
        let mut depth = 0_usize;
        let mut starts = Vec::new();
        let own: &[&str] = match self.tokens[0].text(self.text) {
            "pattern" => &["within", "match"],
            "correlate" => &["within", "pick"],
            "retrace" => &["root", "keep", "flush"],
            _ => &[],
        };
        for (index, token) in self.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                TokenKind::Word if depth == 0 && index > 1 => {
                    let before = &self.tokens[index - 1];
                    let joined =
                        before.kind == TokenKind::Punctuation && before.text(self.text) != "%";
                    let word = token.text(self.text);
                    // `severity=critical` is a pair.
                    let next = self.tokens.get(index + 1).map(|next| next.text(self.text));
                    let joined = joined || (next == Some("=") && word != "by");
                    if !joined && (own.contains(&word) || CLAUSES.contains(&word)) {
                        starts.push(index);
                    }
                }
                _ => {}
            }
        }
        starts
    }
}

/// A declaration whose keyword is no keyword: its name is known, so that its readers are not
/// reported.
fn misspelt(text: &str, tokens: &[Token], piece: Piece, file: FileId) -> Option<Declaration> {
    let tokens = &tokens[piece.first.unwrap_or(piece.start)..piece.end];
    let mut words = tokens.iter().filter(|token| !token.is_comment());
    let (head, next, last) = (words.next()?, words.next()?, tokens.last()?);
    let near = nearest(head.text(text), KEYWORDS)?;
    let name = |token: &Token| Name { text: token.text(text).to_owned(), range: token.range(file) };
    Some(Declaration {
        name: (next.kind == TokenKind::Word).then(|| name(next)),
        keyword: Name { text: near.to_owned(), range: head.range(file) },
        doc: String::new(),
        range: head.range(file).cover(last.range(file)),
        is_partial: true,
        kind: DeclarationKind::Broken,
    })
}

fn declared_name(text: &str, tokens: &[Token], file: FileId) -> Option<Name> {
    let keyword = tokens.first()?.text(text);
    let at = match keyword {
        "edition" | "route" | "test" | "sample" | "redact" | "validate" => return None,
        "import" => tokens.iter().position(|token| token.text(text) == "as")? + 1,
        _ => 1,
    };
    let token = tokens.get(at).filter(|token| token.kind == TokenKind::Word)?;
    Some(Name { text: token.text(text).to_owned(), range: token.range(file) })
}

fn doc_text(text: &str, tokens: &[Token]) -> String {
    let lines: Vec<_> = tokens
        .iter()
        .filter(|token| token.kind == TokenKind::DocComment)
        .map(|token| token.text(text)[3..].trim())
        .collect();
    lines.join("\n")
}

fn stray_text(text: &str, tokens: &[Token], file: FileId, diagnostics: &mut Vec<Diagnostic>) {
    let Some(first) = tokens.iter().find(|token| !token.is_comment()) else { return };
    if first.kind == TokenKind::Bad {
        return;
    }
    let word = first.text(text);
    let shown: String = word.chars().take(40).collect();
    let message = format!("`{shown}` does not open a declaration");
    let mut diagnostic = Diagnostic::new(codes::DECLARATION, first.range(file), message);
    diagnostic = match (opener(word), nearest(word, KEYWORDS)) {
        (Some(help), _) => diagnostic.help(help),
        (None, Some(near)) => diagnostic.did_you_mean(first.range(file), near),
        (None, None) => {
            let built = KEYWORDS.into_iter().filter(|word| !NOT_YET.contains(word));
            let all = listed(built, KEYWORDS.len());
            diagnostic.help(format!("declarations begin with {all}"))
        }
    };
    diagnostics.push(diagnostic);
}
