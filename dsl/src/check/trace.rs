//! What conditions say about the spans of a trace: `has({…})`, `count({…})`, `any(…)`, `root.…`.
//!
//! Names between braces are those of a span; outside they are the trace's.

use std::rc::Rc;

use super::Checker;
use super::expr::place_of;
use super::scope::{Scope, broken};
use super::shape::Shape;
use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, SpanSet, TraceValue};
use crate::text_range::TextRange;
use crate::types::Type;

/// Before a name of the root's.
const ROOT: &str = "root.";

impl Checker<'_> {
    /// A name of the root's: `root.service.name`.
    pub(super) fn root_path(
        &mut self,
        path: &str,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let rest = path.strip_prefix(ROOT)?;
        let mut inner = root_scope(scope)?;
        let value = self.path(rest, range, &mut inner);
        Some(of_root(value, range))
    }

    /// `root.attr["key"]`.
    pub(super) fn root_attribute(
        &mut self,
        value: &ast::Expr,
        index: &ast::Expr,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let ast::ExprKind::Path(path) = &value.kind else { return None };
        if path == "root" && span_scope(scope).is_some() {
            self.report(
                Diagnostic::new(codes::UNKNOWN_NAME, value.range, "nothing is named `root` here")
                    .note("a field of the root is `root.duration`, an attribute `root.attr[\"…\"]`")
                    .did_you_mean(value.range, "root.attr"),
            );
            return Some(broken(range));
        }
        let place = place_of(path.strip_prefix(ROOT)?)?;
        let mut inner = root_scope(scope)?;
        let value = self.attribute_index(place, index, range, &mut inner);
        Some(of_root(value, range))
    }

    /// A comparison of what spans have where names are those of a trace: most likely it is meant
    /// of one of them.
    pub(super) fn comparison_of_spans(
        &mut self,
        compared: &ast::Expr,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let ast::ExprKind::Path(path) = &compared.kind else { return None };
        let shape = scope.shape.as_ref().filter(|shape| shape.is_traces() && !shape.is_broken)?;
        shape.inner.as_ref()?.column(path)?;
        if self.known(path, compared.range, scope).is_some() {
            return None;
        }
        let message = format!("nothing is named `{path}` here");
        self.report(
            Diagnostic::new(codes::UNKNOWN_NAME, compared.range, message)
                .note(format!("each span has its own `{path}`; `root.{path}` is that of the root"))
                .help("say that a span of the trace is so")
                .guess(range.at_start(), "has({")
                .guess(range.at_end(), "})"),
        );
        Some(broken(range))
    }

    /// A function over the spans of a trace; `None` where the call is of something else.
    pub(super) fn trace_call(
        &mut self,
        call: &ast::Call,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let name = call.name.text.as_str();
        let is_of_spans = call.args.iter().any(|argument| argument.value.is_of_spans());
        match name {
            "has" | "any" => {}
            "count" if is_of_spans => {}
            _ => return None,
        }
        if scope.shape.as_ref().is_some_and(|shape| shape.is_broken) {
            return Some(broken(range));
        }
        let Some(mut inner) = span_scope(scope) else {
            let message = format!("`{name}` is about the spans of a trace, and here are no traces");
            self.report(Diagnostic::new(codes::AGGREGATE_PLACE, call.name.range, message).help(
                "it stands in conditions over `traces`; in `select`, inside an aggregate \
                     function or its `where`",
            ));
            return Some(broken(range));
        };
        let [argument] = call.args.as_slice() else {
            return Some(self.wrong_trace_call(call, range));
        };
        if matches!(argument.value.kind, ast::ExprKind::Broken) {
            return Some(broken(range)); // it has been reported
        }
        if name == "any" {
            return Some(self.any_of(call, &argument.value, range, &mut inner));
        }
        if let Some(filter) = &call.filter {
            let message = format!("`{name}` takes no `where`");
            let help = "the condition stands between the braces";
            self.report(Diagnostic::new(codes::AGGREGATE_PLACE, filter.range, message).help(help));
        }
        if !argument.value.is_of_spans() {
            return Some(self.wrong_trace_call(call, range));
        }
        let Some(set) = self.span_set(&argument.value, &mut inner) else {
            return Some(broken(range));
        };
        let (ty, value) = match name {
            "has" => (Type::Bool, TraceValue::Has(set)),
            _ => (Type::Int, TraceValue::Count(set)),
        };
        Some(Expr { ty, optional: false, range, kind: ExprKind::Trace(Box::new(value)) })
    }

    fn wrong_trace_call(&mut self, call: &ast::Call, range: TextRange) -> Expr {
        let name = call.name.text.as_str();
        let example = match name {
            "any" => "`any(http.route) where kind == server`".to_owned(),
            _ => format!("`{name}({{status == error}})`"),
        };
        let what = if name == "any" { "one value of a span" } else { "spans in braces" };
        let message = format!("`{name}` wants {what}");
        self.report(
            Diagnostic::new(codes::ARGUMENTS, call.name.range, message)
                .help(format!("for example {example}")),
        );
        broken(range)
    }

    /// The value of the first span of a set: a condition, or sets of spans in braces.
    fn any_of(
        &mut self,
        call: &ast::Call,
        value: &ast::Expr,
        range: TextRange,
        inner: &mut Scope,
    ) -> Expr {
        let of = match &call.filter {
            Some(filter) if filter.is_of_spans() => self.span_set(filter, inner),
            Some(filter) => Some(SpanSet::Where(Box::new(self.condition(filter, inner)))),
            None => Some(SpanSet::All),
        };
        let value = self.expr(value, inner);
        let (Some(of), false) = (of, value.ty == Type::Broken) else { return broken(range) };
        let ty = value.ty.clone();
        let kind = ExprKind::Trace(Box::new(TraceValue::Any(Box::new(value), of)));
        Expr { ty, optional: true, range, kind }
    }

    /// `~` of `PromQL` and other systems, between values.
    pub(super) fn tilde(&mut self, word: &str, at: TextRange) -> Expr {
        let message = format!("`{word}` is for spans in braces, which have the same parent");
        let diagnostic = Diagnostic::new(codes::OPERATOR, at, message);
        self.report(match word {
            "~" => diagnostic.help("texts are compared by `matches`").guess(at, "matches"),
            _ => diagnostic.help("texts are compared by `matches`: `not name matches \"^GET\"`"),
        });
        broken(at)
    }

    /// Spans in braces where a value is wanted.
    pub(super) fn misplaced_spans(&mut self, range: TextRange, scope: &Scope) -> Expr {
        let is_trace = scope.shape.as_ref().is_some_and(|shape| shape.inner.is_some());
        let message = "spans in braces are no value";
        let help = if is_trace {
            "say what about them: `has({…})`, `count({…})`"
        } else {
            "they stand in `has({…})` and `count({…})`, over `traces`"
        };
        self.report(Diagnostic::new(codes::OPERATOR, range, message).help(help));
        broken(range)
    }
}

/// What names mean inside braces, where there are traces here.
fn span_scope(scope: &Scope) -> Option<Scope> {
    if scope.aggregates {
        return None;
    }
    let spans: &Rc<Shape> = scope.shape.as_ref()?.inner.as_ref()?;
    let mut inner = Scope::new(scope.module, Some(Rc::clone(spans)));
    inner.arguments.clone_from(&scope.arguments);
    Some(inner)
}

/// What names mean behind `root.`.
fn root_scope(scope: &Scope) -> Option<Scope> {
    let inner = span_scope(scope)?;
    Some(Scope { prefix: format!("{}{ROOT}", scope.prefix), ..inner })
}

fn of_root(value: Expr, range: TextRange) -> Expr {
    if value.ty == Type::Broken || matches!(value.kind, ExprKind::Constant { .. }) {
        return Expr { range, ..value };
    }
    let ty = value.ty.clone();
    let kind = ExprKind::Trace(Box::new(TraceValue::Root(Box::new(value))));
    Expr { ty, optional: true, range, kind }
}
