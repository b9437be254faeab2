//! `aggregate`: its clauses and windows, and the columns of its rows.

use std::rc::Rc;

use super::scope::Scope;
use super::shape::{Shape, made};
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{
    Aggregate, Binding, DeclarationKind, Expr, ExprKind, FieldRef, GroupLimit, Results, SelectItem,
    SourceRef, Window,
};
use crate::limits::GROUPS_LIMIT_MAX;
use crate::text_range::TextRange;

impl Checker<'_> {
    pub(super) fn aggregate(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
    ) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let (_, input) = self.input(site, clauses, "say what it reads: `from spans`")?;
        let mut parts = Parts::new(input.source.clone());
        let mut scope = Scope::new(site.module, Some(Rc::clone(&input)));
        // Clauses may stand in any order; names of keys come before those of items.
        for clause in clauses {
            match &clause.kind {
                ClauseKind::Where(condition) => {
                    parts.filter = Some(self.condition(condition, &mut scope));
                }
                ClauseKind::By(keys) => self.keys(keys, &mut parts, &mut scope, &input),
                _ => {}
            }
        }
        scope.bound.clone_from(&parts.columns);
        scope.aggregates = true;
        scope.row_windows = true;
        for clause in clauses {
            self.aggregate_clause(clause, &mut parts, &mut scope, site);
        }
        self.aggregate_missing(site, clauses);
        for clause in clauses {
            let (later, word) = match &clause.kind {
                ClauseKind::Select(items) => (items, "select"),
                ClauseKind::By(keys) => (keys, "by"),
                _ => continue,
            };
            let named: Vec<_> =
                later.iter().filter(|b| b.name.is_some() || word == "select").cloned().collect();
            self.lint_named_later(parts.filter.as_ref(), &named, word);
        }
        for clause in clauses {
            if let ClauseKind::Having(condition) = &clause.kind {
                scope.row_windows = true;
                parts.having = Some(self.condition(condition, &mut scope));
            }
        }
        self.lint_samples(site, &scope.calls, parts.having.is_some());
        self.lint_ranks(&scope.calls);
        self.lint_totals(&scope.calls, parts.filter.as_ref(), &input);
        let columns = std::mem::take(&mut parts.columns);
        let mut shape = Shape::rows(&site.name, SourceRef::Declaration(site.id), columns);
        shape.rows_of = self.windows_of(parts.window, clauses, &input);
        let shape = Rc::new(shape);
        self.shapes.insert(site.name.clone(), shape.partial(site.tree.is_partial));
        parts.finish(scope)
    }

    fn aggregate_missing(&mut self, site: &Site<'_>, clauses: &[Clause]) {
        if !clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Over(_))) {
            self.missing(site, "over", "say which windows: `over tumbling(1m)`");
        }
        if !clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Select(_))) {
            self.missing(site, "select", "say what rows hold: `select { n: count() }`");
        }
    }

    fn keys(&mut self, keys: &[ast::Binding], parts: &mut Parts, scope: &mut Scope, input: &Shape) {
        for key in self.bounded(keys) {
            let value = self.whole(&key.value, scope);
            let name = match (&key.name, &key.value.kind) {
                (Some(name), _) => {
                    let same = matches!(&key.value.kind, ast::ExprKind::Path(p) if *p == name.text);
                    if !same {
                        self.shadowing(&name.text, name.range, input, scope.module);
                    }
                    name.clone()
                }
                (None, ast::ExprKind::Path(path)) => {
                    ast::Name { text: path.clone(), range: key.range }
                }
                (None, _) => match attribute_key(&value) {
                    Some(text) => ast::Name { text, range: key.range },
                    None => {
                        let message =
                            "a group key that is no field has a name: `by host: lower(…)`";
                        self.nameless(key.range, message, "key");
                        continue;
                    }
                },
            };
            if let Some(first) = parts.columns.iter().find(|column| column.name == name.text) {
                let first = first.range.unwrap_or(name.range);
                self.given_twice(&name, first);
                continue;
            }
            self.lint_key(&value, input);
            let mut column = made(&name.text, &value.ty, value.optional, name.range).keyed();
            column.field = FieldRef::Item(name.text.clone());
            parts.columns.push(column);
            parts.by.push(Binding { name: name.text, value });
        }
    }

    fn aggregate_clause(
        &mut self,
        clause: &Clause,
        parts: &mut Parts,
        scope: &mut Scope,
        site: &Site<'_>,
    ) {
        match &clause.kind {
            ClauseKind::Over(window) => parts.window = self.window(window, site.module),
            ClauseKind::Select(items) => {
                parts.items = self.items(items, scope);
                parts.columns.clone_from(&scope.bound);
            }
            ClauseKind::Limit { groups, overflow } => {
                let groups = self.count(groups, site.module, "`limit groups`", GROUPS_LIMIT_MAX);
                if let Some(word) = overflow {
                    self.word(word, "overflow", &[("other", ())]);
                }
                parts.limit = groups.map(|groups| GroupLimit { groups });
            }
            ClauseKind::Results { word, every } => {
                parts.results = match every {
                    Some(every) => self
                        .duration(every, site.module, "`every`", 1_000_000)
                        .map_or(Results::Final, Results::Every),
                    None => {
                        let words = [("final", Results::Final), ("changes", Results::Changes)];
                        let found = words.iter().find(|known| known.0 == word.text);
                        if found.is_none() {
                            self.unknown_word(word, "results", &["final", "changes", "every 10s"]);
                        }
                        found.map_or(Results::Final, |known| known.1)
                    }
                };
            }
            ClauseKind::To(sinks) => parts.to = self.sinks(sinks, site.module),
            _ => {}
        }
    }

    /// Selected values; each is bound for the ones behind it.
    pub(super) fn items(&mut self, items: &[ast::Binding], scope: &mut Scope) -> Vec<SelectItem> {
        let mut selected = Vec::new();
        for item in self.bounded(items) {
            let value = self.whole(&item.value, scope);
            let Some(name) = item_name(item) else {
                let message = "a selected value that is no call and no column has a name";
                self.nameless(item.range, message, "value");
                continue;
            };
            if let Some(first) = scope.bound.iter().find(|bound| bound.name == name.text) {
                let first = first.range.unwrap_or(name.range);
                if item.name.is_none() && !first.eq(&name.range) {
                    self.unnamed_twice(&name, item.range, first);
                } else {
                    self.given_twice(&name, first);
                }
                continue;
            }
            let is_column = matches!(&item.value.kind, ast::ExprKind::Path(p) if *p == name.text);
            if item.name.is_some()
                && !is_column
                && let Some(shape) = scope.shape.clone()
            {
                self.shadowing(&name.text, name.range, &shape, scope.module);
            }
            let mut column = made(&name.text, &value.ty, value.optional, name.range);
            column.field = FieldRef::Item(name.text.clone());
            scope.bound.push(column);
            selected.push(SelectItem { name: name.text, value });
        }
        selected
    }

    fn unnamed_twice(&mut self, name: &ast::Name, item: TextRange, first: TextRange) {
        let message = format!("two values would be named `{}`", name.text);
        self.report(
            Diagnostic::new(codes::DUPLICATE, item, message)
                .label("takes its function's name")
                .because(first, "first here")
                .help("give it a name of its own")
                .guess(item.at_start(), format!("{}_2: ", name.text)),
        );
    }
}

/// What has been found of an aggregate.
struct Parts {
    input: SourceRef,
    filter: Option<Expr>,
    by: Vec<Binding>,
    columns: Vec<super::shape::ShapeColumn>,
    window: Option<(Window, i64)>,
    items: Vec<SelectItem>,
    having: Option<Expr>,
    limit: Option<GroupLimit>,
    results: Results,
    to: Vec<String>,
}

impl Parts {
    fn new(input: SourceRef) -> Self {
        Self {
            input,
            filter: None,
            by: Vec::new(),
            columns: Vec::new(),
            window: None,
            items: Vec::new(),
            having: None,
            limit: None,
            results: Results::Final,
            to: Vec::new(),
        }
    }

    fn finish(self, scope: Scope) -> Option<DeclarationKind> {
        let (window, offset_ns) = self.window?;
        Some(DeclarationKind::Aggregate(Aggregate {
            input: self.input,
            filter: self.filter,
            by: self.by,
            window,
            offset_ns,
            calls: scope.calls,
            items: self.items,
            having: self.having,
            limit: self.limit,
            results: self.results,
            to: self.to,
        }))
    }
}

fn attribute_key(value: &Expr) -> Option<String> {
    match &value.kind {
        ExprKind::Field(FieldRef::Attribute { key, .. }) => Some(key.clone()),
        _ => None,
    }
}

/// The name of a selected value: given, the function's, or the column's.
fn item_name(item: &ast::Binding) -> Option<ast::Name> {
    if let Some(name) = &item.name {
        return Some(name.clone());
    }
    match &item.value.kind {
        ast::ExprKind::Call(call) => Some(call.name.clone()),
        ast::ExprKind::Path(path) => {
            Some(ast::Name { text: path.clone(), range: item.value.range })
        }
        _ => None,
    }
}
