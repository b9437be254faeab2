//! Sets of spans of a trace: braces, what stands between them, and names for the spans at hand.
//!
//! A name is seen in the braces right behind an operator on whose left it was given: that is
//! where the span at hand is known. Elsewhere it is reported, never read as an attribute.

use std::rc::Rc;

use super::Checker;
use super::expr::place_of;
use super::scope::{Scope, broken};
use super::shape::Shape;
use crate::ast::{self, BinaryWord, Name};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, Relation, RelationMode, SpanSet, TraceValue};
use crate::limits::SPAN_NAMES_MAX;
use crate::text_range::TextRange;
use crate::types::Type;

/// Names that were given to spans.
#[derive(Debug, Clone, Default)]
pub(super) struct NamedSpans {
    /// All of this `has`, `count` or `any`, and where.
    given: Vec<(String, TextRange)>,
    /// Those whose spans are at hand.
    seen: Vec<String>,
}

impl Checker<'_> {
    /// Spans chosen by conditions and by their places in the trace; their names stay in the scope.
    pub(super) fn span_set(&mut self, expr: &ast::Expr, inner: &mut Scope) -> Option<SpanSet> {
        let mut names = Vec::new();
        given_in(expr, &mut names);
        let mut given: Vec<(String, TextRange)> = Vec::new();
        for name in names {
            self.span_name(name, inner, &mut given);
        }
        inner.named_spans = Some(Rc::new(NamedSpans { given, seen: Vec::new() }));
        let mut seen = Vec::new();
        let set = self.set_of_spans(expr, inner, &mut seen);
        see(inner, seen);
        set
    }

    fn span_name(&mut self, name: &Name, inner: &Scope, given: &mut Vec<(String, TextRange)>) {
        let text = name.text.as_str();
        if let Some((_, first)) = given.iter().find(|(known, _)| known == text) {
            let message = format!("two spans are named `{text}`");
            self.report(
                Diagnostic::new(codes::SHADOWING, name.range, message)
                    .because(*first, "the first one")
                    .help("give one of them another name"),
            );
            return;
        }
        if given.len() == SPAN_NAMES_MAX {
            let message = format!("more than {SPAN_NAMES_MAX} spans have a name");
            self.report(
                Diagnostic::new(codes::TOO_LARGE, name.range, message)
                    .help("name only the spans that other braces speak of"),
            );
        }
        given.push((text.to_owned(), name.range));
        let Some(shape) = inner.shape.clone() else { return };
        let begins = |field: &str| field.split('.').next() == Some(text) && field != text;
        if shape.names().any(begins) || place_of(text).is_some() {
            let message = format!("`{text}` hides fields of `{}` that begin so", shape.name);
            let help = "give it another name";
            self.report(Diagnostic::new(codes::SHADOWING, name.range, message).help(help));
        } else {
            self.shadowing(text, name.range, &shape, inner.module);
        }
    }

    /// `seen` is what names are seen behind the set.
    fn set_of_spans(
        &mut self,
        expr: &ast::Expr,
        inner: &mut Scope,
        seen: &mut Vec<String>,
    ) -> Option<SpanSet> {
        match &expr.kind {
            ast::ExprKind::Map(entries) if entries.is_empty() => Some(SpanSet::All),
            ast::ExprKind::Spans(condition) => {
                let condition = self.condition(condition, inner);
                let is_broken = condition.ty == Type::Broken;
                (!is_broken).then(|| SpanSet::Where(Box::new(condition)))
            }
            ast::ExprKind::NamedSpans(name, set) => {
                let set = self.set_of_spans(set, inner, seen)?;
                seen.push(name.text.clone());
                Some(SpanSet::Named(name.text.clone(), Box::new(set)))
            }
            ast::ExprKind::Binary(BinaryWord::Or, _, left, right) => {
                let mut side = |expr| {
                    see(inner, Vec::new());
                    self.set_of_spans(expr, inner, seen)
                };
                let (left, right) = (side(left), side(right));
                Some(SpanSet::Union(Box::new(left?), Box::new(right?)))
            }
            ast::ExprKind::Binary(BinaryWord::And, at, _, _) => {
                self.report(
                    Diagnostic::new(codes::OPERATOR, *at, "`and` does not join sets of spans")
                        .help(
                            "for one span, join the conditions between the braces; for two spans, \
                             write `has({…}) and has({…})`",
                        ),
                );
                None
            }
            ast::ExprKind::Binary(word, _, left, right) => {
                self.related_spans(*word, (left, right), inner, seen)
            }
            ast::ExprKind::Broken => None, // it has been reported
            _ => {
                let message = "spans in braces are wanted here";
                let help = "put the condition in braces: `{status == error}`";
                self.report(Diagnostic::new(codes::OPERATOR, expr.range, message).help(help));
                None
            }
        }
    }

    /// Spans of one set by how they stand to those of another: the right side sees the names of the
    /// left one.
    fn related_spans(
        &mut self,
        word: BinaryWord,
        (left, right): (&ast::Expr, &ast::Expr),
        inner: &mut Scope,
        seen: &mut Vec<String>,
    ) -> Option<SpanSet> {
        let (relation, mode) = match word {
            BinaryWord::Structure(word) => (word.relation, word.mode),
            BinaryWord::Greater => (Relation::Child, RelationMode::Plain),
            _ => (Relation::Parent, RelationMode::Plain),
        };
        let mut own = Vec::new();
        see(inner, Vec::new());
        let left = self.set_of_spans(left, inner, &mut own);
        let is_plain = !matches!(right.kind, ast::ExprKind::Binary(..));
        see(inner, if is_plain { own.clone() } else { Vec::new() });
        let right = self.set_of_spans(right, inner, &mut own);
        seen.append(&mut own);
        let (left, right) = (Box::new(left?), Box::new(right?));
        Some(SpanSet::Related { relation, mode, left, right })
    }

    /// A path that begins with the name of a span: `a.service.name`.
    pub(super) fn named_span_path(
        &mut self,
        path: &str,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let mut inner = self.at_named_span(name, rest.is_empty(), range, scope)?;
        let value = match inner.shape {
            Some(_) => self.path(rest, range, &mut inner),
            None => broken(range),
        };
        Some(of_named(name, value, range))
    }

    /// `a.attr["key"]`.
    pub(super) fn named_span_attribute(
        &mut self,
        value: &ast::Expr,
        index: &ast::Expr,
        scope: &Scope,
    ) -> Option<Expr> {
        let ast::ExprKind::Path(path) = &value.kind else { return None };
        let (name, rest) = path.split_once('.')?;
        let place = place_of(rest)?;
        let mut inner = self.at_named_span(name, false, value.range, scope)?;
        let value = match inner.shape {
            Some(_) => self.attribute_index(place, index, value.range, &mut inner),
            None => broken(value.range),
        };
        let range = value.range;
        Some(of_named(name, value, range))
    }

    /// What names mean behind that of a span; without a shape where it cannot be read here.
    fn at_named_span(
        &mut self,
        name: &str,
        is_alone: bool,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Scope> {
        let named = scope.named_spans.clone()?;
        let (_, given) = named.given.iter().find(|(known, _)| known == name)?;
        let mut shape: Option<Rc<Shape>> = scope.shape.clone();
        let is_seen = named.seen.iter().any(|seen| seen == name);
        if is_alone || !is_seen {
            shape = None;
            let (message, help) = if is_seen {
                let help = format!("name a field of it: `{name}.…`");
                (format!("`{name}` is a span, not a value"), help)
            } else {
                let help = format!(
                    "it is seen in the braces right behind an operator: `{name}: {{…}} >> {{… \
                     {name}.service.name …}}`"
                );
                (format!("the span `{name}` is not known in these braces"), help)
            };
            self.report(
                Diagnostic::new(codes::UNKNOWN_NAME, range, message)
                    .because(*given, "the span")
                    .help(help),
            );
        }
        Some(scope.behind(name, shape))
    }
}

fn see(scope: &mut Scope, seen: Vec<String>) {
    if let Some(names) = &scope.named_spans {
        scope.named_spans = Some(Rc::new(NamedSpans { given: names.given.clone(), seen }));
    }
}

/// Names in the order in which they are given.
fn given_in<'e>(expr: &'e ast::Expr, out: &mut Vec<&'e Name>) {
    match &expr.kind {
        ast::ExprKind::NamedSpans(name, _) => out.push(name),
        ast::ExprKind::Binary(_, _, left, right) => {
            given_in(left, out);
            given_in(right, out);
        }
        _ => {}
    }
}

fn of_named(name: &str, value: Expr, range: TextRange) -> Expr {
    if value.ty == Type::Broken || matches!(value.kind, ExprKind::Constant { .. }) {
        return Expr { range, ..value };
    }
    let ty = value.ty.clone();
    let kind = ExprKind::Trace(Box::new(TraceValue::Named(name.to_owned(), Box::new(value))));
    Expr { ty, optional: true, range, kind }
}
