//! Results read from the parts of a window where they lie, without merging them.
//!
//! A high percentile of ten sorted lists is a few steps from their ends; merging the lists first
//! moves every value. Results are those of the merged part, value for value. Must not know what
//! the parts are parts of.

use super::buckets::{Dense, index};
use super::kind::{AccumulatorKind, Finisher};
use super::partial::Partial;
use super::sketch::{EXACT_VALUES_MAX, LIST_VALUES_MAX, NumberUnit, Sketch, Stage};
use crate::model::Value;

/// Memory to work in.
#[derive(Default)]
pub struct PartsScratch {
    exact: Vec<i64>,
    pub(super) indices: Vec<u16>,
    pub(super) ends: Vec<usize>,
    pub(super) dense: Dense,
}

impl AccumulatorKind {
    /// Whether [`finish_parts`] reads results of this kind without merging the parts.
    pub fn is_read_in_parts(&self) -> bool {
        matches!(self, Self::Count | Self::Truth | Self::Apdex { .. } | Self::Sketch { .. })
    }
}

/// The result of sealed parts of one accumulator together, for a window of a length in
/// nanoseconds; null of no parts.
pub fn finish_parts<'a>(
    mut parts: impl ExactSizeIterator<Item = &'a Partial> + Clone,
    finisher: &Finisher,
    window_ns: i64,
    scratch: &mut PartsScratch,
) -> Value {
    if let Finisher::Quantile(millionths) = finisher
        && parts.len() > 1
        && let Some(value) = quantile(&parts, *millionths, scratch)
    {
        return value;
    }
    let Some(first) = parts.next() else { return Value::Null };
    if parts.len() == 0 {
        return first.finish(finisher, window_ns);
    }
    let mut merged = first.clone();
    parts.for_each(|part| merged.merge_from(part));
    merged.seal();
    merged.finish(finisher, window_ns)
}

/// The quantile of sketches of one unit; `None` where they have to be merged: values of several
/// units, or floats.
fn quantile<'a>(
    parts: &(impl ExactSizeIterator<Item = &'a Partial> + Clone),
    millionths: u32,
    scratch: &mut PartsScratch,
) -> Option<Value> {
    let count = parts.len() as u64;
    let sketches = || {
        parts.clone().filter_map(|part| match part {
            Partial::Sketch(sketch) => Some(sketch),
            _ => None,
        })
    };
    let Values { total, unit, is_dense } = values(sketches())?;
    if total == 0 {
        return sketches().next().map(|_| Value::Null);
    }
    let rank = (u128::from(total) * u128::from(millionths)).div_ceil(1_000_000).max(1) as u64;
    if total <= EXACT_VALUES_MAX as u64 {
        scratch.exact.clear();
        for sketch in sketches() {
            if let Stage::Exact(values) = &sketch.stage {
                scratch.exact.extend(values);
            }
        }
        scratch.exact.sort_unstable();
        return Some(unit.whole(scratch.exact[rank as usize - 1]));
    }
    let first = sketches().next()?;
    let from_top = total - rank;
    let at = if is_dense {
        counted(sketches(), rank, scratch)
    } else if from_top.saturating_mul(count) <= total {
        from_the_top(&sketches(), from_top, scratch)
    } else if total <= LIST_VALUES_MAX as u64 {
        selected(sketches(), rank, scratch)
    } else {
        counted(sketches(), rank, scratch)
    };
    Some(first.bucket_value_in(at, unit))
}

/// What sketches of one unit hold together.
struct Values {
    total: u64,
    unit: NumberUnit,
    is_dense: bool,
}

/// `None` of sketches with values of several units, or floats.
fn values<'a>(sketches: impl Iterator<Item = &'a Sketch>) -> Option<Values> {
    let mut values = Values { total: 0, unit: NumberUnit::None, is_dense: false };
    for sketch in sketches {
        if sketch.is_mixed || sketch.floats.is_some() {
            return None;
        }
        if sketch.unit != values.unit {
            if sketch.unit != NumberUnit::None && values.unit != NumberUnit::None {
                return None;
            }
            values.unit = values.unit.with(sketch.unit);
        }
        values.total += sketch.len();
        values.is_dense |= matches!(sketch.stage, Stage::Dense(_));
    }
    Some(values)
}

fn index_of(sketch: &Sketch, value: i64) -> u16 {
    index(value, sketch.unit, sketch.digits)
}

/// The index that `from_top` others are not below, from the ends of sorted lists.
fn from_the_top<'a>(
    sketches: &(impl Iterator<Item = &'a Sketch> + Clone),
    from_top: u64,
    scratch: &mut PartsScratch,
) -> u16 {
    let last = |sketch: &Sketch, end: usize| match &sketch.stage {
        _ if end == 0 => None,
        Stage::Exact(values) => Some(index_of(sketch, values[end - 1])),
        Stage::List(list) => Some(list[end - 1]),
        Stage::Dense(_) => None,
    };
    scratch.ends.clear();
    scratch.ends.extend(sketches.clone().map(|sketch| sketch.len() as usize));
    scratch.indices.clear();
    // One more than an index, so that 0 is a list at its end.
    let heads = sketches.clone().zip(&scratch.ends).map(|(sketch, end)| last(sketch, *end));
    scratch.indices.extend(heads.map(|head| head.map_or(0, |at| at + 1)));
    for taken in 0.. {
        let highest = scratch.indices.iter().copied().max().unwrap_or(0);
        if taken == from_top || highest == 0 {
            return highest.saturating_sub(1);
        }
        let part = scratch.indices.iter().position(|head| *head == highest).unwrap_or(0);
        scratch.ends[part] -= 1;
        let head = sketches.clone().nth(part).and_then(|s| last(s, scratch.ends[part]));
        scratch.indices[part] = head.map_or(0, |at| at + 1);
    }
    0
}

/// The index at a rank of few values, by selection.
fn selected<'a>(
    sketches: impl Iterator<Item = &'a Sketch>,
    rank: u64,
    scratch: &mut PartsScratch,
) -> u16 {
    scratch.indices.clear();
    for sketch in sketches {
        match &sketch.stage {
            Stage::Exact(values) => {
                scratch.indices.extend(values.iter().map(|value| index_of(sketch, *value)));
            }
            Stage::List(list) => scratch.indices.extend(list),
            Stage::Dense(_) => {}
        }
    }
    *scratch.indices.select_nth_unstable(rank as usize - 1).1
}

/// The index at a rank of many values, by counts.
fn counted<'a>(
    sketches: impl Iterator<Item = &'a Sketch>,
    rank: u64,
    scratch: &mut PartsScratch,
) -> u16 {
    let dense = &mut scratch.dense;
    dense.counts.clear();
    dense.total = 0;
    for sketch in sketches {
        match &sketch.stage {
            Stage::Exact(values) => {
                values.iter().for_each(|value| dense.add(index_of(sketch, *value), 1));
            }
            Stage::List(list) => list.iter().for_each(|at| dense.add(*at, 1)),
            Stage::Dense(others) => dense.merge(others),
        }
    }
    dense.at_rank(rank)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A sealed sketch of values.
    pub(in super::super) fn part(values: &[i64], unit: NumberUnit) -> Partial {
        let mut sketch = Sketch::new(2);
        values.iter().for_each(|value| sketch.add(*value, unit));
        sketch.seal();
        Partial::Sketch(sketch)
    }

    proptest! {
        #[test]
        fn quantiles_of_parts_are_those_of_the_merged_part(
            parts in vec(
                (prop_oneof![0..8usize, 0..200usize, 900..1_200usize], 0..20u8, 0..1i64 << 40),
                1..12,
            ),
        ) {
            let unit = |odd: u8| match odd {
                0 => NumberUnit::Size,
                _ => NumberUnit::Duration,
            };
            let value = |i: usize, seed: i64| {
                (i as i64 * 7_919 + seed).wrapping_mul(0x5851_f42d_4c95_7f2d) & 0xfff_ffff
            };
            let parts: Vec<Partial> = parts
                .iter()
                .map(|(n, odd, seed)| {
                    let values: Vec<i64> = (0..*n).map(|i| value(i, *seed)).collect();
                    part(&values, unit(*odd))
                })
                .collect();
            let parts: Vec<&Partial> = parts.iter().collect();
            let mut merged = parts[0].clone();
            parts[1..].iter().for_each(|part| merged.merge_from(part));
            merged.seal();
            let mut scratch = PartsScratch::default();
            for millionths in [0, 10_000, 500_000, 950_000, 990_000, 999_000, 1_000_000] {
                let finisher = Finisher::Quantile(millionths);
                prop_assert_eq!(
                    finish_parts(parts.iter().copied(), &finisher, 1, &mut scratch),
                    merged.finish(&finisher, 1)
                );
            }
        }
    }
}
