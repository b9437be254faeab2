//! Rows as OTLP metrics.
//!
//! A final row is one point for each of its values, of the metric `RULE.VALUE`, with the group key
//! as attributes. Counts and sums of windows that do not overlap are sums, distributions of such
//! windows are histograms, all else that is a number is a gauge from the window's start to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::items::{items_of, joined};
use super::sums::{Addend, Sums};
use super::weight;
use super::wire::{Encoding, Head, Items, Kind, Number, Place, Temporality};
use crate::limits::SINK_SERIES_MAX;
use crate::model::{Row, RowKind, Signal, Value};
use crate::sink::ExemplarVerdicts;
use crate::sink::exemplar::{Exemplar, exemplars, valued};
use crate::sink::exemplar_verdicts::WaitingExemplars;
use crate::sink::push::{Encode, Said};
use crate::sink::{Left, RuleShape, Shape};

/// How rows become metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Protobuf or JSON. Protobuf.
    pub encoding: Encoding,
    /// Whether sums and histograms count since the start or since the window before. Cumulative.
    pub temporality: Temporality,
    /// Series whose sums are kept, where they are cumulative. 100 000.
    pub series: usize,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            encoding: Encoding::default(),
            temporality: Temporality::default(),
            series: SINK_SERIES_MAX,
        }
    }
}

/// Encodes rows, and data points as they came, as `ExportMetricsServiceRequest`.
pub struct Metrics {
    config: MetricsConfig,
    shapes: Arc<[Shape]>,
    sums: Sums,
    waiting: WaitingExemplars,
    not_sent: u64,
    left_out: usize,
}

/// A metric: rule, place of the value, unit, kind.
type Key = (u32, u32, &'static str, Kind);

/// Points by metric, in the order in which they came.
type Points = BTreeMap<Key, Vec<u8>>;

impl Metrics {
    /// With the usual settings; shapes are by rule id.
    pub fn new(shapes: Arc<[Shape]>) -> Self {
        Self::with(MetricsConfig::default(), shapes)
    }

    /// Shapes are by rule id.
    pub fn with(config: MetricsConfig, shapes: Arc<[Shape]>) -> Self {
        let (sums, waiting) = (Sums::new(config.series), WaitingExemplars::default());
        Self { config, shapes, sums, waiting, not_sent: 0, left_out: 0 }
    }

    /// Attaches exemplars whose verdict came behind their row, too.
    #[must_use]
    pub fn following(self, verdicts: ExemplarVerdicts) -> Self {
        Self { waiting: WaitingExemplars::new(verdicts), ..self }
    }

    /// Points that went to the series of those which found no room.
    pub fn overflowed(&self) -> u64 {
        self.sums.overflowed()
    }

    /// Values that OTLP metrics have no place for: text and lists, and distributions of windows
    /// that overlap.
    pub fn not_sent(&self) -> u64 {
        self.not_sent
    }

    fn row(&mut self, shape: &RuleShape, row: &Row, points: &mut Points) {
        let encoding = self.config.encoding;
        let is = |flags: &[bool], at: usize| flags.get(at) == Some(&true);
        let additive = |at: &usize| {
            is(&shape.counts, *at) || is(&shape.sums, *at) || is(&shape.histograms, *at)
        };
        let adds = (0..row.values.len()).filter(additive).count();
        let is_cumulative = self.config.temporality == Temporality::Cumulative;
        let group = (adds > 0 && is_cumulative).then(|| self.sums.group(row, adds));
        let attributes = attributes(encoding, row.is_other, shape, row);
        let of_sums = match &group {
            Some(group) if group.is_other != row.is_other => {
                &self::attributes(encoding, true, shape, row)
            }
            _ => &attributes,
        };
        let exemplars =
            if adds > 0 { self.waiting.attach(row, exemplars(row)) } else { Vec::new() };
        for (at, value) in row.values.iter().take(shape.values.len()).enumerate() {
            let id = (row.rule.0, at as u32);
            if let (Value::Histogram(window), true) = (value, is(&shape.histograms, at)) {
                let addend = Addend::Histogram(Box::new((**window).clone()));
                let valued = valued(&exemplars);
                let place = (row, &**of_sums, &*valued);
                self.additive(place, id, ("", true), &addend, group.as_ref(), points);
                continue;
            }
            let Some((number, unit)) = number(value) else {
                self.not_sent += u64::from(!value.is_null());
                continue;
            };
            let is_count = is(&shape.counts, at);
            if is_count || is(&shape.sums, at) {
                let place = (row, &**of_sums, if is_count { &*exemplars } else { &[] });
                let addend = Addend::Number(number);
                self.additive(place, id, (unit, is_count), &addend, group.as_ref(), points);
                continue;
            }
            let place = Place {
                start_ns: row.start_ns,
                time_ns: row.end_ns,
                attributes: &attributes,
                exemplars: &[],
            };
            let of_metric = points.entry((id.0, id.1, unit, Kind::Gauge)).or_default();
            encoding.number(&place, &number, of_metric);
        }
    }

    /// A point that counts, since the start or for its window alone.
    fn additive(
        &mut self,
        (row, attributes, exemplars): (&Row, &[u8], &[Exemplar]),
        (rule, at): (u32, u32),
        (unit, is_monotonic): (&'static str, bool),
        addend: &Addend,
        group: Option<&super::sums::Group>,
        points: &mut Points,
    ) {
        let temporality = self.config.temporality;
        let (start_ns, time_ns, value) = match group {
            Some(group) => {
                let total = self.sums.add(group, at, row, addend);
                (total.start_ns, total.time_ns, &total.value)
            }
            None => (row.start_ns, row.end_ns, addend),
        };
        let place = Place { start_ns, time_ns, attributes, exemplars };
        let encoding = self.config.encoding;
        match value {
            Addend::Number(number) => {
                let kind = Kind::Sum(temporality, is_monotonic);
                let of_metric = points.entry((rule, at, unit, kind)).or_default();
                encoding.number(&place, number, of_metric);
            }
            Addend::Histogram(held) => {
                let kind = match &held.exponential {
                    Some(_) => Kind::Exponential(temporality),
                    None => Kind::Histogram(temporality),
                };
                let of_metric = points.entry((rule, at, unit, kind)).or_default();
                encoding.histogram(&place, held, of_metric);
            }
        }
    }

    fn request(&self, points: &Points) -> Bytes {
        let encoding = self.config.encoding;
        let mut metrics = Vec::new();
        for ((rule, at, unit, kind), points) in points {
            let Some(Shape::Rule(shape)) = self.shapes.get(*rule as usize) else { continue };
            let Some(value) = shape.values.get(*at as usize) else { continue };
            let name = format!("{}.{value}", shape.name);
            let what = match kind {
                Kind::Gauge => "of one window",
                _ => "of all windows",
            };
            let description = format!("`{value}` {what} of the rule `{}`", shape.name);
            let head = Head { name: &name, description: &description, unit, kind: *kind };
            encoding.metric(&head, points, &mut metrics);
        }
        encoding.request(Items::Metrics, &metrics)
    }
}

impl Encode for Metrics {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let shapes = Arc::clone(&self.shapes);
        let mut points = Points::new();
        for said in batch {
            let Said::Row(row) = said else { continue };
            let Some(Shape::Rule(shape)) = shapes.get(row.rule.0 as usize) else { continue };
            if row.kind == RowKind::Final {
                self.row(shape, row, &mut points);
            }
        }
        let encoding = self.config.encoding;
        let own = (!points.is_empty()).then(|| self.request(&points));
        let items = items_of(encoding, Signal::Metrics, batch);
        self.left_out = items.as_ref().map_or(0, |items| items.left_out);
        Some((encoding.content_type(), joined(encoding, own, items)?))
    }

    fn left(&self) -> Left {
        Left { overflowed: self.overflowed(), not_sent: self.not_sent() }
    }

    fn left_out(&self) -> usize {
        self.left_out
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        self.config.encoding.partial_success(answer)
    }

    fn weight(&self, said: &Said) -> usize {
        weight::of(&self.shapes, said)
    }

    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

fn attributes(encoding: Encoding, is_other: bool, shape: &RuleShape, row: &Row) -> Vec<u8> {
    if is_other {
        let pair = ("otel.metric.overflow", &Value::Bool(true));
        return encoding.attributes(std::iter::once(pair));
    }
    let pairs = shape.keys.iter().zip(row.key.iter()).filter(|(_, value)| !value.is_null());
    encoding.attributes(pairs.map(|(name, value)| (&**name, value)))
}

/// A value as a point has it, and its unit (UCUM); none for what is no number.
fn number(value: &Value) -> Option<(Number, &'static str)> {
    Some(match value {
        Value::Int(number) => (Number::Int(*number), "1"),
        Value::Bool(is_so) => (Number::Int(i64::from(*is_so)), "1"),
        Value::Float(number) | Value::Ratio(number) => (Number::Double(*number), "1"),
        Value::Duration(nanos) => (Number::Double(*nanos as f64 / 1e9), "s"),
        Value::Size(bytes) => (Number::Int(*bytes), "By"),
        _ => return None,
    })
}
