//! `rows`: joins, earlier windows, the first by an order.

use std::rc::Rc;

use super::scope::Scope;
use super::shape::{RowsOf, Shape, ShapeColumn};
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{
    DeclarationKind, ExprKind, FieldRef, Join, Rows, RowsKey, SelectItem, SourceRef, Top,
};
use crate::limits::TOP_ROWS_MAX;
use crate::text_range::TextRange;

/// What a row shows of a trace where nothing is selected.
const SHOWN_OF_TRACES: [&str; 5] = ["start", "duration", "span_count", "error_count", "services"];

impl Checker<'_> {
    pub(super) fn rows(&mut self, site: &Site<'_>, clauses: &[Clause]) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let (from, input) = self.input(site, clauses, "say what it reads: `= http`")?;
        self.must_be_rows(&input, from);
        let input = rows_of_traces(input);
        let mut rows = Rows {
            input: input.source.clone(),
            filter: None,
            join: None,
            top: None,
            items: Vec::new(),
            keys: Vec::new(),
            to: Vec::new(),
        };
        let mut scope = Scope::new(site.module, Some(Rc::clone(&input)));
        scope.row_windows = true;
        for clause in clauses {
            if let ClauseKind::Join { with, before, alias, on } = &clause.kind {
                let (join, shape) =
                    self.join(site, &input, (with, before.as_ref()), alias.as_ref(), on)?;
                scope.joined = Some((join.alias.clone(), shape));
                rows.join = Some(join);
            }
        }
        for clause in clauses {
            match &clause.kind {
                ClauseKind::Where(condition) => {
                    rows.filter = Some(self.condition(condition, &mut scope));
                }
                ClauseKind::Top { rows: count, by, order } => {
                    let order = order.as_ref();
                    rows.top = self.top(site, count, by.as_ref(), order, clause, &mut scope);
                }
                ClauseKind::Select(items) => {
                    // A value may keep its column's name; a new one may not take another's.
                    rows.items = self.items(items, &mut scope);
                }
                ClauseKind::To(sinks) => rows.to = self.sinks(sinks, site.module),
                _ => {}
            }
        }
        if rows.items.is_empty() {
            rows.items = self.shown(&input, &mut scope, from.range);
        }
        if rows.join.is_some() && rows.items.is_empty() {
            self.missing(site, "select", "say which columns of both sides the rows hold");
        }
        let (keys, columns) = output(&input, &scope, &rows);
        rows.keys = keys;
        let mut shape = Shape::rows(&site.name, SourceRef::Declaration(site.id), columns);
        shape.rows_of = match input.rows_of {
            RowsOf::Sessions => RowsOf::SessionRows,
            other => other,
        };
        let shape = Rc::new(shape);
        self.shapes.insert(site.name.clone(), shape.partial(site.tree.is_partial));
        Some(DeclarationKind::Rows(rows))
    }

    /// What a row shows of a trace where nothing is selected.
    fn shown(&mut self, input: &Shape, scope: &mut Scope, range: TextRange) -> Vec<SelectItem> {
        let names: Vec<&str> = if input.is_traces() {
            SHOWN_OF_TRACES.to_vec()
        } else if input.is_trace_part() {
            input.columns.iter().filter(|c| !c.is_key).map(|c| c.name.as_str()).collect()
        } else {
            Vec::new()
        };
        let path = |name: &&str| ast::Binding {
            name: Some(ast::Name { text: (*name).to_owned(), range }),
            value: ast::Expr { range, kind: ast::ExprKind::Path((*name).to_owned()) },
            range,
        };
        let bindings: Vec<ast::Binding> = names.iter().map(path).collect();
        self.items(&bindings, scope)
    }

    fn must_be_rows(&mut self, shape: &Shape, name: &ast::Name) {
        let is_known = shape.is_rows || shape.is_traces() || shape.is_trace_part();
        if !is_known && !shape.is_broken {
            let message = format!("`rows` reads rows, `{}` holds items", name.text);
            self.wrong_shape(name.range, &message, "make rows of them with `aggregate` first");
        }
    }

    fn join(
        &mut self,
        site: &Site<'_>,
        input: &Shape,
        with: (&ast::Name, Option<&ast::Expr>),
        alias: Option<&ast::Name>,
        on: &[ast::Name],
    ) -> Option<(Join, Rc<Shape>)> {
        let (with, before) = with;
        let other = self.source(with, site.module);
        self.must_be_rows(&other, with);
        if other.is_traces() || other.is_trace_part() || input.is_traces() || input.is_trace_part()
        {
            let message = "a join is of rows whose windows end together, traces have none";
            let help = "count them in windows with `aggregate` first";
            self.wrong_shape(with.range, message, help);
            return None;
        }
        let Some(alias) = alias else {
            let message = "the joined row has no name";
            self.report(
                Diagnostic::new(codes::MISSING_CLAUSE, with.range, message)
                    .help("give it one, under which its columns are read: `join http as was …`"),
            );
            return None;
        };
        self.shadowing(&alias.text, alias.range, input, site.module);
        let before_ns = match before {
            Some(before) => self.duration(before, site.module, "`before`", 1)?,
            None => 0,
        };
        for name in on {
            for shape in [input, &other] {
                if shape.column(&name.text).is_none() && !shape.is_broken {
                    self.unknown_column(name, shape);
                    break;
                }
            }
        }
        if on.is_empty() && !input.keys().is_empty() && !site.tree.is_partial {
            let keys = input.keys().join(", ");
            let message = "the join does not say which columns are equal";
            self.report(
                Diagnostic::new(codes::MISSING_CLAUSE, with.range, message)
                    .help(format!("add `on {keys}`"))
                    .guess(alias.range.at_end(), format!(" on {keys}")),
            );
        }
        let on = on.iter().map(|name| name.text.clone()).collect();
        let join = Join { with: other.source.clone(), before_ns, alias: alias.text.clone(), on };
        Some((join, other))
    }

    pub(super) fn unknown_column(&mut self, name: &ast::Name, shape: &Shape) {
        let message = format!("`{}` has no column `{}`", shape.name, name.text);
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_NAME, name.range, message);
        diagnostic = match nearest(&name.text, shape.names()) {
            Some(near) => diagnostic.did_you_mean(name.range, near),
            None => diagnostic.note(format!("columns: {}", listed(shape.names(), 10))),
        };
        self.report(diagnostic);
    }

    fn top(
        &mut self,
        site: &Site<'_>,
        count: &ast::Expr,
        by: Option<&ast::Expr>,
        order: Option<&ast::Name>,
        clause: &Clause,
        scope: &mut Scope,
    ) -> Option<Top> {
        let rows = self.count(count, site.module, "`top`", TOP_ROWS_MAX);
        let Some(by) = by else {
            let message = "`top` does not say by what";
            self.report(
                Diagnostic::new(codes::MISSING_CLAUSE, clause.range, message)
                    .help("add the order: `top 5 by p99`"),
            );
            return None;
        };
        let by = self.whole(by, scope);
        let ascending = order.is_some_and(|order| order.text == "asc");
        Some(Top { rows: rows?, by, ascending })
    }
}

/// Traces as rows: one a trace, by its id; of what is told of each, one by its place, too.
fn rows_of_traces(input: Rc<Shape>) -> Rc<Shape> {
    let key: &[&str] = match &*input {
        traces if traces.is_traces() => &["trace.id"],
        part if part.is_trace_part() => &["trace.id", "place"],
        _ => return input,
    };
    let mut shape = (*input).clone();
    for column in shape.columns.iter_mut().filter(|column| key.contains(&column.name.as_str())) {
        column.is_key = true;
    }
    Rc::new(shape)
}

/// What tells the rows apart, and all columns of them: the key, then what is selected beside it,
/// else the input's other columns.
fn output(input: &Shape, scope: &Scope, rows: &Rows) -> (Vec<RowsKey>, Vec<ShapeColumn>) {
    let named = |name: &str, column: &ShapeColumn| ShapeColumn {
        name: name.to_owned(),
        field: FieldRef::Column(name.to_owned()),
        ..column.clone()
    };
    let keys = keys(input, scope, rows);
    let joined = scope.joined.as_ref().map(|(_, shape)| shape);
    let of_key = keys.iter().filter_map(|key| match &key.field {
        FieldRef::Joined(name) => Some(named(&key.name, joined?.column(name.as_str())?)),
        FieldRef::Column(name) => Some(named(&key.name, input.column(name.as_str())?)),
        _ => None,
    });
    let others: &[ShapeColumn] = if rows.items.is_empty() { &input.columns } else { &scope.bound };
    let is_other = |column: &&ShapeColumn| {
        !column.name.starts_with("window.") && keys.iter().all(|key| key.name != column.name)
    };
    let others = others.iter().filter(is_other).map(|column| named(&column.name, column));
    let columns = of_key.chain(others).collect();
    (keys, columns)
}

/// The key of the rows: that of the input, and of the joined rows' key what is not equal anyway, as
/// one row may meet several of them. A key column that is selected has the name it is given there.
fn keys(input: &Shape, scope: &Scope, rows: &Rows) -> Vec<RowsKey> {
    let mut keys: Vec<RowsKey> = Vec::new();
    for column in input.columns.iter().filter(|column| column.is_key) {
        // Selected under another name it is shown twice.
        let is_own = |item: &SelectItem| item.name == column.name && is_field(item, &column.field);
        let mut name = column.name.clone();
        if !rows.items.iter().any(is_own) {
            name = free_name(&name, &input.name, rows, &keys);
        }
        keys.push(RowsKey { name, field: FieldRef::Column(column.name.clone()) });
    }
    let (Some((alias, other)), Some(join)) = (&scope.joined, &rows.join) else { return keys };
    for name in other.keys().into_iter().filter(|name| !join.on.contains(name)) {
        let field = FieldRef::Joined(name.clone());
        let own = rows.items.iter().find(|item| is_field(item, &field));
        let name = own.map_or_else(
            || free_name(&format!("{alias}.{name}"), alias, rows, &keys),
            |item| item.name.clone(),
        );
        keys.push(RowsKey { name, field });
    }
    keys
}

/// Whether an item is a column and nothing else.
fn is_field(item: &SelectItem, field: &FieldRef) -> bool {
    matches!(&item.value.kind, ExprKind::Field(own) if own == field)
}

/// The name of a key column, behind that of its rows as often as another column has it.
fn free_name(name: &str, of: &str, rows: &Rows, keys: &[RowsKey]) -> String {
    let mut name = name.to_owned();
    let is_taken = |name: &str| {
        rows.items.iter().any(|item| item.name == name) || keys.iter().any(|key| key.name == name)
    };
    while is_taken(&name) {
        name = format!("{of}.{name}");
    }
    name
}
