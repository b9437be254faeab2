//! Top-level names: sources and functions.

use std::rc::Rc;

use super::expr::constant_of;
use super::shape::Shape;
use super::{Checker, Entity, FunctionRef};
use crate::ast::{self, DeclarationKind};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Literal, Outcome, TracePart};
use crate::limits::IMPORT_DEPTH_MAX;
use crate::text_range::TextRange;

/// What a source's name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Catalog(String),
    /// The declaration with this index.
    Declaration(usize),
    /// The late items of the stream with this index.
    Late(usize),
    /// The duplicates of the stream with this index.
    Duplicates(usize),
    /// The unfinished matches of the pattern with this index.
    Timeout(usize),
    /// One outcome of the correlation with this index.
    Outcome(usize, Outcome),
    /// What the traces with this index say beside themselves.
    TracePart(usize, TracePart),
}

impl Checker<'_> {
    pub(super) fn full(&self, name: &str, module: usize) -> String {
        format!("{}{name}", self.modules[module].prefix)
    }

    pub(super) fn mark_used(&mut self, full: &str) {
        if !self.used.contains(full) {
            self.used.insert(full.to_owned());
        }
    }

    /// The source of that name, through parameters that stand for sources.
    pub(super) fn target(&self, name: &str, module: usize) -> Option<Target> {
        self.target_within(name, module, 0)
    }

    fn target_within(&self, name: &str, module: usize, depth: usize) -> Option<Target> {
        if depth > IMPORT_DEPTH_MAX {
            return None;
        }
        match self.names.get(&self.full(name, module)) {
            Some(Entity::Source(index)) => return Some(Target::Declaration(*index)),
            Some(Entity::Late(index)) => return Some(Target::Late(*index)),
            Some(Entity::Duplicates(index)) => return Some(Target::Duplicates(*index)),
            Some(Entity::Timeout(index)) => return Some(Target::Timeout(*index)),
            Some(Entity::Outcome(index, outcome)) => {
                return Some(Target::Outcome(*index, *outcome));
            }
            Some(Entity::TracePart(index, part)) => return Some(Target::TracePart(*index, *part)),
            Some(Entity::Param(index)) => {
                let own = self.items[*index].module;
                let local = self.items[*index].tree.name.as_ref()?.text.clone();
                if let Some(given) = self.modules[own].config.get(&local) {
                    let parent = self.modules[own].parent;
                    let target = match &given.value.kind {
                        ast::ExprKind::Path(path) => self.target_within(path, parent, depth + 1),
                        _ => None,
                    };
                    if target.is_some() {
                        return target;
                    } // else the default, so that one wrong name makes one report
                }
                return match &self.items[*index].tree.kind {
                    DeclarationKind::Param(ast::Expr {
                        kind: ast::ExprKind::Path(path), ..
                    }) if *path != name => self.target_within(path, own, depth + 1),
                    _ => None,
                };
            }
            _ => {}
        }
        self.catalog.source(name).map(|source| Target::Catalog(source.name.clone()))
    }

    /// The shape of a source by name; unknown ones are reported.
    pub(super) fn source(&mut self, name: &ast::Name, module: usize) -> Rc<Shape> {
        let full = self.full(&name.text, module);
        self.mark_used(&full);
        let target = self.target(&name.text, module);
        if let Some(
            Target::Declaration(index)
            | Target::Late(index)
            | Target::Duplicates(index)
            | Target::Timeout(index)
            | Target::Outcome(index, _)
            | Target::TracePart(index, _),
        ) = target
        {
            let own = &self.items[index];
            let local = own.tree.name.as_ref().map_or("", |name| name.text.as_str()).to_owned();
            let of_target = self.full(&local, own.module);
            self.mark_used(&of_target);
        }
        match target {
            Some(Target::Catalog(source)) => {
                let shape = |name: &str| {
                    let found = self.catalog.source(name);
                    found.map_or_else(|| Shape::broken(name), Shape::of_catalog)
                };
                let inner = self.catalog.source(&source).and_then(|found| found.inner.as_deref());
                let inner = inner.map(|inner| Rc::new(shape(inner)));
                Rc::new(Shape { inner, ..shape(&source) })
            }
            Some(Target::Declaration(index)) if self.is_correlation(index) => {
                self.which_outcome(name);
                Rc::new(Shape::broken(&name.text))
            }
            Some(Target::Declaration(index)) if self.is_retrace(index) => {
                self.no_source(name);
                Rc::new(Shape::broken(&name.text))
            }
            Some(Target::Declaration(index)) => self.shape_of(index),
            Some(Target::Outcome(index, outcome)) => self.outcome_shape_of(index, outcome),
            Some(Target::Late(index)) => self.late_shape_of(index),
            Some(Target::Duplicates(index)) => self.duplicates_shape_of(index),
            Some(Target::Timeout(index)) => self.timeout_shape_of(index),
            Some(Target::TracePart(index, part)) => self.trace_part_shape_of(index, part),
            None => {
                if !self.is_broken_value(&full) {
                    self.unknown_source(name, module);
                }
                Rc::new(Shape::broken(&name.text))
            }
        }
    }

    pub(super) fn shape_of(&self, index: usize) -> Rc<Shape> {
        let item = &self.items[index];
        let local = item.tree.name.as_ref().map_or("", |name| name.text.as_str());
        let full = self.full(local, item.module);
        let known = self.shapes.get(&full).cloned();
        known.unwrap_or_else(|| Rc::new(Shape::broken(&full)))
    }

    fn late_shape_of(&self, index: usize) -> Rc<Shape> {
        let mut shape = (*self.shape_of(index)).clone();
        if let crate::hir::SourceRef::Declaration(id) = shape.source {
            shape.source = crate::hir::SourceRef::Late(id);
            shape.is_late = true;
            shape.amends = None;
        }
        Rc::new(shape)
    }

    /// Duplicates are what their stream would be of them: its columns, its time.
    fn duplicates_shape_of(&self, index: usize) -> Rc<Shape> {
        let mut shape = (*self.shape_of(index)).clone();
        if let crate::hir::SourceRef::Declaration(id) = shape.source {
            shape.source = crate::hir::SourceRef::Duplicates(id);
        }
        Rc::new(shape)
    }

    /// Whether a name is that of a constant or parameter that could not be read, and was reported.
    fn is_broken_value(&self, full: &str) -> bool {
        let Some(Entity::Const(index) | Entity::Param(index)) = self.names.get(full) else {
            return false;
        };
        matches!(self.items[*index].tree.kind, DeclarationKind::Broken)
    }

    pub(super) fn unknown_source(&mut self, name: &ast::Name, module: usize) {
        let message = format!("there is no source `{}`", name.text);
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_SOURCE, name.range, message);
        if self.is_flooded(self.names.len()) {
            return self.report(diagnostic);
        }
        let known = self.names.get(&self.full(&name.text, module));
        if let Some(Entity::Const(index) | Entity::Param(index) | Entity::Function(index)) = known {
            let tree = &self.items[*index].tree;
            let made = tree.name.as_ref().map_or(tree.range, |name| name.range);
            diagnostic = diagnostic.because(made, "a value, which cannot be read from");
        }
        let prefix = &self.modules[module].prefix;
        let readers = self.readers_of_current();
        let own = self.names.iter().filter_map(|(full, entity)| {
            let is_source = match entity {
                Entity::Source(at) => {
                    !self.is_correlation(*at) && !self.is_retrace(*at) && !readers.contains(at)
                }
                Entity::Late(at) | Entity::Duplicates(at) => !readers.contains(at),
                Entity::Timeout(at) | Entity::Outcome(at, _) => !readers.contains(at),
                Entity::TracePart(at, _) => !readers.contains(at),
                _ => false,
            };
            full.strip_prefix(prefix.as_str()).filter(|_| is_source)
        });
        let builtin = self.catalog.sources.iter().map(|source| source.name.as_str());
        let names: Vec<&str> = own.chain(builtin).collect();
        let near = nearest(&name.text, names.iter().copied()).map(str::to_owned);
        diagnostic = match near {
            Some(near) => {
                let meant = self.full(&near, module);
                self.used.insert(meant); // it was probably meant
                diagnostic.did_you_mean(name.range, &near)
            }
            None => diagnostic.note(format!("sources: {}", listed(names, 10))),
        };
        self.report(diagnostic);
    }

    /// The function of the rules with that name.
    pub(super) fn function_declaration(&self, name: &str, module: usize) -> Option<FunctionRef> {
        let full = self.full(name, module);
        let Some(Entity::Function(index)) = self.names.get(&full) else { return None };
        let item = &self.items[*index];
        let DeclarationKind::Fn { params, body } = &item.tree.kind else {
            return None;
        };
        Some(FunctionRef {
            name: full,
            params: params.iter().map(|param| param.text.clone()).collect(),
            body: body.clone(),
            module: item.module,
            range: item.tree.name.as_ref().map_or(item.tree.range, |name| name.range),
        })
    }

    pub(super) fn function_names(&self, module: usize) -> Vec<String> {
        self.local_names(module, |entity| matches!(entity, Entity::Function(_)))
    }

    /// The functions of the rules that take so many arguments.
    pub(super) fn own_functions(&self, module: usize, count: usize) -> impl Iterator<Item = &str> {
        let prefix = self.modules[module].prefix.as_str();
        self.names.iter().filter_map(move |(full, entity)| {
            let Entity::Function(index) = entity else { return None };
            let DeclarationKind::Fn { params, .. } = &self.items[*index].tree.kind else {
                return None;
            };
            full.strip_prefix(prefix).filter(|_| params.len() == count)
        })
    }

    pub(super) fn value_names(&self, module: usize) -> Vec<String> {
        self.local_names(module, |entity| matches!(entity, Entity::Const(_) | Entity::Param(_)))
    }

    fn local_names(&self, module: usize, wanted: impl Fn(Entity) -> bool) -> Vec<String> {
        let prefix = self.modules[module].prefix.as_str();
        let names = self.names.iter().filter(|(_, entity)| wanted(**entity));
        names.filter_map(|(full, _)| full.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// The sinks that are named; a constant or parameter that is a text names the sink of that
    /// name, so that a file can leave sinks to those that import it. Ones that are not configured
    /// are reported, where the configuration is known.
    pub(super) fn sinks(&mut self, names: &[ast::Name], module: usize) -> Vec<String> {
        names.iter().map(|name| self.sink(name, module)).collect()
    }

    fn sink(&mut self, name: &ast::Name, module: usize) -> String {
        let value = self.value(&name.text, name.range, module);
        let sink = match value.as_ref().and_then(constant_of) {
            Some(Literal::String(text)) => text.clone(),
            _ => name.text.clone(),
        };
        let catalog = self.catalog;
        if let Some(sinks) = catalog.sinks.as_ref().filter(|sinks| !sinks.contains(&sink)) {
            let message = format!("there is no sink `{sink}`");
            let mut diagnostic = Diagnostic::new(codes::UNKNOWN_SINK, name.range, message);
            let known = sinks.iter().map(String::as_str);
            diagnostic = match nearest(&sink, known.clone()) {
                Some(near) if sink == name.text => diagnostic.did_you_mean(name.range, near),
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.note(format!("configured sinks: {}", listed(known, 10))),
            };
            self.report(diagnostic);
        }
        sink
    }

    /// Reports a name that hides a constant or a field that the same expression could read.
    pub(super) fn shadowing(&mut self, name: &str, range: TextRange, shape: &Shape, module: usize) {
        let full = self.full(name, module);
        let entity = self.names.get(&full).copied();
        let first = match entity {
            Some(Entity::Const(index) | Entity::Param(index)) => {
                self.items[index].tree.name.as_ref().map(|name| name.range)
            }
            _ => None,
        };
        if let Some(first) = first {
            self.report(
                Diagnostic::new(
                    codes::SHADOWING,
                    range,
                    format!("`{name}` hides a constant of that name"),
                )
                .because(first, "the constant")
                .help("give one of them another name"),
            );
            return;
        }
        // An import cannot know the columns of the source that it is given.
        if let Some(column) = shape.column(name).filter(|_| module == 0 && !shape.is_broken) {
            let message = format!("`{name}` hides a field of `{}`", shape.name);
            let mut diagnostic = Diagnostic::new(codes::SHADOWING, range, message);
            if let Some(first) = column.range {
                diagnostic = diagnostic.because(first, "the field");
            }
            self.report(diagnostic.help("give it another name"));
        }
    }
}
