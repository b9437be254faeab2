//! `retrace`: whose spans, by what, under which root, and which of the new traces are kept.

use std::rc::Rc;

use super::clause::by_of;
use super::expr::{article, constant_of};
use super::scope::Scope;
use super::shape::{Shape, made};
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind, Share};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{
    Binding, DeclarationKind, Expr, ExprKind, FieldRef, Keep, Literal, Outcome, Retrace, SourceRef,
};
use crate::limits::RETRACE_SPANS_MAX;

/// How long a trace collects where nothing is said, ns.
const FLUSH_DEFAULT_NS: i64 = 5_000_000_000;
/// Spans of a trace where nothing is said.
const SPANS_DEFAULT: u64 = 1_000;

impl Checker<'_> {
    pub(super) fn retrace(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
    ) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let help = "say whose spans: `from spans`, `from entity_jobs.matched`";
        let (from, input) = self.input(site, clauses, help)?;
        let takes = match input.source {
            SourceRef::Outcome(_, outcome) => outcome != Outcome::Duplicates,
            _ => self.is_of_spans(&input) && !input.is_late,
        };
        if input.is_late && !input.is_broken {
            let message =
                "`retrace` reads spans in the order of their time, these came too late for it";
            let help = "read the stream itself; a longer `lateness` lets more of them be in time";
            self.wrong_shape(from.range, message, help);
            return None;
        }
        if !takes && !input.is_broken {
            let message = "`retrace` reads spans, or `matched`, `left_only` or `right_only` of a \
                           correlation";
            let help = "read `spans` or a stream of them; or pair spans first: `correlate jobs { … \
                        }`, then read `jobs.matched`";
            self.wrong_shape(from.range, message, help);
            return None;
        }
        let mut scope = Scope::new(site.module, Some(Rc::clone(&input)));
        let mut retrace = Retrace {
            input: input.source.clone(),
            filter: None,
            by: Vec::new(),
            root_name: None,
            root: Vec::new(),
            keep: Vec::new(),
            flush_ns: FLUSH_DEFAULT_NS,
            flush_spans: SPANS_DEFAULT,
            to: Vec::new(),
        };
        for clause in clauses {
            match &clause.kind {
                ClauseKind::Where(filter) => {
                    retrace.filter = Some(self.condition(filter, &mut scope));
                }
                ClauseKind::Keep(lines) => retrace.keep = self.keep(lines, clause, &mut scope),
                ClauseKind::Flush { after, spans } => {
                    self.flush(&mut retrace, after, spans.as_ref(), site.module);
                }
                ClauseKind::To(sinks) => retrace.to = self.sinks(sinks, site.module),
                _ => {}
            }
        }
        retrace.by = self.retrace_keys(site, clauses, &input);
        self.root(site, clauses, &mut retrace);
        if retrace.to.is_empty() {
            self.missing(site, "to", "say where the new traces go: `to otlp`");
        }
        Some(DeclarationKind::Retrace(Box::new(retrace)))
    }

    fn retrace_keys(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
        input: &Rc<Shape>,
    ) -> Vec<Binding> {
        let Some(by) = by_of(clauses) else {
            self.missing(site, "by", "say what the spans of a trace have in common: `by entity`");
            return Vec::new();
        };
        let mut scope = Scope::new(site.module, Some(Rc::clone(input)));
        let mut keys: Vec<Binding> = Vec::new();
        for key in self.bounded(by) {
            let value = self.whole(&key.value, &mut scope);
            let name = match (&key.name, &key.value.kind) {
                (Some(name), _) => name.text.clone(),
                (None, ast::ExprKind::Path(path)) => path.clone(),
                (None, _) => {
                    let message = "a key that is no column has a name: `by host: lower(…)`";
                    self.nameless(key.range, message, "key");
                    continue;
                }
            };
            keys.push(Binding { name, value });
        }
        keys
    }

    fn root(&mut self, site: &Site<'_>, clauses: &[Clause], retrace: &mut Retrace) {
        let found = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Root(root) => Some((root, clause.range)),
            _ => None,
        });
        let Some((bindings, range)) = found else {
            let help =
                "say what the span above all others is: `root { name: \"entity {entity}\" }`";
            self.missing(site, "root", help);
            return;
        };
        let mut scope = Scope::new(site.module, None);
        for key in &retrace.by {
            let (value, range) = (&key.value, key.value.range);
            let mut column = made(&key.name, &value.ty, value.optional, range).keyed();
            column.field = FieldRef::Item(key.name.clone());
            scope.bound.push(column);
        }
        for binding in self.bounded(bindings) {
            let Some(name) = &binding.name else {
                let message = "a part of `root` has a name: `name: \"…\"`, or an attribute's";
                self.report(Diagnostic::new(codes::CLAUSE_VALUE, binding.range, message));
                continue;
            };
            if name.text == "name" {
                retrace.root_name = Some(self.template(&binding.value, &mut scope));
                continue;
            }
            let value = match binding.value.kind {
                ast::ExprKind::String(_) => self.template(&binding.value, &mut scope),
                _ => self.whole(&binding.value, &mut scope),
            };
            retrace.root.push(Binding { name: name.text.clone(), value });
        }
        if retrace.root_name.is_none() && !site.tree.is_partial {
            let message = "the root span has no name";
            self.report(
                Diagnostic::new(codes::MISSING_CLAUSE, range, message)
                    .help("give it one: `root { name: \"entity {entity}\" }`"),
            );
        }
    }

    fn keep(&mut self, lines: &[Share], clause: &Clause, scope: &mut Scope) -> Vec<Keep> {
        let mut keep = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let is_last = at + 1 == lines.len();
            if line.when.is_none() && !is_last {
                let message = "nothing comes behind `otherwise`";
                self.report(
                    Diagnostic::new(codes::CLAUSE_VALUE, line.range, message)
                        .help("put it last: the first line that holds decides"),
                );
            }
            let value = self.constant_expr(&line.part, scope.module);
            let share = match constant_of(&value) {
                Some(Literal::Ratio(share)) if (0.0..=1.0).contains(share) => *share,
                Some(Literal::Ratio(_)) => {
                    let message = "a share is from 0% to 100%";
                    self.report(Diagnostic::new(codes::CLAUSE_VALUE, value.range, message));
                    1.0
                }
                Some(_) => {
                    let message = format!("a share is wanted here, this is {}", article(&value.ty));
                    self.report(
                        Diagnostic::new(codes::CLAUSE_VALUE, value.range, message)
                            .help("write it in percent: `5%`"),
                    );
                    1.0
                }
                None => 1.0,
            };
            let when = line.when.as_ref().map(|when| self.condition(when, scope));
            let names_errors = when.as_ref().is_some_and(names_errors);
            keep.push(Keep { share, when, names_errors });
        }
        if lines.last().is_some_and(|line| line.when.is_some()) {
            let message = "`keep` does not say what becomes of the other traces";
            self.report(
                Diagnostic::new(codes::MISSING_CLAUSE, clause.range, message)
                    .help("end with `…% otherwise`")
                    .guess(clause.range.at_end(), ", 100% otherwise"),
            );
        }
        keep
    }

    fn flush(
        &mut self,
        retrace: &mut Retrace,
        after: &ast::Expr,
        spans: Option<&ast::Expr>,
        module: usize,
    ) {
        if let Some(after_ns) = self.duration(after, module, "`flush after`", 1) {
            retrace.flush_ns = after_ns;
        }
        let spans = spans.and_then(|spans| self.count(spans, module, "`spans`", RETRACE_SPANS_MAX));
        retrace.flush_spans = spans.unwrap_or(SPANS_DEFAULT);
    }

    pub(super) fn is_retrace(&self, index: usize) -> bool {
        matches!(self.items[index].tree.kind, ast::DeclarationKind::Retrace(_))
    }

    /// Reports a declaration that is read and has nothing to read.
    pub(super) fn no_source(&mut self, name: &ast::Name) {
        let message = format!("`{}` sends its traces away and is no source", name.text);
        self.report(
            Diagnostic::new(codes::UNKNOWN_SOURCE, name.range, message).help("read what it reads"),
        );
    }
}

/// Whether a condition names errors: then it is meant to decide on them.
fn names_errors(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| {
        found |= matches!(
            &expr.kind,
            ExprKind::Constant { value: Literal::Enum(member), .. } if member == "error"
        );
    });
    found
}
