//! The spec runner: files under `tests/spec`, one behaviour each, under many ways to cut the work.

mod compositions;
mod input;
mod items;
mod layout;
mod parse;
mod run;
mod sampling_page;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parse::Spec;
use run::{Between, Way, answer, compile};

/// The files, in order.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "spec") {
            found.push(path);
        }
    }
    found.sort();
}

/// The ways to run a spec; the first is the one that `UPDATE=1` writes.
fn ways() -> Vec<Way> {
    let way = |workers, lines, frames| Way { workers, lines, frames, between: Between::Nothing };
    let mut ways = vec![way(1, 4, 64), way(2, 1, 3), way(4, 2, 1)];
    if std::env::var_os("SPEC_CUTS").is_some_and(|cuts| cuts == "all") {
        for workers in [1, 2, 3, 4, 8] {
            for lines in [1, 2, 3, 7, 1_000] {
                ways.extend([1, 2, 5, 64].map(|frames| way(workers, lines, frames)));
            }
        }
    }
    ways.push(Way { workers: 2, lines: 1, frames: 1, between: Between::Restore });
    ways.push(Way { workers: 2, lines: 1, frames: 64, between: Between::ReplaceTables });
    ways
}

/// Runs one file; what is wrong with it, if anything.
fn check(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).unwrap();
    let spec = Spec::parse(&text)?;
    let plan = compile(&spec.rules)?;
    let log = input::log(&spec.input)?;
    let ways = ways();
    let first = answer(&plan, &log, (spec.is_open, spec.shown), ways[0])?;
    for way in &ways[1..] {
        let other = answer(&plan, &log, (spec.is_open, spec.shown), *way)?;
        if other != first {
            return Err(format!("{way:?} differs from {:?}:\n{other}\nand\n{first}", ways[0]));
        }
    }
    if first.items > 0 {
        let mut unread = plan.clone();
        Arc::make_mut(&mut unread).items_unread = true;
        let other = answer(&unread, &log, (spec.is_open, spec.shown), ways[1])?;
        let said = first.rows.len() - first.items;
        if (&other.rows[..], &other.counts) != (&first.rows[..said], &first.counts) {
            return Err(format!("where nobody takes items:\n{other}\nand\n{first}"));
        }
    }
    if first.rows == spec.expect && first.counts == spec.counts {
        return Ok(());
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, spec.render(&first.rows, &first.counts)).unwrap();
        return Ok(());
    }
    Err(format!("found\n{first}\nwanted\n{}\n{}", spec.expect.join("\n"), spec.counts.join("\n")))
}

#[test]
fn every_spec_holds_in_every_way() {
    let mut found = Vec::new();
    files(&crate::tidy::root().join("tests/spec"), &mut found);
    assert!(found.len() >= 10, "the specs were not found");
    let wrong: Vec<String> = found
        .iter()
        .filter_map(|path| check(path).err().map(|error| format!("{}:\n{error}", path.display())))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), found.len(), wrong.join("\n\n"));
}
