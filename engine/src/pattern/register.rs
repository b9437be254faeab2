//! What a run remembers of its events.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::aggregate::{NumberUnit, Sum};
use crate::keyed_events::Event;
use crate::model::Value;
use crate::plan::{PatternRule, Pick};

/// One register.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
enum Content {
    #[default]
    Empty,
    Value(Value),
    /// Numbers for a sum or a mean.
    Sum(Box<Sum>),
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
            (Some(Content::Sum(sum)), Some(Pick::Avg)) => sum.avg(),
            (Some(Content::Sum(sum)), _) => sum.sum(),
            (_, Some(Pick::Count | Pick::Values)) => Value::Int(0),
            _ => Value::Null,
        }
    }
}

impl Content {
    fn fold(&mut self, pick: Pick, value: Value) {
        let is_absent = value.is_null();
        let known = std::mem::take(self);
        *self = match (pick, known) {
            (Pick::Prev, _) => Self::Value(value),
            (Pick::Count, known) => known.one_more(),
            (_, known) if is_absent => known,
            (Pick::Values, known) => known.one_more(),
            (Pick::Sum | Pick::Avg, known) => known.and(&value),
            (Pick::Min, Self::Value(known)) => Self::Value(known.min(value)),
            (Pick::Max, Self::Value(known)) => Self::Value(known.max(value)),
            (Pick::First, Self::Value(first)) => Self::Value(first),
            (_, _) => Self::Value(value),
        };
    }

    /// A sum, and a number more: exact, as those of aggregates are. What is no number adds nothing.
    fn and(self, value: &Value) -> Self {
        let mut sum = match self {
            Self::Sum(sum) => sum,
            _ => Box::default(),
        };
        match value {
            Value::Int(n) => sum.add_whole(*n, NumberUnit::Int),
            Value::Duration(n) => sum.add_whole(*n, NumberUnit::Duration),
            Value::Size(n) => sum.add_whole(*n, NumberUnit::Size),
            Value::Float(n) => sum.add_float(*n, NumberUnit::Float, false),
            Value::Ratio(n) => sum.add_float(*n, NumberUnit::Ratio, false),
            _ => {}
        }
        Self::Sum(sum)
    }

    /// A number, and one more.
    fn one_more(self) -> Self {
        match self {
            Self::Value(Value::Int(count)) => Self::Value(Value::Int(count + 1)),
            _ => Self::Value(Value::Int(1)),
        }
    }
}
