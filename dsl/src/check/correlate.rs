//! `correlate`: its two sides, what must be equal, how far apart, and what its outcomes hold.

use std::rc::Rc;

use super::expr::{Named, constant_of};
use super::key::{as_key, key_type};
use super::scope::Scope;
use super::shape::{RowsOf, Shape, ShapeColumn, made};
use super::step::{StepLabel, Steps};
use super::{Checker, Entity, Site};
use crate::ast::{self, BinaryWord, Clause, ClauseKind, Declaration, ExprKind, Step};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{
    Correlate, DeclarationKind, Expr, ExprKind as ExprKindOf, FieldRef, Literal, Outcome,
    PatternSymbol, Pick, SourceRef,
};
use crate::limits::{COLUMNS_MAX, CORRELATE_PICKS_MAX};
use crate::text_range::TextRange;

/// A pair of values that must be equal: the left one, the right one, and the whole text.
type Equal<'e> = (&'e ast::Expr, &'e ast::Expr, TextRange);

impl Checker<'_> {
    pub(super) fn correlate(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
        sides: Option<&[Step]>,
    ) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let [left, right] = self.both_sides(site, sides)?;
        let labels = self.labels(site, [left, right]);
        let (keys, columns) = self.on(site, clauses, &labels);
        let within_ns = self.bounds(site, clauses);
        let pick = self.pick(site, clauses);
        let [left_key, right_key] = keys;
        let symbols = [
            self.side(site, left, &labels[0], left_key),
            self.side(site, right, &labels[1], right_key),
        ];
        let mut scope = Scope::new(site.module, None);
        let by: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let keys = columns.len();
        scope.bound = columns;
        scope.steps = Some(Rc::new(Steps { labels, is_pair: true, ..Steps::default() }));
        let items = self.selected(clauses, &mut scope);
        let to = self.sinks_of(clauses, site.module);
        for outcome in Outcome::ALL {
            let mut columns = scope.bound.clone();
            for (column, item) in columns[keys..].iter_mut().zip(&items) {
                let is_absent = |side| reads_side(&item.value, side);
                column.optional |= outcome.absent().is_some_and(is_absent);
            }
            let shape = outcome_shape(site, outcome, columns);
            let name = format!("{}.{}", site.name, outcome.word());
            self.shapes.insert(name, Rc::new(shape).partial(site.tree.is_partial));
        }
        let (within_ns, pick) = (within_ns?, pick?);
        let sides = symbols;
        Some(DeclarationKind::Correlate(Box::new(Correlate {
            sides,
            by,
            within_ns,
            pick,
            items,
            to,
        })))
    }

    fn both_sides<'s>(
        &mut self,
        site: &Site<'_>,
        sides: Option<&'s [Step]>,
    ) -> Option<[&'s Step; 2]> {
        let help = "say what belongs together: `{ e: spans  j: spans }`";
        match sides {
            None => {
                self.missing(site, "sides", help);
                None
            }
            Some([left, right]) => Some([left, right]),
            Some(sides) => {
                let range = sides.get(2).or(sides.first()).map_or(site.tree.range, |s| s.range);
                let message = format!("a correlation has two sides, this one has {}", sides.len());
                self.report(Diagnostic::new(codes::SIDES, range, message).help(
                    "relate two of them first, and the pairs with the third in another `correlate`",
                ));
                None
            }
        }
    }

    fn labels(&mut self, site: &Site<'_>, sides: [&Step; 2]) -> Vec<StepLabel> {
        let mut labels: Vec<StepLabel> = Vec::new();
        for (symbol, side) in sides.into_iter().enumerate() {
            let shape = self.source(&side.source, site.module).partial(site.tree.is_partial);
            self.side_appends(&shape, side);
            let Some(name) = &side.name else { continue };
            if let Some(first) = labels.first().filter(|first| first.name == name.text) {
                let first = first.range;
                self.given_twice(name, first);
            }
            self.hides_field(name, &shape);
            labels.push(StepLabel {
                name: name.text.clone(),
                symbol,
                shape,
                repeats: false,
                optional: false,
                range: name.range,
            });
        }
        labels
    }

    /// Items are paired once and for all.
    fn side_appends(&mut self, shape: &Shape, side: &Step) {
        let Some(amends) = shape.amends else { return };
        let message = "late items cannot amend a correlation: one item more may undo pairs";
        self.report(
            Diagnostic::new(codes::UNFIT_CLAUSE, side.source.range, message)
                .because(amends, "late items are to amend here")
                .help("keep late items apart with `late side NAME`"),
        );
    }

    fn side(
        &mut self,
        site: &Site<'_>,
        side: &Step,
        label: &StepLabel,
        key: Vec<Expr>,
    ) -> PatternSymbol {
        let mut scope = own_scope(site.module, label);
        let filter = side.filter.as_ref().map(|filter| self.condition(filter, &mut scope));
        let input = label.shape.source.clone();
        PatternSymbol { name: label.name.clone(), input, filter, key }
    }

    /// The key values of both sides, and the key as columns.
    fn on(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
        labels: &[StepLabel],
    ) -> ([Vec<Expr>; 2], Vec<ShapeColumn>) {
        let (mut keys, mut columns) = ([Vec::new(), Vec::new()], Vec::new());
        let on = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::On(on) => Some(on),
            _ => None,
        });
        let Some(on) = on else {
            let help = "say which values of both sides are equal: `on e.parent.id == j.span.id`";
            self.missing(site, "on", help);
            return (keys, columns);
        };
        let mut equals = Vec::new();
        on.iter().for_each(|expr| split_and(expr, &mut equals));
        if let Some(first) = equals.get(COLUMNS_MAX) {
            let message =
                format!("`on` has {} equalities, {COLUMNS_MAX} are allowed", equals.len());
            self.report(
                Diagnostic::new(codes::TOO_LARGE, first.range, message)
                    .label(format!("equality {}", COLUMNS_MAX + 1))
                    .help("few values say what belongs together: name only those"),
            );
            equals.truncate(COLUMNS_MAX);
        }
        for expr in equals {
            let Some((left, right, range)) = self.equal(expr, labels) else { continue };
            let mut left_value = self.whole(left, &mut own_scope(site.module, &labels[0]));
            let mut right_value = self.whole(right, &mut own_scope(site.module, &labels[1]));
            let joined = key_type(&left_value.ty, &right_value.ty);
            if joined.is_none() {
                let message = "values of different types are never equal";
                self.report(
                    Diagnostic::new(codes::MISMATCH, range, message)
                        .because(left_value.range, Named(&left_value.ty).to_string())
                        .because(right_value.range, Named(&right_value.ty).to_string())
                        .help("convert one of them"),
                );
            }
            let name = self.key_name([(left, &labels[0]), (right, &labels[1])], &columns);
            let ty = joined.unwrap_or_else(|| left_value.ty.clone());
            [&mut left_value, &mut right_value].into_iter().for_each(|value| as_key(value, &ty));
            let optional = left_value.optional || right_value.optional;
            let mut column = made(&name, &ty, optional, range).keyed();
            column.field = FieldRef::Item(name);
            columns.push(column);
            keys[0].push(left_value);
            keys[1].push(right_value);
        }
        (keys, columns)
    }

    /// The two values of one equality: of the left side and of the right side.
    fn equal<'e>(&mut self, expr: &'e ast::Expr, labels: &[StepLabel]) -> Option<Equal<'e>> {
        if matches!(expr.kind, ExprKind::Broken) {
            return None; // it has been reported
        }
        let named = |expr: &ast::Expr| [names(expr, &labels[0].name), names(expr, &labels[1].name)];
        if let ExprKind::Binary(BinaryWord::Equal, _, a, b) = &expr.kind {
            match (named(a), named(b)) {
                ([true, false], [false, true]) => return Some((a, b, expr.range)),
                ([false, true], [true, false]) => return Some((b, a, expr.range)),
                _ => {}
            }
        } else if named(expr) == [false, false] && !matches!(expr.kind, ExprKind::Binary(..)) {
            return Some((expr, expr, expr.range)); // the same value of both sides
        }
        let (left, right) = (&labels[0].name, &labels[1].name);
        let message = format!("`on` compares a value of `{left}` with one of `{right}` by `==`");
        self.report(
            Diagnostic::new(codes::SIDES, expr.range, message)
                .because(labels[0].range, "one side")
                .because(labels[1].range, "the other")
                .help(format!(
                    "write `{left}.… == {right}.…`; what only one side must fulfil stands in its \
                     `where`"
                )),
        );
        None
    }

    /// What a key column is named after: the field of the left side, else that of the right one.
    fn key_name(&mut self, sides: [(&ast::Expr, &StepLabel); 2], known: &[ShapeColumn]) -> String {
        let mut found = None;
        for (expr, label) in sides {
            let name = match &expr.kind {
                ExprKind::Path(path) => {
                    let rest = path.strip_prefix(&label.name).and_then(|p| p.strip_prefix('.'));
                    Some(rest.unwrap_or(path).to_owned())
                }
                ExprKind::Index(_, index) => match &index.kind {
                    ExprKind::String(text) => Some(self.unescape(text)),
                    _ => None,
                },
                _ => None,
            };
            found = found.or(name);
        }
        let name = found.unwrap_or_else(|| "key".to_owned());
        let is_known = |name: &str| known.iter().any(|column| column.name == name);
        if !is_known(&name) {
            return name;
        }
        let mut others = (2..).map(|number| format!("{name}_{number}"));
        others.find(|name| !is_known(name)).unwrap_or(name)
    }

    /// `within [a, b]`.
    fn bounds(&mut self, site: &Site<'_>, clauses: &[Clause]) -> Option<(i64, i64)> {
        let found = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Within(bounds) => Some(bounds),
            _ => None,
        });
        let Some(bounds) = found else {
            let help = "say how much earlier and later the right item may be: `within [-5m, 5m]`";
            self.missing(site, "within", help);
            return None;
        };
        let ExprKind::List(list) = &bounds.kind else {
            let message = "`within` of a correlation has two ends";
            let range = bounds.range;
            let mut diagnostic = Diagnostic::new(codes::CLAUSE_VALUE, range, message)
                .note("they bound the time of the right item minus that of the left one")
                .help("write both: `within [-5m, 5m]`");
            if let ExprKind::Number(number) = &bounds.kind {
                let text = format!("[-{0}, {0}]", number.text);
                diagnostic = diagnostic.guess(range, text);
            }
            self.report(diagnostic);
            return None;
        };
        let [least, most] = list.as_slice() else {
            let message = format!("`within` has two ends, here are {}", list.len());
            self.report(
                Diagnostic::new(codes::CLAUSE_VALUE, bounds.range, message)
                    .help("write `within [-5m, 5m]`"),
            );
            return None;
        };
        let least_ns = self.signed_duration(least, site.module)?;
        let most_ns = self.signed_duration(most, site.module)?;
        if least_ns > most_ns {
            let message = "the first end of `within` lies behind the second";
            self.report(
                Diagnostic::new(codes::CLAUSE_VALUE, bounds.range, message)
                    .note("they bound the time of the right item minus that of the left one")
                    .help("swap them"),
            );
            return None;
        }
        Some((least_ns, most_ns))
    }

    /// A constant duration of either sign, ns.
    fn signed_duration(&mut self, expr: &ast::Expr, module: usize) -> Option<i64> {
        let value = self.constant_expr(expr, module);
        if constant_of(&value) == Some(&Literal::Int(0)) {
            return Some(0);
        }
        self.duration(expr, module, "an end of `within`", i64::MIN)
    }

    fn pick(&mut self, site: &Site<'_>, clauses: &[Clause]) -> Option<Pick> {
        let found = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Pick { word, limit } => Some((word, limit.as_ref(), clause.range)),
            _ => None,
        });
        let Some((word, limit, range)) = found else {
            let help = "say which of several right items a left one takes: `pick first`";
            self.missing(site, "pick", help);
            return None;
        };
        let kind = self.word(word, "pick", &[("first", 0), ("last", 1), ("all", 2)])?;
        match (kind, limit) {
            (2, Some(limit)) => {
                let limit =
                    self.count(limit, site.module, "the limit of `pick all`", CORRELATE_PICKS_MAX)?;
                Some(Pick::All { limit })
            }
            (2, None) => {
                let message = "`pick all` says no limit";
                self.report(
                    Diagnostic::new(codes::MISSING_CLAUSE, range, message)
                        .note("one left item may meet very many right ones")
                        .help("say how many of them are wanted: `pick all limit 10`")
                        .guess(word.range.at_end(), " limit 10"),
                );
                None
            }
            (_, Some(limit)) => {
                let message = format!("`pick {}` takes no `limit`: it takes one", word.text);
                self.report(
                    Diagnostic::new(codes::UNFIT_CLAUSE, limit.range, message)
                        .help("leave it out, or take several: `pick all limit 10`"),
                );
                None
            }
            (0, None) => Some(Pick::First),
            (_, None) => Some(Pick::Last),
        }
    }

    /// Outcomes are sources of names of their own.
    pub(super) fn bind_outcomes(&mut self, module: usize, tree: &Declaration, index: usize) {
        let is_broken = matches!(tree.kind, ast::DeclarationKind::Broken);
        if tree.keyword.text != "correlate" || !(is_broken || self.is_correlation(index)) {
            return;
        }
        let Some(name) = &tree.name else { return };
        for outcome in Outcome::ALL {
            let text = format!("{}.{}", name.text, outcome.word());
            let full = self.full(&text, module);
            // A name given twice is reported once, for the whole.
            self.names.entry(full).or_insert(Entity::Outcome(index, outcome));
        }
    }

    pub(super) fn is_correlation(&self, index: usize) -> bool {
        matches!(self.items[index].tree.kind, ast::DeclarationKind::Correlate { .. })
    }

    /// Reports a correlation that is read without saying which outcome.
    pub(super) fn which_outcome(&mut self, name: &ast::Name) {
        let message = format!("`{}` has several outcomes", name.text);
        let words = Outcome::ALL.map(|outcome| format!("`{}.{}`", name.text, outcome.word()));
        self.report(
            Diagnostic::new(codes::OUTCOME, name.range, message)
                .note(format!("they are {}", words.join(", ")))
                .help(format!("read one of them: {}", words[0]))
                .guess(name.range.at_end(), ".matched"),
        );
    }

    /// One outcome of a correlation, as rules read it.
    pub(super) fn outcome_shape_of(&self, index: usize, outcome: Outcome) -> Rc<Shape> {
        let item = &self.items[index];
        let local = item.tree.name.as_ref().map_or("", |name| name.text.as_str());
        let full = format!("{}.{}", self.full(local, item.module), outcome.word());
        let known = self.shapes.get(&full).cloned();
        known.unwrap_or_else(|| Rc::new(Shape::broken(&full)))
    }
}

fn own_scope(module: usize, label: &StepLabel) -> Scope {
    let mut scope = Scope::new(module, Some(Rc::clone(&label.shape)));
    let own = Some(label.name.clone());
    let labels = vec![label.clone()];
    scope.steps = Some(Rc::new(Steps { labels, own, is_pair: true, ..Steps::default() }));
    scope
}

fn outcome_shape(site: &Site<'_>, outcome: Outcome, columns: Vec<ShapeColumn>) -> Shape {
    let columns = columns.into_iter().map(ShapeColumn::of_rows).collect();
    let name = format!("{}.{}", site.name, outcome.word());
    let mut shape = Shape::rows(&name, SourceRef::Outcome(site.id, outcome), columns);
    shape.rows_of = RowsOf::Matches;
    shape
}

/// The equalities of `a == b and c == d`.
fn split_and<'e>(expr: &'e ast::Expr, out: &mut Vec<&'e ast::Expr>) {
    if let ExprKind::Binary(BinaryWord::And, _, a, b) = &expr.kind {
        split_and(a, out);
        split_and(b, out);
    } else {
        out.push(expr);
    }
}

/// Whether an expression names a side.
fn names(expr: &ast::Expr, side: &str) -> bool {
    let of = |x: &ast::Expr| names(x, side);
    match &expr.kind {
        ExprKind::Path(path) => path.split('.').next() == Some(side),
        ExprKind::Call(call) => call.args.iter().any(|arg| of(&arg.value)),
        ExprKind::Index(a, b) | ExprKind::Binary(_, _, a, b) => of(a) || of(b),
        ExprKind::Not(x)
        | ExprKind::Negate(x)
        | ExprKind::Spans(x)
        | ExprKind::NamedSpans(_, x) => of(x),
        ExprKind::If(a, b, c) => of(a) || of(b) || of(c),
        ExprKind::List(items) => items.iter().any(of),
        ExprKind::Map(entries) => entries.iter().any(|(_, value)| of(value)),
        ExprKind::String(_) | ExprKind::Number(_) | ExprKind::Bool(_) | ExprKind::Null => false,
        ExprKind::Broken => false,
    }
}

/// Whether a value is made of the item of a side.
fn reads_side(expr: &Expr, side: usize) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| {
        found |= matches!(&expr.kind, ExprKindOf::Step { symbol, .. } if *symbol == side);
    });
    found
}
