//! What is to be told to Alertmanager, and when: plain data, moved by times that it is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use crate::limits::{SINK_ALERTS_MAX, SINK_BATCH_MAX};
use crate::model::render::time;
use crate::model::{AlertState, RuleId, Transition, Value};
use crate::sink::{Shape, alert_json};

/// How many resend intervals an alert outlives its sender.
const ENDS_AFTER: i64 = 4;

/// How long a resolved alert is offered to a receiver that does not take it, in resend intervals:
/// by then Alertmanager has let it end by itself.
const RESOLVED_FOR: i64 = 15;

/// An instance of an alert. Its labels may hold values of the moment, so that they do not tell it
/// apart.
type Instance = (RuleId, bool, Vec<Value>);

struct Known {
    alert: Map<String, Json>,
    /// Bytes that it holds, about.
    bytes: usize,
    /// When it resolved, as time passes.
    resolved_ns: Option<i64>,
    /// When it is due next, as time passes.
    due_ns: i64,
}

/// What is to be told to Alertmanager, and when.
pub(super) struct AlertsKnown {
    shapes: Arc<[Shape]>,
    resend_ns: i64,
    known: BTreeMap<Instance, Known>,
    bytes: usize,
    overflowed: u64,
}

/// Bytes of an alert, about: those of its texts twice, as itself and with the key of its instance.
fn of_alert(alert: &Map<String, Json>) -> usize {
    fn of(value: &Json) -> usize {
        let more = match value {
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(of).sum(),
            Json::Object(fields) => fields.iter().map(|(name, value)| name.len() + of(value)).sum(),
            _ => 0,
        };
        size_of::<Json>() + more
    }
    let texts: usize = alert.iter().map(|(name, value)| name.len() + of(value)).sum();
    size_of::<(Instance, Known)>() + 2 * texts
}

/// Alerts that are due, as one request.
pub(super) struct Due {
    /// The request's body, JSON.
    pub(super) body: Bytes,
    /// How many alerts it holds.
    pub(super) alerts: usize,
    instances: Vec<Instance>,
}

impl AlertsKnown {
    /// Nothing fires yet. Firing alerts are due every `resend_ns`; shapes are by rule id.
    pub(super) fn new(shapes: Arc<[Shape]>, resend_ns: i64) -> Self {
        Self { shapes, resend_ns, known: BTreeMap::new(), bytes: 0, overflowed: 0 }
    }

    /// Alerts that found no place.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Alerts that are followed.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Bytes that the alerts hold, about.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a transition.
    pub(super) fn take(&mut self, transition: &Transition, now_ns: i64) {
        let Some(Shape::Alert(shape)) = self.shapes.get(transition.rule.0 as usize) else { return };
        let resolved_ns = match transition.state {
            AlertState::Firing => None,
            AlertState::Resolved => Some(now_ns),
            AlertState::Pending | AlertState::Inactive => return,
        };
        let mut alert = alert_json(shape, transition);
        let instance = (transition.rule, transition.is_other, transition.key.clone());
        match self.known.get(&instance) {
            // With the labels that it fired with, by which Alertmanager knows it.
            Some(known) if resolved_ns.is_some() => alert.clone_from(&known.alert),
            None if self.known.len() >= SINK_ALERTS_MAX => {
                self.overflowed += 1;
                return;
            }
            _ => {}
        }
        let bytes = of_alert(&alert);
        let known = Known { alert, bytes, resolved_ns, due_ns: now_ns };
        let before = self.known.insert(instance, known).map_or(0, |before| before.bytes);
        self.bytes = self.bytes + bytes - before;
    }

    /// When something is due next.
    pub(super) fn next_due_ns(&self) -> Option<i64> {
        self.known.values().map(|known| known.due_ns).min()
    }

    /// What is due, at most one batch of it. `wall_ns` is what the machine's clock says at that
    /// time: Alertmanager knows no other.
    pub(super) fn due(&mut self, now_ns: i64, wall_ns: i64) -> Option<Due> {
        let forget_ns = now_ns.saturating_sub(self.resend_ns.saturating_mul(RESOLVED_FOR));
        self.known.retain(|_, known| {
            let stays = known.resolved_ns.is_none_or(|at_ns| at_ns > forget_ns);
            self.bytes -= if stays { 0 } else { known.bytes };
            stays
        });
        let ends_ns = now_ns.saturating_add(self.resend_ns.saturating_mul(ENDS_AFTER));
        let ahead_ns = wall_ns.saturating_sub(now_ns);
        let due = self.known.iter().filter(|(_, known)| known.due_ns <= now_ns);
        let (mut instances, mut alerts) = (Vec::new(), Vec::new());
        for (key, known) in due.take(SINK_BATCH_MAX) {
            let mut alert = known.alert.clone();
            let ends_ns = known.resolved_ns.unwrap_or(ends_ns).saturating_add(ahead_ns);
            alert.insert("endsAt".to_owned(), json!(time(ends_ns)));
            instances.push(key.clone());
            alerts.push(Json::Object(alert));
        }
        if alerts.is_empty() {
            return None;
        }
        let count = alerts.len();
        let body = Bytes::from(Json::Array(alerts).to_string());
        Some(Due { body, alerts: count, instances })
    }

    /// Notes that a request was taken: firing alerts are due again later, resolved ones never.
    pub(super) fn taken(&mut self, due: &Due, now_ns: i64) {
        for instance in &due.instances {
            let Some(known) = self.known.get_mut(instance) else { continue };
            known.due_ns = now_ns.saturating_add(self.resend_ns);
            if known.resolved_ns.is_some() {
                self.bytes -= known.bytes;
                self.known.remove(instance);
            }
        }
    }

    /// Notes that a request was not taken: its alerts are due again after a pause.
    pub(super) fn put_off(&mut self, due: &Due, until_ns: i64) {
        for instance in &due.instances {
            if let Some(known) = self.known.get_mut(instance) {
                known.due_ns = until_ns;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::AlertShape;

    const MINUTE: i64 = 60_000_000_000;

    fn known() -> AlertsKnown {
        let shape = AlertShape {
            name: Arc::from("Slow"),
            severity: Some(Arc::from("page")),
            keys: vec![Arc::from("service.name")],
            labels: vec![Arc::from("worst")],
            annotations: vec![Arc::from("summary")],
        };
        AlertsKnown::new(Arc::from([Shape::Alert(shape)]), MINUTE)
    }

    fn transition(service: &str, state: AlertState, worst: &str) -> Transition {
        Transition {
            rule: RuleId(0),
            decision_ns: 1_000_000_000,
            state,
            since_ns: 0,
            key: vec![Value::str(service)],
            is_other: false,
            labels: vec![Value::str(worst)],
            annotations: vec![Value::str("text")],
            evidence: None,
        }
    }

    fn body(due: &Due) -> Json {
        serde_json::from_slice(&due.body).expect("JSON")
    }

    #[test]
    fn a_firing_alert_is_renewed_and_outlives_a_few_resends() {
        let mut known = known();
        known.take(&transition("shop", AlertState::Firing, "a"), 0);
        let due = known.due(0, 0).expect("it fires");
        assert!(known.held_bytes() > due.body.len(), "{}", known.held_bytes());
        let alert = &body(&due)[0];
        assert_eq!(alert["labels"]["alertname"], "Slow");
        assert_eq!(alert["labels"]["service_name"], "shop");
        assert_eq!(alert["labels"]["severity"], "page");
        assert_eq!(alert["annotations"]["summary"], "text");
        assert_eq!(alert["startsAt"], "1970-01-01T00:00:00Z");
        assert_eq!(alert["endsAt"], "1970-01-01T00:04:00Z");
        known.taken(&due, 0);
        assert!(known.due(MINUTE - 1, MINUTE - 1).is_none());
        assert_eq!(known.next_due_ns(), Some(MINUTE));
        assert_eq!(
            body(&known.due(MINUTE, MINUTE).expect("again"))[0]["endsAt"],
            "1970-01-01T00:05:00Z"
        );
    }

    #[test]
    fn a_resolution_carries_the_labels_that_fired_and_is_sent_until_it_is_taken() {
        let mut known = known();
        known.take(&transition("shop", AlertState::Firing, "a"), 0);
        let due = known.due(0, 0).expect("it fires");
        known.taken(&due, 0);
        known.take(&transition("shop", AlertState::Resolved, "b"), 10);
        let due = known.due(10, 10).expect("at once");
        assert_eq!(body(&due)[0]["labels"]["worst"], "a");
        known.put_off(&due, 20);
        assert!(known.due(19, 19).is_none());
        let due = known.due(20, 20).expect("again");
        known.taken(&due, 20);
        assert_eq!((known.len(), known.next_due_ns()), (0, None));
        assert_eq!(known.held_bytes(), 0);
    }

    #[test]
    fn a_resolution_that_nobody_takes_is_forgotten_when_alertmanager_has_let_it_end() {
        let mut known = known();
        known.take(&transition("shop", AlertState::Firing, "a"), 0);
        known.take(&transition("shop", AlertState::Resolved, "a"), 0);
        assert!(known.due(15 * MINUTE, 15 * MINUTE).is_none());
        assert_eq!((known.len(), known.held_bytes()), (0, 0));
    }

    #[test]
    fn one_that_fires_again_before_its_resolution_was_taken_just_fires() {
        let mut known = known();
        known.take(&transition("shop", AlertState::Firing, "a"), 0);
        known.take(&transition("shop", AlertState::Resolved, "a"), 1);
        known.take(&transition("shop", AlertState::Firing, "c"), 2);
        let due = known.due(2, 2).expect("it fires");
        assert_eq!((due.alerts, &body(&due)[0]["labels"]["worst"]), (1, &json!("c")));
        known.taken(&due, 2);
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn pending_alerts_are_nobodys_business_yet() {
        let mut known = known();
        known.take(&transition("shop", AlertState::Pending, "a"), 0);
        assert!(known.due(0, 0).is_none());
    }

    /// The machine's clock was set ahead and back: alerts are due as before, and end as far ahead
    /// of it as always.
    #[test]
    fn the_machines_clock_says_when_an_alert_ends_and_not_when_it_is_due() {
        let mut known = known();
        known.take(&transition("a", AlertState::Firing, "x"), 0);
        let hour = 60 * MINUTE;
        let due = known.due(0, hour).expect("it fires");
        assert_eq!(body(&due)[0]["endsAt"], "1970-01-01T01:04:00Z");
        known.taken(&due, 0);
        assert!(known.due(MINUTE - 1, hour).is_none());
        let due = known.due(MINUTE, MINUTE).expect("again");
        assert_eq!(body(&due)[0]["endsAt"], "1970-01-01T00:05:00Z");
        known.take(&transition("a", AlertState::Resolved, "x"), 2 * MINUTE);
        let due = known.due(2 * MINUTE, hour).expect("at once");
        assert_eq!(body(&due)[0]["endsAt"], "1970-01-01T01:00:00Z");
    }
}
