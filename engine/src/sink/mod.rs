//! Rows and transitions to bytes for other systems.
//!
//! A sink takes what the engine has decided; what it does with it (batches, retries, expiry) is
//! ruled by the wall clock and decides nothing. Names and shapes of rules come as plain
//! [`RuleShape`]s. Must not know: the dataflow, listeners, rule syntax.

pub mod alertmanager;
mod backoff;
mod breaker;
mod counts;
mod exemplar;
mod exemplar_verdicts;
pub mod file;
mod held;
mod http;
mod merge;
pub mod otlp;
pub mod pages;
pub mod prometheus;
pub mod push;
mod trouble;
pub mod webhook;

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

pub use breaker::BreakerState;
pub use counts::{Attempt, DropReason, Failure, Hear, LATENCY_BOUNDS_S, Latency, Left, SinkCounts};
pub use exemplar_verdicts::ExemplarVerdicts;
pub use http::{ClientKey, ClientTls, Compression, Target};
pub use trouble::{Report, Tell, Trouble};

use crate::model::render::time;
use crate::model::{Transition, Value};

/// What a sink must know of a rule whose rows it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleShape {
    /// The rule's name.
    pub name: Arc<str>,
    /// Names of the key values of its rows.
    pub keys: Vec<Arc<str>>,
    /// Names of the selected values.
    pub values: Vec<Arc<str>>,
    /// By selected value: whether it counts items of windows that do not overlap and are said once,
    /// so that adding windows up gives a counter.
    pub counts: Vec<bool>,
    /// By selected value: whether it is a sum over such windows.
    pub sums: Vec<bool>,
    /// By selected value: whether it is the distribution of such windows.
    pub histograms: Vec<bool>,
    /// Distance between its windows' ends, nanoseconds; 0 where they have none in common.
    pub every_ns: i64,
}

/// What a sink must know of an alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertShape {
    /// The alert's name.
    pub name: Arc<str>,
    /// Its severity.
    pub severity: Option<Arc<str>>,
    /// Names of the key values of its instances.
    pub keys: Vec<Arc<str>>,
    /// Names of its labels.
    pub labels: Vec<Arc<str>>,
    /// Names of its annotations.
    pub annotations: Vec<Arc<str>>,
}

/// What rows and transitions mean, by rule id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A rule that makes rows.
    Rule(RuleShape),
    /// An alert.
    Alert(AlertShape),
}

/// An alert as Alertmanager and its webhooks describe it: labels, annotations, `startsAt`, and
/// `endsAt` where it has ended. Times are event time.
fn alert_json(shape: &AlertShape, transition: &Transition) -> Map<String, Json> {
    let mut labels = Map::new();
    let pairs = |names: &[Arc<str>], values: &[Value], out: &mut Map<String, Json>| {
        for (name, value) in names.iter().zip(values) {
            let text = match value {
                Value::Null => continue,
                Value::Str(text) => text.to_string(),
                other => other.to_string(),
            };
            out.insert(prometheus::label(name), json!(text));
        }
    };
    if transition.is_other {
        labels.insert("otel_metric_overflow".to_owned(), json!("true"));
    } else {
        pairs(&shape.keys, &transition.key, &mut labels);
    }
    pairs(&shape.labels, &transition.labels, &mut labels);
    if let Some(severity) = &shape.severity {
        labels.insert("severity".to_owned(), json!(&**severity));
    }
    labels.insert("alertname".to_owned(), json!(&*shape.name));
    let mut annotations = Map::new();
    pairs(&shape.annotations, &transition.annotations, &mut annotations);
    let mut alert = Map::new();
    alert.insert("labels".to_owned(), Json::Object(labels));
    alert.insert("annotations".to_owned(), Json::Object(annotations));
    alert.insert("startsAt".to_owned(), json!(time(transition.since_ns)));
    if transition.state == crate::model::AlertState::Resolved {
        alert.insert("endsAt".to_owned(), json!(time(transition.decision_ns)));
    }
    alert.insert("generatorURL".to_owned(), json!(""));
    alert
}
