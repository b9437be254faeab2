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

/// Words of a command line, where single quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_command_runs_and_says_something() {
    let root = crate::tidy::root();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let commands = readme.lines().filter_map(|l| l.strip_prefix("cargo run --release -- "));
    let mut count = 0;
    for command in commands {
        let run = Command::new(env!("CARGO_BIN_EXE_tailwater"))
            .args(words(command))
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
        assert!(!run.stdout.is_empty() || command.starts_with("check"), "{command}");
        assert!(!String::from_utf8_lossy(&run.stderr).contains("warning"), "{command}");
        count += 1;
    }
    assert!(count >= 6, "{count} commands");
}
