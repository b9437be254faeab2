//! Expressions: what rows mean, that columns agree, signatures of functions.

mod index;
mod meaning;
mod vector;

use tailwater_engine::plan::function::{all, check_regex, families};

#[test]
fn names_are_unique_and_signatures_hold() {
    let mut names: Vec<&str> = all().map(|function| function.def().name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 60, "{count} functions");
    for def in families().iter().flat_map(|family| family.functions) {
        assert!(def.example.0.starts_with(&format!("{}(", def.name)), "{}", def.name);
        assert!(def.doc.ends_with('.'), "{}", def.name);
        let optional = def.params.iter().position(|param| param.optional);
        assert!(optional.is_none_or(|at| at + 1 == def.params.len()), "{}", def.name);
    }
}

#[test]
fn a_bad_regular_expression_is_found_before_anything_runs() {
    assert_eq!(check_regex("^/api/[a-z]+$"), Ok(()));
    let reason = check_regex("a(b").expect_err("a group is open");
    assert!(reason.contains("unclosed group"), "{reason}");
    let reason = check_regex("(a{1000}){1000}").expect_err("too much memory");
    assert!(reason.contains("more than"), "{reason}");
    assert!(check_regex(&"a".repeat(5_000)).is_err());
}
