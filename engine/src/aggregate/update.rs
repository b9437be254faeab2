//! Adding one row to one part.

use xxhash_rust::xxh3::xxh3_64;

use super::distribution::Distribution;
use super::kind::AccumulatorKind;
use super::partial::Partial;
use super::pick::Candidate;
use super::series::{Reading, Series};
use super::sketch::NumberUnit;
use super::state::OrderColumn;
use super::sum::Sum;
use crate::model::{Batch, Cell, Column, Value};

/// A number and its unit.
pub(super) enum Number {
    Whole(i64, NumberUnit),
    Float(f64, NumberUnit),
}

/// The number in a cell.
pub(super) fn number(cell: Cell) -> Option<Number> {
    Some(match cell {
        Cell::Int(n) => Number::Whole(n, NumberUnit::Int),
        Cell::Duration(n) => Number::Whole(n, NumberUnit::Duration),
        Cell::Size(n) => Number::Whole(n, NumberUnit::Size),
        Cell::Float(n) => Number::Float(n, NumberUnit::Float),
        Cell::Ratio(n) => Number::Float(n, NumberUnit::Ratio),
        _ => return None,
    })
}

/// Adds one row to one part.
pub(super) fn update_one(
    kind: AccumulatorKind,
    partial: &mut Partial,
    arguments: &[&Column],
    row: u32,
    batch: &Batch,
    order: &OrderColumn<'_>,
) {
    let Some(&column) = arguments.first() else { return };
    let with_squares = kind == AccumulatorKind::SumSquares;
    match partial {
        Partial::Sum(sum) => {
            let cell = Batch::cell_at(column, row as usize).unwrap_or_default();
            let Some(number) = number(cell) else { return };
            let sum = sum.get_or_insert_with(|| Box::new(Sum::default()));
            match number {
                Number::Whole(n, unit) => {
                    sum.add_whole(n, unit);
                    if with_squares {
                        sum.add_square(n);
                    }
                }
                Number::Float(n, unit) => sum.add_float(n, unit, with_squares),
            }
        }
        Partial::Truth(yes, all) => match Batch::cell_at(column, row as usize) {
            Some(Cell::Bool(value)) => {
                *yes += u64::from(value);
                *all += 1;
            }
            // An unknown condition is not true, and the event is still one of all.
            _ => *all += 1,
        },
        Partial::Count(_) | Partial::Sketch(_) => {}
        Partial::Min(_) | Partial::Max(_) | Partial::First(_) | Partial::Last(_) => {
            let value = batch.value_at(column, row as usize);
            if value.is_null() {
                return;
            }
            let key = order.key(row);
            partial.merge(match kind {
                AccumulatorKind::Min => Partial::Min(Some((value, key))),
                AccumulatorKind::Max => Partial::Max(Some((value, key))),
                AccumulatorKind::First => Partial::First(Some((key, value))),
                _ => Partial::Last(Some((key, value))),
            });
        }
        other => update_wide(kind, other, arguments, row, batch, order),
    }
}

/// Kinds that hold more than a number or a value.
fn update_wide(
    kind: AccumulatorKind,
    partial: &mut Partial,
    arguments: &[&Column],
    row: u32,
    batch: &Batch,
    order: &OrderColumn<'_>,
) {
    let column = arguments[0];
    let cell = || Batch::cell_at(column, row as usize).unwrap_or_default();
    let value = || Some(batch.value_at(column, row as usize)).filter(|value| !value.is_null());
    match partial {
        Partial::Histogram(held) => add_to_distribution(held, cell(), batch),
        Partial::Distinct(distinct) => {
            if let Some(value) = value() {
                distinct.add(hash(&value));
            }
        }
        Partial::Top(top) => {
            if let Some(value) = value() {
                top.add(hash(&value), order.key(row).hash(), || value);
            }
        }
        Partial::Collected(values) => {
            if let Some(value) = value() {
                values.add(order.key(row), || value);
            }
        }
        Partial::Exemplars(exemplars) => {
            let candidate =
                value().and_then(|value| candidate(value, arguments, (batch, row), order));
            if let Some(candidate) = candidate {
                exemplars.add(candidate);
            }
        }
        Partial::Series(series) => {
            let reading = match number(cell()) {
                Some(Number::Whole(value, _)) => Reading::Whole(value),
                Some(Number::Float(value, _)) => Reading::Float(value),
                None => return,
            };
            add_reading(series, reading, arguments, row, batch, order);
        }
        Partial::Apdex([satisfied, tolerating, all]) => {
            let AccumulatorKind::Apdex { threshold_ns } = kind else { return };
            if let Cell::Duration(duration_ns) = cell() {
                *all += 1;
                *satisfied += u64::from(duration_ns <= threshold_ns);
                let is_slow = duration_ns > threshold_ns;
                *tolerating += u64::from(is_slow && duration_ns <= threshold_ns.saturating_mul(4));
            }
        }
        _ => {}
    }
}

/// A value with the span that it was seen in; `None` where there is none.
fn candidate(
    value: Value,
    arguments: &[&Column],
    (batch, row): (&Batch, u32),
    order: &OrderColumn<'_>,
) -> Option<Candidate> {
    let (trace, span) = (id(batch, arguments.get(1)?, row)?, id(batch, arguments.get(2)?, row)?);
    (trace != [0; 16]).then(|| Candidate { value, key: order.key(row), trace, span })
}

/// An id of so many bytes; of none it is all zeros.
fn id<const N: usize>(batch: &Batch, column: &Column, row: u32) -> Option<[u8; N]> {
    let row = row as usize;
    match column {
        Column::Ids16(ids) => <[u8; N]>::try_from(&ids[row][..]).ok(),
        Column::Ids8(ids) => <[u8; N]>::try_from(&ids[row][..]).ok(),
        other => match batch.value_at(other, row) {
            Value::Bytes(bytes) => <[u8; N]>::try_from(&*bytes).ok(),
            _ => Some([0; N]),
        },
    }
}

/// A point of a sum: by its temporality it says what was added, or stands in the series that its
/// other attributes tell.
fn add_reading(
    series: &mut Series,
    reading: Reading,
    arguments: &[&Column],
    row: u32,
    batch: &Batch,
    order: &OrderColumn<'_>,
) {
    let value = |column: &&Column| batch.value_at(column, row as usize);
    let temporality = arguments.get(1).map(value);
    if matches!(&temporality, Some(Value::Str(name)) if &**name == "delta") {
        return series.add_delta(reading);
    }
    let identity = Value::List(arguments.iter().skip(2).map(value).collect());
    series.add(hash(&identity), order.key(row), reading);
}

/// Durations enter a distribution in seconds, as in OpenTelemetry's metrics.
fn add_to_distribution(held: &mut Distribution, cell: Cell, batch: &Batch) {
    match number(cell) {
        Some(Number::Whole(value, NumberUnit::Duration)) => held.add(value as f64 / 1e9),
        Some(Number::Whole(value, _)) => held.add(value as f64),
        Some(Number::Float(value, _)) => held.add(value),
        None => {
            if let Value::Histogram(point) = batch.value(cell) {
                held.add_point(&point);
            }
        }
    }
}

/// The hash of a value by its canonical encoding.
fn hash(value: &Value) -> u64 {
    let mut bytes = Vec::new();
    value.encode_key(&mut bytes);
    xxh3_64(&bytes)
}
