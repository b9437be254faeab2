//! The summary of a run: what became of every item, and how fast.

use std::sync::Arc;
use std::time::Instant;

use tailwater_engine::ingest::FileReader;
use tailwater_engine::model::render::duration;
use tailwater_engine::model::{DropReason, Ledger, Signal};
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::{EpochOutput, RuleCounts};

/// Places of damaged items that are shown.
const PLACES_SHOWN_MAX: usize = 5;

/// Share of late items above which the summary gives a hint, in percent.
const LATE_HINT_PERCENT: u64 = 1;

/// What a run has said so far.
pub struct Summary {
    plan: Arc<Plan>,
    ledger: Ledger,
    rules: Vec<RuleCounts>,
    rows: u64,
    sources: Vec<Arc<str>>,
    started: Instant,
}

impl Summary {
    /// Nothing yet; the clock of `spans/s` starts.
    #[expect(clippy::disallowed_methods, reason = "the command line measures its own speed")]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            ledger: Ledger::default(),
            rules: Vec::new(),
            rows: 0,
            sources: Vec::new(),
            started: Instant::now(),
        }
    }

    /// Takes an epoch's totals.
    pub fn take(&mut self, output: &EpochOutput) {
        self.ledger = output.ledger.clone();
        self.rules.clone_from(&output.rules);
        self.rows += output.rows.len() as u64;
    }

    /// Adds what the reader itself could not use.
    pub fn set_aside(&mut self, reader: &FileReader) {
        self.ledger.merge(reader.ledger());
        self.sources = reader.sources().iter().map(|source| Arc::clone(&source.name)).collect();
    }

    /// Whether anything could not be read.
    pub fn has_damage(&self) -> bool {
        self.ledger.damaged > 0 || self.ledger.dropped.contains_key(&DropReason::Damaged)
    }

    /// Tells it on standard error.
    #[expect(clippy::print_stderr, reason = "the summary is no result")]
    pub fn print(&self, is_interrupted: bool) {
        eprint!("{}", self.text(is_interrupted));
    }

    fn text(&self, is_interrupted: bool) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let mut lines = vec![String::new()];
        if is_interrupted {
            lines.push("interrupted: what follows is what had been read by then".to_owned());
        }
        let mut total = 0;
        let mut read = Vec::new();
        for signal in Signal::ALL {
            let counts = self.ledger.signals[signal.index()];
            total += counts.received;
            if counts.received > 0 {
                read.push(format!("{} {}", counts.received, signal.name()));
            }
        }
        let read = if read.is_empty() { "nothing".to_owned() } else { read.join(", ") };
        let rate = total as f64 / seconds.max(1e-9);
        lines.push(format!("read {read} in {seconds:.2} s ({rate:.0} a second)"));
        lines.extend(self.rule_lines());
        lines.extend(self.dropped_lines());
        let rules: i64 = self.rules.iter().map(RuleCounts::unaccounted).sum();
        lines.push(format!("unaccounted {}", self.ledger.unaccounted() + rules));
        lines.push(String::new());
        lines.join("\n")
    }

    fn rule_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (rule, counts) in self.plan.rules.iter().zip(&self.rules) {
            let mut line = format!("{}: {} taken", rule.name, counts.taken);
            if counts.late > 0 {
                let worst = duration(counts.worst_late_ns);
                line.push_str(&format!(", {} late (worst by {worst})", counts.late));
            }
            if counts.to_other > 0 {
                line.push_str(&format!(", {} to `other` (group limit)", counts.to_other));
            }
            lines.push(line);
            if counts.late * 100 > counts.taken * LATE_HINT_PERCENT {
                lines.push(
                    "  hint: over 1 % is late; state a longer `lateness` on its stream".to_owned(),
                );
            }
        }
        lines.push(format!("rows {}", self.rows));
        lines
    }

    fn dropped_lines(&self) -> Vec<String> {
        let ledger = &self.ledger;
        let mut lines = Vec::new();
        for (reason, count) in &ledger.dropped {
            let reason = match reason {
                DropReason::Damaged => "could not be decoded",
                DropReason::AheadOfTime => "lie over 5 min ahead of the file and were set aside",
                DropReason::NoTime => "have no time",
            };
            lines.push(format!("{count} items {reason}"));
        }
        if ledger.damaged > 0 {
            lines.push(format!("{} lines or requests could not be read", ledger.damaged));
        }
        if ledger.end_before_start > 0 {
            let count = ledger.end_before_start;
            lines.push(format!("{count} spans end before they start (duration 0)"));
        }
        for aside in ledger.set_aside.iter().take(PLACES_SHOWN_MAX) {
            let name = self.sources.get(aside.source.0 as usize);
            let name = name.map_or("?", |name| name);
            lines.push(format!("  {name}:{}: {}", aside.place, aside.reason));
        }
        if ledger.set_aside.len() > PLACES_SHOWN_MAX {
            lines.push(format!("  … {} more", ledger.set_aside.len() - PLACES_SHOWN_MAX));
        }
        lines
    }
}
