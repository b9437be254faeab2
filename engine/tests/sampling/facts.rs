//! What other rules said: answers by key, and what is forgotten.

use tailwater_engine::limits::{SAMPLE_FACT_KEYS_MAX, SAMPLE_NAMED_MAX};
use tailwater_engine::model::Value;
use tailwater_engine::sampling::{Facts, Saying};

fn keys(keys: &[&[i64]]) -> Value {
    let key = |key: &&[i64]| Value::List(key.iter().map(|n| Value::Int(*n)).collect());
    Value::List(keys.iter().map(key).collect())
}

fn key(n: i64) -> Vec<Value> {
    vec![Value::Int(n)]
}

#[test]
fn an_answer_is_about_one_question_and_any_key_of_the_trace() {
    let mut facts = Facts::default();
    assert!(!facts.holds(0, &keys(&[&[1]]), i64::MIN));
    facts.take(1, Saying::Matched(key(2)), 10);
    assert!(facts.holds(1, &keys(&[&[1], &[2]]), 10));
    assert!(!facts.holds(1, &keys(&[&[1], &[2]]), 11), "the match was before");
    assert!(!facts.holds(0, &keys(&[&[2]]), 0), "another question");
    assert!(!facts.holds(1, &keys(&[&[2, 2], &[]]), 0), "another key");
    facts.take(1, Saying::Matched(Vec::new()), 12);
    assert!(facts.holds(1, &keys(&[&[]]), 11), "a match of no key is every trace's");
}

#[test]
fn what_fires_no_longer_holds_no_longer() {
    let mut facts = Facts::default();
    facts.take(0, Saying::Fired(key(1)), 10);
    facts.take(0, Saying::Fired(key(2)), 11);
    facts.take(0, Saying::Calmed(key(1)), 12);
    assert!(!facts.holds(0, &keys(&[&[1]]), i64::MIN));
    assert!(facts.holds(0, &keys(&[&[1], &[2]]), i64::MIN));
}

#[test]
fn the_oldest_is_forgotten_at_the_bound_and_that_is_told() {
    let mut facts = Facts::default();
    let all = SAMPLE_FACT_KEYS_MAX as i64;
    for n in 0..all {
        assert!(!facts.take(0, Saying::Matched(key(n)), n));
    }
    assert!(!facts.take(0, Saying::Matched(key(0)), all), "a key that is known is newest now");
    assert!(facts.take(0, Saying::Matched(key(all)), all));
    assert!(facts.holds(0, &keys(&[&[0]]), 0));
    assert!(!facts.holds(0, &keys(&[&[1]]), 0), "the oldest");
    assert!(facts.holds(0, &keys(&[&[2]]), 0));

    let id = |n: u128| n.to_be_bytes();
    let named = SAMPLE_NAMED_MAX as u128;
    let told = (0..=named).filter(|n| facts.take(0, Saying::Named(id(*n)), *n as i64)).count();
    assert_eq!(told, 1);
    assert!(!facts.is_named(id(0)) && facts.is_named(id(1)) && facts.is_named(id(named)));
}
