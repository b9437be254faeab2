//! The README tells the truth: its rule is the example's, its output is the program's.

use std::fs;
use std::process::Command;

fn block<'a>(readme: &'a str, after: &str) -> &'a str {
    let (_, rest) = readme.split_once(after).expect("the README has this passage");
    let (_, rest) = rest.split_once("```").expect("a block follows");
    let (_, rest) = rest.split_once('\n').expect("the block has a language");
    rest.split_once("```").expect("the block ends").0
}

#[test]
fn the_rule_is_the_example() {
    let root = crate::tidy::root();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let example = fs::read_to_string(root.join("examples/errors.tw")).unwrap();
    assert_eq!(block(&readme, "`examples/errors.tw`:"), example);
}

#[test]
fn the_output_is_the_programs() {
    let root = crate::tidy::root();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let command = block(&readme, "Run it").trim();
    let arguments = command.strip_prefix("cargo run --release -- ").expect("one command");
    let run = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(arguments.split_whitespace())
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(String::from_utf8_lossy(&run.stdout), block(&readme, "and it says"));
}
