//! `traces`: which spans, and when a trace is whole.

use std::rc::Rc;

use super::clause::Caps;
use super::shape::Shape;
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind, Close};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{CloseTerm, DeclarationKind, SourceRef, TracePart, Traces};
use crate::limits::{CLOSE_TERMS_MAX, TRACES_BYTES_MAX, TRACES_SPANS_MAX};

impl Checker<'_> {
    pub(super) fn traces(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
    ) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let (from, input) = self.input(site, clauses, "say which spans: `from spans`")?;
        if !input.is_broken && !self.is_of_spans(&input) {
            let message = "`traces` are made of spans, these are none";
            self.wrong_shape(from.range, message, "read `spans`, or a stream of them");
        }
        if let Some(amends) = input.amends {
            let message = "late items cannot amend traces: one that has closed is said and decided";
            self.report(
                Diagnostic::new(codes::UNFIT_CLAUSE, from.range, message)
                    .because(amends, "late items are to amend here")
                    .help(
                        "read a stream without `late amend`; late spans are counted, and follow \
                           what a `sample` has decided about their trace",
                    ),
            );
        }
        self.pieces(from.range, &input);
        let close = self.close_of(site, clauses);
        let (mut spans_max, mut bytes_max) = (None, None);
        for clause in clauses {
            if let ClauseKind::Caps(caps) = &clause.kind {
                (spans_max, bytes_max) = self.caps(site, caps);
            }
        }
        let mut shape = match self.catalog.source("traces") {
            Some(source) => Shape::of_catalog(source),
            None => Shape::broken(&site.name),
        };
        shape.name.clone_from(&site.name);
        shape.source = SourceRef::Declaration(site.id);
        shape.has_lateness = true;
        shape.inner = Some(Rc::clone(&input));
        self.shapes.insert(site.name.clone(), Rc::new(shape).partial(site.tree.is_partial));
        let input = input.source.clone();
        Some(DeclarationKind::Traces(Traces { input, close: close?, spans_max, bytes_max }))
    }

    /// What traces say beside themselves, as rules read it.
    pub(super) fn trace_part_shape_of(&self, index: usize, part: TracePart) -> Rc<Shape> {
        let traces = self.shape_of(index);
        let SourceRef::Declaration(id) = traces.source else { return traces };
        let mut shape = match self.catalog.source(part.source()) {
            Some(source) => Shape::of_catalog(source),
            None => Shape::broken(&traces.name),
        };
        shape.name = format!("{}.{}", traces.name, part.name());
        shape.source = SourceRef::TracePart(id, part);
        shape.has_lateness = true;
        Rc::new(shape)
    }

    /// Whether items are spans: traces know themselves by the name of their inner source.
    pub(super) fn is_of_spans(&self, shape: &Shape) -> bool {
        let traces = self.catalog.source("traces");
        let inner = traces.and_then(|traces| traces.inner.as_deref()).unwrap_or("spans");
        let fields = self.catalog.source(inner).map_or(&[][..], |spans| spans.fields.as_slice());
        !shape.is_rows && fields.iter().all(|field| shape.column(&field.path).is_some())
    }

    fn close_of(&mut self, site: &Site<'_>, clauses: &[Clause]) -> Option<Vec<CloseTerm>> {
        let found = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Close(close) => Some((close, clause)),
            _ => None,
        });
        let Some((close, clause)) = found else {
            let help = "say when a trace is whole: `close when (root and quiet 5s) or age 60s`";
            self.missing(site, "close", help);
            return None;
        };
        let terms = self.close_terms(close, site.module)?;
        if terms.len() > CLOSE_TERMS_MAX {
            let message = format!("`close` lists more than {CLOSE_TERMS_MAX} ways, written out");
            self.report(Diagnostic::new(codes::TOO_LARGE, clause.keyword, message));
            return None;
        }
        if terms.iter().any(|term| term.quiet_ns.is_none() && term.age_ns.is_none()) {
            let message = "`root` alone closes a trace with its first root";
            self.report(
                Diagnostic::new(codes::CLAUSE_VALUE, clause.keyword, message)
                    .note("the other spans of a trace come before and behind its root")
                    .help("give them time: `root and quiet 5s`"),
            );
        }
        if terms.iter().all(|term| term.root) {
            let message = "a trace whose root never comes would stay open";
            self.report(
                Diagnostic::new(codes::CLAUSE_VALUE, clause.keyword, message)
                    .help("add a way that needs no root: `… or age 60s`"),
            );
            return None;
        }
        Some(terms)
    }

    /// A tree of `and` and `or` as a list of ways.
    fn close_terms(&mut self, close: &Close, module: usize) -> Option<Vec<CloseTerm>> {
        match close {
            Close::Root => Some(vec![CloseTerm { root: true, ..CloseTerm::default() }]),
            Close::Time(word, value) => {
                let ns = self.duration(value, module, &format!("`{}`", word.text), 1)?;
                let mut term = CloseTerm::default();
                match word.text.as_str() {
                    "quiet" => term.quiet_ns = Some(ns),
                    _ => term.age_ns = Some(ns),
                }
                Some(vec![term])
            }
            Close::Any(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| self.close_terms(p, module)).collect();
                let mut terms = Vec::new();
                for part in parts {
                    terms.extend(part?);
                }
                Some(terms)
            }
            Close::All(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| self.close_terms(p, module)).collect();
                let mut terms = vec![CloseTerm::default()];
                for part in parts {
                    let part = part?;
                    let all = terms.iter().flat_map(|a| part.iter().map(|b| both(*a, *b)));
                    terms = all.take(CLOSE_TERMS_MAX + 1).collect();
                }
                Some(terms)
            }
        }
    }

    fn caps(&mut self, site: &Site<'_>, caps: &[(ast::Name, ast::Expr)]) -> Caps {
        let (mut spans_max, mut bytes_max) = (None, None);
        for (word, value) in caps {
            let slot = if word.text == "spans" { &mut spans_max } else { &mut bytes_max };
            if slot.is_some() {
                let message = format!("`{}` is limited twice", word.text);
                self.report(Diagnostic::new(codes::REPEATED_CLAUSE, word.range, message));
                continue;
            }
            *slot = match word.text.as_str() {
                "spans" => self.count(value, site.module, "`limit spans`", TRACES_SPANS_MAX),
                _ => self.size(value, site.module, "`limit bytes`", TRACES_BYTES_MAX),
            };
        }
        (spans_max, bytes_max)
    }
}

fn both(a: CloseTerm, b: CloseTerm) -> CloseTerm {
    CloseTerm {
        root: a.root || b.root,
        quiet_ns: a.quiet_ns.max(b.quiet_ns),
        age_ns: a.age_ns.max(b.age_ns),
    }
}
