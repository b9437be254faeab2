//! Tokens onto lines: flat where they fit, else broken at braces, then at `and`/`or`, then at
//! commas, then at other brackets.
//!
//! A line comment ends its line; whatever follows it begins a new one. Both are decided from the
//! tokens alone, so that a second pass finds the same breaks.

use super::spacing::Spacing;
use crate::limits::LINE_COLUMNS_MAX;
use crate::syntax::lexer::{Token, TokenKind};

/// Columns of one level.
pub(super) const INDENT: usize = 2;
/// Longest key that values are aligned behind, columns.
const ALIGNED_KEY_MAX: usize = 24;

/// Where further lines of a part begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Margin {
    /// Of the line that the part stands on: closing braces go there.
    pub(super) base: usize,
    /// Of a part that goes on.
    pub(super) more: usize,
}

/// Output of one declaration.
pub(super) struct Printer<'a> {
    pub(super) text: &'a str,
    pub(super) spacing: Spacing<'a>,
    pub(super) out: String,
    /// Starts of lines inside `given` and `expect`, byte offsets, ascending.
    pub(super) line_starts: Vec<usize>,
    /// Nothing but blanks stands on the current line.
    fresh: bool,
    /// A line comment stands on the current line.
    ended: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn new(text: &'a str, keeps_minus: bool, line_starts: Vec<usize>) -> Self {
        Self {
            text,
            spacing: Spacing { text, keeps_minus },
            out: String::new(),
            line_starts,
            fresh: true,
            ended: false,
        }
    }

    fn column(&self) -> usize {
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        self.out[line..].chars().count()
    }

    pub(super) fn newline(&mut self, margin: usize) {
        if !self.out.is_empty() {
            while self.out.ends_with(' ') {
                self.out.pop();
            }
            self.out.push('\n');
        }
        self.out.push_str(&" ".repeat(margin));
        self.fresh = true;
        self.ended = false;
    }

    pub(super) fn pad_to(&mut self, column: usize) {
        let missing = column.saturating_sub(self.column());
        self.out.push_str(&" ".repeat(missing));
    }

    /// One token with the blank before it.
    pub(super) fn token(&mut self, tokens: &[Token], at: usize, margin: usize) {
        let token = tokens[at];
        let own_line = token.is_comment() && self.is_own_line(tokens, at);
        if self.ended || (own_line && !self.fresh) {
            self.newline(margin);
        }
        let apart = token.is_comment() || self.spacing.between(tokens, at);
        if !self.fresh && apart && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
        let shown = token.text(self.text);
        self.out.push_str(shown.trim_end());
        self.fresh = false;
        self.ended = ends_line(&token, self.text) || own_line;
    }

    /// Whether a comment stands on a line of its own in the source; one that is not last on its
    /// line never does.
    fn is_own_line(&self, tokens: &[Token], at: usize) -> bool {
        let token = &tokens[at];
        let before = self.text[..token.start].trim_end_matches([' ', '\t', '\r']);
        let starts = before.is_empty() || before.ends_with('\n');
        let is_line = token.kind != TokenKind::BlockComment || ends_line(token, self.text);
        starts && is_line
    }

    /// Tokens on one line, if nothing in them ends it.
    fn flat_width(&self, tokens: &[Token]) -> Option<usize> {
        let mut width = 0;
        for (at, token) in tokens.iter().enumerate() {
            let breaks = ends_line(token, self.text)
                || (token.is_comment() && self.is_own_line(tokens, at))
                || self.is_block(tokens, at);
            if breaks {
                return None;
            }
            if is_dropped(tokens, at, self.text) {
                continue;
            }
            width += token.text(self.text).chars().count();
            width += usize::from(at > 0 && self.spacing.between(tokens, at));
        }
        Some(width)
    }

    /// Whether a brace opens the body of a test or a block in it.
    fn is_block(&self, tokens: &[Token], at: usize) -> bool {
        if tokens[at].text(self.text) != "{" {
            return false;
        }
        let Some(end) = group_end(tokens, at) else { return false };
        let inside = tokens[at].start..tokens[end].start;
        at > 0 && self.line_starts.iter().any(|start| inside.contains(start))
    }

    pub(super) fn fits(&self, tokens: &[Token], column: usize) -> bool {
        let (body, _) = split_tail(tokens);
        self.flat_width(body).is_some_and(|width| column + width <= LINE_COLUMNS_MAX)
    }

    /// A part of a declaration, from where the line stands.
    pub(super) fn render(&mut self, tokens: &[Token], margin: Margin) {
        let (body, tail) = split_tail(tokens);
        let column = if self.ended { margin.more } else { self.column() };
        let blank = usize::from(!self.fresh && !self.out.ends_with(' '));
        if self.fits(body, column + blank) {
            self.linear(body, margin.more);
        } else {
            self.broken(body, margin);
        }
        for at in 0..tail.len() {
            self.token(tail, at, margin.more);
        }
    }

    fn linear(&mut self, tokens: &[Token], margin: usize) {
        for at in 0..tokens.len() {
            if is_dropped(tokens, at, self.text) {
                continue;
            }
            self.token(tokens, at, margin);
        }
    }

    fn broken(&mut self, tokens: &[Token], margin: Margin) {
        if let Some((open, close)) = self.group(tokens, "{", Which::First) {
            return self.around(tokens, open, close, margin);
        }
        let parts = self.split(tokens, |word| matches!(word, "and" | "or"), Cut::Before);
        if parts.len() > 1 {
            return self.parts(&parts, margin);
        }
        let parts = self.split(tokens, |word| word == ",", Cut::Behind);
        if parts.len() > 1 {
            return self.parts(&parts, margin);
        }
        let last = |open| self.group(tokens, open, Which::Last);
        let bracket = last("(").or_else(|| last("["));
        if let Some((open, close)) = bracket {
            return self.around(tokens, open, close, margin);
        }
        self.linear(tokens, margin.more);
    }

    /// Parts on lines of their own; a part keeps its own margin for what is inside it.
    fn parts(&mut self, parts: &[&[Token]], margin: Margin) {
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.newline(margin.more);
            }
            let inner = Margin { base: margin.more, more: margin.more + INDENT };
            self.render(part, inner);
        }
    }

    /// A group broken into items, with what stands before and behind it.
    fn around(&mut self, tokens: &[Token], open: usize, close: usize, margin: Margin) {
        if open > 0 {
            // The bracket belongs to the same run of tokens as what stands before it, so that the
            // blank between them is decided alike in both forms.
            self.linear(&tokens[..open], margin.more);
        }
        self.token(tokens, open, margin.more);
        let inside = &tokens[open + 1..close];
        let items = self.items(inside);
        let width = self.key_width(&items);
        let base = margin.base + INDENT;
        for (at, item) in items.iter().enumerate() {
            self.newline(base);
            self.item(item, width, Margin { base, more: base + INDENT });
            let is_last = items[at + 1..].iter().all(|item| item.body.is_empty());
            if item.has_comma && !item.body.is_empty() && !is_last {
                self.out.push(',');
            }
            for comment in 0..item.tail.len() {
                self.token(&item.tail, comment, base);
            }
        }
        self.newline(margin.base);
        self.out.push_str(tokens[close].text(self.text));
        self.fresh = false;
        if close + 1 < tokens.len() {
            self.out.push(' ');
            self.render(&tokens[close + 1..], margin);
        }
    }

    fn item(&mut self, item: &Item, key_width: usize, margin: Margin) {
        let lead = item.lead(self.text);
        for at in 0..lead {
            self.token(&item.body, at, margin.base);
        }
        let body = &item.body[lead..];
        if self.ended && !body.is_empty() {
            self.newline(margin.base);
        }
        let (body, below) = body.split_at(self.below(body));
        self.entry(body, key_width, margin);
        for at in 0..below.len() {
            self.token(below, at, margin.base);
        }
    }

    /// Where comments on lines of their own begin that stand below an item.
    fn below(&self, tokens: &[Token]) -> usize {
        let last = tokens.iter().rposition(|token| !token.is_comment()).map_or(0, |at| at + 1);
        (last..tokens.len()).find(|at| self.is_own_line(tokens, *at)).unwrap_or(tokens.len())
    }

    /// An item without the comments around it.
    fn entry(&mut self, body: &[Token], key_width: usize, margin: Margin) {
        let Some(colon) = key_colon(body, self.text) else {
            if !body.is_empty() {
                self.render(body, margin);
            }
            return;
        };
        for at in 0..=colon {
            self.token(body, at, margin.more);
        }
        if colon + 1 == body.len() {
            return;
        }
        self.pad_to(margin.base + key_width + 1);
        if !self.out.ends_with(' ') {
            self.out.push(' ');
        }
        self.render(&body[colon + 1..], margin);
    }

    fn key_width(&self, items: &[Item]) -> usize {
        let widths = items.iter().filter_map(|item| {
            let body = &item.body[item.lead(self.text)..];
            self.flat_width(&body[..=key_colon(body, self.text)?])
        });
        widths.filter(|&width| width <= ALIGNED_KEY_MAX).max().unwrap_or(0)
    }

    /// The items of a group: lines of a test block, else what stands between commas. Comments
    /// behind a comma on its line go with the item before it.
    fn items(&self, tokens: &[Token]) -> Vec<Item> {
        let is_block = tokens.iter().any(|token| self.line_starts.contains(&token.start));
        let mut items = vec![Item::default()];
        let mut depth = 0_usize;
        for token in tokens {
            let word = token.text(self.text);
            let closes = depth == 0 && word == "," && !is_block;
            let opens_line = is_block && depth == 0 && self.line_starts.contains(&token.start);
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if opens_line && items.last().is_some_and(Item::is_started) {
                items.push(Item::default());
            }
            let last = items.len() - 1;
            if closes {
                items[last].has_comma = true;
                items[last].comma_end = token.end;
                items.push(Item::default());
            } else if last > 0
                && token.is_comment()
                && items[last].body.is_empty()
                && !self.text[items[last - 1].comma_end..token.start].contains('\n')
                && items[last - 1].has_comma
            {
                items[last - 1].tail.push(*token);
            } else {
                items[last].body.push(*token);
            }
        }
        for item in &mut items {
            item.settle(self.text);
        }
        items.retain(|item| !item.body.is_empty() || !item.tail.is_empty());
        items
    }

    /// A group with something in it, outside of other brackets.
    fn group(&self, tokens: &[Token], open: &str, which: Which) -> Option<(usize, usize)> {
        let mut found = None;
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at].kind == TokenKind::Open {
                let end = group_end(tokens, at)?;
                if tokens[at].text(self.text) == open && end > at + 1 {
                    found = Some((at, end));
                    if which == Which::First {
                        return found;
                    }
                }
                at = end;
            }
            at += 1;
        }
        found
    }

    /// Parts between words outside of brackets.
    fn split<'t>(
        &self,
        tokens: &'t [Token],
        is_cut: impl Fn(&str) -> bool,
        cut_at: Cut,
    ) -> Vec<&'t [Token]> {
        let mut parts = Vec::new();
        let (mut depth, mut from) = (0_usize, 0);
        for (at, token) in tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                _ if depth == 0 && !token.is_comment() && is_cut(token.text(self.text)) => {
                    let mut cut = at;
                    if cut_at == Cut::Behind {
                        cut += 1;
                        // Comments behind a comma, on its line, stay with it.
                        while tokens.get(cut).is_some_and(Token::is_comment) {
                            cut += 1;
                        }
                    }
                    if cut > from && cut < tokens.len() {
                        parts.push(&tokens[from..cut]);
                        from = cut;
                    }
                }
                _ => {}
            }
        }
        parts.push(&tokens[from..]);
        parts
    }
}

/// Of several groups.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Last,
}

/// On which side of a word tokens are cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Before,
    Behind,
}

/// One item of a broken group.
#[derive(Debug, Default)]
struct Item {
    body: Vec<Token>,
    has_comma: bool,
    comma_end: usize,
    /// Comments behind it.
    tail: Vec<Token>,
}

impl Item {
    /// How many comments stand on lines above what it holds.
    fn lead(&self, text: &str) -> usize {
        let own = self.body.iter().take_while(|token| token.is_comment()).count();
        let breaks = |token: &Token| {
            ends_line(token, text)
                || text[token.end..].trim_start_matches([' ', '\t']).starts_with('\n')
        };
        if own > 0 && breaks(&self.body[own - 1]) { own } else { 0 }
    }

    fn is_started(&self) -> bool {
        self.body.iter().any(|token| !token.is_comment())
    }

    /// Moves comments at the end of the body behind the comma, so that no comment swallows it.
    fn settle(&mut self, text: &str) {
        if !self.has_comma {
            return;
        }
        let from = self.body.iter().rposition(|token| !token.is_comment()).map_or(0, |at| at + 1);
        let moved = self.body[from..].iter().any(|token| ends_line(token, text));
        if moved {
            let mut tail = self.body.split_off(from);
            tail.append(&mut self.tail);
            self.tail = tail;
        }
    }
}

fn ends_line(token: &Token, text: &str) -> bool {
    match token.kind {
        TokenKind::LineComment | TokenKind::DocComment => true,
        TokenKind::BlockComment => token.text(text).contains('\n'),
        _ => false,
    }
}

/// The tokens without the comments at their end, and those.
fn split_tail(tokens: &[Token]) -> (&[Token], &[Token]) {
    let end = tokens.iter().rposition(|token| !token.is_comment()).map_or(0, |at| at + 1);
    tokens.split_at(end)
}

/// A comma before a closing bracket says nothing.
fn is_dropped(tokens: &[Token], at: usize, text: &str) -> bool {
    tokens[at].text(text) == ","
        && tokens[at].kind == TokenKind::Punctuation
        && tokens[at + 1..]
            .iter()
            .find(|token| !token.is_comment())
            .is_some_and(|token| token.kind == TokenKind::Close)
}

fn group_end(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Place of the colon of `name: value`.
fn key_colon(tokens: &[Token], text: &str) -> Option<usize> {
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Word | TokenKind::String => {}
            TokenKind::Punctuation if token.text(text) == "." => {}
            TokenKind::Punctuation if token.text(text) == ":" && at > 0 => return Some(at),
            _ => return None,
        }
    }
    None
}
