//! The formatter: one canonical form, comments kept.
//!
//! Works on tokens, guided by where the tree says that clauses begin: what is printed is what was
//! read, apart from blanks, line breaks and commas before closing brackets.

mod printer;
mod spacing;

use crate::ast::{Clause, ClauseKind, Declaration, DeclarationKind, PatternBody, TestBlock};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits::LINE_COLUMNS_MAX;
use crate::syntax::lexer::{Token, lex};
use crate::syntax::parse_file;
use crate::syntax::split::{Piece, split};
use crate::text_range::FileId;
use printer::{INDENT, Margin, Printer};

/// Longest keyword that clauses are aligned behind, columns.
const ALIGNED_KEYWORD_MAX: usize = 8;

/// The canonical form of a file: clauses on lines of their own, two columns in, aligned; lines of
/// at most 100 columns where they can be broken; one empty line around declarations of several
/// lines. Formatting twice changes nothing, and the meaning stays.
///
/// # Errors
/// The diagnostics of a text that cannot be read.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let file = FileId(0);
    let (tree, diagnostics) = parse_file(text, file);
    // Declarations that this version does not run are kept as they stand.
    let problems: Vec<_> =
        diagnostics.into_iter().filter(|problem| problem.code != codes::NOT_YET).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let (tokens, _) = lex(text, file);
    let pieces = split(text, &tokens);
    let mut out = String::new();
    let mut was_long = false;
    let mut previous_end = 0;
    for (piece, declaration) in pieces.iter().zip(&tree.declarations) {
        let (lead, body, rest) = parts(text, &tokens, *piece);
        let shown = one(text, body, declaration);
        let is_long = shown.contains('\n');
        let start = lead.first().or(body.first()).map_or(0, |token| token.start);
        let apart = was_long || is_long || has_blank(text, previous_end, start);
        if apart && !out.is_empty() {
            out.push('\n');
        }
        comments(text, lead, body.first().map_or(start, |token| token.start), &mut out);
        out.push_str(&shown);
        out.push('\n');
        let end = body.last().map_or(start, |token| token.end);
        if !rest.is_empty() {
            let apart = has_blank(text, end, rest[0].start);
            if apart {
                out.push('\n');
            }
            comments(text, rest, rest[rest.len() - 1].end, &mut out);
        }
        previous_end = rest.last().map_or(end, |token| token.end);
        was_long = is_long;
    }
    if tree.declarations.is_empty() {
        comments(text, &tokens, text.len(), &mut out);
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    Ok(out)
}

/// Comments above a declaration, its tokens, and comments on lines of their own below it.
fn parts<'t>(
    text: &str,
    tokens: &'t [Token],
    piece: Piece,
) -> (&'t [Token], &'t [Token], &'t [Token]) {
    let first = piece.first.unwrap_or(piece.start);
    let last = (first..piece.end).rev().find(|&at| !tokens[at].is_comment()).unwrap_or(first);
    let mut end = last + 1;
    while end < piece.end && !text[tokens[end - 1].end..tokens[end].start].contains('\n') {
        end += 1;
    }
    (&tokens[piece.start..first], &tokens[first..end], &tokens[end..piece.end])
}

fn has_blank(text: &str, from: usize, to: usize) -> bool {
    text.get(from..to).is_some_and(|blank| blank.bytes().filter(|&b| b == b'\n').count() > 1)
}

/// Comments on lines of their own; up to one empty line between them is kept.
fn comments(text: &str, tokens: &[Token], next: usize, out: &mut String) {
    for (at, token) in tokens.iter().enumerate() {
        out.push_str(token.text(text).trim_end());
        out.push('\n');
        let following = tokens.get(at + 1).map_or(next, |token| token.start);
        if has_blank(text, token.end, following) {
            out.push('\n');
        }
    }
}

fn one(text: &str, tokens: &[Token], declaration: &Declaration) -> String {
    let clauses: &[Clause] = match &declaration.kind {
        DeclarationKind::NotYet | DeclarationKind::Broken => {
            let end = tokens.last().map_or(0, |token| token.end);
            return text[tokens[0].start..end].trim_end().to_owned();
        }
        DeclarationKind::Stream(clauses)
        | DeclarationKind::Aggregate(clauses)
        | DeclarationKind::Rows(clauses)
        | DeclarationKind::Alert(clauses)
        | DeclarationKind::Traces(clauses)
        | DeclarationKind::Route(clauses)
        | DeclarationKind::Retrace(clauses) => clauses,
        _ => &[],
    };
    let line_starts = match &declaration.kind {
        DeclarationKind::Test { blocks, .. } => test_lines(text, tokens, blocks),
        DeclarationKind::Pattern { body: Some(body), .. } => pattern_lines(body),
        DeclarationKind::Correlate { sides: Some(sides), .. } => {
            sides.iter().map(|side| side.range.start as usize).collect()
        }
        DeclarationKind::Redact(lines) => {
            lines.iter().map(|line| line.range.start as usize).collect()
        }
        DeclarationKind::Sample(body) => {
            let lines = body.lines.iter().flatten();
            lines.map(|line| line.range.start as usize).collect()
        }
        _ => Vec::new(),
    };
    let keeps_minus = matches!(declaration.kind, DeclarationKind::Test { .. });
    let mut printer = Printer::new(text, keeps_minus, line_starts);
    let on_lines = own_lines(declaration, clauses);
    let is_short = !matches!(
        declaration.kind,
        DeclarationKind::Stream(_) | DeclarationKind::Aggregate(_) | DeclarationKind::Alert(_)
    );
    let whole = Margin { base: 0, more: 2 * INDENT };
    if on_lines.is_empty() || (is_short && printer.fits(tokens, 0)) {
        printer.render(tokens, whole);
        return printer.out;
    }
    let starts: Vec<usize> = on_lines
        .iter()
        .filter_map(|clause| tokens.iter().position(|t| t.start == clause.range.start as usize))
        .collect();
    let header = starts.first().copied().unwrap_or(tokens.len());
    printer.render(&tokens[..header], whole);
    clause_lines(&mut printer, tokens, &starts, &on_lines);
    printer.out
}

/// Clauses that get a line: all but the source, and the filter of an alert, in the head.
fn own_lines<'c>(declaration: &Declaration, clauses: &'c [Clause]) -> Vec<&'c Clause> {
    let in_head = |at: usize, clause: &Clause| match (&declaration.kind, &clause.kind) {
        (_, ClauseKind::From(_)) => at == 0,
        (DeclarationKind::Alert(_), ClauseKind::Where(_)) => {
            at == 1 && matches!(clauses[0].kind, ClauseKind::From(_))
        }
        _ => false,
    };
    let clauses = clauses.iter().enumerate();
    clauses.filter(|(at, clause)| !in_head(*at, clause)).map(|(_, clause)| clause).collect()
}

fn clause_lines(
    printer: &mut Printer<'_>,
    tokens: &[Token],
    starts: &[usize],
    clauses: &[&Clause],
) {
    let keyword = |clause: &Clause| clause.kind.word().split(' ').next().map_or(0, str::len);
    let widths = clauses.iter().map(|clause| keyword(clause));
    let width = widths.filter(|&width| width <= ALIGNED_KEYWORD_MAX).max().unwrap_or(0);
    let mut before: Option<&Clause> = None;
    for (at, clause) in clauses.iter().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(tokens.len());
        let part = &tokens[starts[at]..end];
        printer.spacing.keeps_minus = matches!(clause.kind, ClauseKind::Severity(_));
        let column = printer.out.rfind('\n').map_or(0, |at| printer.out[at + 1..].chars().count());
        let joins = before.is_some_and(|before| share_line(before, clause))
            && !tokens[..starts[at]].last().is_some_and(Token::is_comment)
            && printer.fits(part, column + INDENT);
        if joins {
            printer.out.push_str("  ");
            printer.render(part, Margin { base: INDENT, more: 2 * INDENT });
        } else {
            printer.newline(INDENT);
            printer.token(part, 0, INDENT);
            if part.len() > 1 {
                // `on no data` is one keyword in three words.
                if !matches!(clause.kind, ClauseKind::NoData(_)) {
                    printer.pad_to(INDENT + width + 1);
                }
                if !printer.out.ends_with(' ') {
                    printer.out.push(' ');
                }
                let more = INDENT + width + 1;
                debug_assert!(more < LINE_COLUMNS_MAX);
                printer.render(&part[1..], Margin { base: INDENT, more });
            }
        }
        before = Some(clause);
    }
}

/// Clauses that read as one line: `for 2m  hold 5m  on no data resolve`.
fn share_line(before: &Clause, clause: &Clause) -> bool {
    let group = |clause: &Clause| match clause.kind {
        ClauseKind::For(_) | ClauseKind::Hold(_) | ClauseKind::NoData(_) => 1,
        ClauseKind::Severity(_) | ClauseKind::Labels(_) => 2,
        ClauseKind::Lateness(_) | ClauseKind::Idle(_) | ClauseKind::Late { .. } => 3,
        _ => 0,
    };
    group(before) > 0 && group(before) == group(clause)
}

/// Where the steps and guards of a pattern begin.
fn pattern_lines(body: &PatternBody) -> Vec<usize> {
    let links = body.sequence.links.iter().map(|link| link.range);
    links.chain(body.guards.iter().map(|guard| guard.range)).map(|r| r.start as usize).collect()
}

/// Where the blocks of a test and their lines begin.
fn test_lines(text: &str, tokens: &[Token], blocks: &[TestBlock]) -> Vec<usize> {
    let mut starts = Vec::new();
    for block in blocks {
        match block {
            TestBlock::Given(lines) => {
                starts.extend(lines.iter().map(|line| line.range.start as usize));
            }
            TestBlock::Expect(lines) => {
                starts.extend(lines.iter().map(|line| line.range.start as usize));
            }
        }
    }
    let mut depth = 0_usize;
    for token in tokens.iter().filter(|token| !token.is_comment()) {
        match token.text(text) {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            "given" | "expect" if depth == 1 => starts.push(token.start),
            _ => {}
        }
    }
    starts.sort_unstable();
    starts
}
