//! How many distinct values: exact while few, then `HyperLogLog`.
//!
//! Both hold hashes (xxh3, 64 bits), so the answer depends on the set of values alone.
//! Estimate: O. Ertl, "New cardinality estimation algorithms for `HyperLogLog` sketches" (2017),
//! standard error `1.04 / 2^(precision / 2)`: 1.6 % at 12, 0.8 % at 14.

use serde::{Deserialize, Serialize};

use crate::limits::DISTINCT_EXACT_MAX;

/// A set of hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distinct {
    precision: u8,
    held: Held,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Held {
    /// Sorted hashes.
    Exact(Vec<u64>),
    /// Longest run of zeros + 1, by register.
    Registers(Vec<u8>),
}

impl Distinct {
    /// An empty set; registers number `2^precision`, from 2^4 to 2^16.
    pub fn new(precision: u8) -> Self {
        Self { precision: precision.clamp(4, 16), held: Held::Exact(Vec::new()) }
    }

    /// Adds a value by its hash.
    pub fn add(&mut self, hash: u64) {
        match &mut self.held {
            Held::Exact(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return };
                hashes.insert(at, hash);
                if hashes.len() > DISTINCT_EXACT_MAX {
                    self.widen();
                }
            }
            Held::Registers(registers) => observe(registers, self.precision, hash),
        }
    }

    fn widen(&mut self) {
        if let Held::Exact(hashes) = &self.held {
            let mut registers = vec![0; 1 << self.precision];
            hashes.iter().for_each(|hash| observe(&mut registers, self.precision, *hash));
            self.held = Held::Registers(registers);
        }
    }

    /// Adds another set of the same precision.
    pub fn merge(&mut self, other: Self) {
        match other.held {
            Held::Exact(hashes) => hashes.iter().for_each(|hash| self.add(*hash)),
            Held::Registers(theirs) => {
                self.widen();
                if let Held::Registers(mine) = &mut self.held {
                    mine.iter_mut().zip(theirs).for_each(|(a, b)| *a = (*a).max(b));
                }
            }
        }
    }

    /// The number of distinct values.
    pub fn count(&self) -> u64 {
        match &self.held {
            Held::Exact(hashes) => hashes.len() as u64,
            Held::Registers(registers) => estimate(registers, self.precision),
        }
    }

    /// Bytes of heap memory.
    pub fn heap_bytes(&self) -> usize {
        match &self.held {
            Held::Exact(hashes) => hashes.capacity() * 8,
            Held::Registers(registers) => registers.capacity(),
        }
    }
}

fn observe(registers: &mut [u8], precision: u8, hash: u64) {
    let at = (hash >> (64 - u32::from(precision))) as usize;
    let rest = hash << precision | 1 << (precision - 1);
    registers[at] = registers[at].max(rest.leading_zeros() as u8 + 1);
}

fn estimate(registers: &[u8], precision: u8) -> u64 {
    let m = registers.len() as f64;
    let top = 64 - usize::from(precision) + 1;
    let mut counts = [0u32; 66];
    registers.iter().for_each(|register| counts[usize::from(*register)] += 1);
    let mut z = m * tau(1.0 - f64::from(counts[top]) / m);
    for count in counts[1..top].iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(counts[0]) / m);
    (m * m / (2.0 * std::f64::consts::LN_2) / z).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}
