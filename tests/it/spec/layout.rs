//! Snapshots in the middle of specs are, byte for byte, those that were stored, unless the version
//! in their header is another: state has no names in it, so an older snapshot would be misread.

use std::fmt::Write as _;
use std::fs;

use tailwater_engine::runtime::Snapshot;
use xxhash_rust::xxh3::xxh3_64;

use super::input;
use super::parse::Spec;
use super::run::{compile, halfway};

/// Which specs, and what their snapshots were: version, hashes of text, plan and bytes, spec.
const STORED: &str = "tests/data/expected/snapshots.txt";

/// What a snapshot was or is.
#[derive(PartialEq, Eq)]
struct Layout {
    version: String,
    /// What it follows from: the spec's text, the plan.
    from: [String; 2],
    bytes: String,
}

impl Layout {
    fn of(spec: &str) -> Result<Self, String> {
        let text = fs::read_to_string(crate::tidy::root().join("tests/spec").join(spec));
        let text = text.map_err(|error| format!("{spec}: {error}"))?;
        let parsed = Spec::parse(&text)?;
        let plan = compile(&parsed.rules)?;
        let bytes = halfway(&plan, &input::log(&parsed.input)?)?.to_bytes();
        Snapshot::from_bytes(&bytes).map_err(|error| error.to_string())?;
        let hash = |bytes: &[u8]| format!("{:016x}", xxh3_64(bytes));
        Ok(Self {
            version: String::from_utf8_lossy(&bytes[6..8]).into_owned(),
            from: [hash(text.as_bytes()), format!("{:016x}", plan.identity())],
            bytes: hash(&bytes),
        })
    }

    fn parse(line: &str) -> (Option<Self>, &str) {
        let parts: Vec<&str> = line.split(' ').collect();
        let [version, text, plan, bytes, spec] = parts[..] else {
            return (None, parts[parts.len() - 1]);
        };
        let from = [text.to_owned(), plan.to_owned()];
        (Some(Self { version: version.to_owned(), from, bytes: bytes.to_owned() }), spec)
    }
}

#[test]
fn another_layout_of_snapshots_has_another_version() {
    let path = crate::tidy::root().join(STORED);
    let stored = fs::read_to_string(&path).unwrap();
    let mut now = String::new();
    for line in stored.lines() {
        let (was, spec) = Layout::parse(line);
        let is = Layout::of(spec).unwrap();
        if let Some(was) = was.filter(|was| was.version == is.version && was.from == is.from) {
            assert!(
                was.bytes == is.bytes,
                "{spec}: the same rules over the same input leave another snapshot of version \
                 {}: raise `VERSION` in engine/src/operators/snapshot.rs, then `UPDATE=1`",
                is.version
            );
        }
        let [text, plan] = &is.from;
        let _ = writeln!(now, "{} {text} {plan} {} {spec}", is.version, is.bytes);
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &now).unwrap();
        return;
    }
    assert!(stored == now, "other rules, other input or another version: `UPDATE=1` stores\n{now}");
}
