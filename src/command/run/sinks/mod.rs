//! Where results go: the sinks that rules name. Any number of them, of any kind.
//!
//! A rule with `to` goes to the sinks that it names, one without goes to all of them; the output
//! has everything. Must not know: options and configuration files, only what they ask for
//! ([`SinkSpec`]).

mod running;
mod spec;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tailwater_dsl::diagnostic::Diagnostic;
use tailwater_dsl::diagnostic::suggest::{aside, listed, nearest};
use tailwater_engine::clock::{Clock, steady_clock};
use tailwater_engine::model::{EmittedItem, ExemplarVerdict, RuleId};
use tailwater_engine::plan::{Plan, RowRoute, RuleKind};
use tailwater_engine::sink::prometheus::PrometheusStore;
use tailwater_engine::sink::{ExemplarVerdicts, Shape};

use super::told;
use crate::config::STDOUT as STDOUT_NAME;
use crate::exit::Usage;
use crate::render::items::item_line;
use crate::render::rows::Said;
use crate::terminal::tell;
pub(super) use running::SinkWatch;
use running::{Offer, Running};
pub(super) use spec::{SinkKind, SinkSpec};

/// The output, among the indices of sinks: it is always there, for items by the name `stdout`.
const STDOUT: usize = usize::MAX;

/// Names of sinks in an error, at most.
const NAMES_LISTED: usize = 20;

/// A page for Prometheus, shared with its server.
pub(super) type SharedStore = Arc<Mutex<PrometheusStore>>;

/// Locks a page; a panic while it was held ends the program anyway.
pub(super) fn locked(store: &SharedStore) -> MutexGuard<'_, PrometheusStore> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A page for Prometheus: the sink's name, where it is served, and what is on it.
#[derive(Clone)]
pub(super) struct ResultsPage {
    pub(super) name: Arc<str>,
    pub(super) at: SocketAddr,
    pub(super) store: SharedStore,
}

/// A view of what a sink sends of one kind.
pub(super) struct Watched {
    /// The sink's name.
    pub(super) sink: Arc<str>,
    /// Metrics, logs or alerts.
    pub(super) sends: &'static str,
    pub(super) watch: SinkWatch,
}

/// The sinks of a run.
pub(super) struct Sinks {
    /// When something was said, for what expires.
    clock: Clock,
    plan: Arc<Plan>,
    goes: Goes,
    exemplars: ExemplarVerdicts,
    running: Vec<(Arc<str>, Running)>,
}

impl Sinks {
    /// Starts what is asked for; call it within a tokio runtime.
    pub(super) fn start(
        specs: &[SinkSpec],
        plan: &Arc<Plan>,
        shapes: &Arc<[Shape]>,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let goes = Goes::new(specs, plan)?;
        let say = told::of_sinks();
        let exemplars = ExemplarVerdicts::default();
        let start = |spec: &SinkSpec| {
            let running = Running::start(spec, shapes, (clock, &exemplars), &say)?;
            anyhow::Ok((Arc::clone(&spec.name), running))
        };
        let running = specs.iter().map(start).collect::<anyhow::Result<_>>()?;
        let (clock, plan) = (steady_clock(), Arc::clone(plan));
        Ok(Self { clock, plan, goes, exemplars, running })
    }

    /// The pages that shall be served.
    pub(super) fn pages(&self) -> Vec<ResultsPage> {
        let page = |(name, running): &(Arc<str>, Running)| match running {
            Running::Page { at, store } => {
                Some(ResultsPage { name: Arc::clone(name), at: *at, store: Arc::clone(store) })
            }
            _ => None,
        };
        self.running.iter().filter_map(page).collect()
    }

    /// Views of all sinks that outlive them.
    pub(super) fn watch(&self) -> Vec<Watched> {
        let of_one = |(sink, running): &(Arc<str>, Running)| {
            let sink = Arc::clone(sink);
            let all = running.watch().into_iter();
            all.map(move |(sends, watch)| Watched { sink: Arc::clone(&sink), sends, watch })
        };
        self.running.iter().flat_map(of_one).collect()
    }

    /// Hands on what the engine said, and it as a line of the output. Never waits.
    pub(super) fn take(&self, said: Said<'_>, line: &str) {
        let to = match said {
            Said::Row(row) => self.goes.of(row.rule, |route| route.takes_row(row)),
            Said::Transition(one) => {
                self.goes.of(one.rule, |route| route.takes_transition(&self.plan, one))
            }
        };
        let mut offer = Offer::new(said, line, &self.clock);
        let running = to.iter().filter_map(|sink| self.running.get(*sink));
        running.for_each(|(_, running)| running.take(&mut offer));
    }

    /// Hands on verdicts on the traces of exemplars. Never waits.
    pub(super) fn take_verdicts(&self, verdicts: &[ExemplarVerdict]) {
        if !verdicts.is_empty() {
            self.exemplars.note(verdicts);
            self.running.iter().for_each(|(_, running)| running.take_verdicts(verdicts));
        }
    }

    /// Hands on an item of telemetry that leaves; the line of the output that it is, where its
    /// route goes there. Never waits.
    pub(super) fn take_item(&self, item: EmittedItem) -> Option<String> {
        let to = self.goes.rules.get(item.rule.0 as usize)?;
        let item = Arc::new(item);
        to.iter().for_each(|sink| {
            if let Some((_, running)) = self.running.get(*sink) {
                running.take_item(&item);
            }
        });
        let is_printed = to.contains(&STDOUT);
        is_printed.then(|| item_line(&item)).flatten()
    }

    /// Sends what waits, all sinks at once and for so long at most; says what could not be
    /// delivered.
    pub(super) async fn stop(self, within: Duration) -> Vec<String> {
        let stopping = self
            .running
            .into_iter()
            .map(|(name, running)| tokio::spawn(async move { running.stop(&name, within).await }));
        let mut lost = Vec::new();
        for stopping in stopping.collect::<Vec<_>>() {
            // One that panicked has nothing more to say.
            lost.extend(stopping.await.unwrap_or_default());
        }
        lost
    }
}

/// Where everything goes.
#[derive(Default)]
struct Goes {
    /// By rule, the indices of its sinks.
    rules: Vec<Box<[usize]>>,
    /// What goes elsewhere beside that.
    routes: Vec<(RowRoute, Box<[usize]>)>,
}

impl Goes {
    /// The sinks of what a rule said, given which routes take it.
    fn of(&self, rule: RuleId, takes: impl Fn(&RowRoute) -> bool) -> Cow<'_, [usize]> {
        let own = self.rules.get(rule.0 as usize).map_or(&[][..], |to| to);
        let mut all = Cow::Borrowed(own);
        for (route, to) in self.routes.iter().filter(|(route, _)| route.rule == rule) {
            if takes(route) {
                all.to_mut().extend_from_slice(to);
            }
        }
        if let Cow::Owned(all) = &mut all {
            all.sort_unstable();
            all.dedup();
        }
        all
    }

    /// A rule goes to the sinks that it or its routes name, else to all. A rule that names a sink
    /// which is not there would be silent; all of them are told.
    fn new(specs: &[SinkSpec], plan: &Plan) -> Result<Self, Usage> {
        let all: Box<[usize]> = (0..specs.len()).collect();
        let mut goes = Self { rules: vec![all; plan.rules.len()], routes: Vec::new() };
        for route in plan.routes.iter().filter_map(|route| route.rows.as_ref()) {
            goes.rules[route.rule.0 as usize] = Box::default();
        }
        let mut wrong = Vec::new();
        for route in &plan.routes {
            let rule = plan.rules.iter().position(|rule| rule.name == route.name);
            let is_items = rule.is_some_and(|at| matches!(plan.rules[at].kind, RuleKind::Route(_)));
            let mut to = Vec::new();
            for name in &route.to {
                match specs.iter().position(|spec| spec.name == *name) {
                    Some(at) if is_items && !specs[at].kind.takes_items() => {
                        wrong.push(takes_results(&route.name, name));
                    }
                    Some(index) => to.push(index),
                    None if **name == *STDOUT_NAME => to.push(STDOUT),
                    None => wrong.push(unknown(&route.name, name, specs)),
                }
            }
            to.sort_unstable();
            to.dedup();
            match (&route.rows, rule) {
                (Some(rows), _) => goes.routes.push((rows.clone(), to.into())),
                (None, Some(index)) => goes.rules[index] = to.into(),
                (None, None) => {}
            }
        }
        if wrong.is_empty() { Ok(goes) } else { Err(Usage(wrong.join("\n"))) }
    }
}

/// Says by which option a sink is configured that rules name and that is not there.
pub(super) fn tell_of_options(diagnostics: &[Diagnostic], names: &[String]) {
    let is_missing = |name: &str| {
        let message = format!("there is no sink `{name}`");
        let is_it = |one: &Diagnostic| one.message == message;
        !names.iter().any(|known| known == name) && diagnostics.iter().any(is_it)
    };
    for name in spec::OF_OPTIONS.iter().filter(|name| is_missing(name)) {
        tell(&format!("hint: `--{name}` configures the sink `{name}`\n"));
    }
}

fn takes_results(route: &str, name: &str) -> String {
    format!(
        "`{route}` sends telemetry to `{name}`, which takes results alone: name a sink of type \
         `otlp` or `file`, or `{STDOUT_NAME}`"
    )
}

fn unknown(rule: &str, name: &str, specs: &[SinkSpec]) -> String {
    if spec::OF_OPTIONS.contains(&name) {
        return format!("`{rule}` goes to `{name}`, which is not configured: give `--{name}`");
    }
    let mut names: Vec<&str> = specs.iter().map(|spec| &*spec.name).collect();
    let always = spec::OF_OPTIONS.iter().chain(std::iter::once(&STDOUT_NAME));
    names.extend(always.filter(|name| specs.iter().all(|s| *s.name != ***name)));
    let near = aside(nearest(name, names.iter().copied()));
    let all = listed(names, NAMES_LISTED);
    format!("`{rule}` goes to `{name}`, which is no sink{near} (there are: {all})")
}
