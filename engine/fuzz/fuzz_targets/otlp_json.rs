//! OTLP requests in JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tailwater_engine::model::PayloadFormat;
use tailwater_engine_fuzz::decode;

fuzz_target!(|payload: &[u8]| {
    for format in [PayloadFormat::OtlpJson] {
        decode(payload, format);
    }
});
