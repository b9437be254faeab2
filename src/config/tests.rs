//! Files with one character too few or too many: nothing falls over, no secret is shown.

use std::path::PathBuf;

use super::*;

const YAML: &str = "\
# a comment
listeners:
  otlp_grpc: &grpc
    address: 127.0.0.1:0
    tokens: [hunter2-horse, 'hunter2-horse', \"hunter2-horse\"] # hunter2-horse
  lines:
    tokens:
      - hunter2-horse
      - |
        hunter2-horse
sinks:
  pager: { type: webhook, url: 'http://h/', headers: { Key: hunter2-horse } }
";

const TOML: &str = "\
workers = 2 # hunter2-horse
[listeners.lines]
tokens = ['hunter2-horse', \"hunter2-horse\", \"\"\"
hunter2-horse\"\"\"]
[sinks.pager]
type = 'webhook'
url = 'http://h/'
headers = { Key = 'hunter2-horse' }
";

/// What is said about a file, in every form.
fn said(path: &str, text: &str) -> String {
    let source = Source { path: PathBuf::from(path), text: text.to_owned() };
    match of_source(source) {
        Ok(mut loaded) => loaded.yaml() + &loaded.json().to_string(),
        Err(Wrong(mistakes)) => mistakes.human(false) + &mistakes.json() + &mistakes.github(),
    }
}

fn shows_no_secret(path: &str, text: &str) {
    let said = said(path, text);
    // A character of it may be missing, not all of both halves.
    assert!(!said.contains("hunter2") && !said.contains("horse"), "{text}\n{said}");
}

#[test]
fn a_character_more_or_less_shows_no_secret() {
    for (path, good) in [("a.yaml", YAML), ("a.toml", TOML)] {
        shows_no_secret(path, good);
        let places = good.char_indices().map(|(at, _)| at);
        for at in places.chain([good.len()]) {
            let (left, right) = good.split_at(at);
            shows_no_secret(path, left);
            let mut rest = right.chars();
            rest.next();
            shows_no_secret(path, &format!("{left}{}", rest.as_str()));
            for c in "\"'{}[]:,#&*!|>%@-=$ \n\t\0a\u{fc}".chars() {
                shows_no_secret(path, &format!("{left}{c}{right}"));
            }
        }
    }
}
