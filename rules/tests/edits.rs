//! Rules that are right, with a slip in them: what is offered to mend it does so.
//!
//! Each case makes one slip at one place of a shipped pack, an example or a block of the reference:
//! a misspelt word, a word too many or too few, two words in the wrong order, a habit of another
//! language. The cases are the same in every run.

use std::fs;
use std::path::Path;

use tailwater_dsl::catalog::Catalog;
use tailwater_dsl::diagnostic::{Applicability, Diagnostic, Edit, apply_edits, human};
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Analysis, NoImport, Options, SourceFile};
use tailwater_rules::{PACKS, catalog, pack};

/// Larger texts take long to compile, and say nothing that smaller ones do not.
const TEXT_BYTES_MAX: usize = 9_000;

/// What people write who know other languages, in place of what stands there.
const HABITS: [(&str, &str); 28] = [
    ("==", "="),
    (":", "="),
    ("=", ":"),
    ("and", "AND"),
    ("or", "||"),
    ("not", "!"),
    ("then", "->"),
    ("then", "and"),
    ("then", "AND"),
    ("by", "group by"),
    ("where", "WHERE"),
    ("[", "("),
    ("]", ""),
    ("[", ""),
    ("{", ""),
    ("}", ""),
    ("(", " "),
    (")", ""),
    (",", ""),
    (",", ";"),
    ("5m", "5 minutes"),
    ("1m", "1"),
    ("10s", "10 s"),
    ("5%", "5"),
    ("=", "from"),
    ("from", "="),
    ("matches", "like"),
    ("matches", "=~"),
];

fn import(path: &str) -> Result<String, NoImport> {
    pack(path).map(|pack| pack.text.to_owned()).ok_or(NoImport::Absent)
}

fn analyse(text: &str, catalog: &Catalog) -> Analysis {
    let file = SourceFile { id: FileId(0), name: "rules.tw".to_owned(), text: text.to_owned() };
    tailwater_dsl::compile(&[file], catalog, &Options { importer: &import, ..Options::default() })
}

/// Texts of rules that compile: packs, examples, blocks of the reference.
fn texts(catalog: &Catalog) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file of the tree");
    let mut texts: Vec<String> = PACKS.iter().map(|pack| pack.text.to_owned()).collect();
    for path in [
        "examples/errors.tw",
        "examples/jobs_entities/rules.tw",
        "deploy/rules/example.tw",
        "tests/e2e/rules.tw",
    ] {
        texts.push(read(path));
    }
    for page in ["docs/language.md", "docs/sampling.md", "docs/semantics.md"] {
        let page = read(page);
        let blocks = page.split("```tw\n").skip(1);
        texts.extend(blocks.map(|block| block.split("```").next().unwrap_or(block).to_owned()));
    }
    texts.retain(|text| text.len() < TEXT_BYTES_MAX && analyse(text, catalog).program.is_some());
    texts
}

/// Numbers that look drawn, the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// The parts of a text: words, numbers, texts in quotes, signs; blanks and comments apart.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_in = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%');
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let mut escaped = true;
                let end = rest.char_indices().find(|&(_, c)| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                end.filter(|&(at, _)| at > 0).map_or(rest.len(), |(at, _)| at + 1)
            }
            _ if first.is_whitespace() => {
                rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len())
            }
            _ if is_in(first) => rest.find(|c| !is_in(c)).unwrap_or(rest.len()),
            _ => ["==", "!=", "<=", ">=", "??", ">>"]
                .iter()
                .find(|sign| rest.starts_with(**sign))
                .map_or(first.len_utf8(), |sign| sign.len()),
        };
        let (part, behind) = rest.split_at(length);
        parts.push(part);
        rest = behind;
    }
    parts
}

/// A word with one letter wrong.
fn misspelt(word: &str, draw: &mut Draw) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = draw.below(letters.len());
    let other = b"aeiostrn"[draw.below(8)] as char;
    match draw.below(5) {
        0 => drop(letters.remove(at)),
        1 if at + 1 < letters.len() => letters.swap(at, at + 1),
        2 => letters.insert(at, other),
        3 => letters.push('s'),
        _ => letters[at] = other,
    }
    letters.into_iter().collect()
}

/// A text with one slip in it.
fn slipped(text: &str, draw: &mut Draw) -> String {
    let mut parts: Vec<String> = parts(text).into_iter().map(str::to_owned).collect();
    let says = |part: &String| !part.trim().is_empty() && !part.starts_with("//");
    let places: Vec<usize> = (0..parts.len()).filter(|&at| says(&parts[at])).collect();
    let is_word = |part: &str| part.len() > 2 && part.as_bytes()[0].is_ascii_alphabetic();
    let pick = draw.below(places.len());
    let at = places[pick];
    let next = places.get(pick + 1).copied().unwrap_or(at);
    match draw.below(10) {
        0 => parts[at] = String::new(),
        1 => parts[at] = format!("{0} {0}", parts[at]),
        2 => parts.swap(at, next),
        3 | 4 => {
            let (from, to) = HABITS[draw.below(HABITS.len())];
            let found: Vec<usize> = (0..parts.len()).filter(|&at| parts[at] == from).collect();
            if !found.is_empty() {
                to.clone_into(&mut parts[found[draw.below(found.len())]]);
            }
        }
        _ => {
            let words: Vec<usize> = places.into_iter().filter(|&at| is_word(&parts[at])).collect();
            let at = words[draw.below(words.len())];
            parts[at] = misspelt(&parts[at], draw);
        }
    }
    parts.concat()
}

fn errors(analysis: &Analysis) -> Vec<(&'static str, &str)> {
    let errors = analysis.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    errors.map(|d| (d.code.as_str(), d.message.as_str())).collect()
}

/// Whether some error is there more often than before.
fn has_new(after: &Analysis, before: &Analysis) -> bool {
    let (after, before) = (errors(after), errors(before));
    let count = |of: &[_], wanted| of.iter().filter(|&&error| error == wanted).count();
    after.iter().any(|&error| count(&after, error) > count(&before, error))
}

fn mended(text: &str, diagnostic: &Diagnostic) -> String {
    let mut diagnostic = diagnostic.clone();
    for edit in &mut diagnostic.edits {
        edit.applicability = Applicability::Safe;
    }
    apply_edits(text, std::slice::from_ref(&diagnostic))
}

/// What is wrong with an offer, if anything.
fn wrong(
    text: &str,
    before: &Analysis,
    diagnostic: &Diagnostic,
    catalog: &Catalog,
) -> Option<String> {
    let fixed = mended(text, diagnostic);
    let after = analyse(&fixed, catalog);
    let is_safe = |edit: &Edit| edit.applicability == Applicability::Safe;
    let why = if diagnostic.edits.iter().all(is_safe) && has_new(&after, before) {
        "is called safe, and makes new errors"
    } else if is_still_wrong(diagnostic, before, &after) {
        "leaves what is wrong, or makes another error there"
    } else {
        return None;
    };
    let found = &diagnostic.edits[0];
    Some(format!(
        "── {} `{}`, an offer to write `{}`, {why} ──\n{}\n── then ──\n{}",
        diagnostic.code.as_str(),
        &text[found.range.bytes()],
        found.replacement,
        human(std::slice::from_ref(diagnostic), &before.files, false),
        human(&after.diagnostics, &after.files, false),
    ))
}

/// Whether, where an edit was made, the same is reported again, or an error that was not before.
fn is_still_wrong(diagnostic: &Diagnostic, before: &Analysis, after: &Analysis) -> bool {
    let mut edits: Vec<&Edit> = diagnostic.edits.iter().collect();
    edits.sort_by_key(|edit| edit.range.start);
    let is_same = |a: &Diagnostic, b: &Diagnostic| (a.code, &a.message) == (b.code, &b.message);
    let is_known =
        |error: &Diagnostic| before.diagnostics.iter().any(|known| is_same(known, error));
    let mut shift = 0_i64;
    edits.into_iter().any(|edit| {
        let start = i64::from(edit.range.start) + shift;
        let end = start + edit.replacement.len() as i64;
        shift += edit.replacement.len() as i64 - edit.range.bytes().len() as i64;
        after.diagnostics.iter().any(|other| {
            let at = other.range();
            let is_there = i64::from(at.start) < end && start < i64::from(at.end);
            is_there && (is_same(other, diagnostic) || (other.is_error() && !is_known(other)))
        })
    })
}

#[test]
fn what_is_offered_for_a_slip_mends_it() {
    let catalog = catalog();
    let texts = texts(&catalog);
    assert!(texts.len() > 20, "only {} texts", texts.len());
    // The full sweep is a command of its own: see docs/testing.md.
    let cases = std::env::vars().find(|(name, _)| name == "EDIT_CASES");
    let cases: u64 = cases.and_then(|(_, n)| n.parse().ok()).unwrap_or(400);
    let (mut offers, mut failures) = (0, Vec::new());
    for case in 0..cases {
        let mut draw = Draw((case + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        draw.below(1);
        let text = slipped(&texts[draw.below(texts.len())], &mut draw);
        let before = analyse(&text, &catalog);
        for diagnostic in before.diagnostics.iter().filter(|d| !d.edits.is_empty()).take(4) {
            offers += 1;
            failures.extend(wrong(&text, &before, diagnostic, &catalog));
        }
        let safe = apply_edits(&text, &before.diagnostics);
        if safe != text && errors(&analyse(&safe, &catalog)).len() > errors(&before).len() {
            failures.push(format!("── all that is safe makes it worse ──\n{text}\n──\n{safe}"));
        }
    }
    assert!(failures.is_empty(), "{} of {offers}:\n{}", failures.len(), failures.join("\n"));
    assert!(offers as u64 > cases / 4, "only {offers} offers");
}
