//! What a full queue does to what rules say: the input log goes into a pipe that nobody reads for a
//! while.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;

use crate::live_run::{Run, now_s, path};

const RULES: &str = "stream s = spans where service.name == \"shop\" lateness 0s\n\
    aggregate seen from s by service.name over tumbling(10s) select { n: count(), r: rate(), \
    bad: count() where status == error, share: ratio(status == error), total: sum(attr[\"n\"]), \
    mean: avg(attr[\"n\"]), most: max(attr[\"n\"]), half: p50(attr[\"n\"]) }";

/// A run whose input log is stuck until somebody reads its pipe.
struct Stuck {
    run: Run,
    read: mpsc::SyncSender<()>,
    reader: JoinHandle<()>,
    /// What was read of the pipe.
    record: PathBuf,
}

impl Stuck {
    /// A run that holds one large span, and has room for 3 500 others.
    fn start(when_full: &str) -> Self {
        let folder = path(&format!("full-{when_full}"));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("tailwater.yaml");
        let intake = format!("intake: {{ items: 3501, when_full: {when_full}, wait: 100ms }}\n");
        std::fs::write(&config, intake).unwrap();
        let (pipe, record) = (folder.join("pipe"), folder.join("log.twlog"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (read, wanted) = mpsc::sync_channel(1);
        let (from, to) = (pipe.clone(), record.clone());
        let reader = std::thread::spawn(move || {
            let mut pipe = File::open(from).unwrap();
            wanted.recv().unwrap();
            std::io::copy(&mut pipe, &mut File::create(to).unwrap()).unwrap();
        });
        let options = ["--config", config.to_str().unwrap(), "--record", pipe.to_str().unwrap()];
        let stuck = Self { run: Run::start(RULES, &options, &[]), read, reader, record };
        // More than the pipe and what is before it hold: writing it does not end.
        stuck.run.spans_at(&"x".repeat(4 << 20), 1, now_s() - 3_600);
        stuck.run.shows("admin", "/metrics", "tailwater_intake_held_items 1\n");
        stuck
    }

    /// Sends 1 024 spans that end at a second; whether they were taken. Their ids, and values and
    /// errors by id, are spread so evenly that any share by halves has its exact part of each.
    fn send(&self, at_s: i64) -> bool {
        let at = format!("{at_s}000000000");
        let span = |index: u64| {
            let code = if index % 16 == 15 { 2 } else { 0 };
            format!(
                "{{\"traceId\":\"{:016x}{:016x}\",\"spanId\":\"{:016x}\",\"name\":\"x\",\
                 \"status\":{{\"code\":{code}}},\"startTimeUnixNano\":\"{at}\",\
                 \"endTimeUnixNano\":\"{at}\",\"attributes\":[{{\"key\":\"n\",\"value\":\
                 {{\"intValue\":\"{}\"}}}}]}}",
                index + 1,
                index << 46 | 1,
                index + 1,
                index % 16,
            )
        };
        let spans: Vec<String> = (0..1_024).map(span).collect();
        let body = format!(
            "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\
             \"value\":{{\"stringValue\":\"shop\"}}}}]}},\"scopeSpans\":[{{\"spans\":[{}]}}]}}]}}",
            spans.join(",")
        );
        let answer = self.run.request("OTLP/HTTP", "POST /v1/traces", &body);
        let status = answer.split(' ').nth(1).unwrap();
        assert!(status == "200" || status == "503", "{answer}");
        status == "200"
    }

    /// Lets the log go on, closes the window, and ends the run: its row, its page of metrics, and
    /// the row of the replay.
    fn ended(self, at_s: i64) -> (String, String, String) {
        self.read.send(()).unwrap();
        self.run.shows("admin", "/metrics", "tailwater_intake_held_items 0\n");
        self.run.spans_at("shop", 1, at_s + 30);
        self.run.shows("Prometheus", "/metrics", "seen_n{service_name=\"shop\"}");
        let metrics = self.run.get("admin", "/metrics");
        let (code, stdout, stderr) = self.run.end();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("unaccounted 0"), "{stderr}");
        self.reader.join().unwrap();
        (stdout, metrics, replayed(&self.record))
    }
}

fn replayed(record: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(["replay", record.to_str().unwrap(), "--format", "jsonl", "--workers", "2"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The sum of the samples of the run's own metrics whose lines begin and hold so.
fn sum(metrics: &str, name: &str, holds: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(holds));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn rules_count_what_came_where_a_full_queue_left_a_share() {
    let stuck = Stuck::start("sample");
    let at_s = now_s() / 10 * 10;
    for number in 0..10 {
        assert!(stuck.send(at_s), "request {number} was not taken");
    }
    let (stdout, metrics, replayed) = stuck.ended(at_s);
    let taken = sum(&metrics, "tailwater_items_total", "signal=\"spans\",outcome=\"used\"") - 2;
    let sampled = sum(&metrics, "tailwater_intake_items_total", "reason=\"sampled\"");
    assert_eq!(taken + sampled, 10 * 1_024, "{metrics}");
    assert!((3_072 + 7 * 16..=3_500).contains(&taken), "3 came whole: {taken}");
    let row: serde_json::Value = serde_json::from_str(stdout.lines().next().unwrap()).unwrap();
    let values = &row["values"];
    assert_eq!(values["n"], 10 * 1_024, "{row}");
    assert_eq!(values["bad"], 10 * 64, "{row}");
    assert_eq!(values["total"], 10 * 1_024 * 15 / 2, "{row}");
    assert_eq!(
        (&values["mean"], &values["most"], &values["half"]),
        (&7.5.into(), &15.into(), &7.into())
    );
    assert_eq!(replayed, stdout);
}

#[test]
fn a_queue_that_blocks_lets_senders_come_back() {
    let stuck = Stuck::start("block");
    let at_s = now_s() / 10 * 10;
    let taken: Vec<bool> = (0..5).map(|_| stuck.send(at_s)).collect();
    assert_eq!(taken, [true, true, true, false, false]);
    let (stdout, metrics, replayed) = stuck.ended(at_s);
    assert!(stdout.contains("\"n\":3072,"), "{stdout}");
    let busy = sum(&metrics, "tailwater_intake_items_total", "reason=\"busy\"");
    assert_eq!(busy, 2 * 1_024, "{metrics}");
    assert_eq!(replayed, stdout);
}

#[test]
fn a_queue_that_drops_counts_what_it_drops() {
    for (when_full, reason) in [("drop_newest", "newest"), ("drop_oldest", "oldest")] {
        let stuck = Stuck::start(when_full);
        let at_s = now_s() / 10 * 10;
        (0..6).for_each(|_| assert!(stuck.send(at_s), "{when_full}"));
        let (stdout, metrics, replayed) = stuck.ended(at_s);
        assert!(stdout.contains("\"n\":3072,"), "{when_full}: {stdout}");
        let holds = format!("outcome=\"discarded\",reason=\"{reason}\"");
        let dropped = sum(&metrics, "tailwater_intake_items_total", &holds);
        assert_eq!(dropped, 3 * 1_024, "{when_full}: {metrics}");
        assert_eq!(replayed, stdout);
    }
}
