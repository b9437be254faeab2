//! Names, types, clauses and lints: the tree becomes typed rules.
//!
//! Declarations are checked in topological order, so every source is known when it is read. A
//! declaration that could not be read has a shape that fits everything: it causes no further
//! reports.

mod aggregate;
mod alert;
mod binary;
mod call;
mod clause;
mod expr;
mod fold;
mod inline;
mod lint;
mod load;
mod names;
mod order;
mod origin;
mod rows;
mod scope;
mod shape;
mod stream;
mod template;
mod test;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::ast;
use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Declaration, DeclarationId, Expr, Program};
use crate::limits::DIAGNOSTICS_MAX;
use crate::text_range::{FileId, TextRange};
use crate::{Analysis, Options, SourceFile};
use shape::Shape;

/// Files that share one set of names: the user's rules, or one import.
#[derive(Debug)]
struct Module {
    /// `pay.` for an import under the name `pay`; empty for the user's rules.
    prefix: String,
    /// Values that the import was given, typed in the importing module.
    config: BTreeMap<String, Given>,
    /// The module that imports it.
    parent: usize,
}

/// A value given to an import's parameter.
#[derive(Debug, Clone)]
struct Given {
    value: ast::Expr,
    name: ast::Name,
}

/// What a top-level name stands for: index of its declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entity {
    Const(usize),
    Param(usize),
    Function(usize),
    Source(usize),
    /// The late items of the stream.
    Late(usize),
    /// An import, whose names begin with its own.
    Import(usize),
}

#[derive(Debug)]
struct Item {
    module: usize,
    tree: Rc<ast::Declaration>,
}

/// A function of the rules, ready to be inlined.
struct FunctionRef {
    name: String,
    params: Vec<String>,
    body: ast::Expr,
    module: usize,
    range: TextRange,
}

/// State of a check.
struct Checker<'a> {
    catalog: &'a Catalog,
    options: &'a Options<'a>,
    files: Vec<SourceFile>,
    diagnostics: Vec<Diagnostic>,
    modules: Vec<Module>,
    items: Vec<Item>,
    names: BTreeMap<String, Entity>,
    used: BTreeSet<String>,
    /// Values of constants and parameters; `None` while one is being found, to see circles.
    values: BTreeMap<String, Option<Expr>>,
    shapes: BTreeMap<String, Rc<Shape>>,
    ids: BTreeMap<String, DeclarationId>,
    /// Nodes of the expression that is being typed.
    nodes: usize,
    /// Where names of columns and constants were made, by the place of their use.
    origins: BTreeMap<TextRange, TextRange>,
}

/// Checks files against a catalogue.
pub(crate) fn compile(files: &[SourceFile], catalog: &Catalog, options: &Options<'_>) -> Analysis {
    let mut checker = Checker {
        catalog,
        options,
        files: files.to_vec(),
        diagnostics: Vec::new(),
        modules: vec![Module { prefix: String::new(), config: BTreeMap::new(), parent: 0 }],
        items: Vec::new(),
        names: BTreeMap::new(),
        used: BTreeSet::new(),
        values: BTreeMap::new(),
        shapes: BTreeMap::new(),
        ids: BTreeMap::new(),
        nodes: 0,
        origins: BTreeMap::new(),
    };
    let program = checker.run();
    let has_error = checker.diagnostics.iter().any(Diagnostic::is_error);
    Analysis {
        program: (!has_error).then_some(program),
        diagnostics: sorted(checker.diagnostics),
        files: checker.files,
    }
}

/// In the order of the text, each once, errors and lints mixed as they stand.
fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| (d.range(), d.code);
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    });
    diagnostics
        .dedup_by(|a, b| a.code == b.code && a.range() == b.range() && a.message == b.message);
    if diagnostics.len() > DIAGNOSTICS_MAX {
        let more = diagnostics.len() - DIAGNOSTICS_MAX;
        let range = diagnostics[DIAGNOSTICS_MAX].range();
        diagnostics.truncate(DIAGNOSTICS_MAX);
        let message = format!("{more} more problems are not shown");
        diagnostics.push(Diagnostic::new(codes::TOO_LARGE, range, message));
    }
    diagnostics
}

impl Checker<'_> {
    fn run(&mut self) -> Program {
        self.load();
        self.collect_names();
        let order = self.order();
        let mut program = Program { params: self.params(), ..Program::default() };
        for index in order {
            let id = DeclarationId(program.declarations.len() as u32);
            if let Some(declaration) = self.declaration(index, id) {
                program.declarations.push(declaration);
            }
        }
        self.check_unread();
        program.tests = self.tests();
        self.lint_unused();
        program
    }

    fn declaration(&mut self, index: usize, id: DeclarationId) -> Option<Declaration> {
        let module = self.items[index].module;
        let tree = Rc::clone(&self.items[index].tree);
        let local = tree.name.as_ref().map_or("", |name| name.text.as_str());
        let mut name = format!("{}{local}", self.modules[module].prefix);
        if local.is_empty() {
            name = format!("{name}route {}", id.0);
        }
        let site = Site { module, id, name: name.clone(), tree: &tree };
        let checked = match &tree.kind {
            ast::DeclarationKind::Stream(clauses) => self.stream(&site, clauses),
            ast::DeclarationKind::Aggregate(clauses) => self.aggregate(&site, clauses),
            ast::DeclarationKind::Rows(clauses) => self.rows(&site, clauses),
            ast::DeclarationKind::Alert(clauses) => self.alert(&site, clauses),
            ast::DeclarationKind::Route(clauses) => self.route(&site, clauses),
            _ => None,
        };
        if checked.is_none() {
            self.shapes.entry(name.clone()).or_insert_with(|| Rc::new(Shape::broken(&name)));
        }
        let kind = checked?;
        self.ids.insert(name.clone(), id);
        let name_range = tree.name.as_ref().map_or(tree.keyword.range, |name| name.range);
        Some(Declaration { id, name, doc: tree.doc.clone(), range: tree.range, name_range, kind })
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn unescape(&mut self, text: &ast::StringText) -> String {
        crate::syntax::literal::unescape(text, &mut self.diagnostics)
    }

    fn file_start(&self) -> TextRange {
        TextRange::new(self.files.first().map_or(FileId(0), |file| file.id), 0, 0)
    }
}

/// The declaration that is being checked.
struct Site<'t> {
    module: usize,
    id: DeclarationId,
    name: String,
    tree: &'t ast::Declaration,
}
