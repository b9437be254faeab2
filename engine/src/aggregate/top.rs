//! The most frequent values, whatever the order and partition of the events.
//!
//! Up to [`TOP_VALUES_MAX`] distinct values the counts are exact. Beyond, counts come from a
//! count-min sketch (G. Cormode, S. Muthukrishnan, 2005): never too low, too high by more than
//! 0.14 % of all events with a probability under 2 %. Candidates are the
//! [`TOP_VALUES_MAX`] values that have the events of the smallest hashes (a sample by frequency):
//! a value of share f is missed with a probability of about `e^(−1024·f)`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::TOP_VALUES_MAX;
use crate::model::Value;

const DEPTH: usize = 4;
const WIDTH: usize = 2_048;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Candidate {
    value: Value,
    /// Smallest hash of its events.
    event: u64,
    /// Exact as long as there is no sketch.
    count: u64,
}

/// Values and how often they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    candidates: BTreeMap<u64, Candidate>,
    /// `DEPTH` rows of `WIDTH` counts, once there are too many values.
    sketch: Option<Vec<u64>>,
}

impl Top {
    /// Adds one event: hash of the value, hash of the event's order key, the value.
    pub fn add(&mut self, hash: u64, event: u64, value: impl FnOnce() -> Value) {
        if let Some(sketch) = &mut self.sketch {
            count(sketch, hash, 1);
        }
        match self.candidates.get_mut(&hash) {
            Some(known) => {
                known.count += 1;
                known.event = known.event.min(event);
            }
            None => {
                self.candidates.insert(hash, Candidate { value: value(), event, count: 1 });
                self.bound();
            }
        }
    }

    /// Twice the candidates are let in before the surplus is cut: a cut per new value is dear.
    fn bound(&mut self) {
        if self.candidates.len() > TOP_VALUES_MAX {
            self.widen();
        }
        if self.candidates.len() > 2 * TOP_VALUES_MAX {
            self.cut();
        }
    }

    /// Place of the last candidate that counts; those after it are surplus.
    fn last(&self) -> Option<(u64, u64)> {
        let mut places: Vec<_> = self.candidates.iter().map(|(hash, c)| (c.event, *hash)).collect();
        (places.len() > TOP_VALUES_MAX).then(|| *places.select_nth_unstable(TOP_VALUES_MAX - 1).1)
    }

    fn cut(&mut self) {
        if let Some(last) = self.last() {
            self.candidates.retain(|hash, candidate| (candidate.event, *hash) <= last);
        }
    }

    fn widen(&mut self) {
        if self.sketch.is_none() {
            let mut sketch = vec![0; DEPTH * WIDTH];
            self.candidates.iter().for_each(|(hash, c)| count(&mut sketch, *hash, c.count));
            self.sketch = Some(sketch);
        }
    }

    /// Adds other values.
    pub fn merge(&mut self, mut other: Self) {
        if self.sketch.is_some() || other.sketch.is_some() {
            self.widen();
            other.widen();
        }
        if let (Some(mine), Some(theirs)) = (&mut self.sketch, &other.sketch) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        for (hash, theirs) in other.candidates {
            match self.candidates.get_mut(&hash) {
                Some(mine) => {
                    mine.count += theirs.count;
                    mine.event = mine.event.min(theirs.event);
                }
                None => {
                    self.candidates.insert(hash, theirs);
                }
            }
        }
        // What is too much stays until all counts are in.
        self.bound();
    }

    /// Brings equal contents to equal states.
    pub fn canonical(&mut self) {
        if self.sketch.is_some() {
            self.cut();
            self.candidates.values_mut().for_each(|candidate| candidate.count = 0);
        }
    }

    /// The k most frequent values with their counts, the most frequent first, then by value.
    pub fn most_frequent(&self, k: u32) -> Value {
        let last = self.last();
        let mut all: Vec<(u64, &Value)> = self
            .candidates
            .iter()
            .filter(|(hash, candidate)| last.is_none_or(|last| (candidate.event, **hash) <= last))
            .map(|(hash, candidate)| {
                let count = self.sketch.as_ref().map_or(candidate.count, |s| read(s, *hash));
                (count, &candidate.value)
            })
            .collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let entry = |(count, value): (u64, &Value)| {
            let count = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
            Value::map(vec![(Arc::from("value"), value.clone()), (Arc::from("count"), count)])
        };
        Value::List(all.into_iter().take(k as usize).map(entry).collect())
    }

    /// Bytes of heap memory, without the texts of the values.
    pub fn heap_bytes(&self) -> usize {
        let sketch = self.sketch.as_ref().map_or(0, |sketch| sketch.capacity() * 8);
        sketch + self.candidates.len() * size_of::<(u64, Candidate)>()
    }
}

fn cells(hash: u64) -> [usize; DEPTH] {
    // Double hashing: two halves of a good hash serve for all rows.
    let (low, high) = (hash as u32, (hash >> 32) as u32 | 1);
    std::array::from_fn(|row| {
        let at = low.wrapping_add(high.wrapping_mul(row as u32)) >> 21;
        row * WIDTH + at as usize
    })
}

fn count(sketch: &mut [u64], hash: u64, times: u64) {
    cells(hash).into_iter().for_each(|cell| sketch[cell] += times);
}

fn read(sketch: &[u64], hash: u64) -> u64 {
    cells(hash).into_iter().map(|cell| sketch[cell]).min().unwrap_or(0)
}
