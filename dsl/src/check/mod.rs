//! Names, types, clauses and lints: the tree becomes typed rules.
//!
//! Declarations are checked in topological order, so every source is known when it is read. A
//! declaration that could not be read has a shape that fits everything: it causes no further
//! reports.

mod aggregate;
mod alert;
mod argument;
mod binary;
mod call;
mod clause;
mod correlate;
mod csv;
mod expect;
mod expr;
mod first_event;
mod fold;
mod foreign_names;
mod inline;
mod key;
mod lint;
mod load;
mod names;
mod order;
mod origin;
mod pattern;
mod pattern_steps;
mod pattern_symbol;
mod reads;
mod redact;
mod retrace;
mod rows;
mod same;
mod sample;
mod scope;
mod shape;
mod span_set;
mod step;
mod step_order;
mod stream;
mod table;
mod template;
mod test;
mod trace;
mod traces;
mod unfit;
mod value;
mod window;

pub use reads::AttributeRead;
pub(crate) use reads::absent;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::ast;
use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::hir::{Declaration, DeclarationId, Expr, Outcome, Program};
use crate::limits::{COLUMNS_MAX, COMPARISONS_MAX, DIAGNOSTICS_KEPT_MAX, DIAGNOSTICS_MAX};
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
    /// What a stream's `dedupe` takes out.
    Duplicates(usize),
    /// The unfinished matches of the pattern.
    Timeout(usize),
    /// One outcome of the correlation.
    Outcome(usize, Outcome),
    /// What the traces say beside themselves.
    TracePart(usize, crate::hir::TracePart),
    /// A table, whose columns are read by their names behind its own.
    Table(usize),
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
    /// Tables by name; `None` where one cannot be read.
    tables: BTreeMap<String, Option<Rc<table::Table>>>,
    /// What tables are read from, by the names that they say.
    table_files: Vec<String>,
    /// Values of all columns that expressions read so far.
    table_cells: usize,
    ids: BTreeMap<String, DeclarationId>,
    /// What reads each declaration, by their places among the items.
    readers: Vec<Vec<usize>>,
    /// The declaration that is being checked, by its place among the items.
    current: Option<usize>,
    /// The numbers of routes, which have no names, by the place of the item.
    routes: BTreeMap<usize, usize>,
    /// Nodes of the expression that is being typed.
    nodes: usize,
    /// Levels of the tree around that node, constants and functions written out.
    levels: usize,
    /// Nodes of all expressions typed so far.
    all_nodes: usize,
    /// Names that misspelt ones were compared with.
    comparisons: usize,
    /// Diagnostics that were not kept.
    dropped: usize,
    /// Whether errors were among them.
    dropped_errors: bool,
    /// Where names of columns and constants were made, by the place of their use.
    origins: BTreeMap<TextRange, TextRange>,
    /// Attributes by the place where they are read; the `a ?? b` around each.
    reads: BTreeMap<(TextRange, String), Option<TextRange>>,
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
        tables: BTreeMap::new(),
        table_files: Vec::new(),
        table_cells: 0,
        shapes: BTreeMap::new(),
        ids: BTreeMap::new(),
        readers: Vec::new(),
        current: None,
        routes: BTreeMap::new(),
        nodes: 0,
        levels: 0,
        all_nodes: 0,
        comparisons: 0,
        dropped: 0,
        dropped_errors: false,
        origins: BTreeMap::new(),
        reads: BTreeMap::new(),
    };
    let program = checker.run();
    let reads = checker.attribute_reads(files.len());
    let has_error = checker.dropped_errors || checker.diagnostics.iter().any(Diagnostic::is_error);
    Analysis {
        program: (!has_error).then_some(program),
        diagnostics: sorted(checker.diagnostics, checker.dropped, has_error),
        files: checker.files,
        table_files: checker.table_files,
        reads,
    }
}

/// In the order of the text, each once, errors and lints mixed as they stand; where there are too
/// many, lints give way to errors.
fn sorted(mut diagnostics: Vec<Diagnostic>, dropped: usize, has_error: bool) -> Vec<Diagnostic> {
    let order = |a: &Diagnostic, b: &Diagnostic| {
        let key = |d: &Diagnostic| (d.range(), d.code);
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    };
    diagnostics.sort_by(order);
    diagnostics
        .dedup_by(|a, b| a.code == b.code && a.range() == b.range() && a.message == b.message);
    let Some(more) = (diagnostics.len() + dropped).checked_sub(DIAGNOSTICS_MAX + 1) else {
        return diagnostics;
    };
    diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
    let hides_error = diagnostics.get(DIAGNOSTICS_MAX).is_some_and(Diagnostic::is_error);
    diagnostics.truncate(DIAGNOSTICS_MAX);
    diagnostics.sort_by(order);
    let Some(last) = diagnostics.last() else { return diagnostics };
    let message = format!("{} more problems are not shown", more + 1);
    let mut rest = Diagnostic::new(codes::TOO_LARGE, last.range(), message);
    if !(has_error && hides_error) {
        rest.severity = Severity::Warning;
    }
    diagnostics.push(rest);
    diagnostics
}

impl Checker<'_> {
    fn run(&mut self) -> Program {
        self.load();
        self.collect_names();
        let order = self.order();
        self.number_routes();
        let mut program = Program { params: self.params(), ..Program::default() };
        for index in order {
            let id = DeclarationId(program.declarations.len() as u32);
            self.current = Some(index);
            if let Some(declaration) = self.declaration(index, id) {
                program.declarations.push(declaration);
            }
        }
        self.current = None;
        self.check_unread();
        program.tests = self.tests();
        self.lint_unused();
        program
    }

    /// Counts routes as they stand in the files: other rules do not rename them.
    fn number_routes(&mut self) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            if matches!(item.tree.kind, ast::DeclarationKind::Route(_)) {
                let count = counts.entry(&self.modules[item.module].prefix).or_default();
                self.routes.insert(index, *count);
                *count += 1;
            }
        }
    }

    fn declaration(&mut self, index: usize, id: DeclarationId) -> Option<Declaration> {
        let module = self.items[index].module;
        let tree = Rc::clone(&self.items[index].tree);
        let local = tree.name.as_ref().map_or("", |name| name.text.as_str());
        let mut name = format!("{}{local}", self.modules[module].prefix);
        if local.is_empty() {
            name = match &tree.kind {
                ast::DeclarationKind::Redact(_) => format!("{name}redact"),
                ast::DeclarationKind::Sample(_) => format!("{name}sample {}", id.0),
                _ => {
                    let number = self.routes.get(&index).copied().unwrap_or_default();
                    format!("{name}route {number}")
                }
            };
        }
        let site = Site { module, id, name: name.clone(), tree: &tree };
        let checked = match &tree.kind {
            ast::DeclarationKind::Stream(clauses) => self.stream(&site, clauses),
            ast::DeclarationKind::Aggregate(clauses) => self.aggregate(&site, clauses),
            ast::DeclarationKind::Rows(clauses) => self.rows(&site, clauses),
            ast::DeclarationKind::Alert(clauses) => self.alert(&site, clauses),
            ast::DeclarationKind::Route(clauses) => self.route(&site, clauses),
            ast::DeclarationKind::Pattern { clauses, body } => {
                self.pattern(&site, clauses, body.as_ref())
            }
            ast::DeclarationKind::Traces(clauses) => self.traces(&site, clauses),
            ast::DeclarationKind::Retrace(clauses) => self.retrace(&site, clauses),
            ast::DeclarationKind::Correlate { clauses, sides } => {
                self.correlate(&site, clauses, sides.as_deref())
            }
            ast::DeclarationKind::Redact(lines) => self.redact(&site, lines),
            ast::DeclarationKind::Sample(body) => self.sample(&site, body),
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
        if self.diagnostics.len() >= DIAGNOSTICS_KEPT_MAX {
            self.dropped += 1;
            self.dropped_errors |= diagnostic.is_error();
            return;
        }
        self.diagnostics.push(diagnostic);
    }

    /// Whether so much is wrong that nobody will read what else may have been meant, or so many
    /// names were compared that one more search is not worth its time.
    fn is_flooded(&mut self, candidates: usize) -> bool {
        self.comparisons += candidates;
        self.diagnostics.len() >= DIAGNOSTICS_KEPT_MAX / 8 || self.comparisons > COMPARISONS_MAX
    }

    /// Columns of a clause up to their limit; surplus ones are reported.
    fn bounded<'b>(&mut self, bindings: &'b [ast::Binding]) -> &'b [ast::Binding] {
        if let Some(first) = bindings.get(COLUMNS_MAX) {
            let message =
                format!("the clause has {} columns, {COLUMNS_MAX} are allowed", bindings.len());
            self.report(
                Diagnostic::new(codes::TOO_LARGE, first.range, message)
                    .label(format!("column {}", COLUMNS_MAX + 1)),
            );
        }
        &bindings[..bindings.len().min(COLUMNS_MAX)]
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
