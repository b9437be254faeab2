//! Metrics as data, and as text for Prometheus (format 0.0.4).
//!
//! Source: Prometheus documentation, "Exposition formats" and "Metric and label naming".

use std::fmt::Write as _;

use tailwater_engine::self_metrics::HistogramCounts;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A value of a series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sample {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Number(f64),
    /// A distribution.
    Histogram(Distribution),
}

/// A distribution over buckets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution {
    /// Upper bounds, inclusive.
    pub(super) bounds: Vec<f64>,
    /// Values by bucket, one more than there are bounds; not added up.
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
}

impl Distribution {
    /// What came after an earlier state of it.
    pub(super) fn since(&self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self.clone() };
        let counts = self.counts.iter().zip(&before.counts);
        Self {
            bounds: self.bounds.clone(),
            counts: counts.map(|(now, then)| now.saturating_sub(*then)).collect(),
            sum: self.sum - before.sum,
        }
    }
}

impl Sample {
    /// A histogram whose numbers are divided (by 1e9: nanoseconds to seconds).
    pub(super) fn histogram(held: HistogramCounts, divisor: f64) -> Self {
        Self::Histogram(Distribution {
            bounds: held.bounds.iter().map(|bound| *bound as f64 / divisor).collect(),
            counts: held.counts,
            sum: held.sum as f64 / divisor,
        })
    }
}

/// The labels of a series.
pub(super) type Labels = Vec<(&'static str, String)>;

/// All series of one name.
#[derive(Debug, Clone)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) series: Vec<(Labels, Sample)>,
}

/// Metrics that are being gathered: families in order, each once.
#[derive(Debug, Default)]
pub(super) struct Families(pub(super) Vec<Family>);

impl Families {
    /// Begins a counter.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, Kind::Counter, help)
    }

    /// Begins a gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, Kind::Gauge, help)
    }

    /// Begins a histogram.
    pub(super) fn histogram(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, Kind::Histogram, help)
    }

    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> &mut Family {
        let at = match self.0.iter().position(|family| family.name == name) {
            Some(at) => at,
            None => {
                self.0.push(Family { name, kind, help, series: Vec::new() });
                self.0.len() - 1
            }
        };
        &mut self.0[at]
    }

    /// The page. Families without a series have no place on it.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for family in self.0.iter().filter(|family| !family.series.is_empty()) {
            let (name, help) = (family.name, family.help);
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", family.kind.word());
            for (labels, sample) in &family.series {
                write_sample(name, labels, sample, &mut out);
            }
        }
        out
    }
}

impl Family {
    /// Adds a series.
    pub(super) fn add(&mut self, labels: &[(&'static str, &str)], sample: Sample) -> &mut Self {
        let labels = labels.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        self.series.push((labels, sample));
        self
    }

    /// Adds a whole number.
    pub(super) fn whole(&mut self, labels: &[(&'static str, &str)], value: u64) -> &mut Self {
        self.add(labels, Sample::Whole(value))
    }

    /// Adds a number.
    pub(super) fn number(&mut self, labels: &[(&'static str, &str)], value: f64) -> &mut Self {
        self.add(labels, Sample::Number(value))
    }
}

fn write_sample(name: &str, labels: &Labels, sample: &Sample, out: &mut String) {
    match sample {
        Sample::Whole(value) => {
            let _ = writeln!(out, "{name}{} {value}", braces(labels, None));
        }
        Sample::Number(value) => {
            let _ = writeln!(out, "{name}{} {value}", braces(labels, None));
        }
        Sample::Histogram(held) => {
            let mut below = 0;
            let bounds = held.bounds.iter().map(ToString::to_string);
            for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&held.counts) {
                below += count;
                let _ = writeln!(out, "{name}_bucket{} {below}", braces(labels, Some(&bound)));
            }
            let labels = braces(labels, None);
            let _ = writeln!(out, "{name}_sum{labels} {}", held.sum);
            let _ = writeln!(out, "{name}_count{labels} {below}");
        }
    }
}

fn braces(labels: &Labels, bound: Option<&str>) -> String {
    let own = labels.iter().map(|(name, text)| (*name, text.as_str()));
    let pairs: Vec<String> = own
        .chain(bound.map(|bound| ("le", bound)))
        .map(|(name, text)| format!("{name}=\"{}\"", escaped(text)))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use tailwater_engine::self_metrics::Histogram;

    use super::*;

    #[test]
    fn a_family_has_one_head_and_labels_are_escaped() {
        let mut families = Families::default();
        families.gauge("a_bytes", "Bytes").whole(&[("rule", "x\\y\"z\nw")], 1);
        families.gauge("nothing_bytes", "Nothing");
        families.gauge("a_bytes", "Bytes").number(&[], 0.5);
        let wanted = "# HELP a_bytes Bytes\n# TYPE a_bytes gauge\n\
                      a_bytes{rule=\"x\\\\y\\\"z\\nw\"} 1\na_bytes 0.5\n";
        assert_eq!(families.text(), wanted);
    }

    #[test]
    fn buckets_add_up() {
        let histogram = Histogram::new(&[1_000_000, 2_500_000_000]);
        for value in [1, 1_000_000, 2_000_000_000, 3_000_000_000] {
            histogram.record(value);
        }
        let mut families = Families::default();
        let sample = Sample::histogram(histogram.counts(), 1e9);
        families.histogram("a_seconds", "A").add(&[("s", "t")], sample);
        let wanted = "# HELP a_seconds A\n# TYPE a_seconds histogram\n\
                      a_seconds_bucket{s=\"t\",le=\"0.001\"} 2\n\
                      a_seconds_bucket{s=\"t\",le=\"2.5\"} 3\n\
                      a_seconds_bucket{s=\"t\",le=\"+Inf\"} 4\n\
                      a_seconds_sum{s=\"t\"} 5.001000001\na_seconds_count{s=\"t\"} 4\n";
        assert_eq!(families.text(), wanted);
    }
}
