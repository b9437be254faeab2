//! Alerts as Alertmanager's webhook sends them: JSON of version 4, one post for each batch.
//!
//! Source: Prometheus documentation, "Alerting: configuration", `webhook_config`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::push::{Encode, Said};
use super::{Shape, alert_json};
use crate::model::{AlertState, Transition};

/// Encodes firing and resolved alerts.
pub struct Webhook {
    receiver: Arc<str>,
    shapes: Arc<[Shape]>,
}

impl Webhook {
    /// For a receiver of that name; shapes are by rule id.
    pub fn new(receiver: &str, shapes: Arc<[Shape]>) -> Self {
        Self { receiver: Arc::from(receiver), shapes }
    }
}

impl Encode for Webhook {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let mut alerts: Vec<Json> = Vec::new();
        for said in batch {
            let Said::Transition(transition) = said else { continue };
            let Some(Shape::Alert(shape)) = self.shapes.get(transition.rule.0 as usize) else {
                continue;
            };
            alerts.extend(webhook_alert(alert_json(shape, transition), transition));
        }
        if alerts.is_empty() {
            return None;
        }
        let is_firing = alerts.iter().any(|alert| alert["status"] == "firing");
        let labels = common(&alerts, "labels");
        let group = json!({ "alertname": labels.get("alertname") });
        let body = json!({
            "version": "4",
            "groupKey": format!("{{}}:{{alertname={}}}", group["alertname"]),
            "truncatedAlerts": 0,
            "status": if is_firing { "firing" } else { "resolved" },
            "receiver": &*self.receiver,
            "groupLabels": group,
            "commonLabels": labels,
            "commonAnnotations": common(&alerts, "annotations"),
            "externalURL": "",
            "alerts": alerts,
        });
        Some(("application/json", Bytes::from(body.to_string())))
    }

    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

/// An alert with its status; pending ones are nobody's business yet.
fn webhook_alert(mut alert: Map<String, Json>, transition: &Transition) -> Option<Json> {
    let status = match transition.state {
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
        AlertState::Pending | AlertState::Inactive => return None,
    };
    let fingerprint = xxhash_rust::xxh3::xxh3_64(alert["labels"].to_string().as_bytes());
    alert.insert("status".to_owned(), json!(status));
    alert.entry("endsAt").or_insert(json!("0001-01-01T00:00:00Z"));
    alert.insert("fingerprint".to_owned(), json!(format!("{fingerprint:016x}")));
    Some(Json::Object(alert))
}

/// The members that all alerts have alike.
fn common(alerts: &[Json], member: &str) -> BTreeMap<String, Json> {
    let mut common: BTreeMap<String, Json> = BTreeMap::new();
    if let Some(first) = alerts.first().and_then(|alert| alert[member].as_object()) {
        common.extend(first.clone());
    }
    common.retain(|name, value| alerts.iter().all(|alert| alert[member].get(name) == Some(value)));
    common
}
