//! Where something may begin: sixteen patterns of up to four sets of bytes, searched at once.
//!
//! Shift-or (Baeza-Yates and Gonnet, 1992): a word has four lanes of sixteen columns, a column a
//! pattern, and a byte's row has a 0 in a lane where the pattern takes the byte at that place. A
//! byte costs a load, a shift and an or; four are tested together. Must not know what is searched.

use std::ops::ControlFlow;

/// Patterns that are searched at once.
const COLUMNS: usize = 16;

/// Bytes of a pattern, at most.
pub(super) const LANES: usize = 4;

/// A set of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes([u128; 2]);

impl Bytes {
    /// The bytes that fulfil a condition.
    pub(super) fn of(fits: impl Fn(u8) -> bool) -> Self {
        let mut bytes = Self::default();
        (0..=u8::MAX).filter(|byte| fits(*byte)).for_each(|byte| bytes.put(byte));
        bytes
    }

    /// One byte.
    pub(super) fn one(byte: u8) -> Self {
        let mut bytes = Self::default();
        bytes.put(byte);
        bytes
    }

    /// A letter in both cases; any other byte.
    pub(super) fn letter(byte: u8) -> Self {
        Self::one(byte.to_ascii_lowercase()).and(Self::one(byte.to_ascii_uppercase()))
    }

    fn put(&mut self, byte: u8) {
        self.0[usize::from(byte >> 7)] |= 1 << (byte & 0x7f);
    }

    fn has(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 7)] >> (byte & 0x7f) & 1 == 1
    }

    /// Those of both sets.
    pub(super) fn and(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    fn len(self) -> u32 {
        self.0[0].count_ones() + self.0[1].count_ones()
    }
}

/// The columns of patterns that end at a byte, a bit each.
pub(super) type Columns = u16;

/// Patterns, compiled.
#[derive(Debug)]
pub(super) struct Starts {
    rows: Box<[u64; 256]>,
    /// A 0 where a pattern ends.
    ends: u64,
}

/// The bits of columns in a lane.
fn in_lane(columns: Columns, lane: usize) -> u64 {
    u64::from(columns) << (lane * COLUMNS)
}

impl Starts {
    /// No patterns.
    pub(super) fn new() -> Self {
        Self { rows: Box::new([u64::MAX; 256]), ends: u64::MAX }
    }

    /// Adds a pattern to the columns; of several in one, each place takes what any of them takes.
    pub(super) fn add(&mut self, columns: Columns, places: &[Bytes]) {
        for (lane, bytes) in places.iter().enumerate() {
            for byte in (0..=u8::MAX).filter(|byte| bytes.has(*byte)) {
                self.rows[usize::from(byte)] &= !in_lane(columns, lane);
            }
        }
        self.ends &= !in_lane(columns, places.len() - 1);
    }

    /// Calls back at the last byte of every pattern found, until told to end. Columns in
    /// `ignored` are not looked for.
    #[inline]
    pub(super) fn find(
        &self,
        text: &[u8],
        ignored: Columns,
        mut found: impl FnMut(usize, Columns) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let ends = (0..LANES).fold(self.ends, |ends, lane| ends | in_lane(ignored, lane));
        let mut each = |at: usize, state: u64| {
            let ended = !(state | ends);
            let ended = ended | ended >> (2 * COLUMNS);
            let columns = (ended | ended >> COLUMNS) as Columns;
            if columns == 0 { ControlFlow::Continue(()) } else { found(at, columns) }
        };
        let (blocks, rest) = text.as_chunks::<LANES>();
        let mut state = u64::MAX;
        for (block, bytes) in blocks.iter().enumerate() {
            let next = |state: u64, byte: u8| state << COLUMNS | self.rows[usize::from(byte)];
            let first = next(state, bytes[0]);
            let second = next(first, bytes[1]);
            let third = next(second, bytes[2]);
            state = next(third, bytes[3]);
            if first & second & third & state | ends != u64::MAX {
                for (place, state) in [first, second, third, state].into_iter().enumerate() {
                    each(block * LANES + place, state)?;
                }
            }
        }
        for (place, byte) in rest.iter().enumerate() {
            state = state << COLUMNS | self.rows[usize::from(*byte)];
            each(blocks.len() * LANES + place, state)?;
        }
        ControlFlow::Continue(())
    }
}

/// Texts by what they begin with, in a few columns, so that those of a column look alike: what
/// each place of a column takes, any of its texts may have there.
pub(super) fn grouped(texts: &[[Bytes; LANES]], columns: usize) -> Vec<usize> {
    let mut groups = vec![[Bytes::default(); LANES]; columns];
    let wide =
        |places: &[Bytes; LANES]| places.iter().map(|bytes| u64::from(bytes.len())).product();
    let group_of = |places: &[Bytes; LANES]| {
        let with = |group: &[Bytes; LANES]| -> [Bytes; LANES] {
            std::array::from_fn(|lane| group[lane].and(places[lane]))
        };
        let growth = |group: &[Bytes; LANES]| -> u64 {
            let (after, before): (u64, u64) = (wide(&with(group)), wide(group));
            after - before
        };
        let at = (0..columns).min_by_key(|at| growth(&groups[*at])).unwrap_or(0);
        groups[at] = with(&groups[at]);
        at
    };
    texts.iter().map(group_of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_pattern_is_found_where_it_ends(
            text in prop::collection::vec(0..6u8, 0..40),
            patterns in prop::collection::vec(prop::collection::vec(1..64u8, 1..5), 16),
            ignored in any::<Columns>(),
        ) {
            let mut starts = Starts::new();
            let takes = |set: u8, byte: u8| set >> byte & 1 == 1;
            for (column, sets) in patterns.iter().enumerate() {
                let bytes = |set: &u8| Bytes::of(|byte| byte < 6 && takes(*set, byte));
                let places: Vec<Bytes> = sets.iter().map(bytes).collect();
                starts.add(1 << column, &places);
            }
            let mut found = Vec::new();
            let end = starts.find(&text, ignored, |at, columns| {
                found.push((at, columns));
                ControlFlow::Continue(())
            });
            prop_assert!(end.is_continue());
            let mut expected = Vec::new();
            for at in 0..text.len() {
                let mut columns = 0;
                for (column, sets) in patterns.iter().enumerate() {
                    let is_here = (at + 1).checked_sub(sets.len()).is_some_and(|from| {
                        sets.iter().zip(&text[from..=at]).all(|(set, byte)| takes(*set, *byte))
                    });
                    columns |= Columns::from(is_here) << column;
                }
                if columns & !ignored != 0 {
                    expected.push((at, columns & !ignored));
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
