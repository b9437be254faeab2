//! Calls of the rules' own functions: each is written out where it is called.

use std::rc::Rc;

use super::scope::{Arguments, Scope, broken};
use super::value::LEVELS_OF_A_NAME;
use super::{Checker, FunctionRef};
use crate::ast;
use crate::diagnostic::suggest::listed;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::Expr;
use crate::limits::INLINE_DEPTH_MAX;
use crate::text_range::TextRange;

/// What shows where a function of the rules was called with values that its body does not take.
const IN_THIS_CALL: &str = "in this call";

impl Checker<'_> {
    /// A function of the rules: its body, typed with the arguments in place of its parameters.
    pub(super) fn inline(
        &mut self,
        call: &ast::Call,
        found: &FunctionRef,
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        self.mark_used(&found.name);
        let depth = scope.arguments.as_ref().map_or(0, |arguments| arguments.depth) + 1;
        if self.calls_itself(call, found, scope) {
            return broken(range);
        }
        if depth > INLINE_DEPTH_MAX {
            let message =
                format!("functions call one another deeper than {INLINE_DEPTH_MAX} levels");
            self.report(
                Diagnostic::new(codes::CYCLE, call.name.range, message)
                    .help("write some of them out where they are called"),
            );
            return broken(range);
        }
        let given = call.args.len();
        let named = call.args.iter().find_map(|argument| argument.name.as_ref());
        if given != found.params.len() || named.is_some() {
            self.wrong_call(call, found, named);
            return broken(range);
        }
        let values = call.args.iter().map(|argument| argument.value.clone());
        let arguments = Arguments {
            bound: found.params.iter().cloned().zip(values).collect(),
            outer: scope.arguments.take(),
            module: scope.module,
            depth,
            function: found.name.clone(),
        };
        let arguments = Rc::new(arguments);
        let before = self.diagnostics.len();
        scope.arguments = Some(Rc::clone(&arguments));
        scope.module = found.module;
        self.levels += LEVELS_OF_A_NAME;
        let value = self.expr(&found.body, scope);
        self.levels -= LEVELS_OF_A_NAME;
        scope.arguments.clone_from(&arguments.outer);
        scope.module = arguments.module;
        for diagnostic in &mut self.diagnostics[before..] {
            let is_told = diagnostic.labels.iter().any(|label| label.text == IN_THIS_CALL);
            if !is_told && diagnostic.range().file == found.range.file {
                *diagnostic = diagnostic.clone().because(call.name.range, IN_THIS_CALL);
            }
        }
        Expr { range, ..value }
    }

    fn calls_itself(&mut self, call: &ast::Call, found: &FunctionRef, scope: &Scope) -> bool {
        let mut through = Vec::new();
        let mut at = scope.arguments.clone();
        while let Some(arguments) = at.take() {
            if arguments.function == found.name {
                let through: Vec<_> = through.iter().rev().map(String::as_str).collect();
                let message = match through.as_slice() {
                    [] => format!("`{}` calls itself", found.name),
                    _ => format!("`{}` calls itself through {}", found.name, listed(through, 5)),
                };
                self.report(
                    Diagnostic::new(codes::CYCLE, call.name.range, message)
                        .because(found.range, "declared here")
                        .help(
                            "a function is written out where it is called, so it would never end",
                        ),
                );
                return true;
            }
            through.push(arguments.function.clone());
            at.clone_from(&arguments.outer);
        }
        false
    }

    fn wrong_call(&mut self, call: &ast::Call, found: &FunctionRef, named: Option<&ast::Name>) {
        let name = &found.name;
        let declared = format!("it is declared as `{name}({})`", found.params.join(", "));
        let (range, message) = match (named, call.args.get(found.params.len())) {
            (Some(named), _) => (named.range, format!("arguments of `{name}` have no names")),
            (None, Some(surplus)) => {
                (surplus.value.range, format!("`{name}` takes fewer arguments"))
            }
            (None, None) => (call.name.range, format!("`{name}` takes more arguments")),
        };
        self.report(
            Diagnostic::new(codes::ARGUMENTS, range, message)
                .because(found.range, "declared here")
                .note(declared),
        );
    }
}
