//! Spans of the run itself, sampled, over OTLP: one an epoch, one an attempt to deliver.
//!
//! Invariant: nothing is traced that is there because of tracing or of the run's own metrics: not
//! the delivery of these spans, and no epoch that holds nothing but the source `self`. A receiver
//! that is a listener of this run is refused where it starts.
//!
//! Source: opentelemetry-proto 1.11, `trace/v1`, in its JSON form.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tailwater_engine::clock::Clock;
use tailwater_engine::ingest::listen::Listener;
use tailwater_engine::model::{Row, RowKind, RuleId, Value};
use tailwater_engine::sink::push::{Encode, Push, PushConfig, PushWatch, Said};
use tailwater_engine::sink::{Attempt, Tell};

use crate::args::Observe;
use crate::command::run::own::leads_to_itself;
use crate::exit::Usage;

/// The name under which what goes wrong with the spans is told.
pub(in crate::command::run) const NAME: &str = "trace_self";

/// `SPAN_KIND_INTERNAL`, `SPAN_KIND_CLIENT`; `STATUS_CODE_ERROR`
const INTERNAL: i64 = 1;
const CLIENT: i64 = 3;
const ERROR: u64 = 2;

/// Spans wait so long for others.
const INTERVAL: Duration = Duration::from_secs(1);

/// Sends spans of a run.
pub(in crate::command::run) struct Traces {
    push: Mutex<Option<Push>>,
    watch: PushWatch,
    clock: Clock,
    every: u64,
    /// Epochs and attempts so far.
    seen: [AtomicU64; 2],
}

/// What a span is about.
#[derive(Debug, Clone, Copy)]
enum About {
    Epoch = 0,
    Delivery = 1,
}

impl Traces {
    /// Starts, if it is wanted; call it within a tokio runtime. The listeners are the run's own.
    ///
    /// # Errors
    /// If the URL cannot be used, or leads to the run itself.
    pub(in crate::command::run) fn start(
        options: &Observe,
        listeners: &[(String, Listener)],
        clock: &Clock,
        tell: Tell,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        let Some(url) = options.trace_self.as_deref() else { return Ok(None) };
        // Spans that came in again would be traced again, and so on.
        if leads_to_itself(url, listeners) {
            let text = format!(
                "`--trace-self {url}` leads to this run itself, which would trace its own spans \
                 for ever: send them to another receiver"
            );
            return Err(Usage(text).into());
        }
        let path = format!("{}/v1/traces", url.trim_end_matches('/'));
        let config = PushConfig { interval: INTERVAL, ..PushConfig::new(NAME, &path) };
        let push = Push::start(config, Spans::new(clock()), tell)?;
        Ok(Some(Arc::new(Self {
            watch: push.watch(),
            push: Mutex::new(Some(push)),
            clock: Arc::clone(clock),
            every: options.trace_self_every,
            seen: Default::default(),
        })))
    }

    /// A view of what became of the spans.
    pub(super) fn watch(&self) -> PushWatch {
        self.watch.clone()
    }

    /// Notes an epoch of so many items and rows that took so long and is done.
    pub(in crate::command::run) fn epoch(&self, epoch: u64, took: Duration, counts: [u64; 2]) {
        let [items, rows] = counts.map(|count| Value::Int(count as i64));
        self.offer(About::Epoch, "epoch", took, || {
            vec![
                ("tailwater.epoch", Value::Int(epoch as i64)),
                ("tailwater.items", items),
                ("tailwater.rows", rows),
            ]
        });
    }

    /// Notes an attempt of a sink.
    pub(super) fn delivery(&self, sink: &str, sends: &'static str, attempt: &Attempt) {
        self.offer(About::Delivery, "deliver", attempt.took, || {
            let failure = attempt.failure.map_or(Value::Null, |failure| Value::str(failure.word()));
            vec![
                ("tailwater.sink", Value::str(sink)),
                ("tailwater.sends", Value::str(sends)),
                ("tailwater.items", Value::Int(attempt.items as i64)),
                ("tailwater.attempt", Value::Int(i64::from(attempt.number))),
                ("http.request.body.size", Value::Int(attempt.bytes as i64)),
                ("error.type", failure),
            ]
        });
    }

    fn offer(
        &self,
        about: About,
        name: &str,
        took: Duration,
        attributes: impl FnOnce() -> Vec<(&'static str, Value)>,
    ) {
        // The first one, and then one in so many: a run that has just begun shows itself at once.
        if !self.seen[about as usize].fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every) {
            return;
        }
        let push = self.push.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(push) = push.as_ref() else { return };
        let end_ns = (self.clock)();
        let took_ns = i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
        let start_ns = end_ns.saturating_sub(took_ns);
        push.offer(Said::Row(Arc::new(row(about, name, (start_ns, end_ns), attributes()))));
    }

    /// Sends what waits, for so long at most.
    pub(in crate::command::run) async fn stop(&self, within: Duration) {
        let push = self.push.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(push) = push {
            push.stop(within).await;
        }
    }
}

/// A span as a queue of sinks holds it: its times are those of a row, its name is the key, then
/// attributes by turns of name and value.
fn row(
    about: About,
    name: &str,
    (start_ns, end_ns): (i64, i64),
    attributes: Vec<(&'static str, Value)>,
) -> Row {
    let given = attributes.into_iter().filter(|(_, value)| !value.is_null());
    Row {
        rule: RuleId(u32::MAX), // no rule says it
        decision_ns: end_ns,
        start_ns,
        end_ns,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::from([Value::str(name), Value::Bool(matches!(about, About::Delivery))]),
        values: given.flat_map(|(name, value)| [Value::str(name), value]).collect(),
    }
}

/// Encodes spans as `ExportTraceServiceRequest`.
struct Spans {
    /// Where ids start: differs from run to run.
    seed: u64,
    next: u64,
}

impl Spans {
    fn new(now_ns: i64) -> Self {
        Self { seed: hash(&(now_ns, std::process::id())), next: 0 }
    }

    fn span(&mut self, row: &Row) -> Json {
        self.next += 1;
        let id = |part: u8| hash(&(self.seed, self.next, part)) | 1; // an id of zeros is none
        let (trace, span) = (format!("{:016x}{:016x}", id(0), id(1)), format!("{:016x}", id(2)));
        let mut is_failed = false;
        let mut attributes = Vec::new();
        for pair in row.values.chunks_exact(2) {
            let [Value::Str(name), value] = pair else { continue };
            is_failed |= &**name == "error.type";
            let value = match value {
                Value::Int(number) => json!({ "intValue": number.to_string() }),
                Value::Str(text) => json!({ "stringValue": &**text }),
                _ => continue,
            };
            attributes.push(json!({ "key": &**name, "value": value }));
        }
        let name = match row.key.first() {
            Some(Value::Str(name)) => name.to_string(),
            _ => String::new(),
        };
        let is_client = row.key.get(1) == Some(&Value::Bool(true));
        json!({
            "traceId": trace,
            "spanId": span,
            "name": name,
            "kind": if is_client { CLIENT } else { INTERNAL },
            "startTimeUnixNano": row.start_ns.to_string(),
            "endTimeUnixNano": row.end_ns.to_string(),
            "attributes": attributes,
            "status": if is_failed { json!({ "code": ERROR }) } else { json!({}) },
        })
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Encode for Spans {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let rows = batch.iter().filter_map(|said| match said {
            Said::Row(row) => Some(row),
            Said::Transition(_) | Said::Item(_) => None,
        });
        let spans: Vec<Json> = rows.map(|row| self.span(row)).collect();
        let text = |key: &str, text: &str| json!({ "key": key, "value": { "stringValue": text } });
        let version = env!("CARGO_PKG_VERSION");
        let request = json!({ "resourceSpans": [{
            "resource": { "attributes": [
                text("service.name", "tailwater"), text("service.version", version),
            ] },
            "scopeSpans": [{ "scope": { "name": "tailwater", "version": version }, "spans": spans }],
        }] });
        Some(("application/json", Bytes::from(request.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_ids_times_and_a_status() {
        let failed = vec![("error.type", Value::str("busy")), ("n", Value::Int(3))];
        let rows = [
            row(About::Delivery, "deliver", (10, 20), failed),
            row(About::Epoch, "epoch", (5, 6), vec![("x", Value::Null)]),
        ];
        let batch: Vec<Said> = rows.into_iter().map(|row| Said::Row(Arc::new(row))).collect();
        let (_, body) = Spans::new(1).encode(&batch).unwrap();
        let read: Json = serde_json::from_slice(&body).unwrap();
        let spans = &read["resourceSpans"][0]["scopeSpans"][0]["spans"];
        assert_eq!((&spans[0]["kind"], &spans[1]["kind"]), (&json!(3), &json!(1)));
        assert_eq!((&spans[0]["status"]["code"], &spans[1]["status"]), (&json!(2), &json!({})));
        assert_eq!(spans[0]["endTimeUnixNano"], "20");
        assert_eq!(spans[0]["attributes"].as_array().map(Vec::len), Some(2));
        assert_eq!(spans[1]["attributes"].as_array().map(Vec::len), Some(0));
        let id = |at: usize| spans[at]["traceId"].as_str().unwrap().to_owned();
        assert!(id(0) != id(1) && id(0).len() == 32);
    }
}
