//! Whatever prost accepts without damage, the walker accepts with as many spans.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tailwater_engine::model::{PayloadFormat, Signal};
use tailwater_engine_fuzz::decode;

fuzz_target!(|payload: &[u8]| {
    let (_, report) = decode(payload, PayloadFormat::OtlpTraces);
    if report.ledger.damaged > 0 {
        return;
    }
    if let Ok(request) = ExportTraceServiceRequest::decode(payload) {
        let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
        let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
        assert_eq!(report.ledger.signals[Signal::Spans.index()].received, spans as u64);
    }
});
