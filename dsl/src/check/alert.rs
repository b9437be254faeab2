//! `alert` and `route`: what they read, by what instances are told apart, what is said.

use std::rc::Rc;
use std::sync::Arc;

use super::scope::Scope;
use super::shape::{RowsOf, Shape, ShapeColumn, made};
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Alert, DeclarationKind, NoData, Route, SourceRef};
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn alert(&mut self, site: &Site<'_>, clauses: &[Clause]) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let (_, input) = self.input(site, clauses, "say what it watches: `from http`")?;
        let mut alert = Alert {
            input: input.source.clone(),
            filter: None,
            by: input.keys(),
            when: None,
            until: None,
            for_ns: 0,
            hold_ns: 0,
            no_data: None,
            severity: None,
            labels: Vec::new(),
            annotations: Vec::new(),
            per_item: !input.is_rows || input.rows_of == RowsOf::Matches,
            with_other: false,
            to: Vec::new(),
        };
        let mut scope = Scope::new(site.module, Some(Rc::clone(&input)));
        let mut keys: Vec<ShapeColumn> =
            input.columns.iter().filter(|column| column.is_key).cloned().collect();
        for clause in clauses {
            if let ClauseKind::By(by) = &clause.kind {
                keys = self.alert_keys(by, &mut scope);
                alert.by = keys.iter().map(|key| key.name.clone()).collect();
            }
            self.alert_clause(clause, &mut alert, &mut scope, site);
        }
        self.alert_missing(site, &alert, &input, clauses);
        if let Some(clause) = clauses.iter().find(|c| matches!(c.kind, ClauseKind::NoData(_))) {
            self.no_data_of(&alert, &input, clause.range);
        }
        let shape = alert_shape(site, keys, &input);
        self.shapes.insert(site.name.clone(), Rc::new(shape).partial(site.tree.is_partial));
        Some(DeclarationKind::Alert(alert))
    }

    fn alert_clause(
        &mut self,
        clause: &Clause,
        alert: &mut Alert,
        scope: &mut Scope,
        site: &Site<'_>,
    ) {
        let module = site.module;
        match &clause.kind {
            ClauseKind::Where(condition) => alert.filter = Some(self.condition(condition, scope)),
            ClauseKind::When(condition) => alert.when = Some(self.condition(condition, scope)),
            ClauseKind::Until(condition) => alert.until = Some(self.condition(condition, scope)),
            ClauseKind::For(time) => {
                alert.for_ns = self.duration(time, module, "`for`", 0).unwrap_or(0);
            }
            ClauseKind::Hold(time) => {
                alert.hold_ns = self.duration(time, module, "`hold`", 0).unwrap_or(0);
            }
            ClauseKind::NoData(word) => {
                let words =
                    [("resolve", NoData::Resolve), ("fire", NoData::Fire), ("keep", NoData::Keep)];
                alert.no_data = self.word(word, "on no data", &words);
            }
            ClauseKind::Severity(word) => alert.severity = Some(word.text.clone()),
            ClauseKind::Labels(texts) => alert.labels = self.texts(texts, scope),
            ClauseKind::Annotations(texts) => alert.annotations = self.texts(texts, scope),
            ClauseKind::WithOther => alert.with_other = true,
            ClauseKind::To(sinks) => alert.to = self.sinks(sinks, site.module),
            _ => {}
        }
    }

    /// The columns that tell instances apart.
    fn alert_keys(&mut self, keys: &[ast::Binding], scope: &mut Scope) -> Vec<ShapeColumn> {
        let mut names = Vec::new();
        for key in keys {
            let value = self.whole(&key.value, scope);
            match &key.value.kind {
                ast::ExprKind::Path(path) if key.name.is_none() => {
                    names.push(made(path, &value.ty, value.optional, value.range).keyed());
                }
                _ => {
                    let message = "instances of an alert are told apart by columns";
                    self.report(
                        Diagnostic::new(codes::CLAUSE_VALUE, value.range, message)
                            .help("make a column of it with `set` or `by` upstream"),
                    );
                }
            }
        }
        names
    }

    fn alert_missing(&mut self, site: &Site<'_>, alert: &Alert, input: &Shape, clauses: &[Clause]) {
        let has = |wanted: fn(&ClauseKind) -> bool| clauses.iter().any(|c| wanted(&c.kind));
        if input.is_broken {
            return;
        }
        if !alert.per_item {
            if !has(|kind| matches!(kind, ClauseKind::When(_))) && !input.is_alert {
                self.missing(site, "when", "say when it fires: `when error_rate > 5%`");
            }
            if !has(|kind| matches!(kind, ClauseKind::NoData(_))) && !input.is_alert {
                self.lint_no_data(site);
            }
        } else if !has(|kind| matches!(kind, ClauseKind::Hold(_))) {
            let help = "items and matches fire one by one; say how long it stays firing: `hold 5m`";
            self.missing(site, "hold", help);
        }
        if alert.per_item && alert.for_ns > 0 {
            let range = clauses
                .iter()
                .find(|clause| matches!(clause.kind, ClauseKind::For(_)))
                .map_or(site.tree.range, |clause| clause.range);
            let message = "`for` waits for rows that go on; items fire one by one";
            self.wrong_shape(range, message, "aggregate the items first");
        }
        let until = clauses.iter().find(|clause| matches!(clause.kind, ClauseKind::Until(_)));
        if let Some(until) = until.filter(|_| alert.per_item) {
            let message = "`until` judges the rows of a group; an item fires once and is held";
            self.report(
                Diagnostic::new(codes::UNTIL_ITEMS, until.range, message)
                    .help("leave it out: `hold` alone says when the alert resolves")
                    .note("to resolve on a condition, aggregate the items and watch the rows"),
            );
        }
    }

    pub(super) fn route(&mut self, site: &Site<'_>, clauses: &[Clause]) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let (from, input) = self.input(site, clauses, "say what it sends: `= spans`")?;
        self.must_leave(from, &input, false);
        let mut route = Route { input: input.source.clone(), filter: None, to: Vec::new() };
        let mut scope = Scope::new(site.module, Some(input));
        for clause in clauses {
            match &clause.kind {
                ClauseKind::Where(condition) => {
                    route.filter = Some(self.condition(condition, &mut scope));
                }
                ClauseKind::To(sinks) => route.to = self.sinks(sinks, site.module),
                _ => {}
            }
        }
        if !clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::To(_))) {
            self.missing(site, "to", "say where it goes: `to archive`");
        }
        Some(DeclarationKind::Route(route))
    }
}

/// Transitions of an alert, as rules read them: its key, what it says, and of the row that caused
/// it what is not yet there.
fn alert_shape(site: &Site<'_>, keys: Vec<ShapeColumn>, input: &Shape) -> Shape {
    let mut columns: Vec<ShapeColumn> = keys.into_iter().map(ShapeColumn::of_rows).collect();
    let states = ["inactive", "pending", "firing", "resolved"];
    let states: Arc<[String]> = states.iter().map(|state| (*state).to_owned()).collect();
    let range = site.tree.keyword.range;
    columns.push(made("state", &Type::Enum(states), false, range));
    columns.push(made("severity", &Type::String, true, range));
    for column in input.columns.iter().filter(|_| input.is_rows) {
        let is_known = columns.iter().any(|known| known.name == column.name);
        if !is_known && !column.name.starts_with("window.") {
            let column = ShapeColumn { optional: true, is_key: false, ..column.clone() };
            columns.push(column.of_rows());
        }
    }
    let mut shape = Shape::rows(&site.name, SourceRef::Declaration(site.id), columns);
    shape.is_alert = true;
    shape.rows_of = RowsOf::Transitions;
    shape
}
