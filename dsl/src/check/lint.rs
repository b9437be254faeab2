//! Lints: rules that run and are probably not what was meant. Imported packs are not linted.

use super::expr::constant_of;
use super::shape::Shape;
use super::{Checker, Entity, Site};
use crate::ast::{BinaryWord, Clause, DeclarationKind};
use crate::catalog::TotalsDef;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{AggregateCall, BinaryOp, Expr, ExprKind, FieldRef, Literal, Stream};
use crate::text_range::TextRange;
use crate::types::Type;

/// From this percentile on a handful of items says nothing: `p95` of fewer than 20 is the maximum.
const TAIL_PERCENTILES: [&str; 5] = ["p95", "p99", "p999", "p9999", "percentile"];

impl Checker<'_> {
    pub(super) fn lint_lateness(
        &mut self,
        site: &Site<'_>,
        stream: &Stream,
        input: &Shape,
        clauses: &[Clause],
    ) {
        let unstated = stream.lateness_ns.is_none() && !input.has_lateness;
        let is_tried = clauses.iter().any(|clause| clause.kind.word() == "lateness");
        if !unstated || is_tried || site.module != 0 || site.tree.is_partial {
            return;
        }
        let range = site.tree.name.as_ref().map_or(site.tree.range, |name| name.range);
        let message = format!("`{}` does not state its lateness", site.name);
        self.report(
            Diagnostic::new(codes::LATENESS_UNSTATED, range, message)
                .note("items that come more than 10 s behind the newest one will be late")
                .help("state it, so that readers of the rule see it")
                .fix(site.tree.range.at_end(), "\n  lateness 10s"),
        );
    }

    pub(super) fn lint_samples(
        &mut self,
        site: &Site<'_>,
        calls: &[AggregateCall],
        has_having: bool,
    ) {
        let tail = calls.iter().find(|call| TAIL_PERCENTILES.contains(&call.function.as_str()));
        let Some(call) = tail.filter(|_| !has_having && site.module == 0) else { return };
        if site.tree.is_partial {
            return;
        }
        let message = format!("`{}` may be taken over very few items", call.function);
        let end = site.tree.range.at_end();
        self.report(
            Diagnostic::new(codes::FEW_SAMPLES, call.range, message)
                .note("a high percentile of fewer than 20 items is their maximum")
                .help("let only groups with enough items through")
                .guess(end, "\n  having count() >= 20"),
        );
    }

    /// A rank between 0 and 1, where percents are meant to be counted from 0 to 100.
    pub(super) fn lint_ranks(&mut self, calls: &[AggregateCall]) {
        for call in calls.iter().filter(|call| call.function == "percentile") {
            let Some(Some(rank)) = call.args.get(1) else { continue };
            let ExprKind::Constant { value: Literal::Float(value), .. } = &rank.kind else {
                continue;
            };
            if *value <= 0.0 || *value >= 1.0 {
                continue;
            }
            let percent = format!("{:.6}", value * 100.0);
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            let message = format!("the {value}th percentile is nearly the minimum");
            self.report(
                Diagnostic::new(codes::RANK, rank.range, message)
                    .note("percentiles are counted from 0 to 100")
                    .help(format!("write `{percent}` for the value that {percent} % are below"))
                    .guess(rank.range, percent),
            );
        }
    }

    /// A sum over values each of which may be a total since some start already.
    pub(super) fn lint_totals(
        &mut self,
        calls: &[AggregateCall],
        filter: Option<&Expr>,
        input: &Shape,
    ) {
        let Some(totals) = input.totals.clone() else { return };
        if rules_out(filter, &totals) {
            return;
        }
        let field = FieldRef::Builtin(totals.field.clone());
        for call in calls {
            let adds = totals.functions.contains(&call.function);
            let of_field = call.args.iter().flatten().find(|arg| reads(arg, &field));
            let Some(arg) = of_field.filter(|_| adds && !rules_out(call.filter.as_ref(), &totals))
            else {
                continue;
            };
            let unless =
                totals.unless.iter().map(|(path, member)| format!("`where {path} == {member}`"));
            let unless = unless.collect::<Vec<_>>().join(" or ");
            let message = format!("`{}` may hold totals, which do not add up", totals.field);
            self.report(
                Diagnostic::new(codes::TOTALS, arg.range, message)
                    .note("a cumulative point repeats all that came before it")
                    .help(format!("take `{}`, or say {unless}", totals.instead)),
            );
        }
    }

    pub(super) fn lint_key(&mut self, key: &Expr, input: &Shape) {
        let (name, is_id) = match &key.kind {
            ExprKind::Field(FieldRef::Builtin(path)) => {
                let column =
                    input.columns.iter().find(|c| c.field == FieldRef::Builtin(path.clone()));
                (path.as_str(), column.is_some_and(|column| column.identifies))
            }
            ExprKind::Field(FieldRef::Attribute { key, .. }) => (key.as_str(), is_id_like(key)),
            _ => return,
        };
        if !is_id && !matches!(key.ty, Type::Time | Type::Duration) {
            return;
        }
        self.report(
            Diagnostic::new(
                codes::ID_KEY,
                key.range,
                format!("`{name}` hardly repeats: nearly every item makes a group of its own"),
            )
            .note("groups beyond the limit go to `other`")
            .help("group by a name rather than an id; count ids with `distinct(…)`"),
        );
    }

    pub(super) fn lint_no_data(&mut self, site: &Site<'_>) {
        if site.module != 0 || site.tree.is_partial {
            return;
        }
        let range = site.tree.name.as_ref().map_or(site.tree.range, |name| name.range);
        let message = format!("`{}` does not say what happens without data", site.name);
        self.report(
            Diagnostic::new(codes::NO_DATA_UNSTATED, range, message)
                .note("a firing alert whose rows stop stays firing: `keep` is the default")
                .help("state it: `resolve`, `fire` or `keep`")
                .fix(site.tree.range.at_end(), "\n  on no data keep"),
        );
    }

    /// A whole condition that is constant.
    pub(super) fn lint_always(&mut self, value: &Expr) {
        let always = match constant_of(value) {
            Some(Literal::Bool(always)) => *always,
            Some(Literal::Null) => false,
            _ => match &value.kind {
                ExprKind::Binary(op, left, right) => {
                    let (Some(a), Some(b)) = (constant_of(left), constant_of(right)) else {
                        return;
                    };
                    let Some(order) = compare(a, b) else { return };
                    match op {
                        BinaryOp::Equal => order.is_eq(),
                        BinaryOp::NotEqual => order.is_ne(),
                        BinaryOp::Less => order.is_lt(),
                        BinaryOp::LessEqual => order.is_le(),
                        BinaryOp::Greater => order.is_gt(),
                        BinaryOp::GreaterEqual => order.is_ge(),
                        _ => return,
                    }
                }
                _ => return,
            },
        };
        let message = format!("the condition is always {always}");
        self.report(Diagnostic::new(codes::ALWAYS, value.range, message));
    }

    /// `x == 1 and x == 2`, `x > 5 and x < 3`: never true together.
    pub(super) fn lint_contradiction(
        &mut self,
        word: BinaryWord,
        left: &Expr,
        right: &Expr,
        range: TextRange,
    ) {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual};

        if word != BinaryWord::And {
            return;
        }
        let (Some(a), Some(b)) = (bound(left), bound(right)) else { return };
        let Some(order) = compare(a.1, b.1).filter(|_| a.0 == b.0) else { return };
        let never = match (a.2, b.2) {
            (Equal, Equal) => order.is_ne(),
            (Greater | GreaterEqual, Less | LessEqual) => {
                order.is_gt() || (order.is_eq() && (a.2 == Greater || b.2 == Less))
            }
            (Less | LessEqual, Greater | GreaterEqual) => {
                order.is_lt() || (order.is_eq() && (a.2 == Less || b.2 == Greater))
            }
            (Equal, Greater) | (Less, Equal) => order.is_le(),
            (Equal, GreaterEqual) | (LessEqual, Equal) => order.is_lt(),
            (Equal, Less) | (Greater, Equal) => order.is_ge(),
            (Equal, LessEqual) | (GreaterEqual, Equal) => order.is_gt(),
            _ => false,
        };
        if never {
            self.report(
                Diagnostic::new(codes::ALWAYS, range, "the condition is always false")
                    .because(left.range, "where this holds")
                    .because(right.range, "this does not"),
            );
        }
    }

    pub(super) fn lint_unused(&mut self) {
        let unused: Vec<_> = self
            .names
            .iter()
            .filter(|(full, _)| !self.used.contains(*full))
            .filter_map(|(full, entity)| {
                let (index, what) = match entity {
                    Entity::Source(index) => (*index, "stream"),
                    Entity::Const(index) => (*index, "constant"),
                    Entity::Function(index) => (*index, "function"),
                    Entity::Table(index) => (*index, "table"),
                    Entity::Late(_)
                    | Entity::Duplicates(_)
                    | Entity::Timeout(_)
                    | Entity::Outcome(..)
                    | Entity::TracePart(..)
                    | Entity::Param(_)
                    | Entity::Import(_) => return None,
                };
                let item = &self.items[index];
                let is_source = matches!(entity, Entity::Source(_));
                let counts = item.module == 0
                    && !item.tree.is_partial
                    && (!is_source || matches!(item.tree.kind, DeclarationKind::Stream(_)));
                let range = item.tree.name.as_ref()?.range;
                counts.then(|| (full.clone(), range, what))
            })
            .collect();
        for (name, range, what) in unused {
            let message = format!("nothing reads the {what} `{name}`");
            self.report(
                Diagnostic::new(codes::UNUSED, range, message)
                    .help("remove it, or read it in another rule"),
            );
        }
    }
}

/// Whether a filter lets only items through whose values are no totals.
pub(super) fn rules_out(filter: Option<&Expr>, totals: &TotalsDef) -> bool {
    filter.is_some_and(|filter| match &filter.kind {
        ExprKind::Binary(BinaryOp::And, left, right) => {
            rules_out(Some(left), totals) || rules_out(Some(right), totals)
        }
        ExprKind::Binary(BinaryOp::Or, left, right) => {
            rules_out(Some(left), totals) && rules_out(Some(right), totals)
        }
        _ => match bound(filter) {
            Some((FieldRef::Builtin(path), Literal::Enum(member), BinaryOp::Equal)) => {
                totals.unless.iter().any(|(of, value)| of == path && value == member)
            }
            _ => false,
        },
    })
}

/// Whether a value is made of a field, by arithmetic or a choice.
fn reads(expr: &Expr, field: &FieldRef) -> bool {
    match &expr.kind {
        ExprKind::Field(of) => of == field,
        ExprKind::Binary(_, left, right) => reads(left, field) || reads(right, field),
        ExprKind::Function { args, .. } => args.iter().flatten().any(|arg| reads(arg, field)),
        ExprKind::Coalesce(items) => items.iter().any(|item| reads(item, field)),
        ExprKind::Unary(_, of) => reads(of, field),
        ExprKind::If(_, yes, no) => reads(yes, field) || reads(no, field),
        _ => false,
    }
}

fn is_id_like(key: &str) -> bool {
    let last = key.rsplit(['.', '_']).next().unwrap_or(key);
    matches!(last, "id" | "uuid" | "guid" | "ip" | "port" | "token" | "timestamp" | "email")
}

/// A comparison of a field with a constant: field, constant, operator.
fn bound(expr: &Expr) -> Option<(&FieldRef, &Literal, BinaryOp)> {
    let ExprKind::Binary(op, left, right) = &expr.kind else { return None };
    let ExprKind::Field(field) = &left.kind else { return None };
    Some((field, constant_of(right)?, *op))
}

/// Order of two constants of one kind.
fn compare(a: &Literal, b: &Literal) -> Option<std::cmp::Ordering> {
    use Literal::{Bool, Duration, Enum, Float, Int, Rate, Ratio, Size, String, Time};
    match (a, b) {
        (Int(a), Int(b)) | (Duration(a), Duration(b)) | (Size(a), Size(b)) | (Time(a), Time(b)) => {
            Some(a.cmp(b))
        }
        (Float(a), Float(b)) | (Ratio(a), Ratio(b)) | (Rate(a), Rate(b)) => a.partial_cmp(b),
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (String(a), String(b)) | (Enum(a), Enum(b)) => {
            (a == b).then_some(std::cmp::Ordering::Equal).or_else(|| Some(a.cmp(b)))
        }
        _ => None,
    }
}
