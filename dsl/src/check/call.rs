//! Calls of the catalogue's functions: which may stand where, and what they result in.
//!
//! Invariant: equal aggregate calls of a declaration are one. Whether arguments fit, `argument`
//! knows.

use super::Checker;
use super::foreign_names::foreign_function;
use super::same::same_call;
use super::scope::{Scope, broken};
use super::step::PICKS;
use crate::ast;
use crate::catalog::{FunctionClass, FunctionDef, ResultRule};
use crate::diagnostic::suggest::nearest;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{AggregateCall, Expr, ExprKind, FieldRef};
use crate::limits::AGGREGATE_CALLS_MAX;
use crate::text_range::TextRange;
use crate::types::Type;

/// Names that other languages have for functions.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("median", "p50"),
    ("mean", "avg"),
    ("average", "avg"),
    ("stdev", "stddev"),
    ("quantile", "percentile"),
    ("uniq", "distinct"),
    ("count_distinct", "distinct"),
    ("dcount", "distinct"),
    ("topk", "top"),
];

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &ast::Call, range: TextRange, scope: &mut Scope) -> Expr {
        if let Some(found) = self.function_declaration(&call.name.text, scope.module) {
            return self.inline(call, &found, range, scope);
        }
        if let Some(value) = self.step_call(call, range, scope) {
            return value;
        }
        if let Some(value) = self.trace_call(call, range, scope) {
            return value;
        }
        if let Some(value) = self.sample_call(call, range, scope) {
            return value;
        }
        let catalog = self.catalog;
        let Some(function) = catalog.function(&call.name.text) else {
            self.unknown_function(call, scope);
            return broken(range);
        };
        if let Some(filter) = &call.filter
            && function.class != FunctionClass::Aggregate
        {
            let message = format!("`{}` takes no `where`", function.name);
            self.report(
                Diagnostic::new(codes::AGGREGATE_PLACE, filter.range, message)
                    .note("`where` behind a call chooses the items of an aggregate function"),
            );
        }
        match function.class {
            FunctionClass::Scalar => self.scalar(call, function, range, scope),
            FunctionClass::Aggregate => self.aggregate_call(call, function, range, scope),
            FunctionClass::RowWindow => {
                if !scope.row_windows {
                    self.misplaced(call, "works on a row's own past: it stands in `select`");
                    return broken(range);
                }
                self.scalar(call, function, range, scope)
            }
        }
    }

    fn unknown_function(&mut self, call: &ast::Call, scope: &Scope) {
        let name = call.name.text.as_str();
        let message = format!("there is no function `{name}`");
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_FUNCTION, call.name.range, message);
        if self.is_flooded(self.names.len() + self.catalog.functions.len()) {
            return self.report(diagnostic);
        }
        let own = self.function_names(scope.module);
        let here = self.callable(call, scope);
        let other = OTHER_NAMES.iter().find(|other| other.0.eq_ignore_ascii_case(name));
        let other = other.map(|other| other.1).filter(|at| here.contains(at));
        let near = other.or_else(|| nearest(name, here.iter().copied()));
        diagnostic = match (foreign_function(name), near) {
            (Some(help), _) => diagnostic.help(help),
            (None, Some(near)) => diagnostic.did_you_mean(call.name.range, near),
            (None, None) => {
                // What cannot stand here, or not so, is told and not offered.
                let names = self.catalog.functions.iter().map(|function| function.name.as_str());
                match nearest(name, names.chain(own.iter().map(String::as_str))) {
                    Some(near) => diagnostic.help(format!(
                        "there is a function `{near}`, which is called in another way or stands in \
                         another place"
                    )),
                    None => diagnostic.note("`docs/functions.md` lists all functions"),
                }
            }
        };
        self.report(diagnostic);
    }

    /// The functions that may stand here and take so many arguments.
    fn callable(&self, call: &ast::Call, scope: &Scope) -> Vec<&str> {
        let count = call.args.len();
        let is_of_spans = call.args.iter().any(|argument| argument.value.is_of_spans());
        let mut names: Vec<&str> = callable_here(scope, is_of_spans);
        if is_of_spans {
            return names;
        }
        let aggregates = scope.aggregates && !scope.in_call;
        let stands = |function: &&FunctionDef| match function.class {
            FunctionClass::Scalar => true,
            FunctionClass::Aggregate => aggregates,
            FunctionClass::RowWindow => scope.row_windows,
        };
        let takes = |function: &&FunctionDef| {
            let least = function.params.iter().filter(|param| !param.optional).count();
            least <= count && (count <= function.params.len() || function.variadic)
        };
        let known = self.catalog.functions.iter().filter(stands).filter(takes);
        names.extend(known.map(|function| function.name.as_str()));
        names.extend(self.own_functions(scope.module, count));
        names
    }

    fn misplaced(&mut self, call: &ast::Call, why: &str) {
        let message = format!("`{}` {why}", call.name.text);
        self.report(
            Diagnostic::new(codes::AGGREGATE_PLACE, call.name.range, message)
                .label("cannot stand here"),
        );
    }

    fn scalar(
        &mut self,
        call: &ast::Call,
        function: &FunctionDef,
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        let Some(args) = self.arguments(call, function, scope) else { return broken(range) };
        let ty = result_of(function, &args);
        let optional = function.optional || args.iter().flatten().any(|arg| arg.optional);
        let name = function.name.clone();
        let kind = match function.class {
            FunctionClass::RowWindow => ExprKind::RowWindow { name, args },
            _ => ExprKind::Function { name, args },
        };
        Expr { ty, optional, range, kind }
    }

    fn aggregate_call(
        &mut self,
        call: &ast::Call,
        function: &FunctionDef,
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        if !self.may_aggregate(call, scope) || !self.has_needed(call, function, scope) {
            return broken(range);
        }
        // Inside the call names mean the fields of one item.
        let mut inner = Scope::new(scope.module, scope.shape.clone());
        inner.arguments.clone_from(&scope.arguments);
        inner.in_call = true;
        inner.bound = scope.bound.iter().filter(|bound| bound.is_key).cloned().collect();
        let args = self.arguments(call, function, &mut inner);
        let filter = call.filter.as_ref().map(|filter| {
            let value = self.expr(filter, &mut inner);
            self.must_be_bool(&value, "a condition");
            value
        });
        let Some(args) = args else { return broken(range) };
        let ty = result_of(function, &args);
        let optional = function.optional;
        let new = AggregateCall {
            function: function.name.clone(),
            args,
            filter,
            ty: ty.clone(),
            optional,
            range,
        };
        match self.place_of_call(new, call.name.range, scope) {
            Some(index) => Expr { ty, optional, range, kind: ExprKind::Call(index) },
            None => broken(range),
        }
    }

    /// Whether an aggregate function may stand here; reported if not.
    fn may_aggregate(&mut self, call: &ast::Call, scope: &Scope) -> bool {
        if scope.in_call {
            let message = format!("`{}` stands inside another aggregate function", call.name.text);
            self.report(
                Diagnostic::new(codes::AGGREGATE_PLACE, call.name.range, message)
                    .label("cannot stand here")
                    .help(
                        "aggregate in two steps: a second `aggregate` reads the rows of the first",
                    ),
            );
            return false;
        }
        if !scope.aggregates {
            let why = "is made of many items: it stands in `select` and `having` of an `aggregate`";
            self.misplaced(call, why);
        }
        scope.aggregates
    }

    /// Whether items have the fields that a function reads of them by itself; reported if not.
    fn has_needed(&mut self, call: &ast::Call, function: &FunctionDef, scope: &Scope) -> bool {
        let Some(shape) = scope.shape.as_ref().filter(|shape| !shape.is_broken) else {
            return true;
        };
        let is_there = |path: &&String| {
            shape
                .column(path)
                .is_some_and(|column| column.field == FieldRef::Builtin((*path).clone()))
        };
        let Some(missing) = function.needs.iter().find(|path| !is_there(path)) else { return true };
        let what = if shape.is_rows { "rows" } else { "items" };
        let message =
            format!("`{}` names {what} by their `{missing}`; these have none", function.name);
        self.report(
            Diagnostic::new(codes::AGGREGATE_PLACE, call.name.range, message)
                .label("cannot stand here")
                .help("take it where the spans or log records are, or pick values with `collect`"),
        );
        false
    }

    /// Where a call stands among those of its declaration, equal ones once.
    fn place_of_call(
        &mut self,
        new: AggregateCall,
        range: TextRange,
        scope: &mut Scope,
    ) -> Option<usize> {
        if let Some(known) = scope.calls.iter().position(|known| same_call(known, &new)) {
            return Some(known);
        }
        if scope.calls.len() >= AGGREGATE_CALLS_MAX {
            let message = format!("more than {AGGREGATE_CALLS_MAX} different aggregate calls");
            self.report(
                Diagnostic::new(codes::TOO_LARGE, range, message)
                    .help("split the declaration into several"),
            );
            return None;
        }
        scope.calls.push(new);
        Some(scope.calls.len() - 1)
    }
}

/// The functions beside those of the catalogue.
fn callable_here(scope: &Scope, is_of_spans: bool) -> Vec<&'static str> {
    let is_of_traces = scope.shape.as_ref().is_some_and(|shape| shape.inner.is_some());
    let mut names = Vec::new();
    if is_of_traces && !scope.aggregates {
        let of_spans = if is_of_spans { ["has", "count"].as_slice() } else { &["any"] };
        names.extend(of_spans);
    }
    if is_of_spans {
        return names;
    }
    if scope.is_sample && scope.arguments.is_none() {
        names.extend(["matched", "firing"]);
    }
    if scope.steps.as_ref().is_some_and(|steps| !steps.is_pair) {
        names.extend(PICKS.iter().map(|pick| pick.0));
    }
    names
}

fn result_of(function: &FunctionDef, args: &[Option<Expr>]) -> Type {
    let ty = |index: usize| match args.get(index) {
        Some(Some(arg)) => arg.ty.clone(),
        _ => Type::Any,
    };
    match &function.result {
        ResultRule::Fixed(ty) => ty.clone(),
        ResultRule::SameAs(index) => ty(*index),
        ResultRule::ElementOf(index) => match ty(*index) {
            Type::List(of) | Type::Map(of) => *of,
            _ => Type::Any,
        },
        ResultRule::ListOf(index) => Type::List(Box::new(ty(*index))),
        ResultRule::MeanOf(index) => match ty(*index) {
            Type::Int | Type::Number | Type::Any => Type::Float,
            other => other,
        },
        ResultRule::PerSecondOf(index) => match ty(*index) {
            Type::Duration => Type::Ratio,
            _ => Type::Rate,
        },
        ResultRule::Join => {
            let types = args.iter().flatten().map(|arg| arg.ty.clone());
            types.reduce(|a, b| a.join(&b).unwrap_or(Type::Any)).unwrap_or(Type::Any)
        }
    }
}
