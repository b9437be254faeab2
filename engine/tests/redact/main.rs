//! Redaction: classes, keys, places, damage, and what must not change.

mod classes;
mod damage;
mod keys;
mod places;
mod properties;
mod support;
#[path = "../ingest/to_json.rs"]
mod to_json;
mod trims;
