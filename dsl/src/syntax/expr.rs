//! Expressions by precedence climbing.
//!
//! From loose to tight: `or`, `and`, `not`, comparisons and `in`, `matches`, …, then `??`, `+ -`,
//! `* /`, unary minus. `??` binds tighter than a comparison, so that `x ?? 0 > 5` reads as meant.

use std::sync::LazyLock;

use pest::iterators::Pair;
use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::build::{Build, equals_sign};
use super::grammar::Rule;
use crate::ast::{Argument, BinaryWord, Call, Expr, ExprKind, NumberText, StructureWord, WINDOWS};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits::{CHAIN_MAX, TREE_LEVELS_MAX};
use crate::text_range::TextRange;

static PRATT: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::op_or))
        .op(left(Rule::op_and))
        .op(Op::prefix(Rule::op_not))
        .op(left(Rule::op_equal)
            | left(Rule::op_not_equal)
            | left(Rule::op_less)
            | left(Rule::op_less_equal)
            | left(Rule::op_greater)
            | left(Rule::op_greater_equal)
            | left(Rule::op_in)
            | left(Rule::op_not_in)
            | left(Rule::op_matches)
            | left(Rule::op_contains)
            | left(Rule::op_starts_with)
            | left(Rule::op_ends_with)
            | left(Rule::op_structure))
        .op(left(Rule::op_coalesce))
        .op(left(Rule::op_add) | left(Rule::op_subtract))
        .op(left(Rule::op_multiply) | left(Rule::op_divide) | left(Rule::op_modulo))
        .op(Op::prefix(Rule::op_negate))
        .op(Op::postfix(Rule::index))
});

/// What a step of the climb works on: diagnostics go through the builder between steps.
type Step = Option<Expr>;

impl Build {
    /// An expression.
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>) -> Step {
        let range = self.range(&pair);
        let pairs: Vec<_> = pair.into_inner().collect();
        if let Some(first) = pairs.get(CHAIN_MAX) {
            let message = format!("an expression has more than {CHAIN_MAX} parts in a row");
            let at = self.range(first);
            self.diagnostics.push(
                Diagnostic::new(codes::TOO_LARGE, at, message)
                    .label(format!("part {}", CHAIN_MAX + 1))
                    .note("values count, and so does each operator between them")
                    .help("use `in [ … ]`, brackets, or name parts with `const` or `fn`"),
            );
            return Some(Expr { range, kind: ExprKind::Broken });
        }
        let levels = pairs.len();
        if self.levels + levels > TREE_LEVELS_MAX {
            let message = format!("the expression has more than {TREE_LEVELS_MAX} levels");
            self.diagnostics.push(
                Diagnostic::new(codes::NESTING, range, message)
                    .note("each part in a row is one, in all the brackets around this")
                    .help("name parts of the expression with `const` or `fn`"),
            );
            return Some(Expr { range, kind: ExprKind::Broken });
        }
        self.levels += levels;
        let tree = self.climb(pairs);
        self.levels -= levels;
        tree
    }

    fn climb(&mut self, pairs: Vec<Pair<'_, Rule>>) -> Step {
        if pairs.len() == 1 {
            let only = pairs.into_iter().next()?;
            return self.primary(only);
        }
        let build = std::cell::RefCell::new(self);
        PRATT
            .map_primary(|pair| build.borrow_mut().primary(pair))
            .map_prefix(|op, operand: Step| Some(build.borrow_mut().prefix(&op, operand?)))
            .map_postfix(|operand: Step, op| build.borrow_mut().index(operand?, op))
            .map_infix(|left: Step, op, right: Step| build.borrow_mut().infix(left?, &op, right?))
            .parse(pairs.into_iter())
    }

    fn primary(&mut self, pair: Pair<'_, Rule>) -> Step {
        let range = self.range(&pair);
        let kind = match pair.as_rule() {
            Rule::expr => return self.expr(pair),
            Rule::choice => {
                let mut inner = pair.into_inner().filter(|part| part.as_rule() == Rule::expr);
                let condition = self.expr(inner.next()?)?;
                let (then, other) = (self.expr(inner.next()?)?, self.expr(inner.next()?)?);
                ExprKind::If(Box::new(condition), Box::new(then), Box::new(other))
            }
            Rule::rate => {
                let mut inner = pair.into_inner();
                let text = inner.next()?.as_str().to_owned();
                let per = Some(self.name(&inner.nth(1)?));
                ExprKind::Number(NumberText { text, per })
            }
            Rule::number => {
                ExprKind::Number(NumberText { text: pair.as_str().to_owned(), per: None })
            }
            Rule::string => ExprKind::String(self.string(&pair)),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::null => ExprKind::Null,
            Rule::list => {
                let items: Option<_> = pair.into_inner().map(|item| self.expr(item)).collect();
                ExprKind::List(items?)
            }
            Rule::map => ExprKind::Map(self.entries(pair)?),
            Rule::spans => ExprKind::Spans(Box::new(self.expr(pair.into_inner().next()?)?)),
            Rule::named_spans => {
                let mut inner = pair.into_inner();
                let name = self.name(&inner.next()?);
                ExprKind::NamedSpans(name, Box::new(self.primary(inner.next()?)?))
            }
            Rule::call => self.call(pair)?,
            Rule::path => ExprKind::Path(pair.as_str().to_owned()),
            _ => return None,
        };
        Some(Expr { range, kind })
    }

    fn call(&mut self, pair: Pair<'_, Rule>) -> Option<ExprKind> {
        let mut inner = pair.into_inner();
        let name = self.name(&inner.next()?);
        let (mut args, mut filter) = (Vec::new(), None);
        for part in inner {
            match part.as_rule() {
                Rule::argument => {
                    args.push(self.argument(part, &name.text)?);
                }
                Rule::expr => filter = Some(Box::new(self.expr(part)?)),
                _ => {}
            }
        }
        Some(ExprKind::Call(Call { name, args, filter }))
    }

    fn argument(&mut self, part: Pair<'_, Rule>, callee: &str) -> Option<Argument> {
        let range = self.range(&part);
        let mut parts: Vec<_> = part.into_inner().collect();
        let value = parts.pop()?;
        let name = parts.first().map(|name| self.name(name));
        let written = value.as_str();
        let known = self.diagnostics.len();
        let value = self.expr(value)?;
        // `every = 1m` of a window is no comparison: windows compare nothing.
        if let Some(bytes) = equals_sign(written).filter(|_| WINDOWS.contains(&callee)) {
            self.diagnostics.truncate(known);
            let binding = self.equals(value, written, bytes, range);
            return Some(Argument { name: binding.name, value: binding.value });
        }
        Some(Argument { name, value })
    }

    fn prefix(&mut self, op: &Pair<'_, Rule>, operand: Expr) -> Expr {
        let at = self.range(op);
        let range = at.cover(operand.range);
        let operand = Box::new(operand);
        let kind = match op.as_rule() {
            Rule::op_not => {
                self.spelling(op.as_str(), "not", "not ", at);
                ExprKind::Not(operand)
            }
            _ => ExprKind::Negate(operand),
        };
        Expr { range, kind }
    }

    fn index(&mut self, operand: Expr, op: Pair<'_, Rule>) -> Step {
        let range = operand.range.cover(self.range(&op));
        let index = self.expr(op.into_inner().next()?)?;
        let kind = ExprKind::Index(Box::new(operand), Box::new(index));
        Some(Expr { range, kind })
    }

    fn infix(&mut self, left: Expr, op: &Pair<'_, Rule>, right: Expr) -> Step {
        let word = binary_word(op)?;
        let at = self.range(op);
        let known = word.text();
        if word == BinaryWord::Modulo {
            self.modulo(&left, at, &right);
        } else if word != BinaryWord::NotIn {
            self.spelling(op.as_str(), known, known, at);
        }
        if let ExprKind::Binary(inner, ..) = &left.kind {
            // Brackets leave no mark in the tree; they show in the text between the ranges.
            let chained = inner.is_comparison() && word.is_comparison() && !left.is_of_spans();
            if chained && left.range.end <= at.start && !closes_before(op) {
                let range = left.range.cover(right.range);
                self.chained(&left, op, right.range);
                return Some(Expr { range, kind: ExprKind::Broken });
            }
        }
        let range = left.range.cover(right.range);
        Some(Expr { range, kind: ExprKind::Binary(word, at, Box::new(left), Box::new(right)) })
    }

    fn spelling(&mut self, written: &str, known: &str, replacement: &str, at: TextRange) {
        if written == known {
            return;
        }
        self.diagnostics.push(
            Diagnostic::new(codes::SPELLING, at, format!("`{written}` is written `{known}` here"))
                .help(format!("write `{known}`"))
                .fix(at, replacement),
        );
    }

    fn modulo(&mut self, left: &Expr, at: TextRange, right: &Expr) {
        self.diagnostics.push(
            Diagnostic::new(codes::SPELLING, at, "`%` belongs to a number: `5%`")
                .note("the remainder of a division is `mod(a, b)`")
                .help("call `mod`")
                .guess(left.range.at_start(), "mod(")
                .guess(TextRange { start: left.range.end, ..at }, ",")
                .guess(right.range.at_end(), ")"),
        );
    }

    fn chained(&mut self, left: &Expr, op: &Pair<'_, Rule>, right: TextRange) {
        let ExprKind::Binary(_, _, _, middle) = &left.kind else { return };
        let at = self.range(op);
        let bytes = middle.range.bytes();
        let middle = op.get_input().get(bytes.start - self.base..bytes.end - self.base);
        self.diagnostics.push(
            Diagnostic::new(codes::SYNTAX, at, "comparisons cannot be chained")
                .because(left.range, "this is already true or false")
                .because(right, "compared with this")
                .help("join two comparisons with `and`")
                .guess(at.at_start(), format!("and {} ", middle.unwrap_or_default())),
        );
    }
}

/// Whether a closing bracket stands right before an operator.
fn closes_before(op: &Pair<'_, Rule>) -> bool {
    let start = op.as_span().start();
    op.get_input()[..start].trim_end().ends_with(')')
}

fn binary_word(op: &Pair<'_, Rule>) -> Option<BinaryWord> {
    Some(match op.as_rule() {
        Rule::op_structure => BinaryWord::Structure(StructureWord::of(op.as_str())?),
        Rule::op_or => BinaryWord::Or,
        Rule::op_and => BinaryWord::And,
        Rule::op_equal => BinaryWord::Equal,
        Rule::op_not_equal => BinaryWord::NotEqual,
        Rule::op_less => BinaryWord::Less,
        Rule::op_less_equal => BinaryWord::LessEqual,
        Rule::op_greater => BinaryWord::Greater,
        Rule::op_greater_equal => BinaryWord::GreaterEqual,
        Rule::op_in => BinaryWord::In,
        Rule::op_not_in => BinaryWord::NotIn,
        Rule::op_matches => BinaryWord::Matches,
        Rule::op_contains => BinaryWord::Contains,
        Rule::op_starts_with => BinaryWord::StartsWith,
        Rule::op_ends_with => BinaryWord::EndsWith,
        Rule::op_coalesce => BinaryWord::Coalesce,
        Rule::op_add => BinaryWord::Add,
        Rule::op_subtract => BinaryWord::Subtract,
        Rule::op_multiply => BinaryWord::Multiply,
        Rule::op_divide => BinaryWord::Divide,
        Rule::op_modulo => BinaryWord::Modulo,
        _ => return None,
    })
}
