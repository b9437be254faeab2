//! Plans written by hand, and a way to run them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tailwater_engine::aggregate::{AccumulatorKind, Finisher};
use tailwater_engine::error::ErrorKind;
use tailwater_engine::model::{
    ColumnSpec, Compression, DataFrame, DropReason, Field, FrameBody, PayloadFormat, RuleId,
    Signal, SourceId, SourceSpec, Value,
};
use tailwater_engine::plan::expr::{BinaryOp, Expr};
use tailwater_engine::plan::{
    AggregateCall, AggregateRule, AlertRule, Dedupe, NoData, Plan, Results, Rule, RuleKind,
    RulePlace, SignalPlan, Table, TableAccumulator, TableWindow, TimeColumn, Timeline, WindowShape,
};
use tailwater_engine::runtime::{Engine, EpochCut, EpochOutput, Snapshot};

use super::oracle::{Event, Rows, TICK};

pub const SECOND: i64 = 1_000_000_000;
pub const LATENESS_NS: i64 = 10 * SECOND;
pub const IDLE_NS: i64 = 30 * SECOND;
/// Event times of tests are small; the log's are not.
pub const BASE_NS: i64 = 1_699_999_980 * SECOND;

/// Spans by name, counted in windows of one shape.
pub fn count_by_name(shape: WindowShape, width_ns: i64, groups_max: u32) -> Arc<Plan> {
    let rule = AggregateRule {
        input: None,
        key_names: vec![Arc::from("name")],
        calls: vec![AggregateCall { accumulator: 0, finisher: Finisher::Count }],
        values: vec![(Arc::from("n"), Expr::Column(1))],
        pasts: Vec::new(),
        having: None,
    };
    let place = RulePlace { timelines: vec![0], ..RulePlace::default() };
    Arc::new(Plan {
        signals: vec![SignalPlan {
            signal: Signal::Spans,
            columns: vec![ColumnSpec::Field(Field::Name), ColumnSpec::Field(Field::End)],
            computed: Vec::new(),
            filters: Vec::new(),
            raw: false,
            offsets: false,
        }],
        time_columns: vec![TimeColumn { signal: 0, column: 1 }],
        timelines: vec![Timeline { time_column: 0, lateness_ns: LATENESS_NS, idle_ns: IDLE_NS }],
        dedupes: Vec::new(),
        tables: vec![Table {
            signal: 0,
            timeline: 0,
            filter: None,
            dedupe: None,
            key: vec![0],
            width_ns,
            offset_ns: 0,
            accumulators: vec![TableAccumulator {
                kind: AccumulatorKind::Count,
                arguments: Vec::new(),
                filter: None,
            }],
            windows: vec![TableWindow { shape, rule: RuleId(0), results: Results::Final }],
            groups_max,
            amend_ns: 0,
            late: None,
            hash: 1,
        }],
        routes: Vec::new(),
        redaction: None,
        explained: None,
        items_unread: false,
        row_inputs: Vec::new(),
        row_tables: Vec::new(),
        rules: vec![
            Rule { name: Arc::from("counts"), kind: RuleKind::Aggregate(rule), place },
            alert("busy", NoData::Resolve, 10 * SECOND, 0),
            alert("missing", NoData::Fire, 0, 20 * SECOND),
        ],
    })
}

/// The same with equal names within 5 s counted once.
pub fn count_once(shape: WindowShape, width_ns: i64) -> Arc<Plan> {
    let mut plan = (*count_by_name(shape, width_ns, 10_000)).clone();
    plan.dedupes.push(Dedupe {
        signal: 0,
        after: None,
        side_of: None,
        timeline: 0,
        filter: None,
        key: vec![0],
        within_ns: 5 * SECOND,
        keys_max: 3,
    });
    plan.tables[0].dedupe = Some(0);
    Arc::new(plan)
}

/// At least two events in a window.
fn alert(name: &str, no_data: NoData, for_ns: i64, hold_ns: i64) -> Rule {
    let two = Expr::Const(Value::Int(2));
    let kind = RuleKind::Alert(AlertRule {
        source: RuleId(0),
        key_names: Vec::new(),
        evidence: Vec::new(),
        follows: None,
        filter: None,
        when: Expr::binary(BinaryOp::Ge, Expr::Column(3), two),
        until: None,
        for_ns,
        hold_ns,
        no_data,
        is_per_item: false,
        with_other: true,
        severity: None,
        labels: Vec::new(),
        annotations: Vec::new(),
        hash: name.len() as u64,
    });
    let place = RulePlace { timelines: vec![0], ..RulePlace::default() };
    Rule { name: Arc::from(name), kind, place }
}

/// Cuts events into frames of one source each, of the given numbers of events.
pub fn frames(events: &[Event], sizes: &[usize]) -> Vec<DataFrame> {
    let mut frames: Vec<(usize, Vec<&Event>)> = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut room = 0;
    for event in events {
        match frames.last_mut() {
            Some((source, rows)) if *source == event.source && room > 0 && *source != TICK => {
                rows.push(event);
            }
            _ => {
                room = *sizes.next().unwrap_or(&1);
                frames.push((event.source, vec![event]));
            }
        }
        room = room.saturating_sub(1);
    }
    let frame = |(source, rows): (usize, Vec<&Event>)| match source {
        TICK => tick(rows[0].time_ns),
        _ => frame(source, &rows),
    };
    frames.into_iter().map(frame).collect()
}

/// Stands for a tick until it is pushed.
fn tick(tick_ns: i64) -> DataFrame {
    let arrival_ns = Some(BASE_NS + tick_ns);
    DataFrame { source: SourceId(u32::MAX), arrival_ns, ..frame(0, &[]) }
}

fn push(engine: &mut Engine, frame: &DataFrame) {
    match (frame.source, frame.arrival_ns) {
        (SourceId(u32::MAX), Some(tick_ns)) => engine.push_body(FrameBody::Tick(tick_ns)).unwrap(),
        _ => engine.push(frame.clone()).unwrap(),
    }
}

/// The same as if they came from a plain file: without arrival times.
pub fn file_frames(events: &[Event], sizes: &[usize]) -> Vec<DataFrame> {
    let frames = frames(events, sizes).into_iter();
    frames.map(|frame| DataFrame { arrival_ns: None, ..frame }).collect()
}

fn frame(source: usize, events: &[&Event]) -> DataFrame {
    let span = |event: &&Event| {
        // Marks of a broken clock stand for themselves.
        let time_ns: u64 = match event.time_ns {
            i64::MIN => 0,
            i64::MAX => u64::MAX,
            time_ns => (BASE_NS + time_ns) as u64,
        };
        format!(
            r#"{{"name":"{}","startTimeUnixNano":"{time_ns}","endTimeUnixNano":"{time_ns}"}}"#,
            event.key
        )
    };
    let spans: Vec<String> = events.iter().map(span).collect();
    let payload =
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","));
    DataFrame {
        source: SourceId(source as u32),
        // An arrival keeps outlier detection of plain files out of these tests.
        arrival_ns: Some(i64::MAX / 2),
        format: PayloadFormat::OtlpJson,
        compression: Compression::None,
        payload: Bytes::from(payload),
        place: 1,
    }
}

pub fn sources(count: usize) -> Vec<SourceSpec> {
    let source = |index| SourceSpec {
        name: Arc::from(format!("source-{index}")),
        has_arrival: true,
        mapping: None,
    };
    (0..count).map(source).collect()
}

/// What a run says.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The rows as they left, rendered.
    pub lines: Vec<String>,
    /// (alert, state, key, seconds since the base) of the transitions as they left.
    pub transitions: Vec<(u32, &'static str, String, i64)>,
    pub rows: Rows,
    pub other: BTreeMap<(i64, i64), u64>,
    pub late: u64,
    pub unaccounted: i64,
    pub received: u64,
    pub dropped: BTreeMap<DropReason, u64>,
}

/// Runs a plan over frames and the end of the log.
pub fn run(plan: &Arc<Plan>, frames: &[DataFrame], workers: usize, cut: usize) -> Run {
    let mut engine = build(plan, workers, cut, None);
    for frame in frames {
        push(&mut engine, frame);
    }
    engine.push_body(FrameBody::End).unwrap();
    summarize(&engine.finish().unwrap().0)
}

/// How a run ends whose plan reads a column that is not there: the worker of a frame panics.
pub fn fail(plan: &Arc<Plan>, frames: &[DataFrame], workers: usize) -> Option<ErrorKind> {
    let mut plan = (**plan).clone();
    plan.tables[0].key = vec![99];
    let mut engine = build(&Arc::new(plan), workers, 1, None);
    let pushed = frames.iter().try_for_each(|frame| engine.push(frame.clone()));
    pushed.and_then(|()| engine.finish().map(|_| ())).err().map(|error| error.kind())
}

/// Runs a plan over frames without the end of the log; a snapshot is asked for as well.
pub fn run_open(plan: &Arc<Plan>, frames: &[DataFrame], workers: usize) -> Run {
    let mut engine = build(plan, workers, 1, None);
    for frame in frames {
        push(&mut engine, frame);
    }
    engine.snapshot().unwrap();
    let (outputs, snapshots) = engine.finish().unwrap();
    assert_eq!(snapshots.len(), 1);
    summarize(&outputs)
}

fn build(plan: &Arc<Plan>, workers: usize, cut: usize, snapshot: Option<Snapshot>) -> Engine {
    let mut builder = Engine::builder(Arc::clone(plan))
        .sources(sources(3))
        .workers(workers)
        .cut(EpochCut { frames_max: cut, ..EpochCut::default() });
    if let Some(snapshot) = snapshot {
        builder = builder.restore(snapshot);
    }
    builder.build().unwrap()
}

/// Runs with a snapshot after every frame, each engine restored from the last one's bytes under
/// another worker count.
pub fn run_restored(plan: &Arc<Plan>, frames: &[DataFrame]) -> Run {
    let mut outputs: Vec<EpochOutput> = Vec::new();
    let mut snapshot: Option<Snapshot> = None;
    for (index, frame) in frames.iter().enumerate() {
        let mut engine = build(plan, 1 + index % 3, 1, snapshot.take());
        push(&mut engine, frame);
        engine.snapshot().unwrap();
        let (said, mut snapshots) = engine.finish().unwrap();
        outputs.extend(said);
        let bytes = snapshots.pop().expect("one snapshot was asked for").to_bytes();
        snapshot = Some(Snapshot::from_bytes(&bytes).unwrap());
    }
    let mut engine = build(plan, 2, 1, snapshot);
    engine.push_body(FrameBody::End).unwrap();
    outputs.extend(engine.finish().unwrap().0);
    summarize(&outputs)
}

/// Runs with a snapshot after some frames that is asked for until it is there, as one does who goes
/// on; another engine is restored from it and takes the rest.
pub fn run_polled(plan: &Arc<Plan>, frames: &[DataFrame], at: usize) -> Run {
    let mut engine = build(plan, 2, 1, None);
    for frame in &frames[..at] {
        push(&mut engine, frame);
    }
    engine.snapshot().unwrap();
    let mut outputs: Vec<EpochOutput> = Vec::new();
    let snapshot = loop {
        outputs.extend(engine.poll());
        if let Some(snapshot) = engine.poll_snapshot() {
            break snapshot;
        }
        std::thread::yield_now();
    };
    let (rest, snapshots) = engine.finish().unwrap();
    assert!(snapshots.is_empty(), "the one that was asked for is taken");
    outputs.extend(rest);
    let mut engine = build(plan, 3, 1, Some(snapshot));
    for frame in &frames[at..] {
        push(&mut engine, frame);
    }
    engine.push_body(FrameBody::End).unwrap();
    outputs.extend(engine.finish().unwrap().0);
    summarize(&outputs)
}

fn summarize(outputs: &[EpochOutput]) -> Run {
    let mut run = Run {
        lines: Vec::new(),
        transitions: Vec::new(),
        rows: Rows::new(),
        other: BTreeMap::new(),
        late: 0,
        unaccounted: 0,
        received: 0,
        dropped: BTreeMap::new(),
    };
    for output in outputs {
        for t in &output.transitions {
            let key = t.key.iter().map(ToString::to_string).collect();
            let at_s = (t.decision_ns - BASE_NS) / SECOND;
            run.transitions.push((t.rule.0, t.state.word(), key, at_s));
        }
        for row in &output.rows {
            run.lines.push(format!("{row:?}"));
            let (start, end) = (row.start_ns - BASE_NS, row.end_ns - BASE_NS);
            let Value::Int(count) = row.values[0] else { panic!("a count is an int") };
            if row.is_other {
                *run.other.entry((start, end)).or_default() += count as u64;
                continue;
            }
            let Value::Str(key) = &row.key[0] else { panic!("a name is text") };
            *run.rows.entry((start, end, key.to_string())).or_default() += count as u64;
        }
    }
    if let Some(last) = outputs.last() {
        run.late = last.rules[0].late;
        run.unaccounted = last.ledger.unaccounted() + last.rules[0].unaccounted();
        run.received = last.ledger.signals[0].received;
        run.dropped.clone_from(&last.ledger.dropped);
    }
    run
}
