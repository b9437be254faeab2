//! OTLP's messages as data: which fields they have, and the same message in protobuf and in JSON.
//!
//! For whole items on their way out. What rules read of an item never passes here: decoders walk
//! the bytes themselves.

pub(crate) mod derive;
pub(crate) mod dropped;
mod json;
pub(crate) mod request;
pub(crate) mod schema;
pub(crate) mod wire;
pub(crate) mod write_json;

pub(crate) use json::from_json;
