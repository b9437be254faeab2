//! The newest results as a page for Prometheus to scrape.
//!
//! The last final row of each group is a gauge for each of its values. Where a value counts the
//! items of windows that do not overlap, windows are added up to a counter beside it, which never
//! goes back. Firing and pending alerts are series of `ALERTS`. A series leaves when it has not
//! been renewed for a while, and further series than a bound are left out and counted. A
//! distribution of windows that do not overlap is added up to a histogram.
//!
//! Formats: text 0.0.4, OpenMetrics 1.0 with exemplars, and protobuf with native histograms. Names
//! follow OpenTelemetry's rules for Prometheus.

mod by_labels;
mod histogram;
mod name;
mod page;
mod protobuf;
mod series;
mod store;

pub(super) use name::{label, label_text};
pub use page::PageFormat;
pub use store::{PrometheusConfig, PrometheusCounts, PrometheusStore};

#[cfg(test)]
mod tests;
