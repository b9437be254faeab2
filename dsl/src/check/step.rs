//! Names of a pattern's steps in expressions: `d.version`, `prev(e.duration)`, `count(e)`.

use std::rc::Rc;

use super::Checker;
use super::expr::{Named, article, place_of};
use super::scope::{Scope, broken};
use super::shape::Shape;
use super::step_order::HiddenStep;
use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, StepPick};
use crate::text_range::TextRange;
use crate::types::Type;

/// A step as expressions see it.
#[derive(Debug, Clone)]
pub(super) struct StepLabel {
    pub(super) name: String,
    /// Index among the pattern's symbols.
    pub(super) symbol: usize,
    pub(super) shape: Rc<Shape>,
    pub(super) repeats: bool,
    /// Whether a match may come without it.
    pub(super) optional: bool,
    pub(super) range: TextRange,
}

/// The steps that an expression may name.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    pub(super) labels: Vec<StepLabel>,
    /// The step whose item is at hand.
    pub(super) own: Option<String>,
    /// Whether these are the two sides of a correlation, each with one item.
    pub(super) is_pair: bool,
    /// The pattern's other steps, which have no value here.
    pub(super) hidden: Vec<HiddenStep>,
}

impl Steps {
    pub(super) fn is_broken(&self) -> bool {
        self.labels.iter().any(|label| label.shape.is_broken)
    }

    /// Names to compare a misspelt one with.
    pub(super) fn candidates(&self) -> Vec<String> {
        let fields = |label: &StepLabel| {
            let label = label.clone();
            let shape = Rc::clone(&label.shape);
            let names: Vec<String> =
                shape.names().map(|field| format!("{}.{field}", label.name)).collect();
            names
        };
        self.labels.iter().flat_map(fields).collect()
    }

    /// The step that a path begins with, and the rest of the path.
    fn find<'p>(&self, path: &'p str) -> Option<(&StepLabel, &'p str)> {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        Some((self.labels.iter().find(|label| label.name == head)?, rest))
    }
}

/// Functions over the events of a step.
pub(super) const PICKS: [(&str, StepPick); 8] = [
    ("prev", StepPick::Prev),
    ("first", StepPick::First),
    ("last", StepPick::Last),
    ("count", StepPick::Count),
    ("sum", StepPick::Sum),
    ("min", StepPick::Min),
    ("max", StepPick::Max),
    ("avg", StepPick::Avg),
];

impl Checker<'_> {
    /// A path that begins with the name of a step.
    pub(super) fn step_path(
        &mut self,
        path: &str,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let steps = scope.steps.clone()?;
        let Some((label, rest)) = steps.find(path) else {
            let is_field = |shape: &Rc<Shape>| shape.column(path).is_some();
            let is_field = scope.shape.as_ref().is_some_and(is_field);
            return if is_field { None } else { self.hidden_step(path, range, &steps) };
        };
        if rest.is_empty() {
            let what = if steps.is_pair { "side" } else { "step" };
            let mut help = format!("name a field of its item: `{path}.…`");
            if !steps.is_pair {
                help = format!("name a field of its event: `{path}.…`, or `count({path})`");
            }
            let message = format!("`{path}` is a {what}, not a value");
            self.report(
                Diagnostic::new(codes::STEP_VALUE, range, message)
                    .because(label.range, format!("the {what}"))
                    .help(help),
            );
            return Some(broken(range));
        }
        let mut inner = scope.behind(&label.name, Some(Rc::clone(&label.shape)));
        if steps.own.as_deref() == Some(label.name.as_str()) {
            return Some(self.path(rest, range, &mut inner));
        }
        if label.repeats && is_pick(rest) && label.shape.column(rest).is_none() {
            self.pick_behind(label, rest, range);
            return Some(broken(range));
        }
        if !self.is_single(label, range) {
            return Some(broken(range));
        }
        let value = self.path(rest, range, &mut inner);
        Some(of_step(label, StepPick::First, value, range))
    }

    /// `d.attr["key"]`.
    pub(super) fn step_attribute(
        &mut self,
        value: &ast::Expr,
        index: &ast::Expr,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let ast::ExprKind::Path(path) = &value.kind else { return None };
        let steps = scope.steps.clone()?;
        let Some((label, rest)) = steps.find(path) else {
            return self.hidden_step(path, range, &steps);
        };
        let place = place_of(rest)?;
        let mut inner = scope.behind(&label.name, Some(Rc::clone(&label.shape)));
        if steps.own.as_deref() == Some(label.name.as_str()) {
            return Some(self.attribute_index(place, index, range, &mut inner));
        }
        if !self.is_single(label, range) {
            return Some(broken(range));
        }
        let value = self.attribute_index(place, index, range, &mut inner);
        Some(of_step(label, StepPick::First, value, range))
    }

    /// Reports `e.count` for `count(e)`.
    fn pick_behind(&mut self, label: &StepLabel, rest: &str, range: TextRange) {
        let name = &label.name;
        let written = match rest {
            "count" => format!("count({name})"),
            _ => format!("{rest}({name}.duration)"),
        };
        let message = format!("`{rest}` is a function over the events of `{name}`");
        let diagnostic = Diagnostic::new(codes::STEP_VALUE, range, message)
            .because(label.range, "repeats")
            .help(format!("write `{written}`"));
        self.report(if rest == "count" { diagnostic.guess(range, written) } else { diagnostic });
    }

    /// Reports a step that has several events where one is wanted.
    fn is_single(&mut self, label: &StepLabel, range: TextRange) -> bool {
        if label.repeats {
            let message = format!("`{}` may have several events", label.name);
            self.report(
                Diagnostic::new(codes::STEP_VALUE, range, message)
                    .because(label.range, "repeats")
                    .help("say which, or what to make of them: `first(…)`, `last(…)`, `max(…)`")
                    .guess(range.at_start(), "last(")
                    .guess(range.at_end(), ")"),
            );
        }
        !label.repeats
    }

    /// A function over the events of a step; `None` where the call is of something else.
    pub(super) fn step_call(
        &mut self,
        call: &ast::Call,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let steps = scope.steps.clone()?;
        if steps.is_pair {
            return None;
        }
        let pick = PICKS.iter().find(|known| known.0 == call.name.text)?.1;
        let name = call.name.text.as_str();
        let [argument] = call.args.as_slice() else {
            return Some(self.wrong_step_call(call, range));
        };
        let Some(label) = named_in(&argument.value, &steps) else {
            let hidden = match &argument.value.kind {
                ast::ExprKind::Path(path) => self.hidden_step(path, argument.value.range, &steps),
                _ => None,
            };
            return hidden.or_else(|| Some(self.wrong_step_call(call, range)));
        };
        if let Some(filter) = &call.filter {
            let message = format!("`{name}` over the events of a step takes no `where`");
            let help = "put the condition into the step itself";
            self.report(Diagnostic::new(codes::AGGREGATE_PLACE, filter.range, message).help(help));
        }
        if name == "prev" && steps.own.as_deref() != Some(label.name.as_str()) {
            let message = "`prev` stands in the condition of the step itself";
            self.report(
                Diagnostic::new(codes::AGGREGATE_PLACE, call.name.range, message)
                    .because(label.range, "the step")
                    .help("elsewhere `last(…)` is the last event of the step"),
            );
        }
        if let (StepPick::Count, ast::ExprKind::Path(path)) = (pick, &argument.value.kind)
            && *path == label.name
        {
            let symbol = label.symbol;
            let kind = ExprKind::Step { symbol, pick, value: None };
            return Some(Expr { ty: Type::Int, optional: false, range, kind });
        }
        let mut inner = Scope::new(scope.module, Some(Rc::clone(&label.shape)));
        let own = Some(label.name.clone());
        inner.steps = Some(Rc::new(Steps { labels: vec![label.clone()], own, ..Steps::default() }));
        let value = self.expr(&argument.value, &mut inner);
        let adds = matches!(pick, StepPick::Sum | StepPick::Avg);
        let fits = value.ty.is_number() || value.ty.is_quantity() || value.ty.is_dynamic();
        if adds && !fits {
            let message = format!("`{name}` adds numbers, this is {}", article(&value.ty));
            self.report(
                Diagnostic::new(codes::ARGUMENT, value.range, message)
                    .label(format!("{}", Named(&value.ty))),
            );
            return Some(broken(range));
        }
        Some(of_step(label, pick, value, range))
    }

    fn wrong_step_call(&mut self, call: &ast::Call, range: TextRange) -> Expr {
        let name = &call.name.text;
        let message = format!("`{name}` in a pattern is over the events of one step");
        let example =
            if name == "count" { "`count(e)`".to_owned() } else { format!("`{name}(e.duration)`") };
        self.report(
            Diagnostic::new(codes::ARGUMENTS, call.name.range, message)
                .help(format!("name the step and a field of its events: {example}")),
        );
        broken(range)
    }
}

/// Whether a word is a function over the events of a step.
fn is_pick(word: &str) -> bool {
    PICKS.iter().any(|known| known.0 == word)
}

fn of_step(label: &StepLabel, pick: StepPick, value: Expr, range: TextRange) -> Expr {
    if value.ty == Type::Broken {
        return broken(range);
    }
    let ty = match (&value.ty, pick) {
        (_, StepPick::Count) => Type::Int,
        (Type::Int | Type::Number | Type::Any, StepPick::Avg) => Type::Float,
        (ty, _) => ty.clone(),
    };
    let is_sure = matches!(pick, StepPick::First | StepPick::Last | StepPick::Prev);
    let optional = label.optional || value.optional || !is_sure;
    let optional = optional && pick != StepPick::Count; // of no events it is 0
    let kind = ExprKind::Step { symbol: label.symbol, pick, value: Some(Box::new(value)) };
    Expr { ty, optional, range, kind }
}

/// The one step that an expression names.
fn named_in<'s>(expr: &ast::Expr, steps: &'s Steps) -> Option<&'s StepLabel> {
    expr.paths().find_map(|path| steps.find(path)).map(|(label, _)| label)
}
