//! What names mean inside one expression.
//!
//! Order: what the declaration binds, fields of the source, constants, parameters and tables,
//! attributes.

use std::rc::Rc;

use super::Checker;
use super::foreign_names::spelt_otherwise;
use super::shape::{Shape, ShapeColumn};
use super::span_set::NamedSpans;
use super::step::Steps;
use crate::ast;
use crate::diagnostic::suggest::{is_very_near, listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{AggregateCall, Expr, ExprKind, FieldRef, Literal, Place};
use crate::text_range::TextRange;
use crate::types::Type;

/// Names shown in one message at most.
const NAMES_SHOWN_MAX: usize = 8;

/// Arguments of an inlined function, by name; the text is typed where it is used.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) bound: Vec<(String, ast::Expr)>,
    pub(super) outer: Option<Rc<Arguments>>,
    /// The module of the caller, whose names the arguments mean.
    pub(super) module: usize,
    pub(super) depth: usize,
    /// The function's name, to see one that calls itself.
    pub(super) function: String,
}

/// What an expression sees.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, set by name")]
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) shape: Option<Rc<Shape>>,
    /// Columns that this declaration has bound so far.
    pub(super) bound: Vec<ShapeColumn>,
    /// The joined row and its name.
    pub(super) joined: Option<(String, Rc<Shape>)>,
    /// Whether aggregate calls may stand here; then fields stand inside them only.
    pub(super) aggregates: bool,
    /// Whether this is the argument or filter of an aggregate call.
    pub(super) in_call: bool,
    /// Whether functions over the row's past may stand here.
    pub(super) row_windows: bool,
    pub(super) calls: Vec<AggregateCall>,
    /// The steps of a pattern that may be named here.
    pub(super) steps: Option<Rc<Steps>>,
    /// The spans that have a name here.
    pub(super) named_spans: Option<Rc<NamedSpans>>,
    /// Whether it is a line of a sample, which may ask about other rules.
    pub(super) is_sample: bool,
    /// What stands before a name here, in the text: `a.` behind a step's name, `root.`.
    pub(super) prefix: String,
    pub(super) module: usize,
    pub(super) arguments: Option<Rc<Arguments>>,
}

impl Scope {
    pub(super) fn new(module: usize, shape: Option<Rc<Shape>>) -> Self {
        Self {
            shape,
            bound: Vec::new(),
            joined: None,
            aggregates: false,
            in_call: false,
            row_windows: false,
            calls: Vec::new(),
            steps: None,
            named_spans: None,
            is_sample: false,
            prefix: String::new(),
            module,
            arguments: None,
        }
    }

    /// What names mean behind `name.`, where they are those of an item of the shape.
    pub(super) fn behind(&self, name: &str, shape: Option<Rc<Shape>>) -> Self {
        Self { prefix: format!("{}{name}.", self.prefix), ..Self::new(self.module, shape) }
    }

    fn is_broken(&self) -> bool {
        self.shape.as_ref().is_some_and(|shape| shape.is_broken)
            || self.joined.as_ref().is_some_and(|joined| joined.1.is_broken)
            || self.steps.as_ref().is_some_and(|steps| steps.is_broken())
    }

    fn candidates(&self) -> Vec<String> {
        let mut names: Vec<String> = self.bound.iter().map(|c| c.name.clone()).collect();
        if let Some(shape) = self.shape.as_ref().filter(|_| !self.aggregates) {
            names.extend(shape.names().map(str::to_owned));
        }
        if let Some((alias, shape)) = &self.joined {
            names.extend(shape.names().map(|name| format!("{alias}.{name}")));
        }
        if let Some(steps) = &self.steps {
            names.extend(steps.candidates());
        }
        if let Some(arguments) = &self.arguments {
            names.extend(arguments.bound.iter().map(|bound| bound.0.clone()));
        }
        names
    }
}

pub(super) fn broken(range: TextRange) -> Expr {
    constant(Literal::Null, Type::Broken, range)
}

pub(super) fn constant(value: Literal, ty: Type, range: TextRange) -> Expr {
    let optional = value == Literal::Null;
    Expr { ty, optional, range, kind: ExprKind::Constant { value, param: None } }
}

fn column(column: &ShapeColumn, field: FieldRef, range: TextRange) -> Expr {
    Expr { ty: column.ty.clone(), optional: column.optional, range, kind: ExprKind::Field(field) }
}

pub(super) fn attribute(place: Place, key: &str, range: TextRange) -> Expr {
    let field = FieldRef::Attribute { place, key: key.to_owned() };
    Expr { ty: Type::Any, optional: true, range, kind: ExprKind::Field(field) }
}

impl Checker<'_> {
    /// What a path refers to; unknown names are reported.
    pub(super) fn path(&mut self, path: &str, range: TextRange, scope: &mut Scope) -> Expr {
        if let Some(value) = self.argument(path, scope) {
            return Expr { range, ..value };
        }
        let named = super::sample::named(path, range, scope);
        let named = named.or_else(|| self.step_path(path, range, scope));
        if let Some(value) = named.or_else(|| self.named_span_path(path, range, scope)) {
            return value;
        }
        let known = self.known_or_table(path, range, scope);
        let known = known.or_else(|| self.root_path(path, range, scope));
        if let Some(value) = known.or_else(|| scope.is_broken().then(|| broken(range))) {
            return value;
        }
        if scope.aggregates && scope.shape.as_ref().is_some_and(|shape| reads(shape, path)) {
            self.not_aggregated(path, range);
            return broken(range);
        }
        if scope.aggregates && self.catalog.function(path).is_some() {
            let message = format!("`{path}` is a function, and is not called here");
            let (help, call) = match path {
                "count" => ("write `count()`", "()"),
                _ => ("say over what, such as `(duration)`", "(duration)"),
            };
            let diagnostic = Diagnostic::new(codes::UNKNOWN_NAME, range, message).help(help);
            self.report(diagnostic.guess(range.at_end(), call));
            return broken(range);
        }
        self.attribute_or_unknown(path, range, scope)
    }

    /// Reports a field where only aggregates of it have a value.
    fn not_aggregated(&mut self, path: &str, range: TextRange) {
        let message = format!("`{path}` has a value per item, and a row stands for many items");
        let help = "say what to make of the values, such as `avg(…)` or `last(…)`, or group by it";
        self.report(
            Diagnostic::new(codes::AGGREGATE_PLACE, range, message)
                .label("a field outside an aggregate function")
                .help(help)
                .guess(range.at_start(), "last(")
                .guess(range.at_end(), ")"),
        );
    }

    /// A name that nothing has: an attribute's, where items have some and it is no slip.
    fn attribute_or_unknown(&mut self, path: &str, range: TextRange, scope: &Scope) -> Expr {
        let shape = scope.shape.as_ref();
        let is_attribute = !scope.aggregates && shape.is_some_and(|shape| shape.has_attributes);
        let columns = shape.map_or(0, |shape| shape.columns.len()) + scope.bound.len();
        if self.is_flooded(self.names.len() + columns) {
            if is_attribute {
                return self.attribute(Place::Any, path, range);
            }
            let message = format!("nothing is named `{}{path}` here", scope.prefix);
            self.report(Diagnostic::new(codes::UNKNOWN_NAME, range, message));
            return broken(range);
        }
        let prefix = scope.prefix.as_str();
        let candidates = scope.candidates();
        let is_alone = prefix.is_empty();
        let values = if is_alone { self.value_names(scope.module) } else { Vec::new() };
        let names = candidates.iter().map(String::as_str);
        let same = spelt_otherwise(path, &candidates).filter(|_| is_attribute);
        let near = nearest(path, names.chain(values.iter().map(String::as_str)));
        // `service.name` of a span beside `a.service.name` of another step is no slip.
        let is_elsewhere = |near: &str| near.strip_suffix(path).is_some_and(|of| of.ends_with('.'));
        let is_meant = |near: &str| !is_slip(path, near) || is_elsewhere(near);
        if is_attribute && same.is_none() && near.is_none_or(is_meant) {
            self.lint_foreign_name((prefix, path), range, &candidates);
            return self.attribute(Place::Any, path, range);
        }
        let near = same.or(near);
        let message = format!("nothing is named `{prefix}{path}` here");
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_NAME, range, message);
        if let Some(near) = near {
            diagnostic = diagnostic.did_you_mean(range, &format!("{prefix}{near}"));
        } else if !candidates.is_empty() {
            let names = listed(candidates.iter().map(String::as_str), NAMES_SHOWN_MAX);
            diagnostic = diagnostic.note(format!("names here: {names}"));
        }
        if is_attribute {
            diagnostic =
                diagnostic.note(format!("an attribute is read by `{prefix}attr[\"{path}\"]`"));
        }
        if scope.shape.is_none() && scope.steps.is_none() {
            diagnostic = diagnostic.note(if scope.bound.is_empty() {
                "a value here is fixed when the rules are loaded: it sees constants and \
                 parameters, no fields"
            } else {
                "a value here is made of the key: it sees the key's values, constants and \
                 parameters, no fields"
            });
        }
        self.report(diagnostic);
        broken(range)
    }

    /// What a path refers to, if it is anything but an attribute.
    pub(super) fn known(&mut self, path: &str, range: TextRange, scope: &Scope) -> Option<Expr> {
        if let Some(bound) = scope.bound.iter().find(|bound| bound.name == path) {
            self.remember(range, bound.range);
            return Some(column(bound, bound.field.clone(), range));
        }
        if let Some((alias, shape)) = &scope.joined
            && let Some(name) = path.strip_prefix(alias.as_str()).and_then(|p| p.strip_prefix('.'))
            && let Some(found) = shape.column(name)
        {
            self.remember(range, found.range);
            return Some(column(found, FieldRef::Joined(name.to_owned()), range));
        }
        if !scope.aggregates
            && let Some(found) = scope.shape.as_ref().and_then(|shape| shape.column(path))
        {
            self.remember(range, found.range);
            return Some(column(found, found.field.clone(), range));
        }
        // Behind `a.` stand the names of an item, and no constant.
        if scope.prefix.is_empty() { self.value(path, range, scope.module) } else { None }
    }

    /// The value of a parameter of the function that is being inlined.
    fn argument(&mut self, path: &str, scope: &mut Scope) -> Option<Expr> {
        let arguments = scope.arguments.clone()?;
        let argument = arguments.bound.iter().find(|bound| bound.0 == path)?.1.clone();
        let inner = std::mem::replace(&mut scope.arguments, arguments.outer.clone());
        let module = std::mem::replace(&mut scope.module, arguments.module);
        let value = self.expr(&argument, scope);
        scope.arguments = inner;
        scope.module = module;
        Some(value)
    }
}

fn reads(shape: &Shape, path: &str) -> bool {
    shape.column(path).is_some() || (shape.has_attributes && path.contains('.'))
}

/// Whether a name is so near a known one that an attribute of that name is unlikely.
fn is_slip(path: &str, near: &str) -> bool {
    path.contains('.') == near.contains('.') && near.len() > 2 && is_very_near(path, near)
}
