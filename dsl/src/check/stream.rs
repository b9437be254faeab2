//! `stream`.

use std::rc::Rc;

use super::lint::rules_out;
use super::scope::Scope;
use super::shape::made;
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Binding, DeclarationKind, Dedupe, Late, SourceRef, Stream, TimeOf};
use crate::limits::DEDUPE_KEYS_MAX;
use crate::text_range::TextRange;

impl Checker<'_> {
    pub(super) fn stream(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
    ) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let (from, input) = self.input(site, clauses, "say what it reads: `= spans`")?;
        if input.is_rows {
            let message = "a `stream` reads items, these are rows";
            self.wrong_shape(
                from.range,
                message,
                "rows are read by `rows`, `aggregate` and `alert`",
            );
        }
        let mut stream = Stream {
            input: input.source.clone(),
            filter: None,
            set: Vec::new(),
            time: TimeOf::Default,
            dedupe: None,
            lateness_ns: None,
            idle_ns: None,
            late: Late::Drop,
        };
        let mut scope = Scope::new(site.module, Some(Rc::clone(&input)));
        for clause in clauses {
            self.late_again(clause, &input);
            self.never_late(clause, &input);
            self.stream_clause(clause, &mut stream, &mut scope, site);
        }
        for clause in clauses {
            if let ClauseKind::Set(bindings) = &clause.kind {
                self.lint_named_later(stream.filter.as_ref(), bindings, "set");
            }
        }
        self.lint_lateness(site, &stream, &input, clauses);
        let mut shape = (*input).clone();
        shape.name.clone_from(&site.name);
        shape.source = SourceRef::Declaration(site.id);
        if let Late::Amend(_) = stream.late {
            let is_late = |clause: &&Clause| matches!(clause.kind, ClauseKind::Late { .. });
            shape.amends = clauses.iter().find(is_late).map(|clause| clause.range);
        }
        shape.has_lateness |= stream.lateness_ns.is_some();
        shape.totals = shape.totals.filter(|totals| !rules_out(stream.filter.as_ref(), totals));
        for column in scope.bound {
            shape.columns.retain(|known| known.name != column.name);
            let name = column.name.clone();
            let field = crate::hir::FieldRef::Column(name);
            shape.columns.push(super::shape::ShapeColumn { field, ..column });
        }
        self.shapes.insert(site.name.clone(), Rc::new(shape));
        Some(DeclarationKind::Stream(stream))
    }

    fn stream_clause(
        &mut self,
        clause: &Clause,
        stream: &mut Stream,
        scope: &mut Scope,
        site: &Site<'_>,
    ) {
        match &clause.kind {
            ClauseKind::Where(condition) => {
                // A filter stands before `set` in the data flow: it does not see its columns.
                let mut before = Scope::new(site.module, scope.shape.clone());
                stream.filter = Some(self.condition(condition, &mut before));
            }
            ClauseKind::Set(bindings) => stream.set = self.set(bindings, scope),
            ClauseKind::At(word) => {
                let words = [("start", TimeOf::Start), ("end", TimeOf::End)];
                let Some(time) = self.word(word, "at", &words) else { return };
                let has_start = scope.shape.as_ref().is_none_or(|shape| shape.has_start);
                if !has_start {
                    let message = "these items have no start and no end";
                    self.wrong_shape(word.range, message, "leave `at` out: their time is used");
                }
                stream.time = time;
            }
            ClauseKind::Dedupe { keys, within, limit, side } => {
                let keys = keys.iter().map(|key| self.whole(key, scope)).collect();
                let bounds = (within.as_ref(), limit.as_ref());
                stream.dedupe = self.dedupe(keys, bounds, clause.keyword, site);
                if let (Some(dedupe), Some(side)) = (&mut stream.dedupe, side) {
                    dedupe.side = Some(self.full(&side.text, site.module));
                }
            }
            ClauseKind::Lateness(lateness) => {
                stream.lateness_ns = self.duration(lateness, site.module, "lateness", 0);
            }
            ClauseKind::Idle(idle) => {
                stream.idle_ns = self.duration(idle, site.module, "idle", 1);
            }
            ClauseKind::Late { word, side, within } => {
                if let Some(late) = self.late(word, side.as_ref(), within.as_ref(), site) {
                    stream.late = late;
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, bindings: &[ast::Binding], scope: &mut Scope) -> Vec<Binding> {
        let mut set = Vec::new();
        for binding in self.bounded(bindings) {
            let value = self.whole(&binding.value, scope);
            let Some(name) = &binding.name else {
                let message = "a column of `set` has a name: `route: http.route`";
                self.nameless(binding.range, message, "value");
                continue;
            };
            if let Some(first) = scope.bound.iter().find(|bound| bound.name == name.text) {
                let first = first.range.unwrap_or(name.range);
                self.given_twice(name, first);
                continue;
            }
            if let Some(shape) = scope.shape.clone() {
                self.shadowing(&name.text, name.range, &shape, scope.module);
            }
            let mut column = made(&name.text, &value.ty, value.optional, name.range);
            column.field = crate::hir::FieldRef::Item(name.text.clone());
            scope.bound.push(column);
            set.push(Binding { name: name.text.clone(), value });
        }
        set
    }

    pub(super) fn given_twice(&mut self, name: &ast::Name, first: TextRange) {
        let message = format!("`{}` is given twice", name.text);
        self.report(
            Diagnostic::new(codes::DUPLICATE, name.range, message)
                .label("again")
                .because(first, "first here")
                .help("give one of them another name"),
        );
    }

    fn dedupe(
        &mut self,
        keys: Vec<crate::hir::Expr>,
        (within, limit): (Option<&ast::Expr>, Option<&ast::Expr>),
        keyword: TextRange,
        site: &Site<'_>,
    ) -> Option<Dedupe> {
        if within.is_none() || limit.is_none() {
            let message = "`dedupe` states how long and how many keys it remembers";
            self.report(
                Diagnostic::new(codes::MISSING_CLAUSE, keyword, message)
                    .help("write `dedupe by … within 10m limit 1_000_000`"),
            );
        }
        let within_ns = within.and_then(|w| self.duration(w, site.module, "`within`", 1));
        let limit = limit.and_then(|l| self.count(l, site.module, "`limit`", DEDUPE_KEYS_MAX));
        Some(Dedupe { keys, within_ns: within_ns?, limit: limit?, side: None })
    }

    fn late(
        &mut self,
        word: &ast::Name,
        side: Option<&ast::Name>,
        within: Option<&ast::Expr>,
        site: &Site<'_>,
    ) -> Option<Late> {
        if let Some(side) = side {
            return Some(Late::Side(self.full(&side.text, site.module)));
        }
        if let Some(within) = within {
            let ns = self.duration(within, site.module, "`within`", 1)?;
            return Some(Late::Amend(ns));
        }
        if word.text == "drop" {
            return Some(Late::Drop);
        }
        self.unknown_word(word, "late", &["drop", "side", "amend"]);
        None
    }
}
