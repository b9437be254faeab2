//! Files of tables, looked at again while the run goes on.
//!
//! A file that changed is compiled with the rules as they were read at the start. What fits is
//! handed to the writer of the input log, which notes it there and goes on with it; what does not
//! is told once, and the table before stays in use. Rules themselves are not taken anew: SIGHUP
//! tells whether a new start would read other ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tailwater_dsl::NoImport;
use tailwater_dsl::diagnostic::{Diagnostic, human};
use tailwater_engine::journal::RuleText;
use tailwater_engine::plan::Plan;

use super::observe::Looks;
use crate::args::LogLevel;
use crate::log::{Record, log};
use crate::rule_files::{self, Compiled, RuleFile, compile_again, compile_for, read_import};
use crate::terminal::tell;

/// Tables that changed, and the plan that reads them.
pub(super) struct Changed {
    pub(super) files: Vec<RuleText>,
    pub(super) plan: Arc<Plan>,
}

/// What the rules of a run were compiled from.
pub(super) struct Tables {
    rules: Vec<RuleFile>,
    /// Where the rules were looked for; none of standard input, which is read once.
    paths: Vec<PathBuf>,
    params: Vec<(String, String)>,
    sinks: Vec<String>,
    imports: Vec<RuleText>,
    /// Those of the imports that are tables.
    files: Vec<String>,
    /// The identity of the plan that runs.
    identity: u64,
    /// What was last looked at and not taken.
    refused: Vec<RuleText>,
    /// What is wrong with files that cannot be read, as it was told last.
    unread: Vec<String>,
    sender: SyncSender<Changed>,
}

impl Tables {
    /// The tables of compiled rules, and where changed ones come out.
    pub(super) fn new(
        (rules, mut paths): (Vec<RuleFile>, Vec<PathBuf>),
        params: Vec<(String, String)>,
        sinks: Vec<String>,
        compiled: &Compiled,
        plan: &Plan,
    ) -> (Self, Receiver<Changed>) {
        let (sender, changed) = sync_channel(1);
        let (imports, files) = (compiled.imports.clone(), compiled.table_files.clone());
        let (identity, refused, unread) = (plan.identity(), Vec::new(), Vec::new());
        paths.retain(|path| path != Path::new("-"));
        (
            Self { rules, paths, params, sinks, imports, files, identity, refused, unread, sender },
            changed,
        )
    }

    /// Looks at every file once.
    fn look(&mut self) {
        let (mut changed, mut unread) = (Vec::<RuleText>::new(), Vec::new());
        for name in &self.files {
            let known = self.imports.iter().find(|import| import.name == *name);
            let text = match read_import(&self.rules, name) {
                Ok(text) => text,
                // One that is away may be on its way: the table stays.
                Err(NoImport::Absent) => continue,
                Err(NoImport::Refused(why)) => {
                    unread.push(why);
                    continue;
                }
            };
            if known.is_some_and(|known| known.text != text) {
                changed.push(RuleText { name: name.clone(), text });
            }
        }
        for why in unread.iter().filter(|why| !self.unread.contains(why)) {
            say(LogLevel::Warn, &format!("{why}; the table before stays"));
        }
        self.unread = unread;
        if changed.is_empty() || changed == self.refused {
            return;
        }
        let mut imports = self.imports.clone();
        imports.retain(|import| changed.iter().all(|new| new.name != import.name));
        imports.extend(changed.iter().cloned());
        let sinks = Some(self.sinks.clone());
        let compiled = compile_again(&self.rules, self.params.clone(), sinks, &imports);
        let names: Vec<&str> = changed.iter().map(|file| file.name.as_str()).collect();
        let names = format!("`{}`", names.join("`, `"));
        let trouble = match compiled.plan {
            None => {
                tell_errors(compiled);
                Some("cannot be used")
            }
            Some(plan) if plan.identity() != self.identity => {
                Some("has columns of other types than before: start the run anew to take it")
            }
            Some(plan) => match self.sender.try_send(Changed { files: changed.clone(), plan }) {
                Ok(()) => {
                    say(LogLevel::Info, &format!("{names} changed and is taken"));
                    self.imports = imports;
                    None
                }
                // The one before has not been taken yet: next time.
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            },
        };
        self.refused = if trouble.is_some() { changed.clone() } else { Vec::new() };
        if let Some(trouble) = trouble {
            say(LogLevel::Warn, &format!("{names} changed and {trouble}; the table before stays"));
        }
    }
}

impl Tables {
    /// Says whether a new start would read other rules, and whether it could.
    fn look_at_rules(&self) {
        let mut rules = match rule_files::read_to_run(&self.paths) {
            Ok(rules) => rules,
            Err(error) => {
                say(LogLevel::Warn, &format!("{error:#}; the rules that run stay"));
                return;
            }
        };
        let of_files = |rule: &&RuleFile| rule.path.is_some() || rule.name.starts_with("import of");
        let is_same = rules.iter().map(|rule| (&rule.name, &rule.text)).eq(self
            .rules
            .iter()
            .filter(of_files)
            .map(|rule| (&rule.name, &rule.text)));
        let others = self.rules.iter().filter(|rule| !of_files(rule));
        rules.extend(others.map(|rule| RuleFile {
            path: None,
            name: rule.name.clone(),
            text: rule.text.clone(),
        }));
        let compiled = compile_for(&rules, self.params.clone(), Some(self.sinks.clone()));
        // Tables are taken while the run goes on.
        let is_rule = |import: &&RuleText| !self.files.contains(&import.name);
        let is_same = is_same
            && compiled.imports.iter().filter(is_rule).eq(self.imports.iter().filter(is_rule));
        if is_same {
            say(LogLevel::Info, "files were looked at on SIGHUP; the rules are as they were");
        } else if compiled.plan.is_none() {
            tell_errors(compiled);
            say(
                LogLevel::Warn,
                "the rules changed and have errors: a new start would fail; those that run stay",
            );
        } else {
            say(
                LogLevel::Warn,
                "the rules changed: a new start of the run takes them; those that run stay",
            );
        }
    }
}

fn tell_errors(compiled: Compiled) {
    let mut errors = compiled.diagnostics;
    errors.retain(Diagnostic::is_error);
    tell(&human(&errors, &compiled.files, false));
}

fn say(level: LogLevel, message: &str) {
    log(&Record { level, message, fields: &[], left_out: 0 });
}

/// Looks at tables again and again, and at rules when it is told to, without end.
pub(super) async fn follow(tables: Tables, every: Duration, mut looks: Looks) {
    let mut waiting = Some(tables);
    while let Some(mut tables) = waiting.take() {
        let is_told = looks.next(every).await;
        let looked = tokio::task::spawn_blocking(move || {
            if !tables.files.is_empty() {
                tables.look();
            }
            if is_told {
                tables.look_at_rules();
            }
            tables
        });
        // A look that panicked ends the looking: what is in use stays.
        waiting = looked.await.ok();
    }
}
