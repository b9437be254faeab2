//! Texts with values in them: `"{route}: {error_rate}"`, in labels and annotations only.

use super::Checker;
use super::expr::{Named, article};
use super::scope::{Scope, broken, constant};
use crate::ast::{self, StringText};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Expr, ExprKind, Literal, TemplatePart};
use crate::text_range::TextRange;
use crate::types::Type;

impl Checker<'_> {
    /// A text, perhaps with values in it, or an expression that is a text.
    pub(super) fn template(&mut self, expr: &ast::Expr, scope: &mut Scope) -> Expr {
        let ast::ExprKind::String(text) = &expr.kind else {
            let value = self.whole(expr, scope);
            if !value.ty.fits(&Type::String) {
                let message = format!("a text is wanted here, this is {}", article(&value.ty));
                let mut diagnostic = Diagnostic::new(codes::ARGUMENT, value.range, message)
                    .label(format!("{}", Named(&value.ty)))
                    .help("values are shown inside a text: `\"{…}\"`");
                let text = self.text_at(value.range).filter(|text| !text.contains(['"', '\n']));
                if let Some(text) = text.map(|text| format!("\"{{{text}}}\"")) {
                    diagnostic = diagnostic.fix(value.range, text);
                }
                self.report(diagnostic);
            }
            return value;
        };
        let parts = self.parts(text, scope);
        let range = expr.range;
        match parts.as_slice() {
            [] => constant(Literal::String(String::new()), Type::String, range),
            [TemplatePart::Text(only)] => {
                constant(Literal::String(only.clone()), Type::String, range)
            }
            _ => {
                let kind = ExprKind::Template(parts);
                Expr { ty: Type::String, optional: false, range, kind }
            }
        }
    }

    fn parts(&mut self, text: &StringText, scope: &mut Scope) -> Vec<TemplatePart> {
        let base = text.range.start as usize + 1 + usize::from(text.is_raw);
        let raw = text.text.as_str();
        let mut parts = Vec::new();
        let mut from = 0;
        let mut at = 0;
        while at < raw.len() {
            match raw.as_bytes()[at] {
                b'\\' if !text.is_raw => at += 2,
                b'{' => {
                    self.push_text(text, from, at, &mut parts);
                    let inner = &raw[at + 1..];
                    let Some(length) = closing(inner) else {
                        self.unclosed(base + at, text.range);
                        return parts;
                    };
                    let start = base + at + 1;
                    parts.push(TemplatePart::Value(self.part(
                        &inner[..length],
                        start,
                        text.range,
                        scope,
                    )));
                    at += length + 2;
                    from = at;
                }
                _ => at += 1,
            }
        }
        self.push_text(text, from, raw.len(), &mut parts);
        parts
    }

    fn push_text(
        &mut self,
        text: &StringText,
        from: usize,
        to: usize,
        parts: &mut Vec<TemplatePart>,
    ) {
        let Some(piece) = text.text.get(from..to).filter(|piece| !piece.is_empty()) else { return };
        let start = text.range.start as usize + from;
        let range = TextRange::new(text.range.file, start, start + piece.len() + 2);
        let piece = StringText { text: piece.to_owned(), range, is_raw: text.is_raw };
        let value = self.unescape(&piece);
        parts.push(TemplatePart::Text(value));
    }

    fn unclosed(&mut self, at: usize, whole: TextRange) {
        let range = TextRange::new(whole.file, at, at + 1);
        self.report(
            Diagnostic::new(codes::ESCAPE, range, "`{` in a text is not closed")
                .help("a brace itself is written `\\{`")
                .guess(range.at_start(), "\\"),
        );
    }

    fn part(&mut self, text: &str, start: usize, whole: TextRange, scope: &mut Scope) -> Expr {
        let range = TextRange::new(whole.file, start, start + text.len());
        match crate::syntax::parse_expr(text, whole.file, start) {
            Ok((expr, diagnostics)) => {
                self.diagnostics.extend(diagnostics);
                self.whole(&expr, scope)
            }
            Err(diagnostic) => {
                let diagnostic = (*diagnostic)
                    .note("`{…}` in a text holds a value; a brace itself is written `\\{`");
                self.report(diagnostic);
                broken(range)
            }
        }
    }
}

/// Length up to the `}` that closes, past texts and inner braces.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}
