//! Symbols of a pattern: what a step or guard reads, its condition, its key.

use std::rc::Rc;

use super::Checker;
use super::expr::Named;
use super::key::key_type;
use super::pattern_steps::{Reading, Role};
use super::scope::Scope;
use super::shape::Shape;
use super::step::{StepLabel, Steps};
use super::step_order::hidden_at;
use crate::ast::{self, Step};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, PatternSymbol};
use crate::text_range::TextRange;
use crate::types::Type;

impl Checker<'_> {
    /// Puts a step or guard among the symbols.
    pub(super) fn symbol(
        &mut self,
        step: &Step,
        role: Role,
        known: &[StepLabel],
        reading: &mut Reading<'_>,
    ) -> usize {
        let shape = self.source(&step.source, reading.module).partial(reading.is_partial);
        self.must_append(&shape, step);
        let index = reading.body.symbols.len();
        let name = step.name.clone();
        if let Some(name) = name.as_ref().filter(|_| role != Role::Guard) {
            self.step_name(name, &shape, reading);
        }
        let mut labels = known.to_vec();
        if let Some(name) = &name {
            let own = StepLabel {
                name: name.text.clone(),
                symbol: index,
                shape: Rc::clone(&shape),
                repeats: true,
                optional: false,
                range: name.range,
            };
            labels.push(own.clone());
            if role == Role::Step {
                reading.body.labels.push(own);
            }
        }
        let key = self.step_key(step, &shape, reading);
        let mut scope = Scope::new(reading.module, Some(Rc::clone(&shape)));
        let own = name.as_ref().map(|name| name.text.clone());
        // Whether an earlier step has an event is not known here.
        labels.iter_mut().for_each(|label| label.optional |= own.as_deref() != Some(&label.name));
        let hidden = hidden_at(reading.written, Some(step.range));
        let shown = |name: &str| labels.iter().any(|label| label.name == name);
        let hidden = hidden.into_iter().filter(|hidden| !shown(hidden.name())).collect();
        scope.steps = Some(Rc::new(Steps { labels, own, is_pair: false, hidden }));
        let filter = step.filter.as_ref().map(|filter| self.condition(filter, &mut scope));
        let name = name.map_or_else(|| "guard".to_owned(), |name| name.text);
        reading.body.symbols.push(PatternSymbol { name, input: shape.source.clone(), filter, key });
        index
    }

    /// Patterns take what is said once and for all.
    fn must_append(&mut self, shape: &Shape, step: &Step) {
        let Some(amends) = shape.amends else { return };
        let message = "late items cannot amend matches: one item more may undo any of them";
        self.report(
            Diagnostic::new(codes::UNFIT_CLAUSE, step.source.range, message)
                .because(amends, "late items are to amend here")
                .help("keep late items apart with `late side NAME`"),
        );
    }

    fn step_name(&mut self, name: &ast::Name, shape: &Shape, reading: &Reading<'_>) {
        if let Some(first) = reading.body.labels.iter().find(|label| label.name == name.text) {
            let first = first.range;
            return self.given_twice(name, first);
        }
        self.hides_field(name, shape);
    }

    /// Reports a name of a step or side that hides a field of its own items.
    pub(super) fn hides_field(&mut self, name: &ast::Name, shape: &Shape) {
        let dotted = format!("{}.", name.text);
        let hides = |field: &str| field == name.text || field.starts_with(&dotted);
        if let Some(field) = shape.names().find(|field| hides(field)).map(str::to_owned) {
            let message = format!("the name `{}` hides the field `{field}`", name.text);
            self.report(
                Diagnostic::new(codes::SHADOWING, name.range, message).help("give it another name"),
            );
        }
    }

    /// The key values of a step: its own `by`, else the pattern's.
    fn step_key(&mut self, step: &Step, shape: &Rc<Shape>, reading: &mut Reading<'_>) -> Vec<Expr> {
        let mut scope = Scope::new(reading.module, Some(Rc::clone(shape)));
        let values: Vec<&ast::Expr> = match &step.by {
            Some(by) => by.iter().collect(),
            None => reading.keys.iter().map(|key| &key.value).collect(),
        };
        if values.len() != reading.keys.len() {
            self.wrong_key_count(step, &values, reading.keys.len());
        }
        let mut key = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            let value = self.whole(value, &mut scope);
            match reading.body.keys.get_mut(at) {
                None => {
                    reading.body.keys.push((value.ty.clone(), value.optional));
                    reading.key_ranges.push(value.range);
                }
                Some((ty, optional)) => {
                    *optional |= value.optional;
                    match key_type(ty, &value.ty) {
                        Some(joined) => *ty = joined,
                        None => self.never_equal(&value, (&*ty, reading.key_ranges[at])),
                    }
                }
            }
            key.push(value);
        }
        key
    }

    fn wrong_key_count(&mut self, step: &Step, values: &[&ast::Expr], wanted: usize) {
        let message = format!("the step has {} key values, the pattern has {wanted}", values.len());
        let range = values.first().map_or(step.range, |value| value.range);
        self.report(
            Diagnostic::new(codes::CLAUSE_VALUE, range, message)
                .help("say one value for each of the pattern's `by`, in its order"),
        );
    }

    fn never_equal(&mut self, value: &Expr, (ty, first): (&Type, TextRange)) {
        let message = "key values of different types are never equal";
        self.report(
            Diagnostic::new(codes::MISMATCH, value.range, message)
                .label(Named(&value.ty).to_string())
                .because(first, Named(ty).to_string())
                .help("convert one of them"),
        );
    }
}
