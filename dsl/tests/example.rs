//! The language's own example, as far as this version runs it, compiles without a complaint.

use tailwater_dsl::diagnostic::human;
use tailwater_dsl::hir::{BinaryOp, DeclarationKind, ExprKind, FieldRef, Late, Literal, Window};

use crate::{analyse, import};

pub(crate) const EXAMPLE: &str = include_str!("example.tw");

#[test]
fn the_example_compiles() {
    let analysis = analyse(EXAMPLE);
    let text = human(&analysis.diagnostics, &analysis.files, false);
    assert!(analysis.program.is_some(), "{text}");
    assert!(analysis.diagnostics.is_empty(), "{text}");
}

#[test]
fn the_example_means_what_it_says() {
    let program = analyse(EXAMPLE).program.expect("the example compiles");
    let names: Vec<&str> = program.declarations.iter().map(|d| d.name.as_str()).collect();
    let place = |name: &str| names.iter().position(|known| *known == name).unwrap();
    assert!(place("requests") < place("http"));
    assert!(place("http") < place("CheckoutErrors"));
    let DeclarationKind::Stream(stream) = &program.by_name("requests").unwrap().kind else {
        panic!("`requests` is a stream")
    };
    assert_eq!(stream.lateness_ns, Some(10_000_000_000));
    assert_eq!(stream.late, Late::Side("late_requests".to_owned()));
    assert_eq!(stream.dedupe.as_ref().unwrap().limit, 1_000_000);
    let DeclarationKind::Aggregate(http) = &program.by_name("http").unwrap().kind else {
        panic!("`http` is an aggregate")
    };
    let window = Window::Sliding { size_ns: 300_000_000_000, every_ns: 30_000_000_000 };
    assert_eq!(http.window, window);
    let items: Vec<&str> = http.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(items, ["n", "errors", "error_rate", "p50", "p95", "p99", "slowest"]);
    assert_eq!(http.calls.len(), 6, "count() and count() where … are two calls");
    let ExprKind::Binary(BinaryOp::Divide, left, _) = &http.items[2].value.kind else {
        panic!("`error_rate` is a quotient")
    };
    assert_eq!(left.kind, ExprKind::Field(FieldRef::Item("errors".to_owned())));
    let DeclarationKind::Alert(alert) = &program.by_name("CheckoutErrors").unwrap().kind else {
        panic!("`CheckoutErrors` is an alert")
    };
    assert_eq!(alert.by, ["service.name", "route"]);
    assert_eq!((alert.for_ns, alert.hold_ns), (120_000_000_000, 300_000_000_000));
    assert_eq!(program.tests[0].given[1].arrives_ns, Some(45_000_000_000));
    assert_eq!(program.tests[0].expect.len(), 4);
}

#[test]
fn an_import_sees_its_parameters_and_has_a_name_of_its_own() {
    assert!(import("std/slo").is_ok());
    let program = analyse(EXAMPLE).program.expect("the example compiles");
    let objective = program.params.iter().find(|p| p.name == "pay.objective").unwrap();
    assert_eq!(objective.value, Literal::Ratio(0.999));
    assert_eq!(objective.default, Literal::Ratio(0.99));
    let burn = program.by_name("pay.burn").expect("the import's aggregate is there");
    assert!(matches!(burn.kind, DeclarationKind::Aggregate(_)));
    let DeclarationKind::Stream(stream) = &program.by_name("pay.requests").unwrap().kind else {
        panic!("`pay.requests` is a stream")
    };
    let requests = program.by_name("requests").unwrap().id;
    assert_eq!(stream.input, tailwater_dsl::hir::SourceRef::Declaration(requests));
}
