//! Calls of the catalogue's functions.

use super::Checker;
use super::binary::likely_unit;
use super::expr::{Named, article, constant_of};
use super::scope::{Scope, broken};
use crate::ast;
use crate::catalog::{FunctionClass, FunctionDef, ParamDef, ResultRule};
use crate::diagnostic::suggest::nearest;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{AggregateCall, Expr, ExprKind, Literal};
use crate::limits::{AGGREGATE_CALLS_MAX, REGEX_BYTES_MAX, REGEX_NESTING_MAX};
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
        let names = self.catalog.functions.iter().map(|function| function.name.as_str());
        let other = OTHER_NAMES.iter().find(|other| other.0.eq_ignore_ascii_case(name));
        let other = other.map(|other| other.1).filter(|at| self.catalog.function(at).is_some());
        let near = other.or_else(|| nearest(name, names.chain(own.iter().map(String::as_str))));
        diagnostic = match near {
            Some(near) => diagnostic.did_you_mean(call.name.range, near),
            None => diagnostic.note("`docs/functions.md` lists all functions"),
        };
        self.report(diagnostic);
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
        if scope.in_call {
            let message = format!("`{}` stands inside another aggregate function", call.name.text);
            self.report(
                Diagnostic::new(codes::AGGREGATE_PLACE, call.name.range, message)
                    .label("cannot stand here")
                    .help(
                        "aggregate in two steps: a second `aggregate` reads the rows of the first",
                    ),
            );
            return broken(range);
        }
        if !scope.aggregates {
            let why = "is made of many items: it stands in `select` and `having` of an `aggregate`";
            self.misplaced(call, why);
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
        let known = scope.calls.iter().position(|known| same_call(known, &new));
        if known.is_none() && scope.calls.len() >= AGGREGATE_CALLS_MAX {
            let message = format!("more than {AGGREGATE_CALLS_MAX} different aggregate calls");
            self.report(
                Diagnostic::new(codes::TOO_LARGE, call.name.range, message)
                    .help("split the declaration into several"),
            );
            return broken(range);
        }
        let index = known.unwrap_or_else(|| {
            scope.calls.push(new);
            scope.calls.len() - 1
        });
        Expr { ty, optional, range, kind: ExprKind::Call(index) }
    }

    /// Arguments in the order of the parameters; `None` where they do not fit, which is reported.
    fn arguments(
        &mut self,
        call: &ast::Call,
        function: &FunctionDef,
        scope: &mut Scope,
    ) -> Option<Vec<Option<Expr>>> {
        let mut slots: Vec<Option<Expr>> = vec![None; function.params.len()];
        let mut next = 0;
        let mut fits = true;
        for argument in &call.args {
            let value = self.expr(&argument.value, scope);
            let slot = if let Some(name) = &argument.name {
                function.params.iter().position(|param| param.name == name.text)
            } else {
                let free =
                    (next..function.params.len()).find(|&at| !function.params[at].named_only);
                next = free.map_or(next, |at| at + 1);
                free
            };
            let last = function.params.len();
            let slot = match slot {
                None if argument.name.is_none() && function.variadic && last > 0 => {
                    slots.push(None);
                    Some(slots.len() - 1)
                }
                slot => slot,
            };
            let slot = slot.or_else(|| {
                fits = false;
                self.surplus(argument, function, &slots)
            });
            let Some(slot) = slot else { continue };
            let param = &function.params[slot.min(last - 1)];
            if slots[slot].is_some() {
                let message = format!("`{}` is given twice", param.name);
                self.report(Diagnostic::new(codes::ARGUMENTS, argument.value.range, message));
                fits = false;
            }
            fits &= self.argument_fits(&value, param, function);
            slots[slot] = Some(value);
        }
        for (slot, param) in slots.iter().zip(&function.params) {
            if slot.is_none() && !param.optional {
                let message = format!("`{}` wants `{}`", function.name, param.name);
                self.report(
                    Diagnostic::new(codes::ARGUMENTS, call.name.range, message)
                        .label("an argument is missing")
                        .note(format!("it is called {}", signature(function)))
                        .help(format!("for example `{}`", function.example)),
                );
                fits = false;
            }
        }
        fits.then_some(slots)
    }

    /// Reports an argument without a parameter; the one that it was meant for, where that only
    /// lacks its name.
    fn surplus(
        &mut self,
        argument: &ast::Argument,
        function: &FunctionDef,
        slots: &[Option<Expr>],
    ) -> Option<usize> {
        let called = format!("it is called {}", signature(function));
        let diagnostic = if let Some(name) = &argument.name {
            let message = format!("`{}` has no parameter `{}`", function.name, name.text);
            let diagnostic = Diagnostic::new(codes::ARGUMENTS, name.range, message).note(called);
            let names = function.params.iter().map(|param| param.name.as_str());
            match nearest(&name.text, names) {
                Some(near) => diagnostic.did_you_mean(name.range, near),
                None => diagnostic,
            }
        } else if let Some(at) = slots.iter().position(Option::is_none) {
            let (range, name) = (argument.value.range, &function.params[at].name);
            let message = format!("`{name}` of `{}` is given by its name", function.name);
            self.report(
                Diagnostic::new(codes::ARGUMENTS, range, message)
                    .help(format!("write `{name}:` before it"))
                    .fix(range.at_start(), format!("{name}: ")),
            );
            return Some(at);
        } else {
            let message = format!("`{}` takes fewer arguments", function.name);
            Diagnostic::new(codes::ARGUMENTS, argument.value.range, message)
                .label("one too many")
                .note(called)
        };
        self.report(diagnostic);
        None
    }

    fn argument_fits(&mut self, value: &Expr, param: &ParamDef, function: &FunctionDef) -> bool {
        if value.ty == Type::Broken {
            return false;
        }
        if !param.types.is_empty() && !param.types.iter().any(|wanted| value.ty.fits(wanted)) {
            let wanted = one_of(&param.types);
            let message = format!(
                "`{}` wants {wanted} as `{}`, this is {}",
                function.name,
                param.name,
                article(&value.ty)
            );
            let diagnostic = Diagnostic::new(codes::ARGUMENT, value.range, message)
                .label(format!("{}", Named(&value.ty)))
                .note(format!("it is called {}", signature(function)));
            let mut diagnostic = self.made_here(diagnostic, value);
            let unit = likely_unit(&param.types[0], constant_of(value));
            if let Some(unit) = unit.filter(|_| value.ty.is_number() && param.types.len() == 1)
                && let Some(place) = self.number_place(value.range)
            {
                diagnostic = diagnostic.help("write the unit").guess(place.at_end(), unit);
            }
            self.report(diagnostic);
            return false;
        }
        let constant = constant_of(value).cloned();
        if (param.literal_only || param.regex) && constant.is_none() {
            let message = format!("`{}` of `{}` is a constant", param.name, function.name);
            self.report(
                Diagnostic::new(codes::CONSTANT, value.range, message)
                    .label("known per item only")
                    .help("use a literal, a `const` or a `param`"),
            );
            return false;
        }
        if param.regex
            && let Some(Literal::String(pattern)) = constant
        {
            return self.regex(&pattern, value.range);
        }
        let number = constant.as_ref().and_then(counted);
        let (Some(number), Some((least, most))) = (number, param.bounds) else { return true };
        let is_within = (least..=most).contains(&number);
        if !is_within {
            let message = format!(
                "`{}` of `{}` is from {least} to {most}, this is {number}",
                param.name, function.name
            );
            self.report(Diagnostic::new(codes::ARGUMENT, value.range, message));
        }
        is_within
    }

    /// Whether a regular expression can be compiled; reported if not.
    pub(super) fn regex(&mut self, pattern: &str, range: TextRange) -> bool {
        if pattern.len() > REGEX_BYTES_MAX {
            let message = format!(
                "the regular expression has {} bytes, {REGEX_BYTES_MAX} are allowed",
                pattern.len()
            );
            self.report(Diagnostic::new(codes::REGEX, range, message));
            return false;
        }
        let parsed =
            regex_syntax::ParserBuilder::new().nest_limit(REGEX_NESTING_MAX).build().parse(pattern);
        let Err(error) = parsed else { return self.compiles(pattern, range) };
        let (what, span) = match &error {
            regex_syntax::Error::Parse(error) => (error.kind().to_string(), Some(error.span())),
            regex_syntax::Error::Translate(error) => (error.kind().to_string(), Some(error.span())),
            _ => (error.to_string(), None),
        };
        let inner = span.and_then(|span| self.inside(range, pattern, span));
        let message = format!("the regular expression cannot be read: {}", what.to_lowercase());
        let mut diagnostic = Diagnostic::new(codes::REGEX, inner.unwrap_or(range), message);
        if pattern.contains('\\') {
            diagnostic = diagnostic.note("a raw text needs no doubled backslashes: `r\"\\d+\"`");
        }
        self.report(diagnostic);
        false
    }

    /// Whether the host takes a regular expression; it has a limit on its compiled size.
    fn compiles(&mut self, pattern: &str, range: TextRange) -> bool {
        let Some(Err(reason)) = self.catalog.check_regex.map(|check| check(pattern)) else {
            return true;
        };
        self.report(Diagnostic::new(codes::REGEX, range, reason));
        false
    }

    /// The place of a part of a text that stands in the file as it is.
    fn inside(
        &self,
        range: TextRange,
        text: &str,
        span: &regex_syntax::ast::Span,
    ) -> Option<TextRange> {
        let at = range.start as usize + self.text_at(range)?.find(text)?;
        let end = span.end.offset.max(span.start.offset + 1).min(text.len());
        let inner = TextRange::new(range.file, at + span.start.offset, at + end);
        self.text_at(inner).is_some().then_some(inner)
    }
}

/// `a number, a duration or a size`.
fn one_of(types: &[Type]) -> String {
    let mut words: Vec<_> = types.iter().map(article).collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}

fn same_call(a: &AggregateCall, b: &AggregateCall) -> bool {
    a.function == b.function
        && a.args.len() == b.args.len()
        && a.args.iter().zip(&b.args).all(|pair| match pair {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        })
        && match (&a.filter, &b.filter) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        }
}

/// Whether two expressions are equal apart from where they stand.
#[allow(clippy::many_single_char_names, reason = "operands of two equal shapes, side by side")]
pub(super) fn same(a: &Expr, b: &Expr) -> bool {
    let pairs =
        |a: &[Expr], b: &[Expr]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (&a.kind, &b.kind) {
        (ExprKind::Unary(x, a), ExprKind::Unary(y, b)) => x == y && same(a, b),
        (ExprKind::Binary(x, a, c), ExprKind::Binary(y, b, d)) => {
            x == y && same(a, b) && same(c, d)
        }
        (ExprKind::Coalesce(a), ExprKind::Coalesce(b)) | (ExprKind::List(a), ExprKind::List(b)) => {
            pairs(a, b)
        }
        (ExprKind::In(a, c), ExprKind::In(b, d)) => same(a, b) && pairs(c, d),
        (ExprKind::If(a, c, e), ExprKind::If(b, d, f)) => same(a, b) && same(c, d) && same(e, f),
        (ExprKind::Index(a, c), ExprKind::Index(b, d)) => same(a, b) && same(c, d),
        (ExprKind::Function { name: x, args: a }, ExprKind::Function { name: y, args: b }) => {
            x == y
                && a.len() == b.len()
                && a.iter().zip(b).all(|pair| match pair {
                    (Some(a), Some(b)) => same(a, b),
                    (None, None) => true,
                    _ => false,
                })
        }
        (a, b) => a == b,
    }
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

/// A constant as the number that bounds are about.
fn counted(constant: &Literal) -> Option<f64> {
    match constant {
        Literal::Int(number) => Some(*number as f64),
        Literal::Float(number) => Some(*number),
        Literal::Ratio(number) => Some(*number * 100.0),
        _ => None,
    }
}

/// `percentile(x, n)`.
fn signature(function: &FunctionDef) -> String {
    let params = function.params.iter().map(|param| {
        let name =
            if param.named_only { format!("{}: …", param.name) } else { param.name.clone() };
        if param.optional { format!("[{name}]") } else { name }
    });
    let params: Vec<_> = params.collect();
    let more = if function.variadic { ", …" } else { "" };
    format!("`{}({}{more})`", function.name, params.join(", "))
}
