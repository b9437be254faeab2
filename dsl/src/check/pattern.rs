//! `pattern`: its clauses, key, and what its rows hold.

use std::rc::Rc;

use super::clause::by_of;
use super::pattern_steps::Body;
use super::scope::Scope;
use super::shape::{RowsOf, Shape, ShapeColumn, made};
use super::step::Steps;
use super::step_order::hidden_at;
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind, PatternBody};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{DeclarationKind, FieldRef, LaneStep, MatchMode, Pattern, SourceRef};
use crate::limits::PATTERN_MATCHES_MAX;
use crate::types::Type;

/// The column of unfinished matches that names the step which they had come to.
const REACHED: &str = "reached";

impl Checker<'_> {
    pub(super) fn pattern(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
        body: Option<&PatternBody>,
    ) -> Option<DeclarationKind> {
        self.check_clauses(site, clauses);
        let Some(body) = body else {
            self.missing(site, "steps", "say what comes after what: `{ a: spans then b: logs }`");
            return None;
        };
        let find = |wanted: fn(&ClauseKind) -> bool| clauses.iter().find(|c| wanted(&c.kind));
        let by = by_of(clauses);
        if by.is_none() {
            let help = "say what the events of a match have in common: `by service.name`, or \
                        `by all` for one key";
            self.missing(site, "by", help);
        }
        let within = find(|kind| matches!(kind, ClauseKind::Within(_)));
        if within.is_none() {
            self.missing(site, "within", "say how long a match may last: `within 10m`");
        }
        let within_ns = match within.map(|clause| &clause.kind) {
            Some(ClauseKind::Within(time)) => self.duration(time, site.module, "`within`", 1),
            _ => None,
        };
        let mode = self.mode(site, clauses);
        let keys = self.bounded(by.unwrap_or_default()).to_vec();
        let is_all = matches!(keys.as_slice(), [only]
            if only.name.is_none() && only.value.kind == ast::ExprKind::Path("all".to_owned()));
        let keys = if is_all { Vec::new() } else { keys };
        let found = self.body(site, body, &keys, mode)?;
        self.absences(&found, within_ns);
        let mut scope = Scope::new(site.module, None);
        scope.bound = self.key_columns(&keys, &found);
        let by: Vec<String> = scope.bound.iter().map(|column| column.name.clone()).collect();
        let labels = found.labels.clone();
        let hidden = hidden_at(body, None);
        scope.steps = Some(Rc::new(Steps { labels, hidden, ..Steps::default() }));
        self.lint_first_event(&found);
        if let Some(mode) = mode {
            self.lint_never_taken(body, mode, &found);
        }
        let items = self.selected(clauses, &mut scope);
        let timeout = self.timeout(site, clauses, (mode, &scope.bound));
        let to = self.sinks_of(clauses, site.module);
        let shape = matches_shape(site, scope.bound);
        self.shapes.insert(site.name.clone(), Rc::new(shape).partial(site.tree.is_partial));
        Some(DeclarationKind::Pattern(Box::new(Pattern {
            by,
            within_ns: within_ns?,
            mode: mode?,
            symbols: found.symbols,
            lanes: found.lanes,
            lead: found.lead.map(|absence| absence.0),
            trail: found.trail.map(|absence| absence.0),
            without: found.without,
            until: found.until.map(|until| until.0),
            items,
            timeout,
            to,
        })))
    }

    fn mode(&mut self, site: &Site<'_>, clauses: &[Clause]) -> Option<MatchMode> {
        let found = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Match { word, limit, overlap } => {
                Some((word, limit.as_ref(), *overlap, clause.range))
            }
            _ => None,
        });
        let Some((word, limit, overlap, range)) = found else {
            return Some(MatchMode::One { overlap: false });
        };
        let kind = self.word(word, "match", &[("one", 0), ("each", 1), ("all", 2)])?;
        if let (Some(limit), true) = (limit, kind != 2) {
            let message = format!("`match {}` takes no `limit`", word.text);
            let help = "leave it out: of the matches that end with one event it says at most one \
                        for each start";
            self.report(Diagnostic::new(codes::UNFIT_CLAUSE, limit.range, message).help(help));
        }
        if let (Some(overlap), true) = (overlap, kind != 0) {
            let message = format!("matches of `match {}` overlap anyway", word.text);
            let help = "leave `overlap` out";
            self.report(
                Diagnostic::new(codes::UNFIT_CLAUSE, overlap, message).help(help).fix(overlap, ""),
            );
        }
        match (kind, limit) {
            (0, _) => Some(MatchMode::One { overlap: overlap.is_some() }),
            (1, _) => Some(MatchMode::Each),
            (_, Some(limit)) => {
                let what = "the limit of `match all`";
                let limit = self.count(limit, site.module, what, PATTERN_MATCHES_MAX)?;
                Some(MatchMode::All { limit })
            }
            (_, None) => {
                let message = "`match all` says no limit";
                self.report(
                    Diagnostic::new(codes::MISSING_CLAUSE, range, message)
                        .note("the combinations that one event completes may be very many")
                        .help("say how many of them are wanted: `match all limit 100`")
                        .guess(word.range.at_end(), " limit 100"),
                );
                None
            }
        }
    }

    /// A trailing absence ends within the whole time, else no match ever does.
    fn absences(&mut self, found: &Body, within_ns: Option<i64>) {
        let Some((trail, at)) = found.trail else { return };
        if within_ns.is_some_and(|within_ns| trail.for_ns > within_ns) {
            let message = "the absence lasts longer than the whole match may";
            self.report(
                Diagnostic::new(codes::CLAUSE_VALUE, at, message)
                    .label("ends a match this long after its last event")
                    .note("`within` reaches from the first event to the end of the absence")
                    .help("give `within` more time"),
            );
        }
        if let Some((_, until)) = found.until {
            let message = "`until` has no meaning before an absence";
            self.report(
                Diagnostic::new(codes::STEP_PLACE, until, message)
                    .because(at, "the match ends with this")
                    .help("`without` ends a match that must not go on"),
            );
        }
    }

    /// The key as columns of the rows.
    fn key_columns(&mut self, keys: &[ast::Binding], found: &Body) -> Vec<ShapeColumn> {
        let mut columns: Vec<ShapeColumn> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let name = match (&key.name, &key.value.kind) {
                (Some(name), _) => name.clone(),
                (None, ast::ExprKind::Path(path)) => {
                    ast::Name { text: path.clone(), range: key.range }
                }
                (None, ast::ExprKind::Index(_, index)) => match &index.kind {
                    ast::ExprKind::String(text) => {
                        ast::Name { text: self.unescape(text), range: key.range }
                    }
                    _ => ast::Name { text: format!("key{at}"), range: key.range },
                },
                (None, _) => {
                    let message = "a key that is no field has a name: `by host: lower(…)`";
                    self.nameless(key.range, message, "key");
                    continue;
                }
            };
            if let Some(first) = columns.iter().find(|column| column.name == name.text) {
                let first = first.range.unwrap_or(name.range);
                self.given_twice(&name, first);
                continue;
            }
            let (ty, optional) = found.keys.get(at).cloned().unwrap_or((Type::Broken, true));
            let mut column = made(&name.text, &ty, optional, name.range).keyed();
            column.field = FieldRef::Item(name.text);
            columns.push(column);
        }
        columns
    }

    /// `match all` makes combinations of whole matches, and has no unfinished ones.
    fn nothing_times_out(&mut self, side: &ast::Name) {
        let message = "`match all` has no unfinished matches that could run out of time";
        self.report(
            Diagnostic::new(codes::UNFIT_CLAUSE, side.range, message)
                .label("would stay empty")
                .note("it holds events, and combines them anew for each that ends a match")
                .help("use `match one` or `match each`, or leave `on timeout` out"),
        );
    }

    /// The name under which unfinished matches are read.
    fn timeout(
        &mut self,
        site: &Site<'_>,
        clauses: &[Clause],
        (mode, columns): (Option<MatchMode>, &[ShapeColumn]),
    ) -> Option<String> {
        let side = clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::Timeout(side) => Some(side),
            _ => None,
        })?;
        self.reached_is_free(side, columns);
        if let Some(MatchMode::All { .. }) = mode {
            self.nothing_times_out(side);
        }
        Some(self.full(&side.text, site.module))
    }

    /// Unfinished matches have a column of their own: what the pattern selects must not have its
    /// name.
    fn reached_is_free(&mut self, side: &ast::Name, columns: &[ShapeColumn]) {
        let Some(column) = columns.iter().find(|column| column.name == REACHED) else { return };
        let range = column.range.unwrap_or(side.range);
        let message = format!("`{REACHED}` is a column of unfinished matches already");
        self.report(
            Diagnostic::new(codes::DUPLICATE, range, message)
                .because(side.range, "these say in it the step that they had come to")
                .help("give this value another name"),
        );
    }

    /// The unfinished matches of a pattern, as rules read them.
    pub(super) fn timeout_shape_of(&self, index: usize) -> Rc<Shape> {
        let mut shape = (*self.shape_of(index)).clone();
        let SourceRef::Declaration(id) = shape.source else { return Rc::new(shape) };
        shape.source = SourceRef::Timeout(id);
        for column in shape.columns.iter_mut().filter(|column| !column.is_key) {
            column.optional |= !column.name.starts_with("window.");
        }
        let range = self.items[index].tree.keyword.range;
        shape.columns.push(made(REACHED, &Type::String, false, range));
        Rc::new(shape)
    }
}

fn matches_shape(site: &Site<'_>, bound: Vec<ShapeColumn>) -> Shape {
    let columns = bound.into_iter().map(ShapeColumn::of_rows).collect();
    let mut shape = Shape::rows(&site.name, SourceRef::Declaration(site.id), columns);
    shape.rows_of = RowsOf::Matches;
    shape
}

/// Whether a lane can do without a step.
pub(super) fn is_optional(lanes: &[Vec<LaneStep>], symbol: usize) -> bool {
    let has = |lane: &Vec<LaneStep>| lane.iter().any(|step| step.symbol == symbol && step.min > 0);
    !lanes.iter().all(has)
}
