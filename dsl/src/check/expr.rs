//! Types of expressions. One mistake is reported once: what it is part of has the broken type.

use super::Checker;
use super::scope::{Scope, broken, constant};
use crate::ast::{self, BinaryWord};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, Literal, Place, UnaryOp};
use crate::limits::{EXPRESSION_LEVELS_MAX, EXPRESSION_NODES_MAX, PROGRAM_NODES_MAX};
use crate::text_range::TextRange;
use crate::types::Type;

impl Checker<'_> {
    /// Types an expression.
    pub(super) fn expr(&mut self, expr: &ast::Expr, scope: &mut Scope) -> Expr {
        self.nodes += 1;
        self.all_nodes += 1;
        if self.all_nodes > PROGRAM_NODES_MAX {
            if self.all_nodes == PROGRAM_NODES_MAX + 1 {
                let message =
                    format!("the rules have more than {PROGRAM_NODES_MAX} parts of expressions");
                self.report(
                    Diagnostic::new(codes::TOO_LARGE, expr.range, message)
                        .help("functions are counted with their bodies, at each call"),
                );
            }
            return broken(expr.range);
        }
        if self.nodes > EXPRESSION_NODES_MAX {
            if self.nodes == EXPRESSION_NODES_MAX + 1 {
                let message = format!("the expression has more than {EXPRESSION_NODES_MAX} parts");
                self.report(
                    Diagnostic::new(codes::TOO_LARGE, expr.range, message).help(
                        "functions are counted with their bodies; use them less often in one",
                    ),
                );
            }
            return broken(expr.range);
        }
        self.levels += 1;
        let value = if self.levels > EXPRESSION_LEVELS_MAX {
            self.too_deep(expr.range)
        } else {
            self.node(expr, scope)
        };
        self.levels -= 1;
        value
    }

    pub(super) fn too_deep(&mut self, range: TextRange) -> Expr {
        let message = format!(
            "the expression has more than {EXPRESSION_LEVELS_MAX} levels, its constants and \
             functions written out"
        );
        self.report(
            Diagnostic::new(codes::NESTING, range, message)
                .help("let fewer constants and functions use one another"),
        );
        broken(range)
    }

    fn node(&mut self, expr: &ast::Expr, scope: &mut Scope) -> Expr {
        let range = expr.range;
        match &expr.kind {
            ast::ExprKind::Number(number) => match crate::syntax::literal::number(number, range) {
                Ok(value) => {
                    let ty = value.ty();
                    constant(value, ty, range)
                }
                Err(diagnostic) => {
                    self.report(*diagnostic);
                    broken(range)
                }
            },
            ast::ExprKind::String(text) => {
                let value = self.unescape(text);
                constant(Literal::String(value), Type::String, range)
            }
            ast::ExprKind::Bool(value) => constant(Literal::Bool(*value), Type::Bool, range),
            ast::ExprKind::Null => constant(Literal::Null, Type::Null, range),
            ast::ExprKind::Path(path) => self.path(path, range, scope),
            ast::ExprKind::Call(call) => self.call(call, range, scope),
            ast::ExprKind::Index(value, index) => self.index(value, index, range, scope),
            ast::ExprKind::Not(value) => self.not(value, range, scope),
            ast::ExprKind::Negate(value) => self.negate(value, range, scope),
            ast::ExprKind::Binary(BinaryWord::In, _, value, list) => {
                self.is_in(value, list, range, scope)
            }
            ast::ExprKind::Binary(BinaryWord::NotIn, _, value, list) => {
                let inner = self.is_in(value, list, range, scope);
                unary(UnaryOp::Not, inner, range)
            }
            ast::ExprKind::Binary(BinaryWord::Structure(word), at, left, right)
                if word.text.ends_with('~') && !left.is_of_spans() && !right.is_of_spans() =>
            {
                self.tilde(word.text, *at)
            }
            ast::ExprKind::Binary(..) if expr.is_of_spans() => self.misplaced_spans(range, scope),
            ast::ExprKind::Binary(word, at, left, right) => {
                self.binary(*word, *at, (left, right), range, scope)
            }
            ast::ExprKind::If(condition, then, other) => {
                self.choice(condition, then, other, range, scope)
            }
            ast::ExprKind::List(items) => self.list(items, range, scope),
            ast::ExprKind::Map(_) => {
                self.report(
                    Diagnostic::new(codes::OPERATOR, range, "a map cannot stand in an expression")
                        .help("maps stand in `set`, `select`, `labels`, `annotations` and tests"),
                );
                broken(range)
            }
            ast::ExprKind::Spans(_) | ast::ExprKind::NamedSpans(..) => {
                self.misplaced_spans(range, scope)
            }
            ast::ExprKind::Broken => broken(range),
        }
    }

    /// Types a top-level expression: the node budget starts anew.
    pub(super) fn whole(&mut self, expr: &ast::Expr, scope: &mut Scope) -> Expr {
        self.nodes = 0;
        self.expr(expr, scope)
    }

    /// Types a condition and reports what is not one, or never changes.
    pub(super) fn condition(&mut self, expr: &ast::Expr, scope: &mut Scope) -> Expr {
        let value = self.whole(expr, scope);
        self.must_be_bool(&value, "a condition");
        self.lint_always(&value);
        value
    }

    pub(super) fn must_be_bool(&mut self, value: &Expr, what: &str) -> bool {
        if value.ty == Type::Bool || value.ty.is_dynamic() {
            return true;
        }
        let ty = &value.ty;
        let mut diagnostic = Diagnostic::new(
            codes::CONDITION,
            value.range,
            format!("{what} is true or false, this is {}", article(ty)),
        )
        .label(format!("{}", Named(ty)));
        diagnostic = self.made_here(diagnostic, value);
        if !value.optional {
            diagnostic = diagnostic.help("compare it with something");
        }
        if value.optional {
            diagnostic = diagnostic
                .help("to test whether it is there, compare with null")
                .guess(value.range.at_end(), " != null");
        }
        self.report(diagnostic);
        false
    }

    fn not(&mut self, value: &ast::Expr, range: TextRange, scope: &mut Scope) -> Expr {
        let inner = self.expr(value, scope);
        self.must_be_bool(&inner, "what `not` negates");
        unary(UnaryOp::Not, inner, range)
    }

    fn negate(&mut self, value: &ast::Expr, range: TextRange, scope: &mut Scope) -> Expr {
        let inner = self.expr(value, scope);
        if let ExprKind::Constant { value, param } = &inner.kind
            && let Some(negated) = super::fold::negate(value)
        {
            let kind = ExprKind::Constant { value: negated, param: param.clone() };
            return Expr { range, kind, ..inner };
        }
        if !(inner.ty.is_number() || inner.ty.is_quantity() || inner.ty.is_dynamic()) {
            let message = format!("{} has no negative", article(&inner.ty));
            self.report(
                Diagnostic::new(codes::OPERATOR, inner.range, message)
                    .label(format!("{}", Named(&inner.ty))),
            );
            return broken(range);
        }
        unary(UnaryOp::Negate, inner, range)
    }

    fn index(
        &mut self,
        value: &ast::Expr,
        index: &ast::Expr,
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        if let Some(found) = self.step_attribute(value, index, range, scope) {
            return found;
        }
        let of_root = self.root_attribute(value, index, range, scope);
        if let Some(found) = of_root.or_else(|| self.named_span_attribute(value, index, scope)) {
            return Expr { range, ..found };
        }
        if let ast::ExprKind::Path(path) = &value.kind
            && let Some(place) = place_of(path)
            && self.known(path, value.range, scope).is_none()
        {
            return self.attribute_index(place, index, range, scope);
        }
        if let ast::ExprKind::Path(path) = &value.kind
            && self.known(path, value.range, scope).is_none()
        {
            self.lint_owner(path, value.range);
        }
        let value = self.expr(value, scope);
        let index = self.expr(index, scope);
        let ty = match &value.ty {
            Type::List(of) if index.ty == Type::Int || index.ty.is_dynamic() => (**of).clone(),
            Type::Map(of) if index.ty == Type::String || index.ty.is_dynamic() => (**of).clone(),
            Type::Any => Type::Any,
            Type::Broken => return broken(range),
            Type::List(_) | Type::Map(_) => {
                let message = "a list is indexed by an integer, a map by a text";
                self.report(
                    Diagnostic::new(codes::OPERATOR, index.range, message)
                        .label(format!("{}", Named(&index.ty)))
                        .because(value.range, format!("{}", Named(&value.ty))),
                );
                return broken(range);
            }
            other => {
                let message = format!("{} has no elements", article(other));
                self.report(Diagnostic::new(codes::OPERATOR, value.range, message));
                return broken(range);
            }
        };
        let kind = ExprKind::Index(Box::new(value), Box::new(index));
        Expr { ty, optional: true, range, kind }
    }

    pub(super) fn attribute_index(
        &mut self,
        place: Place,
        index: &ast::Expr,
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        let key = self.expr(index, scope);
        let ExprKind::Constant { value: Literal::String(key), .. } = &key.kind else {
            if key.ty != Type::Broken {
                let message = "the key of an attribute is a constant text";
                self.report(
                    Diagnostic::new(codes::CONSTANT, key.range, message)
                        .note("what rules read is fixed when they are loaded"),
                );
            }
            return broken(range);
        };
        if scope.aggregates {
            let message = "an attribute has a value per item, and a row stands for many items";
            self.report(
                Diagnostic::new(codes::AGGREGATE_PLACE, range, message)
                    .help("say what to make of the values, such as `last(…)`, or group by it"),
            );
            return broken(range);
        }
        if scope.shape.as_ref().is_none_or(|shape| !shape.has_attributes) {
            let message = "there are no attributes here";
            self.report(Diagnostic::new(codes::UNKNOWN_NAME, range, message));
            return broken(range);
        }
        self.attribute(place, key, range)
    }

    fn choice(
        &mut self,
        condition: &ast::Expr,
        then: &ast::Expr,
        other: &ast::Expr,
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        let condition = self.expr(condition, scope);
        self.must_be_bool(&condition, "the condition of `if`");
        let (then, other) = (self.expr(then, scope), self.expr(other, scope));
        let Some(ty) = then.ty.join(&other.ty) else {
            let message = "both results of an `if` have one type";
            self.report(
                Diagnostic::new(codes::MISMATCH, other.range, message)
                    .label(format!("{}", Named(&other.ty)))
                    .because(then.range, format!("{}", Named(&then.ty))),
            );
            return broken(range);
        };
        let optional = then.optional || other.optional;
        let kind = ExprKind::If(Box::new(condition), Box::new(then), Box::new(other));
        Expr { ty, optional, range, kind }
    }

    fn list(&mut self, items: &[ast::Expr], range: TextRange, scope: &mut Scope) -> Expr {
        let items: Vec<_> = items.iter().map(|item| self.expr(item, scope)).collect();
        let mut ty = Type::Null;
        for item in &items {
            let Some(joined) = ty.join(&item.ty) else {
                let first = items[0].range;
                let message = "the elements of a list have one type";
                self.report(
                    Diagnostic::new(codes::MISMATCH, item.range, message)
                        .label(format!("{}", Named(&item.ty)))
                        .because(first, format!("{}", Named(&ty))),
                );
                return broken(range);
            };
            ty = joined;
        }
        let constants: Option<Vec<_>> =
            items.iter().map(|item| constant_of(item).cloned()).collect();
        let kind = match constants {
            Some(values) => ExprKind::Constant { value: Literal::List(values), param: None },
            None => ExprKind::List(items),
        };
        Expr { ty: Type::List(Box::new(ty)), optional: false, range, kind }
    }
}

/// The constant that an expression is.
pub(super) fn constant_of(expr: &Expr) -> Option<&Literal> {
    match &expr.kind {
        ExprKind::Constant { value, .. } if expr.ty != Type::Broken => Some(value),
        _ => None,
    }
}

pub(super) fn unary(op: UnaryOp, inner: Expr, range: TextRange) -> Expr {
    let (ty, optional) = match op {
        UnaryOp::IsNull | UnaryOp::IsPresent => (Type::Bool, false),
        UnaryOp::Not => (Type::Bool, inner.optional),
        UnaryOp::Negate => (inner.ty.clone(), inner.optional),
    };
    Expr { ty, optional, range, kind: ExprKind::Unary(op, Box::new(inner)) }
}

pub(super) fn place_of(path: &str) -> Option<Place> {
    Some(match path {
        "attr" => Place::Any,
        "item" => Place::Item,
        "scope" => Place::Scope,
        "resource" => Place::Resource,
        _ => return None,
    })
}

/// A type with its article: `a duration`.
pub(super) fn article(ty: &Type) -> String {
    match ty {
        Type::Int | Type::Any => format!("an {ty}"),
        Type::Bytes | Type::Null | Type::Enum(_) => ty.to_string(),
        Type::String => "a text".to_owned(),
        _ => format!("a {ty}"),
    }
}

/// A remark that names a type.
pub(super) struct Named<'a>(pub(super) &'a Type);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this is {}", article(self.0))
    }
}
