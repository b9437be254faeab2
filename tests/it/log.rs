//! The input log of a run, replayed by the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::journal::{LogWriter, Opening, RuleText};
use tailwater_engine::model::FrameBody;

const RECORDING: &str = "examples/recordings/online-boutique.traces.otlp.jsonl.gz";
const RULES: &str = "import \"mine\" as m\n\
                     stream s = spans lateness 1s late amend within 1m\n\
                     aggregate counts from s by service.name over tumbling(10s) \
                     select { n: count() } limit groups m.most overflow other\n";

/// Writes the recording as a run would have logged it, an epoch every two frames; windows are left
/// open at its end.
fn log(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING);
    let inputs = vec![Input::file(&recording).unwrap()];
    let mut reader = FileReader::open(inputs, &ReaderOptions::default()).unwrap();
    let text = |name: &str, text: &str| RuleText { name: name.to_owned(), text: text.to_owned() };
    let opening = Opening {
        program: "0".to_owned(),
        rules: vec![text("a.tw", RULES)],
        imports: vec![text("mine", "param groups = 3\nconst most = groups\n")],
        params: vec![("m.groups".to_owned(), "2".to_owned())],
        sources: reader.sources(),
    };
    let mut bytes = Vec::new();
    let mut log = LogWriter::new(&mut bytes, &opening).unwrap();
    let mut frames = 0;
    while let Some(frame) = reader.next_frame().unwrap() {
        log.frame(&FrameBody::Data(frame)).unwrap();
        frames += 1;
        if frames % 2 == 0 {
            log.cut().unwrap();
        }
    }
    log.flush().unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn replay(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("replay").args(args);
    command.stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> Arc<str> {
    std::str::from_utf8(&output.stdout).unwrap().into()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_log_is_replayed_under_the_rules_that_it_holds() {
    let path = log("whole.twlog");
    let path = path.to_str().unwrap();
    let one = replay(&[path, "--format", "jsonl"]);
    assert_eq!(one.status.code(), Some(0), "{}", stderr(&one));
    let rows = stdout(&one);
    assert!(rows.contains("\"other\":true"), "the parameter lets 2 groups through: {rows}");
    for workers in ["2", "4"] {
        let more = replay(&[path, "--format", "jsonl", "--workers", workers]);
        assert_eq!(stdout(&more), rows, "{workers} workers");
    }
    let last = rows.lines().last().unwrap();
    let closed = replay(&[path, "-e", RULES_ALONE, "--format", "jsonl"]);
    assert!(stderr(&closed).contains("read 5_203 spans"), "{}", stderr(&closed));
    let of_closed = stdout(&closed);
    let end = |line: &str| line.split("\"end\":\"").nth(1).unwrap()[..20].to_owned();
    assert!(
        end(of_closed.lines().last().unwrap()) > end(last),
        "other rules see the end of the recording, the run's own do not"
    );
}

const RULES_ALONE: &str = "stream s = spans lateness 1s\n\
                           aggregate counts from s over tumbling(10s) select { n: count() }";

#[test]
fn a_parameter_given_anew_wins_over_the_recorded_one() {
    let path = log("params.twlog");
    let path = path.to_str().unwrap();
    let more = replay(&[path, "--format", "jsonl", "--set", "m.groups=1000"]);
    assert_eq!(more.status.code(), Some(0), "{}", stderr(&more));
    assert!(!stdout(&more).contains("\"other\":true"));
}

#[test]
fn a_torn_log_says_where_and_the_rest_is_used() {
    let path = log("torn.twlog");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let torn = replay(&[path.to_str().unwrap()]);
    assert_eq!(torn.status.code(), Some(65), "{}", stderr(&torn));
    assert!(stderr(&torn).contains("the log:"), "{}", stderr(&torn));
    assert!(stderr(&torn).contains("a record that was not written whole"), "{}", stderr(&torn));
    assert!(stderr(&torn).contains("unaccounted 0"), "{}", stderr(&torn));
}

#[test]
fn a_log_is_replayed_alone() {
    let path = log("alone.twlog");
    let both = replay(&[path.to_str().unwrap(), RECORDING]);
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
    assert!(stderr(&both).contains("replayed alone"), "{}", stderr(&both));
}
