//! The configuration file as its users meet it: what it gives, what is wrong with it, what is never
//! shown of it.

mod live;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

/// What stands for a secret in these tests; no output may hold any of it.
const SECRET: &str = "hunter2-correct-horse";

const YAML: &str = "\
# everything once
rules:
  paths: [rules, std/red]
  params: { objective: 99%, count: 3 }
workers: 2
listeners:
  otlp_grpc:
    address: 127.0.0.1:0
    tls: { cert: cert.pem, key: /etc/key.pem }
    tokens: [hunter2-correct-horse, \"${env:TW_TOKEN}\"]
    limits: { connections: 10, idle: 90s }
    body: { timeout: 1m }
  otlp_http: { address: none }
  lines: { address: '127.0.0.1:0', acks: true }
  lines_socket: { path: run/lines.sock }
intake: { items: 1000, bytes: 64MiB, when_full: drop_oldest, wait: 250ms }
record: \"record.twlog\"
admin: { address: '[::1]:0' }
grace: 1m30s
log: { format: json, level: warn }
itself: { metrics: true, trace_url: http://localhost:4318, trace_every: 10 }
sinks:
  prometheus: { address: 127.0.0.1:0 }
  pager:
    type: alertmanager
    url: http://localhost:9093
    headers: { Authorization: \"Bearer ${env:TW_TOKEN}\", X-Price: \"$$5\" }
  hook: { type: webhook, url: 'https://example.com/a', retry_within: 2h }
  kept: { type: file, path: out.jsonl, rotate: { age: 1d, bytes: 1GiB } }
";

const TOML: &str = "\
workers = 2
record = 'record.twlog'
grace = '90s'
[rules]
paths = ['rules', 'std/red']
params = { objective = '99%', count = 3 }
[listeners.otlp_grpc]
address = '127.0.0.1:0'
tls = { cert = 'cert.pem', key = '/etc/key.pem' }
tokens = ['hunter2-correct-horse', '${env:TW_TOKEN}']
limits = { connections = 10, idle = '1m30s' }
body.timeout = '60s'
[listeners]
otlp_http.address = 'none'
lines = { address = '127.0.0.1:0', acks = true }
lines_socket.path = 'run/lines.sock'
[intake]
items = 1_000
bytes = '65536KiB'
when_full = 'drop_oldest'
wait = '250ms'
[log]
format = 'json'
level = 'warn'
[itself]
metrics = true
trace_url = 'http://localhost:4318'
trace_every = 10
[admin]
address = '[::1]:0'
[sinks.prometheus]
address = '127.0.0.1:0'
[sinks.pager]
type = 'alertmanager'
url = 'http://localhost:9093'
headers = { Authorization = 'Bearer ${env:TW_TOKEN}', X-Price = '$$5' }
[sinks.hook]
type = 'webhook'
url = 'https://example.com/a'
retry_within = '120m'
[sinks.kept]
type = 'file'
path = 'out.jsonl'
rotate.age = '24h'
rotate.bytes = '1024MiB'
";

fn tailwater(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.args(args).stdin(Stdio::null()).env("TW_TOKEN", SECRET).env_remove("TW_UNSET");
    command
}

/// A new folder with files in it.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config").join(name);
    let _ = fs::remove_dir_all(&folder);
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Runs a command in a folder: exit code, standard output, standard error.
fn run_in(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = tailwater(args);
    let output = command.current_dir(folder).env("XDG_CONFIG_HOME", folder.join("xdg")).output();
    let output = output.unwrap();
    let (stdout, stderr) = texts(&output);
    for text in [&stdout, &stderr] {
        assert!(!text.contains("hunter2") && !text.contains("horse"), "a secret is shown:\n{text}");
    }
    (output.status.code().unwrap_or(-1), stdout, stderr)
}

fn printed(folder: &Path, args: &[&str]) -> Json {
    let args = [&["print-config", "--format", "json"], args].concat();
    let (code, stdout, stderr) = run_in(folder, &args);
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn wrong(name: &str, file: &str, text: &str) -> String {
    let folder = folder(name, &[(file, text)]);
    let (code, stdout, stderr) = run_in(&folder, &["print-config", "--config", file]);
    assert_eq!((code, &*stdout), (78, ""), "{stderr}");
    stderr
}

#[test]
fn both_syntaxes_give_the_same_settings() {
    let folder = folder("same", &[("a.yaml", YAML), ("a.toml", TOML), ("plain", TOML)]);
    let config = |file: &str| printed(&folder, &["-c", file])["config"].clone();
    let yaml = config("a.yaml");
    assert_eq!(yaml, config("a.toml"));
    assert_eq!(yaml, config("plain"));
    assert_eq!(yaml["intake"]["bytes"], "64MiB");
    assert_eq!(yaml["rules"]["params"]["count"], "3");
    assert_eq!(yaml["sinks"]["pager"]["headers"]["Authorization"], "****");
    assert_eq!(yaml["sinks"]["hook"]["retry_within"], "2h");
    assert_eq!(yaml["rules"]["paths"], serde_json::json!(["rules", "std/red"]));
}

#[test]
fn what_is_printed_is_read_again() {
    let folder = folder("again", &[("a.yaml", YAML)]);
    let (code, text, stderr) = run_in(&folder, &["print-config", "-c", "a.yaml"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(text.starts_with("# configuration: a.yaml\n"), "{text}");
    fs::write(folder.join("b.yaml"), &text).unwrap();
    let first = printed(&folder, &["-c", "a.yaml"]);
    assert_eq!(first["config"], printed(&folder, &["-c", "b.yaml"])["config"]);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = "workers: many\n\
                sinks:\n  pager: { type: alertmanger }\n\
                intake:\n  bytes: 5\n  wiat: 5s\n\
                listeners:\n  lines: { address: '${env:TW_UNSET}' }\n";
    let told = wrong("five", "a.yaml", text);
    for part in [
        "expected a whole number from 1 on, found `many`\n --> a.yaml:1:10\n",
        "1 | workers: many\n  |          ^^^^\n",
        "there is no type `alertmanger`\n --> a.yaml:3:18\n",
        "did you mean `alertmanager`?",
        "found `5`\n --> a.yaml:5:10\n",
        "add a unit: `5B` are bytes",
        "unknown field `wiat` in `intake`\n --> a.yaml:6:3\n",
        "did you mean `wait`?",
        "the environment has no `TW_UNSET`",
        "a.yaml:8:21\n",
        "\n5 errors\n",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let text =
        "workers = 'two'\n[intake]\nitems = -1\nbytes = 5\nbites = '5B'\n[sinks.a]\nurl = 'x'\n";
    let told = wrong("five-toml", "a.toml", text);
    for part in [
        "a.toml:1:11\n",
        "write it without quotes",
        "a.toml:3:9\n",
        "a.toml:4:9\n",
        "unknown field `bites` in `intake`\n --> a.toml:5:1\n",
        "`a` needs a `type`\n --> a.toml:6:8\n",
        "\n5 errors\n",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}

#[test]
fn odd_files_are_refused_and_nothing_falls_over() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    for (index, (file, text, part)) in [
        ("a.yaml", "- 1\n", "expected fields such as `workers`, found a list"),
        ("a.yaml", "workers: 1\n---\nworkers: 2\n", "a configuration is one document"),
        ("a.yaml", "workers: !!int 1\n", "a configuration has no tags"),
        ("a.yaml", "workers: 1\nworkers: 2\n", "`workers` is given twice"),
        ("a.yaml", "workers: \"2\"\n", "write it without quotes"),
        ("a.yaml", "workers:\n", "expected a whole number from 1 on, found nothing"),
        ("a.yaml", "workers: 0\n", "expected a whole number from 1 on, found `0`"),
        ("a.yaml", "listeners: { lines: { token_file: } }\n", "expected a path, found nothing"),
        ("a.yaml", "rules: { paths: rules }\n", "expected a list, found a single value"),
        ("a.yaml", "intake: 5\n", "expected a map of fields, found a single value"),
        ("a.yaml", "? [a]\n: b\n", "expected a name in front of `:`, found a list"),
        ("a.yaml", "a: &x [*x]\n", "an alias within what it stands for"),
        ("a.yaml", "a: {b: ü\n", "this is no YAML"),
        ("a.yaml", "a: { b: ${env:X} }\n", "within `{…}` and `[…]` it stands in quotes"),
        ("a.yaml", &deep, "deeper than"),
        ("a.yaml", bomb, "at most 20000 values"),
        ("a.toml", "a = \n", "this is no TOML"),
        ("a.toml", "workers = 99999999999999999999\n", "expected a whole number from 1 on"),
        ("a.toml", "grace = 1979-05-27\n", "write it in quotes"),
        ("a.yaml", "sinks: { p: { type: webhook } }\n", "`sinks.p` needs `url`: a URL such as"),
        (
            "a.yaml",
            "sinks: { a-b: { type: webhook, url: 'http://x' } }\n",
            "no name that a rule can",
        ),
        (
            "a.yaml",
            "sinks: { p: { type: otlp, url: 'http://x', tls: { cert: a } } }\n",
            "`cert` of `p` needs `key`, too",
        ),
        ("a.yaml", "sinks: { p: { type: prometheus, address: '0.0.0.0:1' } }\n", "a.yaml:1:42\n"),
        (
            "a.yaml",
            "listeners: { lines: { tls: { key: a } } }\n",
            "`key` of `lines` needs `cert`, too",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let told = wrong(&format!("odd-{index}"), file, text);
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let folder = folder("unread", &[("big.yaml", &"#".repeat(2_000_000)), ("tailwater.yml/x", "")]);
    let (code, _, told) = run_in(&folder, &["print-config", "-c", "big.yaml"]);
    assert!(code == 66 && told.contains("more than 1048576 bytes"), "{told}");
    let (code, _, told) = run_in(&folder, &["print-config", "-c", "big.yml"]);
    assert!(code == 66 && told.contains("did you mean `big.yaml`?"), "{told}");
    // A file of the search path that is there and cannot be read is not passed over.
    let (code, _, told) = run_in(&folder, &["print-config"]);
    assert!(code == 66 && told.contains("tailwater.yml"), "{told}");
}

#[test]
fn a_value_from_elsewhere_is_never_syntax() {
    let text = "workers: ${env:TW_A}\noutput: ${env:TW_B}\nrules: { params: { p: '${file:p}' } }\n";
    let folder = folder("inject", &[("a.yaml", text), ("p", "5s\n\n"), ("secret", SECRET)]);
    let mut command = tailwater(&["print-config", "--format", "json", "-c", "a.yaml"]);
    command
        .current_dir(&folder)
        .env("TW_A", "3")
        .env("TW_B", "x\nadmin:\n  address: none # ${env:TW_A}");
    let output = command.output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    let json: Json = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["config"]["workers"], 3);
    assert_eq!(json["config"]["output"], "x\nadmin:\n  address: none # ${env:TW_A}");
    assert_eq!(json["config"]["admin"]["address"], "127.0.0.1:9465");
    assert_eq!(json["config"]["rules"]["params"]["p"], "5s\n");
    assert_eq!(json["origins"]["workers"], "${env:TW_A} at a.yaml:1");
    // What a variable holds is not shown where it does not fit.
    let mut command = tailwater(&["print-config", "-c", "a.yaml"]);
    command.current_dir(&folder).env("TW_A", "2\nworkers: 3").env("TW_B", "x");
    let (stdout, stderr) = texts(&command.output().unwrap());
    assert!(stdout.is_empty() && stderr.contains("what ${env:TW_A} gives is none"), "{stderr}");
    assert!(!stderr.contains("workers: 3"), "{stderr}");
}

#[test]
fn a_secret_is_never_shown() {
    for (index, text) in [
        "listeners: { lines: { token: hunter2-correct-horse } }\nworkers: x",
        "listeners: { lines: { tokens: hunter2-correct-horse, acks: 5 } }",
        "listeners: { lines: { tokens: { a: [hunter2-correct-horse] } } }",
        "sinks: { a: { type: webhook, url: 'http://me:hunter2-correct-horse@h' } }",
        "sinks: { a: { typ: webhook, headers: { A: hunter2-correct-horse } } }",
        "sinks: { a: { type: webhook, headers: { A: \"hunter2-correct-horse\\n\" } } }",
        "sinks: { a: { type: ${env:TW_TOKEN} } }",
        "tokens: hunter2-correct-horse\ntokens: hunter2-correct-horse",
        "tokens: [\"hunter2-correct-horse\n  - x",
        "token: *hunter2-correct-horse",
        "workers: ${env:TW_TOKEN}\ngrace: ${env:TW_TOKEN}\nrecord: [hunter2]",
        "listeners: { lines: { tokens: ['${vault:hunter2}'] } }",
        "record: |\n  hunter2-correct-horse\n  horse: x\nworkers: [",
    ]
    .into_iter()
    .enumerate()
    {
        // `run_in` looks for it in whatever is said.
        wrong(&format!("secret-{index}"), "a.yaml", text);
    }
    wrong("secret-toml", "a.toml", "tokens = [\"hunter2-correct-horse\nworkers = 'hunter2\n");
    let text = "listeners: { lines: { tokens: [hunter2-correct-horse] } }\n\
                sinks: { a: { type: webhook, url: 'https://h/x?key=hunter2-correct-horse' } }\n";
    let folder = folder("secret-good", &[("tailwater.yaml", text)]);
    let (code, stdout, _) = run_in(&folder, &["print-config"]);
    assert!(code == 0 && stdout.contains("https://h/x?****"), "{stdout}");
    let rules = "aggregate a from spans over tumbling(1m) select { n: count() } to nowhere";
    let (code, _, stderr) = run_in(&folder, &["run", "-e", rules]);
    assert!(code == 78 && stderr.contains("there is no sink `nowhere`"), "{stderr}");
    for format in ["human", "json", "github"] {
        let args = ["check", "-c", "tailwater.yaml", "-e", rules, "--format", format];
        assert_eq!(run_in(&folder, &args).0, 1);
    }
}

#[test]
fn files_are_found_in_order() {
    let files = [
        ("tailwater.toml", "workers = 3"),
        ("xdg/tailwater/tailwater.yml", "workers: 4"),
        ("named", "workers: 5"),
    ];
    let folder = folder("search", &files);
    let workers = |args: &[&str]| {
        let json = printed(&folder, args);
        (json["file"].clone(), json["config"]["workers"].clone())
    };
    assert_eq!(workers(&["-c", "named"]), ("named".into(), 5.into()));
    assert_eq!(workers(&[]), ("tailwater.toml".into(), 3.into()));
    fs::write(folder.join("tailwater.yaml"), "workers: 2").unwrap();
    assert_eq!(workers(&[]), ("tailwater.yaml".into(), 2.into()));
    fs::remove_file(folder.join("tailwater.yaml")).unwrap();
    fs::remove_file(folder.join("tailwater.toml")).unwrap();
    let found = folder.join("xdg/tailwater/tailwater.yml").display().to_string();
    assert_eq!(workers(&[]), (found.into(), 4.into()));
    fs::remove_file(folder.join("xdg/tailwater/tailwater.yml")).unwrap();
    let (_, stdout, _) = run_in(&folder, &["print-config"]);
    let is_there = Path::new("/etc/tailwater").exists();
    assert!(is_there || stdout.starts_with("# configuration: no file was found\n"), "{stdout}");
}

#[test]
fn options_win_over_the_file_and_the_file_over_defaults() {
    let text = "workers: 2\ngrace: 5s\nrules: { paths: [a], params: { p: 1, q: 2 } }\n\
                sinks: { webhook: { url: 'http://a' }, prometheus: { address: none } }\n";
    let folder = folder("precedence", &[("sub/a.yaml", text)]);
    let file = ["-c", "sub/a.yaml"];
    let json = printed(&folder, &file);
    let (config, origins) = (&json["config"], &json["origins"]);
    assert_eq!((&config["workers"], &origins["workers"]), (&2.into(), &"sub/a.yaml:1".into()));
    assert_eq!(origins["record"], "default");
    // Paths of the file are seen from its folder.
    assert_eq!(config["rules"]["paths"][0], "sub/a");
    let options = [
        "--workers",
        "3",
        "--rules",
        "b",
        "--set",
        "p=9",
        "--webhook",
        "http://b",
        "--grace",
        "7",
        "--prometheus",
        "127.0.0.1:0",
        "--alertmanager",
        "http://c",
        "--token-file",
        "t",
    ];
    let json = printed(&folder, &[&file[..], &options].concat());
    let (config, origins) = (&json["config"], &json["origins"]);
    for (path, value, origin) in [
        ("workers", "3", "--workers"),
        ("grace", "\"7s\"", "--grace"),
        ("rules.params.p", "\"9\"", "--set"),
        ("rules.params.q", "\"2\"", "sub/a.yaml:3"),
        ("sinks.webhook.url", "\"http://b\"", "--webhook"),
        ("sinks.webhook.type", "\"webhook\"", "sub/a.yaml:4"),
        ("sinks.prometheus.address", "\"127.0.0.1:0\"", "--prometheus"),
        ("sinks.alertmanager.url", "\"http://c\"", "--alertmanager"),
        ("listeners.lines.token_file", "\"t\"", "--token-file"),
    ] {
        let found = path.split('.').fold(config, |json, name| &json[name]);
        assert_eq!((found.to_string().as_str(), &origins[path]), (value, &origin.into()), "{path}");
    }
    assert_eq!(config["rules"]["paths"], serde_json::json!(["b"]));
}

#[test]
fn check_knows_the_sinks_of_a_configuration() {
    let rules = "stream s = spans lateness 0s\n\
                 aggregate a from s over tumbling(1m) select { n: count() } to pagr\n";
    let config = "rules: { paths: [r.tw] }\nsinks: { pager: { type: webhook, url: 'http://a' } }\n";
    let files = [("r.tw", rules), ("a.yaml", config), ("b.yaml", "worker: 1\n")];
    let folder = folder("check", &files);
    // Without a configuration any name may be a sink.
    assert_eq!(run_in(&folder, &["check", "r.tw"]).0, 0);
    for args in [&["check", "-c", "a.yaml"][..], &["check", "-c", "a.yaml", "r.tw"]] {
        let (code, stdout, _) = run_in(&folder, args);
        assert_eq!(code, 1, "{stdout}");
        for part in ["E1007", "there is no sink `pagr`", "r.tw:2:", "did you mean `pager`?"] {
            assert!(stdout.contains(part), "`{part}` is not in:\n{stdout}");
        }
    }
    let (code, stdout, stderr) = run_in(&folder, &["check", "-c", "b.yaml", "r.tw"]);
    assert!(code == 1 && stdout.contains("unknown field `worker`"), "{stdout}{stderr}");
    assert!(stderr.contains("1 mistake of configuration"), "{stderr}");
    let (_, stdout, _) = run_in(&folder, &["check", "-c", "b.yaml", "r.tw", "--format", "json"]);
    let told: Json = serde_json::from_str(stdout.lines().next().unwrap()).unwrap();
    assert_eq!(told["range"]["start"]["column"], 1, "{told}");
    fs::write(folder.join("r.tw"), rules.replace("pagr", "pager")).unwrap();
    assert_eq!(run_in(&folder, &["check", "-c", "a.yaml"]).0, 0);
}

#[test]
fn memory_is_one_number() {
    let folder = folder("memory", &[("a.yaml", "limits: { memory: 300MiB }")]);
    let shown = printed(&folder, &["-c", "a.yaml"]);
    let (waiting, reading) = ("140MiB", "128MiB"); // beside 32 MiB of epochs
    assert_eq!(shown["config"]["intake"]["bytes"], waiting, "{shown}");
    assert_eq!(shown["config"]["intake"]["reading_bytes"], reading);
    let text = "limits: { memory: 600MiB }\nintake: { bytes: 100MiB }";
    fs::write(folder.join("a.yaml"), text).unwrap();
    assert_eq!(printed(&folder, &["-c", "a.yaml"])["config"]["intake"]["reading_bytes"], "468MiB");
    let sinks = "sinks:\n  central: { type: otlp, url: 'http://c:4318' }\n  rows: { type: file, path: \
                 r.jsonl }\n  own: { type: file, path: o.jsonl, queue_bytes: 8MiB }\n";
    fs::write(folder.join("a.yaml"), format!("limits: {{ memory: 512MiB }}\n{sinks}")).unwrap();
    let shown = &printed(&folder, &["-c", "a.yaml"])["config"];
    let held = |sink: &str| shown["sinks"][sink]["queue_bytes"].as_str().unwrap().to_owned();
    assert_eq!([held("central"), held("rows"), held("own")], ["32MiB", "32MiB", "8MiB"]);
    let held = |part: &str| shown["intake"][part].as_str().unwrap().to_owned();
    assert_eq!([held("reading_bytes"), held("bytes")], ["128MiB", "216MiB"], "of 344 MiB");
    let said = wrong("memory-sinks", "a.yaml", &format!("limits: {{ memory: 200MiB }}\n{sinks}"));
    assert!(said.contains("expected `236MiB`"), "{said}");
    let said = wrong("memory-small", "a.yaml", "limits:\n  memory: 100MiB");
    assert!(said.contains("expected `224MiB`") && said.contains("a.yaml:2:"), "{said}");
    let text = "limits: { memory: 300MiB }\nintake: { bytes: 256MiB, reading_bytes: 128MiB }";
    let said = wrong("memory-parts", "a.yaml", text);
    let fit = "do not fit into 300 MiB of memory beside 32 MiB";
    assert!(said.contains(fit), "{said}");
    let text = "intake:\n  bytes: 3MiB\n  reading_bytes: 100MiB";
    let said = wrong("memory-queue", "a.yaml", text);
    assert!(said.contains("expected `64MiB` of `intake.bytes` or more"), "{said}");
    assert!(said.contains("expected `128MiB` of `intake.reading_bytes` or more"), "{said}");
    assert!(said.contains("a.yaml:2:") && said.contains("a.yaml:3:"), "{said}");
}
