//! `sample`: its lines, their amounts and conditions.

use std::rc::Rc;

use super::expr::{Named, article, constant_of};
use super::names::Target;
use super::same::same;
use super::scope::{Scope, broken};
use super::shape::{RowsOf, Shape};
use super::{Checker, Site};
use crate::ast::{self, Clause, ClauseKind, SampleAmount, SampleBody, SampleWhen};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{
    DeclarationKind, Expr, ExprKind, Literal, RuleFact, Sample, SampleGoal, SampleLine,
    SampleMeasure, SampleVerb,
};
use crate::limits::{SAMPLE_KEYS_MAX, SAMPLE_LINES_MAX};
use crate::text_range::TextRange;
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn sample(&mut self, site: &Site<'_>, body: &SampleBody) -> Option<DeclarationKind> {
        self.check_clauses(site, &body.clauses);
        let input = self.source(&body.source, site.module).partial(site.tree.is_partial);
        if !input.is_broken && input.is_rows {
            let message = "`sample` keeps traces or items, these are rows";
            let help = "sample the traces or items that the rows are made of";
            self.wrong_shape(body.source.range, message, help);
            return None;
        }
        self.must_leave(&body.source, &input, true);
        let Some(lines) = &body.lines else {
            let help = "say what is kept: `{ keep when duration > 1s  keep 1% otherwise }`";
            self.missing(site, "lines", help);
            return None;
        };
        if let Some(line) = lines.get(SAMPLE_LINES_MAX) {
            let message =
                format!("the sample has {} lines, {SAMPLE_LINES_MAX} are allowed", lines.len());
            self.report(Diagnostic::new(codes::TOO_LARGE, line.range, message));
            return None;
        }
        self.line_names(lines);
        self.line_order(site, lines);
        let of_traces = input.is_traces();
        let checked = lines.iter().enumerate();
        let checked: Vec<_> =
            checked.map(|(at, line)| self.sample_line(site, &input, at, line)).collect();
        let mut sample = Sample {
            input: input.source.clone(),
            of_traces,
            lines: checked.into_iter().collect::<Option<_>>()?,
            logs_follow: false,
            links_together: false,
            is_shadow: false,
            mark: None,
            to: Vec::new(),
        };
        for clause in &body.clauses {
            self.sample_clause(clause, &mut sample, &input, site.module);
        }
        self.same_lines(&sample.lines);
        let has_to = body.clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::To(_)));
        if !has_to {
            self.missing(site, "to", "say where what is kept goes: `to archive`");
        }
        Some(DeclarationKind::Sample(Box::new(sample)))
    }

    fn sample_clause(
        &mut self,
        clause: &Clause,
        sample: &mut Sample,
        input: &Shape,
        module: usize,
    ) {
        let of_traces_only = match &clause.kind {
            ClauseKind::LogsFollow => {
                sample.logs_follow = true;
                true
            }
            ClauseKind::LinksTogether => {
                sample.links_together = true;
                true
            }
            ClauseKind::Shadow => {
                sample.is_shadow = true;
                false
            }
            ClauseKind::Mark(key) => {
                sample.mark = Some(self.unescape(key));
                self.can_be_marked(clause, input);
                false
            }
            ClauseKind::To(sinks) => {
                sample.to = self.sinks(sinks, module);
                false
            }
            _ => false,
        };
        if of_traces_only && !sample.of_traces && !input.is_broken {
            let message = format!("`{}` speaks of traces, these are items", clause.kind.word());
            self.report(
                Diagnostic::new(codes::UNFIT_CLAUSE, clause.range, message).help(
                    "sample traces: `traces shop from spans close when …`, `sample shop { … }`",
                ),
            );
        }
    }

    /// Data points leave within their metric, and their attributes are what series are told apart
    /// by.
    fn can_be_marked(&mut self, clause: &Clause, input: &Shape) {
        if input.column("temporality").is_some() && !input.is_rows {
            let message = "data points are not marked: another attribute would make another series";
            self.report(
                Diagnostic::new(codes::UNFIT_CLAUSE, clause.range, message)
                    .help("leave `mark` out; what a line keeps is counted by its name"),
            );
        }
    }

    /// Names of lines are what metrics and reports know them by.
    fn line_names(&mut self, lines: &[ast::SampleLine]) {
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = &line.name else { continue };
            let earlier = lines[..at].iter().filter_map(|line| line.name.as_ref());
            if let Some(first) = earlier.into_iter().find(|earlier| earlier.text == name.text) {
                let first = first.range;
                self.report(
                    Diagnostic::new(
                        codes::DUPLICATE,
                        name.range,
                        format!("two lines are called `{}`", name.text),
                    )
                    .because(first, "the first of them")
                    .help("give one of them another name"),
                );
            }
        }
    }

    /// `otherwise` is there, and last; nothing stands behind a line that takes all.
    fn line_order(&mut self, site: &Site<'_>, lines: &[ast::SampleLine]) {
        let ends = |line: &ast::SampleLine| {
            matches!(line.when, SampleWhen::Otherwise(_)) && line.shadow.is_none()
        };
        let Some(end) = lines.iter().position(ends) else {
            let help = "say what becomes of the rest in a last line: `keep 1% otherwise`";
            return self.missing(site, "otherwise", help);
        };
        for line in &lines[end + 1..] {
            self.report(
                Diagnostic::new(codes::UNREACHABLE, line.range, "this line is never reached")
                    .because(lines[end].range, "this one takes all that is left")
                    .help("put it above `otherwise`, or remove it"),
            );
        }
    }

    /// A line whose condition an earlier line has is never reached: the first one decides.
    fn same_lines(&mut self, lines: &[SampleLine]) {
        for (at, line) in lines.iter().enumerate() {
            let Some(when) = line.when.as_ref().filter(|when| when.ty != Type::Broken) else {
                continue;
            };
            let is_same = |earlier: &&SampleLine| {
                !earlier.is_shadow && earlier.when.as_ref().is_some_and(|other| same(other, when))
            };
            let Some(first) = lines[..at].iter().find(is_same).map(|first| first.range) else {
                continue;
            };
            self.report(
                Diagnostic::new(codes::UNREACHABLE, line.range, "this line is never reached")
                    .because(first, "this one has the same condition and comes first")
                    .help("the first line that fits decides; remove one of them"),
            );
        }
    }

    fn sample_line(
        &mut self,
        site: &Site<'_>,
        input: &Rc<Shape>,
        at: usize,
        line: &ast::SampleLine,
    ) -> Option<SampleLine> {
        let mut scope = Scope::new(site.module, Some(Rc::clone(input)));
        scope.is_sample = true;
        let verb = self.sample_verb(line, &mut scope);
        let when = match &line.when {
            SampleWhen::Otherwise(_) => None,
            SampleWhen::When(condition) => {
                let condition = self.condition(condition, &mut scope);
                if let Some(Literal::Bool(true)) = constant_of(&condition)
                    && line.shadow.is_none()
                {
                    let message = "a line that takes everything ends the lines";
                    self.report(
                        Diagnostic::new(codes::CLAUSE_VALUE, condition.range, message)
                            .help("write `otherwise`, as the last line"),
                    );
                }
                Some(condition)
            }
            SampleWhen::Unsaid => {
                let message = "the line does not say for what it decides";
                self.report(
                    Diagnostic::new(codes::MISSING_CLAUSE, line.range, message)
                        .help("add `when …`, or `otherwise` for the last line")
                        .guess(line.range.at_end(), " otherwise"),
                );
                return None;
            }
        };
        let name = line.name.as_ref();
        Some(SampleLine {
            name: name.map_or_else(|| format!("line {}", at + 1), |name| name.text.clone()),
            is_shadow: line.shadow.is_some(),
            verb: verb?,
            when,
            range: line.range,
        })
    }

    fn sample_verb(&mut self, line: &ast::SampleLine, scope: &mut Scope) -> Option<SampleVerb> {
        let Some(amount) = &line.amount else {
            let keeps = line.verb.text == "keep";
            return Some(if keeps { SampleVerb::Keep(1.0) } else { SampleVerb::Drop });
        };
        if line.verb.text == "drop" {
            let message = "`drop` drops all that the line fits";
            self.report(
                Diagnostic::new(codes::CLAUSE_VALUE, amount.value.range, message)
                    .help("to keep a part, say which: `keep 10% when …`"),
            );
            return None;
        }
        match amount.word.as_ref().map(|word| word.text.as_str()) {
            Some("rate") => {
                let by = self.sample_keys(amount, scope);
                let per_second = self.per_second(&amount.value, scope.module)?;
                let measure = self.measure(amount, scope);
                Some(SampleVerb::Rate { per_second, measure, by: by? })
            }
            Some(_) => {
                let by = self.sample_keys(amount, scope);
                let value = self.constant_expr(&amount.value, scope.module);
                let goal = if let Some(Literal::Ratio(_)) = constant_of(&value) {
                    SampleGoal::Share(self.share(&amount.value, scope.module)?)
                } else {
                    SampleGoal::PerSecond(self.per_second(&amount.value, scope.module)?)
                };
                let measure = self.measure(amount, scope);
                Some(SampleVerb::Target { goal, measure, by: by? })
            }
            None => {
                if let Some(measure) = &amount.measure {
                    let message = format!("`{}` stands behind a rate or a target", measure.text);
                    let help = "write `keep rate 500 per s spans`, or leave the word out";
                    self.report(
                        Diagnostic::new(codes::CLAUSE_VALUE, measure.range, message).help(help),
                    );
                }
                Some(SampleVerb::Keep(self.share(&amount.value, scope.module)?))
            }
        }
    }

    fn sample_keys(&mut self, amount: &SampleAmount, scope: &mut Scope) -> Option<Vec<Expr>> {
        if let Some(key) = amount.by.get(SAMPLE_KEYS_MAX) {
            let message = format!("a line has at most {SAMPLE_KEYS_MAX} keys");
            self.report(Diagnostic::new(codes::TOO_LARGE, key.range, message));
            return None;
        }
        let keys: Vec<Expr> = amount.by.iter().map(|key| self.whole(key, scope)).collect();
        let is_broken = keys.iter().any(|key| key.ty == Type::Broken);
        (!is_broken).then_some(keys)
    }

    /// A share from 0 to 100 %.
    fn share(&mut self, expr: &ast::Expr, module: usize) -> Option<f64> {
        let value = self.constant_expr(expr, module);
        let what = "the share that is kept";
        match constant_of(&value)? {
            Literal::Ratio(share) if (0.0..=1.0).contains(share) => return Some(*share),
            Literal::Ratio(_) => {
                let message = format!("{what} is from 0 % to 100 %");
                let diagnostic = Diagnostic::new(codes::CLAUSE_VALUE, value.range, message);
                let diagnostic = self.made_here(diagnostic, &value);
                self.report(diagnostic);
            }
            Literal::Rate(_) => {
                let message = "a rate is kept by `rate` or aimed at by `target`";
                self.report(
                    Diagnostic::new(codes::CLAUSE_VALUE, value.range, message)
                        .help("write `keep rate …`, or `keep target … by …`")
                        .guess(value.range.at_start(), "rate "),
                );
            }
            Literal::Int(_) | Literal::Float(_) => {
                let message = format!("{what} has a unit, this number has none");
                let diagnostic = Diagnostic::new(codes::MISSING_UNIT, value.range, message)
                    .label("without a unit");
                let place = self.number_place(value.range);
                self.report(in_percent(diagnostic, place, constant_of(&value)?));
            }
            _ => {
                let message = format!("{what} is a ratio, this is {}", article(&value.ty));
                let diagnostic = Diagnostic::new(codes::CLAUSE_VALUE, value.range, message)
                    .label(format!("{}", Named(&value.ty)));
                let diagnostic = self.made_here(diagnostic, &value);
                self.report(diagnostic);
            }
        }
        None
    }

    /// So much a second, above nothing.
    fn per_second(&mut self, expr: &ast::Expr, module: usize) -> Option<f64> {
        let value = self.constant_expr(expr, module);
        match constant_of(&value)? {
            Literal::Rate(rate) if *rate > 0.0 && *rate <= 1e12 => Some(*rate),
            _ => {
                let message = "a rate is above 0 and written `20 per s`";
                let diagnostic = Diagnostic::new(codes::CLAUSE_VALUE, value.range, message)
                    .label(format!("{}", Named(&value.ty)));
                let diagnostic = self.made_here(diagnostic, &value);
                self.report(diagnostic);
                None
            }
        }
    }

    /// What a rate counts: as it says, or bytes where its number is a size.
    fn measure(&mut self, amount: &SampleAmount, scope: &Scope) -> SampleMeasure {
        let is_size = match &amount.value.kind {
            ast::ExprKind::Number(number) => number.per.is_some() && number.text.ends_with('B'),
            _ => false,
        };
        let of_traces = scope.shape.as_ref().is_some_and(|shape| shape.is_traces());
        let of_spans = scope.shape.as_ref().is_some_and(|shape| self.is_of_spans(shape));
        let word = amount.measure.as_ref().map(|measure| (measure.text.as_str(), measure.range));
        let unfit = match word {
            Some((word @ ("spans" | "traces" | "items"), _)) if is_size => {
                Some(format!("a size counts bytes, not {word}"))
            }
            Some(("traces", _)) if !of_traces => {
                Some("`traces` are counted where traces are sampled, these are items".to_owned())
            }
            Some(("spans", _)) if !of_traces && !of_spans => {
                Some("`spans` are counted where spans are sampled, these are none".to_owned())
            }
            _ => None,
        };
        if let (Some(message), Some((_, range))) = (unfit, word) {
            let help = if is_size {
                "leave the word out, or write a number: `rate 500 per s spans`"
            } else {
                "leave the word out: the items themselves are counted"
            };
            self.report(Diagnostic::new(codes::CLAUSE_VALUE, range, message).help(help));
        }
        match amount.measure.as_ref().map(|measure| measure.text.as_str()) {
            Some("bytes") => SampleMeasure::Bytes,
            None if is_size => SampleMeasure::Bytes,
            Some("spans") if of_traces => SampleMeasure::Spans,
            _ => SampleMeasure::Items,
        }
    }

    /// `matched(pattern)`, `firing(alert)`.
    pub(super) fn sample_call(
        &mut self,
        call: &ast::Call,
        range: TextRange,
        scope: &Scope,
    ) -> Option<Expr> {
        let is_matched = match call.name.text.as_str() {
            "matched" => true,
            "firing" => false,
            _ => return None,
        };
        let name = call.name.text.as_str();
        let what = if is_matched { "pattern" } else { "alert" };
        if !scope.is_sample || scope.arguments.is_some() {
            let message = format!("`{name}` stands in the lines of a `sample`");
            self.report(
                Diagnostic::new(codes::AGGREGATE_PLACE, call.name.range, message)
                    .label("cannot stand here"),
            );
            return Some(broken(range));
        }
        let [ast::Argument { name: None, value }] = call.args.as_slice() else {
            let message = format!("`{name}` takes the name of one {what}");
            self.report(Diagnostic::new(codes::ARGUMENTS, range, message));
            return Some(broken(range));
        };
        let ast::ExprKind::Path(path) = &value.kind else {
            let message = format!("`{name}` takes the name of one {what}");
            self.report(Diagnostic::new(codes::ARGUMENT, value.range, message));
            return Some(broken(range));
        };
        let source = ast::Name { text: path.clone(), range: value.range };
        if let Some(Target::Catalog(_)) = self.target(path, scope.module) {
            let message = format!("`{path}` is no {what}");
            self.report(Diagnostic::new(codes::ARGUMENT, value.range, message));
            return Some(broken(range));
        }
        let shape = self.source(&source, scope.module);
        if shape.is_broken {
            return Some(broken(range));
        }
        let fits = if is_matched { shape.rows_of == RowsOf::Matches } else { shape.is_alert };
        if !fits {
            let message = format!("`{path}` is no {what}");
            self.report(Diagnostic::new(codes::ARGUMENT, value.range, message));
            return Some(broken(range));
        }
        let source = shape.source.clone();
        let fact = if is_matched { RuleFact::Matched(source) } else { RuleFact::Firing(source) };
        Some(fact_of(fact, range))
    }
}

/// `named`, where a line of a sample may ask for it.
pub(super) fn named(path: &str, range: TextRange, scope: &Scope) -> Option<Expr> {
    let asks = path == "named" && scope.is_sample && scope.arguments.is_none();
    asks.then(|| fact_of(RuleFact::Named, range))
}

fn fact_of(fact: RuleFact, range: TextRange) -> Expr {
    Expr { ty: Type::Bool, optional: false, range, kind: ExprKind::Rule(Box::new(fact)) }
}

/// Says how a share is written that is a bare number.
fn in_percent(wrong: Diagnostic, place: Option<TextRange>, number: &Literal) -> Diagnostic {
    let Literal::Float(part @ 0.0..1.0) = number else {
        let wrong = wrong.help("write it in percent: `10%`");
        return match place {
            Some(place) => wrong.guess(place.at_end(), "%"),
            None => wrong,
        };
    };
    // What lies below 1 is most likely a part of 1.
    let percent = (part * 1e6).round() / 1e4;
    let wrong = wrong.help(format!(
        "write it in percent: `{percent}%`, or `{part}%` if it is {part} of a hundred"
    ));
    match place {
        Some(place) => wrong.guess(place, format!("{percent}%")),
        None => wrong,
    }
}
