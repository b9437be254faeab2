//! Sealed parts of many groups laid out by accumulator, to be read group by group.
//!
//! A window over sixty slices reads sixty parts a group. Where each lies behind a group, a vector
//! of parts and a list of its own, that is four waits for memory a part; here the parts of a slice
//! lie in step. Results are those of the parts, value for value. Must not know what groups are.

use smallvec::SmallVec;

use super::buckets::index;
use super::kind::Finisher;
use super::partial::Partial;
use super::parts::PartsScratch;
use super::sketch::{EXACT_VALUES_MAX, LIST_VALUES_MAX, NumberUnit, Sketch, Stage, bucket_value};
use crate::limits::COLUMN_VALUES_MAX;
use crate::model::Value;

/// Parts that are gathered without memory of their own: a window of as many slices.
const RUNS: usize = 64;

/// The parts of one accumulator, by the number of their group.
pub enum PartColumn {
    /// Counts; 0 of a group that has no part.
    Counts(Vec<u64>),
    /// Distributions.
    Sketches(SketchColumn),
    /// Parts of other kinds are read where they are.
    Apart,
}

/// Distributions as bucket indices that lie one after the other.
#[derive(Default)]
pub struct SketchColumn {
    digits: u8,
    /// Of all parts; none is of another.
    unit: NumberUnit,
    /// Some parts are of another unit: all are read where they are.
    is_mixed: bool,
    ends: Vec<End>,
    /// In step with the ends: where in the indices a part begins.
    starts: Vec<u32>,
    indices: Vec<u16>,
}

/// What most is asked of one group's part: a window of sixty slices reads sixty of them, and its
/// high quantile no more of most.
#[derive(Clone, Copy)]
struct End {
    length: u16,
    /// The highest index.
    last: u16,
}

/// The length of a part that has to be read where it is: counts, floats, or more values than are
/// worth a copy.
const APART: u16 = u16::MAX;

impl PartColumn {
    /// Lays out sealed parts; `None` of a group that has none.
    pub fn of<'a>(parts: impl Iterator<Item = Option<&'a Partial>> + Clone) -> Self {
        match parts.clone().flatten().next() {
            Some(Partial::Count(_)) => Self::Counts(
                parts
                    .map(|part| match part {
                        Some(Partial::Count(count)) => *count,
                        _ => 0,
                    })
                    .collect(),
            ),
            Some(Partial::Sketch(sketch)) => {
                let mut column = SketchColumn { digits: sketch.digits, ..SketchColumn::default() };
                parts.for_each(|part| column.push(part));
                column.indices.shrink_to_fit();
                Self::Sketches(column)
            }
            _ => Self::Apart,
        }
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Counts(counts) => counts.capacity() * size_of::<u64>(),
            Self::Sketches(column) => {
                let parts = column.starts.capacity() * size_of::<u32>();
                parts + column.ends.capacity() * size_of::<End>() + column.indices.capacity() * 2
            }
            Self::Apart => 0,
        }
    }
}

impl SketchColumn {
    fn push(&mut self, part: Option<&Partial>) {
        let start = self.indices.len();
        let mut end = End { length: 0, last: 0 };
        if let Some(Partial::Sketch(sketch)) = part {
            let is_here = self.take(sketch);
            end.length = if is_here { (self.indices.len() - start) as u16 } else { APART };
            if end.length > 0 && is_here {
                self.is_mixed |= self.unit != NumberUnit::None && self.unit != sketch.unit;
                self.unit = sketch.unit;
                end.last = self.indices[self.indices.len() - 1];
            }
        }
        self.ends.push(end);
        self.starts.push(start as u32);
    }

    /// The indices of a part.
    fn run(&self, number: usize, end: End) -> &[u16] {
        let start = self.starts[number] as usize;
        &self.indices[start..start + usize::from(end.length)]
    }

    /// Copies the indices of a sketch; `false` if it has to be read where it is.
    fn take(&mut self, sketch: &Sketch) -> bool {
        let is_full = self.indices.len() + COLUMN_VALUES_MAX > u32::MAX as usize;
        if is_full || sketch.is_mixed || sketch.floats.is_some() {
            return false;
        }
        match &sketch.stage {
            Stage::Exact(values) => {
                let at = |value: &i64| index(*value, sketch.unit, sketch.digits);
                self.indices.extend(values.iter().map(at));
                true
            }
            Stage::List(list) if list.len() <= COLUMN_VALUES_MAX => {
                self.indices.extend_from_slice(list);
                true
            }
            Stage::List(_) | Stage::Dense(_) => false,
        }
    }
}

/// The result for the group of a number from the columns of one accumulator, for a window of a
/// length in nanoseconds; `None` where its parts have to be read themselves, as of so few values
/// that the result is exact.
pub fn finish_columns<'a>(
    columns: impl Iterator<Item = &'a PartColumn>,
    number: usize,
    (finisher, window_ns): (&Finisher, i64),
    scratch: &mut PartsScratch,
) -> Option<Value> {
    match finisher {
        Finisher::Count | Finisher::CountRate => {
            let mut sum = 0;
            for column in columns {
                let PartColumn::Counts(counts) = column else { return None };
                sum += counts.get(number).copied().unwrap_or(0);
            }
            Some(Partial::Count(sum).finish(finisher, window_ns))
        }
        Finisher::Quantile(millionths) => quantile(columns, number, *millionths, scratch),
        _ => None,
    }
}

fn quantile<'a>(
    columns: impl Iterator<Item = &'a PartColumn>,
    number: usize,
    millionths: u32,
    scratch: &mut PartsScratch,
) -> Option<Value> {
    let (mut total, mut unit, mut digits) = (0, NumberUnit::None, 0);
    let mut parts: SmallVec<[(&SketchColumn, End); RUNS]> = SmallVec::new();
    for column in columns {
        let PartColumn::Sketches(column) = column else { return None };
        let Some(&end) = column.ends.get(number).filter(|end| end.length > 0) else { continue };
        if end.length == APART || column.is_mixed {
            return None;
        }
        if unit != column.unit && unit != NumberUnit::None {
            return None;
        }
        (unit, digits) = (column.unit, column.digits);
        parts.push((column, end));
        total += u64::from(end.length);
    }
    if total <= EXACT_VALUES_MAX as u64 {
        return None;
    }
    let rank = (u128::from(total) * u128::from(millionths)).div_ceil(1_000_000).max(1) as u64;
    let from_top = total - rank;
    let runs = parts.iter().map(|(column, end)| column.run(number, *end));
    let at = if let [(column, end)] = parts[..] {
        column.run(number, end)[rank as usize - 1]
    } else if from_top < parts.len() as u64 {
        above_the_last(&parts, number, from_top as usize, scratch)
    } else if from_top.saturating_mul(parts.len() as u64) <= total {
        let runs: SmallVec<[&[u16]; RUNS]> = runs.collect();
        from_the_top(&runs, from_top, scratch)
    } else if total <= LIST_VALUES_MAX as u64 {
        scratch.indices.clear();
        runs.for_each(|run| scratch.indices.extend_from_slice(run));
        *scratch.indices.select_nth_unstable(rank as usize - 1).1
    } else {
        scratch.dense.counts.clear();
        scratch.dense.total = 0;
        runs.flatten().for_each(|at| scratch.dense.add(*at, 1));
        scratch.dense.at_rank(rank)
    };
    Some(bucket_value(at, digits, unit))
}

/// The index that `from_top` others are not below, of more parts than that: it is no less than
/// the one at the same rank of their last, so that few parts are read at all.
fn above_the_last(
    parts: &[(&SketchColumn, End)],
    number: usize,
    from_top: usize,
    scratch: &mut PartsScratch,
) -> u16 {
    let highest = &mut scratch.indices;
    highest.clear();
    highest.resize(from_top + 1, 0);
    parts.iter().for_each(|(_, end)| _ = enter(highest, end.last));
    if from_top > 0 {
        let least = highest[from_top];
        for (column, end) in parts.iter().filter(|(_, end)| end.last > least) {
            let run = column.run(number, *end);
            let mut below = run[..run.len() - 1].iter().rev();
            while below.next().is_some_and(|at| enter(highest, *at)) {}
        }
    }
    highest[from_top]
}

/// Puts an index among the highest, which fall; says whether it is one of them.
#[inline]
fn enter(highest: &mut [u16], at: u16) -> bool {
    let mut place = highest.len() - 1;
    if at <= highest[place] {
        return false;
    }
    while place > 0 && highest[place - 1] < at {
        highest[place] = highest[place - 1];
        place -= 1;
    }
    highest[place] = at;
    true
}

/// The index that `from_top` others are not below, from the ends of sorted runs.
fn from_the_top(runs: &[&[u16]], from_top: u64, scratch: &mut PartsScratch) -> u16 {
    let PartsScratch { indices: heads, ends, .. } = scratch;
    // One more than an index, so that 0 is a run at its end.
    let head = |run: &[u16], end: usize| end.checked_sub(1).map_or(0, |last| run[last] + 1);
    ends.clear();
    ends.extend(runs.iter().map(|run| run.len()));
    heads.clear();
    heads.extend(runs.iter().map(|run| head(run, run.len())));
    for _ in 0..from_top {
        let highest = heads.iter().copied().max().unwrap_or(0);
        let part = heads.iter().position(|head| *head == highest).unwrap_or(0);
        ends[part] = ends[part].saturating_sub(1);
        heads[part] = head(runs[part], ends[part]);
    }
    heads.iter().copied().max().unwrap_or(0).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::parts::finish_parts;
    use super::super::parts::tests::part;
    use super::*;

    proptest! {
        #[test]
        fn columns_say_what_the_parts_say(
            slices in vec(vec((0..3usize, 0..90usize, 0..30u8, 0..1i64 << 40), 1..4), 1..14),
            finisher in prop_oneof![
                Just(Finisher::Count),
                Just(Finisher::CountRate),
                (0..=1_000_000u32).prop_map(Finisher::Quantile),
            ],
        ) {
            let value = |i: usize, seed: i64| {
                (i as i64 * 7_919 + seed).wrapping_mul(0x5851_f42d_4c95_7f2d) & 0xfff_ffff
            };
            let is_count = !matches!(finisher, Finisher::Quantile(_));
            let parts: Vec<Vec<Option<Partial>>> = slices
                .iter()
                .map(|groups| {
                    let mut parts = vec![None; 3];
                    for (group, n, odd, seed) in groups {
                        // Now and then of another unit, and longer than what is copied.
                        let unit = if *odd == 0 { NumberUnit::Size } else { NumberUnit::Duration };
                        let n = if *odd == 1 { COLUMN_VALUES_MAX + 1 } else { *n };
                        let values: Vec<i64> = (0..n).map(|i| value(i, *seed)).collect();
                        parts[*group] = Some(if is_count {
                            Partial::Count(n as u64)
                        } else {
                            part(&values, unit)
                        });
                    }
                    parts
                })
                .collect();
            let column = |parts: &Vec<Option<Partial>>| {
                PartColumn::of(parts.iter().map(Option::as_ref))
            };
            let columns: Vec<PartColumn> = parts.iter().map(column).collect();
            let mut scratch = PartsScratch::default();
            for group in 0..3 {
                let own: Vec<&Partial> =
                    parts.iter().filter_map(|parts| parts[group].as_ref()).collect();
                if own.is_empty() {
                    continue;
                }
                let expected = finish_parts(own.iter().copied(), &finisher, 7, &mut scratch);
                let of = (&finisher, 7);
                let found = finish_columns(columns.iter(), group, of, &mut scratch);
                prop_assert!(found.is_none_or(|found| found == expected));
            }
        }
    }

    #[test]
    fn what_many_groups_have_is_read_from_columns() {
        let slice = |from: i64| {
            let values: Vec<i64> = (from..from + 40).map(|i| i * 1_000_000).collect();
            let part = part(&values, NumberUnit::Duration);
            PartColumn::of([None, Some(&part)].into_iter())
        };
        let columns = [slice(0), slice(40), slice(80)];
        let mut scratch = PartsScratch::default();
        let mut p99 = |group| {
            let of = (&Finisher::Quantile(990_000), 1);
            finish_columns(columns.iter(), group, of, &mut scratch)
        };
        assert_eq!(p99(1), Some(Value::Duration(118_271_000)));
        assert_eq!(p99(0), None, "a group without values");
    }
}
