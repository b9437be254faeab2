//! Stage 5, on worker 0: everything that an epoch says, in one order, handed to the caller.

use std::sync::Arc;

use crossbeam_channel::Sender;
use serde::{Deserialize, Serialize};

use super::applied::RuleCounts;
use super::close::Closed;
use super::sample::{self, Decided, Heard, Sampler, SamplerState, Tally, TraceExplained};
use super::snapshot::{Snapshots, StageName};
use super::stream::{EpochNumber, Outbox, Stage};
use crate::model::{EmittedItem, ExemplarVerdict, Ledger, Row, Transition};
use crate::plan::Plan;
use crate::self_metrics::EngineGauges;

/// What the engine says at the end of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochOutput {
    /// The epoch.
    pub epoch: u64,
    /// Its rows, in output order: decision time, rule, window, key.
    pub rows: Vec<Row>,
    /// Its alert transitions, in output order: decision time, alert, key.
    pub transitions: Vec<Transition>,
    /// Items that leave, in output order: decision time, rule, place in the log.
    pub items: Vec<EmittedItem>,
    /// What became of every item since the start of the log.
    pub ledger: Ledger,
    /// What every line of a sampling did since the start of the log: by rule and line.
    pub samples: Tally,
    /// Verdicts on traces that rows of earlier epochs, or of this one, have named as exemplars
    /// before they were known.
    pub exemplars: Vec<ExemplarVerdict>,
    /// What samplings made of the trace that the plan asks about.
    pub explained: Vec<TraceExplained>,
    /// What every rule did with its items since the start of the log.
    pub rules: Vec<RuleCounts>,
}

impl EpochOutput {
    /// Whether nothing leaves with it: it only counts.
    pub fn is_silent(&self) -> bool {
        self.rows.is_empty()
            && self.transitions.is_empty()
            && self.items.is_empty()
            && self.exemplars.is_empty()
    }
}

/// What reaches the caller from the workers.
#[derive(Debug)]
pub(crate) enum EngineMessage {
    Output(Box<EpochOutput>),
    Snapshot(super::snapshot::SnapshotPart),
}

/// Running totals: what a snapshot holds of this stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct OutputState {
    pub(crate) ledger: Ledger,
    pub(crate) rules: Vec<RuleCounts>,
    pub(crate) samples: Tally,
    pub(crate) sampler: SamplerState,
}

impl OutputState {
    fn add(&mut self, samples: &Tally, ledger: Option<&Ledger>, rules: &[RuleCounts]) {
        sample::merge(&mut self.samples, samples);
        if let Some(ledger) = ledger {
            self.ledger.merge(ledger);
        }
        for (mine, theirs) in self.rules.iter_mut().zip(rules) {
            mine.merge(theirs);
        }
    }
}

/// The stage.
pub(crate) struct Output {
    plan: Arc<Plan>,
    totals: OutputState,
    sampler: Sampler,
    sender: Sender<EngineMessage>,
    snapshots: Snapshots,
    gauges: Arc<EngineGauges>,
}

impl Output {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        restored: Option<OutputState>,
        (sender, snapshots): (Sender<EngineMessage>, Snapshots),
        gauges: &Arc<EngineGauges>,
    ) -> Self {
        let mut totals = restored.unwrap_or_default();
        totals.rules.resize(plan.rules.len(), RuleCounts::default());
        let sampler = Sampler::new(plan, std::mem::take(&mut totals.sampler));
        let gauges = Arc::clone(gauges);
        Self { plan: Arc::clone(plan), totals, sampler, sender, snapshots, gauges }
    }
}

impl Stage for Output {
    type In = Closed;
    type Out = ();

    fn epoch(
        &mut self,
        epoch: EpochNumber,
        messages: Vec<Closed>,
        _out: &mut Outbox<()>,
    ) -> EpochNumber {
        if messages.is_empty() {
            return epoch + 1;
        }
        let senders = messages.iter().filter(|message| !message.rows.is_empty()).count();
        let mut said = Closed::new(&self.plan);
        messages.into_iter().for_each(|message| said.take(message));
        let Closed { mut rows, mut transitions, mut items, mut explained, .. } = said;
        self.totals.add(&said.samples, said.ledger.as_ref(), &said.rules);
        if senders > 1 || self.plan.levels() > 0 {
            rows.sort_by(Row::output_cmp); // else one worker's, in their order already
        }
        transitions.sort_by(Transition::output_cmp);
        let tally = &mut self.totals.samples;
        let heard = Heard { rows: &rows, transitions: &transitions, times: &said.times };
        let mut decided = Decided { items: &mut items, tally, explained: &mut explained };
        self.sampler.decide(&self.plan, said.cases, heard, &mut decided);
        self.sampler.tell(&self.plan, &self.gauges);
        let exemplars =
            self.sampler.mark_exemplars(&self.plan, &items, &mut rows, &mut transitions);
        EmittedItem::sort(&mut items);
        if said.snapshot {
            self.totals.sampler = self.sampler.state();
            self.snapshots.write(epoch, StageName::Output, &self.totals);
        }
        let output = EpochOutput {
            epoch,
            rows,
            transitions,
            items,
            ledger: self.totals.ledger.clone(),
            samples: self.totals.samples.clone(),
            exemplars,
            explained,
            rules: self.totals.rules.clone(),
        };
        // The receiver is gone only when the engine was dropped: nobody wants the rest.
        let _ = self.sender.send(EngineMessage::Output(Box::new(output)));
        epoch + 1
    }
}
