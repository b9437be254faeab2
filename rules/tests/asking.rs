//! What samplings may ask about other rules, and how long items wait for the answer.

use tailwater_engine::plan::{Plan, RuleKind, SampleRule};

use super::replay::plan;

const TRACES: &str = "stream all = spans lateness 1s
    traces shop from all close when (root and quiet 5s) or age 60s
    aggregate ops from shop.operations by service.name, name over tumbling(1m)
      select { n: sum(spans) }
    alert Slow from ops when n > 3 on no data keep
    aggregate edges from shop.edges by client, server over tumbling(1m) select { n: count() }
    alert Busy from edges when n > 3 on no data keep\n";

fn asked(sample: &str) -> Result<Plan, String> {
    plan(&format!("edition 1\n{TRACES}{sample} drop otherwise }} to archive"))
}

/// The sampling, and the names of the rules that it asks.
fn of(plan: &Plan) -> (&SampleRule, Vec<&str>) {
    let sample = plan.rules.iter().find_map(|rule| match &rule.kind {
        RuleKind::Sample(sample) => Some(&**sample),
        _ => None,
    });
    let sample = sample.expect("a sampling");
    (sample, sample.asked().map(|rule| &*plan.rules[rule.0 as usize].name).collect())
}

#[test]
fn keys_of_operations_are_those_of_spans() {
    for from in ["shop", "all"] {
        let plan = asked(&format!("sample {from} {{ keep when firing(Slow)")).unwrap();
        assert_eq!(of(&plan).1, ["Slow"]);
    }
}

#[test]
fn what_lies_between_services_is_no_key_of_one() {
    for from in ["shop", "all"] {
        let wrong = asked(&format!("sample {from} {{ keep when firing(Busy)")).unwrap_err();
        assert!(
            wrong.contains("`Busy` has the key `client`") && wrong.contains("E2004"),
            "{wrong}"
        );
        assert!(wrong.contains("fields or attributes of spans; what is between"), "{wrong}");
    }
}

#[test]
fn data_points_have_no_trace_to_be_named() {
    let wrong = asked("sample metrics { keep when named").unwrap_err();
    assert!(wrong.contains("data points have no trace") && wrong.contains("E2008"), "{wrong}");
}

#[test]
fn only_rules_that_may_name_a_trace_are_waited_for() {
    let rules = "aggregate counts from all by service.name over tumbling(1h) select { n: count() }
        aggregate worst from all by service.name over tumbling(30s) select { e: exemplar() }
        rows top_worst = worst top 3 by e
        rows no_names = worst select { other: 1 }
        pattern pairs by trace.id within 45s { a: all then b: all } select { n: 1 }
        pattern others by service.name within 90s { a: all then b: all } select { n: 1 }
        alert Item from all where status == error hold 1s annotations { at: \"in {trace.id}\" }
        alert Count from counts when n > 3 on no data keep\n";
    let plan = asked(&format!("{rules} sample all {{ keep when named")).unwrap();
    let (sample, asked) = of(&plan);
    assert_eq!(asked, ["worst", "top_worst", "pairs", "Item"]);
    assert_eq!(sample.named_wait_ns, 45_000_000_000);
}

#[test]
fn nobody_waits_longer_than_the_bound() {
    let rules = "aggregate worst from all over tumbling(1d) select { e: exemplar() }\n";
    let plan = asked(&format!("{rules} sample all {{ keep when named")).unwrap();
    assert_eq!(of(&plan).0.named_wait_ns, 300_000_000_000);
}
