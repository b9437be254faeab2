//! Rules from strangers: every text ends in rules or in diagnostics, soon, and never in a panic.
//!
//! Work is bounded by the limits of the language. Times are asserted once, generously, on the
//! texts that would take minutes if one pass were quadratic in them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tailwater_dsl::diagnostic::{github, human, json};
use tailwater_dsl::limits::{
    DECLARATIONS_MAX, DIAGNOSTICS_MAX, FILES_MAX, NESTING_MAX, SOURCE_BYTES_MAX,
};
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Analysis, NoImport, Options, SourceFile, compile, format};

use crate::{analyse, catalog, file};

/// Wall clock for one text of 1 MiB. Each takes well under a second with optimisation and up to
/// twelve without it; a quadratic pass takes many minutes.
const LONG: Duration = Duration::from_mins(2);

#[allow(clippy::disallowed_methods, reason = "a test measures the wall clock")]
fn now() -> Instant {
    Instant::now()
}

type Importer<'a> = &'a (dyn Fn(&str) -> Result<String, NoImport> + Sync);

/// What holds for every text; what can be formatted can be formatted again.
fn holds(text: &str) -> Analysis {
    let formatted = format(text).ok().filter(|formatted| formatted.len() <= SOURCE_BYTES_MAX);
    if let Some(formatted) = formatted {
        let again = format(&formatted).expect("formatted text can be read");
        assert_eq!(again, formatted, "formatting twice");
    }
    holds_unformatted(text)
}

fn holds_unformatted(text: &str) -> Analysis {
    let analysis = analyse(text);
    let diagnostics = &analysis.diagnostics;
    let has_error = diagnostics.iter().any(tailwater_dsl::diagnostic::Diagnostic::is_error);
    assert_eq!(analysis.program.is_none(), has_error, "rules without errors, or errors");
    assert!(diagnostics.len() <= DIAGNOSTICS_MAX + 1, "{} diagnostics", diagnostics.len());
    for diagnostic in diagnostics {
        let edits = diagnostic.edits.iter().map(|edit| edit.range);
        for range in diagnostic.labels.iter().map(|label| label.range).chain(edits) {
            let file = analysis.files.iter().find(|file| file.id == range.file);
            let text = &file.expect("a range is in one of the files").text;
            assert!(text.get(range.bytes()).is_some(), "{diagnostic:?} is not in the text");
        }
    }
    let few = &diagnostics[..diagnostics.len().min(20)];
    human(few, &analysis.files, false);
    json(few, &analysis.files);
    github(few, &analysis.files);
    analysis
}

fn codes(analysis: &Analysis) -> Vec<&'static str> {
    analysis.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect()
}

/// A text of 1 MiB is answered in time, by errors.
fn long(name: &str, text: &str) -> Analysis {
    assert!(text.len() <= SOURCE_BYTES_MAX, "{name}: {} bytes are refused unread", text.len());
    let begun = now();
    let analysis = holds_unformatted(text);
    human(&analysis.diagnostics, &analysis.files, false);
    let took = begun.elapsed();
    assert!(took < LONG, "{name}: {took:?}");
    assert!(analysis.program.is_none(), "{name}: no error");
    analysis
}

/// A head, as many pieces as fit into the largest file, and a tail.
fn filled(head: &str, piece: &str, tail: &str) -> String {
    let room = SOURCE_BYTES_MAX - head.len() - tail.len();
    format!("{head}{}{tail}", piece.repeat(room / piece.len()))
}

/// Words, signs and values of the language.
fn token() -> impl Strategy<Value = String> {
    let words = "edition import as param const fn stream aggregate rows alert route test sample \
                 keep drop shadow otherwise rate target matched firing named follow mark per \
                 from where set at dedupe by within limit lateness late side amend over select \
                 having groups overflow results every to join before on no data top asc when \
                 until for hold severity labels annotations with other given expect none span log \
                 count firing x100 arrives and or not in if then else true false null matches \
                 contains starts_with spans logs http a b duration status kind error server \
                 service.name attr resource avg p99 max tumbling sliding session ( ) [ ] { } , : . \
                 = == != < <= > >= + - * / % ?? && || ! =~ 1 5s 10m 1h30m 5% 4KiB 1e9 \
                 2026-01-01T00:00:00Z \"x\" r\"(\" \"{n}\" \"{\" ' \" // /* */ /// \\ $ é 🦀";
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    proptest::sample::select(words)
}

fn soup() -> impl Strategy<Value = String> {
    let blank = prop_oneof![3 => Just(" "), 1 => Just("\n"), 1 => Just("")];
    proptest::collection::vec((token(), blank), 0..60)
        .prop_map(|parts| parts.into_iter().map(|(word, blank)| word + blank).collect())
}

/// The start of a declaration, so that soup reaches the checks too.
fn head() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("stream s = spans where "),
        Just("stream s = spans set { a: "),
        Just("aggregate a from spans over tumbling(1m) select { x: "),
        Just("aggregate a from spans by service.name "),
        Just("rows r = a join a before 1h as was on "),
        Just("alert A from a when "),
        Just("alert A from spans annotations { s: \"{"),
        Just("fn f(x) = "),
        Just("const c = "),
        Just("test \"t\" { given { 0s span "),
        Just("test \"t\" { expect { aggregate a "),
        Just("import \"std/slo\" as pay { "),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn token_soup_ends_in_diagnostics(text in soup()) {
        holds(&text);
    }

    #[test]
    fn soup_inside_declarations_ends_in_diagnostics(
        parts in prop::collection::vec((head(), soup()), 1..4)
    ) {
        let parts = parts.into_iter().map(|(head, soup)| format!("{head}{soup}\n"));
        let text: String = parts.collect();
        holds(&text);
    }

    #[test]
    fn bytes_end_in_diagnostics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        holds(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_damaged_example_ends_in_diagnostics(
        at in 0_usize..3_000, length in 0_usize..40, with in soup()
    ) {
        let text = crate::example::EXAMPLE;
        let cut = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        let from = cut(at).unwrap_or(0);
        let to = cut(from + length).unwrap_or(from).max(from);
        holds(&format!("{}{with}{}", &text[..from], &text[to..]));
    }

    #[test]
    fn a_text_cut_anywhere_ends_in_diagnostics(at in 0_usize..3_000) {
        let text = crate::example::EXAMPLE;
        let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        holds(&text[..at.unwrap_or(0)]);
    }
}

#[test]
fn nesting_stops_at_its_limit() {
    let brackets = [("(", ")"), ("[", "]"), ("if true then ", " else 1"), ("lower(", ")")];
    for (open, close) in brackets {
        let nested =
            |levels: usize| format!("const c = {}1{}\n", open.repeat(levels), close.repeat(levels));
        let deep = holds(&nested(NESTING_MAX + 1));
        assert_eq!(codes(&deep), ["E0005"], "`{open}` {} deep", NESTING_MAX + 1);
        assert!(!codes(&holds(&nested(NESTING_MAX - 1))).contains(&"E0005"), "`{open}`");
    }
    for word in ["not ", "- ", "!"] {
        let text = format!("const c = {}true\n", word.repeat(100_000));
        assert!(codes(&holds(&text)).contains(&"E0006"), "100000 times `{word}`");
    }
}

#[test]
fn a_mebibyte_of_one_sign_is_answered_in_time() {
    for sign in ["(", "[", "{", ")", "!", "-", "not ", "/*", "\"", "'", "“", "=", ".", ",", ":"] {
        long(sign, &filled("stream a = spans where ", sign, ""));
    }
    for sign in ["( ", "{ ", "( {", "a ", "1 ", "\n", "a\n", "alrt x\n", "é", "\u{0}", "\"\n"] {
        holds(&filled("", sign, ""));
    }
    let comments = filled("", "/* ", "*/");
    assert!(holds(&comments).program.is_some(), "one comment, as they do not nest");
}

#[test]
fn a_file_beyond_its_limit_is_refused_unread() {
    let text = " ".repeat(SOURCE_BYTES_MAX + 1);
    assert_eq!(codes(&holds(&text)), ["E0006"]);
}

#[test]
fn very_long_names_and_values_are_answered_in_time() {
    for (name, head, piece, tail) in [
        ("a name", "const ", "a", " = 1"),
        ("a source", "stream s = ", "a", " lateness 1s"),
        ("a function", "const c = ", "a", "()"),
        ("a number", "const c = ", "9", ""),
        ("a fraction", "const c = 1.", "9", "s"),
        ("units", "const c = ", "1h", ""),
        ("a regex", "stream s = spans where name matches r\"", "(a|b)*", "\" lateness 1s"),
        ("operators", "const c = 1", " + 1", ""),
        ("comparisons", "const c = 1", " < 1", ""),
        ("a path", "stream s = spans where a", ".a", " == 1 lateness 1s "),
    ] {
        let tail = format!("{tail}\nstream broken = nothing lateness 1s\n");
        long(name, &filled(head, piece, &tail));
    }
    let text = filled("const c = \"", "x", "\"");
    assert!(holds(&text).program.is_some(), "a long text is a text");
}

#[test]
fn huge_lists_are_answered_in_time() {
    let numbered = |head: &str, piece: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        for index in 0.. {
            let next = piece(index);
            if text.len() + next.len() + tail.len() > SOURCE_BYTES_MAX {
                break;
            }
            text.push_str(&next);
        }
        text + tail
    };
    let over = "aggregate a from spans over tumbling(1m)";
    let cases: [(&str, String); 14] = [
        ("a list", filled("const c = [", "1, ", "1]")),
        (
            "a list that is read",
            filled("stream s = spans where name in [", "\"a\", ", "b] lateness 1s"),
        ),
        ("values", numbered(&format!("{over} select {{ "), &|n| format!("a{n}: count(), "), "}")),
        (
            "calls",
            numbered(
                &format!("{over} select {{ "),
                &|n| format!("a{n}: [count() where event_count == {n}, count()], "),
                "}",
            ),
        ),
        (
            "keys",
            numbered(&format!("{over} select {{ n: count() }} by "), &|n| format!("a{n}, "), "b"),
        ),
        (
            "columns",
            numbered("stream s = spans set { ", &|n| format!("a{n}: 1, "), "} lateness 1s"),
        ),
        (
            "labels",
            numbered("alert A from spans hold 1m labels { ", &|n| format!("a{n}: \"\", "), "}"),
        ),
        ("parameters", numbered("fn f(", &|n| format!("a{n}, "), "z) = z")),
        ("arguments", filled("const c = concat(", "\"a\", ", "\"a\")")),
        ("clauses", filled("stream s = spans ", "lateness 1s ", "")),
        ("missing units", filled("stream s = spans ", "lateness 1 ", "")),
        ("unknown names", filled(&format!("{over} select {{ x: ["), "cnt, ", "1] }")),
        ("items of a test", filled("test \"t\" { given { ", "0s span a 1ms ", "} }")),
        ("expectations", filled("test \"t\" { expect { ", "alert A firing ", "} }")),
    ];
    for (name, text) in cases {
        long(name, &text);
    }
}

#[test]
fn very_many_declarations_are_answered_in_time() {
    let lines = |line: &dyn Fn(usize) -> String, count: usize| -> String {
        (0..count).fold(String::new(), |mut text, index| {
            let _ = writeln!(text, "{}", line(index));
            text
        })
    };
    let most = DECLARATIONS_MAX - 1;
    let many = lines(&|_| "fn f()=1".to_owned(), 100_000);
    assert_eq!(codes(&long("too many", &many)), ["E0006"]);
    let next = |n: usize| (n + 1) % most;
    long("one circle", &lines(&|n| format!("stream s{n} = s{} lateness 1s", next(n)), most));
    long("a circle of values", &lines(&|n| format!("const c{n} = c{} + 1", next(n)), 2_000));
    long("unknown sources", &lines(&|n| format!("stream s{n} = t{n}x lateness 1s"), most));
    long("unknown names", &lines(&|n| format!("const s{n} = t{n}x + u{n}x"), most));
    long("unknown functions", &lines(&|n| format!("fn s{n}() = t{n}x()"), most));
    long("one name", &lines(&|_| "stream s = spans lateness 1s".to_owned(), most));
    long("one test", &lines(&|_| "test \"t\" {}".to_owned(), most));
    let attributes =
        lines(&|n| format!("stream s{n} = spans where a{n} == b{n} and c{n} == d{n}"), most);
    let begun = now();
    holds(&attributes);
    assert!(begun.elapsed() < LONG, "attributes: {:?}", begun.elapsed());
}

#[test]
fn chains_of_rules_and_values_are_no_recursion_without_end() {
    let chain = |line: &dyn Fn(usize) -> String| -> String {
        (1..5_000).fold(String::new(), |text, n| text + &line(n) + "\n")
    };
    let streams = chain(&|n| format!("stream s{n} = s{} lateness 1s", n - 1));
    assert!(holds(&format!("stream s0 = spans lateness 1s\n{streams}")).program.is_some());
    let values = chain(&|n| format!("const c{} = c{n}", n - 1));
    let deep = holds(&format!("{values}const c4999 = 1\n"));
    assert!(codes(&deep).contains(&"E0005"), "constants of constants of constants");
}

#[test]
fn trees_of_rows_in_brackets_are_no_recursion_without_end() {
    let row = " + 1".repeat(100);
    let text = format!("const c = {}1{}\n", "(".repeat(60), format!("{row})").repeat(60));
    assert!(codes(&holds(&text)).contains(&"E0005"), "rows of operators in brackets");
    let mut text = String::from("fn f0(x) = x\n");
    for n in 1..30 {
        let _ = writeln!(text, "fn f{n}(x) = f{}(x){row}", n - 1);
    }
    text.push_str("const c = f29(1)\n");
    assert!(codes(&holds(&text)).contains(&"E0005"), "rows of operators in functions");
}

#[test]
fn functions_that_multiply_are_stopped() {
    let mut text = String::from("fn f0(x) = x + x\n");
    for n in 1..30 {
        let _ = writeln!(text, "fn f{n}(x) = f{}(x) + f{}(x)", n - 1, n - 1);
    }
    let used = "stream s = spans where f29(event_count) > 1 lateness 1s\n";
    assert!(codes(&holds(&format!("{text}{used}"))).contains(&"E0006"), "bodies");
    let nested = format!("{}1{}", "d(".repeat(40), ")".repeat(40));
    let text = format!("fn d(x) = x + x\nconst c = {nested}\n");
    assert!(codes(&holds(&text)).contains(&"E0006"), "arguments");
    let mut all = String::from("fn f0(x) = [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..4 {
        let call = format!("f{}(x)", n - 1);
        let _ = writeln!(all, "fn f{n}(x) = [{call}, {call}, {call}, {call}, {call}, {call}]");
    }
    for n in 0..9_000 {
        let _ = writeln!(all, "const c{n} = f3({n})");
    }
    long("a multiplying function in every declaration", &all);
}

#[test]
fn recursive_functions_and_imports_are_circles() {
    for text in [
        "fn f(x) = f(x)\nconst c = f(1)\n",
        "fn f(x) = g(x)\nfn g(x) = h(x)\nfn h(x) = f(x)\nconst c = f(1)\n",
        "fn f(x) = f(f(x))\n",
        "const a = a\n",
        "stream a = a lateness 1s\n",
        "import \"std/self\" as again\n",
    ] {
        assert!(codes(&holds(text)).contains(&"E1006"), "{text}");
    }
    let deeper = |path: &str| Ok(format!("import \"{path}x\" as deeper"));
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let wider = |path: &str| {
        asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let line = |n: usize| format!("import \"{path}/{n}\" as i{n}\n");
        Ok((0..50).map(line).collect())
    };
    let both: [Importer<'_>; 2] = [&deeper, &wider];
    for (importer, name) in both.into_iter().zip(["deeper", "wider"]) {
        let options = Options { importer, ..Options::default() };
        let rules = SourceFile { id: FileId(0), ..file("import \"a\" as a\n") };
        let begun = now();
        let analysis = compile(&[rules], &catalog::catalog(), &options);
        assert!(begun.elapsed() < LONG, "{name}: {:?}", begun.elapsed());
        assert!(codes(&analysis).contains(&"E1006"), "{name}: {:?}", codes(&analysis));
    }
    let asked = asked.into_inner();
    assert!(asked <= FILES_MAX, "{asked} imports were read");
}
