//! Calls and words that must not appear, with what to write instead.

use super::Finding;
use super::source::{code_only, is_test_file, line_of, without_tests};

/// A call, what to do instead, and the folders that may use it.
struct Ban {
    call: &'static str,
    instead: &'static str,
    allowed: &'static [&'static str],
}

const BANS: [Ban; 13] = [
    ban("SystemTime::now", "time enters as a recorded tick", &["src/", CLOCK]),
    ban("Instant::now", "measure at the command line's edge", &["src/", CLOCK]),
    ban("thread::sleep", "park on a channel or an activator", &[]),
    ban("env::var", "the command line reads the environment", &["src/"]),
    ban("mpsc::channel", "a bounded channel with a named limit", &[]),
    ban("::unbounded", "a bounded channel with a named limit", &[]),
    ban("unbounded()", "a bounded channel with a named limit", &[]),
    ban(".unwrap()", "`?`, or `expect` with the reason why it cannot fail", &[]),
    ban("println!", "return it: only the command line prints", &["src/"]),
    ban("eprintln!", "return it: only the command line prints", &["src/"]),
    ban("dbg!", "nothing", &[]),
    ban("process::exit", "return an exit code from `main`", &[]),
    ban("std::collections::Hash", "hashbrown with a fixed hasher, or a BTree", &[]),
];

/// Arrival times and deadlines: the one file of the engine that looks at a clock.
const CLOCK: &str = "engine/src/clock.rs";

const fn ban(call: &'static str, instead: &'static str, allowed: &'static [&'static str]) -> Ban {
    Ban { call, instead, allowed }
}

/// Banned calls outside tests.
pub(crate) fn calls(path: &str, text: &str) -> Vec<Finding> {
    if is_test_file(path) {
        return Vec::new();
    }
    let code = without_tests(&code_only(text));
    let mut findings = Vec::new();
    for ban in &BANS {
        if ban.allowed.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        for (at, _) in code.match_indices(ban.call) {
            let is_longer_name = ban.call == "println!" && code[..at].ends_with('e');
            if !is_longer_name {
                let message = format!("`{}` is banned: {}", ban.call, ban.instead);
                findings.push(Finding::new(path, line_of(&code, at), message));
            }
        }
    }
    findings
}

/// Words that have no place in the project. Joined here, so that this file may hold them.
const WORDS: [&str; 9] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("artif", "actory"),
    concat!("index.crates", ".io"),
    concat!("files.python", "hosted"),
];

/// Notes to self, paths of a machine, package hosts.
pub(crate) fn words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in WORDS.iter().filter(|word| line.contains(*word)) {
            findings.push(Finding::new(path, index + 1, format!("`{word}` has no place here")));
        }
    }
    findings
}

#[test]
fn a_banned_call_is_found_outside_tests() {
    let text = "fn a() { b().unwrap(); }\n#[cfg(test)]\nmod tests { fn c() { d().unwrap(); } }";
    let found = calls("engine/src/a.rs", text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].line, 1);
    assert_eq!(calls("engine/tests/a.rs", text).len(), 0);
    assert_eq!(calls("engine/src/a.rs", "fn a() { eprintln!(1); }").len(), 1);
    assert_eq!(calls("src/main.rs", "fn a() { println!(1); }").len(), 0);
    assert_eq!(calls("engine/src/a.rs", "// use `.unwrap()`").len(), 0);
}

#[test]
fn a_banned_word_is_found() {
    assert_eq!(words("a.md", concat!("see /ro", "ot/x")).len(), 1);
    assert_eq!(words("a.rs", concat!("// FIX", "ME")).len(), 1);
    assert_eq!(words("a.md", "to do").len(), 0);
}
