//! `aggregate`.

use std::rc::Rc;

use super::scope::Scope;
use super::shape::{Shape, made};
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{
    Aggregate, Binding, DeclarationKind, Expr, ExprKind, FieldRef, GroupLimit, Results, SelectItem,
    SourceRef, Window,
};
use crate::text_range::TextRange;

pub(super) const CLAUSES: [&str; 9] =
    ["from", "where", "by", "over", "select", "having", "limit", "results", "to"];
/// Groups that a rule may keep open.
const GROUPS_MAX: u64 = 1_000_000_000;
/// Items of a `count(n)` window.
const COUNT_WINDOW_MAX: u64 = 1_000_000;
/// Windows that may hold one item.
const OVERLAP_MAX: i64 = 10_000;

impl Checker<'_> {
    pub(super) fn aggregate(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
    ) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses, &CLAUSES);
        let Some(from) = from_of(clauses) else {
            self.missing(site, "from", "say what it reads: `from spans`");
            return None;
        };
        let input = self.source(from, site.module).partial(site.tree.is_partial);
        let mut parts = Parts::new(input.source.clone());
        let mut scope = Scope::new(site.module, Some(Rc::clone(&input)));
        // Clauses may stand in any order; names of keys come before those of items.
        for clause in clauses {
            match &clause.kind {
                ClauseKind::Where(condition) => {
                    parts.filter = Some(self.condition(condition, &mut scope));
                }
                ClauseKind::By(keys) => self.keys(keys, &mut parts, &mut scope, &input),
                _ => {}
            }
        }
        scope.bound.clone_from(&parts.columns);
        scope.aggregates = true;
        scope.row_windows = true;
        for clause in clauses {
            self.aggregate_clause(clause, &mut parts, &mut scope, site);
        }
        self.aggregate_missing(site, clauses);
        for clause in clauses {
            if let ClauseKind::Having(condition) = &clause.kind {
                scope.row_windows = true;
                parts.having = Some(self.condition(condition, &mut scope));
            }
        }
        self.lint_samples(site, &scope.calls, parts.having.is_some());
        self.lint_totals(&scope.calls, parts.filter.as_ref(), &input);
        let columns = std::mem::take(&mut parts.columns);
        let mut shape = Shape::rows(&site.name, SourceRef::Declaration(site.id), columns);
        shape.rows_of = self.windows_of(parts.window, clauses, &input);
        let shape = Rc::new(shape);
        self.shapes.insert(site.name.clone(), shape.partial(site.tree.is_partial));
        parts.finish(scope)
    }

    fn aggregate_missing(&mut self, site: &Site<'_>, clauses: &[Clause]) {
        if !clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Over(_))) {
            self.missing(site, "over", "say which windows: `over tumbling(1m)`");
        }
        if !clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Select(_))) {
            self.missing(site, "select", "say what rows hold: `select { n: count() }`");
        }
    }

    fn keys(&mut self, keys: &[ast::Binding], parts: &mut Parts, scope: &mut Scope, input: &Shape) {
        for key in self.bounded(keys) {
            let value = self.whole(&key.value, scope);
            let name = match (&key.name, &key.value.kind) {
                (Some(name), _) => {
                    let same = matches!(&key.value.kind, ast::ExprKind::Path(p) if *p == name.text);
                    if !same {
                        self.shadowing(&name.text, name.range, input, scope.module);
                    }
                    name.clone()
                }
                (None, ast::ExprKind::Path(path)) => {
                    ast::Name { text: path.clone(), range: key.range }
                }
                (None, _) => match attribute_key(&value) {
                    Some(text) => ast::Name { text, range: key.range },
                    None => {
                        let message =
                            "a group key that is no field has a name: `by host: lower(…)`";
                        self.report(
                            Diagnostic::new(codes::CLAUSE_VALUE, key.range, message)
                                .help("give it a name")
                                .guess(key.range.at_start(), "key: "),
                        );
                        continue;
                    }
                },
            };
            if let Some(first) = parts.columns.iter().find(|column| column.name == name.text) {
                let first = first.range.unwrap_or(name.range);
                self.given_twice(&name, first);
                continue;
            }
            self.lint_key(&value, input);
            let mut column = made(&name.text, &value.ty, value.optional, true, name.range);
            column.field = FieldRef::Item(name.text.clone());
            parts.columns.push(column);
            parts.by.push(Binding { name: name.text, value });
        }
    }

    fn aggregate_clause(
        &mut self,
        clause: &Clause,
        parts: &mut Parts,
        scope: &mut Scope,
        site: &Site<'_>,
    ) {
        match &clause.kind {
            ClauseKind::Over(window) => parts.window = self.window(window, site.module),
            ClauseKind::Select(items) => {
                parts.items = self.items(items, scope);
                parts.columns.clone_from(&scope.bound);
            }
            ClauseKind::Limit { groups, overflow } => {
                let groups = self.count(groups, site.module, "`limit groups`", GROUPS_MAX);
                if let Some(word) = overflow {
                    self.word(word, "overflow", &[("other", ())]);
                }
                parts.limit = groups.map(|groups| GroupLimit { groups });
            }
            ClauseKind::Results { word, every } => {
                parts.results = match every {
                    Some(every) => self
                        .duration(every, site.module, "`every`", 1_000_000)
                        .map_or(Results::Final, Results::Every),
                    None => {
                        let words = [("final", Results::Final), ("changes", Results::Changes)];
                        let found = words.iter().find(|known| known.0 == word.text);
                        if found.is_none() {
                            self.unknown_word(word, "results", &["final", "changes", "every 10s"]);
                        }
                        found.map_or(Results::Final, |known| known.1)
                    }
                };
            }
            ClauseKind::To(sinks) => parts.to = self.sinks(sinks, site.module),
            _ => {}
        }
    }

    /// Selected values; each is bound for the ones behind it.
    pub(super) fn items(&mut self, items: &[ast::Binding], scope: &mut Scope) -> Vec<SelectItem> {
        let mut selected = Vec::new();
        for item in self.bounded(items) {
            let value = self.whole(&item.value, scope);
            let Some(name) = item_name(item) else {
                let message = "a selected value that is no call and no column has a name";
                self.report(
                    Diagnostic::new(codes::CLAUSE_VALUE, item.range, message)
                        .help("give it a name")
                        .guess(item.range.at_start(), "value: "),
                );
                continue;
            };
            if let Some(first) = scope.bound.iter().find(|bound| bound.name == name.text) {
                let first = first.range.unwrap_or(name.range);
                if item.name.is_none() && !first.eq(&name.range) {
                    self.unnamed_twice(&name, item.range, first);
                } else {
                    self.given_twice(&name, first);
                }
                continue;
            }
            let is_column = matches!(&item.value.kind, ast::ExprKind::Path(p) if *p == name.text);
            if item.name.is_some()
                && !is_column
                && let Some(shape) = scope.shape.clone()
            {
                self.shadowing(&name.text, name.range, &shape, scope.module);
            }
            let mut column = made(&name.text, &value.ty, value.optional, false, name.range);
            column.field = FieldRef::Item(name.text.clone());
            scope.bound.push(column);
            selected.push(SelectItem { name: name.text, value });
        }
        selected
    }

    fn unnamed_twice(&mut self, name: &ast::Name, item: TextRange, first: TextRange) {
        let message = format!("two values would be named `{}`", name.text);
        self.report(
            Diagnostic::new(codes::DUPLICATE, item, message)
                .label("takes its function's name")
                .because(first, "first here")
                .help("give it a name of its own")
                .guess(item.at_start(), format!("{}_2: ", name.text)),
        );
    }

    /// The window and the offset of its grid.
    fn window(&mut self, expr: &ast::Expr, module: usize) -> Option<(Window, i64)> {
        const WINDOWS: [&str; 5] = ["tumbling", "sliding", "session", "cumulate", "count"];
        let ast::ExprKind::Call(call) = &expr.kind else {
            let message = "a window is written `tumbling(1m)`";
            self.report(Diagnostic::new(codes::WORD, expr.range, message).note(
                "windows: `tumbling(1m)`, `sliding(5m, every: 30s)`, `session(gap: 30s, \
                     max: 30m)`, `cumulate(1d, every: 1m)`, `count(1000)`",
            ));
            return None;
        };
        if !WINDOWS.contains(&call.name.text.as_str()) {
            let message = format!("there is no window `{}`", call.name.text);
            let mut diagnostic = Diagnostic::new(codes::WORD, call.name.range, message)
                .note("windows: `tumbling`, `sliding`, `session`, `cumulate`, `count`");
            if let Some(near) = nearest(&call.name.text, WINDOWS) {
                diagnostic =
                    diagnostic.help(format!("did you mean `{near}`?")).guess(call.name.range, near);
            }
            self.report(diagnostic);
            return None;
        }
        let takes: &[&str] = match call.name.text.as_str() {
            "tumbling" => &["size", "offset"],
            "sliding" | "cumulate" => &["size", "every", "offset"],
            "session" => &["gap", "max"],
            _ => &["n"],
        };
        let args = self.window_args(call, takes)?;
        self.make_window(call, &args, module)
    }

    /// Arguments by the names that the window takes; the first may stand without its name.
    fn window_args<'c>(
        &mut self,
        call: &'c ast::Call,
        takes: &[&'static str],
    ) -> Option<Vec<(&'static str, &'c ast::Expr)>> {
        let mut args = Vec::new();
        for (at, argument) in call.args.iter().enumerate() {
            let word = argument.name.as_ref().map(|name| name.text.as_str());
            let found = match word {
                Some(word) => takes.iter().find(|known| **known == word),
                None if at == 0 => takes.first(),
                None => None,
            };
            let Some(found) = found else {
                let range = argument.name.as_ref().map_or(argument.value.range, |n| n.range);
                self.wrong_window_arg(call, word, takes, at, range);
                return None;
            };
            args.push((*found, &argument.value));
        }
        Some(args)
    }

    fn wrong_window_arg(
        &mut self,
        call: &ast::Call,
        word: Option<&str>,
        takes: &[&'static str],
        at: usize,
        range: TextRange,
    ) {
        let window = &call.name.text;
        let names = listed(takes.iter().copied(), 5);
        let Some(word) = word else {
            let message = format!("arguments of `{window}` behind the first have their names");
            let mut diagnostic = Diagnostic::new(codes::ARGUMENTS, range, message)
                .note(format!("`{window}` takes {names}"));
            if let Some(second) = takes.get(at) {
                diagnostic = diagnostic
                    .help(format!("name it `{second}`"))
                    .fix(range.at_start(), format!("{second}: "));
            }
            return self.report(diagnostic);
        };
        let message = format!("`{window}` has no argument `{word}`");
        let mut diagnostic = Diagnostic::new(codes::ARGUMENTS, range, message)
            .note(format!("`{window}` takes {names}"));
        if let Some(near) = nearest(word, takes.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).guess(range, near);
        }
        self.report(diagnostic);
    }

    fn make_window(
        &mut self,
        call: &ast::Call,
        args: &[(&'static str, &ast::Expr)],
        module: usize,
    ) -> Option<(Window, i64)> {
        let find = |word: &str| args.iter().find(|arg| arg.0 == word).map(|arg| arg.1);
        let time = |checker: &mut Self, word: &str| {
            let Some(expr) = find(word) else {
                let message = format!("`{}` wants `{word}`", call.name.text);
                checker.report(
                    Diagnostic::new(codes::ARGUMENTS, call.name.range, message)
                        .label("an argument is missing"),
                );
                return None;
            };
            let what = format!("`{word}` of `{}`", call.name.text);
            checker.duration(expr, module, &what, 1_000_000)
        };
        let window = match call.name.text.as_str() {
            "tumbling" => Window::Tumbling { size_ns: time(self, "size")? },
            "session" => {
                let gap_ns = time(self, "gap")?;
                let max_ns = if find("max").is_some() { Some(time(self, "max")?) } else { None };
                Window::Session { gap_ns, max_ns }
            }
            "count" => {
                let Some(n) = find("n") else {
                    let message = "`count` wants the number of items: `count(1000)`";
                    self.report(Diagnostic::new(codes::ARGUMENTS, call.name.range, message));
                    return None;
                };
                Window::Count(self.count(n, module, "the number of items", COUNT_WINDOW_MAX)?)
            }
            name => {
                let (size_ns, every_ns) = (time(self, "size")?, time(self, "every")?);
                self.check_grid(call, args, size_ns, every_ns)?;
                match name {
                    "sliding" => Window::Sliding { size_ns, every_ns },
                    _ => Window::Cumulate { size_ns, every_ns },
                }
            }
        };
        let offset_ns = match find("offset") {
            Some(offset) => {
                let ns = self.duration(offset, module, "`offset`", i64::MIN + 1)?;
                match window {
                    Window::Tumbling { size_ns }
                    | Window::Sliding { size_ns, .. }
                    | Window::Cumulate { size_ns, .. } => ns.rem_euclid(size_ns),
                    _ => 0,
                }
            }
            None => 0,
        };
        Some((window, offset_ns))
    }

    fn check_grid(
        &mut self,
        call: &ast::Call,
        args: &[(&'static str, &ast::Expr)],
        size_ns: i64,
        every_ns: i64,
    ) -> Option<()> {
        let problem = if every_ns > size_ns {
            "`every` is at most the size: items between windows would be in none"
        } else if call.name.text == "cumulate" && size_ns % every_ns != 0 {
            "the size of `cumulate` is a multiple of `every`"
        } else if size_ns / every_ns > OVERLAP_MAX {
            "an item would be in more than 10000 windows"
        } else {
            return Some(());
        };
        let range = |word: &str| {
            args.iter().find(|arg| arg.0 == word).map_or(call.name.range, |arg| arg.1.range)
        };
        self.report(
            Diagnostic::new(codes::CLAUSE_VALUE, range("every"), problem)
                .because(range("size"), "the size"),
        );
        None
    }
}

/// What has been found of an aggregate.
struct Parts {
    input: SourceRef,
    filter: Option<Expr>,
    by: Vec<Binding>,
    columns: Vec<super::shape::ShapeColumn>,
    window: Option<(Window, i64)>,
    items: Vec<SelectItem>,
    having: Option<Expr>,
    limit: Option<GroupLimit>,
    results: Results,
    to: Vec<String>,
}

impl Parts {
    fn new(input: SourceRef) -> Self {
        Self {
            input,
            filter: None,
            by: Vec::new(),
            columns: Vec::new(),
            window: None,
            items: Vec::new(),
            having: None,
            limit: None,
            results: Results::Final,
            to: Vec::new(),
        }
    }

    fn finish(self, scope: Scope) -> Option<DeclarationKind> {
        let (window, offset_ns) = self.window?;
        Some(DeclarationKind::Aggregate(Aggregate {
            input: self.input,
            filter: self.filter,
            by: self.by,
            window,
            offset_ns,
            calls: scope.calls,
            items: self.items,
            having: self.having,
            limit: self.limit,
            results: self.results,
            to: self.to,
        }))
    }
}

fn from_of(clauses: &[Clause]) -> Option<&ast::Name> {
    super::stream::from_of(clauses)
}

fn attribute_key(value: &Expr) -> Option<String> {
    match &value.kind {
        ExprKind::Field(FieldRef::Attribute { key, .. }) => Some(key.clone()),
        _ => None,
    }
}

/// The name of a selected value: given, the function's, or the column's.
fn item_name(item: &ast::Binding) -> Option<ast::Name> {
    if let Some(name) = &item.name {
        return Some(name.clone());
    }
    match &item.value.kind {
        ast::ExprKind::Call(call) => Some(call.name.clone()),
        ast::ExprKind::Path(path) => {
            Some(ast::Name { text: path.clone(), range: item.value.range })
        }
        _ => None,
    }
}
