//! A structural check of a request before its sender is told that it was accepted.
//!
//! Invariant: the check is the walk of the decoders with nothing demanded. What ends a request
//! there ends it here; an item set aside there for its structure is rejected here. What nobody
//! demands is passed over by its length, here as there.

use crate::model::{Demand, Interner, PayloadFormat, Signal, Symbol};

use super::damage::{Damage, Reason};
use super::layout::Layout;
use super::table::{Members, Table};
use super::writer::{Tally, Writer};
use super::{lines, otlp_json, protobuf};

/// What a request holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Items that can be decoded.
    pub(super) items: u64,
    /// Items that cannot.
    pub(super) rejected: u64,
    /// Why the first of them cannot.
    pub(super) reason: Option<&'static str>,
}

/// Why a request cannot be decoded at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Undecodable {
    /// Byte offset in the (decompressed) request.
    pub(super) at: usize,
    /// What was expected and what was found.
    pub(super) reason: &'static str,
    /// Whether it holds more items than a request may.
    pub(super) is_too_large: bool,
}

/// Tables that nothing is written to, kept for further requests.
pub(super) struct Verifier {
    tables: Vec<Table>,
    interner: Interner,
    members: Members,
    scratch: Vec<u8>,
}

impl Verifier {
    /// A verifier.
    pub(super) fn new() -> Self {
        let demand = Demand::default();
        let mut interner = Interner::default();
        Self {
            tables: Signal::ALL
                .iter()
                .map(|&signal| Table::new(Layout::new(&demand, signal), &demand))
                .collect(),
            members: Members::new(&mut interner),
            interner,
            scratch: Vec::new(),
        }
    }

    /// Walks one OTLP request of a signal, in protobuf or JSON.
    ///
    /// # Errors
    /// Damage that ends the request.
    pub(super) fn request(
        &mut self,
        payload: &[u8],
        signal: Signal,
        format: PayloadFormat,
    ) -> Result<Contents, Undecodable> {
        let mut tally = Tally::default();
        let mut w = self.writer(&mut tally);
        let result = match format {
            PayloadFormat::OtlpJson => otlp_json::decode_whole(payload, signal, &mut w),
            _ => protobuf::decode_whole(payload, format, &mut w),
        };
        result.map_err(undecodable)?;
        Ok(Contents {
            items: tally.received[signal.index()],
            rejected: tally.damaged,
            reason: tally.set_aside.first().map(|damage| damage.reason.text()),
        })
    }

    fn writer<'w>(&'w mut self, tally: &'w mut Tally) -> Writer<'w> {
        Writer {
            range: crate::model::ByteRange::default(),
            tables: &mut self.tables,
            interner: &mut self.interner,
            members: &self.members,
            tally,
            source: Symbol::EMPTY,
            scratch: &mut self.scratch,
        }
    }
}

/// Checks one line of the line protocol, without its newline.
///
/// # Errors
/// What is wrong with it.
pub(super) fn line(line: &[u8]) -> Result<(), Undecodable> {
    lines::check(line).map_err(undecodable)
}

fn undecodable(damage: Damage) -> Undecodable {
    Undecodable {
        at: damage.at(),
        reason: damage.reason.text(),
        is_too_large: damage.reason == Reason::TooManyItems,
    }
}
