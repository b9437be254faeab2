//! What rules mean, end to end.

use tailwater_engine::model::PayloadFormat;

use super::replay::{BASE_S, plan, run, run_as, span};

const ERROR: &str = r#","status":{"code":2}"#;

fn requests() -> Vec<String> {
    vec![
        span("shop", "GET /", 1_000, 100, r#","kind":2"#),
        span("shop", "GET /", 2_000, 200, &format!(r#","kind":2{ERROR}"#)),
        span("pay", "POST /pay", 3_000, 900, &format!(r#","kind":2{ERROR}"#)),
        span("pay", "charge", 3_100, 50, r#","kind":3"#),
        span("shop", "GET /", 12_000, 300, r#","kind":2"#),
    ]
}

#[test]
fn counts_errors_and_percentiles_by_service() {
    let said = run(
        "aggregate http from spans where kind == server
           by     service.name
           over   tumbling(10s)
           select { n: count(), errors: count() where status == error, error_rate: errors / n,
                    p99(duration), worst: max(duration) }",
        &requests(),
    );
    assert_eq!(
        said,
        [
            "http [0, 10) service.name=pay n=1 errors=1 error_rate=100% p99=900ms worst=900ms",
            "http [0, 10) service.name=shop n=2 errors=1 error_rate=50% p99=200ms worst=200ms",
            "http [10, 20) service.name=shop n=1 errors=0 error_rate=0% p99=300ms worst=300ms",
        ]
    );
}

fn of_requests(call: &str) -> Vec<String> {
    let rule = format!("aggregate a from spans over tumbling(1m) select {{ x: {call} }}");
    run(&rule, &requests())
}

#[test]
fn distinct_values_are_counted() {
    assert_eq!(of_requests("distinct(name)"), ["a [0, 60) x=3"]);
}

#[test]
fn the_most_frequent_values_are_listed() {
    let wanted = r#"a [0, 60) x=[{"count":3,"value":"GET /"}, {"count":1,"value":"POST /pay"}]"#;
    let plain = |text: &str| text.replace([' ', '"'], "");
    let said = of_requests("top(2, name)");
    assert_eq!(said.iter().map(|line| plain(line)).collect::<Vec<_>>(), [plain(wanted)]);
    assert!(plan("aggregate a from spans over tumbling(1m) select { top(0, name) }").is_err());
}

#[test]
fn the_first_values_are_collected() {
    let said = of_requests("collect(duration, limit: 3)");
    assert_eq!(said, ["a [0, 60) x=[100ms, 200ms, 50ms]"]);
    let too_many = "aggregate a from spans over tumbling(1m) select { collect(name, limit: 1025) }";
    assert!(plan(too_many).is_err());
}

#[test]
fn apdex_of_durations() {
    // 50, 100 and 200 ms are satisfying, 300 ms is tolerable, 900 ms is not.
    assert_eq!(of_requests("apdex(duration, 200ms)"), ["a [0, 60) x=0.7"]);
}

#[test]
fn histograms_hold_every_value() {
    assert_eq!(of_requests("histogram(duration)"), ["a [0, 60) x=histogram of 5"]);
}

#[test]
fn streams_constants_parameters_and_functions_are_composed() {
    let said = run(
        "const slow = 150ms
         param least = 1
         fn is_shop(name) = name == \"shop\"
         stream requests = spans
           where kind == server
           set   { verb: before(name, \" \") }
           lateness 1s
         aggregate slow_ones from requests where is_shop(service.name)
           by     verb
           over   tumbling(10s)
           select { n: count() where duration > slow, all: count() }
           having n >= least",
        &requests(),
    );
    assert_eq!(
        said,
        ["slow_ones [0, 10) verb=GET n=1 all=2", "slow_ones [10, 20) verb=GET n=1 all=1"]
    );
}

#[test]
fn windows_of_every_shape() {
    let said = run(
        "aggregate slide from spans over sliding(20s, every: 10s) select { n: count() }
         aggregate session from spans by service.name over session(gap: 5s) select { n: count() }
         aggregate third from spans over count(3) select { total: sum(duration) }",
        &requests(),
    );
    assert_eq!(
        said,
        [
            "third [1.1, 3.150000001) total=350ms",
            "session [1.1, 7.2) service.name=shop n=2",
            "session [3.15, 8.9) service.name=pay n=2",
            "slide [-10, 10) n=4",
            "third [3.9, 12.300000001) total=1.2s",
            "session [12.3, 17.3) service.name=shop n=1",
            "slide [0, 20) n=5",
            "slide [10, 30) n=1",
        ]
    );
}

#[test]
fn alerts_fire_with_their_evidence() {
    let said = run(
        "aggregate http from spans where kind == server
           by     service.name
           over   tumbling(10s)
           select { n: count(), error_rate: ratio(status == error) }
         alert Errors from http
           when   error_rate > 40%
           on no data resolve
           severity critical
           labels { team: \"payments\" }
           annotations { summary: \"{service.name}: {error_rate} of {n} fail\" }",
        &requests(),
    );
    let alerts: Vec<&String> = said.iter().filter(|line| line.starts_with("Errors")).collect();
    assert_eq!(
        alerts,
        [
            "Errors firing at 10s team=payments summary=\"pay: 100% of 1 fail\"",
            "Errors firing at 10s team=payments summary=\"shop: 50% of 2 fail\"",
            "Errors resolved at 20s team=payments summary=\"pay: 100% of 1 fail\"",
            "Errors resolved at 20s team=payments summary=\"shop: 0% of 1 fail\"",
        ]
    );
}

#[test]
fn equal_inputs_share_a_table() {
    let plan = plan(
        "aggregate a from spans by service.name over tumbling(10s) select { n: count() }
         aggregate b from spans by service.name over sliding(1m, every: 10s)
           select { p99(duration) }
         aggregate c from spans where status == error by service.name over tumbling(10s)
           select { n: count() }",
    )
    .unwrap();
    assert_eq!(plan.tables.len(), 2);
    assert_eq!(plan.tables[0].windows.len(), 2);
}

#[test]
fn the_state_of_a_rule_keeps_its_identity_when_others_come() {
    let rule = "aggregate a from spans by service.name over tumbling(10s) select { n: count() }";
    let other = "aggregate z from spans where name == \"x\" by kind over tumbling(7s)
                   select { n: count() where http.route == \"/\" }";
    let alone = plan(rule).unwrap().tables[0].hash;
    let both = plan(&format!("{other}\n{rule}")).unwrap();
    assert!(both.tables.iter().any(|table| table.hash == alone));
}

#[test]
fn severity_is_ordered_and_ids_compare_with_hex() {
    assert!(
        plan(
            "aggregate a from logs where severity >= warn over tumbling(1m) select { n: count() }"
        )
        .is_ok()
    );
    assert!(
        plan(
            "aggregate a from spans where trace.id == \"fe3974115b911675d0640788986f80c9\"
           over tumbling(1m) select { n: count() }"
        )
        .is_ok()
    );
}

#[test]
fn duplicates_count_once() {
    let ids = |n: u32| format!(r#","traceId":"{n:032x}","spanId":"{n:016x}""#);
    let mut lines: Vec<String> =
        (1..6).map(|n| span("shop", "GET /", i64::from(n) * 1_000, 10, &ids(n))).collect();
    lines.push(span("shop", "GET /", 2_000, 10, &ids(2)));
    lines.push(span("shop", "GET /", 5_000, 10, &ids(5)));
    lines.push(span("shop", "GET /", 70_000, 10, &ids(5)));
    let rules = |within: &str| {
        format!(
            "stream once = spans dedupe by trace.id, span.id within {within} limit 1_000
             aggregate n from once over tumbling(1m) select {{ n: count() }}
             aggregate all from spans over tumbling(1m) select {{ n: count() }}"
        )
    };
    let said = run(&rules("1m"), &lines);
    assert_eq!(said, ["n [0, 60) n=5", "all [0, 60) n=7", "n [60, 120) n=1", "all [60, 120) n=1"]);
    let said = run(&rules("10m"), &lines);
    assert_eq!(said, ["n [0, 60) n=5", "all [0, 60) n=7", "all [60, 120) n=1"]);
}

#[test]
fn what_is_beyond_a_bound_is_said() {
    let first = "aggregate r0 from spans over tumbling(1m) select { c0: count() }".to_owned();
    let above = |at: usize| format!("rows r{at} = r{0} select {{ c{at}: c{0} + 1 }}", at - 1);
    let rules: Vec<String> = std::iter::once(first).chain((1..10).map(above)).collect();
    assert!(plan(&rules.join("\n")).unwrap_err().contains("more than 8 rules read one another"));
}

#[test]
fn a_heartbeat_moves_the_watermark_of_its_source() {
    let line = |at_s: i64, kind: &str, data: &str| {
        let ts = (BASE_S + at_s) * 1_000;
        format!(r#"{{"v":1,"src":"worker","ts":{ts},"type":"{kind}","data":{data}}}"#)
    };
    let event = |at_s| line(at_s, "event", r#"{"level":"info","msg":"x","ctx":{}}"#);
    let rules = "aggregate n from events over tumbling(10s) select { n: count() }";
    // Without the heartbeat the second event still finds its window open.
    let without = [event(1), event(2)];
    assert_eq!(run_as(rules, &without, PayloadFormat::Lines), ["n [0, 10) n=2"]);
    let with = [event(1), line(25, "heartbeat", "{}"), event(2)];
    assert_eq!(run_as(rules, &with, PayloadFormat::Lines), ["n [0, 10) n=1"]);
}
