//! Pages that say which test shows what: the tests are there.

use std::collections::BTreeSet;
use std::fs;

use crate::tidy::{files, root};

/// What stands in backticks in the last column of the tables under a heading.
fn named(page: &str, heading: &str) -> Vec<String> {
    let (_, rest) = page.split_once(heading).expect("the page has this passage");
    let rows = rest.lines().skip(1).take_while(|line| !line.starts_with("## "));
    let last = rows.filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | "));
    last.flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// Names of all functions of the project's Rust files.
fn functions() -> BTreeSet<String> {
    let rust = files().into_iter().filter(|file| file.path.ends_with(".rs"));
    let names = |text: &str| -> Vec<String> {
        let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let after = text.split("fn ").skip(1);
        after.filter_map(|rest| rest.split(is_end).next()).map(str::to_owned).collect()
    };
    rust.flat_map(|file| names(&file.text)).collect()
}

#[test]
fn each_test_that_a_page_names_is_there() {
    let page = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let functions = functions();
    let is_there = |name: &String| {
        let is_path = name.contains('/');
        if is_path { root().join(name).exists() } else { functions.contains(name) }
    };
    for (heading, at_least) in [
        ("## What OTLP demands", 20),
        ("## What trace context", 5),
        ("## Limits of conn", 9),
        ("## Bad days", 25),
    ] {
        let named = named(&page, heading);
        assert!(named.len() >= at_least, "{heading}: {named:?}");
        let missing: Vec<&String> = named.iter().filter(|name| !is_there(name)).collect();
        assert!(missing.is_empty(), "{heading}: {missing:?}");
    }
}
