//! Windows: `tumbling(1m)` and its kin, their arguments, what fits together.

use super::Checker;
use crate::ast::{self, WINDOWS};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::Window;
use crate::limits::{COUNT_WINDOW_MAX, WINDOW_OVERLAP_MAX};
use crate::text_range::TextRange;

/// Names that other systems have for windows.
const OTHER_WINDOWS: [(&str, &str); 6] = [
    ("hopping", "sliding"),
    ("hop", "sliding"),
    ("slide", "sliding"),
    ("tumble", "tumbling"),
    ("fixed", "tumbling"),
    ("sessions", "session"),
];

/// How a window is written.
fn window_form(name: &str) -> &'static str {
    match name {
        "sliding" => "sliding(5m, every: 30s)",
        "cumulate" => "cumulate(1d, every: 1m)",
        "session" => "session(gap: 30s)",
        "count" => "count(1000)",
        _ => "tumbling(1m)",
    }
}

impl Checker<'_> {
    /// The window and the offset of its grid.
    pub(super) fn window(&mut self, expr: &ast::Expr, module: usize) -> Option<(Window, i64)> {
        let ast::ExprKind::Call(call) = &expr.kind else {
            let message = "a window is written `tumbling(1m)`";
            let mut diagnostic = Diagnostic::new(codes::WORD, expr.range, message).note(
                "windows: `tumbling(1m)`, `sliding(5m, every: 30s)`, `session(gap: 30s, \
                     max: 30m)`, `cumulate(1d, every: 1m)`, `count(1000)`",
            );
            if let ast::ExprKind::Number(_) = expr.kind {
                diagnostic = diagnostic
                    .help("say which windows of that size")
                    .guess(expr.range.at_start(), "tumbling(")
                    .guess(expr.range.at_end(), ")");
            }
            self.report(diagnostic);
            return None;
        };
        if !WINDOWS.contains(&call.name.text.as_str()) {
            let message = format!("there is no window `{}`", call.name.text);
            let mut diagnostic = Diagnostic::new(codes::WORD, call.name.range, message)
                .note("windows: `tumbling`, `sliding`, `session`, `cumulate`, `count`");
            let word = call.name.text.as_str();
            let other = OTHER_WINDOWS.iter().find(|other| other.0 == word).map(|other| other.1);
            if let Some(near) =
                other.or_else(|| nearest(word, WINDOWS)).filter(|_| !call.args.is_empty())
            {
                diagnostic = diagnostic.did_you_mean(call.name.range, near);
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
            diagnostic = diagnostic.did_you_mean(range, near);
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
        let time =
            |checker: &mut Self, word: &str| checker.window_time(call, (word, find(word)), module);
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

    /// A time that a window cannot do without.
    fn window_time(
        &mut self,
        call: &ast::Call,
        (word, found): (&str, Option<&ast::Expr>),
        module: usize,
    ) -> Option<i64> {
        let window = &call.name.text;
        if let Some(expr) = found {
            let what = format!("`{word}` of `{window}`");
            return self.duration(expr, module, &what, 1_000_000);
        }
        let message = format!("`{window}` wants `{word}`");
        self.report(
            Diagnostic::new(codes::ARGUMENTS, call.name.range, message)
                .label("an argument is missing")
                .help(format!("it is written `{}`", window_form(window))),
        );
        None
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
        } else if size_ns / every_ns > WINDOW_OVERLAP_MAX {
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
