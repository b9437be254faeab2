//! Pairs of the grammar become the tree: shared parts and declarations.
//!
//! Every function gives `None` where a pair is not what the grammar promises; the caller reports
//! that as a diagnostic instead of panicking.

use pest::iterators::{Pair, Pairs};

use super::grammar::Rule;
use crate::ast::{
    BinaryWord, Binding, Declaration, DeclarationKind, Expr, ExprKind, Name, NumberText, StringText,
};
use crate::diagnostic::{Diagnostic, codes};
use crate::text_range::{FileId, TextRange};

/// Builder of one declaration; `base` is where its text begins in the file.
pub(super) struct Build {
    pub(super) file: FileId,
    pub(super) base: usize,
    /// Levels of the tree around the expression that is being built.
    pub(super) levels: usize,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Build {
    pub(super) fn new(file: FileId, base: usize) -> Self {
        Self { file, base, levels: 0, diagnostics: Vec::new() }
    }

    pub(super) fn range(&self, pair: &Pair<'_, Rule>) -> TextRange {
        let span = pair.as_span();
        let trimmed = pair.as_str().trim_end().len();
        TextRange::new(self.file, self.base + span.start(), self.base + span.start() + trimmed)
    }

    pub(super) fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().trim_end().to_owned(), range: self.range(pair) }
    }

    /// The name inside a rule such as `source`.
    pub(super) fn inner_name(&self, pair: Pair<'_, Rule>) -> Option<Name> {
        Some(self.name(&pair.into_inner().next()?))
    }

    pub(super) fn number(&self, pair: &Pair<'_, Rule>) -> (NumberText, TextRange) {
        (NumberText { text: pair.as_str().to_owned(), per: None }, self.range(pair))
    }

    pub(super) fn string(&self, pair: &Pair<'_, Rule>) -> StringText {
        let text = pair.as_str();
        let is_raw = text.starts_with('r');
        let inner = text.strip_prefix('r').unwrap_or(text);
        let inner = inner.get(1..inner.len().saturating_sub(1)).unwrap_or_default();
        StringText { text: inner.to_owned(), range: self.range(pair), is_raw }
    }

    /// A key before `:`; a quoted one may hold any character.
    pub(super) fn key(&mut self, pair: Pair<'_, Rule>) -> Option<Name> {
        let inner = pair.into_inner().next()?;
        if inner.as_rule() == Rule::string {
            let text = self.string(&inner);
            let value = super::literal::unescape(&text, &mut self.diagnostics);
            return Some(Name { text: value, range: text.range });
        }
        Some(self.name(&inner))
    }

    pub(super) fn bindings(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<Binding>> {
        let mut bindings = Vec::new();
        for inner in pair.into_inner() {
            if inner.as_rule() == Rule::no_comma {
                let before = bindings.last().map(|binding: &Binding| binding.range);
                self.missing_comma(before);
            } else {
                bindings.push(self.binding(inner)?);
            }
        }
        Some(bindings)
    }

    fn missing_comma(&mut self, before: Option<TextRange>) {
        let Some(before) = before else { return };
        self.diagnostics.push(
            Diagnostic::new(codes::SPELLING, before, "values are separated by `,`")
                .label("no `,` behind this")
                .help("add the comma")
                .fix(before.at_end(), ","),
        );
    }

    pub(super) fn binding(&mut self, pair: Pair<'_, Rule>) -> Option<Binding> {
        let range = self.range(&pair);
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        if first.as_rule() == Rule::key {
            let name = Some(self.key(first)?);
            return Some(Binding { name, value: self.expr(inner.next()?)?, range });
        }
        let written = first.as_str();
        let known = self.diagnostics.len();
        let value = self.expr(first)?;
        if let Some(bytes) = equals_sign(written) {
            self.diagnostics.truncate(known);
            return Some(self.equals(value, written, bytes, range));
        }
        Some(Binding { name: None, value, range })
    }

    /// `n = count()` for `n: count()`, as other languages write it.
    pub(super) fn equals(
        &mut self,
        value: Expr,
        written: &str,
        bytes: std::ops::Range<usize>,
        range: TextRange,
    ) -> Binding {
        let start = range.start as usize;
        let at = TextRange::new(self.file, start + bytes.start, start + bytes.end);
        let text = written[..bytes.start].trim_end();
        let name = TextRange::new(self.file, start, start + text.len());
        self.diagnostics.push(
            Diagnostic::new(codes::SPELLING, at, "a name and its value are joined by `:`")
                .help("write `:`")
                .fix(TextRange { start: name.end, ..at }, ":"),
        );
        let value = match value.kind {
            ExprKind::Binary(BinaryWord::Equal, _, _, right) => *right,
            _ => Expr { range: value.range, kind: ExprKind::Broken },
        };
        Binding { name: Some(Name { text: text.to_owned(), range: name }), value, range }
    }

    /// Fills in a declaration from its pair.
    pub(super) fn declaration(
        &mut self,
        pair: Pair<'_, Rule>,
        declaration: &mut Declaration,
    ) -> Option<()> {
        let rule = pair.as_rule();
        let mut inner = pair.into_inner();
        inner.next()?; // the keyword
        let (name, kind) = match rule {
            Rule::edition => (None, DeclarationKind::Edition(self.name(&inner.next()?))),
            Rule::import => self.import(inner)?,
            Rule::param => self.named(inner, DeclarationKind::Param)?,
            Rule::const_decl => self.named(inner, DeclarationKind::Const)?,
            Rule::fn_decl => self.function(inner)?,
            Rule::stream | Rule::rows => {
                let name = self.name(&inner.next()?);
                let clauses = self.clauses(inner)?;
                let kind = match rule {
                    Rule::stream => DeclarationKind::Stream(clauses),
                    _ => DeclarationKind::Rows(clauses),
                };
                (Some(name), kind)
            }
            Rule::aggregate => {
                let name = self.name(&inner.next()?);
                (Some(name), DeclarationKind::Aggregate(self.clauses(inner)?))
            }
            Rule::alert => {
                let name = self.name(&inner.next()?);
                (Some(name), DeclarationKind::Alert(self.clauses(inner)?))
            }
            Rule::route => (None, DeclarationKind::Route(self.clauses(inner)?)),
            Rule::pattern => self.pattern(inner)?,
            Rule::traces => self.traces(inner)?,
            Rule::correlate => self.correlate(inner)?,
            Rule::redact => (None, self.redact(inner)?),
            Rule::sample => self.sample(inner)?,
            Rule::table => self.table(inner)?,
            Rule::retrace => self.retrace(inner)?,
            Rule::test => {
                let title = self.string(&inner.next()?);
                (None, DeclarationKind::Test { title, blocks: self.test_blocks(inner)? })
            }
            _ => return None,
        };
        declaration.name = name;
        declaration.kind = kind;
        Some(())
    }

    fn named(
        &mut self,
        mut inner: Pairs<'_, Rule>,
        kind: fn(Expr) -> DeclarationKind,
    ) -> Option<(Option<Name>, DeclarationKind)> {
        let name = self.name(&inner.next()?);
        Some((Some(name), kind(self.expr(inner.next()?)?)))
    }

    fn import(&mut self, mut inner: Pairs<'_, Rule>) -> Option<(Option<Name>, DeclarationKind)> {
        let path = self.string(&inner.next()?);
        inner.next()?; // `as`
        let name = self.name(&inner.next()?);
        let config = match inner.next() {
            Some(bindings) => self.bindings(bindings)?,
            None => Vec::new(),
        };
        Some((Some(name), DeclarationKind::Import { path, config }))
    }

    fn function(&mut self, inner: Pairs<'_, Rule>) -> Option<(Option<Name>, DeclarationKind)> {
        let mut parts: Vec<_> = inner.collect();
        let body = self.expr(parts.pop()?)?;
        let mut names = parts.iter().map(|pair| self.name(pair));
        let name = names.next()?;
        let params = names.collect();
        Some((Some(name), DeclarationKind::Fn { params, body }))
    }
}

/// Where `=` stands right behind a plain name.
pub(super) fn equals_sign(text: &str) -> Option<std::ops::Range<usize>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = text.find(|c| !is_word(c)).filter(|&end| end > 0)?;
    let rest = text[name..].trim_start();
    let at = text.len() - rest.len();
    let is_sign = rest.starts_with('=') && !rest.starts_with("==") && !rest.starts_with("=~");
    is_sign.then_some(at..at + 1)
}
