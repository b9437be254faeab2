//! The page as text, and which format whoever asks for it gets.

use std::fmt::Write as _;

use bytes::Bytes;

use super::by_labels::Labels;
use super::histogram::classic;
use super::name::escaped;
use super::protobuf;
use super::series::{Sample, Series};
use super::store::{Family, Kind, PrometheusStore};
use crate::model::HistogramPoint;
use crate::sink::exemplar::{Exemplar, hex};

/// Formats of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageFormat {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Protobuf, families with their length before them.
    Protobuf,
}

impl PageFormat {
    /// The format that an `Accept` header asks for: the one of the highest weight that is known,
    /// protobuf before OpenMetrics before text where they weigh alike, text where it asks for none.
    pub fn accepted(accept: &str) -> Self {
        let mut best: (f64, Self) = (0.0, Self::Text);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameter = |wanted: &str| {
                let mut all = range.split(';').skip(1).filter_map(|part| part.split_once('='));
                all.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
                    .map(|(_, value)| value.trim().trim_matches('"'))
            };
            let weight: f64 = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let version = parameter("version");
            let format = match media.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    Self::OpenMetrics
                }
                "application/vnd.google.protobuf" if is_family(&parameter) => Self::Protobuf,
                "text/plain" if matches!(version, None | Some("0.0.4")) => Self::Text,
                "*/*" | "text/*" => Self::Text,
                _ => continue,
            };
            let wins_tie = weight.to_bits() == best.0.to_bits() && format > best.1;
            if weight > best.0 || (wins_tie && weight > 0.0) {
                best = (weight, format);
            }
        }
        best.1
    }

    /// What the page's `Content-Type` says.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited"
            }
        }
    }
}

/// Whether a range of protobuf means metric families with their length before them.
fn is_family<'a>(parameter: &impl Fn(&str) -> Option<&'a str>) -> bool {
    parameter("proto") == Some("io.prometheus.client.MetricFamily")
        && matches!(parameter("encoding"), None | Some("delimited"))
}

impl PrometheusStore {
    /// The page.
    pub fn page(&mut self, format: PageFormat) -> Bytes {
        self.families.values_mut().for_each(|family| family.series.sort());
        match format {
            PageFormat::Protobuf => Bytes::from(protobuf::page(self)),
            PageFormat::Text | PageFormat::OpenMetrics => Bytes::from(self.text(format)),
        }
    }

    fn text(&self, format: PageFormat) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            write_family(name, family, format, &mut out);
        }
        if format == PageFormat::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

fn write_family(name: &str, family: &Family, format: PageFormat, out: &mut String) {
    let is_open = format == PageFormat::OpenMetrics;
    let sample = match family.kind {
        Kind::Gauge | Kind::Histogram => name.to_owned(),
        Kind::Counter => format!("{name}_total"),
    };
    // In OpenMetrics the metric of `x_total` is `x`; in text it is `x_total` itself.
    let title = if is_open { name } else { &sample };
    let kind = match family.kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let help = if is_open { help.replace('"', "\\\"") } else { help };
    let _ = writeln!(out, "# HELP {title} {help}");
    let _ = writeln!(out, "# TYPE {title} {kind}");
    if is_open && !family.unit.is_empty() && name.ends_with(&format!("_{}", family.unit)) {
        let _ = writeln!(out, "# UNIT {title} {}", family.unit);
    }
    for (labels, series) in family.series.iter() {
        match &series.value {
            Sample::Number(value) => {
                let one = series.exemplars.first().filter(|_| is_open);
                write_sample(&sample, labels, *value, one, out);
            }
            Sample::Histogram(point) => {
                write_histogram(name, labels, (point, series), is_open, out);
            }
        }
        if is_open && family.kind != Kind::Gauge {
            write_created(name, labels, series, out);
        }
    }
}

/// Buckets, sum and count.
fn write_histogram(
    name: &str,
    labels: &Labels,
    (point, series): (&HistogramPoint, &Series),
    is_open: bool,
    out: &mut String,
) {
    let bucket = format!("{name}_bucket");
    let mut labelled = labels.clone();
    let at = labelled.partition_point(|(name, _)| name.as_str() < "le");
    labelled.insert(at, ("le".to_owned(), String::new()));
    let mut below = f64::NEG_INFINITY;
    for (bound, count) in classic(point) {
        labelled[at].1 = bound_text(bound);
        let mut of_bucket =
            series.exemplars.iter().filter(|one| below < one.value && one.value <= bound);
        let one = of_bucket.next().filter(|_| is_open);
        write_sample(&bucket, &labelled, count as f64, one, out);
        below = bound;
    }
    let has_negative = point.exponential.as_ref().is_some_and(|held| !held.negative.is_empty())
        || point.bounds.first().is_some_and(|bound| *bound < 0.0);
    // OpenMetrics has no sum that may go back, and no count without a sum.
    if is_open && (point.sum.is_none() || has_negative) {
        return;
    }
    write_sample(&format!("{name}_sum"), labels, point.sum.unwrap_or(f64::NAN), None, out);
    write_sample(&format!("{name}_count"), labels, point.count as f64, None, out);
}

/// A bound as OpenMetrics has it: always a float.
fn bound_text(bound: f64) -> String {
    if bound.is_infinite() { "+Inf".to_owned() } else { format!("{bound:?}") }
}

fn write_created(name: &str, labels: &Labels, series: &Series, out: &mut String) {
    let _ = write!(out, "{name}_created");
    write_labels(labels, out);
    let _ = writeln!(out, " {}", seconds(series.created_ns));
}

fn seconds(time_ns: i64) -> String {
    format!("{}.{:09}", time_ns.div_euclid(1_000_000_000), time_ns.rem_euclid(1_000_000_000))
}

fn write_sample(
    name: &str,
    labels: &Labels,
    value: f64,
    exemplar: Option<&Exemplar>,
    out: &mut String,
) {
    out.push_str(name);
    write_labels(labels, out);
    out.push(' ');
    write_number(value, out);
    if let Some(one) = exemplar {
        let _ = write!(out, " # {{trace_id=\"{}\"", hex(&one.trace_id));
        if let Some(span_id) = &one.span_id {
            let _ = write!(out, ",span_id=\"{}\"", hex(span_id));
        }
        out.push_str("} ");
        write_number(one.value, out);
        let _ = write!(out, " {}", seconds(one.time_ns));
    }
    out.push('\n');
}

fn write_number(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(out, "{value}");
    }
}

fn write_labels(labels: &Labels, out: &mut String) {
    for (index, (name, text)) in labels.iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        let _ = write!(out, "{name}=\"{}\"", escaped(text));
    }
    if !labels.is_empty() {
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_accept_weighs_most() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let with_protobuf = "application/vnd.google.protobuf;\
                             proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                             application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.5";
        for (accept, format) in [
            (prometheus, PageFormat::OpenMetrics),
            ("", PageFormat::Text),
            ("text/html, */*;q=0.8", PageFormat::Text),
            ("application/openmetrics-text; version=2.0.0", PageFormat::Text),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.9", PageFormat::OpenMetrics),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.1", PageFormat::Text),
            ("application/openmetrics-text;q=0", PageFormat::Text),
            ("application/openmetrics-text;q=x", PageFormat::Text),
            (with_protobuf, PageFormat::Protobuf),
            (&with_protobuf.replace("q=0.6", "q=0.4"), PageFormat::OpenMetrics),
            (&with_protobuf.replace("delimited", "text"), PageFormat::OpenMetrics),
            ("application/vnd.google.protobuf, text/plain", PageFormat::Text),
        ] {
            assert_eq!(PageFormat::accepted(accept), format, "{accept}");
        }
    }
}
