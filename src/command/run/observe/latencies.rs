//! How long things take of late, for people who ask how the run is.

use serde_json::{Value, json};
use tailwater_engine::self_metrics::Lately;

use super::Observed;
use crate::command::run::sinks::SinkWatch;

impl Observed {
    /// Of items, epochs, requests and deliveries, as far as there were some in the last minutes.
    pub(super) fn latencies(&self) -> Value {
        let [age, epoch] = self.timings.lately();
        let requests = self.listeners.iter().filter_map(|(source, listener)| {
            Some(with(of(listener.lately()?), &[("source", &**source)]))
        });
        let sinks = self.sinks.iter().filter_map(|watched| {
            let lately = match &watched.watch {
                SinkWatch::Push(watch) => watch.lately(),
                SinkWatch::File(watch) => watch.lately(),
                SinkWatch::Alertmanager(watch) => watch.lately(),
            };
            Some(with(of(lately?), &[("sink", &*watched.sink), ("sends", watched.sends)]))
        });
        json!({
            "age": age.map(of),
            "epoch": epoch.map(of),
            "requests": requests.collect::<Vec<_>>(),
            "sinks": sinks.collect::<Vec<_>>(),
        })
    }
}

/// Milliseconds to the microsecond.
fn of(lately: Lately) -> Value {
    let ms = |time: std::time::Duration| time.as_micros() as f64 / 1e3;
    json!({
        "count": lately.count,
        "p50": ms(lately.p50),
        "p99": ms(lately.p99),
        "max": ms(lately.max),
    })
}

/// With what it is of.
fn with(mut told: Value, names: &[(&str, &str)]) -> Value {
    for (name, value) in names {
        told[*name] = json!(value);
    }
    told
}
