//! The packs that ship: they compile, are formatted, pass their tests, and `docs/packs.md` is made
//! from them.

use std::fs;
use std::sync::Arc;

use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Analysis, NoImport, Options, SourceFile};
use tailwater_rules::{PACKS, Pack, catalog, lower, pack, run_tests};

/// The only lint that a pack may leave: lateness and sample counts are its user's to say.
const LINTS_LEFT: [&str; 2] = ["W4001", "W4002"];

fn compile(name: &str, text: &str) -> Analysis {
    let file = SourceFile { id: FileId(0), name: name.to_owned(), text: text.to_owned() };
    let importer = |name: &str| pack(name).map(|pack| pack.text.to_owned()).ok_or(NoImport::Absent);
    let options = Options { importer: &importer, ..Options::default() };
    tailwater_dsl::compile(&[file], &catalog(), &options)
}

#[test]
fn packs_compile_are_formatted_and_pass_their_tests() {
    for Pack { name, text } in PACKS {
        let analysis = compile(name, text);
        for diagnostic in &analysis.diagnostics {
            let code = diagnostic.code.as_str();
            assert!(LINTS_LEFT.contains(&code), "{name}: {code}: {}", diagnostic.message);
        }
        assert_eq!(tailwater_dsl::format(text).as_deref(), Ok(text), "{name} is formatted");
        let program = analysis.program.expect("no diagnostic is an error");
        let plan = Arc::new(lower(&program).expect("a pack uses what this version runs"));
        let results = run_tests(&program, &plan).unwrap();
        assert!(results.len() >= 2, "{name} has tests");
        for result in results {
            assert!(result.failures.is_empty(), "{name}: {result:?}");
        }
    }
}

#[test]
fn an_import_takes_parameters_and_a_stream_and_leaves_the_packs_tests_behind() {
    let rules = "edition 1\n\
        import \"std/red\" as red { window: 10s, from: once }\n\
        stream once = spans dedupe by trace.id, span.id within 10m limit 1_000 lateness 10s\n\
          set { http.route: \"mine\", method: name }\n\
        alert Busy from red.http_server when n > 5 on no data keep\n";
    let analysis = compile("rules", rules);
    assert!(analysis.diagnostics.is_empty(), "{:?}", analysis.diagnostics);
    let program = analysis.program.unwrap();
    assert!(program.by_name("red.http_server").is_some() && program.tests.is_empty());
    assert!(lower(&program).is_ok());
}

#[test]
fn sources_are_chosen_by_parameters() {
    let requests = "stream requests = spans where kind == server lateness 10s\n";
    // As the page of `std/work_queue` has it.
    let sample = "sample queues.work { keep when is_failed or is_dead keep 50% when \
        operation == \"process\" keep target 5 per s by queue, operation otherwise } to otlp\n";
    let sampled = format!("\"std/work_queue\" as queues {{ from: requests }}\n{sample}");
    for import in [
        &sampled,
        "\"std/slo\" as pay { objective: 99.9%, from: requests }",
        "\"std/latency_shift\" as shift { from: requests, window: 10s }",
        "\"std/work_queue\" as work { from: requests, lost_after: 1h }",
        "\"std/security\" as guard { logins_from: requests, spans_from: requests }",
        "\"std/sources\" as alive { services_from: requests, beats_from: logs, window: 10s }",
    ] {
        let analysis = compile("rules", &format!("edition 1\nimport {import}\n{requests}"));
        assert!(analysis.diagnostics.is_empty(), "{import}: {:?}", analysis.diagnostics);
        assert!(lower(&analysis.program.unwrap()).is_ok(), "{import}");
    }
}

/// Compiles rules with one test, which passes.
fn passes(rules: &str) {
    let analysis = compile("rules", rules);
    assert!(analysis.diagnostics.is_empty(), "{:?}", analysis.diagnostics);
    let program = analysis.program.unwrap();
    let results = run_tests(&program, &Arc::new(lower(&program).unwrap())).unwrap();
    assert!(results.len() == 1 && results[0].failures.is_empty(), "{results:?}");
}

#[test]
fn tests_name_the_samplings_of_a_pack() {
    let rules = "edition 1\n\
        import \"std/tail_sampling\" as tail { name_kept: \"^GET /vip\" }\n\
        test \"one is named, one a probe\" {\n  given {\n\
        0s span shop \"GET /vip\" server ok 1ms { trace.id: \"0000000000000000000000000000000a\" }\n\
        0s span shop \"GET /ping\" server ok 1ms { trace.id: \"0000000000000000000000000000000b\" }\n\
        }\n  expect {\n\
        sample tail.found kept { line: \"named\" } count 1\n\
        sample tail.found dropped { line: \"probes\" } count 1\n\
        }\n}\n";
    passes(rules);
}

#[test]
fn an_objective_of_all_requests_leaves_no_budget() {
    let rules = "edition 1\n\
        import \"std/slo\" as slo { objective: 100% }\n\
        test \"one bad request is too many\" {\n  given {\n\
        0s span pay \"charge\" server ok 20ms x3_600 every 1s\n\
        30m span pay \"charge\" server error 20ms\n\
        0s span cart \"get\" server ok 20ms x3_600 every 1s\n\
        }\n  expect {\n\
        alert slo.BudgetBurnsFast firing { service.name: \"pay\" } count 1\n\
        alert slo.BudgetBurnsFast resolved { service.name: \"pay\" } count 1\n\
        none alert slo.BudgetBurnsFast { service.name: \"cart\" }\n\
        }\n}\n";
    passes(rules);
}

#[test]
fn one_wrong_parameter_is_one_report() {
    for (given, code) in [
        ("window: 5", "E2004"),
        ("from: spanz", "E1002"),
        ("from: 5s", "E2004"),
        ("windw: 5s", "E1009"),
    ] {
        let analysis = compile("rules", &format!("import \"std/red\" as red {{ {given} }}\n"));
        let found: Vec<&str> = analysis.diagnostics.iter().map(|d| d.code.as_str()).collect();
        assert_eq!(found, [code], "{given}");
        assert_eq!(analysis.diagnostics[0].range().file, FileId(0), "told where it is given");
    }
}

const PAGE: &str = "docs/packs.md";

const HEAD: &str = "# Packs

Rules that ship inside the binary. A rule file imports one under a name of its own, with values
for its parameters, and reads on from its rules:

```tw
edition 1
import \"std/red\" as red { window: 30s, latency_max: 500ms, from: once }

stream once = spans
  dedupe   by trace.id, span.id within 10m limit 1_000_000
  lateness 10s

alert Busy from red.http_server
  when  rate > 100 per s
  on no data resolve
```

Commands that run rules take a pack's name instead of a file and import it under its last part:
`tailwater replay FILES --rules std/red --set red.window=10s`. `tailwater test std/red` runs the
tests that the pack carries, `tailwater explain std/red` shows what it does. A name that begins with
`std/` never means a file; a folder of that name is written `./std/`.

This page is made from the packs' own comments by `UPDATE=1 cargo test --test it packs`; a test
fails when it is out of date.
";

/// The `///` lines before a declaration, then its first line.
fn documented(text: &str) -> Vec<(String, &str)> {
    let (mut found, mut doc) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(more) = line.strip_prefix("///") {
            doc.push(more.trim());
        } else if !doc.is_empty() {
            found.push((std::mem::take(&mut doc).join(" "), line));
        }
    }
    found
}

fn section(pack: &Pack) -> String {
    let mut out = format!("\n## {}\n\n{}\n", pack.name, pack.doc());
    let rules = documented(pack.text);
    out.push_str("\n| parameter | default | |\n|---|---|---|\n");
    for (doc, line) in &rules {
        if let Some((name, value)) = line.strip_prefix("param ").and_then(|p| p.split_once(" = ")) {
            let value = value.replace('|', "\\|");
            out.push_str(&format!("| `{name}` | `{value}` | {doc} |\n"));
        }
    }
    out.push_str("\n| rule | |\n|---|---|\n");
    for (doc, line) in &rules {
        let declared = ["aggregate", "rows", "pattern", "correlate", "traces", "sample", "alert"];
        if let Some((kind, rest)) = line.split_once(' ').filter(|(it, _)| declared.contains(it)) {
            let name = rest.split(' ').next().unwrap_or_default();
            out.push_str(&format!("| {kind} `{name}` | {doc} |\n"));
        }
    }
    out
}

#[test]
fn the_page_is_made_from_the_packs() {
    let page = HEAD.to_owned() + &PACKS.iter().map(section).collect::<String>();
    let path = crate::tidy::root().join(PAGE);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, page, "`UPDATE=1 cargo test --test it packs` writes it again");
    let example = page.split("```tw\n").nth(1).and_then(|rest| rest.split("```").next());
    let analysis = compile("page", example.expect("the page has an example"));
    assert!(analysis.diagnostics.is_empty(), "{:?}", analysis.diagnostics);
}
