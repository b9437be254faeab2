//! Redaction as its users meet it: nothing that is taken out is anywhere to be found.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use std::process::{Command, Stdio};

use crate::live_run::{Run, now_s, path};

const RULES: &str = "redact {\n\
                       keys deny [\"*.password\"]\n\
                       values mask [email, card, bearer, url_user]\n\
                       values hash [\"enduser.id\"] key secret(\"redact\")\n\
                     }\n\
                     stream l = logs lateness 0s idle 1s\n\
                     aggregate said from l by body, attr[\"enduser.id\"] over tumbling(10s)\n\
                     select { n: count(), last: last(attr[\"url\"]) } limit groups 100\n\
                     stream s = spans lateness 0s idle 1s\n\
                     aggregate names from s by name over tumbling(10s) select { n: count() }\n\
                     alert Seen from said when n > 0 on no data keep severity page\n\
                     labels { who: \"{body}\" }\n\
                     route logs to files\n";

/// Texts of which none may be found.
const CANARIES: [&str; 5] =
    ["canary@example.com", "4111111111111111", "c4n4ry-pass", "CanaryBearer99", "canary-user"];

/// What each variable and configuration of the tests holds.
const SECRET: &str = "c4n4ry-pepper";

fn tailwater(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).stdin(Stdio::null());
    command
}

fn otlp(at_s: i64) -> String {
    let attributes = "[{\"key\":\"db.password\",\"value\":{\"stringValue\":\"c4n4ry-pass\"}},\
         {\"key\":\"pan\",\"value\":{\"intValue\":\"4111111111111111\"}},\
         {\"key\":\"url\",\"value\":{\"stringValue\":\"http://u:c4n4ry-pass@h/\"}},\
         {\"key\":\"enduser.id\",\"value\":{\"stringValue\":\"canary-user\"}},\
         {\"key\":\"canary@example.com\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\
         \"value\":{\"stringValue\":\"Bearer CanaryBearer99\"}}]}}}]";
    format!(
        "{{\"resourceLogs\":[{{\"resource\":{{\"attributes\":{attributes}}},\"scopeLogs\":[{{\
         \"scope\":{{\"name\":\"canary@example.com\",\"attributes\":{attributes}}},\
         \"logRecords\":[{{\"timeUnixNano\":\"{at_s}000000000\",\
         \"body\":{{\"stringValue\":\"to canary@example.com\"}},\"attributes\":{attributes}}}]}}]}}]}}"
    )
}

fn line(at_s: i64) -> String {
    format!(
        "{{\"v\":1,\"src\":\"canary@example.com\",\"ts\":{at_s}000,\"type\":\"event\",\"data\":{{\
         \"level\":\"info\",\"msg\":\"pan 4111 1111 1111 1111 4111111111111111\",\
         \"ctx\":{{\"enduser.id\":\"canary-user\",\"x.password\":\"c4n4ry-pass\",\
         \"h\":\"Bearer CanaryBearer99\"}}}}}}\n"
    )
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for canary in CANARIES.iter().chain(&[SECRET]) {
        let found = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
        assert!(!found, "`{canary}` is in {what}: {}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn no_canary_is_in_a_record_a_result_a_page_or_a_log() {
    let (record, config, out) =
        (path("redact.twlog"), path("redact.yaml"), path("redact-out.jsonl"));
    let sink = format!(
        "secrets:\n  redact: {SECRET}\nsinks:\n  files:\n    type: file\n    path: {}\n",
        out.display()
    );
    fs::write(&config, sink).unwrap();
    let run = Run::start(
        RULES,
        &[
            "--config",
            config.to_str().unwrap(),
            "--record",
            record.to_str().unwrap(),
            "--log-level",
            "debug",
        ],
        &[],
    );
    let now = now_s() / 10 * 10;
    for at_s in [now, now + 30] {
        let answer = run.request("OTLP/HTTP", "POST /v1/logs", &otlp(at_s));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let mut lines = TcpStream::connect(run.address("lines")).unwrap();
        lines.write_all(line(at_s).as_bytes()).unwrap();
        // Damaged: it leaves whole.
        lines.write_all(b"{\"v\":1,\"src\":\"canary@example.com\n").unwrap();
    }
    let page = run.shows("admin", "/metrics", "outcome=\"used\"} 4\n");
    assert!(
        page.contains("tailwater_redacted_values_total{rule=\"values mask\",what=\"email\"}"),
        "{page}"
    );
    assert_clean("the page of the run", page.as_bytes());
    let page = run.shows("Prometheus", "/metrics", "said_n");
    assert_clean("the page of results", page.as_bytes());
    assert!(page.contains("[email]"), "{page}");
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("to [email]") && stdout.contains("hash:"), "{stdout}");
    assert!(stderr.contains("redacted"), "{stderr}");
    assert_clean("standard output", stdout.as_bytes());
    assert_clean("standard error", stderr.as_bytes());
    let items = fs::read(&out).unwrap();
    assert!(String::from_utf8_lossy(&items).contains("[email]"), "items leave as they are left");
    assert_clean("the file of items", &items);
    let recorded = fs::read(&record).unwrap();
    assert_clean("the record", &recorded);
    // The record says the same again, without the secret.
    let replayed = tailwater(&["replay", record.to_str().unwrap(), "--format", "jsonl"]);
    let replayed = { replayed }.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&replayed.stdout), stdout);
    // And under the same rules given anew: what is redacted stays as it is.
    let mut again = tailwater(&["replay", record.to_str().unwrap(), "--open", "--format", "jsonl"]);
    again.args(["-e", RULES]).env("TAILWATER_SECRET_REDACT", "another");
    let again = again.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout), stdout);
}

#[test]
fn replays_of_files_redact_and_say_so() {
    let input = path("redact.otlp.jsonl");
    fs::write(&input, format!("{}\n{}\n", otlp(1_767_225_600), otlp(1_767_225_630))).unwrap();
    let args = ["replay", input.to_str().unwrap(), "-e", RULES, "--format", "jsonl"];
    let without = tailwater(&args).env_remove("TAILWATER_SECRET_REDACT").output().unwrap();
    let told = String::from_utf8_lossy(&without.stderr).into_owned();
    assert_eq!(without.status.code(), Some(2), "{told}");
    assert!(told.contains("TAILWATER_SECRET_REDACT"), "{told}");
    let found = tailwater(&args).env("TAILWATER_SECRET_REDACT", SECRET).output().unwrap();
    assert_clean("standard output", &found.stdout);
    assert_clean("standard error", &found.stderr);
    let told = String::from_utf8_lossy(&found.stderr);
    assert!(told.contains("keys deny *.password 6"), "{told}");
    assert!(String::from_utf8_lossy(&found.stdout).contains("to [email]"), "{told}");
    // Sorted, items are redacted before they are spilled, and just once: hashes are the same.
    let args = [&args[..], &["--order", "time"]].concat();
    let sorted = tailwater(&args).env("TAILWATER_SECRET_REDACT", SECRET).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sorted.stdout), String::from_utf8_lossy(&found.stdout));
    let told = String::from_utf8_lossy(&sorted.stderr);
    assert!(told.contains("keys deny *.password 6"), "{told}");
}

#[test]
fn secrets_are_never_printed() {
    let config = path("redact-print.yaml");
    fs::write(&config, format!("secrets:\n  redact: {SECRET}\n")).unwrap();
    for format in ["yaml", "json"] {
        let mut command = tailwater(&["print-config", "--config", config.to_str().unwrap()]);
        let printed = command.args(["--format", format]).output().unwrap();
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        assert!(text.contains("****"), "{text} {}", String::from_utf8_lossy(&printed.stderr));
        assert_clean("the printed configuration", &printed.stdout);
    }
}
