//! The summary of a run: what became of every item, and how fast.
//!
//! Invariant: what it adds up is the engine's own account; nothing is counted here but alerts that
//! fired. Goes to standard error, and changes no result.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use tailwater_engine::model::render::duration;
use tailwater_engine::model::{AlertState, DropReason, Ledger, RuleId, Signal, SourceSpec};
use tailwater_engine::plan::{Plan, Rule, RuleKind};
use tailwater_engine::redact::{Bound, RedactCounters, Redactor, TrimCounters};
use tailwater_engine::runtime::{EpochOutput, RuleCounts};
use tailwater_engine::self_metrics::EngineGauges;

use super::hint::{KeysSeen, nothing_taken};
use super::left_open::left_open;
use super::sampled::{LinesCounted, early_text, is_of_traces, lines_counted, sampled};
use crate::args::General;
use crate::command::replay::Ended;
use crate::log::escaped;
use crate::terminal::{Style, tell};

/// Places of damaged items that are shown.
const PLACES_SHOWN_MAX: usize = 5;

/// Share of late items above which the summary gives a hint, in percent.
const LATE_HINT_PERCENT: u64 = 1;

/// What a run has said so far.
pub(crate) struct Summary {
    plan: Arc<Plan>,
    ledger: Ledger,
    rules: Vec<RuleCounts>,
    samples: LinesCounted,
    rows: Vec<u64>,
    fired: Vec<u64>,
    keys: KeysSeen,
    sources: Vec<Arc<str>>,
    redacted: Option<Arc<RedactCounters>>,
    trimmed: Option<Arc<TrimCounters>>,
    started: Instant,
    seconds: f64,
    /// Whether it is of telemetry as it came, not of files.
    is_live: bool,
    /// What had not been decided.
    open: Option<String>,
}

impl Summary {
    /// Nothing yet; the clock of `items a second` starts.
    #[expect(clippy::disallowed_methods, reason = "the command line measures its own speed")]
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let rules = plan.rules.len();
        Self {
            keys: KeysSeen::new(Arc::clone(&plan)),
            plan,
            ledger: Ledger::default(),
            rules: Vec::new(),
            samples: Vec::new(),
            rows: vec![0; rules],
            fired: vec![0; rules],
            sources: Vec::new(),
            redacted: None,
            trimmed: None,
            started: Instant::now(),
            seconds: 0.0,
            is_live: false,
            open: None,
        }
    }

    /// Takes an epoch's totals.
    pub(crate) fn take(&mut self, output: &EpochOutput) {
        self.ledger = output.ledger.clone();
        self.rules.clone_from(&output.rules);
        self.samples = lines_counted(output);
        let place = |rule: RuleId| rule.0 as usize;
        for row in &output.rows {
            self.rows[place(row.rule)] += 1;
            self.keys.take(row);
        }
        let firing = output.transitions.iter().filter(|one| one.state == AlertState::Firing);
        firing.for_each(|one| self.fired[place(one.rule)] += 1);
    }

    /// Ends the account with what the reader itself could not use.
    pub(crate) fn close(&mut self, unread: &Ledger, sources: &[SourceSpec]) {
        self.ledger.merge(unread);
        self.sources = sources.iter().map(|source| Arc::clone(&source.name)).collect();
        self.seconds = self.started.elapsed().as_secs_f64();
    }

    /// Takes what was taken out of the telemetry.
    pub(crate) fn redacted(&mut self, redactor: Option<&Redactor>) {
        self.redacted = redactor.map(Redactor::counters);
    }

    /// Takes what was dropped from items for their bounds.
    pub(crate) fn trimmed(&mut self, counters: &Arc<TrimCounters>) {
        self.trimmed = Some(Arc::clone(counters));
    }

    /// Whether anything could not be read.
    pub(crate) fn has_damage(&self) -> bool {
        self.ledger.damaged > 0 || self.ledger.dropped.contains_key(&DropReason::Damaged)
    }

    /// Whether any alert fired.
    pub(crate) fn has_fired(&self) -> bool {
        self.fired.iter().any(|&count| count > 0)
    }

    /// Takes what a replay leaves undecided.
    pub(crate) fn leave_open(&mut self, gauges: &EngineGauges) {
        self.open = left_open(&self.plan, gauges).map(|open| format!("open at the end: {open}"));
    }

    /// Tells how a live run went, on standard error, and what it had not decided.
    pub(crate) fn tell_live(&mut self, gauges: &EngineGauges, general: General) {
        self.is_live = true; // what came cannot be sorted any more
        let open = left_open(&self.plan, gauges);
        self.open = open.map(|open| format!("open at the end, and gone with the run: {open}"));
        self.tell_below(String::from("\n"), general);
    }

    /// Tells it on standard error.
    pub(crate) fn tell(&self, why: &Ended, general: General) {
        let is_colored = general.colors.on_stderr;
        let mut text = String::from("\n");
        let stopped = match why {
            Ended::Complete => None,
            Ended::Interrupted => Some("interrupted"),
            Ended::Failed(_) => Some("stopped by an error"),
        };
        if let Some(stopped) = stopped {
            let line = format!("{stopped}: this is what had been read by then");
            let _ = writeln!(text, "{}", Style::Yellow.paint(&line, is_colored));
        }
        self.unsent_line(&mut text);
        self.tell_below(text, general);
    }

    fn tell_below(&self, mut text: String, general: General) {
        let is_colored = general.colors.on_stderr;
        self.read_line(&mut text);
        self.rule_lines(is_colored, &mut text);
        self.dropped_lines(general, &mut text);
        if let Some(counters) = &self.redacted {
            redaction_line(counters, &mut text);
        }
        if let Some(counters) = &self.trimmed {
            trim_line(counters, &mut text);
        }
        if let Some(open) = &self.open {
            let _ = writeln!(text, "{open}");
        }
        let rules: i64 = self.rules.iter().map(RuleCounts::unaccounted).sum();
        let unaccounted = self.ledger.unaccounted() + rules;
        let line = format!("unaccounted {unaccounted}");
        let style = if unaccounted == 0 { Style::Dim } else { Style::Red };
        let _ = writeln!(text, "{}", style.paint(&line, is_colored));
        tell(&text);
    }

    fn read_line(&self, text: &mut String) {
        let mut total = 0;
        let mut read = Vec::new();
        for signal in Signal::ALL {
            let counts = self.ledger.signals[signal.index()];
            total += counts.received;
            if counts.received > 0 {
                let what = match (counts.received, signal) {
                    (1, Signal::Progress) | (2.., _) => signal.name(),
                    _ => signal.name().trim_end_matches('s'),
                };
                read.push(format!("{} {what}", grouped(counts.received)));
            }
        }
        let read = if read.is_empty() { "nothing".to_owned() } else { read.join(", ") };
        let rate = total as f64 / self.seconds.max(1e-9);
        let seconds = self.seconds;
        let _ = writeln!(text, "read {read} in {seconds:.2} s ({} a second)", grouped(rate as u64));
    }

    fn rule_lines(&self, is_colored: bool, text: &mut String) {
        let mut quiet = Vec::new();
        for (index, (rule, counts)) in self.plan.rules.iter().zip(&self.rules).enumerate() {
            if matches!(rule.kind, RuleKind::Alert(_)) {
                let times = match self.fired[index] {
                    0 => {
                        quiet.push(&*rule.name);
                        continue;
                    }
                    1 => "once".to_owned(),
                    count => format!("{} times", grouped(count)),
                };
                let _ = writeln!(text, "{}: fired {times}", rule.name);
                continue;
            }
            if is_other_view(rule) {
                continue;
            }
            if let RuleKind::Sample(sample) = &rule.kind
                && is_of_traces(sample)
            {
                let said = sampled(RuleId(index as u32), sample, &self.samples);
                let _ = write!(text, "{}: {said}", rule.name);
                continue;
            }
            taken_text(rule, counts, text);
            *text += &self.came_of(index, rule, counts);
            self.hint_lines(index, is_colored, text);
        }
        if !quiet.is_empty() {
            let _ = writeln!(text, "did not fire: {}", quiet.join(", "));
        }
        if let Some(hint) = nothing_taken(&self.plan, &self.ledger, &self.rules) {
            let hint = format!("hint: {hint}");
            let _ = writeln!(text, "{}", Style::Yellow.paint(&hint, is_colored));
        }
    }

    /// What a rule's user may want to change, by what became of its items.
    fn hint_lines(&self, index: usize, is_colored: bool, text: &mut String) {
        let (rule, counts) = (&self.plan.rules[index], &self.rules[index]);
        // Spans behind a trace that a cap closed are in time: no lateness would help.
        let is_capped = matches!(rule.kind, RuleKind::Traces(_)) && counts.worst_late_ns == 0;
        if counts.late * 100 > counts.taken * LATE_HINT_PERCENT && !is_capped {
            let percent = LATE_HINT_PERCENT;
            let sorted = if self.is_live { "" } else { "use `--order time`, or " };
            let hint = format!(
                "  hint: more than {percent} % is late: {sorted}state a longer `lateness` on its \
                 stream"
            );
            let _ = writeln!(text, "{}", Style::Yellow.paint(&hint, is_colored));
        }
        if self.rows[index] > 0 {
            for hint in self.keys.hints(index) {
                let hint = format!("  hint: {hint}");
                let _ = writeln!(text, "{}", Style::Yellow.paint(&hint, is_colored));
            }
        }
    }

    /// What came of the items of a rule: the end of its line.
    fn came_of(&self, index: usize, rule: &Rule, counts: &RuleCounts) -> String {
        match &rule.kind {
            RuleKind::Route(_) => format!(", {} sent on\n", grouped(counts.used - counts.refused)),
            RuleKind::Sample(sample) => {
                format!(", {}", sampled(RuleId(index as u32), sample, &self.samples))
            }
            RuleKind::Retrace(_) => {
                let kept = counted(counts.traces_kept, "trace");
                let dropped = grouped(counts.traces_dropped);
                let early = match counts.traces_early.iter().sum() {
                    0 => String::new(),
                    early => format!(", {} of them early, for want of room", grouped(early)),
                };
                format!(", {kept} sent on, {dropped} dropped{early}\n")
            }
            RuleKind::Traces(_) => match early_text(&counts.traces_early) {
                Some(early) => format!(", traces decided early: {early}\n"),
                None => "\n".to_owned(),
            },
            _ if rule.place.is_hidden => "\n".to_owned(),
            _ => format!(", {}\n", counted(self.rows[index], "row")),
        }
    }

    /// What a rule file sends to sinks stays here: a replay has none.
    fn unsent_line(&self, text: &mut String) {
        let routes: Vec<String> = self
            .plan
            .routes
            .iter()
            .map(|route| format!("{} to {}", route.name, route.to.join(", ")))
            .collect();
        if !routes.is_empty() {
            let _ = writeln!(text, "not sent, as a replay has no sinks: {}", routes.join("; "));
        }
    }

    fn dropped_lines(&self, general: General, text: &mut String) {
        let ledger = &self.ledger;
        for (reason, count) in &ledger.dropped {
            let reason = match reason {
                DropReason::Damaged => "could not be decoded",
                DropReason::AheadOfTime => "lie more than 5m ahead of their file",
                DropReason::NoTime => "have no time",
            };
            let _ = writeln!(text, "set aside: {} items {reason}", grouped(*count));
        }
        if ledger.damaged > 0 {
            let count = grouped(ledger.damaged);
            let what = if ledger.damaged == 1 { "line or request" } else { "lines or requests" };
            let _ = writeln!(text, "set aside: {count} damaged {what}");
        }
        let shown = if general.is_verbose { usize::MAX } else { PLACES_SHOWN_MAX };
        for aside in ledger.set_aside.iter().take(shown) {
            let name = self.sources.get(aside.source.0 as usize);
            let name = name.map_or("the log", |name| name);
            let reason = escaped(&aside.reason);
            let _ = writeln!(text, "  {name}:{}: {reason}", aside.place);
        }
        if ledger.set_aside.len() > shown {
            let _ = writeln!(text, "  … more: `-v` shows the first {}", ledger.set_aside.len());
        }
        if ledger.end_before_start > 0 {
            let count = grouped(ledger.end_before_start);
            let _ = writeln!(text, "{count} spans end before they start: duration 0");
        }
    }
}

/// How many items a rule has taken, and which of them went no further: the begin of its line.
fn taken_text(rule: &Rule, counts: &RuleCounts, text: &mut String) {
    let _ = write!(text, "{}: {} taken", rule.name, counted(counts.taken, "item"));
    if counts.duplicates > 0 {
        let _ = write!(text, ", {} left out", counted(counts.duplicates, "duplicate"));
    }
    if counts.late > 0 {
        let (late, worst) = (grouped(counts.late), duration(counts.worst_late_ns));
        let _ = write!(text, ", {late} late (worst by {worst})");
    }
    if counts.to_other > 0 {
        let other = grouped(counts.to_other);
        let _ = write!(text, ", {other} in `other` (limit of groups)");
    }
    if counts.refused > 0 {
        let refused = grouped(counts.refused);
        let _ = write!(text, ", {refused} refused ({})", why_refused(&rule.kind));
    }
    if counts.amended > 0 {
        let _ = write!(text, ", {} of them amend", grouped(counts.amended));
    }
}

/// What made a rule refuse something.
fn why_refused(kind: &RuleKind) -> &'static str {
    match kind {
        RuleKind::Route(_) | RuleKind::Sample(_) => "OTLP cannot hold them",
        RuleKind::Traces(_) => "no trace id, or too many pairs of named spans",
        RuleKind::Retrace(_) => "not whole, or beyond the bounds",
        RuleKind::Correlate(_) => "bounds of correlations, or rows of `other`",
        _ => "bounds of patterns, or rows of `other`",
    }
}

/// What was taken out, by line of the rule.
fn redaction_line(counters: &RedactCounters, text: &mut String) {
    let counts = counters.counts().into_iter().filter(|count| count.count > 0);
    let mut parts: Vec<String> = counts
        .map(|count| format!("{} {} {}", count.rule, escaped(&count.what), grouped(count.count)))
        .collect();
    if counters.unreadable() > 0 {
        parts.push(format!("not readable {}", grouped(counters.unreadable())));
    }
    if !parts.is_empty() {
        let frames = grouped(counters.frames());
        let _ = writeln!(text, "redacted {frames} frames: {}", parts.join(", "));
    }
}

/// What was dropped from items or cut, by bound.
fn trim_line(counters: &TrimCounters, text: &mut String) {
    let bounds = Bound::ALL.into_iter().filter(|bound| counters.count(*bound) > 0);
    let part = |bound: Bound| format!("{} {}", bound.name(), grouped(counters.count(bound)));
    let mut parts: Vec<String> = bounds.map(part).collect();
    if counters.trace_states() > 0 {
        parts.push(format!("tracestate {}", grouped(counters.trace_states())));
    }
    if !parts.is_empty() {
        let _ = writeln!(text, "beyond `limits`, dropped or cut: {}", parts.join(", "));
    }
}

/// A count with its digits in groups of three: `1_234_567`, as the rules language writes them.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// `1 item`, `2_000 items`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Whether a rule is another view of rows that are counted with the rule that they are of.
fn is_other_view(rule: &Rule) -> bool {
    match &rule.kind {
        RuleKind::Rows(_) => rule.place.is_hidden,
        RuleKind::Outcome(outcome) => outcome.with_items,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1_000", "1_234_567"]);
    }
}
