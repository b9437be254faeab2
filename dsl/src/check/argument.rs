//! Arguments of calls against the parameters of the catalogue's functions.
//!
//! Invariant: arguments leave in the order of the parameters, each in its place, however they were
//! given; one that does not fit is reported where it stands. What the call itself may be, `call`
//! knows.

use super::Checker;
use super::binary::likely_unit;
use super::expr::{Named, article, constant_of};
use super::scope::Scope;
use crate::ast;
use crate::catalog::{FunctionDef, ParamDef};
use crate::diagnostic::suggest::nearest;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, Literal};
use crate::limits::{REGEX_BYTES_MAX, REGEX_NESTING_MAX};
use crate::text_range::TextRange;
use crate::types::Type;

impl Checker<'_> {
    /// Arguments in the order of the parameters; `None` where they do not fit, which is reported.
    pub(super) fn arguments(
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
        fits &= self.are_all_given(call, function, &slots);
        fits &= self.is_one_given(function, &slots);
        fits.then_some(slots)
    }

    /// Whether every argument is there that a function cannot do without; reported if not.
    fn are_all_given(
        &mut self,
        call: &ast::Call,
        function: &FunctionDef,
        slots: &[Option<Expr>],
    ) -> bool {
        let mut are_given = true;
        for (slot, param) in slots.iter().zip(&function.params) {
            if slot.is_none() && !param.optional {
                let message = format!("`{}` wants `{}`", function.name, param.name);
                self.report(
                    Diagnostic::new(codes::ARGUMENTS, call.name.range, message)
                        .label("an argument is missing")
                        .note(format!("it is called {}", signature(function)))
                        .help(format!("for example `{}`", function.example)),
                );
                are_given = false;
            }
        }
        are_given
    }

    /// Whether no more than one argument is there where each stands for another question.
    fn is_one_given(&mut self, function: &FunctionDef, slots: &[Option<Expr>]) -> bool {
        let params = slots.iter().zip(&function.params);
        let mut given = params.filter_map(|(slot, param)| Some((slot.as_ref()?, &param.name)));
        let (true, Some(first), Some(second)) = (function.alternatives, given.next(), given.next())
        else {
            return true;
        };
        let (name, first, other) = (&function.name, (first.0.range, first.1), second);
        let message = format!("`{name}` takes `{}` or `{}`, not both", first.1, other.1);
        self.report(
            Diagnostic::new(codes::ARGUMENTS, other.0.range, message)
                .because(first.0, format!("`{}` is given here", first.1))
                .help(format!(
                    "write two calls: `{name}({}: …)` and `{name}({}: …)`",
                    first.1, other.1
                )),
        );
        false
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
            self.wrong_type(value, param, function);
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

    fn wrong_type(&mut self, value: &Expr, param: &ParamDef, function: &FunctionDef) {
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
