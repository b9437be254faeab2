//! Where the spans of open traces lie: those of one trace in runs of neighbouring places, as spans
//! that are far apart are waited for one by one when their trace closes.
//!
//! Which span of its trace begins a run, and how long that is, follows from its number alone.

/// Lengths of runs. A trace has two of the first length and one of each other, then as many of the
/// last one as it needs: at most half of its places are empty, and it has few runs.
const LENGTHS: [usize; 4] = [2, 4, 8, 16];

/// By length: runs that others take before.
pub(super) type Ahead = [usize; LENGTHS.len()];

/// The places.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// By length: where free runs begin.
    free: [Vec<u32>; LENGTHS.len()],
    /// Places that were ever used.
    places: usize,
    /// Places of runs that are in use.
    taken: usize,
}

/// Which of the lengths the run has that a span begins, by its number in its trace.
fn begun_by(number: u32) -> Option<usize> {
    match number {
        0 | 2 => Some(0),
        4 => Some(1),
        8 => Some(2),
        _ if number.is_multiple_of(16) => Some(3),
        _ => None,
    }
}

/// The number of the span that begins the run of another one.
fn first_of(number: u32) -> u32 {
    match number {
        0..2 => 0,
        2..4 => 2,
        4..8 => 4,
        8..16 => 8,
        _ => number & !15,
    }
}

/// How many spans of the run of a span came before it, by its number in its trace.
pub(super) fn before_in_run(number: u32) -> u32 {
    number - first_of(number)
}

impl Runs {
    /// The place of a span, by its number in its trace and the place of the one before it.
    pub(super) fn take(&mut self, number: u32, before: u32) -> u32 {
        let Some(length) = begun_by(number) else { return before + 1 };
        self.taken += LENGTHS[length];
        self.free[length].pop().unwrap_or_else(|| {
            self.places += LENGTHS[length];
            (self.places - LENGTHS[length]) as u32
        })
    }

    /// Where a span would go if others take so many runs of each length before; none where no place
    /// is free. It counts its own.
    pub(super) fn next(&self, number: u32, before: u32, ahead: &mut Ahead) -> Option<u32> {
        let Some(length) = begun_by(number) else { return Some(before + 1) };
        ahead[length] += 1;
        let free = &self.free[length];
        free.len().checked_sub(ahead[length]).map(|at| free[at])
    }

    /// A span is gone, and with it all of its run.
    pub(super) fn release(&mut self, number: u32, place: u32) {
        if let Some(length) = begun_by(number) {
            self.taken -= LENGTHS[length];
            self.free[length].push(place);
        }
    }

    /// Places that were ever used.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Places of runs that are in use.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Runs, before_in_run};

    #[test]
    fn traces_of_every_size_share_no_place_and_leave_none_behind() {
        let mut runs = Runs::default();
        for _ in 0..3 {
            let mut used = BTreeSet::new();
            let mut traces = Vec::new();
            for spans in 1..70_u32 {
                let mut places: Vec<u32> = Vec::new();
                for number in 0..spans {
                    let before = places.last().copied().unwrap_or(u32::MAX);
                    let next = runs.next(number, before, &mut [0; 4]);
                    let place = runs.take(number, before);
                    assert!(next.is_none_or(|next| next == place));
                    assert!(used.insert(place) && (place as usize) < runs.places());
                    let behind = before_in_run(number) as usize;
                    let first = places.get(number as usize - behind).copied().unwrap_or(place);
                    assert_eq!(place, first + behind as u32);
                    places.push(place);
                }
                traces.push(places);
            }
            let most = runs.places();
            assert!(runs.taken() < used.len() * 2 && runs.taken() >= used.len());
            for places in traces {
                (0..).zip(places).for_each(|(number, place)| runs.release(number, place));
            }
            assert_eq!((runs.taken(), runs.places()), (0, most));
        }
    }
}
