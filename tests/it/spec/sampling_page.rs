//! Every line that the page of sampling shows, tried on telemetry: which traces it keeps.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;

use super::input;
use super::parse::Shown;
use super::run::{Between, Way, answer, compile};

/// A trace of each kind that some line tells from the others; ids count up from 1.
const TRACES: &str = r#"
1s span shop "plain" ok 1ms server trace:01 span:1
1s span shop "slow" ok 2s server trace:02 span:1
1s span shop "slower" ok 20s server trace:03 span:1
1s span shop "unavailable" ok 1ms server {http.status_code: 503} trace:04 span:1
1s span shop "failed" error 1ms server {error.type: "io", db.system: "pg"} trace:05 span:1
1s span shop "undecided" unset 1ms server trace:06 span:1
1s span shop "pay" ok 1ms server {http.route: "/pay/now"} trace:07 span:1
1s span shop "again" ok 1ms server {retried: true} trace:08 span:1
1s span shop "checkout" ok 1ms server {amount: 150} trace:0a span:1
1s span shop "checkout" ok 1ms server {amount: 50} trace:0b span:1
1s span shop "both" error 2s server trace:0c span:1
1s span shop "probe" ok 1ms server {url.path: "/healthz"} trace:0d span:1
1s span shop "three" ok 1ms server trace:0e span:1
1s span shop "below" ok 1ms internal trace:0e span:2 parent:1
1s span shop "below" ok 1ms internal trace:0e span:3 parent:1
1s span shop "lost" ok 1ms server trace:0f span:2 parent:1
1s span shop "query" ok 1ms client {db.system: "pg"} trace:10 span:1
1s span shop "GET /v1/things" ok 1ms server trace:11 span:1
1s span bank "tick" ok 1ms internal trace:12 span:1
1s span shop "a" ok 1ms server trace:13 span:1
1s span shop "big" ok 1ms server trace:14 span:1
1s span shop "part" ok 1ms internal trace:14 span:2+ x120 parent:1
1s span shop "lucky" ok 2s server trace:000000000000000000ff000000000015 span:1
1s span shop "paid" ok 1ms server {http.route: "/pay"} trace:16 span:1
1s span shop "below" ok 1ms internal {http.route: "/x"} trace:16 span:2 parent:1
1s span shop "few" ok 2s server {n: 3} trace:17 span:1
1s span shop "number" ok 1ms server {code: 503} trace:18 span:1
1s span shop "text" ok 1ms server {code: "503", n: "x"} trace:19 span:1
1s span shop "other" ok 1ms server {code: "200", n: 3} trace:1a span:1
1s span shop "truth" ok 1ms server {code: true, n: 3} trace:1b span:1
"#;

/// Others, with what specs have no word for: [`gold`].
const GOLD: [&str; 5] = [
    r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","#,
    r#""value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[{"name":"gold","kind":2,"#,
    r#""status":{"code":1},"traceId":"00000000000000000000000000000009","#,
    r#""spanId":"0000000000000001","startTimeUnixNano":"$1s","endTimeUnixNano":"$1.001s","#,
    r#""traceState":"vendor=gold","events":[{"name":"e","timeUnixNano":"$1s","attributes":[]}],"flags":257}]}]}]}"#,
];

/// A trace with a state of its own, one that only looks like it, and one with an event.
fn gold() -> String {
    let gold = GOLD.concat();
    let not_sampled = gold.replace("\"flags\":257", "\"flags\":256");
    let other = |id: &str| not_sampled.replace("00000009\"", &format!("000000{id}\""));
    let like = other("1c").replace("vendor=gold", "xvendor=golden");
    let exception = r#"[{"key":"exception.type","value":{"stringValue":"Boom"}}]"#;
    let event = other("1d").replace("vendor=gold", "");
    format!(
        "{gold}\n{like}\n{}\n",
        event.replace("\"attributes\":[]}]", &format!("\"attributes\":{exception}}}]"))
    )
}

/// Number of them.
const ALL: u128 = 0x1d;

/// What a line is tried on, and what it keeps.
enum Case {
    /// [`TRACES`]: these, by id.
    Kept(&'static [u128]),
    /// [`TRACES`]: all but these.
    NotKept(&'static [u128]),
    /// Traces of their own: so many.
    Load(String, RangeInclusive<usize>),
}
use Case::{Kept, Load, NotKept};

/// `count` traces of different randomness, `per_s` of them a second, each `rest` and so many more
/// spans.
fn load(count: u128, per_s: u128, rest: &str, spans: u32) -> String {
    let mut text = String::new();
    for n in 0..count {
        let id = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let at_ms = 1_000 + n * 1_000 / per_s;
        let _ = writeln!(text, "{at_ms}ms {rest} trace:{id:032x} span:1");
        if spans > 0 {
            let more = rest.split(" {").next().unwrap_or(rest);
            let _ = writeln!(text, "{at_ms}ms {more} trace:{id:032x} span:2+ x{spans} parent:1");
        }
    }
    text
}

/// The case of a row, by its first cell.
fn case(row: &str) -> Option<Case> {
    const AT_ONCE: u128 = 1_000_000;
    let shop = "span shop \"work\" ok 1ms server";
    let steady = || load(2_000, 100, shop, 0);
    let crowd = || load(3_000, 1_000, shop, 0);
    Some(match row {
        "`always_sample`" => NotKept(&[]),
        "`latency`" => Kept(&[2, 0x0c, 0x15, 0x17]),
        "`numeric_attribute`" => Kept(&[4]),
        "`probabilistic`" | "DeterministicSampler" | "a share of the rest" => Kept(&[0x15]),
        "`status_code`" => Kept(&[5, 6, 0x0c]),
        "`string_attribute`" => Kept(&[7, 0x16]),
        "`boolean_attribute`" => Kept(&[8]),
        "`trace_state`" | "`trace_flags`" => Kept(&[9]),
        "`rate_limiting`" => Load(load(15, AT_ONCE, shop, 100), 9..=9),
        "`bytes_limiting`" => {
            let heavy = format!("{shop} {{blob: \"{}\"}}", "x".repeat(100 * 1024));
            Load(load(30, AT_ONCE, &heavy, 0), 20..=20)
        }
        "`span_count`" => Kept(&[0x0e, 0x16]),
        "`ottl_condition`" => Kept(&[0x0a]),
        "`ottl_condition` on span events" => Kept(&[0x1d]),
        "`and`" => Kept(&[0x0c]),
        "`not`" | "`drop`" | "never" => NotKept(&[0x0d]),
        "`composite`" => {
            let failed = "span shop \"work\" error 1ms server";
            Load(load(8, AT_ONCE, failed, 100), 4..=4)
        }
        "`=`, `!=`" | "always" => NotKept(&[0x12]),
        "`>`, `<`, `>=`, `<=`" => Kept(&[0x17]),
        "`starts-with`" | "`matches`" | "`contains`" | "`in`, `not-in`" => Kept(&[0x18, 0x19]),
        "`does-not-contain`" => NotKept(&[0x18, 0x19]),
        "`exists`, `not-exists`" => Kept(&[0x10]),
        "`has-root-span`" => NotKept(&[0x0f]),
        "`root.`" => Kept(&[0x16]),
        "`?.NUM_DESCENDANTS`" => Kept(&[0x14]),
        // A tenth of 2 000.
        "EMADynamicSampler, DynamicSampler" | "by operation" => Load(steady(), 160..=240),
        // What 15 s may bring comes at once, then 100 a second for three seconds, of 3 000.
        "EMAThroughputSampler, WindowedThroughputSampler"
        | "a rest that adapts to a rate"
        | "by source" => Load(crowd(), 1_500..=1_800),
        "TotalThroughputSampler" => Load(load(250, AT_ONCE, shop, 0), 200..=200),
        "all errors" => Kept(&[5, 0x0c]),
        "half of the slow ones" => Kept(&[0x15]),
        "by queue" => {
            let queue = |name: &str| {
                let destination = format!("{{messaging.destination.name: \"{name}\"}}");
                format!("span shop \"{name}\" ok 1ms producer {destination}")
            };
            // Other ids: their first digit is another.
            let calm = load(3, AT_ONCE, &queue("calm"), 0);
            let calm = calm.replace("trace:9", "trace:1").replace("trace:3", "trace:2");
            let calm = calm.replace("trace:d", "trace:4");
            Load(load(100, AT_ONCE, &queue("busy"), 0) + &calm, 13..=13)
        }
        _ => return None,
    })
}

/// The rules that try a line; those of the last table are over spans.
fn rules(line: &str, is_head: bool) -> String {
    let rest = match line {
        line if line.ends_with("otherwise") => "",
        line if line.starts_with("drop") => "keep otherwise",
        _ => "drop otherwise",
    };
    let (traces, source) = if is_head {
        ("", "all")
    } else {
        ("traces shop from all close when (root and quiet 5s) or age 60s\n", "shop")
    };
    let stream = "stream all = spans lateness 1h";
    let stream = if line.contains("boom") {
        "stream all = spans lateness 1h\nstream booms = span_events\n  \
         where attr[\"exception.type\"] == \"Boom\" lateness 10s\n\
         pattern boom by trace.id within 1s match each { event: booms }"
    } else {
        stream
    };
    format!("{stream}\n{traces}sample {source} {{\n  {line}\n  {rest}\n}} to archive\n")
}

/// The ids of the traces that leave, the same ones with more workers.
fn kept(rules: &str, lines: &str) -> BTreeSet<u128> {
    let plan = compile(rules).unwrap_or_else(|error| panic!("{rules}\n{error}"));
    let lines: Vec<String> =
        lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let log = input::log(&lines).unwrap_or_else(|error| panic!("{error}"));
    let run = |workers: usize, frames: usize| {
        let way = Way { workers, lines: 16, frames, between: Between::Nothing };
        answer(&plan, &log, (false, Shown::All), way).unwrap()
    };
    let (one, two) = (run(1, 64), run(2, 7));
    assert_eq!(one, two, "{rules}");
    let ids = one.rows.iter().filter_map(|row| {
        let id = row.split(" traceId=").nth(1)?.split(' ').next()?;
        u128::from_str_radix(id, 16).ok()
    });
    ids.collect()
}

#[test]
fn every_line_keeps_what_its_row_says() {
    let root = crate::tidy::root();
    let page = fs::read_to_string(root.join("docs/sampling.md")).unwrap();
    let traces = format!("{TRACES}{}", gold());
    let (mut is_head, mut count, mut wrong) = (false, 0, String::new());
    for row in page.lines() {
        is_head |= row == "## Head sampling";
        if !row.contains("| `keep") && !row.contains("| `drop") {
            continue;
        }
        let name = row.trim_start_matches("| ").split(" | ").next().unwrap();
        let name = name.replace("` | `", "");
        let line = row.split("| `").last().and_then(|rest| rest.split('`').next()).unwrap();
        let case = case(&name).unwrap_or_else(|| panic!("no case of {name}"));
        let rules = rules(line, is_head);
        count += 1;
        let low =
            |ids: BTreeSet<u128>| ids.into_iter().map(|id| id & 0xff).collect::<BTreeSet<_>>();
        let all = || (1..=ALL).collect::<BTreeSet<u128>>();
        let (found, wanted) = match &case {
            Kept(ids) => (low(kept(&rules, &traces)), ids.iter().copied().collect()),
            NotKept(ids) => (low(kept(&rules, &traces)), &all() - &ids.iter().copied().collect()),
            Load(lines, range) => {
                let found = kept(&rules, lines).len();
                if !range.contains(&found) {
                    let _ = writeln!(wrong, "{name}: kept {found}, expected {range:?}");
                }
                continue;
            }
        };
        if found != wanted {
            let _ = writeln!(wrong, "{name}: kept {found:x?}, expected {wanted:x?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(count, 18 + 15 + 9, "rows of the page");
}
