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
    runs: Vec<Run>,
    indices: Vec<u16>,
}

/// One group's part.
#[derive(Clone, Copy)]
struct Run {
    start: u32,
    length: u16,
    unit: NumberUnit,
    /// It has to be read where it is: counts, floats, or more values than are worth a copy.
    is_apart: bool,
}

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
                column.runs.capacity() * size_of::<Run>() + column.indices.capacity() * 2
            }
            Self::Apart => 0,
        }
    }
}

impl SketchColumn {
    fn push(&mut self, part: Option<&Partial>) {
        let start = self.indices.len() as u32;
        let mut run = Run { start, length: 0, unit: NumberUnit::None, is_apart: false };
        if let Some(Partial::Sketch(sketch)) = part {
            run.unit = sketch.unit;
            run.is_apart = !self.take(sketch);
            run.length = (self.indices.len() as u32 - start) as u16;
        }
        self.runs.push(run);
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
    let mut runs: SmallVec<[&[u16]; RUNS]> = SmallVec::new();
    for column in columns {
        let PartColumn::Sketches(column) = column else { return None };
        let Some(run) = column.runs.get(number) else { continue };
        if run.is_apart {
            return None;
        }
        if run.length == 0 {
            continue;
        }
        if unit != run.unit && unit != NumberUnit::None {
            return None;
        }
        (unit, digits) = (run.unit, column.digits);
        let start = run.start as usize;
        runs.push(&column.indices[start..start + usize::from(run.length)]);
        total += u64::from(run.length);
    }
    if total <= EXACT_VALUES_MAX as u64 {
        return None;
    }
    let rank = (u128::from(total) * u128::from(millionths)).div_ceil(1_000_000).max(1) as u64;
    let from_top = total - rank;
    let at = if let [run] = runs[..] {
        run[rank as usize - 1]
    } else if from_top.saturating_mul(runs.len() as u64) <= total {
        from_the_top(&runs, from_top, scratch)
    } else if total <= LIST_VALUES_MAX as u64 {
        scratch.indices.clear();
        runs.iter().for_each(|run| scratch.indices.extend_from_slice(run));
        *scratch.indices.select_nth_unstable(rank as usize - 1).1
    } else {
        scratch.dense.counts.clear();
        scratch.dense.total = 0;
        runs.iter().copied().flatten().for_each(|at| scratch.dense.add(*at, 1));
        scratch.dense.at_rank(rank)
    };
    Some(bucket_value(at, digits, unit))
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
    use super::*;

    fn part(values: &[i64], unit: NumberUnit) -> Partial {
        let mut sketch = Sketch::new(2);
        values.iter().for_each(|value| sketch.add(*value, unit));
        sketch.seal();
        Partial::Sketch(sketch)
    }

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
