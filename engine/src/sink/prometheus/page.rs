//! The page as text.

use std::fmt::Write as _;

use super::name::escaped;
use super::store::{Family, Kind, Labels, PrometheusStore, Series};

/// Formats of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFormat {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl PageFormat {
    /// The format that an `Accept` header asks for: the one of the highest weight that is known,
    /// OpenMetrics before text where they weigh alike, text where it asks for neither.
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
            let weight = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let version = parameter("version");
            let format = match media.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    Self::OpenMetrics
                }
                "text/plain" if matches!(version, None | Some("0.0.4")) => Self::Text,
                "*/*" | "text/*" => Self::Text,
                _ => continue,
            };
            let wins_tie = format == Self::OpenMetrics && weight >= best.0;
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
        }
    }
}

impl PrometheusStore {
    /// The page.
    pub fn page(&self, format: PageFormat) -> String {
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
        Kind::Gauge => name.to_owned(),
        Kind::Counter => format!("{name}_total"),
    };
    // In OpenMetrics the metric of `x_total` is `x`; in text it is `x_total` itself.
    let title = if is_open { name } else { &sample };
    let kind = match family.kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let help = if is_open { help.replace('"', "\\\"") } else { help };
    let _ = writeln!(out, "# HELP {title} {help}");
    let _ = writeln!(out, "# TYPE {title} {kind}");
    if is_open && !family.unit.is_empty() && name.ends_with(&format!("_{}", family.unit)) {
        let _ = writeln!(out, "# UNIT {title} {}", family.unit);
    }
    for (labels, series) in &family.series {
        write_sample(&sample, labels, series.value, out);
        if is_open && family.kind == Kind::Counter {
            write_created(name, labels, *series, out);
        }
    }
}

fn write_created(name: &str, labels: &Labels, series: Series, out: &mut String) {
    let _ = write!(out, "{name}_created");
    write_labels(labels, out);
    let (seconds, rest) =
        (series.created_ns.div_euclid(1_000_000_000), series.created_ns.rem_euclid(1_000_000_000));
    let _ = writeln!(out, " {seconds}.{rest:09}");
}

fn write_sample(name: &str, labels: &Labels, value: f64, out: &mut String) {
    out.push_str(name);
    write_labels(labels, out);
    out.push(' ');
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(out, "{value}");
    }
    out.push('\n');
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
        for (accept, format) in [
            (prometheus, PageFormat::OpenMetrics),
            ("", PageFormat::Text),
            ("text/html, */*;q=0.8", PageFormat::Text),
            ("application/openmetrics-text; version=2.0.0", PageFormat::Text),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.9", PageFormat::OpenMetrics),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.1", PageFormat::Text),
            ("application/openmetrics-text;q=0", PageFormat::Text),
            ("application/openmetrics-text;q=x", PageFormat::Text),
        ] {
            assert_eq!(PageFormat::accepted(accept), format, "{accept}");
        }
    }
}
