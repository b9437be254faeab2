//! Clauses: which declaration takes which, and the values that they take.

use std::rc::Rc;

use super::expr::{Named, article, constant_of};
use super::scope::Scope;
use super::shape::Shape;
use super::{Checker, Site};
use crate::ast::{self, CLAUSES_OF, Clause, ClauseKind, clauses_of};
use crate::diagnostic::suggest::listed;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Literal, SelectItem};
use crate::text_range::TextRange;
use crate::types::Type;

/// Spans and bytes that a trace is limited to, where stated.
pub(super) type Caps = (Option<u64>, Option<u64>);

/// A word of a clause and what it stands for.
type Word<T> = (&'static str, T);

/// Words of a clause that are listed where one is not known: all of them but of the longest.
const WORDS_SHOWN_MAX: usize = 20;

impl Checker<'_> {
    /// Reports clauses that do not belong here or come twice. `where` may come twice nowhere, as
    /// `and` says it better.
    pub(super) fn check_clauses(&mut self, site: &Site<'_>, clauses: &[Clause]) {
        let keyword = site.tree.keyword.text.as_str();
        let known = clauses_of(keyword);
        let mut seen: Vec<(&str, TextRange)> = Vec::new();
        for clause in clauses {
            let word = clause.kind.word();
            if !known.contains(&word) {
                let message = format!("`{word}` is not a clause of `{keyword}`");
                let takes = listed(known.iter().copied(), 20);
                self.report(
                    Diagnostic::new(codes::FOREIGN_CLAUSE, clause.keyword, message)
                        .note(format!("`{keyword}` takes {takes}"))
                        .help(belongs(word)),
                );
            } else if let Some((_, first)) = seen.iter().find(|earlier| earlier.0 == word) {
                let message = format!("`{word}` is given twice");
                let mut diagnostic =
                    Diagnostic::new(codes::REPEATED_CLAUSE, clause.keyword, message)
                        .label("again")
                        .because(*first, "first here");
                diagnostic = diagnostic.help(match word {
                    "where" => "join both conditions with `and`",
                    _ => "keep one of them",
                });
                self.report(diagnostic);
            } else {
                seen.push((word, clause.keyword));
            }
        }
    }

    /// Reports a clause without which the declaration means nothing; silent where parts of it
    /// could not be read.
    pub(super) fn missing(&mut self, site: &Site<'_>, word: &str, help: &str) {
        if site.tree.is_partial {
            return;
        }
        let keyword = site.tree.keyword.text.as_str();
        let range = site.tree.name.as_ref().map_or(site.tree.keyword.range, |name| name.range);
        let message = format!("this `{keyword}` has no `{word}`");
        self.report(Diagnostic::new(codes::MISSING_CLAUSE, range, message).help(help));
    }

    /// What a declaration reads, by its `from` or its `=`; reports one that reads nothing.
    pub(super) fn input<'c>(
        &mut self,
        site: &Site<'_>,
        clauses: &'c [Clause],
        help: &str,
    ) -> Option<(&'c ast::Name, Rc<Shape>)> {
        let from = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::From(name) => Some(name),
            _ => None,
        });
        let Some(from) = from else {
            self.missing(site, "from", help);
            return None;
        };
        Some((from, self.source(from, site.module).partial(site.tree.is_partial)))
    }

    /// Where rows go by `to`.
    pub(super) fn sinks_of(&mut self, clauses: &[Clause], module: usize) -> Vec<String> {
        let to = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::To(sinks) => Some(sinks),
            _ => None,
        });
        to.map_or(Vec::new(), |sinks| self.sinks(sinks, module))
    }

    /// What `select` holds.
    pub(super) fn selected(&mut self, clauses: &[Clause], scope: &mut Scope) -> Vec<SelectItem> {
        let items = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Select(items) => Some(items),
            _ => None,
        });
        items.map_or(Vec::new(), |items| self.items(items, scope))
    }

    /// Reports a value that needs a name; `placeholder` stands in the edit.
    pub(super) fn nameless(&mut self, range: TextRange, message: &str, placeholder: &str) {
        self.report(
            Diagnostic::new(codes::CLAUSE_VALUE, range, message)
                .help("give it a name")
                .guess(range.at_start(), format!("{placeholder}: ")),
        );
    }

    /// A constant duration in ns, at least `min_ns`.
    pub(super) fn duration(
        &mut self,
        expr: &ast::Expr,
        module: usize,
        what: &str,
        min_ns: i64,
    ) -> Option<i64> {
        let value = self.constant_expr(expr, module);
        match constant_of(&value) {
            Some(Literal::Duration(ns)) if *ns >= min_ns => Some(*ns),
            Some(Literal::Duration(_)) => {
                let least = crate::hir::duration_text(min_ns);
                let message = format!("{what} is at least {least}");
                self.report(Diagnostic::new(codes::CLAUSE_VALUE, value.range, message));
                None
            }
            Some(Literal::Int(_)) => {
                let message = format!("{what} has a unit, this number has none");
                let diagnostic = Diagnostic::new(codes::MISSING_UNIT, value.range, message)
                    .label("without a unit")
                    .help("write the unit: `s` for seconds, `ms`, `m`, `h`, `d`");
                let mut diagnostic = self.made_here(diagnostic, &value);
                if let Some(place) = self.number_place(value.range) {
                    diagnostic = diagnostic.guess(place.at_end(), "s");
                }
                self.report(diagnostic);
                None
            }
            Some(_) => {
                let message = format!("{what} is a duration, this is {}", article(&value.ty));
                let diagnostic = Diagnostic::new(codes::CLAUSE_VALUE, value.range, message)
                    .label(format!("{}", Named(&value.ty)));
                let diagnostic = self.made_here(diagnostic, &value);
                self.report(diagnostic);
                None
            }
            None => None,
        }
    }

    /// A constant integer from 1 to `max`.
    pub(super) fn count(
        &mut self,
        expr: &ast::Expr,
        module: usize,
        what: &str,
        max: u64,
    ) -> Option<u64> {
        let message = format!("{what} is an integer from 1 to {}", grouped(max));
        self.at_most(expr, module, (&Type::Int, max), message, |literal| match literal {
            Literal::Int(number) => Some(*number),
            _ => None,
        })
    }

    /// A constant size from 1 byte to `max`.
    pub(super) fn size(
        &mut self,
        expr: &ast::Expr,
        module: usize,
        what: &str,
        max: u64,
    ) -> Option<u64> {
        let message = format!("{what} is a size such as `20MiB`, at most {max} bytes");
        self.at_most(expr, module, (&Type::Size, max), message, |literal| match literal {
            Literal::Size(bytes) => Some(*bytes),
            _ => None,
        })
    }

    /// A constant of a type from 1 to `max`.
    fn at_most(
        &mut self,
        expr: &ast::Expr,
        module: usize,
        (ty, max): (&Type, u64),
        message: String,
        number: fn(&Literal) -> Option<i64>,
    ) -> Option<u64> {
        let value = self.constant_expr(expr, module);
        let found = number(constant_of(&value)?).filter(|found| *found >= 1);
        let found = found.map(|found| found as u64).filter(|found| *found <= max);
        if found.is_none() {
            let mut diagnostic = Diagnostic::new(codes::CLAUSE_VALUE, value.range, message);
            if value.ty != *ty {
                diagnostic = diagnostic.label(format!("{}", Named(&value.ty)));
            }
            let diagnostic = self.made_here(diagnostic, &value);
            self.report(diagnostic);
        }
        found
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &ast::Name,
        clause: &str,
        words: &[Word<T>],
    ) -> Option<T> {
        let found = words.iter().find(|word| word.0 == name.text);
        if found.is_none() {
            self.unknown_word(name, clause, &words.iter().map(|word| word.0).collect::<Vec<_>>());
        }
        found.map(|word| word.1)
    }

    pub(super) fn unknown_word(&mut self, name: &ast::Name, clause: &str, words: &[&str]) {
        let message = format!("`{clause}` does not know the word `{}`", name.text);
        let mut diagnostic = Diagnostic::new(codes::WORD, name.range, message).note(format!(
            "words of `{clause}`: {}",
            listed(words.iter().copied(), WORDS_SHOWN_MAX)
        ));
        let near = crate::diagnostic::suggest::nearest(&name.text, words.iter().copied());
        if let Some(near) = near {
            diagnostic = diagnostic.did_you_mean(name.range, near);
        }
        self.report(diagnostic);
    }

    /// `name: "text {value}"` pairs.
    pub(super) fn texts(
        &mut self,
        bindings: &[ast::Binding],
        scope: &mut Scope,
    ) -> Vec<(String, crate::hir::Expr)> {
        let mut texts: Vec<(String, crate::hir::Expr)> = Vec::new();
        for binding in self.bounded(bindings) {
            let value = self.template(&binding.value, scope);
            let Some(name) = &binding.name else {
                let message = "a text here has a name: `summary: \"…\"`";
                self.report(Diagnostic::new(codes::CLAUSE_VALUE, binding.range, message));
                continue;
            };
            let mut earlier = bindings.iter().filter_map(|binding| binding.name.as_ref());
            let first = earlier.find(|earlier| earlier.text == name.text);
            if let Some(first) = first.filter(|first| first.range != name.range) {
                self.given_twice(name, first.range);
                continue;
            }
            texts.push((name.text.clone(), value));
        }
        texts
    }

    /// Reports a clause that needs items where rows come, or the other way round.
    pub(super) fn wrong_shape(&mut self, range: TextRange, message: &str, help: &str) {
        self.report(Diagnostic::new(codes::SHAPE, range, message).help(help));
    }

    /// A value for a row's column, which types beside it.
    pub(super) fn literal_beside(
        &mut self,
        ty: &Type,
        column: TextRange,
        expr: &ast::Expr,
        module: usize,
    ) -> Option<Literal> {
        let mut scope = Scope::new(module, None);
        let value = self.beside(ty, column, expr, &mut scope);
        if value.ty == Type::Broken {
            return None;
        }
        if !ty.compares_with(&value.ty) {
            let message = format!("{} is wanted here, this is {}", article(ty), article(&value.ty));
            self.report(
                Diagnostic::new(codes::MISMATCH, value.range, message)
                    .label(format!("{}", Named(&value.ty)))
                    .because(column, format!("{}", Named(ty))),
            );
            return None;
        }
        let literal = constant_of(&value).cloned();
        if literal.is_none() {
            let message = "a constant value is wanted here";
            self.report(Diagnostic::new(codes::CONSTANT, value.range, message));
        }
        literal
    }
}

/// The values of `by`.
pub(super) fn by_of(clauses: &[Clause]) -> Option<&[ast::Binding]> {
    clauses.iter().find_map(|clause| match &clause.kind {
        ClauseKind::By(by) => Some(by.as_slice()),
        _ => None,
    })
}

/// `1_000_000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// Where a clause belongs that stands in the wrong declaration.
fn belongs(word: &str) -> String {
    let known =
        CLAUSES_OF.iter().filter(|(_, clauses)| clauses.contains(&word)).map(|(kind, _)| *kind);
    format!("move it: it is a clause of {}", listed(known, 10))
}
