//! Rule tests run: those that hold pass, those that do not say what was found.

use std::sync::Arc;

use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Options, SourceFile};
use tailwater_rules::{TestResult, catalog, lower, run_tests};

const RULES: &str = r#"
edition 1
stream requests = spans
  where kind == server and service.namespace == "shop"
  set   { route: http.route ?? url.path ?? "(none)" }
  lateness 10s
aggregate http from requests
  by     service.name, route
  over   tumbling(1m)
  select { n: count(), error_rate: ratio(status == error), p99(duration) }
  having n >= 20
alert CheckoutErrors from http where service.name == "checkout"
  when     error_rate > 5% and p99 > 750ms
  for 2m   hold 5m   on no data resolve
  severity critical   labels { team: "payments" }
"#;

fn results(test: &str) -> Vec<TestResult> {
    let text = format!("{RULES}\n{test}");
    let file = SourceFile { id: FileId(0), name: "test.tw".to_owned(), text };
    let analysis = tailwater_dsl::compile(&[file], &catalog(), &Options::default());
    let human = tailwater_dsl::diagnostic::human(&analysis.diagnostics, &analysis.files, false);
    let program = analysis.program.unwrap_or_else(|| panic!("{human}"));
    let plan = Arc::new(lower(&program).unwrap());
    run_tests(&program, &plan).unwrap()
}

const GIVEN: &str = r#"given {
    0s   span checkout "POST /pay" server {service.namespace: "shop", http.route: "/pay"} ok 120ms x100 every 1s
    30s  span checkout "POST /pay" server {service.namespace: "shop", http.route: "/pay"} error 900ms x400 every 500ms
  }"#;

#[test]
fn what_holds_passes() {
    let expect = r#"expect {
    aggregate http at 1m { route: "/pay" }
    aggregate http at 2m { service.name: "checkout", route: "/pay" }
    alert CheckoutErrors pending by 1m { service.name: "checkout" }
    alert CheckoutErrors firing  by 4m
    none  alert CheckoutErrors before 1m
  }"#;
    let results = results(&format!("test \"errors page\" {{\n  {GIVEN}\n  {expect}\n}}"));
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].failures, []);
    assert_eq!(results[0].expectations, 5);
}

#[test]
fn what_does_not_hold_says_what_was_found() {
    let expect = r#"expect {
    alert CheckoutErrors firing by 1m
    none aggregate http at 1m
    aggregate http at 1m { route: "/other" }
  }"#;
    let results = results(&format!("test \"too early\" {{\n  {GIVEN}\n  {expect}\n}}"));
    let failures = &results[0].failures;
    assert_eq!(failures.len(), 3);
    assert_eq!(failures[0].expected, "`CheckoutErrors` firing by 1m");
    let pending = "1m  pending {service.name: checkout, route: /pay, team: payments}";
    assert_eq!(failures[0].found[0], pending);
    assert_eq!(failures[1].expected, "none: a row of `http` at 1m");
    let row =
        "1m  {service.name: checkout, route: /pay, n: 119, error_rate: 49.5798%, p99: 901.119ms}";
    assert_eq!(failures[2].found[0], row);
}

const SAMPLED: &str = r#"
stream s = spans lateness 1s
traces all from s close when quiet 5s
sample all {
  slow:   shadow keep when duration > 15ms
  failed: keep when has({status == error})
  rest:   keep 10% otherwise
} to archive
sample logs { bad: keep when severity >= error  rest: drop otherwise } to archive
test "sampled" {
  given {
    0s span shop "GET /{n}" server { trace.id: "good {n}", span.id: "1" } ok 10ms x1000 every 10ms
    1s span shop "GET /"  server { trace.id: "bad", span.id: "1" } ok 20ms
    1s span bank "charge" client { trace.id: "bad", span.id: "2", parent.id: "1" } error 10ms
    1s span bank "odd" client { trace.id: "000000000000000000000000000000a1", span.id: "1" } ok 1ms
    2s log shop error "no" x3 every 1s
    2s log shop info "yes"
  }
  expect {"#;

fn sampled(expect: &str) -> Vec<(String, Vec<String>)> {
    let results = results(&format!("{SAMPLED}\n{expect}\n  }}\n}}"));
    let failures = results.into_iter().next().unwrap().failures;
    failures.into_iter().map(|failure| (failure.expected, failure.found)).collect()
}

#[test]
fn samplings_are_counted_by_line_and_asked_for_one_trace() {
    let holds = r#"
    sample all kept { trace.id: "bad", line: "failed" }
    sample all kept by 10s { trace.id: "bad" }
    sample all dropped { trace.id: "000000000000000000000000000000a1", line: "rest" }
    none sample all dropped { line: "failed" }
    sample all kept count 1 { line: "failed" }
    sample all kept count 1 { line: "slow" }
    none sample all kept { trace.id: "nobody" }
    none sample all dropped { trace.id: "nobody" }
    sample logs kept count 3 { line: "bad" }
    sample logs kept count 3
    sample logs dropped count 1"#;
    assert_eq!(sampled(holds), []);
    let found = sampled("sample all dropped { trace.id: \"bad\" }\nsample logs kept count 4");
    let wanted = [
        ("trace `bad` dropped by `sample all`", vec!["6s20ms  kept by line `failed`"]),
        (
            "4 times: a case kept by `sample logs`",
            vec!["line `bad`: 3 kept, 0 dropped", "line `rest`: 0 kept, 1 dropped"],
        ),
    ];
    let wanted = wanted.map(|(what, found)| {
        (what.to_owned(), found.into_iter().map(str::to_owned).collect::<Vec<_>>())
    });
    assert_eq!(found, wanted);
}

#[test]
fn repeated_items_are_traces_of_their_own_and_a_share_of_them_is_kept() {
    let found = sampled("sample all kept count 0 { line: \"rest\" }");
    let line = found[0].1.iter().find(|line| line.starts_with("line `rest`")).unwrap();
    let kept: u64 = line.split(' ').nth(2).unwrap().parse().unwrap();
    assert!((70..=130).contains(&kept), "a tenth of 1 001: {line}");
    let all: u64 = line.split(' ').nth(4).unwrap().parse::<u64>().unwrap() + kept;
    assert_eq!(all, 1_001);
}

#[test]
fn spans_that_say_no_ids_are_no_duplicates_of_one_another() {
    let test = r#"stream s = spans dedupe by trace.id, span.id within 10m limit 1000 lateness 10s
aggregate n from s over tumbling(1m) select { n: count(), traces: distinct(trace.id) }
test "each is one of its own" {
  given {
    0s span shop "GET /" server ok 10ms x10 every 1s
    1s span shop "GET /" server ok 10ms x10 every 1s
    2s span shop "GET /" server { trace.id: "one" } ok 10ms x2 every 1s
  }
  expect { aggregate n at 1m { n: 22, traces: 21 } }
}"#;
    assert_eq!(results(test)[0].failures.len(), 0);
}

/// Duplicates are results of a test that is about them, though of nothing else.
#[test]
fn duplicates_of_a_correlation_can_be_expected() {
    let expected = |expect: &str| {
        let results = results(&format!(
            "correlate c {{ s: spans where name == \"job\", l: logs }} on service.name \
             within [0s, 5s] pick first select {{ after: l.time - s.time }}\n\
             test \"t\" {{ given {{ 1s span a \"job\" 1s 3s log a info \"x\" 4s log a info \"y\" }} \
             expect {{ {expect} }} }}"
        ));
        results[0].failures.is_empty()
    };
    assert!(expected("correlate c.duplicates count 1"));
    assert!(!expected("none correlate c.duplicates"));
    assert!(expected("correlate c.matched count 1 { after: 1s }"));
}
