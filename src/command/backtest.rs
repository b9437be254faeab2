//! `tailwater backtest`: what another version of rules would have said about a recording.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use tailwater_engine::model::render::time;
use tailwater_engine::model::{AlertState, Value};
use tailwater_engine::plan::Plan;

use super::replay::{Ended, Interrupt, ReadSettings, run_through};
use crate::args::{Backtest, General};
use crate::exit::{Exit, Usage};
use crate::output::{Output, WriteFailed};
use crate::render::rows::{Said, alert, rule_of};
use crate::rule_files::{self, compile};
use crate::terminal::{Style, tell};

/// Rows of one version that are held for comparison.
const ROWS_MAX: usize = 5_000_000;

/// Differences of one rule that are listed without `-v`.
const DIFFERENCES_SHOWN_MAX: usize = 20;

/// Where a row or a firing stands: rule, time, key, number among equals.
type Place = (i64, i64, Vec<String>);

/// What one version says.
#[derive(Default)]
struct Version {
    /// Per aggregate: window and key to named values.
    rows: BTreeMap<String, BTreeMap<Place, Vec<(String, Value)>>>,
    /// Per alert: key to the times at which it began to fire.
    fired: BTreeMap<String, BTreeMap<Vec<String>, Vec<i64>>>,
    count: usize,
}

/// Runs both versions and prints what differs; exit code 1 if anything does.
pub(crate) fn run(args: &Backtest, general: General) -> anyhow::Result<Exit> {
    ensure!(
        !args.inputs.files.iter().any(|file| file == Path::new("-")),
        Usage("standard input can be read once only: give `backtest` files".to_owned())
    );
    let settings = ReadSettings::resolve(&args.inputs, general)?;
    let params = rule_files::params(&args.params)?;
    let mut plans = Vec::new();
    for path in [&args.old, &args.new] {
        let compiled =
            compile(&rule_files::read_to_run(std::slice::from_ref(path))?, params.clone());
        compiled.tell(general);
        plans.extend(compiled.plan);
    }
    let [old, new] = plans.as_slice() else { return Ok(Exit::Rules) };
    let interrupt = Interrupt::new();
    let mut versions = Vec::new();
    for plan in [old, new] {
        match pass(&settings, plan, &interrupt)? {
            Ok(version) => versions.push(version),
            Err(exit) => return Ok(exit),
        }
    }
    let report = Report { is_colored: general.colors.on_stdout, shows_all: general.is_verbose };
    let mut text = String::new();
    let differences = report.alerts(&versions[0], &versions[1], &mut text)
        + report.rows(&versions[0], &versions[1], &mut text);
    let mut output = Output::open(None)?;
    output.text(&text)?;
    output.close()?;
    if !general.is_quiet {
        let (old, new) = (versions[0].count, versions[1].count);
        tell(&format!("{differences} differences between {old} rows before and {new} after\n"));
    }
    Ok(if differences > 0 { Exit::Findings } else { Exit::Good })
}

/// One version's answer, or how the program ends without it.
fn pass(
    settings: &ReadSettings,
    plan: &Arc<Plan>,
    interrupt: &Interrupt,
) -> anyhow::Result<Result<Version, Exit>> {
    let mut version = Version::default();
    let ended = run_through(settings, plan, interrupt, &mut |said| {
        version.take(plan, said);
        Ok::<(), WriteFailed>(())
    })?;
    ensure!(
        version.count <= ROWS_MAX,
        "the rules make more than {ROWS_MAX} rows: compare a part of the recording"
    );
    match ended.why {
        Ended::Complete => Ok(Ok(version)),
        _ => ended.exit().map(Err),
    }
}

impl Version {
    fn take(&mut self, plan: &Plan, said: Said<'_>) {
        match said {
            Said::Row(row) => {
                self.count += 1;
                if self.count > ROWS_MAX {
                    return;
                }
                let (name, rule) = rule_of(plan, row.rule);
                let place = (row.start_ns, row.end_ns, key(row.is_other, &row.key));
                let names = rule.value_names().into_iter().map(ToString::to_string);
                let values = names.zip(row.values.iter().cloned()).collect();
                self.rows.entry(name.to_owned()).or_default().insert(place, values);
            }
            Said::Transition(transition) if transition.state == AlertState::Firing => {
                let (name, ..) = alert(plan, transition.rule);
                let key = key(transition.is_other, &transition.key);
                let alert = self.fired.entry(name.to_owned()).or_default();
                alert.entry(key).or_default().push(transition.decision_ns);
            }
            Said::Transition(_) => {}
        }
    }
}

fn key(is_other: bool, key: &[Value]) -> Vec<String> {
    if is_other {
        return vec!["(other)".to_owned()];
    }
    key.iter().map(ToString::to_string).collect()
}

/// How differences are written.
struct Report {
    is_colored: bool,
    shows_all: bool,
}

impl Report {
    /// Alerts added, removed and moved: of each group the n-th firings are compared.
    fn alerts(&self, old: &Version, new: &Version, text: &mut String) -> usize {
        let mut differences = 0;
        for name in names(&old.fired, &new.fired) {
            let (empty, mut lines) = (BTreeMap::new(), Vec::new());
            let old = old.fired.get(name).unwrap_or(&empty);
            let new = new.fired.get(name).unwrap_or(&empty);
            for key in names(old, new) {
                let times = |side: &BTreeMap<Vec<String>, Vec<i64>>| {
                    side.get(key).cloned().unwrap_or_default()
                };
                let (before, after) = (times(old), times(new));
                for index in 0..before.len().max(after.len()) {
                    let key = key.join(" ");
                    match (before.get(index), after.get(index)) {
                        (Some(was), Some(is)) if was == is => {}
                        (Some(was), Some(is)) => {
                            let line = format!("~ {} now {}  {key}", time(*was), time(*is));
                            lines.push((Style::Yellow, line));
                        }
                        (Some(was), None) => {
                            lines.push((Style::Red, format!("- {}  {key}", time(*was))));
                        }
                        (None, is) => {
                            let is = is.copied().unwrap_or_default();
                            lines.push((Style::Green, format!("+ {}  {key}", time(is))));
                        }
                    }
                }
            }
            differences += lines.len();
            self.section(&format!("{name} (alert)"), &lines, text);
        }
        differences
    }

    fn rows(&self, old: &Version, new: &Version, text: &mut String) -> usize {
        let mut differences = 0;
        for name in names(&old.rows, &new.rows) {
            let (empty, mut lines) = (BTreeMap::new(), Vec::new());
            let old = old.rows.get(name).unwrap_or(&empty);
            let new = new.rows.get(name).unwrap_or(&empty);
            for place in names(old, new) {
                let (start_ns, end_ns, key) = place;
                let title = format!("{} to {}  {}", time(*start_ns), time(*end_ns), key.join(" "));
                match (old.get(place), new.get(place)) {
                    (Some(was), Some(is)) if was == is => {}
                    (Some(was), Some(is)) => {
                        let line = format!("~ {title}  {}", changed(was, is));
                        lines.push((Style::Yellow, line));
                    }
                    (Some(_), None) => lines.push((Style::Red, format!("- {title}"))),
                    (None, _) => lines.push((Style::Green, format!("+ {title}"))),
                }
            }
            differences += lines.len();
            self.section(name, &lines, text);
        }
        differences
    }

    fn section(&self, name: &str, lines: &[(Style, String)], text: &mut String) {
        if lines.is_empty() {
            return;
        }
        let count = |sign: char| lines.iter().filter(|(_, line)| line.starts_with(sign)).count();
        let (added, removed, other) = (count('+'), count('-'), count('~'));
        let title = Style::Bold.paint(name, self.is_colored);
        let _ = writeln!(text, "{title}: {added} added, {removed} removed, {other} changed");
        let shown = if self.shows_all { lines.len() } else { DIFFERENCES_SHOWN_MAX };
        for (style, line) in lines.iter().take(shown) {
            let _ = writeln!(text, "  {}", style.paint(line, self.is_colored));
        }
        if lines.len() > shown {
            let _ = writeln!(text, "  … {} more: `-v` lists all", lines.len() - shown);
        }
    }
}

/// The keys of either map, sorted.
fn names<'a, K: Ord, V>(a: &'a BTreeMap<K, V>, b: &'a BTreeMap<K, V>) -> Vec<&'a K> {
    let mut names: Vec<&K> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    names
}

/// `n 12 → 13`, for every value that differs, is new or is gone.
fn changed(was: &[(String, Value)], is: &[(String, Value)]) -> String {
    let was: BTreeMap<&String, &Value> = was.iter().map(|(name, value)| (name, value)).collect();
    let is: BTreeMap<&String, &Value> = is.iter().map(|(name, value)| (name, value)).collect();
    let text = |value: Option<&&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
    let parts: Vec<String> = names(&was, &is)
        .into_iter()
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| format!("{name} {} → {}", text(was.get(name)), text(is.get(name))))
        .collect();
    parts.join(", ")
}
