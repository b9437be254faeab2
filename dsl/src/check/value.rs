//! Constants and parameters: names for values that are fixed when rules are loaded.

use super::expr::{Named, article, constant_of};
use super::scope::{Scope, broken};
use super::{Checker, Entity};
use crate::ast::{self, DeclarationKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, Literal, Param};
use crate::text_range::TextRange;
use crate::types::Type;

/// Levels that a constant or a function stands for beside those of its value: the calls between
/// its use and its value.
pub(super) const LEVELS_OF_A_NAME: usize = 3;

impl Checker<'_> {
    /// The value of a constant or parameter, if the name is one.
    pub(super) fn value(&mut self, path: &str, range: TextRange, module: usize) -> Option<Expr> {
        let full = self.full(path, module);
        let (Entity::Const(index) | Entity::Param(index)) = *self.names.get(&full)? else {
            return None;
        };
        self.mark_used(&full);
        if let DeclarationKind::Const(made) | DeclarationKind::Param(made) =
            &self.items[index].tree.kind
        {
            let made = made.range;
            self.remember(range, Some(made));
        }
        match self.values.get(&full) {
            Some(Some(value)) => return Some(Expr { range, ..value.clone() }),
            Some(None) => {
                let declared = self.items[index].tree.range;
                let message = format!("the value of `{path}` depends on itself");
                self.report(
                    Diagnostic::new(codes::CYCLE, range, message)
                        .because(declared, "declared here")
                        .help("give one of them a value of its own"),
                );
                return Some(broken(range));
            }
            None => {}
        }
        self.values.insert(full.clone(), None);
        self.levels += LEVELS_OF_A_NAME;
        let value = self.evaluate(index, &full);
        self.levels -= LEVELS_OF_A_NAME;
        self.values.insert(full, Some(value.clone()));
        Some(Expr { range, ..value })
    }

    fn evaluate(&mut self, index: usize, full: &str) -> Expr {
        let module = self.items[index].module;
        let tree = std::rc::Rc::clone(&self.items[index].tree);
        match &tree.kind {
            DeclarationKind::Const(value) => self.constant_expr(value, module),
            DeclarationKind::Param(default) => {
                let default = self.constant_expr(default, module);
                self.overridden(index, full, &default)
            }
            _ => broken(tree.range),
        }
    }

    /// A constant; what is not one is reported.
    pub(super) fn constant_expr(&mut self, expr: &ast::Expr, module: usize) -> Expr {
        let mut scope = Scope::new(module, None);
        let value = self.expr(expr, &mut scope);
        if value.ty == Type::Broken || constant_of(&value).is_some() {
            return value;
        }
        let message = "a constant value is wanted here";
        self.report(
            Diagnostic::new(codes::CONSTANT, value.range, message)
                .label("not known before the rules run")
                .note("constants are literals, and sums and products of them"),
        );
        broken(value.range)
    }

    fn overridden(&mut self, index: usize, full: &str, default: &Expr) -> Expr {
        let module = self.items[index].module;
        let tree = std::rc::Rc::clone(&self.items[index].tree);
        let local = tree.name.as_ref().map_or("", |name| name.text.as_str());
        let options = self.options;
        let text = options.params.iter().rev().find(|given| given.0 == full).map(|given| &given.1);
        let given = if let Some(text) = text {
            self.override_value(text, default)
        } else if let Some(given) = self.modules[module].config.get(local).cloned() {
            let parent = self.modules[module].parent;
            self.constant_expr(&given.value, parent)
        } else {
            default.clone()
        };
        if let Some(text) = text.filter(|_| !given.ty.fits(&default.ty)) {
            let message = format!(
                "the parameter `{full}` is {}, it is set to `{text}`",
                article(&default.ty)
            );
            let diagnostic = Diagnostic::new(codes::ARGUMENT, default.range, message);
            self.report(diagnostic.label("its default"));
            return default.clone();
        }
        if !given.ty.fits(&default.ty) {
            let message = format!("the parameter `{full}` is {}", article(&default.ty));
            self.report(
                Diagnostic::new(codes::ARGUMENT, given.range, message)
                    .label(format!("{}", Named(&given.ty)))
                    .because(default.range, "its default"),
            );
            return Expr { range: given.range, ..default.clone() }; // spares its readers reports
        }
        match given.kind {
            ExprKind::Constant { value, .. } if given.ty != Type::Broken => {
                let kind = ExprKind::Constant { value, param: Some(full.to_owned()) };
                Expr { kind, ..given }
            }
            _ => given,
        }
    }

    /// A value from outside, where quotes around texts are often lost.
    fn override_value(&mut self, text: &str, default: &Expr) -> Expr {
        let parsed = crate::syntax::parse_expr(text, default.range.file, 0).ok();
        let number = parsed.and_then(|(expr, _)| {
            let before = self.diagnostics.len();
            let value = self.constant_expr(&expr, 0);
            let is_clean = self.diagnostics.len() == before;
            self.diagnostics.truncate(before);
            (is_clean && value.ty != Type::Broken).then_some(value)
        });
        match number {
            Some(value) if default.ty != Type::String || value.ty == Type::String => {
                Expr { range: default.range, ..value }
            }
            _ => {
                let value = Literal::String(text.to_owned());
                super::scope::constant(value, Type::String, default.range)
            }
        }
    }

    /// All parameters that are values, with what they are set to; unknown overrides are reported.
    pub(super) fn params(&mut self) -> Vec<Param> {
        let mut params = Vec::new();
        let names: Vec<(String, usize)> = self
            .names
            .iter()
            .filter_map(|(full, entity)| match entity {
                Entity::Param(index) => Some((full.clone(), *index)),
                _ => None,
            })
            .collect();
        for (full, index) in &names {
            let tree = std::rc::Rc::clone(&self.items[*index].tree);
            let module = self.items[*index].module;
            let local = tree.name.as_ref().map_or("", |name| name.text.as_str());
            if self.target(local, module).is_some() {
                self.check_given_source(local, module); // the parameter stands for a source
                continue;
            }
            let DeclarationKind::Param(default) = &tree.kind else { continue };
            let was_used = self.used.contains(full);
            let value = self.value(local, tree.range, module);
            if !was_used {
                self.used.remove(full);
            }
            let default = self.constant_expr(default, module);
            if let (Some(value), Some(default)) =
                (value.as_ref().and_then(constant_of), constant_of(&default))
            {
                params.push(Param {
                    name: full.clone(),
                    value: value.clone(),
                    default: default.clone(),
                    doc: tree.doc.clone(),
                    range: tree.range,
                });
            }
        }
        let known: Vec<String> = names.into_iter().map(|name| name.0).collect();
        let options = self.options;
        for (name, _) in options.params.iter().filter(|given| !known.contains(&given.0)) {
            let range = self.file_start();
            let message = format!("no rule has a parameter `{name}`");
            self.unknown_param(name, range, &known, message);
        }
        params
    }

    /// What an import is given for a parameter that stands for a source is one.
    fn check_given_source(&mut self, local: &str, module: usize) {
        let Some(given) = self.modules[module].config.get(local).cloned() else { return };
        let parent = self.modules[module].parent;
        let range = given.value.range;
        match &given.value.kind {
            ast::ExprKind::Path(path) if self.target(path, parent).is_some() => {}
            ast::ExprKind::Path(path) => {
                self.unknown_source(&ast::Name { text: path.clone(), range }, parent);
            }
            _ => {
                let message = format!("the parameter `{local}` stands for a source");
                self.report(
                    Diagnostic::new(codes::ARGUMENT, range, message)
                        .label("a value")
                        .help("name `spans` or another source, or a stream"),
                );
            }
        }
    }

    /// The body of a function that nothing calls: its parameters fit everything.
    fn unread_function(&mut self, tree: &ast::Declaration, module: usize) {
        let DeclarationKind::Fn { body, .. } = &tree.kind else { return };
        let any = std::rc::Rc::new(super::shape::Shape::broken(""));
        let mut scope = Scope::new(module, Some(any));
        scope.aggregates = true;
        scope.row_windows = true;
        self.whole(body, &mut scope);
    }

    /// Values of constants and bodies of functions that nothing reads are checked all the same.
    pub(super) fn check_unread(&mut self) {
        for index in 0..self.items.len() {
            let tree = std::rc::Rc::clone(&self.items[index].tree);
            let module = self.items[index].module;
            let Some(name) = &tree.name else { continue };
            let full = self.full(&name.text, module);
            match &tree.kind {
                DeclarationKind::Const(_) if !self.used.contains(&full) => {
                    self.value(&name.text, tree.range, module);
                    self.used.remove(&full);
                }
                DeclarationKind::Fn { params, .. } => {
                    if !self.used.contains(&full) {
                        self.unread_function(&tree, module);
                    }
                    for param in params {
                        let shape = super::shape::Shape::broken("");
                        self.shadowing(&param.text, param.range, &shape, module);
                    }
                }
                _ => {}
            }
        }
    }
}
