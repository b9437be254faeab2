//! Rows of words, each in as few cache lines as it can be: what is known of a span is written when
//! it comes and read when its trace closes, each time from memory that nobody had looked at for
//! long.

use prefetch_index::prefetch_index;

use super::values::NOTHING;

const LINE_WORDS: usize = 8;

/// A cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; LINE_WORDS]);

/// The rows: first some words, then numbers, two to a word.
#[derive(Debug)]
pub(super) struct Rows {
    lines: Vec<Line>,
    /// Words before the numbers.
    words: usize,
    numbers: usize,
    /// From one row to the next: a power of two of words, or whole lines.
    stride: usize,
}

impl Rows {
    /// Rows of so many words and numbers.
    pub(super) fn new(words: usize, numbers: usize) -> Self {
        let all = words + numbers.div_ceil(2);
        let stride = match all {
            0..=LINE_WORDS => all.next_power_of_two(),
            _ => all.next_multiple_of(LINE_WORDS),
        };
        Self { lines: Vec::new(), words, numbers, stride }
    }

    /// How many there is room for.
    pub(super) fn places(&self) -> usize {
        self.lines.len() * LINE_WORDS / self.stride
    }

    /// Makes room for so many more.
    pub(super) fn grow(&mut self, places: usize) {
        let lines = (places * self.stride).div_ceil(LINE_WORDS);
        self.lines.resize(self.lines.len() + lines, Line::default());
    }

    #[inline]
    pub(super) fn word(&self, place: u32, at: usize) -> u64 {
        let word = place as usize * self.stride + at;
        self.lines[word / LINE_WORDS].0[word % LINE_WORDS]
    }

    #[inline]
    pub(super) fn set_word(&mut self, place: u32, at: usize, value: u64) {
        let word = place as usize * self.stride + at;
        self.lines[word / LINE_WORDS].0[word % LINE_WORDS] = value;
    }

    #[inline]
    pub(super) fn number(&self, place: u32, at: usize) -> u32 {
        (self.word(place, self.words + at / 2) >> (at % 2 * 32)) as u32
    }

    /// Sets all numbers; those that are not given to nothing.
    #[inline]
    pub(super) fn set_numbers(&mut self, place: u32, mut numbers: impl Iterator<Item = u32>) {
        for at in 0..self.numbers.div_ceil(2) {
            let low = numbers.next().unwrap_or(NOTHING);
            let high = numbers.next().unwrap_or(NOTHING);
            self.set_word(place, self.words + at, u64::from(low) | u64::from(high) << 32);
        }
    }

    /// Brings a row near.
    #[inline]
    pub(super) fn prefetch(&self, place: u32) {
        let line = place as usize * self.stride / LINE_WORDS;
        prefetch_index(&self.lines, line);
        for more in 1..self.stride / LINE_WORDS {
            prefetch_index(&self.lines, line + more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NOTHING, Rows};

    #[test]
    fn rows_of_every_size_stand_beside_each_other() {
        for (words, numbers) in [(1, 1), (1, 2), (1, 4), (4, 5), (5, 6), (5, 7), (6, 21), (1, 40)] {
            let mut rows = Rows::new(words, numbers);
            rows.grow(256);
            assert!(rows.places() >= 256, "{words} {numbers}");
            let word = |place: u32, at: usize| u64::from(place) << 40 | at as u64;
            for place in 0..256 {
                (0..words).for_each(|at| rows.set_word(place, at, word(place, at)));
                rows.set_numbers(place, (0..numbers as u32).map(|at| place << 8 | at));
            }
            rows.set_numbers(7, std::iter::once(9));
            for place in 0..256 {
                assert!((0..words).all(|at| rows.word(place, at) == word(place, at)));
                for at in 0..numbers {
                    let is = rows.number(place, at);
                    match (place, at) {
                        (7, 0) => assert_eq!(is, 9),
                        (7, _) => assert_eq!(is, NOTHING),
                        _ => assert_eq!(is, place << 8 | at as u32),
                    }
                }
            }
        }
    }
}
