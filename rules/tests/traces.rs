//! Traces against what a few loops say: when they close, which spans are late, their forests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Options, SourceFile};
use tailwater_engine::model::{
    Compression, DataFrame, FrameBody, PayloadFormat, SourceId, SourceSpec, Value,
};
use tailwater_engine::runtime::{Engine, EpochCut};

use super::replay::{BASE_S, plan};

const RULES: &str = "
stream s = spans lateness 1s
traces t from s close when (root and quiet 2s) or age 10s
rows r = t select {
  n: span_count, again: duplicates, tops: roots, lost: orphans, faults: error_count,
  below: count({kind == server} > {status == error}),
  deep: count({kind == server} >> {status == error}),
  beside: count({} ~ {status == error}), alone: count({kind == server} !> {}),
  longer: count(a: {} > {duration > a.duration}),
  alike: count(a: {kind == server} &>> {kind == a.kind and status == a.status}),
  chained: count(a: {} > {status == error} > {duration >= a.duration}),
  named: root.name, took: duration, faulty: has({status == error})
}";

/// The same of spans that are not kept one by one, but for their ids.
const TOGETHER: &str = "
stream s = spans lateness 1s
traces t from s close when (root and quiet 2s) or age 10s
rows r = t select { named: root.name, took: duration, faulty: has({status == error}) }";

/// The same of spans that are held as received.
const HELD: &str = "
sample t { keep 1% when root.name == \"none\" drop otherwise } to archive";

const LATENESS_MS: i64 = 1_000;
const QUIET_MS: i64 = 2_000;
const AGE_MS: i64 = 10_000;
const KEPT_MS: i64 = 60_000;

/// A span as it is sent. Parents have lower ids than their children: there are no loops.
#[derive(Debug, Clone)]
struct Span {
    trace: u8,
    id: u8,
    parent: u8,
    start_ms: i64,
    length_ms: i64,
    is_server: bool,
    is_error: bool,
}

impl Span {
    fn end_ms(&self) -> i64 {
        self.start_ms + self.length_ms
    }

    fn json(&self) -> String {
        let ns = |ms: i64| (BASE_S * 1_000 + ms) * 1_000_000;
        let parent = match self.parent {
            0 => String::new(),
            parent => format!(r#""parentSpanId":"{parent:016x}","#),
        };
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{:032x}","spanId":"{:016x}",{parent}"name":"s{}","kind":{},"startTimeUnixNano":"{}","endTimeUnixNano":"{}","status":{{"code":{}}}}}]}}]}}]}}"#,
            self.trace,
            self.id,
            self.id,
            if self.is_server { 2 } else { 1 },
            ns(self.start_ms),
            ns(self.end_ms()),
            if self.is_error { 2 } else { 0 },
        )
    }
}

/// What is said of a trace: decision in ns, id, values.
type Said = (i64, u8, Vec<Value>);

fn said(rules: &str, spans: &[Span], workers: usize, frames_max: usize) -> (BTreeSet<Said>, u64) {
    let plan = Arc::new(plan(rules).unwrap_or_else(|text| panic!("{text}")));
    let source = SourceSpec { name: Arc::from("test"), has_arrival: false, mapping: None };
    let cut = EpochCut { frames_max, ..EpochCut::default() };
    let builder = Engine::builder(Arc::clone(&plan)).sources(vec![source]);
    let mut engine = builder.workers(workers).cut(cut).build().unwrap();
    for span in spans {
        let frame = DataFrame {
            source: SourceId(0),
            arrival_ns: Some(i64::MAX / 2),
            format: PayloadFormat::OtlpJson,
            compression: Compression::None,
            payload: Bytes::from(span.json()),
            place: 1,
        };
        engine.push(frame).unwrap();
    }
    engine.push_body(FrameBody::End).unwrap();
    let rule = |name: &str| plan.rules.iter().position(|rule| &*rule.name == name).unwrap();
    let (rows, traces) = (rule("r"), rule("t"));
    let (mut all, mut late) = (BTreeSet::new(), 0);
    for output in engine.finish().unwrap().0 {
        assert_eq!(output.ledger.unaccounted(), 0);
        late = output.rules[traces].late; // of the whole run
        for row in output.rows.into_iter().filter(|row| row.rule.0 as usize == rows) {
            let Value::Bytes(id) = &row.key[0] else { panic!("an id") };
            // Read as a row, a trace counts at the last moment before it closed.
            let closed_ns = row.decision_ns + 1 - BASE_S * 1_000_000_000;
            assert!(all.insert((closed_ns, id[15], row.values)));
        }
    }
    (all, late)
}

/// An open trace.
#[derive(Default)]
struct Open {
    spans: Vec<Span>,
    floor_ns: Option<i64>,
}

impl Open {
    fn deadline_ns(&self) -> i64 {
        let ends = self.spans.iter().map(Span::end_ms);
        let (first, last) = (ends.clone().min().unwrap(), ends.max().unwrap());
        let has_root = standing(&self.spans).iter().any(|span| span.parent == 0);
        let quiet = if has_root { last + QUIET_MS } else { i64::MAX / 1_000_000 };
        let due_ns = quiet.min(first + AGE_MS) * 1_000_000;
        due_ns.max(self.floor_ns.map_or(i64::MIN, |floor| floor + 1))
    }
}

/// What must be said: span by span, with the watermark as of the one before.
fn expected(spans: &[Span]) -> (BTreeSet<Said>, u64) {
    let (mut said, mut late) = (BTreeSet::new(), 0);
    let mut open: BTreeMap<u8, Open> = BTreeMap::new();
    let mut closed: BTreeMap<u8, i64> = BTreeMap::new();
    let mut high_ms: Option<i64> = None;
    for span in spans {
        let watermark_ns = high_ms.map(|high| (high - LATENESS_MS) * 1_000_000);
        let passed = |ns: i64| watermark_ns.is_some_and(|watermark| ns <= watermark);
        let due: Vec<u8> =
            open.iter().filter(|(_, of)| passed(of.deadline_ns())).map(|(id, _)| *id).collect();
        for id in due {
            let of = open.remove(&id).unwrap();
            closed.insert(id, of.deadline_ns());
            said.insert((of.deadline_ns(), id, values(&of.spans)));
        }
        high_ms = Some(high_ms.map_or(span.end_ms(), |high| high.max(span.end_ms())));
        let remembered = closed.get(&span.trace).map(|at| at + KEPT_MS * 1_000_000);
        let alone = Open { spans: vec![span.clone()], floor_ns: None };
        let is_known = open.contains_key(&span.trace);
        let is_late = !is_known
            && (remembered.is_some_and(|until| !passed(until)) || passed(alone.deadline_ns()));
        if is_late {
            late += 1;
            continue;
        }
        let of = open.entry(span.trace).or_default();
        of.spans.push(span.clone());
        of.floor_ns = watermark_ns;
    }
    for (id, of) in open {
        said.insert((of.deadline_ns(), id, values(&of.spans)));
    }
    (said, late)
}

/// Of each id the first that was sent.
fn standing(sent: &[Span]) -> Vec<&Span> {
    let mut spans: Vec<&Span> = Vec::new();
    for span in sent {
        if !spans.iter().any(|known| known.id == span.id) {
            spans.push(span);
        }
    }
    spans
}

fn values(sent: &[Span]) -> Vec<Value> {
    let mut spans = standing(sent);
    spans.sort_by_key(|span| (span.start_ms, span.id));
    let parent = |span: &Span| spans.iter().find(|of| span.parent != 0 && of.id == span.parent);
    let is_above = |above: &Span, below: &Span| {
        std::iter::successors(parent(below), |of| parent(of)).any(|of| of.id == above.id)
    };
    let is_below = |span: &Span| spans.iter().any(|of| of.is_server && is_above(of, span));
    let count = |f: &dyn Fn(&&&Span) -> bool| Value::Int(spans.iter().filter(f).count() as i64);
    let root = spans.iter().find(|span| span.parent == 0);
    let first_ms = spans.iter().map(|span| span.start_ms).min().unwrap();
    let last_ms = spans.iter().map(|span| span.end_ms()).max().unwrap();
    vec![
        Value::Int(spans.len() as i64),
        Value::Int((sent.len() - spans.len()) as i64),
        count(&|span| span.parent == 0),
        count(&|span| span.parent != 0 && parent(span).is_none()),
        count(&|span| span.is_error),
        count(&|span| span.is_error && parent(span).is_some_and(|above| above.is_server)),
        count(&|span| span.is_error && is_below(span)),
        count(&|span| {
            let beside =
                |of: &&&Span| of.id != span.id && of.parent == span.parent && parent(of).is_some();
            span.is_error && parent(span).is_some() && spans.iter().any(|of| beside(&of))
        }),
        count(&|span| !parent(span).is_some_and(|above| above.is_server)),
        count(&|span| parent(span).is_some_and(|above| span.length_ms > above.length_ms)),
        count(&|span| {
            let fits = |a: &Span, b: &Span| {
                is_above(a, b) && a.is_server && b.is_server && a.is_error == b.is_error
            };
            spans.iter().any(|of| fits(of, span) || fits(span, of))
        }),
        count(&|span| {
            let above = parent(span).filter(|above| above.is_error);
            let top = above.and_then(|above| parent(above));
            top.is_some_and(|top| span.length_ms >= top.length_ms)
        }),
        root.map_or(Value::Null, |root| Value::str(&format!("s{}", root.id))),
        Value::Duration((last_ms - first_ms) * 1_000_000),
        Value::Bool(spans.iter().any(|span| span.is_error)),
    ]
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let span = (0_u8..4, 1_u8..7, 0_u8..7, 0_i64..1_500, 0_i64..4_000, any::<bool>(), 0_u8..3);
    vec(span, 1..40).prop_map(|drawn| {
        let mut now_ms = 5_000;
        let span = |(trace, id, parent, step, length_ms, is_server, error)| {
            now_ms += step;
            let parent: u8 = if parent < id { parent } else { 0 };
            let start_ms: i64 = now_ms - length_ms;
            let is_error = error == 0;
            Span { trace: trace + 1, id, parent, start_ms, length_ms, is_server, is_error }
        };
        let mut spans: Vec<Span> = drawn.into_iter().map(span).collect();
        // Some come later than they should.
        for at in (3..spans.len()).step_by(5) {
            spans[at].start_ms -= 3_500;
        }
        spans
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::vars()
            .find(|(name, _)| name == "TRACE_CASES")
            .and_then(|(_, cases)| cases.parse().ok())
            .unwrap_or(150)
    ))]

    #[test]
    fn traces_close_as_a_loop_says(spans in spans(), frames_max in 1_usize..6) {
        let (expected, late) = expected(&spans);
        for workers in [1, 2, 4] {
            let said = said(RULES, &spans, workers, frames_max);
            prop_assert_eq!(&said.0, &expected, "{} workers", workers);
            prop_assert_eq!(said.1, late);
        }
        let last = |(at_ns, id, values): &Said| (*at_ns, *id, values[values.len() - 3..].to_vec());
        let expected: BTreeSet<Said> = expected.iter().map(last).collect();
        for rules in [TOGETHER.to_owned(), format!("{TOGETHER}{HELD}")] {
            prop_assert_eq!(&said(&rules, &spans, 2, frames_max).0, &expected, "{}", rules);
        }
    }
}

/// What is said of a condition over a trace that is wrong.
fn wrong(condition: &str) -> String {
    let rules =
        format!("traces t from spans close when quiet 5s\nrows r = t select {{ n: {condition} }}");
    plan(&rules).err().unwrap_or_else(|| panic!("`{condition}` is taken"))
}

#[test]
fn what_spans_have_is_asked_of_spans() {
    for condition in ["status == error", "kind in [server]"] {
        let said = wrong(condition);
        assert!(said.contains("nothing is named"), "{said}");
    }
    let said = wrong("status == error");
    assert!(said.contains("has({status == error})"), "{said}");
    assert!(!said.contains("`error`"), "one mistake is told once: {said}");
}

#[test]
fn lines_with_equal_conditions_over_spans_are_told() {
    let rules = "
        traces t from spans close when quiet 5s
        sample t {
          keep when has({status == error} >> {kind == client})
          keep 10% when has({status == error} >> {kind == client})
          keep 5% when has({status == error} >> {kind == server})
          keep 1% otherwise
        } to stdout";
    let file = SourceFile { id: FileId(0), name: "rules".to_owned(), text: rules.to_owned() };
    let analysis =
        tailwater_dsl::compile(&[file], &tailwater_rules::catalog(), &Options::default());
    let told: Vec<&str> = analysis.diagnostics.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(told, ["W4008"]);
}

#[test]
fn a_named_span_is_seen_right_behind_an_operator_only() {
    let cases = [
        ("has(a: {name == a.name})", "the span `a` is not known in these braces"),
        ("has({name == a.name} > a: {})", "the span `a` is not known in these braces"),
        ("has(a: {} > ({} > {name == a.name}))", "the span `a` is not known in these braces"),
        ("has(a: {} or {name == a.name})", "the span `a` is not known in these braces"),
        ("has(a: {} > {a == null})", "`a` is a span, not a value"),
        ("has(a: {} > {duration > a.name})", "not a duration with a text"),
        ("has(a: {} > a: {})", "two spans are named `a`"),
        ("has(span: {} > {name == span.name})", "`span` hides fields"),
        ("has(status: {} > {name == status.name})", "`status` hides fields"),
        ("has(attr: {} > {name == attr.name})", "`attr` hides fields"),
        ("has(a: {} > b: {} > c: {} > d: {} > e: {})", "more than 4 spans have a name"),
        ("count(a: {}) where a.name == null", "takes no `where`"),
    ];
    for (condition, message) in cases {
        let said = wrong(condition);
        assert!(said.contains(message), "{condition}: {said}");
    }
}

#[test]
fn a_trace_of_the_limit_that_rules_state_has_room_beside_others() {
    let rules = "
        stream s = spans lateness 1s
        traces t from s close when age 20s limit spans 40_000
        rows r = t where early select { n: span_count }";
    let plan = Arc::new(plan(rules).unwrap_or_else(|text| panic!("{text}")));
    let source = SourceSpec { name: Arc::from("test"), has_arrival: false, mapping: None };
    let mut engine = Engine::builder(Arc::clone(&plan)).sources(vec![source]).build().unwrap();
    // Small traces in every shard, then a large one.
    let small = (0..3_000_u128).map(|n| (n << 64 | 7, 1));
    let spans: Vec<(u128, u64)> = small.chain((1..=40_000).map(|n| (5, n))).collect();
    for part in spans.chunks(5_000) {
        let span = |(trace, id): &(u128, u64)| {
            format!(
                r#"{{"traceId":"{trace:032x}","spanId":"{id:016x}","name":"s","startTimeUnixNano":"{0}","endTimeUnixNano":"{0}"}}"#,
                BASE_S * 1_000_000_000
            )
        };
        let spans: Vec<String> = part.iter().map(span).collect();
        let spans = spans.join(",");
        let text = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#);
        let frame = DataFrame {
            source: SourceId(0),
            arrival_ns: Some(i64::MAX / 2),
            format: PayloadFormat::OtlpJson,
            compression: Compression::None,
            payload: Bytes::from(text),
            place: 1,
        };
        engine.push(frame).unwrap();
    }
    engine.push_body(FrameBody::End).unwrap();
    let outputs = engine.finish().unwrap().0;
    let rows: Vec<Value> =
        outputs.iter().flat_map(|output| &output.rows).map(|row| row.values[0].clone()).collect();
    assert_eq!(rows, [Value::Int(40_000)]);
    let rule = plan.rules.iter().position(|rule| &*rule.name == "t").unwrap();
    let early = outputs.last().unwrap().rules[rule].traces_early;
    assert_eq!(early, [1, 0, 0], "by its own limit, and none for want of room");
}
