//! One way to run a spec: workers, frames, epochs, with or without a restore after every frame.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tailwater_dsl::diagnostic::{Diagnostic, human};
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{NoImport, Options, SourceFile};
use tailwater_engine::model::render::duration;
use tailwater_engine::model::{
    Compression, DataFrame, DropReason, FrameBody, PayloadFormat, Row, RowKind, SourceId,
    SourceSpec, Transition,
};
use tailwater_engine::plan::{Plan, RuleKind};
use tailwater_engine::redact::Redactor;
use tailwater_engine::runtime::{Engine, EpochCut, EpochOutput, Snapshot};

use super::input::{BASE_NS, Record, is_protocol};
use super::items::line as item;
use super::parse::Shown;

/// What every `secret(…)` of a spec is.
const SECRET: &[u8] = b"pepper";

/// What happens after every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    /// The engine goes on.
    Nothing,
    /// Another engine, with other workers, is restored from the one before it.
    Restore,
    /// The engine goes on with tables that say what they said before.
    ReplaceTables,
}

/// How the work is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) workers: usize,
    /// Lines of a frame at most.
    pub(super) lines: usize,
    /// Frames of an epoch.
    pub(super) frames: usize,
    pub(super) between: Between,
}

/// What a run says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Rows, transitions, items.
    pub(super) rows: Vec<String>,
    /// How many of those are items.
    pub(super) items: usize,
    pub(super) counts: Vec<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.rows.join("\n"), self.counts.join("\n"))
    }
}

/// Rules to a plan.
pub(super) fn compile(rules: &str) -> Result<Arc<Plan>, String> {
    let file = SourceFile { id: FileId(0), name: "rules".to_owned(), text: rules.to_owned() };
    // Tables of specs stand beside them.
    let folder = crate::tidy::root().join("tests/spec/table");
    let importer = |name: &str| match tailwater_rules::pack(name) {
        Some(pack) => Ok(pack.text.to_owned()),
        None => std::fs::read_to_string(folder.join(name)).map_err(|_| NoImport::Absent),
    };
    let options = Options { importer: &importer, ..Options::default() };
    let analysis = tailwater_dsl::compile(&[file], &tailwater_rules::catalog(), &options);
    if analysis.diagnostics.iter().any(Diagnostic::is_error) {
        return Err(human(&analysis.diagnostics, &analysis.files, false));
    }
    let program = analysis.program.ok_or("no error and no program")?;
    tailwater_rules::lower(&program).map(Arc::new).map_err(|missing| format!("{missing:?}"))
}

/// The log as frames.
fn frames(log: &[Record], lines_max: usize) -> (Vec<SourceSpec>, Vec<FrameBody>) {
    let mut names: BTreeSet<&str> = BTreeSet::from(["a"]);
    for record in log {
        if let Record::Line { source, .. } | Record::End(source) = record {
            names.insert(source);
        }
    }
    let id = |name: &str| SourceId(names.iter().take_while(|other| **other < name).count() as u32);
    let mut frames: Vec<FrameBody> = Vec::new();
    let mut room = 0;
    let (mut text, mut of) = (String::new(), SourceId(0));
    let mut line = 1;
    for record in log {
        let Record::Line { source, text: more } = record else {
            flush(&mut frames, &mut text, of, &mut line);
            frames.push(match record {
                Record::Tick(time_ns) => FrameBody::Tick(*time_ns),
                Record::End(source) => FrameBody::SourceEnd(id(source)),
                Record::Line { .. } => continue,
            });
            continue;
        };
        if id(source) != of || room == 0 {
            flush(&mut frames, &mut text, of, &mut line);
            room = lines_max;
        }
        of = id(source);
        room -= 1;
        text.push_str(more);
        text.push('\n');
    }
    flush(&mut frames, &mut text, of, &mut line);
    let spec =
        |name: &&str| SourceSpec { name: Arc::from(*name), has_arrival: true, mapping: None };
    (names.iter().map(spec).collect(), frames)
}

fn flush(frames: &mut Vec<FrameBody>, text: &mut String, source: SourceId, line: &mut u64) {
    if text.is_empty() {
        return;
    }
    let lines = text.lines().count() as u64;
    frames.push(FrameBody::Data(DataFrame {
        source,
        // As if live: without arrivals a jump in time is decided by the rows after it, which would
        // hold back a snapshot until they are there.
        arrival_ns: Some(i64::MAX / 2),
        format: if is_protocol(text) { PayloadFormat::Lines } else { PayloadFormat::OtlpJson },
        compression: Compression::None,
        payload: std::mem::take(text).into_bytes().into(),
        place: *line,
    }));
    *line += lines;
}

/// Runs a plan over a log in one way.
pub(super) fn answer(
    plan: &Arc<Plan>,
    log: &[Record],
    (is_open, shown): (bool, Shown),
    way: Way,
) -> Result<Answer, String> {
    let (sources, mut bodies) = frames(log, way.lines);
    if let Some(redaction) = &plan.redaction {
        let redactor = Redactor::new(redaction, Some(SECRET), &sources);
        let redactor = redactor.map_err(|error| error.to_string())?;
        bodies = bodies.into_iter().map(|body| redacted(&redactor, body)).collect();
    }
    if !is_open {
        bodies.push(FrameBody::End);
    }
    let outputs = if way.between == Between::Restore {
        restored(plan, &sources, bodies)
    } else {
        let mut engine = build(plan, &sources, way.workers, way.frames, None)?;
        let is_replaced = way.between == Between::ReplaceTables;
        let mut push = |body| {
            engine.push_body(body)?;
            if is_replaced { engine.replace_tables(plan) } else { Ok(()) }
        };
        bodies
            .into_iter()
            .try_for_each(&mut push)
            .and_then(|()| engine.finish())
            .map(|(outputs, _)| outputs)
            .map_err(|error| error.to_string())
    }?;
    let mut rows: Vec<&Row> = outputs.iter().flat_map(|output| &output.rows).collect();
    match shown {
        Shown::All => {}
        Shown::Final => rows.retain(|row| row.kind == RowKind::Final),
        Shown::Standing => rows = standing(rows)?,
    }
    if shown != Shown::All {
        rows.sort_by_key(|row| row.rule);
    }
    let mut alerts: Vec<&Transition> =
        outputs.iter().flat_map(|output| &output.transitions).collect();
    let is_marked = shown != Shown::Standing;
    let mut lines: Vec<String> = rows.into_iter().map(|row| line(plan, row, is_marked)).collect();
    if shown != Shown::All {
        alerts.sort_by_key(|transition| transition.rule);
    }
    lines.extend(alerts.into_iter().map(|transition| alert(plan, transition)));
    let said = lines.len();
    if !plan.items_unread {
        lines.extend(outputs.iter().flat_map(|output| &output.items).map(|one| item(plan, one)));
    }
    let counts = outputs.last().map_or_else(Vec::new, |last| counts(plan, last));
    Ok(Answer { items: lines.len() - said, rows: lines, counts })
}

fn redacted(redactor: &Redactor, body: FrameBody) -> FrameBody {
    match body {
        FrameBody::Data(frame) => FrameBody::Data(redactor.frame(frame)),
        other => other,
    }
}

fn build(
    plan: &Arc<Plan>,
    sources: &[SourceSpec],
    workers: usize,
    frames: usize,
    snapshot: Option<Snapshot>,
) -> Result<Engine, String> {
    let cut = EpochCut { frames_max: frames, ..EpochCut::default() };
    let builder = Engine::builder(Arc::clone(plan)).sources(sources.to_vec()).workers(workers);
    let builder = builder.cut(cut);
    let builder = match snapshot {
        Some(snapshot) => builder.restore(snapshot),
        None => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

/// Each frame by an engine of its own, restored from the bytes of the one before it.
fn restored(
    plan: &Arc<Plan>,
    sources: &[SourceSpec],
    bodies: Vec<FrameBody>,
) -> Result<Vec<EpochOutput>, String> {
    let mut outputs = Vec::new();
    let mut snapshot: Option<Snapshot> = None;
    for (index, body) in bodies.into_iter().enumerate() {
        let mut engine = build(plan, sources, 1 + index % 3, 1, snapshot.take())?;
        let run = engine.push_body(body).and_then(|()| engine.snapshot());
        let (said, mut snapshots) =
            run.and_then(|()| engine.finish()).map_err(|error| error.to_string())?;
        outputs.extend(said);
        let bytes = snapshots.pop().ok_or("no snapshot came")?.to_bytes();
        snapshot = Some(Snapshot::from_bytes(&bytes).map_err(|error| error.to_string())?);
    }
    Ok(outputs)
}

/// The state of one worker in the middle of a log.
pub(super) fn halfway(plan: &Arc<Plan>, log: &[Record]) -> Result<Snapshot, String> {
    let (sources, mut bodies) = frames(log, 1);
    bodies.truncate(bodies.len().div_ceil(2));
    let mut engine = build(plan, &sources, 1, 64, None)?;
    let run = bodies.into_iter().try_for_each(|body| engine.push_body(body));
    let run = run.and_then(|()| engine.snapshot()).and_then(|()| engine.finish());
    let (_, mut snapshots) = run.map_err(|error| error.to_string())?;
    snapshots.pop().ok_or_else(|| "no snapshot came".to_owned())
}

/// What stands once rows have been withdrawn and replaced, by window. What is withdrawn must have
/// been said, and nothing follows a final row.
fn standing(said: Vec<&Row>) -> Result<Vec<&Row>, String> {
    let mut standing: Vec<&Row> = Vec::new();
    let same = |a: &Row, b: &Row| {
        (a.rule, a.start_ns, a.end_ns, a.is_other) == (b.rule, b.start_ns, b.end_ns, b.is_other)
            && a.key == b.key
    };
    for row in said {
        let known = standing.iter().position(|old| old.kind != RowKind::Final && same(old, row));
        let old = known.map(|at| standing.remove(at));
        if row.kind != RowKind::Retraction {
            standing.push(row);
        } else if old.is_none_or(|old| old.values != row.values) {
            return Err(format!("{row:?} was withdrawn, {old:?} stood"));
        }
    }
    standing.sort_by(|a, b| {
        let place = |row: &Row| (row.start_ns, row.end_ns, row.is_other);
        place(a).cmp(&place(b)).then_with(|| a.key.cmp(&b.key))
    });
    Ok(standing)
}

/// A row as specs write it; `is_marked` if it says what it is to the rows before it.
fn line(plan: &Plan, row: &Row, is_marked: bool) -> String {
    let rule = &plan.rules[row.rule.0 as usize];
    let kind = match row.kind {
        _ if !is_marked => String::new(),
        RowKind::Final => String::new(),
        RowKind::Revision(number) => format!(" revision {number}"),
        RowKind::Retraction => " retraction".to_owned(),
    };
    let other = if row.is_other { " other" } else { "" };
    let (start, end) = (duration(row.start_ns - BASE_NS), duration(row.end_ns - BASE_NS));
    let mut text = format!("{} {start}..{end}{other}{kind}", rule.name);
    for (name, value) in rule.key_names().iter().zip(row.key.iter()).filter(|_| !row.is_other) {
        text += &format!(" {name}={value}");
    }
    text.push_str(" |");
    for (name, value) in rule.value_names().into_iter().zip(&row.values) {
        text += &format!(" {name}={value}");
    }
    text
}

/// A transition as specs write it.
fn alert(plan: &Plan, transition: &Transition) -> String {
    let rule = &plan.rules[transition.rule.0 as usize];
    let at = duration(transition.decision_ns - BASE_NS);
    let other = if transition.is_other { " other" } else { "" };
    let mut text = format!("{} {} at {at}{other}", rule.name, transition.state.word());
    for value in transition.key.iter().filter(|_| !transition.is_other) {
        text += &format!(" {value}");
    }
    for value in transition.labels.iter().chain(&transition.annotations) {
        text += &format!(" | {value}");
    }
    text
}

/// What became of every item.
fn counts(plan: &Plan, last: &EpochOutput) -> Vec<String> {
    let mut lines = Vec::new();
    for (rule, counts) in plan.rules.iter().zip(&last.rules) {
        if matches!(rule.kind, RuleKind::Alert(_)) {
            continue;
        }
        if matches!(&rule.kind, RuleKind::Outcome(outcome) if outcome.with_items) {
            continue;
        }
        let mut line = format!("{} used {}", rule.name, counts.used);
        if counts.late > 0 {
            let worst = duration(counts.worst_late_ns);
            line += &format!(" late {} worst {worst}", counts.late);
        }
        if counts.amended > 0 {
            line += &format!(" amended {}", counts.amended);
        }
        if counts.to_other > 0 {
            line += &format!(" other {}", counts.to_other);
        }
        if counts.refused > 0 {
            line += &format!(" refused {}", counts.refused);
        }
        if counts.traces_kept + counts.traces_dropped > 0 {
            line += &format!(" kept {} dropped {}", counts.traces_kept, counts.traces_dropped);
        }
        if counts.traces_early.iter().sum::<u64>() > 0 {
            line += &format!(" early {}", counts.traces_early.iter().sum::<u64>());
        }
        lines.push(line);
        assert_eq!(counts.unaccounted(), 0, "{}", rule.name);
    }
    for ((rule, line), counts) in &last.samples {
        let rule = &plan.rules[rule.0 as usize];
        let RuleKind::Sample(sample) = &rule.kind else { continue };
        let name = &sample.lines[*line as usize].name;
        let mut text = format!("{}: {name} kept {} of {}", rule.name, counts.kept, counts.cases);
        if counts.late_kept + counts.late_dropped > 0 {
            text += &format!(" late kept {} dropped {}", counts.late_kept, counts.late_dropped);
        }
        if counts.tracestates_refused > 0 {
            text += &format!(" tracestates refused {}", counts.tracestates_refused);
        }
        lines.push(text);
    }
    assert_eq!(last.ledger.unaccounted(), 0, "the ledger");
    let dropped = |reason| last.ledger.dropped.get(&reason).copied().unwrap_or_default();
    for (name, count) in [
        ("damaged", last.ledger.damaged),
        ("ahead", dropped(DropReason::AheadOfTime)),
        ("no_time", dropped(DropReason::NoTime)),
        ("end_before_start", last.ledger.end_before_start),
    ] {
        if count > 0 {
            lines.push(format!("{name} {count}"));
        }
    }
    lines
}
