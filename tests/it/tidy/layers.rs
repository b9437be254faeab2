//! Who may import whom.

use super::Finding;
use super::source::{code_only, is_test_file, line_of, words};

/// The engine's modules by rank: imports point to a lower rank, to the module itself, or along
/// one of [`EDGES`].
const RANKS: [(&str, u8); 22] = [
    ("model", 0),
    ("limits", 0),
    ("error", 0),
    ("render", 0),
    ("self_metrics", 0),
    ("clock", 0),
    ("pem", 0),
    ("otlp", 0),
    ("ingest", 1),
    ("plan", 1),
    ("aggregate", 1),
    ("sink", 1),
    ("journal", 1),
    ("keyed_events", 1),
    ("pattern", 1),
    ("trace", 1),
    ("sampling", 1),
    ("correlate", 1),
    ("redact", 1),
    ("operators", 2),
    ("dataflow", 3),
    ("runtime", 4),
];

/// Edges between modules of one rank: bounds and errors of the model and of files of keys; a plan
/// names its accumulators, structures of traces and goals of samplings; patterns and correlations
/// are run as planned, both over events, sums of patterns as exact as those of aggregates;
/// redaction runs as planned and asks the decoders what is a field; bounds of items read
/// tracestates as samplings do; durations of late are forgotten.
const EDGES: [(&str, &str); 20] = [
    ("model", "limits"),
    ("model", "error"),
    ("pem", "limits"),
    ("pem", "error"),
    ("otlp", "limits"),
    ("self_metrics", "limits"),
    ("self_metrics", "clock"),
    ("otlp", "model"),
    ("plan", "aggregate"),
    ("pattern", "plan"),
    ("pattern", "aggregate"),
    ("plan", "trace"),
    ("correlate", "plan"),
    ("correlate", "keyed_events"),
    ("pattern", "keyed_events"),
    ("redact", "plan"),
    ("redact", "ingest"),
    ("redact", "sampling"),
    ("plan", "sampling"),
    ("ingest", "sampling"),
];

/// (crate folder, crates that it must not name).
const CRATES: [(&str, &[&str]); 3] = [
    ("dsl/", &["tailwater_engine", "tailwater_rules", "timely", "differential_dataflow"]),
    ("engine/", &["tailwater_dsl", "tailwater_rules", "pest"]),
    ("rules/", &["timely", "differential_dataflow", "pest"]),
];

/// (library, folders that may name it).
const LIBRARIES: [(&str, &[&str]); 6] = [
    ("tokio", &["engine/src/clock.rs", "engine/src/ingest/listen/", "engine/src/sink/", "src/"]),
    ("hyper", &["engine/src/ingest/listen/", "engine/src/sink/"]),
    ("timely", &["engine/src/operators/", "engine/src/dataflow/", "engine/src/runtime/"]),
    ("differential_dataflow", &["engine/src/operators/", "engine/src/dataflow/"]),
    ("pest", &["dsl/src/syntax/"]),
    ("anyhow", &["src/"]),
];

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// The top modules that `crate::…` paths name, with their places.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.push((at, name(rest)));
            continue;
        };
        let mut depth = 1;
        let mut start = Some(0);
        for (place, c) in list.char_indices() {
            if let (1, Some(from)) = (depth, start)
                && matches!(c, ',' | ':' | '}' | '{')
            {
                found.push((at, name(&list[from..])));
                start = None;
            }
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => start = Some(place + 1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.retain(|(_, module)| !module.is_empty());
    found
}

/// Imports inside the engine point down.
pub(crate) fn engine_imports(path: &str, text: &str) -> Vec<Finding> {
    let Some(inside) = path.strip_prefix("engine/src/") else { return Vec::new() };
    let own = inside.split(['/', '.']).next().unwrap_or_default();
    if own == "lib" {
        return Vec::new();
    }
    let code = code_only(text);
    let Some(own_rank) = rank(own) else {
        return vec![Finding::new(path, 1, format!("module `{own}` has no rank in layers.rs"))];
    };
    crate_paths(&code)
        .into_iter()
        .filter(|(_, module)| module != own && !EDGES.contains(&(own, module)))
        .filter(|(_, module)| rank(module).is_some_and(|rank| rank >= own_rank))
        .map(|(at, module)| {
            let message = format!("`{own}` (rank {own_rank}) must not import `{module}`");
            Finding::new(path, line_of(&code, at), message)
        })
        .collect()
}

/// Crates name only the crates below them.
pub(crate) fn crate_names(path: &str, text: &str) -> Vec<Finding> {
    let Some((folder, banned)) = CRATES.iter().find(|(folder, _)| path.starts_with(folder)) else {
        return Vec::new();
    };
    let code = code_only(text);
    let library = |name: &str| LIBRARIES.iter().any(|(library, _)| *library == name);
    let mut findings = Vec::new();
    for name in banned.iter().filter(|name| !(is_test_file(path) && library(name))) {
        for at in words(&code, name) {
            let message = format!("{folder} must not name `{name}`");
            findings.push(Finding::new(path, line_of(&code, at), message));
        }
    }
    findings
}

/// A library that shapes its users is named in its own corner only.
pub(crate) fn library_names(path: &str, text: &str) -> Vec<Finding> {
    if is_test_file(path) {
        return Vec::new();
    }
    let code = code_only(text);
    let mut findings = Vec::new();
    for (library, folders) in LIBRARIES {
        if folders.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        for at in words(&code, library) {
            let message = format!("only {} may name `{library}`", folders.join(", "));
            findings.push(Finding::new(path, line_of(&code, at), message));
        }
    }
    findings
}

#[test]
fn an_import_upwards_is_found() {
    let check = |text| engine_imports("engine/src/plan/mod.rs", text).len();
    assert_eq!(check("use crate::model::Value;\nuse crate::aggregate::Finisher;"), 0);
    assert_eq!(check("use crate::operators::apply;"), 1);
    assert_eq!(check("use crate::{model::{A, B}, runtime::Engine, ingest};"), 2);
    assert_eq!(check("// use crate::operators::apply;"), 0);
    assert_eq!(engine_imports("engine/src/new.rs", "").len(), 1);
}

#[test]
fn a_foreign_crate_is_found() {
    assert_eq!(crate_names("dsl/src/lib.rs", "use tailwater_engine::model;").len(), 1);
    assert_eq!(crate_names("engine/src/lib.rs", "use tailwater_dsl::hir;").len(), 1);
    assert_eq!(crate_names("rules/src/lib.rs", "use tailwater_dsl::hir;").len(), 0);
}

#[test]
fn a_library_out_of_its_corner_is_found() {
    assert_eq!(library_names("engine/src/plan/mod.rs", "use timely::Worker;").len(), 1);
    assert_eq!(library_names("engine/src/operators/a.rs", "use timely::Worker;").len(), 0);
    assert_eq!(library_names("dsl/src/types.rs", "pest::Parser").len(), 1);
    assert_eq!(library_names("dsl/src/types.rs", "let pestle = 1; // pest").len(), 0);
}
