//! The terminal: whether there is one, how wide it is, and whether colour is wanted.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless the environment says otherwise
    Auto,
    /// In any case
    Always,
    /// Never
    Never,
}

/// Where colour is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colors {
    /// On standard output.
    pub(crate) on_stdout: bool,
    /// On standard error.
    pub(crate) on_stderr: bool,
}

impl Colors {
    /// Asks the environment and the terminal.
    pub(crate) fn resolve(choice: ColorChoice) -> Self {
        let environment = ColorEnvironment {
            no_color: variable("NO_COLOR"),
            force: variable("CLICOLOR_FORCE"),
            term: variable("TERM"),
        };
        Self {
            on_stdout: environment.wants(choice, io::stdout().is_terminal()),
            on_stderr: environment.wants(choice, io::stderr().is_terminal()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// What the environment says about colour (no-color.org, bixense.com/clicolors).
struct ColorEnvironment {
    no_color: String,
    force: String,
    term: String,
}

impl ColorEnvironment {
    fn wants(&self, choice: ColorChoice, is_terminal: bool) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if !self.no_color.is_empty() => false,
            ColorChoice::Auto if !self.force.is_empty() && self.force != "0" => true,
            ColorChoice::Auto => is_terminal && self.term != "dumb",
        }
    }
}

/// Columns of the terminal on standard output; `None` where there is none, so that nothing is cut.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Says something on standard error. Nobody listening there is no reason to stop.
pub(crate) fn tell(text: &str) {
    write_stderr(&crate::log::in_format(text));
}

/// The one place that writes to standard error.
pub(crate) fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Text in a style of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Titles.
    Bold,
    /// What matters less.
    Dim,
    /// What wants attention.
    Yellow,
    /// What is wrong.
    Red,
    /// What is good or new.
    Green,
    /// One of [`Style::HUES`] that tell things apart, none of which says good or bad.
    Hue(u8),
}

impl Style {
    /// Number of hues.
    pub(crate) const HUES: u8 = 8;

    /// The text in this style, where colour is used.
    pub(crate) fn paint(self, text: &str, is_colored: bool) -> String {
        if !is_colored || text.is_empty() {
            return text.to_owned();
        }
        let code = match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Yellow => 33,
            Self::Red => 31,
            Self::Green => 32,
            // Cyan, magenta, blue, yellow, then the bright ones: red is for errors, and dark
            // blue, which few terminals show well, comes late.
            Self::Hue(hue) => [36, 35, 33, 94, 96, 95, 93, 34][usize::from(hue % Self::HUES)],
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(no_color: &str, force: &str, term: &str, is_terminal: bool) -> bool {
        let environment = ColorEnvironment {
            no_color: no_color.to_owned(),
            force: force.to_owned(),
            term: term.to_owned(),
        };
        environment.wants(ColorChoice::Auto, is_terminal)
    }

    #[test]
    fn the_environment_decides_on_colour() {
        assert!(wants("", "", "xterm", true));
        assert!(!wants("", "", "xterm", false));
        assert!(!wants("", "", "dumb", true));
        assert!(!wants("1", "1", "xterm", true));
        assert!(wants("", "1", "xterm", false));
        assert!(!wants("", "0", "xterm", false));
    }
}
