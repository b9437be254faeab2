//! What lines know about other rules, as of a moment of event time: the newest match by key, the
//! keys that fire, the traces that were named.
//!
//! Whoever feeds it says things in order of their decision times, so that an answer is a function
//! of the log. Must not know what patterns and alerts are.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits::{SAMPLE_FACT_KEYS_MAX, SAMPLE_NAMED_MAX};
use crate::model::Value;

/// Keys with the newest time of each, as many as a bound allows; the oldest gives way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTimes<K: Ord> {
    times: BTreeMap<K, i64>,
    order: BTreeSet<(i64, K)>,
}

impl<K: Ord + Clone> KeyTimes<K> {
    /// Notes a key at a time. Returns the older key that had to give way, if one had to.
    pub fn note(&mut self, key: K, at_ns: i64, keys_max: usize) -> Option<K> {
        if let Some(before_ns) = self.times.insert(key.clone(), at_ns) {
            self.order.remove(&(before_ns, key.clone()));
        }
        self.order.insert((at_ns, key));
        if self.times.len() <= keys_max {
            return None;
        }
        let (_, oldest) = self.order.pop_first()?;
        self.times.remove(&oldest);
        Some(oldest)
    }

    /// Forgets a key.
    pub fn forget(&mut self, key: &K) {
        if let Some((key, at_ns)) = self.times.remove_entry(key) {
            self.order.remove(&(at_ns, key));
        }
    }

    /// The newest time of a key.
    pub fn at_ns<Q: Ord + ?Sized>(&self, key: &Q) -> Option<i64>
    where
        K: Borrow<Q>,
    {
        self.times.get(key).copied()
    }
}

/// Something that another rule said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Saying {
    /// A match of a key.
    Matched(Vec<Value>),
    /// An instance began to fire.
    Fired(Vec<Value>),
    /// An instance fires no longer.
    Calmed(Vec<Value>),
    /// A trace was named.
    Named([u8; 16]),
}

/// What is known by the questions of one sampling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// By question.
    by_key: Vec<KeyTimes<Vec<Value>>>,
    named: KeyTimes<[u8; 16]>,
}

impl Facts {
    /// Takes what was said at a time, about one question. Returns whether something older had to
    /// be forgotten for it.
    pub fn take(&mut self, question: usize, saying: Saying, at_ns: i64) -> bool {
        if self.by_key.len() <= question {
            self.by_key.resize_with(question + 1, KeyTimes::default);
        }
        let known = &mut self.by_key[question];
        match saying {
            Saying::Matched(key) | Saying::Fired(key) => {
                known.note(key, at_ns, SAMPLE_FACT_KEYS_MAX).is_some()
            }
            Saying::Calmed(key) => {
                known.forget(&key);
                false
            }
            Saying::Named(id) => self.named.note(id, at_ns, SAMPLE_NAMED_MAX).is_some(),
        }
    }

    /// Whether something was said about one of the keys, at this time or later. Keys are a list of
    /// lists of values, as rows of traces hold them.
    pub fn holds(&self, question: usize, keys: &Value, from_ns: i64) -> bool {
        let (Some(known), Value::List(keys)) = (self.by_key.get(question), keys) else {
            return false;
        };
        keys.iter().any(|key| match key {
            Value::List(key) => known.at_ns(&key[..]).is_some_and(|at_ns| at_ns >= from_ns),
            _ => false,
        })
    }

    /// Whether a trace was named.
    pub fn is_named(&self, id: [u8; 16]) -> bool {
        self.named.at_ns(&id).is_some()
    }
}
