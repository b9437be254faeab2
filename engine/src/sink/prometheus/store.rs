//! The series of the page: renewed by rows and transitions, expired by the clock.
//!
//! Invariant: never more series than the bound; a counter never goes back while its series is
//! there. How the page is written, `page` knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::by_labels::{ByLabels, Labels, hash_of};
use super::name::{label, label_text, labels, metric, sample};
use super::series::{Added, Sample, Series};
use crate::limits::{PROMETHEUS_EXPIRY_NS, PROMETHEUS_SERIES_MAX};
use crate::model::{AlertState, ExemplarVerdict, Row, RowKind, Transition, Value};
use crate::sink::exemplar::{Exemplar, exemplars, valued};
use crate::sink::held::of_histogram;
use crate::sink::{AlertShape, RuleShape, Shape};

/// How much is held, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrometheusConfig {
    /// Series on the page; further ones are left out and counted.
    pub series: usize,
    /// How long a series stays that is not renewed, nanoseconds; at least twice the distance of its
    /// rule's windows.
    pub expiry_ns: i64,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self { series: PROMETHEUS_SERIES_MAX, expiry_ns: PROMETHEUS_EXPIRY_NS }
    }
}

/// What became of what the store was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrometheusCounts {
    /// Samples that found no place among the series.
    pub overflowed: u64,
    /// Series that were not renewed in time.
    pub expired: u64,
    /// Values that are no numbers, and have no place on such a page.
    pub not_numbers: u64,
}

/// Kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// A metric: what `# TYPE` and `# HELP` say.
#[derive(Debug, Clone)]
pub(super) struct Family {
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) help: String,
    pub(super) series: ByLabels<Series>,
}

/// The page's contents.
pub struct PrometheusStore {
    config: PrometheusConfig,
    shapes: Arc<[Shape]>,
    pub(super) families: BTreeMap<String, Family>,
    series: usize,
    /// Bytes of the series.
    bytes: usize,
    /// When a full page is looked through again for series that are over.
    look_ns: i64,
    counts: PrometheusCounts,
    /// By rule: the metrics of its columns, as far as any came.
    metrics: Vec<Vec<Metric>>,
}

/// What a column is on the page.
#[derive(Debug)]
struct Metric {
    column: usize,
    unit: &'static str,
    name: String,
    /// The counter beside it.
    seen: String,
}

impl Metric {
    /// The metric of a column with a unit, among those of its rule.
    fn of<'a>(
        known: &'a mut Vec<Self>,
        shape: &RuleShape,
        (column, unit): (usize, &'static str),
    ) -> Option<&'a Self> {
        let is_it = |own: &Self| own.column == column && own.unit == unit;
        let place = known.iter().position(is_it).unwrap_or(known.len());
        if place == known.len() {
            let name = metric(&shape.name, shape.values.get(column)?, unit);
            let seen = format!("{name}_seen");
            known.push(Self { column, unit, name, seen });
        }
        known.get(place)
    }
}

/// How long a full page waits before it is looked through again, nanoseconds: that takes a step for
/// each series.
const LOOK_EVERY_NS: i64 = 10_000_000_000;

/// Bytes of a series, about.
fn of_series(labels: &Labels, series: &Series) -> usize {
    let texts = |(name, value): &(String, String)| name.len() + value.len();
    let labels: usize = labels.iter().map(texts).sum::<usize>() + size_of_val(&**labels);
    let exemplars = (series.exemplars.len() + series.open.len()) * size_of::<Exemplar>();
    let histogram = match &series.value {
        Sample::Number(_) => 0,
        Sample::Histogram(point) => of_histogram(point),
    };
    size_of::<Labels>() + labels + size_of::<Series>() + exemplars + histogram
}

impl PrometheusStore {
    /// An empty page; shapes are by rule id.
    pub fn new(config: PrometheusConfig, shapes: Arc<[Shape]>) -> Self {
        let counts = PrometheusCounts::default();
        let (families, look_ns) = (BTreeMap::new(), i64::MIN);
        let metrics = shapes.iter().map(|_| Vec::new()).collect();
        Self { config, shapes, families, series: 0, bytes: 0, look_ns, counts, metrics }
    }

    /// What became of what it was given.
    pub fn counts(&self) -> PrometheusCounts {
        self.counts
    }

    /// Series on the page.
    pub fn len(&self) -> usize {
        self.series
    }

    /// Bytes that the series hold, about.
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.series == 0
    }

    /// Takes a row: revisions are not final and show nothing.
    pub fn row(&mut self, row: &Row, now_ns: i64) {
        let shapes = Arc::clone(&self.shapes);
        let Some(Shape::Rule(shape)) = shapes.get(row.rule.0 as usize) else { return };
        if row.kind != RowKind::Final {
            return;
        }
        let mut metrics = std::mem::take(&mut self.metrics[row.rule.0 as usize]);
        self.values((shape, row), &mut metrics, now_ns);
        self.metrics[row.rule.0 as usize] = metrics;
    }

    fn values(&mut self, (shape, row): (&RuleShape, &Row), known: &mut Vec<Metric>, now_ns: i64) {
        let labels = row_labels(shape, row);
        let place = (hash_of(&labels), &labels);
        let exemplars = exemplars(row);
        let lasts_ns = self.config.expiry_ns.max(shape.every_ns.saturating_mul(2));
        let times_ns = (now_ns, now_ns.saturating_add(lasts_ns));
        for (index, (name, value)) in shape.values.iter().zip(&row.values).enumerate() {
            if value.is_null() {
                continue;
            }
            let of_all = || format!("`{name}` of all windows of `{}` so far", shape.name);
            if let (Value::Histogram(window), Some(true)) = (value, shape.histograms.get(index)) {
                let Some(own) = Metric::of(known, shape, (index, "")) else { continue };
                let exemplars = valued(&exemplars);
                let added = Added::Histogram(window, &exemplars);
                self.put((&own.name, Kind::Histogram, ""), of_all, place, times_ns, &added);
                continue;
            }
            let Some((number, unit)) = sample(value) else {
                self.counts.not_numbers += 1;
                continue;
            };
            let Some(own) = Metric::of(known, shape, (index, unit)) else { continue };
            let help = || format!("`{name}` of the newest window of `{}`", shape.name);
            self.put((&own.name, Kind::Gauge, unit), help, place, times_ns, &Added::Now(number));
            if shape.counts.get(index) == Some(&true) && number >= 0.0 {
                let added = Added::More(number, &exemplars);
                self.put((&own.seen, Kind::Counter, unit), of_all, place, times_ns, &added);
            }
        }
    }

    /// Takes verdicts on traces that rows have named as exemplars: one that is kept is shown with
    /// the series of its row.
    pub fn verdicts(&mut self, verdicts: &[ExemplarVerdict]) {
        let series = self.families.values_mut().flat_map(|family| family.series.iter_mut());
        for (labels, series) in series.filter(|(_, series)| !series.open.is_empty()) {
            let before = of_series(labels, series);
            verdicts.iter().for_each(|verdict| series.decided(verdict));
            self.bytes = (self.bytes + of_series(labels, series)).saturating_sub(before);
        }
    }

    /// Takes a transition. A firing alert stays on the page until it resolves.
    pub fn transition(&mut self, transition: &Transition, now_ns: i64) {
        let shapes = Arc::clone(&self.shapes);
        let Some(Shape::Alert(shape)) = shapes.get(transition.rule.0 as usize) else { return };
        for state in [AlertState::Pending, AlertState::Firing] {
            let labels = alert_labels(shape, transition, state);
            if transition.state == state {
                let help = || "Alerts that are pending or firing".to_owned();
                let place = ("ALERTS", Kind::Gauge, "");
                let labels = (hash_of(&labels), &labels);
                self.put(place, help, labels, (now_ns, i64::MAX), &Added::Now(1.0));
            } else {
                self.remove("ALERTS", &labels);
            }
        }
    }

    fn put(
        &mut self,
        (name, kind, unit): (&str, Kind, &'static str),
        help: impl FnOnce() -> String,
        (hash, labels): (u64, &Labels),
        (now_ns, expires_ns): (i64, i64),
        added: &Added<'_>,
    ) {
        let known = self.families.get_mut(name);
        // Two columns whose names fall together keep the kind of the first.
        if known.as_ref().is_some_and(|family| family.kind != kind) {
            self.counts.overflowed += 1;
            return;
        }
        if let Some(series) = known.and_then(|family| family.series.get_mut(hash, labels)) {
            let before = of_series(labels, series);
            series.expires_ns = expires_ns;
            series.add(added, now_ns);
            self.bytes = (self.bytes + of_series(labels, series)).saturating_sub(before);
            return;
        }
        if self.series >= self.config.series && now_ns >= self.look_ns {
            // Where nobody asks for the page, nobody else takes out what is over.
            self.look_ns = now_ns.saturating_add(LOOK_EVERY_NS);
            self.expire(now_ns);
        }
        if self.series >= self.config.series {
            self.counts.overflowed += 1;
            return;
        }
        self.series += 1;
        let family = self.families.entry(name.to_owned()).or_insert_with(|| Family {
            kind,
            unit,
            help: help(),
            series: ByLabels::default(),
        });
        let series = Series::new(added, now_ns, expires_ns);
        self.bytes += of_series(labels, &series);
        family.series.insert(hash, labels.clone(), series);
    }

    fn remove(&mut self, name: &str, labels: &Labels) {
        if let Some(family) = self.families.get_mut(name)
            && let Some(series) = family.series.remove(hash_of(labels), labels)
        {
            self.series -= 1;
            self.bytes = self.bytes.saturating_sub(of_series(labels, &series));
        }
    }

    /// Drops what has not been renewed.
    pub fn expire(&mut self, now_ns: i64) {
        for family in self.families.values_mut() {
            let before = family.series.len();
            family.series.retain(|labels, series| {
                let stays = series.expires_ns > now_ns;
                if !stays {
                    self.bytes = self.bytes.saturating_sub(of_series(labels, series));
                }
                stays
            });
            let gone = before - family.series.len();
            self.series -= gone;
            self.counts.expired += gone as u64;
        }
        self.families.retain(|_, family| !family.series.is_empty());
    }
}

fn row_labels(shape: &RuleShape, row: &Row) -> Labels {
    if row.is_other {
        return vec![("otel_metric_overflow".to_owned(), "true".to_owned())];
    }
    labels(pairs(&shape.keys, &row.key))
}

fn alert_labels(shape: &AlertShape, transition: &Transition, state: AlertState) -> Labels {
    let mut all = Vec::new();
    if transition.is_other {
        all.push(("otel_metric_overflow".to_owned(), "true".to_owned()));
    } else {
        all.extend(pairs(&shape.keys, &transition.key));
    }
    // Labels may hold values of the moment, which would make a new series of each transition: keys
    // and severity alone tell instances apart, as the alert itself does.
    if let Some(severity) = &shape.severity {
        all.push(("severity".to_owned(), severity.to_string()));
    }
    all.push(("alertname".to_owned(), shape.name.to_string()));
    all.push(("alertstate".to_owned(), state.word().to_owned()));
    labels(all)
}

fn pairs(names: &[Arc<str>], values: &[Value]) -> Vec<(String, String)> {
    names.iter().zip(values).map(|(name, value)| (label(name), label_text(value))).collect()
}
