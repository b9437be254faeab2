//! OTLP requests in protobuf: a walker over borrowed bytes that fills the demanded columns.
//!
//! Invariant: no allocation per item; what nobody reads is passed over by its length. Damage to
//! the wire format ends the request (items before it stay); bad content ends the item.
//! Source: opentelemetry-proto 1.11, `collector/*/v1`, `trace`, `logs`, `metrics`, `common`.

mod delimited;
mod envelope;
mod logs;
mod metrics;
mod points;
mod traces;
mod value;
mod wire;

pub(super) use delimited::{decode as decode_delimited, signal_of_payload};
pub(super) use points::{Metric, NO_RECORDED_VALUE, distribution, empty_summary};

use super::damage::Damage;
use super::writer::Writer;
use crate::model::PayloadFormat;
use wire::Wire;

/// Decodes one request; what is damaged is set aside.
pub(super) fn decode(payload: &[u8], format: PayloadFormat, w: &mut Writer<'_>) {
    if let Err(damage) = decode_whole(payload, format, w) {
        w.set_aside(damage);
    }
}

/// Decodes one request whose damaged items are set aside.
///
/// # Errors
/// Damage that ends the request.
pub(super) fn decode_whole(
    payload: &[u8],
    format: PayloadFormat,
    w: &mut Writer<'_>,
) -> Result<(), Damage> {
    decode_request(Wire::new(payload), format, w)
}

fn decode_request(wire: Wire<'_>, format: PayloadFormat, w: &mut Writer<'_>) -> Result<(), Damage> {
    match format {
        PayloadFormat::OtlpLogs => envelope::request(wire, w, &logs::SHAPE),
        PayloadFormat::OtlpMetrics => envelope::request(wire, w, &metrics::SHAPE),
        _ => envelope::request(wire, w, &traces::SHAPE),
    }
}
