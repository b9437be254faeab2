//! Files of tables, looked at again while the run goes on.
//!
//! A file that changed is compiled with the rules as they were read at the start. What fits is
//! handed to the writer of the input log, which notes it there and goes on with it; what does not
//! is told once, and the table before stays in use.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tailwater_dsl::diagnostic::human;
use tailwater_engine::journal::RuleText;
use tailwater_engine::plan::Plan;

use crate::args::LogLevel;
use crate::log::{Record, log};
use crate::rule_files::{Compiled, RuleFile, compile_again, read_import};
use crate::terminal::tell;

/// Tables that changed, and the plan that reads them.
pub(super) struct Changed {
    pub(super) files: Vec<RuleText>,
    pub(super) plan: Arc<Plan>,
}

/// What the rules of a run were compiled from.
pub(super) struct Tables {
    rules: Vec<RuleFile>,
    params: Vec<(String, String)>,
    sinks: Vec<String>,
    imports: Vec<RuleText>,
    /// Those of the imports that are tables.
    files: Vec<String>,
    /// The identity of the plan that runs.
    identity: u64,
    /// What was last looked at and not taken.
    refused: Vec<RuleText>,
    sender: SyncSender<Changed>,
}

impl Tables {
    /// The tables of compiled rules, and where changed ones come out.
    pub(super) fn new(
        rules: Vec<RuleFile>,
        params: Vec<(String, String)>,
        sinks: Vec<String>,
        compiled: &Compiled,
        plan: &Plan,
    ) -> (Self, Receiver<Changed>) {
        let (sender, changed) = sync_channel(1);
        let (imports, files) = (compiled.imports.clone(), compiled.table_files.clone());
        let (identity, refused) = (plan.identity(), Vec::new());
        (Self { rules, params, sinks, imports, files, identity, refused, sender }, changed)
    }

    /// Looks at every file once.
    fn look(&mut self) {
        let mut changed: Vec<RuleText> = Vec::new();
        for name in &self.files {
            let known = self.imports.iter().find(|import| import.name == *name);
            // One that is away may be on its way: the table stays.
            let Some(text) = read_import(&self.rules, name) else { continue };
            if known.is_some_and(|known| known.text != text) {
                changed.push(RuleText { name: name.clone(), text });
            }
        }
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
                let mut errors = compiled.diagnostics;
                errors.retain(tailwater_dsl::diagnostic::Diagnostic::is_error);
                tell(&human(&errors, &compiled.files, false));
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

fn say(level: LogLevel, message: &str) {
    log(&Record { level, message, fields: &[], left_out: 0 });
}

/// Looks at files again and again, without end.
pub(super) async fn follow(tables: Tables, every: Duration) {
    if tables.files.is_empty() {
        return;
    }
    let mut waiting = Some(tables);
    while let Some(mut tables) = waiting.take() {
        tokio::time::sleep(every).await;
        let looked = tokio::task::spawn_blocking(move || {
            tables.look();
            tables
        });
        // A look that panicked ends the looking: what is in use stays.
        waiting = looked.await.ok();
    }
}
