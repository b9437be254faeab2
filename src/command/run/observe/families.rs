//! The families of a run's own metrics, gathered when somebody looks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tailwater_engine::ingest::listen::{Count, DiscardReason, RefuseReason, SourceCounts};
use tailwater_engine::model::{DropReason, Signal, SourceId};
use tailwater_engine::plan::{Plan, Rule, RuleKind};
use tailwater_engine::redact::{Bound, RedactCounters, TrimCounters};
use tailwater_engine::runtime::{EarlyClose, RuleCounts};
use tailwater_engine::self_metrics::EngineGauges;

use super::exposition::{Families, Family, Sample};
use super::process::Process;
use super::samplings::sampling_families;
use super::{Counts, Observed};
use crate::command::run::sinks::locked;

/// Nanoseconds of a second.
const SECOND_NS: f64 = 1e9;

/// What of a count a family shows.
type Of = fn(&Count) -> u64;

impl Observed {
    /// Everything, as of now.
    pub(super) fn families(&self) -> Families {
        let mut all = Families::default();
        let counts = self.counts();
        all.gauge("tailwater_build_info", "Version of the program that runs; always 1")
            .whole(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        all.gauge("tailwater_ready", "Whether telemetry is worked on")
            .whole(&[], u64::from(self.is_ready()));
        all.gauge("tailwater_record_failed", "Whether the record ended before the run did")
            .whole(&[], u64::from(self.record_failed.load(Ordering::Relaxed)));
        self.intake_families(&mut all);
        self.source_families(&mut all);
        self.listener_families(&mut all);
        self.engine_families(&counts, &mut all);
        if let Some(counters) = &self.redacted {
            redaction_families(counters, &mut all);
        }
        trim_families(&self.trimmed, &mut all);
        rule_families(&self.plan, &counts, &mut all);
        sampling_families(&self.plan, &counts, &mut all);
        if let Some(gauges) = self.gauges.get() {
            self.time_families(gauges, &mut all);
        }
        self.sink_families(&mut all);
        self.page_families(&mut all);
        self.memory_families(&mut all);
        log_families(&mut all);
        process_families(&mut all);
        all
    }

    fn name_of(&self, source: SourceId) -> &str {
        self.sources.get(source.0 as usize).map_or("?", |name| name)
    }

    fn intake_families(&self, all: &mut Families) {
        let (counts, capacity) = (self.intake.counts(), self.intake.capacity());
        for (name, help, value) in [
            (
                "tailwater_intake_held_items",
                "Items that wait between listeners and the input log, or are being written",
                counts.held_items,
            ),
            (
                "tailwater_intake_held_bytes",
                "Payload bytes that wait between listeners and the input log",
                counts.held_bytes,
            ),
            (
                "tailwater_intake_capacity_items",
                "Items that may wait between listeners and the input log",
                capacity.items,
            ),
            (
                "tailwater_intake_capacity_bytes",
                "Payload bytes that may wait between listeners and the input log",
                capacity.bytes,
            ),
            (
                "tailwater_intake_reading_bytes",
                "Bytes of bodies that are being received and checked",
                counts.reading_bytes,
            ),
            (
                "tailwater_intake_waiting_requests",
                "Requests that wait for room in a queue",
                counts.waiting,
            ),
        ] {
            all.gauge(name, help).whole(&[], value);
        }
        let unaccounted = counts.sources.values().map(|of| of.unaccounted()[1].unsigned_abs());
        all.gauge(
            "tailwater_intake_unaccounted_items",
            "Received items that are in no account of the intake; always 0",
        )
        .whole(&[], unaccounted.sum());
    }

    fn source_families(&self, all: &mut Families) {
        let counts = self.intake.counts();
        let of_sources =
            || counts.sources.iter().map(|(source, counts)| (self.name_of(*source), counts));
        let kinds: [(&'static str, &'static str, Of); 3] = [
            ("tailwater_intake_items_total", "Items by what became of them", |c| c.items),
            ("tailwater_intake_bytes_total", "Payload bytes by what became of them", |c| c.bytes),
            ("tailwater_intake_requests_total", "Requests by what became of them", |c| c.requests),
        ];
        for (name, help, of) in kinds {
            let family = all.counter(name, help);
            of_sources().for_each(|(source, counts)| outcomes(source, counts, of, family));
        }
        for (source, of) in of_sources() {
            let label = [("source", source)];
            all.gauge("tailwater_intake_queued_items", "Items that wait for the input log")
                .whole(&label, of.queued.items);
            all.gauge("tailwater_intake_queued_bytes", "Payload bytes that wait for the input log")
                .whole(&label, of.queued.bytes);
            all.gauge("tailwater_intake_under_way_requests", "Requests being received and checked")
                .whole(&label, of.under_way);
        }
        for (source, held) in self.sources.iter().zip(self.timings.requests()) {
            all.histogram("tailwater_request_items", "Items of a request, by source")
                .add(&[("source", source)], Sample::histogram(held, 1.0));
        }
    }

    fn listener_families(&self, all: &mut Families) {
        for (listener, watch) in &self.listeners {
            let counts = watch.counts();
            let listener = ("listener", &**listener);
            all.gauge("tailwater_listener_open_connections", "Connections that are open")
                .whole(&[listener], counts.open);
            let family = all.counter(
                "tailwater_listener_connections_total",
                "Connections by what became of them; accepted ones may later be closed to make room",
            );
            for (outcome, count) in [
                ("accepted", counts.accepted),
                ("made_room", counts.made_room),
                ("turned_away", counts.turned_away),
                ("failed", counts.failed),
                ("handshake_failed", counts.handshakes_failed),
            ] {
                family.whole(&[listener, ("outcome", outcome)], count);
            }
            all.counter(
                "tailwater_listener_tls_reload_failures_total",
                "Changed certificates or keys that could not be taken",
            )
            .whole(&[listener], counts.reloads_failed);
        }
    }

    fn engine_families(&self, counts: &Counts, all: &mut Families) {
        let ledger = &counts.ledger;
        for (name, help, value) in [
            (
                "tailwater_epochs_total",
                "Epochs of the input log that are finished",
                self.epochs.load(Ordering::Relaxed),
            ),
            ("tailwater_ticks_total", "Recorded ticks of the clock", self.timings.ticks()),
            ("tailwater_frames_total", "Frames of the input log", ledger.frames),
            ("tailwater_frame_bytes_total", "Payload bytes of the input log", ledger.bytes),
            (
                "tailwater_damaged_frames_total",
                "Lines or requests that could not be decoded",
                ledger.damaged,
            ),
            (
                "tailwater_reversed_spans_total",
                "Spans that end before they start, used with duration 0",
                ledger.end_before_start,
            ),
        ] {
            all.counter(name, help).whole(&[], value);
        }
        let family =
            all.counter("tailwater_items_total", "Items that reached the engine, by signal");
        for signal in Signal::ALL {
            let of_signal = ledger.signals[signal.index()];
            for (outcome, count) in [("used", of_signal.used), ("dropped", of_signal.dropped)] {
                family.whole(&[("signal", signal.name()), ("outcome", outcome)], count);
            }
        }
        let family =
            all.counter("tailwater_dropped_items_total", "Items that the engine set aside");
        for (reason, name) in [
            (DropReason::Damaged, "damaged"),
            (DropReason::AheadOfTime, "ahead_of_time"),
            (DropReason::NoTime, "no_time"),
        ] {
            let count = ledger.dropped.get(&reason).copied().unwrap_or(0);
            family.whole(&[("reason", name)], count);
        }
        all.gauge("tailwater_unaccounted_items", "Items that are in no account; always 0")
            .whole(&[], counts.unaccounted().unsigned_abs());
        self.timing_families(all);
    }

    fn timing_families(&self, all: &mut Families) {
        let seconds = |held| Sample::histogram(held, SECOND_NS);
        all.histogram(
            "tailwater_item_age_seconds",
            "Time from the arrival of an item until its epoch was done",
        )
        .add(&[], seconds(self.timings.age()));
        all.histogram(
            "tailwater_epoch_duration_seconds",
            "Time from the end of an epoch's gathering until its results were there",
        )
        .add(&[], seconds(self.timings.epoch()));
        all.gauge("tailwater_epoch_under_way_items", "Items in epochs that are not done")
            .whole(&[], self.timings.under_way_items());
        for signal in Signal::ALL {
            let held = self.timings.items_of(signal);
            all.histogram("tailwater_epoch_items", "Items of an epoch, by signal")
                .add(&[("signal", signal.name())], Sample::histogram(held, 1.0));
        }
    }

    /// How far behind the newest time that any source has reached sources and rules are.
    fn time_families(&self, gauges: &EngineGauges, all: &mut Families) {
        let seconds = |ns: i64| ns.max(0) as f64 / SECOND_NS;
        let sources = 0..gauges.sources();
        let newest_ns = |column: usize| {
            sources.clone().filter_map(|source| gauges.high_ns(column, source)).max()
        };
        for (column, place) in self.plan.time_columns.iter().enumerate() {
            let signal = self.plan.signals[place.signal as usize].signal.name();
            let Some(newest_ns) = newest_ns(column) else { continue };
            for source in sources.clone() {
                let Some(high_ns) = gauges.high_ns(column, source) else { continue };
                let labels =
                    [("source", self.name_of(SourceId(source as u32))), ("signal", signal)];
                all.gauge(
                    "tailwater_source_lag_seconds",
                    "Event time by which a source is behind the one that is furthest",
                )
                .number(&labels, seconds(newest_ns.saturating_sub(high_ns)));
            }
        }
        for (index, rule) in holding(&self.plan) {
            let label = [("rule", &*rule.name)];
            all.gauge(
                "tailwater_rule_groups",
                "Groups that a rule holds; of an alert, its instances",
            )
            .whole(&label, gauges.groups(index));
            all.gauge(
                "tailwater_rule_state_bytes",
                "State of a rule, estimated; rules that share some have equal parts of it",
            )
            .whole(&label, gauges.state_bytes(index));
            let lags = rule.place.timelines.iter().filter_map(|line| {
                let column = self.plan.timelines[*line as usize].time_column as usize;
                let watermark_ns = gauges.watermark_ns(*line as usize)?;
                Some(newest_ns(column)?.saturating_sub(watermark_ns))
            });
            if let Some(lag_ns) = lags.max() {
                all.gauge(
                    "tailwater_rule_watermark_lag_seconds",
                    "Event time by which a rule's watermark is behind the newest item it may read",
                )
                .number(&label, seconds(lag_ns));
            }
        }
    }

    fn page_families(&self, all: &mut Families) {
        for page in &self.results {
            let store = locked(&page.store);
            let label = [("sink", &*page.name)];
            all.gauge("tailwater_prometheus_series", "Series on the page of results")
                .whole(&label, store.len() as u64);
            all.counter(
                "tailwater_prometheus_overflowed_samples_total",
                "Samples that found no place among the series",
            )
            .whole(&label, store.counts().overflowed);
        }
    }
}

/// Rules that people have written: not those that the compiler made.
fn shown(plan: &Arc<Plan>) -> impl Iterator<Item = (usize, &Rule)> {
    plan.rules.iter().enumerate().filter(|(_, rule)| !rule.place.is_hidden)
}

/// Rules that hold something: also traces, whose rows others show.
fn holding(plan: &Arc<Plan>) -> impl Iterator<Item = (usize, &Rule)> {
    let is_one = |rule: &Rule| !rule.place.is_hidden || matches!(rule.kind, RuleKind::Traces(_));
    plan.rules.iter().enumerate().filter(move |(_, rule)| is_one(rule))
}

fn outcomes(source: &str, counts: &SourceCounts, of: Of, family: &mut Family) {
    let mut add = |outcome: &str, reason: &str, count: &Count| {
        family.whole(&[("source", source), ("outcome", outcome), ("reason", reason)], of(count));
    };
    add("accepted", "", &counts.accepted);
    // Also what has not happened: a counter that begins above 0 hides its first step.
    for reason in RefuseReason::ALL {
        add("refused", reason.name(), &counts.refused.get(&reason).copied().unwrap_or_default());
    }
    for reason in [DiscardReason::Newest, DiscardReason::Oldest, DiscardReason::Sampled] {
        let count = counts.discarded.get(&reason).copied().unwrap_or_default();
        add("discarded", reason.name(), &count);
    }
}

fn rule_families(plan: &Arc<Plan>, counts: &Counts, all: &mut Families) {
    for (index, rule) in shown(plan) {
        let said = counts.said.get(index).copied().unwrap_or(0);
        all.counter("tailwater_rule_rows_total", "Rows of a rule; of an alert, its transitions")
            .whole(&[("rule", &*rule.name)], said);
    }
    for (rule, of) in plan.rules.iter().zip(&counts.rules).filter(|(rule, _)| takes_items(rule)) {
        item_families(&rule.name, of, all);
        if matches!(rule.kind, RuleKind::Traces(_)) {
            early_families(&rule.name, of, all);
        }
    }
}

/// Whether items are counted with a rule: also with the traces and the spans of a `retrace`, whose
/// rows others show.
fn takes_items(rule: &Rule) -> bool {
    match rule.kind {
        RuleKind::Alert(_) => false,
        RuleKind::Traces(_) | RuleKind::Pattern(_) => true,
        _ => !rule.place.is_hidden,
    }
}

fn item_families(name: &str, of: &RuleCounts, all: &mut Families) {
    let rule_label = ("rule", name);
    let family = all.counter("tailwater_rule_items_total", "Items by rule and what became of them");
    for (outcome, count) in [
        ("used", of.used),
        ("late", of.late),
        ("duplicate", of.duplicates),
        ("other", of.to_other),
        ("refused", of.refused),
    ] {
        family.whole(&[rule_label, ("outcome", outcome)], count);
    }
    all.gauge(
        "tailwater_rule_worst_late_seconds",
        "How far the worst late item of a rule lay behind the watermark",
    )
    .number(&[rule_label], of.worst_late_ns as f64 / SECOND_NS);
}

/// Traces of a rule that closed before their time.
fn early_families(name: &str, of: &RuleCounts, all: &mut Families) {
    for (why, count) in EarlyClose::ALL.iter().zip(of.traces_early) {
        all.counter(
            "tailwater_early_traces_total",
            "Traces that closed before their time, by `traces` rule and cause",
        )
        .whole(&[("rule", name), ("reason", why.word())], count);
    }
}

fn redaction_families(counters: &RedactCounters, all: &mut Families) {
    let family = all.counter(
        "tailwater_redacted_values_total",
        "Values that were taken out or replaced, by line of `redact` and key or class",
    );
    for count in counters.counts() {
        family.whole(&[("rule", count.rule), ("what", &count.what)], count.count);
    }
    all.counter("tailwater_redacted_frames_total", "Frames that were written again")
        .whole(&[], counters.frames());
    all.counter(
        "tailwater_redact_unreadable_total",
        "Messages, lines and fields that could not be read, and left for that reason",
    )
    .whole(&[], counters.unreadable());
}

fn trim_families(counters: &TrimCounters, all: &mut Families) {
    let family = all.counter(
        "tailwater_trimmed_total",
        "What was dropped from items, or cut, for the bounds in `limits`",
    );
    for bound in Bound::ALL {
        family.whole(&[("what", bound.name())], counters.count(bound));
    }
    family.whole(&[("what", "tracestate")], counters.trace_states());
}

fn log_families(all: &mut Families) {
    let family = all.counter("tailwater_log_records_total", "Records of the log, by level");
    for (level, count) in crate::log::written() {
        family.whole(&[("level", level)], count);
    }
}

/// Names as Prometheus's own client libraries have them.
fn process_families(all: &mut Families) {
    let Some(process) = Process::read() else { return };
    all.counter("process_cpu_seconds_total", "CPU time of user and system")
        .number(&[], process.cpu_seconds);
    all.gauge("process_start_time_seconds", "Start, seconds since the Unix epoch")
        .number(&[], process.start_seconds);
    all.gauge("process_resident_memory_bytes", "Resident memory")
        .whole(&[], process.resident_bytes);
    all.gauge("process_virtual_memory_bytes", "Virtual memory").whole(&[], process.virtual_bytes);
    all.gauge("process_threads", "Threads").whole(&[], process.threads);
    if let Some(open) = process.open_fds {
        all.gauge("process_open_fds", "Open file descriptors").whole(&[], open);
    }
    if let Some(max) = process.max_fds {
        all.gauge("process_max_fds", "File descriptors that may be open").whole(&[], max);
    }
}
