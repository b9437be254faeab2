//! Expectations of a rule test, typed against the rules.

use super::shape::Shape;
use super::{Checker, Entity};
use crate::ast::{DeclarationKind, ExpectLine, Name, NumberText, SampleBody, SampleLine};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{AlertState, Expect, ExpectKind, Literal, Moment, SourceRef};
use crate::syntax::literal;
use crate::text_range::TextRange;
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn expect(&mut self, line: &ExpectLine, module: usize) -> Option<Expect> {
        let full = self.full(&line.rule.text, module);
        let is_sample = line.kind.text == "sample";
        let is_known = self.target(&line.rule.text, module).is_some();
        if is_sample && self.sampling_lines(&line.rule.text, module).is_empty() {
            self.not_sampled(&line.rule, module);
            return None;
        } else if is_sample && !is_known {
            return None; // reported where it is sampled
        }
        let shape = self.source(&line.rule, module);
        if shape.is_broken {
            return None;
        }
        let rule = if is_sample { shape.source.clone() } else { self.expected_rule(line, &full)? };
        let moment = match &line.moment {
            Some(moment) => {
                let at = self.moment(&moment.at, moment.at_range)?;
                Some(match moment.word.text.as_str() {
                    "at" => Moment::At(at),
                    "by" => Moment::By(at),
                    "before" => Moment::Before(at),
                    _ => Moment::After(at),
                })
            }
            None => None,
        };
        if is_sample {
            return self.expected_sample(line, rule, moment, module);
        }
        let kind = self.expected_state(line);
        let count = line.count.as_ref().and_then(|(number, range)| self.plain(number, *range));
        let values = self.expected_values(line, &shape, module);
        Some(Expect { rule, none: line.none, moment, count, values, kind, range: line.range })
    }

    /// What is expected of rows or an alert.
    fn expected_state(&mut self, line: &ExpectLine) -> ExpectKind {
        let is_alert = line.kind.text == "alert";
        let Some(state) = &line.state else {
            return if is_alert { ExpectKind::Alert(None) } else { ExpectKind::Row };
        };
        let of_alert = match state.text.as_str() {
            "inactive" => Some(AlertState::Inactive),
            "pending" => Some(AlertState::Pending),
            "firing" => Some(AlertState::Firing),
            "resolved" => Some(AlertState::Resolved),
            _ => None,
        };
        if is_alert && of_alert.is_some() {
            return ExpectKind::Alert(of_alert);
        }
        let whose = if of_alert.is_some() { "an alert" } else { "a sampled trace" };
        let message = format!("`{}` is a state of {whose}, here is none", state.text);
        self.report(Diagnostic::new(codes::TEST_ITEM, state.range, message).help("remove it"));
        if is_alert { ExpectKind::Alert(None) } else { ExpectKind::Row }
    }

    /// What is expected of a sampling: `sample shop kept { line: "failed" }`.
    fn expected_sample(
        &mut self,
        line: &ExpectLine,
        rule: SourceRef,
        moment: Option<Moment>,
        module: usize,
    ) -> Option<Expect> {
        let lines = self.sampling_lines(&line.rule.text, module);
        let is_kept = self.expected_verdict(line)?;
        let values = self.verdict_values(line, &lines, module);
        if moment.is_some() && values.iter().all(|(key, _)| key != "trace.id") {
            let message = "verdicts are counted for the whole test, a time is that of one trace";
            self.report(
                Diagnostic::new(codes::TEST_ITEM, line.range, message)
                    .help("name the trace: `{ trace.id: \"…\" }`"),
            );
        }
        let count = line.count.as_ref().and_then(|(number, range)| self.plain(number, *range));
        let kind = ExpectKind::Sample { is_kept };
        Some(Expect { rule, none: line.none, moment, count, values, kind, range: line.range })
    }

    /// Reports an expectation of a sampling that there is not.
    fn not_sampled(&mut self, source: &Name, module: usize) {
        let message = format!("nothing samples `{}`", source.text);
        let diagnostic = Diagnostic::new(codes::TEST_ITEM, source.range, message);
        let sampled: Vec<String> = self.samplings(module).map(|(name, _)| name).collect();
        let diagnostic = match nearest(&source.text, sampled.iter().map(String::as_str)) {
            Some(near) => diagnostic.did_you_mean(source.range, near),
            None => diagnostic.help("name what a `sample` reads: `sample shop { … }`"),
        };
        self.report(diagnostic);
    }

    /// Samplings of a file and of those that it imports, with what they read as the file names it.
    fn samplings(&self, module: usize) -> impl Iterator<Item = (String, &SampleBody)> {
        self.items.iter().filter_map(move |item| {
            let DeclarationKind::Sample(body) = &item.tree.kind else { return None };
            let full = self.full(&body.source.text, item.module);
            let name = full.strip_prefix(&self.modules[module].prefix)?;
            Some((name.to_owned(), body))
        })
    }

    /// The names of the lines of all samplings of a source.
    fn sampling_lines(&self, source: &str, module: usize) -> Vec<String> {
        let own = self.samplings(module).filter(|(name, _)| name == source).map(|(_, body)| body);
        let lines = own.flat_map(|body| body.lines.iter().flatten().enumerate());
        let name = |(at, line): (usize, &SampleLine)| {
            line.name.as_ref().map_or_else(|| format!("line {}", at + 1), |name| name.text.clone())
        };
        lines.map(name).collect()
    }

    /// Whether a trace or item is expected to be kept.
    fn expected_verdict(&mut self, line: &ExpectLine) -> Option<bool> {
        match line.state.as_ref().map(|state| state.text.as_str()) {
            Some("kept") => Some(true),
            Some("dropped") => Some(false),
            _ => {
                let range = line.state.as_ref().map_or(line.rule.range, |state| state.range);
                self.report(
                    Diagnostic::new(codes::TEST_ITEM, range, "a sampling keeps or drops")
                        .help(format!("write `sample {} kept` or `… dropped`", line.rule.text)),
                );
                None
            }
        }
    }

    /// Which line is expected to decide, and about which trace.
    fn verdict_values(
        &mut self,
        line: &ExpectLine,
        lines: &[String],
        module: usize,
    ) -> Vec<(String, Literal)> {
        let mut values = Vec::new();
        for (key, value) in &line.values {
            let literal = self.literal_beside(&Type::String, key.range, value, module);
            let Some(Literal::String(text)) = literal else { continue };
            match key.text.as_str() {
                "line" if !lines.contains(&text) => self.no_line(&text, value.range, lines),
                "line" | "trace.id" => values.push((key.text.clone(), Literal::String(text))),
                _ => {
                    let message = format!("a sampling says nothing of `{}`", key.text);
                    self.report(
                        Diagnostic::new(codes::TEST_ITEM, key.range, message)
                            .help("name a `line` of it, or one trace by `trace.id`"),
                    );
                }
            }
        }
        values
    }

    fn no_line(&mut self, name: &str, range: TextRange, lines: &[String]) {
        let message = format!("the sampling has no line `{name}`");
        let names = lines.iter().map(String::as_str);
        let mut diagnostic = Diagnostic::new(codes::TEST_ITEM, range, message)
            .note(format!("its lines: {}", listed(names.clone(), 10)));
        if let Some(near) = nearest(name, names) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        self.report(diagnostic);
    }

    fn plain(&mut self, number: &NumberText, range: TextRange) -> Option<u64> {
        match literal::number(number, range) {
            Ok(Literal::Int(value)) if value >= 0 => Some(value as u64),
            _ => {
                let message = "`count` takes an integer";
                self.report(Diagnostic::new(codes::TEST_ITEM, range, message));
                None
            }
        }
    }

    fn expected_rule(&mut self, line: &ExpectLine, full: &str) -> Option<SourceRef> {
        let (keyword, of, outcome) = match self.names.get(full) {
            Some(Entity::Source(index)) => {
                (self.items[*index].tree.keyword.text.clone(), full, None)
            }
            Some(Entity::Outcome(_, outcome)) => {
                let of = full.strip_suffix(outcome.word()).unwrap_or(full);
                ("correlate".to_owned(), of.trim_end_matches('.'), Some(*outcome))
            }
            _ => (String::new(), full, None),
        };
        if keyword != line.kind.text {
            let article = |word: &str| match word {
                "" => "no rule".to_owned(),
                "rows" => "`rows`".to_owned(),
                word if word.starts_with('a') => format!("an `{word}`"),
                word => format!("a `{word}`"),
            };
            let (found, wanted) = (article(&keyword), article(&line.kind.text));
            let message = format!("`{}` is {found}, not {wanted}", line.rule.text);
            let mut diagnostic = Diagnostic::new(codes::TEST_ITEM, line.kind.range, message);
            let can = ["aggregate", "rows", "alert", "pattern", "correlate"];
            if can.contains(&keyword.as_str()) {
                diagnostic = diagnostic.help(format!("write `{keyword}`"));
                diagnostic = match line.state {
                    Some(_) => diagnostic.guess(line.kind.range, keyword.as_str()),
                    None => diagnostic.fix(line.kind.range, keyword.as_str()),
                };
            }
            self.report(diagnostic);
            return None;
        }
        let id = self.ids.get(of).copied()?;
        Some(outcome.map_or(SourceRef::Declaration(id), |of| SourceRef::Outcome(id, of)))
    }

    fn expected_values(
        &mut self,
        line: &ExpectLine,
        shape: &Shape,
        module: usize,
    ) -> Vec<(String, Literal)> {
        let mut values = Vec::new();
        for (key, value) in &line.values {
            let Some(column) = shape.column(&key.text).cloned() else {
                self.unknown_column(key, shape);
                continue;
            };
            if let Some(literal) = self.literal_beside(&column.ty, key.range, value, module) {
                values.push((key.text.clone(), literal));
            }
        }
        values
    }
}
