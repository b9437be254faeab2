//! Types of operators between two operands.
//!
//! Invariant: an operand that is broken already is not reported again, and what is reported names
//! both types. Constants are folded by `fold`.

use super::Checker;
use super::expr::{Named, article, constant_of, unary};
use super::scope::{Scope, broken, constant};
use crate::ast::{self, BinaryWord};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{BinaryOp, Expr, ExprKind, Literal, UnaryOp};
use crate::text_range::TextRange;
use crate::types::Type;

/// Whether a whole number that is no literal stands beside a share that is one: no count is 5 %.
fn counts_beside_share(count: &Expr, share: &Expr) -> bool {
    count.ty == Type::Int
        && constant_of(count).is_none()
        && matches!(constant_of(share), Some(Literal::Ratio(_)))
}

impl Checker<'_> {
    pub(super) fn binary(
        &mut self,
        word: BinaryWord,
        at: TextRange,
        operands: (&ast::Expr, &ast::Expr),
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        if word.is_comparison() {
            return self.comparison(word, operands, range, scope);
        }
        let (left, right) = (self.expr(operands.0, scope), self.expr(operands.1, scope));
        if word == BinaryWord::Coalesce {
            return self.coalesce(left, right, range);
        }
        if left.ty == Type::Broken || right.ty == Type::Broken {
            return broken(range);
        }
        match word {
            BinaryWord::Or | BinaryWord::And => {
                let what = format!("what `{}` joins", word.text());
                self.must_be_bool(&left, &what);
                self.must_be_bool(&right, &what);
                self.lint_contradiction(word, &left, &right, at);
                let op = if word == BinaryWord::Or { BinaryOp::Or } else { BinaryOp::And };
                joined(op, Type::Bool, left, right, range)
            }
            BinaryWord::Matches => self.matches(left, right, range),
            BinaryWord::Contains | BinaryWord::StartsWith | BinaryWord::EndsWith => {
                self.text_test(word, left, right, range)
            }
            _ => self.arithmetic(word, at, left, right, range),
        }
    }

    fn comparison(
        &mut self,
        word: BinaryWord,
        operands: (&ast::Expr, &ast::Expr),
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        if let Some(broken) = self.comparison_of_spans(operands.0, range, scope) {
            return broken;
        }
        let (left, right) = self.sides(operands, scope);
        let is_null = |expr: &Expr| constant_of(expr) == Some(&Literal::Null);
        if is_null(&left) || is_null(&right) {
            let tested = if is_null(&left) { right } else { left };
            return self.null_test(word, tested, range);
        }
        let is_counted = counts_beside_share(&left, &right) || counts_beside_share(&right, &left);
        if is_counted || !left.ty.compares_with(&right.ty) {
            self.mismatch(word, &left, &right);
            return broken(range);
        }
        if !matches!(word, BinaryWord::Equal | BinaryWord::NotEqual) {
            self.must_have_order(&left, &right);
        }
        let op = match word {
            BinaryWord::Equal => BinaryOp::Equal,
            BinaryWord::NotEqual => BinaryOp::NotEqual,
            BinaryWord::Less => BinaryOp::Less,
            BinaryWord::LessEqual => BinaryOp::LessEqual,
            BinaryWord::Greater => BinaryOp::Greater,
            _ => BinaryOp::GreaterEqual,
        };
        joined(op, Type::Bool, left, right, range)
    }

    fn null_test(&mut self, word: BinaryWord, tested: Expr, range: TextRange) -> Expr {
        match word {
            BinaryWord::Equal => unary(UnaryOp::IsNull, tested, range),
            BinaryWord::NotEqual => unary(UnaryOp::IsPresent, tested, range),
            _ => {
                let message = format!("`{}` with null is never true", word.text());
                self.report(
                    Diagnostic::new(codes::OPERATOR, range, message)
                        .help("`== null` and `!= null` test whether a value is there"),
                );
                broken(range)
            }
        }
    }

    /// Reports the first side whose values are not less or greater than others.
    fn must_have_order(&mut self, left: &Expr, right: &Expr) {
        let has_none = |side: &&Expr| {
            matches!(
                side.ty,
                Type::Bool | Type::List(_) | Type::Map(_) | Type::Histogram | Type::Bytes
            )
        };
        if let Some(side) = [left, right].into_iter().find(has_none) {
            let message = format!("{} has no order", article(&side.ty));
            self.report(
                Diagnostic::new(codes::OPERATOR, side.range, message)
                    .label(format!("{}", Named(&side.ty)))
                    .help("it can be compared with `==` and `!=` only"),
            );
        }
    }

    /// Both sides of a comparison; beside an enumeration a bare word is its member.
    fn sides(&mut self, operands: (&ast::Expr, &ast::Expr), scope: &mut Scope) -> (Expr, Expr) {
        let bare = |expr: &ast::Expr| match &expr.kind {
            ast::ExprKind::Path(path) => !path.contains('.'),
            ast::ExprKind::String(_) => true,
            _ => false,
        };
        // `server == kind`: of two bare words the one that names something tells what the other is.
        let mut names_something = |expr: &ast::Expr| match &expr.kind {
            ast::ExprKind::Path(path) => self.known(path, expr.range, scope).is_some(),
            _ => false,
        };
        let is_turned = bare(operands.0) && bare(operands.1) && scope.arguments.is_none();
        let is_turned = is_turned && !names_something(operands.0) && names_something(operands.1);
        if bare(operands.1) && !is_turned {
            let left = self.expr(operands.0, scope);
            let right = self.beside(&left.ty.clone(), left.range, operands.1, scope);
            return (left, right);
        }
        let right = self.expr(operands.1, scope);
        let left = if bare(operands.0) {
            self.beside(&right.ty.clone(), right.range, operands.0, scope)
        } else {
            self.expr(operands.0, scope)
        };
        (left, right)
    }

    /// An expression beside a value of a type: a member where that is an enumeration.
    pub(super) fn beside(
        &mut self,
        ty: &Type,
        other: TextRange,
        expr: &ast::Expr,
        scope: &mut Scope,
    ) -> Expr {
        let Type::Enum(members) = ty else { return self.expr(expr, scope) };
        let word = match &expr.kind {
            ast::ExprKind::Path(path) => path.clone(),
            ast::ExprKind::String(text) => self.unescape(text),
            _ => return self.expr(expr, scope),
        };
        if members.contains(&word) {
            return constant(Literal::Enum(word), ty.clone(), expr.range);
        }
        let is_path = matches!(expr.kind, ast::ExprKind::Path(_));
        if is_path && (scope.arguments.is_some() || self.known(&word, expr.range, scope).is_some())
        {
            let value = self.expr(expr, scope);
            if let Some(Literal::String(text)) = constant_of(&value)
                && !members.contains(text)
            {
                let text = text.clone();
                self.no_member(members, other, &text, &value);
                return broken(expr.range);
            }
            return value;
        }
        self.no_member(members, other, &word, &broken(expr.range));
        broken(expr.range)
    }

    fn no_member(&mut self, members: &[String], other: TextRange, word: &str, value: &Expr) {
        let names = members.iter().map(String::as_str);
        let message = match self.text_at(other) {
            Some(of) if of.len() < 40 && !of.contains('`') => {
                format!("`{of}` has no member `{word}`")
            }
            _ => format!("`{word}` is not a member of the enumeration"),
        };
        let mut diagnostic = Diagnostic::new(codes::MEMBER, value.range, message)
            .because(other, format!("one of {}", listed(names.clone(), 8)));
        diagnostic = self.made_here(diagnostic, value);
        let near = nearest(word, names);
        diagnostic = match near {
            Some(near) if value.ty == Type::Broken => diagnostic.did_you_mean(value.range, near),
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic,
        };
        self.report(diagnostic);
    }

    fn mismatch(&mut self, word: BinaryWord, left: &Expr, right: &Expr) {
        if self.missing_unit(left, right) || self.missing_unit(right, left) {
            return;
        }
        let message = format!(
            "`{}` compares like with like, not {} with {}",
            word.text(),
            article(&left.ty),
            article(&right.ty)
        );
        let diagnostic = Diagnostic::new(codes::MISMATCH, right.range, message)
            .label(format!("{}", Named(&right.ty)))
            .because(left.range, format!("{}", Named(&left.ty)));
        let diagnostic = self.made_here(diagnostic, left);
        let mut diagnostic = self.made_here(diagnostic, right);
        if counts_beside_share(left, right) || counts_beside_share(right, left) {
            diagnostic = diagnostic.help("a share is one count over another: `errors / n > 5%`");
        }
        self.report(diagnostic);
    }

    /// Reports a bare number beside a quantity, with the unit that it probably has.
    fn missing_unit(&mut self, quantity: &Expr, number: &Expr) -> bool {
        if !number.ty.is_number() {
            return false;
        }
        let ty = &quantity.ty;
        let Some(unit) = likely_unit(ty, constant_of(number)) else { return false };
        let mut diagnostic = Diagnostic::new(
            codes::MISSING_UNIT,
            number.range,
            format!("{} has a unit, this number has none", article(ty)),
        )
        .label("without a unit")
        .because(quantity.range, format!("{}", Named(ty)));
        diagnostic = self.made_here(diagnostic, quantity);
        diagnostic = self.made_here(diagnostic, number);
        if let Some(value) = constant_of(number) {
            diagnostic = diagnostic.help(format!("write the unit, such as `{value}{unit}`"));
            if let Some(place) = self.number_place(number.range) {
                diagnostic = diagnostic.guess(place.at_end(), unit);
            }
        }
        self.report(diagnostic);
        true
    }

    fn coalesce(&mut self, left: Expr, right: Expr, range: TextRange) -> Expr {
        let Some(ty) = left.ty.join(&right.ty) else {
            let message = "the default of `??` has the type of the value";
            self.report(
                Diagnostic::new(codes::MISMATCH, right.range, message)
                    .label(format!("{}", Named(&right.ty)))
                    .because(left.range, format!("{}", Named(&left.ty))),
            );
            return broken(range);
        };
        self.reads_instead(range);
        let optional = left.optional && right.optional;
        let mut values = match left.kind {
            ExprKind::Coalesce(values) => values,
            _ => vec![left],
        };
        values.push(right);
        Expr { ty, optional, range, kind: ExprKind::Coalesce(values) }
    }

    pub(super) fn is_in(
        &mut self,
        value: &ast::Expr,
        list: &ast::Expr,
        range: TextRange,
        scope: &mut Scope,
    ) -> Expr {
        let value = self.expr(value, scope);
        let items: Vec<Expr> = if let ast::ExprKind::List(items) = &list.kind {
            let ty = value.ty.clone();
            items.iter().map(|item| self.beside(&ty, value.range, item, scope)).collect()
        } else {
            let list = self.expr(list, scope);
            match (constant_of(&list), &list.ty) {
                (Some(Literal::List(items)), _) => {
                    items.iter().map(|item| constant(item.clone(), item.ty(), list.range)).collect()
                }
                (_, Type::Broken) => return Expr { ty: Type::Bool, ..broken(range) },
                _ => {
                    let message = "`in` wants a list of constants on its right";
                    self.report(
                        Diagnostic::new(codes::CONSTANT, list.range, message)
                            .label(format!("{}", Named(&list.ty)))
                            .help("a list that items carry is tested by `contains`"),
                    );
                    return broken(range);
                }
            }
        };
        for item in &items {
            if !value.ty.compares_with(&item.ty) {
                self.mismatch(BinaryWord::In, &value, item);
            }
        }
        let optional = value.optional || items.iter().any(|item| item.optional);
        let kind = ExprKind::In(Box::new(value), items);
        Expr { ty: Type::Bool, optional, range, kind }
    }

    fn matches(&mut self, left: Expr, right: Expr, range: TextRange) -> Expr {
        self.must_be_text(&left, "matches");
        match constant_of(&right) {
            Some(Literal::String(pattern)) => {
                let pattern = pattern.clone();
                self.regex(&pattern, right.range);
            }
            _ if right.ty == Type::Broken => {}
            _ => self.report(
                Diagnostic::new(
                    codes::CONSTANT,
                    right.range,
                    "a regular expression is a constant text",
                )
                .note("it is compiled once, when rules are loaded"),
            ),
        }
        joined(BinaryOp::Matches, Type::Bool, left, right, range)
    }

    fn text_test(&mut self, word: BinaryWord, left: Expr, right: Expr, range: TextRange) -> Expr {
        let in_list = word == BinaryWord::Contains && matches!(left.ty, Type::List(_));
        if !in_list {
            self.must_be_text(&left, word.text());
            self.must_be_text(&right, word.text());
        }
        let op = match word {
            BinaryWord::Contains => BinaryOp::Contains,
            BinaryWord::StartsWith => BinaryOp::StartsWith,
            _ => BinaryOp::EndsWith,
        };
        joined(op, Type::Bool, left, right, range)
    }

    fn must_be_text(&mut self, value: &Expr, word: &str) {
        if !value.ty.fits(&Type::String) {
            let message = format!("`{word}` wants a text, this is {}", article(&value.ty));
            self.report(
                Diagnostic::new(codes::OPERATOR, value.range, message)
                    .label(format!("{}", Named(&value.ty))),
            );
        }
    }

    fn wrong_operands(&mut self, word: BinaryWord, at: TextRange, left: &Expr, right: &Expr) {
        let message = format!(
            "`{}` does not take {} and {}",
            word.text(),
            article(&left.ty),
            article(&right.ty)
        );
        let diagnostic = Diagnostic::new(codes::OPERATOR, at, message)
            .because(left.range, format!("{}", Named(&left.ty)))
            .because(right.range, format!("{}", Named(&right.ty)));
        let diagnostic = self.made_here(diagnostic, left);
        let diagnostic = self.made_here(diagnostic, right);
        self.report(diagnostic);
    }

    fn arithmetic(
        &mut self,
        word: BinaryWord,
        at: TextRange,
        left: Expr,
        right: Expr,
        range: TextRange,
    ) -> Expr {
        let op = match word {
            BinaryWord::Add => BinaryOp::Add,
            BinaryWord::Subtract => BinaryOp::Subtract,
            BinaryWord::Multiply => BinaryOp::Multiply,
            BinaryWord::Divide => BinaryOp::Divide,
            _ => return broken(range), // `%`: reported by the parser
        };
        let Some(ty) = result_type(op, &left.ty, &right.ty) else {
            if matches!(op, BinaryOp::Add | BinaryOp::Subtract)
                && (self.missing_unit(&left, &right) || self.missing_unit(&right, &left))
            {
                return broken(range);
            }
            self.wrong_operands(word, at, &left, &right);
            return broken(range);
        };
        if let (Some(a), Some(b)) = (constant_of(&left), constant_of(&right))
            && let Some(value) = super::fold::arithmetic(op, a, b)
        {
            let param = [&left, &right].into_iter().find_map(|side| match &side.kind {
                ExprKind::Constant { param, .. } => param.clone(),
                _ => None,
            });
            let kind = ExprKind::Constant { value, param };
            return Expr { ty, optional: false, range, kind };
        }
        let mut expr = joined(op, ty, left, right, range);
        if op == BinaryOp::Divide {
            let ExprKind::Binary(_, _, divisor) = &expr.kind else { return expr };
            let never_zero = constant_of(divisor).is_some_and(|value| !super::fold::is_zero(value));
            expr.optional |= !never_zero;
        }
        expr
    }
}

/// The unit that a number probably lacks: 5 are seconds, 750 milliseconds.
pub(super) fn likely_unit(ty: &Type, number: Option<&Literal>) -> Option<&'static str> {
    Some(match (ty, number) {
        (Type::Duration, Some(Literal::Int(100..))) => "ms",
        (Type::Duration, _) => "s",
        (Type::Size, _) => "B",
        (Type::Rate, _) => " per s",
        _ => return None,
    })
}

fn joined(op: BinaryOp, ty: Type, left: Expr, right: Expr, range: TextRange) -> Expr {
    let optional = left.optional || right.optional;
    Expr { ty, optional, range, kind: ExprKind::Binary(op, Box::new(left), Box::new(right)) }
}

fn result_type(op: BinaryOp, left: &Type, right: &Type) -> Option<Type> {
    use Type::{Any, Duration, Float, Int, Number, Rate, Ratio, Size, String, Time};
    if left.is_dynamic() || right.is_dynamic() {
        // An attribute's value is known per item only; times and quantities keep their kind.
        return Some(match (op, left, right) {
            (BinaryOp::Add | BinaryOp::Subtract, other, Any)
            | (BinaryOp::Add | BinaryOp::Subtract, Any, other)
                if other.is_quantity() =>
            {
                other.clone()
            }
            _ => Any,
        });
    }
    let numbers = left.is_number() && right.is_number();
    let plain = || match (left, right) {
        (Int, Int) => Int,
        (Float, _) | (_, Float) => Float,
        _ => Number,
    };
    Some(match (op, left, right) {
        (BinaryOp::Divide, _, _) if numbers => Ratio,
        (_, _, _) if numbers => plain(),
        (BinaryOp::Add | BinaryOp::Subtract, a, b) if a == b && a.is_quantity() => a.clone(),
        (BinaryOp::Add | BinaryOp::Subtract, Ratio, b) if b.is_number() => Ratio,
        (BinaryOp::Add | BinaryOp::Subtract, a, Ratio) if a.is_number() => Ratio,
        (BinaryOp::Add, String, String) => String,
        (BinaryOp::Add | BinaryOp::Subtract, Time, Duration) | (BinaryOp::Add, Duration, Time) => {
            Time
        }
        (BinaryOp::Subtract, Time, Time) => Duration,
        (BinaryOp::Multiply, Rate, Duration) | (BinaryOp::Multiply, Duration, Rate) => Float,
        (BinaryOp::Multiply, Ratio, Ratio) => Ratio,
        (BinaryOp::Multiply, a, b) if a.is_quantity() && (b.is_number() || *b == Ratio) => {
            a.clone()
        }
        (BinaryOp::Multiply, a, b) if b.is_quantity() && (a.is_number() || *a == Ratio) => {
            b.clone()
        }
        (BinaryOp::Divide, a, b) if a == b && a.is_quantity() => Ratio,
        (BinaryOp::Divide, a, b) if a.is_quantity() && (b.is_number() || *b == Ratio) => a.clone(),
        (BinaryOp::Divide, a, Ratio) if a.is_number() => Float,
        (BinaryOp::Divide, a, Duration) if a.is_number() || *a == Size => Rate,
        _ => return None,
    })
}
