//! Redaction: classes, keys, places, damage, and what must not change.

#![allow(
    clippy::disallowed_methods,
    reason = "a test measures that long texts are searched in time that is linear"
)]

mod classes;
mod damage;
mod keys;
mod places;
mod properties;
mod support;
#[path = "../ingest/to_json.rs"]
mod to_json;
mod trims;
