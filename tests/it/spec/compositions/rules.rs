//! Random rule files, each declaration over what stands before it. Every file compiles.

use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::*;

/// A declaration: its kind, and what its parts are chosen by.
pub(super) type Declaration = (usize, [u8; 8]);

/// Declarations that become a file.
pub(super) fn declarations() -> impl Strategy<Value = Vec<Declaration>> {
    vec((0..14_usize, any::<[u8; 8]>()), 2..10)
}

/// The file.
pub(super) fn text(declarations: &[Declaration]) -> String {
    let of = |name: &str, shape| Source { name: name.to_owned(), shape, number: String::new() };
    let sources = vec![of("spans", Shape::Spans), of("logs", Shape::Logs)];
    let text = "edition 1\n".to_owned();
    let (traces, alerts, matches) = (Vec::new(), Vec::new(), Vec::new());
    let mut rules = Rules { text, sources, traces, alerts, matches };
    for (index, (kind, numbers)) in declarations.iter().enumerate() {
        rules.declare(index, *kind, &mut Choices(numbers.iter()));
    }
    rules.text
}

/// What later rules read, all of it with `service.name` as a field, column or attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Spans,
    Logs,
    /// Items that came late.
    Late,
    /// Spans of which late ones amend what was said.
    Amending,
    /// Rows on a grid that later ones may replace.
    Revised,
    /// Rows off the grid that later ones may replace.
    Growing,
    /// Rows of windows on a grid, which others may be joined to.
    Grid,
    /// Rows of count windows.
    Counts,
    /// Other rows.
    Rows,
    /// Transitions of an alert.
    Transitions,
}

#[derive(Clone)]
struct Source {
    name: String,
    shape: Shape,
    /// The column with a number, of rows.
    number: String,
}

/// Numbers that choose, one after another; then zeros.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn number(&mut self) -> usize {
        self.0.next().map_or(0, |number| usize::from(*number))
    }

    fn of<'b>(&mut self, all: &[&'b str]) -> &'b str {
        all[self.number() % all.len()]
    }
}

struct Rules {
    text: String,
    sources: Vec<Source>,
    traces: Vec<String>,
    alerts: Vec<String>,
    /// Whose rows alerts take one by one.
    matches: Vec<String>,
}

impl Rules {
    fn declare(&mut self, index: usize, kind: usize, choose: &mut Choices<'_>) {
        match kind {
            0 => self.stream(index, choose),
            1 | 2 => self.aggregate(index, choose),
            3 => self.rows(index, choose),
            4 | 5 => self.alert(index, choose),
            6 | 7 => self.pattern(index, choose),
            8 => self.correlate(index, choose),
            9 => self.traces(index, choose),
            10 => self.sample_traces(choose),
            11 => self.sample_items(choose),
            12 => self.retrace(index, choose),
            _ => self.graph(index, choose),
        }
    }

    fn add(&mut self, name: String, shape: Shape, number: String) {
        self.sources.push(Source { name, shape, number });
    }

    /// A source; the newest are the likeliest, so that there are chains.
    fn any(&self, choose: &mut Choices<'_>) -> Source {
        let newest = self.sources.len() - 1;
        self.sources[newest - choose.number() % self.sources.len()].clone()
    }

    /// A source whose rows stand once they are said, as patterns want them.
    fn standing(&self, choose: &mut Choices<'_>) -> Source {
        let stands = |source: &&Source| {
            !matches!(source.shape, Shape::Amending | Shape::Revised | Shape::Growing)
        };
        let all: Vec<&Source> = self.sources.iter().rev().filter(stands).collect();
        all[choose.number() % all.len()].clone()
    }

    fn shaped(&self, choose: &mut Choices<'_>, shapes: &[Shape]) -> Option<Source> {
        let fitting = self.sources.iter().filter(|source| shapes.contains(&source.shape));
        let fitting: Vec<&Source> = fitting.collect();
        let number = choose.number();
        (!fitting.is_empty()).then(|| fitting[number % fitting.len()].clone())
    }

    fn stream(&mut self, index: usize, choose: &mut Choices<'_>) {
        let Some(from) = self.shaped(choose, &[Shape::Spans, Shape::Logs]) else { return };
        let name = format!("s{index}");
        let _ = write!(self.text, "stream {name} = {}", from.name);
        if choose.number() % 2 == 1 {
            let _ = write!(self.text, " where {}", condition(&from, choose));
        }
        if choose.number() % 3 == 2 {
            self.text += " dedupe by service.name, time within 5s limit 100";
        }
        let (lateness, late) = (choose.of(&["0s", "2s", "10s"]), choose.number() % 3);
        let is_first = ["spans", "logs"].contains(&from.name.as_str());
        let is_amending = is_first && late == 2 && from.shape == Shape::Spans;
        let shape = if is_amending { Shape::Amending } else { from.shape };
        self.add(name.clone(), shape, String::new());
        if is_first {
            let _ = write!(self.text, " lateness {lateness}");
        }
        if is_amending {
            self.text += " late amend within 8s";
        } else if is_first && late == 1 {
            let _ = write!(self.text, " late side late_{name}");
            self.add(format!("late_{name}"), Shape::Late, String::new());
        }
        self.text.push('\n');
    }

    fn aggregate(&mut self, index: usize, choose: &mut Choices<'_>) {
        let from = self.any(choose);
        let (over, shape) = [
            ("tumbling(5s)", Shape::Grid),
            ("tumbling(10s)", Shape::Grid),
            ("sliding(10s, every: 5s)", Shape::Grid),
            ("cumulate(20s, every: 5s)", Shape::Grid),
            ("session(gap: 3s)", Shape::Rows),
            ("session(gap: 3s, max: 8s)", Shape::Rows),
            ("count(3)", Shape::Counts),
        ][choose.number() % 7];
        let is_amending = from.shape == Shape::Amending;
        // What cannot be amended.
        let is_other = over.contains("max") || over.contains("count");
        let over = if is_amending && is_other { "tumbling(5s)" } else { over };
        let by = match from.shape {
            Shape::Spans | Shape::Amending => choose.of(&["service.name", "service.name, name"]),
            _ => "service.name",
        };
        let values = match from.shape {
            Shape::Spans | Shape::Amending => choose.of(&[
                "# count(), p90(duration), worst: max(duration)",
                "# count() where status == error, f: first(name), l: last(name)",
                "# count(), bad: ratio(status == error), k: top(2, name)",
                "# distinct(name), e: exemplar(max: duration)",
            ]),
            Shape::Logs => choose.of(&["# count()", "# count(), f: first(body), l: last(body)"]),
            Shape::Late | Shape::Transitions => "# count()",
            _ => choose.of(&["# count()", "# sum(@)", "# max(@), l: last(@), a: avg(@)"]),
        };
        // A column must not hide one of the source.
        let number = format!("n{index}");
        let values =
            values.replace('#', &format!("{number}:")).replace("l:", &format!("l{index}:"));
        let values = values.replace("a:", &format!("a{index}:")).replace('@', &from.number);
        let having = choose.of(&["", " having @ > 1"]).replace('@', &number);
        let limit = choose.of(&["", "", " limit groups 2 overflow other"]);
        let results = choose.of(&["", "", " results every 4s", " results changes"]);
        let shape = match shape {
            Shape::Grid if is_amending || !results.is_empty() => Shape::Revised,
            _ if is_amending || !results.is_empty() => Shape::Growing,
            shape => shape,
        };
        let (name, from) = (format!("g{index}"), from.name);
        let _ = writeln!(
            self.text,
            "aggregate {name} from {from} by {by} over {over} select {{ {values} }}\
             {having}{limit}{results}"
        );
        self.add(name, shape, number);
    }

    fn rows(&mut self, index: usize, choose: &mut Choices<'_>) {
        let joined = [Shape::Grid, Shape::Revised];
        let Some(left) = self.shaped(choose, &joined) else { return };
        let Some(right) = self.shaped(choose, &joined) else { return };
        let is_revised = left.shape == Shape::Revised || right.shape == Shape::Revised;
        let (name, number) = (format!("r{index}"), format!("n{index}"));
        let (from, n, other, o) = (left.name, left.number, right.name, right.number);
        let rule = match choose.number() % 4 {
            0 => {
                format!("join {other} before 10s as o on service.name select {{ {number}: o.{o} }}")
            }
            1 => format!("join {other} as o on service.name select {{ {number}: {n} + o.{o} }}"),
            2 => {
                format!("select {{ {number}: {n}, e{index}: ewma({n}, alpha: 0.5) }}")
            }
            _ => format!("top 1 by {n} select {{ {number}: {n} }}"),
        };
        let _ = writeln!(self.text, "rows {name} = {from} {rule}");
        self.add(name, if is_revised { Shape::Revised } else { Shape::Grid }, number);
    }

    fn alert(&mut self, index: usize, choose: &mut Choices<'_>) {
        let from = self.any(choose);
        let name = format!("A{index}");
        let _ = write!(self.text, "alert {name} from {}", from.name);
        match from.shape {
            Shape::Spans | Shape::Logs | Shape::Late | Shape::Amending => {
                let what = condition(&from, choose);
                let _ = write!(self.text, " where {what} by service.name hold 7s");
            }
            Shape::Transitions => self.text += choose.of(&["", " hold 5s"]),
            _ if self.matches.contains(&from.name) => self.text += " hold 7s",
            _ => {
                let above = choose.number() % 3;
                let way = choose.of(&["", " for 5s", " until @ < 2"]).replace('@', &from.number);
                let hold = choose.of(&["", " hold 5s"]);
                let _ = write!(self.text, " when {} > {above}{way}{hold}", from.number);
                // No moment says of a count that nothing came.
                if !matches!(from.shape, Shape::Counts | Shape::Growing) {
                    let no_data = choose.of(&["resolve", "fire", "keep"]);
                    let _ = write!(self.text, " on no data {no_data}");
                }
            }
        }
        self.text.push('\n');
        self.add(name.clone(), Shape::Transitions, String::new());
        self.alerts.push(name);
    }

    fn pattern(&mut self, index: usize, choose: &mut Choices<'_>) {
        let step = |rules: &Self, choose: &mut Choices<'_>| {
            let from = rules.standing(choose);
            let number = choose.number();
            let where_it = if number.is_multiple_of(3) {
                String::new()
            } else {
                format!(" where {}", condition_by(&from, number / 3))
            };
            from.name + &where_it
        };
        let (a, b, c) = (step(self, choose), step(self, choose), step(self, choose));
        let mode = choose.of(&["one", "one overlap", "each", "all limit 3"]);
        let number = choose.number();
        // What `match all` does not do: `until` here, and `on timeout` below.
        let is_all = mode.starts_with("all");
        let number = if is_all && number % 9 == 5 { number - 5 } else { number };
        let steps = match number % 9 {
            0 => format!("a: {a} then b: {b}"),
            1 => format!("a: {a} next b: {b}"),
            2 => format!("a: {a} then b{{1,3}}: {b} gap 4s"),
            3 => format!("a: {a} then b: {b} without {c}"),
            4 => format!("any order {{ a: {a}, b: {b} }}"),
            5 => format!("a: {a} then b{{2,}}: {b} until {c}"),
            6 => format!("a: {a} then b: {b} or c: {c}"),
            7 => format!("a: {a} then b?: {b} then c: {c}"),
            _ => format!("a: {a} then not b: {b} for 4s"),
        };
        let name = format!("p{index}");
        let side = format!("side_{name}");
        let has_side = number / 9 % 2 == 1 && number % 9 != 8 && !is_all;
        let timeout = if has_side { format!(" on timeout side {side}") } else { String::new() };
        let _ = writeln!(
            self.text,
            "pattern {name} by service.name within 8s match {mode} {{ {steps} }}{timeout} \
             select {{ n{index}: 1 }}"
        );
        self.matched(name, index);
        if has_side {
            self.matched(side, index);
        }
    }

    fn matched(&mut self, name: String, index: usize) {
        self.add(name.clone(), Shape::Rows, format!("n{index}"));
        self.matches.push(name);
    }

    fn correlate(&mut self, index: usize, choose: &mut Choices<'_>) {
        let (left, right) = (self.standing(choose).name, self.standing(choose).name);
        let within = choose.of(&["[-3s, 3s]", "[0s, 4s]", "[1s, 2s]", "[-2s, -1s]"]);
        let pick = choose.of(&["first", "last", "all limit 2"]);
        let name = format!("c{index}");
        let _ = writeln!(
            self.text,
            "correlate {name} {{ l: {left} r: {right} }} on service.name within {within} \
             pick {pick} select {{ n{index}: 1 }}"
        );
        for outcome in ["matched", "left_only", "right_only", "duplicates"] {
            self.matched(format!("{name}.{outcome}"), index);
        }
    }

    fn traces(&mut self, index: usize, choose: &mut Choices<'_>) {
        let Some(from) = self.shaped(choose, &[Shape::Spans]) else { return };
        let close =
            choose.of(&["quiet 3s", "(root and quiet 2s) or age 10s", "quiet 5s or age 6s"]);
        let limit = choose.of(&["", "", " limit spans 3"]);
        let name = format!("t{index}");
        let _ = writeln!(self.text, "traces {name} from {} close when {close}{limit}", from.name);
        self.traces.push(name);
    }

    fn trace(&self, choose: &mut Choices<'_>) -> Option<String> {
        let number = choose.number();
        (!self.traces.is_empty()).then(|| self.traces[number % self.traces.len()].clone())
    }

    /// A condition about another rule, for a line of a sampling.
    fn question(&self, choose: &mut Choices<'_>) -> Option<String> {
        let patterns: Vec<&String> = self.matches.iter().filter(|p| p.starts_with('p')).collect();
        let (number, at) = (choose.number(), choose.number());
        match number % 4 {
            0 if !patterns.is_empty() => {
                Some(format!("matched({})", patterns[at % patterns.len()]))
            }
            1 if !self.alerts.is_empty() => {
                Some(format!("firing({})", self.alerts[at % self.alerts.len()]))
            }
            2 => Some("named".to_owned()),
            _ => None,
        }
    }

    fn sample_traces(&mut self, choose: &mut Choices<'_>) {
        let Some(from) = self.trace(choose) else { return };
        let question = self.question(choose);
        let asked = question.map(|asked| format!("keep when {asked}\n")).unwrap_or_default();
        let lines = [
            "keep when has({status == error})",
            "keep target 1 per s by root.service.name when roots > 0",
            "keep rate 1 per s when span_count > 1",
            "shadow keep 50% when duration > 1s",
        ];
        let (one, two) = (choose.of(&lines), choose.of(&lines));
        let (share, behind) = (
            choose.of(&["0%", "50%", "100%"]),
            choose.of(&["", " logs follow", " links together", " mark \"why\""]),
        );
        self.sample(&from, &format!("{asked}{one}\n{two}\nkeep {share} otherwise"), behind);
    }

    fn sample_items(&mut self, choose: &mut Choices<'_>) {
        let Some(from) = self.shaped(choose, &[Shape::Spans, Shape::Logs]) else { return };
        let question = self.question(choose);
        let asked = question.map(|asked| format!("keep 50% when {asked}\n")).unwrap_or_default();
        let kept = condition(&from, choose);
        let way = choose.of(&["rate", "target"]);
        let lines =
            format!("{asked}keep when {kept}\nkeep {way} 1 per s by service.name otherwise");
        self.sample(&from.name, &lines, "");
    }

    /// A sampling, unless the source has one.
    fn sample(&mut self, from: &str, lines: &str, behind: &str) {
        if !self.text.contains(&format!("sample {from} ")) {
            let _ = writeln!(self.text, "sample {from} {{\n{lines}\n}}{behind} to archive");
        }
    }

    fn retrace(&mut self, index: usize, choose: &mut Choices<'_>) {
        let Some(from) = self.shaped(choose, &[Shape::Spans]) else { return };
        let (share, flush) = (choose.of(&["100%", "50%"]), choose.of(&["4s", "10s or 3 spans"]));
        let _ = writeln!(
            self.text,
            "retrace d{index} from {} by service.name root {{ name: \"of {{service.name}}\" }} \
             keep {share} otherwise flush after {flush} to archive",
            from.name
        );
    }

    /// Aggregates over traces and what is made of them.
    fn graph(&mut self, index: usize, choose: &mut Choices<'_>) {
        let Some(of) = self.trace(choose) else { return };
        let (name, number) = (format!("o{index}"), format!("n{index}"));
        let over = choose.of(&["tumbling(5s)", "sliding(10s, every: 5s)", "session(gap: 3s)"]);
        let (from, by, values) = [
            (".operations", "service.name, name", "sum(spans), on: sum(exclusive)"),
            (".operations", "service.name", "count(), p90(self)"),
            (".edges", "client, server", "count(), p50(server.duration)"),
            (
                "",
                "root.service.name",
                "count(), m: max(critical_path.duration), s: sum(span_count)",
            ),
        ][choose.number() % 4];
        let _ = writeln!(
            self.text,
            "aggregate {name} from {of}{from} by {by} over {over} select {{ {number}: {values} }}"
        );
        if from == ".operations" {
            let shape = if over.starts_with("session") { Shape::Rows } else { Shape::Grid };
            self.add(name, shape, number);
        }
    }
}

fn condition(of: &Source, choose: &mut Choices<'_>) -> String {
    condition_by(of, choose.number())
}

fn condition_by(of: &Source, number: usize) -> String {
    let one = |all: &[&str]| all[number % all.len()].to_owned();
    match of.shape {
        Shape::Spans | Shape::Amending => {
            one(&["status == error", "duration > 1s", "name == \"x\"", "kind == server"])
        }
        Shape::Logs => one(&["severity >= warn", "body == \"x\""]),
        Shape::Late => "service.name != null".to_owned(),
        Shape::Transitions => one(&["state == firing", "state == resolved"]),
        Shape::Grid | Shape::Revised | Shape::Growing | Shape::Counts | Shape::Rows => {
            of.number.clone() + &one(&[" > 1", " <= 2", " != null"])
        }
    }
}
