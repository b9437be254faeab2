//! What `explain` says of a plan.

use tailwater_rules::explain::{dot, explain, mermaid, text};

use super::replay::plan;

const RULES: &str = "stream requests = spans
   where kind == server and service.namespace == \"shop\"
   set   { route: http.route ?? url.path ?? \"(none)\" }
   lateness 5s
 aggregate http from requests by service.name, route over tumbling(10s)
   select { n: count(), errors: count() where status == error, p99(duration) }
 aggregate slow from requests by service.name, route over sliding(1m, every: 10s)
   select { p50(duration) } limit groups 10_000 overflow other
 alert Errors from http when errors > 5";

#[test]
fn sharing_and_bounds_are_said() {
    let explanation = explain(&plan(RULES).unwrap());
    assert_eq!(
        text(&explanation),
        "\
spans at end where kind == \"server\" and service.namespace == \"shop\"
  by        service.name, http.route ?? url.path ?? \"(none)\"
  keeps     count; count where status == \"error\"; distribution of duration (2 digits)
  lateness  5s; a source counts as idle 30s behind the others
  state     at most 10000 groups in about 7 slices of 10s, the rest in `other`
  rule      http over tumbling(10s)
            alert Errors
  rule      slow over sliding(1m, every: 10s)
  shared    2 rules, one update an item

conditions
            alert Errors when errors > 5 on no data keep

"
    );
}

#[test]
fn graphs_name_every_step() {
    let explanation = explain(&plan(RULES).unwrap());
    let graph = dot(&explanation);
    assert!(graph.contains("\"spans\" -> \"table 1\\nby service.name"), "{graph}");
    assert!(graph.contains("-> \"alert Errors\";"), "{graph}");
    let chart = mermaid(&explanation);
    assert!(chart.starts_with("flowchart LR\n  n0[\"spans\"] --> n1[\"table 1<br/>by"), "{chart}");
}

#[test]
fn rules_about_rules_say_what_they_read_and_keep() {
    let rules = "stream s = spans lateness 5s late amend within 1m
     aggregate http from s by service.name over tumbling(1m) select { n: count() }
       results every 10s
     rows shift = http join http before 1h as was on service.name where was.n > 10
       top 3 by n / was.n select { x: n / was.n }
     aggregate total from http where n > 1 over tumbling(5m) select { spans: sum(n) }
     alert Shift from shift when x > 2";
    let explanation = explain(&plan(rules).unwrap());
    assert_eq!(
        text(&explanation),
        "\
spans at end
  by        service.name
  keeps     count
  lateness  5s; a source counts as idle 30s behind the others; items up to 1m later amend
  state     at most 10000 groups in about 13 slices of 10s, the rest in `other`
  rule      http over tumbling(1m), results every 10s

rows of http where n > 1
  by        all items together
  keeps     sum of n
  lateness  none: takes final rows, 1m after their window
  state     at most 10000 groups in about 2 slices of 5m, the rest in `other`
  rule      total over tumbling(5m)

rows of http and http
  rule      shift
            join http before 1h on service.name
            where http's n > 10
            top 3 by n / http's n
  by        service.name
  level     1
  state     rows of its inputs until the watermark is 1h1m past their window
            alert Shift

conditions
            alert Shift when x > 2 on no data keep

"
    );
    let graph = dot(&explanation);
    let http = "\"http\\ntumbling(1m), results every 10s\"";
    assert!(graph.contains(&format!("{http} -> \"shift\";")), "{graph}");
    assert!(graph.contains("\"shift\" -> \"alert Shift\";"), "{graph}");
}

#[test]
fn what_many_filters_have_in_common_is_said() {
    let of = |at: usize| {
        format!(
            "pattern p{at} by trace.id within 10s match one {{
               a: s where service.name == \"s{at}\" and name == \"n\" and duration > {at}s
               then b: s where service.name == \"s{at}\" and status == error }}\n
             aggregate slow{at} from s where duration > {at}s by name over tumbling(1m)
               select {{ n: count() }}\n"
        )
    };
    let rules: Vec<String> = (0..4).map(of).collect();
    let rules = format!("stream s = spans lateness 5s\n{}", rules.concat());
    let said = text(&explain(&plan(&rules).unwrap()));
    let at = said.find("12 filters of spans").expect("it is said");
    assert_eq!(
        &said[at..],
        "12 filters of spans, asked together\n  lookups   service.name (4 texts)\n  \
         in order  duration (4 bounds)\n  singly    2 conditions\n\n"
    );
    // A rule or two have nothing to gain.
    let few = text(&explain(&plan(RULES).unwrap()));
    assert!(!few.contains("asked together"), "{few}");
}

#[test]
fn what_a_correlation_holds_is_said() {
    let rules = "stream s = spans lateness 5s
     correlate jobs {
       e: s where attr[\"entity\"] != null
       j: logs where body == \"done\"
     } on e.attr[\"job\"] == j.attr[\"id\"] within [-1m, 5m] pick all limit 3
     aggregate lost from jobs.left_only over tumbling(1m) select { n: count() }
     alert Lost from jobs.right_only hold 1m";
    let explanation = explain(&plan(rules).unwrap());
    let said = text(&explanation);
    assert!(
        said.contains(
            "\
pairs of spans and logs
  rule      jobs
            e: spans where entity != null
            j: logs where body == \"done\"
  on        job
  finds     each e takes the first 3 j from -1m to 5m after it
  state     e waits 5m, j waits 1m; at most 4096 of each a key, 2097152 keys and 512 MiB, and \
        64 MiB before the watermark in each of 1024 shards; more \
             are refused and counted
            alert Lost
"
        ),
        "{said}"
    );
    let graph = dot(&explanation);
    assert!(graph.contains("\"spans\" -> \"jobs\";"), "{graph}");
    assert!(graph.contains("\"jobs\" -> \"jobs.left_only\";"), "{graph}");
}

#[test]
fn what_new_traces_hold_is_said() {
    let rules = "stream s = spans where status == error lateness 5s
     retrace orders from s where shop.id != \"x\" by order.id root { name: \"{order.id}\" }
       keep 100% when duration > 1s, 5% otherwise flush after 2m or 50 spans to otlp
     correlate jobs { e: s j: s } on span.id within [0s, 1s] pick first select { st: e.status }
     retrace pairs from jobs.matched by span.id root { name: \"pair\" } to otlp";
    let explanation = explain(&plan(rules).unwrap());
    let said = text(&explanation);
    let state = "at most 100000 traces and 256 MiB of their spans; beyond, the oldest end early and \
                 are counted";
    let wanted = [
        format!(
            "\
new traces from spans
  rule      orders
            where status == \"error\" and shop.id != \"x\"
  by        order.id
  ends      2m after its first span, or with 50 spans
  keep      100% when duration > 1s
  keep      5% otherwise
  state     {state}
"
        ),
        format!(
            "\
new traces from jobs.matched
  rule      pairs
  by        span.id
  ends      5s after its first span, or with 1000 spans
  state     {state}
"
        ),
    ];
    for wanted in wanted {
        assert!(said.contains(&wanted), "{said}");
    }
    assert!(!said.contains("in an order"), "spans are taken by a rule of no concern: {said}");
    let graph = dot(&explanation);
    assert!(graph.contains("\"spans\" -> \"orders\";"), "{graph}");
    assert!(graph.contains("\"jobs.matched\" -> \"pairs\";"), "{graph}");
}

/// Where an aggregate over what traces say runs, which decides what it costs.
#[test]
fn where_what_traces_say_is_aggregated_is_told() {
    let rules = "traces t from spans close when (root and quiet 5s) or age 60s
     aggregate edges from t.edges by client, server over tumbling(1m) select { n: count() }
     aggregate ends from t.edges by server over tumbling(1m) select { last(client) }
     aggregate others from edges by client over tumbling(1h) select { rows: count() }";
    let said = text(&explain(&plan(rules).unwrap()));
    let runs = |rule: &str| {
        let part = said.split("\n\n").find(|part| part.contains(&format!("rule      {rule} ")));
        let line = part.unwrap().lines().find(|line| line.starts_with("  runs"));
        line.map(|line| line.trim().to_owned())
    };
    let where_made = "runs      where traces close, on the worker that has the trace; what slices \
                      hold goes to the worker of the rule when they end";
    assert_eq!(runs("edges").as_deref(), Some(where_made), "{said}");
    assert_eq!(runs("ends").as_deref(), Some("runs      row by row, on the worker of the rule"));
    assert_eq!(runs("others"), None);
}

const EXPLAINED_TRACES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/explained_traces.txt");

#[test]
fn traces_samplings_redaction_and_sinks_are_told() {
    let rules = "edition 1
stream requests = spans where kind == server lateness 10s
pattern storm by service.name within 1m { e{3,}: spans where status == error }
traces shop from requests close when (root and quiet 5s) or age 60s limit spans 500
sample shop {
  drop when has({url.path == \"/healthz\"}) and not has({status == error})
  slow: shadow keep 25% when count({status == error} >> {kind == client}) > 2
  keep 100% when matched(storm)
  keep target 20 per s by root.service.name when duration > 1s
  keep rate 2MiB per s bytes when services contains \"shop\"
  keep 0.5% otherwise
} logs follow to archive
sample logs { keep 12.5% otherwise } to archive
redact { keys deny [\"*.password\"] values mask [email, card] values drop [jwt] }
route spans where status == error to archive, jaeger
";
    let said = text(&explain(&plan(rules).unwrap()));
    let from = said.find("traces from").unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(EXPLAINED_TRACES, &said[from..]).unwrap();
    }
    assert_eq!(said[from..], std::fs::read_to_string(EXPLAINED_TRACES).unwrap());
}

/// Steps are written as rules write them: what they remember, and what follows what.
#[test]
fn orders_and_memories_of_patterns_are_said() {
    let rules = "pattern p by service.name within 1m {
       a: spans where name == \"a\"
       then e{2,}: spans where duration > (prev(e.duration) ?? a.duration)
       then z: spans where duration > max(e.duration) * count(e)
     }
     pattern o by service.name within 1m {
       (a: spans where name == \"a\" or b: logs) then c: spans where name == \"c\"
     }
     pattern l by service.name within 5s {
       not x: spans where name == \"x\" for 1m then y: spans where name == \"y\"
     }";
    let text = text(&explain(&plan(rules).unwrap()));
    for said in [
        "e{2,}: spans where duration > (prev(e.duration) ?? a.duration)",
        "z: spans where duration > (max(e.duration) * count(e))",
        "as a then c\n            or b then c\n",
        "at most 2 unfinished matches a key (2 orders), for 1m",
        "the time of the newest event that must be absent, by key, for 1m",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
}

#[test]
fn what_is_kept_is_said_in_words() {
    let rules = "stream s = spans lateness 5s late side tardy
     aggregate all from s over tumbling(1m) select {
       total: sum(duration), spread: stddev(duration), least: min(duration), most: max(duration),
       one: first(name), other: last(name), failed: ratio(status == error),
       shape: histogram(duration),
       kinds: distinct(kind), often: top(2, name), some: collect(name, limit: 3),
       slow: exemplar(max: duration), quick: exemplar(min: duration), any: exemplar(),
       happy: apdex(duration, 100ms)
     }
     aggregate grown from metrics over tumbling(1m) select { more: increase(value) }
     route tardy where duration > 1s to archive
     sample tardy { keep 50% when duration > 1ms drop otherwise } to archive";
    let said = text(&explain(&plan(rules).unwrap()));
    let keeps = "sum of duration; sum of duration and of its square; min of duration; max of \
        duration; first of name; last of name; ratio of status == \"error\"; histogram of \
        duration; distinct of kind; top of name; the first 3 of name; exemplars of the largest \
        duration; exemplars of the smallest duration; exemplars; apdex of duration at 100ms";
    assert!(said.contains(&format!("  keeps     {keeps}\n")), "{said}");
    assert!(said.contains("  keeps     increase of value by series\n"), "{said}");
    assert!(said.contains("late items of tardy where duration > 1s to archive\n"), "{said}");
    assert!(said.contains("some of late items of tardy\n"), "{said}");
    assert!(said.contains("line 1: keep 50% when duration > 1ms\n"), "{said}");
}
