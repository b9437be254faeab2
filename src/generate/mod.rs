//! Seeded telemetry: services that call one another, with latency, errors, disorder, duplicates and
//! labelled incidents.
//!
//! Invariant: equal options give equal bytes, on every machine. Times are computed from the
//! options alone; there is no clock here. Must not know: engine, rules, arguments.

mod encode;
mod incident;
mod rng;
#[cfg(test)]
mod tests;
mod trace;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

pub(crate) use encode::Format;
pub(crate) use incident::{Incident, IncidentKind};

use incident::plan_incidents;
use rng::Rng;
use trace::{Span, Topology};

const SECOND_NS: i64 = 1_000_000_000;

/// Spans that wait to be written at most: those of the longest delay at the highest rate.
const WAITING_SPANS_MAX: usize = 4_000_000;

/// Spans of one OTLP request at most.
const REQUEST_SPANS: usize = 100;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// Where the random numbers start.
    pub(crate) seed: u64,
    /// Spans to write, duplicates not counted.
    pub(crate) spans: u64,
    /// Traces a second.
    pub(crate) traces_per_second: u32,
    /// Services, 1 to 20.
    pub(crate) services: usize,
    /// Operations of a service, at least 1.
    pub(crate) operations: usize,
    /// Share of spans that fail outside incidents.
    pub(crate) error_rate: f64,
    /// Median duration of a trace's root, nanoseconds; the mix is log-normal.
    pub(crate) median_ns: i64,
    /// Standard deviation of the logarithm of durations.
    pub(crate) sigma: f64,
    /// Share of spans that are delayed by up to `disorder_ns` more than the others.
    pub(crate) disorder: f64,
    /// The longest delay of a disordered span, nanoseconds.
    pub(crate) disorder_ns: i64,
    /// Share of spans that are written twice.
    pub(crate) duplicates: f64,
    /// Incidents over the whole time.
    pub(crate) incidents: usize,
    /// Start of the first trace, nanoseconds since the Unix epoch.
    pub(crate) start_ns: i64,
    /// How spans are written.
    pub(crate) format: Format,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            spans: 100_000,
            traces_per_second: 50,
            services: 8,
            operations: 6,
            error_rate: 0.002,
            median_ns: 40_000_000,
            sigma: 0.8,
            disorder: 0.05,
            disorder_ns: 2 * SECOND_NS,
            duplicates: 0.001,
            incidents: 3,
            start_ns: 1_767_225_600 * SECOND_NS, // 2026-01-01T00:00:00Z
            format: Format::OtlpJson,
        }
    }
}

/// What was generated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Spans written, duplicates not counted.
    pub(crate) spans: u64,
    /// Spans written a second time.
    pub(crate) duplicates: u64,
    /// Spans that fail.
    pub(crate) errors: u64,
    /// Traces begun.
    pub(crate) traces: u64,
    /// The incidents, by start.
    pub(crate) incidents: Vec<Incident>,
}

impl Summary {
    /// The labels: one JSON line an incident.
    ///
    /// # Errors
    /// As the writer's.
    pub(crate) fn write_labels(&self, labels: &mut dyn Write) -> io::Result<()> {
        for incident in &self.incidents {
            writeln!(labels, "{}", incident.to_json())?;
        }
        Ok(())
    }
}

/// Checks what the generator cannot work with.
fn check(options: &Options) -> io::Result<()> {
    let wrong = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    let shares = [
        ("error rate", options.error_rate),
        ("disorder", options.disorder),
        ("duplicates", options.duplicates),
    ];
    for (name, share) in shares {
        if !(0.0..=1.0).contains(&share) {
            return wrong(format!("expected a {name} between 0 and 1, found `{share}`"));
        }
    }
    if !(1..=trace::SERVICES.len()).contains(&options.services) {
        let most = trace::SERVICES.len();
        return wrong(format!("expected 1 to {most} services, found `{}`", options.services));
    }
    if options.operations == 0 || options.traces_per_second == 0 || options.median_ns <= 0 {
        return wrong("expected at least one operation, a rate and a median above 0".to_owned());
    }
    if !(0.0..=4.0).contains(&options.sigma) || options.disorder_ns < 0 || options.start_ns < 0 {
        return wrong("expected a sigma of 0 to 4 and times that are not negative".to_owned());
    }
    Ok(())
}

/// A span on its way, in order of arrival and then of making.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    arrival_ns: i64,
    number: u64,
    span: Span,
}

/// Generates telemetry in order of arrival.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if an option is out of range; else as the writer's.
pub(crate) fn run(options: &Options, out: &mut dyn Write) -> io::Result<Summary> {
    check(options)?;
    let mut rng = Rng::new(options.seed);
    let topology = Topology::new(options);
    let seconds = topology.seconds_for(options);
    let incidents = plan_incidents(options, seconds, &mut rng);
    let mut summary = Summary { incidents, ..Summary::default() };
    let mut encoder = encode::Encoder::new(options.format);
    let mut waiting: BinaryHeap<Reverse<Waiting>> = BinaryHeap::new();
    let mean_gap_ns = SECOND_NS as f64 / f64::from(options.traces_per_second);
    let (mut now_ns, mut made, mut number) = (options.start_ns as f64, 0, 0);
    while made < options.spans {
        let trace = topology.trace(now_ns as i64, &summary.incidents, &mut rng);
        summary.traces += 1;
        for span in trace.into_iter().take((options.spans - made) as usize) {
            made += 1;
            summary.errors += u64::from(span.is_error);
            for _ in 0..=u64::from(rng.chance(options.duplicates)) {
                let arrival_ns = span.end_ns.saturating_add(delay_ns(options, &mut rng));
                waiting.push(Reverse(Waiting { arrival_ns, number, span: span.clone() }));
                number += 1;
            }
        }
        let is_full = waiting.len() > WAITING_SPANS_MAX;
        while let Some(Reverse(next)) = waiting.peek()
            && (next.arrival_ns < now_ns as i64 || is_full && waiting.len() > WAITING_SPANS_MAX / 2)
        {
            let next = waiting.pop().map(|Reverse(next)| next.span);
            next.iter().try_for_each(|span| encoder.add(span, out))?;
        }
        now_ns += rng.exponential(mean_gap_ns);
    }
    while let Some(Reverse(next)) = waiting.pop() {
        encoder.add(&next.span, out)?;
    }
    encoder.finish(out)?;
    summary.spans = made;
    summary.duplicates = number - made;
    Ok(summary)
}

fn delay_ns(options: &Options, rng: &mut Rng) -> i64 {
    let usual_ns = rng.below(20_000_000) as i64;
    let is_late = rng.chance(options.disorder) && options.disorder_ns > 0;
    usual_ns + if is_late { rng.below(options.disorder_ns as u64) as i64 } else { 0 }
}
