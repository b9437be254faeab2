//! `test`: given items, typed; what is expected is in a file of its own.

use std::rc::Rc;

use super::Checker;
use super::expr::constant_of;
use super::scope::Scope;
use crate::ast::{self, DeclarationKind, GivenLine, GivenPart, NumberText, TestBlock};
use crate::diagnostic::suggest::listed;
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{Given, GivenKind, Literal, Test};
use crate::limits::GIVEN_TIMES_MAX;
use crate::syntax::literal;
use crate::text_range::TextRange;

const SPAN_KINDS: [&str; 6] =
    ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUSES: [&str; 3] = ["unset", "ok", "error"];
const SEVERITIES: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

impl Checker<'_> {
    /// All rule tests, in the order of the files. Those of imports are checked and left out: they
    /// hold for the import's own parameters, not for those that it is given here.
    pub(super) fn tests(&mut self) -> Vec<Test> {
        let mut tests: Vec<Test> = Vec::new();
        for index in 0..self.items.len() {
            let tree = Rc::clone(&self.items[index].tree);
            let module = self.items[index].module;
            let DeclarationKind::Test { title, blocks } = &tree.kind else { continue };
            let mut test = Test {
                name: self.unescape(title),
                given: Vec::new(),
                expect: Vec::new(),
                range: tree.range,
            };
            for block in blocks {
                match block {
                    TestBlock::Given(lines) => {
                        test.given.extend(lines.iter().filter_map(|line| self.given(line, module)));
                    }
                    TestBlock::Expect(lines) => {
                        let lines = lines.iter().filter_map(|line| self.expect(line, module));
                        test.expect.extend(lines);
                    }
                }
            }
            let earlier = tests.iter().find(|earlier| module == 0 && earlier.name == test.name);
            if let Some(earlier) = earlier {
                self.same_title(title.range, earlier);
            }
            let is_bare = |block: &TestBlock| match block {
                TestBlock::Expect(lines) => lines.is_empty(),
                TestBlock::Given(_) => true,
            };
            if blocks.iter().all(is_bare) && !tree.is_partial {
                let message = "the test expects nothing";
                self.report(
                    Diagnostic::new(codes::TEST_ITEM, title.range, message)
                        .help("add `expect { … }`; a test that cannot fail tests nothing"),
                );
            }
            if module == 0 {
                tests.push(test);
            }
        }
        tests
    }

    fn same_title(&mut self, title: TextRange, earlier: &Test) {
        let message = format!("there are two tests `{}`", earlier.name);
        let keyword = TextRange { end: earlier.range.start + 4, ..earlier.range };
        self.report(
            Diagnostic::new(codes::DUPLICATE, title, message)
                .label("again")
                .because(keyword, "first here")
                .help("give one of them another name"),
        );
    }

    fn given(&mut self, line: &GivenLine, module: usize) -> Option<Given> {
        let kind = match line.kind.text.as_str() {
            "span" => GivenKind::Span,
            "log" => GivenKind::Log,
            "metric" => GivenKind::Metric,
            "event" => GivenKind::Event,
            "progress" => GivenKind::Progress,
            "resource" => GivenKind::Resource,
            _ => GivenKind::Heartbeat,
        };
        let mut given = Given {
            at_ns: self.moment(&line.at.0, line.at.1)?,
            kind,
            service: String::new(),
            name: None,
            span_kind: None,
            status: None,
            severity: None,
            duration_ns: None,
            value: None,
            attributes: Vec::new(),
            times: 1,
            every_ns: 0,
            arrives_ns: None,
            range: line.range,
        };
        let mut has_service = false;
        for part in &line.parts {
            self.given_part(part, &mut given, &mut has_service, module);
        }
        if !has_service {
            let message = "the item has no service";
            self.report(
                Diagnostic::new(codes::TEST_ITEM, line.kind.range, message)
                    .help("name it behind the kind: `0s span checkout \"POST /pay\" …`"),
            );
        }
        if kind == GivenKind::Span && given.duration_ns.is_none() {
            let message = "the span has no duration";
            self.report(
                Diagnostic::new(codes::TEST_ITEM, line.range, message)
                    .help("add it, such as `12ms`"),
            );
        }
        Some(given)
    }

    fn given_part(
        &mut self,
        part: &GivenPart,
        given: &mut Given,
        has_service: &mut bool,
        module: usize,
    ) {
        match part {
            GivenPart::Word(word) if !*has_service => {
                *has_service = true;
                given.service.clone_from(&word.text);
            }
            GivenPart::Text(text) if !*has_service => {
                *has_service = true;
                given.service = self.unescape(text);
            }
            GivenPart::Text(text) => given.name = Some(self.unescape(text)),
            GivenPart::Word(word) => self.given_word(word, given),
            GivenPart::Attributes(attributes) => self.attributes(attributes, given, module),
            GivenPart::Times(word) => {
                let digits: String = word.text.chars().filter(char::is_ascii_digit).collect();
                match digits.parse() {
                    Ok(times) if (1..=GIVEN_TIMES_MAX).contains(&times) => given.times = times,
                    _ => {
                        let message = format!("a line stands for 1 to {GIVEN_TIMES_MAX} items");
                        self.report(Diagnostic::new(codes::TEST_ITEM, word.range, message));
                    }
                }
            }
            GivenPart::Every(number, range) => {
                given.every_ns = self.moment(number, *range).unwrap_or(0);
            }
            GivenPart::Arrives(number, range) => given.arrives_ns = self.moment(number, *range),
            GivenPart::Number(number, range) => self.given_number(number, *range, given),
        }
    }

    fn given_word(&mut self, word: &ast::Name, given: &mut Given) {
        let text = word.text.as_str();
        let value = Some(text.to_owned());
        match given.kind {
            GivenKind::Span if SPAN_KINDS.contains(&text) => given.span_kind = value,
            GivenKind::Span if STATUSES.contains(&text) => given.status = value,
            GivenKind::Log | GivenKind::Event if SEVERITIES.contains(&text) => {
                given.severity = value;
            }
            GivenKind::Progress if given.name.is_some() => given.status = value,
            GivenKind::Metric | GivenKind::Progress | GivenKind::Event if given.name.is_none() => {
                given.name = value;
            }
            _ => {
                let known: Vec<&str> = match given.kind {
                    GivenKind::Span => SPAN_KINDS.into_iter().chain(STATUSES).collect(),
                    _ => SEVERITIES.to_vec(),
                };
                let message = format!("`{text}` says nothing about this item");
                let mut diagnostic = Diagnostic::new(codes::TEST_ITEM, word.range, message)
                    .note(format!("words here: {}", listed(known.iter().copied(), 10)));
                if let Some(near) = crate::diagnostic::suggest::nearest(text, known) {
                    diagnostic = diagnostic.did_you_mean(word.range, near);
                }
                self.report(diagnostic);
            }
        }
    }

    fn given_number(&mut self, number: &NumberText, range: TextRange, given: &mut Given) {
        match literal::number(number, range) {
            Ok(Literal::Duration(_)) if given.duration_ns.is_some() => {
                let message = "the span has two durations";
                self.report(
                    Diagnostic::new(codes::TEST_ITEM, range, message)
                        .help("a line of its own begins with its time and its kind: `30s span …`"),
                );
            }
            Ok(Literal::Duration(ns)) if given.kind == GivenKind::Span => {
                given.duration_ns = Some(ns);
            }
            Ok(Literal::Int(value)) if given.kind != GivenKind::Span => {
                given.value = Some(value as f64);
            }
            Ok(Literal::Float(value) | Literal::Ratio(value)) if given.kind != GivenKind::Span => {
                given.value = Some(value);
            }
            Ok(_) => {
                let what = match given.kind {
                    GivenKind::Span => "a span takes its duration: `12ms`",
                    _ => "this item takes a plain number as its value",
                };
                self.report(Diagnostic::new(codes::TEST_ITEM, range, what));
            }
            Err(diagnostic) => self.report(*diagnostic),
        }
    }

    fn attributes(&mut self, list: &[(ast::Name, ast::Expr)], given: &mut Given, module: usize) {
        for (key, value) in list {
            let mut scope = Scope::new(module, None);
            let value = self.expr(value, &mut scope);
            if let Some(literal) = constant_of(&value) {
                given.attributes.push((key.text.clone(), literal.clone()));
            } else if value.ty != crate::types::Type::Broken {
                let message = "an attribute of a test is a constant";
                self.report(Diagnostic::new(codes::CONSTANT, value.range, message));
            }
        }
    }

    /// A time since the test's start, ns.
    pub(super) fn moment(&mut self, number: &NumberText, range: TextRange) -> Option<i64> {
        match literal::number(number, range) {
            Ok(Literal::Duration(ns)) => Some(ns),
            Ok(Literal::Int(0)) => Some(0),
            Ok(value) => {
                let message = "a time in a test counts from its start: `30s`";
                let mut diagnostic = Diagnostic::new(codes::TEST_ITEM, range, message);
                if matches!(value, Literal::Int(_)) {
                    diagnostic = diagnostic.help("write the unit").guess(range.at_end(), "s");
                }
                self.report(diagnostic);
                None
            }
            Err(diagnostic) => {
                self.report(*diagnostic);
                None
            }
        }
    }
}
