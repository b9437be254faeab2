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
