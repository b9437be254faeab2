//! The rules language of tailwater: from text to typed rules, with diagnostics on the way.
//!
//! No input or output, no clock, no telemetry type: what fields and functions exist reaches it as
//! a [`catalog::Catalog`], other files through the importer in [`Options`].
#![forbid(unsafe_code)]

pub mod catalog;
pub mod hir;
pub mod text_range;
pub mod types;
