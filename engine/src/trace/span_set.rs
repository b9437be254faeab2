//! A set of spans of one trace, one bit each.
//!
//! Invariant: words are cleared with the set; a set knows no forest and nothing of spans but their
//! number.

/// A set of spans, named by their place in the trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpanSet {
    words: Vec<u64>,
}

impl SpanSet {
    /// Empties the set and makes room for so many spans.
    pub fn reset(&mut self, spans: usize) {
        self.words.clear();
        self.words.resize(spans.div_ceil(64), 0);
    }

    /// Adds a span.
    pub fn insert(&mut self, span: u32) {
        self.words[span as usize / 64] |= 1 << (span % 64);
    }

    /// Whether the set has a span.
    pub fn contains(&self, span: u32) -> bool {
        self.words[span as usize / 64] & (1 << (span % 64)) != 0
    }

    /// Number of spans in the set: `count(…)` of the rules language.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether the set has no span: `not has(…)` of the rules language.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The spans of the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let ones = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
            let ones = ones.take_while(|&rest| rest != 0);
            ones.map(move |rest| index as u32 * 64 + rest.trailing_zeros())
        })
    }

    /// Adds the spans of another set of the same trace.
    pub fn unite(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, more)| *word |= more);
    }

    /// Takes away the spans of another set of the same trace.
    pub fn subtract(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, less)| *word &= !less);
    }
}
