//! The newest results as a page for Prometheus to scrape.
//!
//! The last final row of each group is a gauge for each of its values. Where a value counts the
//! items of windows that do not overlap, windows are added up to a counter beside it, which never
//! goes back. Firing and pending alerts are series of `ALERTS`. A series leaves when it has not
//! been renewed for a while, and further series than a bound are left out and counted.
//!
//! Formats: text 0.0.4 and OpenMetrics 1.0. Names follow OpenTelemetry's rules for Prometheus.

mod name;
mod page;
mod store;

pub(super) use name::{label, label_text};
pub use page::PageFormat;
pub use store::{PrometheusConfig, PrometheusCounts, PrometheusStore};

#[cfg(test)]
mod tests;
