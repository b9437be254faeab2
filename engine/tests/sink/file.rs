//! Files: no line lost or torn, whoever writes, whatever is rotated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tailwater_engine::sink::file::{FileConfig, FileSink};
use tailwater_engine::sink::{DropReason, Failure, SinkCounts, Trouble};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{Told, count, shapes};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    (folder, path)
}

/// The rotated files, the oldest first, then the one that is written.
fn files(path: &Path) -> Vec<String> {
    let own = path.file_name().unwrap().to_str().unwrap();
    let mut found: Vec<(u64, PathBuf)> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let rest = name.strip_prefix(own)?;
            let number = rest.strip_prefix('.').map_or(Some(u64::MAX), |n| n.parse().ok());
            Some((number?, path))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| std::fs::read_to_string(path).unwrap()).collect()
}

fn start(config: &FileConfig, told: &Told) -> FileSink {
    FileSink::start(config, shapes(), told.tell()).unwrap()
}

fn stop(sink: FileSink) -> SinkCounts {
    let counts = sink.stop(Duration::from_secs(20));
    assert_eq!(counts.offered, counts.delivered + counts.dropped_in_all());
    counts
}

#[test]
fn a_hundred_and_twenty_eight_writers_lose_and_tear_nothing_across_rotations() {
    const WRITERS: usize = 128;
    const LINES: usize = 250;
    let (_folder, path) = folder();
    let config =
        FileConfig { bytes: 100_000, keep: 1_000, queue: 50, ..FileConfig::new("f", &path) };
    let sink = start(&config, &Told::default());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let sink = &sink;
            scope.spawn(move || {
                for line in 0..LINES {
                    let padding = "x".repeat((writer * 7 + line * 13) % 300);
                    sink.write_line(Bytes::from(format!("{{\"{writer} {line} {padding}\":1}}")));
                }
            });
        }
    });
    let counts = stop(sink);
    assert_eq!((counts.delivered, counts.dropped_in_all()), ((WRITERS * LINES) as u64, 0));
    let files = files(&path);
    assert!(files.len() > 20, "{}", files.len());
    let mut seen = BTreeSet::new();
    let mut last = [None; WRITERS];
    for file in &files {
        assert!(file.len() <= 100_000 && file.ends_with('\n'), "{}", file.len());
        for line in file.lines() {
            let inside =
                line.strip_prefix("{\"").and_then(|l| l.strip_suffix("\":1}")).expect(line);
            let mut parts = inside.split(' ');
            let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
            let (writer, number) = (number(), number());
            assert_eq!(parts.next().unwrap().len(), (writer * 7 + number * 13) % 300, "torn");
            assert!(seen.insert((writer, number)), "twice: {line}");
            assert!(last[writer] < Some(number), "out of order: {line}");
            last[writer] = Some(number);
        }
    }
    assert_eq!(seen.len(), WRITERS * LINES);
}

#[test]
fn a_file_that_cannot_be_written_holds_so_many_bytes_and_no_more() {
    let config = FileConfig {
        queue_bytes: 10_000,
        retry_within: Duration::ZERO,
        ..FileConfig::new("f", "/dev/full")
    };
    let told = Told::default();
    let sink = start(&config, &told);
    let line = Bytes::from("x".repeat(999));
    for _ in 0..10_000 {
        sink.offer_line(line.clone());
        let (held, room) = sink.watch().held_bytes();
        assert!(held <= 10_000 && room == 10_000, "{held} of {room}");
    }
    let watch = sink.watch();
    let counts = stop(sink);
    assert!(counts.dropped_for(DropReason::Full) > 0, "{counts:?}");
    assert_eq!((counts.delivered, watch.held_bytes().0), (0, 0));
}

#[test]
fn the_oldest_files_go_and_numbers_go_on_after_a_restart() {
    let (_folder, path) = folder();
    let config = FileConfig { bytes: 10, keep: 2, ..FileConfig::new("f", &path) };
    for round in 0..2 {
        let sink = start(&config, &Told::default());
        for line in 0..5 {
            sink.write_line(Bytes::from(format!("{round} {line} 4567")));
        }
        assert_eq!(stop(sink).delivered, 5);
    }
    assert_eq!(files(&path), ["1 2 4567\n", "1 3 4567\n", "1 4 4567\n"]);
    let numbered = |number: u32| path.with_file_name(format!("out.jsonl.{number}")).exists();
    assert_eq!((7..=10).map(numbered).collect::<Vec<_>>(), [false, true, true, false]);
}

#[test]
fn a_line_that_is_longer_than_a_file_stands_alone() {
    let (_folder, path) = folder();
    let config = FileConfig { bytes: 10, ..FileConfig::new("f", &path) };
    let sink = start(&config, &Told::default());
    for line in ["a", "a line that is too long", "b", "c"] {
        sink.write_line(Bytes::from(line));
    }
    stop(sink);
    assert_eq!(files(&path), ["a\n", "a line that is too long\n", "b\nc\n"]);
}

#[test]
fn a_file_that_is_old_is_rotated_though_nothing_comes() {
    let (_folder, path) = folder();
    let age = Some(Duration::from_millis(100));
    let sink = start(&FileConfig { age, ..FileConfig::new("f", &path) }, &Told::default());
    sink.write_line(Bytes::from_static(b"one"));
    let begun = Instant::now();
    while files(&path) != ["one\n", ""] {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", files(&path));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    std::thread::park_timeout(Duration::from_millis(300));
    assert_eq!(files(&path), ["one\n", ""], "an empty one stays");
    stop(sink);
}

#[test]
fn a_line_torn_by_a_crash_ends_before_the_next_one() {
    let (_folder, path) = folder();
    std::fs::write(&path, "{\"whole\":1}\n{\"to").unwrap();
    let sink = start(&FileConfig::new("f", &path), &Told::default());
    sink.write_line(Bytes::from_static(b"{}\n"));
    stop(sink);
    assert_eq!(files(&path), ["{\"whole\":1}\n{\"to\n{}\n"]);
}

#[test]
fn a_full_disk_is_told_retried_counted_and_at_last_given_up() {
    let config = FileConfig {
        retry_within: Duration::from_millis(1_200),
        queue: 2,
        ..FileConfig::new("f", "/dev/full")
    };
    let told = Told::default();
    let sink = start(&config, &told);
    for _ in 0..50 {
        sink.offer_line(Bytes::from_static(b"{}"));
    }
    let begun = Instant::now();
    while sink.counts().dropped_for(DropReason::Late) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let counts = sink.counts();
    assert!(counts.dropped_for(DropReason::Full) > 0 && counts.retries > 0, "{counts:?}");
    assert!(counts.failed_by(Failure::Write) >= 2, "{counts:?}");
    let reports = told.all();
    assert_eq!(reports[0].trouble, Trouble::Again(Failure::Write));
    assert!(reports[0].text.contains("No space left"), "{reports:?}");
    assert!(reports.iter().any(|report| report.trouble == Trouble::Dropped(DropReason::Late)));
    let begun = Instant::now();
    let counts = sink.stop(Duration::from_millis(100));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!((counts.delivered, counts.waiting()), (0, 0));
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_once() {
    let config = FileConfig::new("f", "/nowhere/out.jsonl");
    let error = FileSink::start(&config, shapes(), Told::default().tell());
    let error = error.err().expect("there is no such folder").to_string();
    assert!(error.contains("cannot write to `/nowhere/out.jsonl`"), "{error}");
}

#[test]
fn rows_are_lines_of_otlp_in_json() {
    let (_folder, path) = folder();
    let sink = start(&FileConfig::new("f", &path), &Told::default());
    sink.offer(count("a", 20, 3));
    sink.offer(count("a", 30, 4));
    assert_eq!(stop(sink).delivered, 2);
    let text = files(&path).concat();
    let totals: Vec<String> = text
        .lines()
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            let metric = &json["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
            metric["sum"]["dataPoints"][0]["asInt"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(totals, ["3", "7"]);
}
