//! A trace as a waterfall: a tree of spans on the left, their times on the right, the critical path
//! in thick lines, and below it the operations that the trace waited for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tailwater_engine::model::render::time;
use tailwater_engine::trace::{Role, Segment};

use super::bar::Scale;
use super::rows::{TreeRow, rows};
use super::text::{blanks, chars, cut, share, short_duration};
use super::{Hues, ViewStyle};
use crate::terminal::Style;
use crate::trace::{Status, Trace, TraceSpan};

/// Rows of one trace, unless everything is shown.
const ROWS_MAX: usize = 120;

/// Operations that the critical path is told by.
const OPERATIONS_MAX: usize = 6;

/// Columns of what stands before an operation's name, its service apart.
const OPERATION_COLUMNS: usize = 29;

/// Columns of a duration and of a share.
const DURATION_COLUMNS: usize = 7;
const SHARE_COLUMNS: usize = 4;

/// Columns of a row beside its tree and its bar: the mark, the times, and blanks between them.
const BESIDE_COLUMNS: usize = 2 + 1 + DURATION_COLUMNS + 1 + SHARE_COLUMNS + 1;

/// A share of the path from which on it stands out: one in so many.
const SHARE_MUCH: i64 = 20;

/// Levels of the tree that are drawn; what is deeper shows its depth as a number.
const LEVELS_MAX: usize = 18;

/// Columns that a service's name may take where a name of a span follows it.
const SERVICE_COLUMNS_MAX: usize = 24;

struct Waterfall<'a> {
    trace: &'a Trace,
    style: &'a ViewStyle,
    hues: &'a mut Hues,
    segments: BTreeMap<u32, Vec<(i64, i64)>>,
    scale: Scale,
    /// Columns of the tree.
    left: usize,
    text: String,
}

/// The waterfall of a trace.
pub(crate) fn waterfall(trace: &Trace, style: &ViewStyle, hues: &mut Hues) -> String {
    let mut rows = rows(trace, !style.shows_all);
    let hidden = if style.shows_all { 0 } else { rows.len().saturating_sub(ROWS_MAX) };
    rows.truncate(rows.len() - hidden);
    let mut segments: BTreeMap<u32, Vec<(i64, i64)>> = BTreeMap::new();
    for Segment { span, start_ns, end_ns } in trace.path.segments() {
        segments.entry(*span).or_default().push((*start_ns, *end_ns));
    }
    let left = left_columns(trace, &rows, style.width);
    let columns = style.width.saturating_sub(left + BESIDE_COLUMNS).max(10);
    let scale = Scale { start_ns: trace.start_ns, end_ns: trace.end_ns, columns };
    let text = String::new();
    let mut waterfall = Waterfall { trace, style, hues, segments, scale, left, text };
    waterfall.write(&rows, hidden);
    waterfall.text
}

/// Facts behind a title: on its line where all of them fit, else on lines of their own.
fn lines_of(facts: &[String], title: &str, width: usize) -> String {
    let mut text = facts.join(" · ");
    if chars(title) + 2 + chars(&text) <= width {
        return format!("  {text}");
    }
    text.clear();
    let mut used = usize::MAX;
    for fact in facts {
        if used.saturating_add(3 + chars(fact)) > width {
            let _ = write!(text, "\n  {fact}");
            used = 2 + chars(fact);
        } else {
            let _ = write!(text, " · {fact}");
            used += 3 + chars(fact);
        }
    }
    text
}

/// The tree takes what it needs, up to half of the line.
fn left_columns(trace: &Trace, rows: &[TreeRow], width: usize) -> usize {
    let needed = |row: &TreeRow| {
        let label = Label::of(trace, row);
        row.depth.min(LEVELS_MAX) * 2 + chars(&label.service) + chars(&label.name) + 4
    };
    let widest = rows.iter().map(needed).max().unwrap_or(0);
    widest.clamp(20, (width / 2).max(20))
}

/// What a row is called; the service only where it is another one than above.
struct Label {
    service: String,
    name: String,
}

impl Label {
    fn of(trace: &Trace, row: &TreeRow) -> Self {
        let span = trace.span(row.span);
        let above = trace.forest.parent(row.span).map(|parent| &trace.span(parent).service);
        let is_new = above != Some(&span.service);
        let service = span.service.as_deref().filter(|_| is_new).unwrap_or_default();
        let name = if span.name.is_empty() { "(no name)" } else { &*span.name };
        let count = match row.folded.len() {
            0 => String::new(),
            count => format!(" ×{count}"),
        };
        Self {
            service: cut(service, SERVICE_COLUMNS_MAX),
            name: format!("{}{count}", cut(name, usize::MAX)),
        }
    }
}

impl Waterfall<'_> {
    fn write(&mut self, rows: &[TreeRow], hidden: usize) {
        self.header();
        self.axis();
        let mut open: Vec<bool> = Vec::new();
        for row in rows {
            open.truncate(row.depth);
            self.row(row, &open);
            self.below(row, &open);
            open.push(!row.is_last);
        }
        if hidden > 0 {
            self.note(&format!("… {hidden} more rows: `-v` shows all"));
        }
        self.operations();
        self.notes();
    }

    fn paint(&self, style: Style, text: &str) -> String {
        style.paint(text, self.style.is_colored)
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn note(&mut self, text: &str) {
        let line = format!("  {}", self.paint(Style::Dim, text));
        self.line(&line);
    }

    fn header(&mut self) {
        let trace = self.trace;
        let totals = trace.totals();
        let many = |count: u64, one: &str| format!("{count} {one}{}", plural(count));
        let mut facts = vec![
            time(trace.start_ns),
            short_duration(trace.duration_ns()),
            many(totals.spans, "span"),
            many(totals.services, "service"),
        ];
        if trace.forest.depth() > 1 {
            facts.push(format!("depth {}", trace.forest.depth()));
        }
        let errors = many(totals.errors, "error");
        if totals.errors > 0 {
            facts.push(errors.clone());
        }
        let title = format!("trace {}", trace.id_text());
        let facts = lines_of(&facts, &title, self.style.width);
        let facts = match totals.errors {
            0 => facts,
            _ => facts.replace(&errors, &self.paint(Style::Red, &errors)),
        };
        let line = format!("{}{facts}", self.paint(Style::Bold, &title));
        self.line(&line);
    }

    /// What times the bars begin and end at, and two or three between.
    fn axis(&mut self) {
        let columns = self.scale.columns;
        let marks = if columns >= 48 { 4 } else { 2 };
        let label =
            |mark: usize| short_duration(self.trace.duration_ns() / marks as i64 * mark as i64);
        let end = columns.saturating_sub(chars(&label(marks)));
        let mut axis = label(0);
        for mark in 1..marks {
            let label = label(mark);
            let start = (columns * mark / marks).saturating_sub(chars(&label) / 2);
            // Two labels that touch read as one number.
            if start > chars(&axis) && start + chars(&label) < end {
                axis = format!("{axis}{}{label}", blanks(&axis, start));
            }
        }
        axis = format!("{axis}{}{}", blanks(&axis, end), label(marks));
        let (left, time) = (self.left, DURATION_COLUMNS);
        let head = format!("  {:left$} {:>time$} {:>SHARE_COLUMNS$} ", "", "time", "path");
        let line = self.paint(Style::Dim, &format!("{head}{axis}"));
        self.line(&line);
    }

    fn row(&mut self, row: &TreeRow, open: &[bool]) {
        let trace = self.trace;
        let span = trace.span(row.span);
        let spans = row.spans();
        let took = spans.iter().map(|&index| trace.span(index).duration_ns());
        let took = took.fold(0, i64::saturating_add);
        let on_path: i64 = spans.iter().map(|&index| trace.path.exclusive_ns(index)).sum();
        let ran: Vec<_> =
            spans.iter().map(|&at| (trace.span(at).start_ns, trace.span(at).end_ns)).collect();
        let awaited: Vec<_> =
            spans.iter().filter_map(|at| self.segments.get(at)).flatten().copied().collect();
        let bar = self.scale.bar(&ran, &awaited);
        let is_error = span.status == Status::Error;
        let hue = self.hues.of(span.service.as_ref());
        let bar = match hue {
            _ if is_error => self.paint(Style::Red, &bar),
            Some(hue) => self.paint(hue, &bar),
            None => bar,
        };
        let (tree, used) = self.tree(row, open, hue);
        let pad = " ".repeat(self.left.saturating_sub(used));
        let took = format!("{:>DURATION_COLUMNS$}", short_duration(took));
        let part = format!("{:>SHARE_COLUMNS$}", share(on_path, trace.path.duration_ns()));
        let is_much = on_path.saturating_mul(SHARE_MUCH) >= trace.path.duration_ns();
        let part = self.paint(if is_much { Style::Bold } else { Style::Dim }, &part);
        let mark = if span.is_match { self.paint(Style::Green, "◆ ") } else { "  ".to_owned() };
        let line = format!("{mark}{tree}{pad} {took} {part} {bar}");
        self.line(&line);
    }

    /// The left of a row and the columns that it takes.
    fn tree(&self, row: &TreeRow, open: &[bool], hue: Option<Style>) -> (String, usize) {
        let span = self.trace.span(row.span);
        let mut branches = branches(row, open);
        let room = self.left.saturating_sub(chars(&branches));
        let mut label = Label::of(self.trace, row);
        let sign = match (span.status, self.trace.forest.role(row.span)) {
            (Status::Error, _) => "✗ ",
            (_, Role::Orphan) => "? ",
            (_, Role::LoopHead) => "↻ ",
            _ => "",
        };
        let gap = if label.service.is_empty() { "" } else { " " };
        let service_room = room.saturating_sub(chars(sign) + 1 + chars(&label.name).min(room / 2));
        label.service = cut(&label.service, service_room.max(3));
        let name_room = room.saturating_sub(chars(sign) + chars(&label.service) + gap.len());
        label.name = match label.name.rsplit_once(" ×") {
            // What counts the leaves stays, whatever is cut.
            Some((name, count)) if !row.folded.is_empty() => {
                format!("{} ×{count}", cut(name, name_room.saturating_sub(2 + chars(count))))
            }
            _ => cut(&label.name, name_room),
        };
        let used = chars(&branches) + chars(sign) + chars(&label.service) + gap.len();
        let used = used + chars(&label.name);
        branches = self.paint(Style::Dim, &branches);
        let sign_style = if sign.starts_with('✗') { Style::Red } else { Style::Yellow };
        let sign = self.paint(sign_style, sign);
        let service = hue.map_or(label.service.clone(), |hue| self.paint(hue, &label.service));
        (format!("{branches}{sign}{service}{gap}{}", label.name), used)
    }

    /// What a span says beside its times: its error, its events, attributes that were asked for.
    fn below(&mut self, row: &TreeRow, open: &[bool]) {
        let trace = self.trace;
        let span = trace.span(row.span);
        let mut lines: Vec<(Style, String)> = Vec::new();
        if span.status == Status::Error && !span.message.is_empty() {
            lines.push((Style::Red, span.message.to_string()));
        }
        for event in trace.events(span) {
            let at = short_duration(event.time_ns.saturating_sub(trace.start_ns));
            lines.push((Style::Yellow, format!("+{at} {}", event.text)));
        }
        for (place, value) in &span.shown {
            let key = &self.style.shown[*place as usize];
            lines.push((Style::Dim, format!("{key} = {value}")));
        }
        let mut open = open.to_vec();
        open.push(!row.is_last);
        let has_children = !trace.forest.children(row.span).is_empty();
        for (style, text) in lines {
            let under = under(&open[..], row.depth, has_children);
            let room = self.style.width.saturating_sub(chars(&under) + 2);
            let room = if self.style.shows_all { usize::MAX } else { room };
            let text = self.paint(style, &cut(&text, room));
            let line = format!("  {}{text}", self.paint(Style::Dim, &under));
            self.line(&line);
        }
    }

    /// What the trace waited for, by operation.
    fn operations(&mut self) {
        let trace = self.trace;
        let whole = trace.path.duration_ns();
        if trace.forest.preorder().len() < 2 || whole == 0 {
            return;
        }
        let all = trace.operations();
        let on_path = all.iter().filter(|(_, times)| times.exclusive_ns > 0).count();
        for (index, ((service, name), times)) in all.iter().take(on_path).enumerate() {
            if index == OPERATIONS_MAX && !self.style.shows_all && on_path > OPERATIONS_MAX + 1 {
                let rest = all[index..on_path].iter().map(|(_, times)| times.exclusive_ns);
                let rest = short_duration(rest.fold(0, i64::saturating_add));
                self.note(&format!("{:15} {rest:>7}  … {} more", "", on_path - index));
                break;
            }
            let head = if index == 0 { "waited for" } else { "" };
            let (part, time) =
                (share(times.exclusive_ns, whole), short_duration(times.exclusive_ns));
            let hue = self.hues.of(service.as_ref());
            let most = SERVICE_COLUMNS_MAX.min(self.style.width / 4);
            let service = cut(service.as_deref().unwrap_or_default(), most);
            let count = if times.spans > 1 { format!(" ×{}", times.spans) } else { String::new() };
            let used = OPERATION_COLUMNS + chars(&service) + chars(&count);
            let name = cut(name, self.style.width.saturating_sub(used).max(10));
            let service = hue.map_or(service.clone(), |hue| self.paint(hue, &service));
            let head = self.paint(Style::Dim, &format!("{head:<10}"));
            let line = format!("  {head} {part:>4} {time:>7}  {service} {name}{count}");
            self.line(&line);
        }
    }

    /// What is odd about the trace.
    fn notes(&mut self) {
        let forest = &self.trace.forest;
        let mut notes = Vec::new();
        let mut note = |count: u64, one: &str, many: &str| match count {
            0 => {}
            1 => notes.push(format!("1 {one}")),
            count => notes.push(format!("{count} {many}")),
        };
        note(
            forest.orphan_count().into(),
            "span (?) names a parent that is not here",
            "spans (?) name parents that are not here",
        );
        let more_roots = u64::from(forest.root_count()).saturating_sub(1);
        note(more_roots, "further root", "further roots");
        note(
            forest.loop_count().into(),
            "loop of parents (↻) was broken",
            "loops of parents (↻) were broken",
        );
        note(
            forest.duplicate_count().into(),
            "span repeats an id and is left out",
            "spans repeat an id and are left out",
        );
        note(self.trace.left_out, "span had no room", "spans had no room");
        for text in notes {
            let line = format!("  {}", self.paint(Style::Yellow, &text));
            self.line(&line);
        }
    }
}

/// The branches before a row.
fn branches(row: &TreeRow, open: &[bool]) -> String {
    if row.depth == 0 {
        return String::new();
    }
    let mut text = stems(open, row.depth);
    text.push_str(if row.is_last { "└─ " } else { "├─ " });
    text
}

/// The lines that run on beside what is said below a row.
fn under(open: &[bool], depth: usize, has_children: bool) -> String {
    let mut text = stems(open, depth + 1);
    text.push_str(if has_children { "│  " } else { "   " });
    text
}

/// The stems of the ancestors below the root; of a deep row the nearest ones, after its depth.
fn stems(open: &[bool], depth: usize) -> String {
    let from = if depth > LEVELS_MAX { depth - LEVELS_MAX + 2 } else { 1 };
    let mut text = String::new();
    if from > 1 {
        let number = format!("{depth}");
        text = format!("{number}{} ", "‥".repeat(3_usize.saturating_sub(number.len())));
    }
    for is_open in open.get(from..depth).unwrap_or_default() {
        text.push_str(if *is_open { "│ " } else { "  " });
    }
    text
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The title of a trace in lists: the service and name of its head.
pub(super) fn title(head: Option<&TraceSpan>) -> (Option<std::sync::Arc<str>>, String) {
    match head {
        Some(span) => (span.service.clone(), span.name.to_string()),
        None => (None, String::new()),
    }
}
