//! Bars: when a span ran, and when it was on the critical path, in half characters.
//!
//! A character of the bar is two halves; each is empty, thin (the span ran) or thick (the trace was
//! waiting for it). Box-drawing characters have a form for each of the nine pairs.

/// The time that bars show, and their width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) columns: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Half {
    #[default]
    Empty,
    Thin,
    Thick,
}

impl Scale {
    fn halves(&self) -> usize {
        self.columns * 2
    }

    /// The half character in which a moment lies.
    fn half_of(&self, time_ns: i64) -> usize {
        let length = (self.end_ns - self.start_ns).max(1) as f64;
        let share = (time_ns - self.start_ns) as f64 / length;
        ((share * self.halves() as f64) as usize).min(self.halves().saturating_sub(1))
    }

    fn start_of(&self, half: usize) -> f64 {
        let length = (self.end_ns - self.start_ns).max(1) as f64;
        length * half as f64 / self.halves() as f64
    }

    /// A bar of times at which something ran, and times at which it was waited for. However short
    /// something is, it has a half of a character; so has its part on the path.
    pub(super) fn bar(&self, ran: &[(i64, i64)], awaited: &[(i64, i64)]) -> String {
        let mut halves = vec![Half::Empty; self.halves()];
        for &(from, to) in ran {
            let last = self.last_half(from, to);
            halves[self.half_of(from)..=last].fill(Half::Thin);
        }
        for (at, half) in halves.iter_mut().enumerate().filter(|(_, half)| **half == Half::Thin) {
            let (ran, awaited) = (self.within(at, ran), self.within(at, awaited));
            if awaited > 0.0 && awaited * 2.0 >= ran {
                *half = Half::Thick;
            }
        }
        let longest = awaited.iter().max_by_key(|(from, to)| (to - from, -from));
        if let Some(&(from, to)) = longest
            && !halves.contains(&Half::Thick)
        {
            halves[self.half_of(from + (to - from) / 2)] = Half::Thick;
        }
        halves.chunks(2).map(|pair| character(pair[0], pair[1])).collect()
    }

    /// The last half that a time touches; its end itself is outside.
    fn last_half(&self, from: i64, to: i64) -> usize {
        let last = self.half_of(to);
        let touches = to > from && self.start_of(last) >= (to - self.start_ns) as f64;
        let last = if touches { last.saturating_sub(1) } else { last };
        last.max(self.half_of(from))
    }

    /// Nanoseconds of times that lie within one half.
    fn within(&self, half: usize, times: &[(i64, i64)]) -> f64 {
        let (start, end) = (self.start_of(half), self.start_of(half + 1));
        let part = |&(from, to): &(i64, i64)| {
            let (from, to) = ((from - self.start_ns) as f64, (to - self.start_ns) as f64);
            (to.min(end) - from.max(start)).max(0.0)
        };
        times.iter().map(part).sum()
    }
}

fn character(left: Half, right: Half) -> char {
    use Half::{Empty, Thick, Thin};
    match (left, right) {
        (Empty, Empty) => ' ',
        (Thin, Empty) => '╴',
        (Empty, Thin) => '╶',
        (Thin, Thin) => '─',
        (Thick, Empty) => '╸',
        (Empty, Thick) => '╺',
        (Thick, Thick) => '━',
        (Thick, Thin) => '╾',
        (Thin, Thick) => '╼',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale { start_ns: 1_000, end_ns: 1_100, columns: 5 };

    #[test]
    fn halves_are_as_long_as_what_they_show() {
        assert_eq!(SCALE.bar(&[(1_000, 1_100)], &[(1_000, 1_100)]), "━━━━━");
        assert_eq!(SCALE.bar(&[(1_000, 1_100)], &[(1_030, 1_070)]), "─╼━╾─");
        assert_eq!(SCALE.bar(&[(1_010, 1_050)], &[]), "╶─╴  ");
        assert_eq!(SCALE.bar(&[(1_000, 1_010), (1_090, 1_100)], &[(1_090, 1_100)]), "╴   ╺");
    }

    #[test]
    fn what_is_short_is_seen() {
        assert_eq!(SCALE.bar(&[(1_041, 1_041)], &[]), "  ╴  ");
        assert_eq!(SCALE.bar(&[(1_100, 1_100)], &[]), "    ╶");
        assert_eq!(SCALE.bar(&[(1_000, 1_100)], &[(1_055, 1_056)]), "──╼──");
        let nothing = Scale { end_ns: 1_000, ..SCALE };
        assert_eq!(nothing.bar(&[(1_000, 1_000)], &[]), "╴    ");
    }
}
