//! Short byte patterns that are compared by words: names expected at a place.

/// Words that are compared without a call; longer patterns are compared as slices.
const WORDS: usize = 4;

/// A pattern and its first words.
pub(in crate::ingest) struct Pattern {
    bytes: Box<[u8]>,
    words: [u64; WORDS],
    /// All ones where the pattern has bytes.
    masks: [u64; WORDS],
}

impl Pattern {
    /// A pattern of these bytes.
    pub(in crate::ingest) fn new(bytes: &[u8]) -> Self {
        let (mut words, mut masks) = ([0; WORDS], [0; WORDS]);
        for (i, chunk) in bytes.chunks(8).take(WORDS).enumerate() {
            let (mut word, mut mask) = ([0; 8], [0; 8]);
            word[..chunk.len()].copy_from_slice(chunk);
            mask[..chunk.len()].fill(0xff);
            words[i] = u64::from_le_bytes(word);
            masks[i] = u64::from_le_bytes(mask);
        }
        Self { bytes: bytes.into(), words, masks }
    }

    /// Number of bytes.
    #[inline]
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the data has the pattern at this position.
    #[inline]
    pub(super) fn is_at(&self, data: &[u8], pos: usize) -> bool {
        let Some(rest) = data.get(pos..) else {
            return false;
        };
        match rest.first_chunk::<{ 8 * WORDS }>() {
            Some(window) if self.bytes.len() <= 8 * WORDS => {
                let mut difference = 0;
                for (i, chunk) in window.as_chunks::<8>().0.iter().enumerate() {
                    difference |= (u64::from_le_bytes(*chunk) ^ self.words[i]) & self.masks[i];
                }
                difference == 0
            }
            _ => rest.starts_with(&self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_of_every_length_are_found_and_nothing_else_is() {
        let data: Vec<u8> = (0..=99).collect();
        for length in 0..50 {
            for pos in [0, 1, 37, 60] {
                let pattern = Pattern::new(&data[pos..(pos + length).min(100)]);
                assert!(pattern.is_at(&data, pos), "{length} at {pos}");
                assert_eq!(pattern.is_at(&data, pos + 1), length == 0, "{length} at {pos}");
            }
        }
        assert!(!Pattern::new(b"ab").is_at(b"a", 0));
        assert!(!Pattern::new(b"a").is_at(b"a", 2));
    }
}
