//! What a run remembers of its events.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::keyed_events::Event;
use crate::model::Value;
use crate::plan::eval::{add, compare, divide};
use crate::plan::{PatternRule, Pick};

/// One register.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
enum Content {
    #[default]
    Empty,
    Value(Value),
    Mean {
        sum: Value,
        count: i64,
    },
}

/// The registers of a run, in the order of the plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registers(SmallVec<[Content; 2]>);

impl Registers {
    pub(super) fn new(rule: &PatternRule) -> Self {
        Self(rule.registers.iter().map(|_| Content::Empty).collect())
    }

    /// Takes an event that was a symbol.
    pub(super) fn take(&mut self, rule: &PatternRule, symbol: u32, event: &Event) {
        for (content, register) in self.0.iter_mut().zip(&rule.registers) {
            if register.symbol == symbol {
                let value = event.slots.get(register.slot as usize).cloned().unwrap_or_default();
                content.fold(register.pick, value);
            }
        }
    }

    /// The value of a register.
    pub(crate) fn value(&self, rule: &PatternRule, at: usize) -> Value {
        match (self.0.get(at), rule.registers.get(at).map(|register| register.pick)) {
            (Some(Content::Value(value)), _) => value.clone(),
            (Some(Content::Mean { sum, count }), _) => mean(sum, *count),
            (_, Some(Pick::Count)) => Value::Int(0),
            _ => Value::Null,
        }
    }
}

impl Content {
    fn fold(&mut self, pick: Pick, value: Value) {
        let is_absent = value.is_null();
        let known = std::mem::take(self);
        *self = match (pick, known) {
            (Pick::First, Self::Empty) | (Pick::Last, _) => Self::Value(value),
            (Pick::Count, Self::Value(Value::Int(count))) => Self::Value(Value::Int(count + 1)),
            (Pick::Count, _) => Self::Value(Value::Int(1)),
            (_, known) if is_absent => known,
            (Pick::Avg, Self::Mean { sum, count }) => {
                Self::Mean { sum: add(&sum, &value), count: count + 1 }
            }
            (Pick::Avg, _) => Self::Mean { sum: value, count: 1 },
            (Pick::Sum, Self::Value(sum)) => Self::Value(add(&sum, &value)),
            (Pick::Min, Self::Value(known)) => {
                let is_less = compare(&value, &known).is_some_and(std::cmp::Ordering::is_lt);
                Self::Value(if is_less { value } else { known })
            }
            (Pick::Max, Self::Value(known)) => {
                let is_more = compare(&value, &known).is_some_and(std::cmp::Ordering::is_gt);
                Self::Value(if is_more { value } else { known })
            }
            (Pick::First, known) => known,
            (_, _) => Self::Value(value),
        };
    }
}

/// Numbers without a unit have a float as their mean, others keep their unit.
fn mean(sum: &Value, count: i64) -> Value {
    match sum {
        Value::Int(_) | Value::Float(_) => {
            sum.as_f64().map_or(Value::Null, |sum| Value::Float(sum / count as f64))
        }
        sum => divide(sum, &Value::Int(count)),
    }
}
