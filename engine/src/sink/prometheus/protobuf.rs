//! The page in protobuf, with native histograms.
//!
//! Source: Prometheus client model, `io.prometheus.client.MetricFamily`, each with its length
//! before it.

use super::by_labels::Labels;
use super::histogram::{classic, native};
use super::series::{Sample, Series};
use super::store::{Family, Kind, PrometheusStore};
use crate::model::HistogramPoint;
use crate::otlp::wire::{Message, zigzag};
use crate::sink::exemplar::{Exemplar, hex};

/// Types of families.
const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const HISTOGRAM: u64 = 4;

/// The page.
pub(super) fn page(store: &PrometheusStore) -> Vec<u8> {
    let mut out = Message::default();
    for (name, family) in &store.families {
        out.append(family_of(name, family).with_length().as_bytes());
    }
    out.finish().to_vec()
}

fn family_of(name: &str, family: &Family) -> Message {
    let mut out = Message::default();
    let (kind, number) = match family.kind {
        Kind::Counter => (COUNTER, 3),
        Kind::Gauge => (GAUGE, 2),
        Kind::Histogram => (HISTOGRAM, 7),
    };
    match family.kind {
        Kind::Counter => out.text(1, &format!("{name}_total")),
        Kind::Gauge | Kind::Histogram => out.text(1, name),
    }
    out.text(2, &family.help);
    out.varint(3, kind);
    for (labels, series) in family.series.iter() {
        let mut metric = labels_of(labels);
        let value = match &series.value {
            Sample::Number(value) => number_of(*value, family.kind, series),
            Sample::Histogram(point) => histogram_of(point, series),
        };
        metric.message(number, &value);
        out.message(4, &metric);
    }
    if !family.unit.is_empty() {
        out.text(5, family.unit);
    }
    out
}

fn labels_of(labels: &Labels) -> Message {
    let mut out = Message::default();
    for (name, text) in labels {
        out.message(1, &label(name, text));
    }
    out
}

fn label(name: &str, text: &str) -> Message {
    let mut pair = Message::default();
    pair.text(1, name);
    pair.text(2, text);
    pair
}

fn number_of(value: f64, kind: Kind, series: &Series) -> Message {
    let mut out = Message::default();
    out.double(1, value);
    if kind == Kind::Counter {
        if let Some(one) = series.exemplars.first() {
            out.message(2, &exemplar(one));
        }
        out.message(3, &timestamp(series.created_ns));
    }
    out
}

fn histogram_of(point: &HistogramPoint, series: &Series) -> Message {
    let mut out = Message::default();
    out.varint(1, point.count);
    out.double(2, point.sum.unwrap_or(f64::NAN));
    match native(point) {
        Some(native) => {
            out.zigzag(5, i64::from(native.schema));
            out.double(6, native.zero_threshold);
            out.varint(7, native.zero_count);
            let is_bare = native.positive.1.is_empty() && native.negative.1.is_empty();
            for (spans, deltas, (first, counts)) in
                [(9, 10, &native.negative), (12, 13, &native.positive)]
            {
                // A span without buckets says that the histogram is native though it has none.
                if !counts.is_empty() || (is_bare && spans == 12) {
                    let mut span = Message::default();
                    span.zigzag(1, i64::from(*first));
                    span.varint(2, counts.len() as u64);
                    out.message(spans, &span);
                }
                let before = std::iter::once(0).chain(counts.iter().copied());
                let steps = counts.iter().zip(before);
                out.packed(deltas, steps.map(|(now, last)| zigzag(now.wrapping_sub(last) as i64)));
            }
            series.exemplars.iter().for_each(|one| out.message(16, &exemplar(one)));
        }
        None => {
            for (bound, count) in classic(point) {
                let mut bucket = Message::default();
                bucket.varint(1, count);
                bucket.double(2, bound);
                out.message(3, &bucket);
            }
        }
    }
    out.message(15, &timestamp(series.created_ns));
    out
}

fn exemplar(one: &Exemplar) -> Message {
    let mut out = Message::default();
    out.message(1, &label("trace_id", &hex(&one.trace_id)));
    if let Some(span_id) = &one.span_id {
        out.message(1, &label("span_id", &hex(span_id)));
    }
    out.double(2, one.value);
    out.message(3, &timestamp(one.time_ns));
    out
}

fn timestamp(time_ns: i64) -> Message {
    let mut out = Message::default();
    out.varint(1, time_ns.div_euclid(1_000_000_000) as u64);
    out.varint(2, time_ns.rem_euclid(1_000_000_000) as u64);
    out
}
