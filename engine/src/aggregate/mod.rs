//! shim
#![allow(missing_docs, dead_code, unused)]
use crate::model::*;
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccumulatorKind {
    Count,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Finisher {
    Count,
}
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Partial {
    Count(u64),
}
impl Partial {
    pub fn merge(&mut self, o: Partial) {
        let (Partial::Count(a), Partial::Count(b)) = (self, o);
        *a += b;
    }
    pub fn finish(&self, _f: &Finisher, _w: i64) -> Value {
        let Partial::Count(a) = self;
        Value::Int(*a as i64)
    }
}
pub struct OrderColumn<'a> {
    pub times: &'a [i64],
    pub source: u32,
    pub frame_seq: u64,
}
pub struct Accumulators {
    c: Vec<u64>,
}
impl Accumulators {
    pub fn new(_k: &AccumulatorKind) -> Self {
        Self { c: vec![] }
    }
    pub fn ensure_slots(&mut self, n: usize) {
        self.c.resize(n.max(self.c.len()), 0)
    }
    pub fn update(
        &mut self,
        rows: &[u32],
        slots: &[u32],
        args: &[&Column],
        batch: &Batch,
        order: &OrderColumn,
    ) {
        for s in slots {
            self.c[*s as usize] += 1
        }
    }
    pub fn take(&mut self, s: u32) -> Partial {
        Partial::Count(std::mem::take(&mut self.c[s as usize]))
    }
    pub fn read(&self, s: u32) -> Partial {
        Partial::Count(self.c[s as usize])
    }
}
