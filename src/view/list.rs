//! Traces as a list: one line each, with a bar of how long they took.

use tailwater_engine::model::render::time;

use super::text::{blanks, chars, cut, short_duration};
use super::waterfall::title;
use super::{Hues, ViewStyle};
use crate::terminal::Style;
use crate::trace::Trace;

/// Columns of the bar.
const BAR_COLUMNS: usize = 8;

/// Columns of what stands before the root, gaps among them, without the id, the start, the bar and
/// the count of services.
const FIXED_COLUMNS: usize = 2 + 7 + 2 + 6 + 2 + 6 + 2;

/// Columns of the start and the gap behind it.
const START_COLUMNS: usize = 24 + 2;

/// Columns below which a line goes without the start, so that a root has room.
const WIDTH_WITH_START: usize = 90;

/// Digits of an id that name a trace well enough, where a line is short.
const ID_SHORT: usize = 16;

/// What of a line there is room for.
struct Columns {
    id: usize,
    with_start: bool,
    with_bar: bool,
    root: usize,
}

impl Columns {
    fn fit(width: usize) -> Self {
        let with_start = width >= WIDTH_WITH_START;
        let with_bar = width >= 100;
        let id = if width >= 140 { 32 } else { ID_SHORT };
        let bar = if with_bar { BAR_COLUMNS + 1 + 6 } else { 0 };
        let start = if with_start { START_COLUMNS } else { 0 };
        let root = width.saturating_sub(FIXED_COLUMNS + id + start + bar).max(10);
        Self { id, with_start, with_bar, root }
    }
}

/// A line for each trace, below a header unless there was one.
pub(crate) fn list(
    traces: &[&Trace],
    style: &ViewStyle,
    hues: &mut Hues,
    with_header: bool,
) -> String {
    let longest = traces.iter().map(|trace| trace.duration_ns()).max().unwrap_or(0);
    let columns = Columns::fit(style.width);
    let mut text = String::new();
    if with_header {
        let (id, bar) = (columns.id, " ".repeat(BAR_COLUMNS + 1));
        let (bar, services) = if columns.with_bar { (&*bar, "  svcs") } else { ("", "") };
        let start = if columns.with_start { format!("  {:24}", "start") } else { String::new() };
        let head = format!(
            "{:id$}{start}  {:>7}{bar}  {:>6}{services}  {:>6}  root",
            "trace", "time", "spans", "errors"
        );
        text = Style::Dim.paint(&head, style.is_colored);
        text.push('\n');
    }
    for trace in traces {
        text.push_str(line(trace, &columns, longest, style, hues).trim_end());
        text.push('\n');
    }
    text
}

fn line(
    trace: &Trace,
    columns: &Columns,
    longest: i64,
    style: &ViewStyle,
    hues: &mut Hues,
) -> String {
    let totals = trace.totals();
    let (service, name) = title(trace.head());
    let hue = hues.of(service.as_ref());
    let paint = |text: &str| hue.map_or(text.to_owned(), |hue| hue.paint(text, style.is_colored));
    let errors = match totals.errors {
        0 => format!("{:>6}", "·"),
        count => Style::Red.paint(&format!("{count:>6}"), style.is_colored),
    };
    let (mut drawn, mut services) = (String::new(), String::new());
    if columns.with_bar {
        let bar = bar(trace.duration_ns(), longest);
        drawn = format!(" {}{}", paint(&bar), blanks(&bar, BAR_COLUMNS));
        services = format!("  {:>4}", totals.services);
    }
    let mark = if trace.forest.is_complete() { "" } else { "? " };
    let service = cut(service.as_deref().unwrap_or_default(), columns.root * 2 / 3);
    let gap = if service.is_empty() { "" } else { " " };
    let used = chars(mark) + chars(&service) + gap.len();
    let start = if columns.with_start { start(trace) } else { String::new() };
    let gap_before = if columns.with_start { "  " } else { "" };
    format!(
        "{}{gap_before}{start}  {:>7}{drawn}  {:>6}{services}  {errors}  {}{}{gap}{}",
        &trace.id_text()[..columns.id],
        short_duration(trace.duration_ns()),
        totals.spans,
        Style::Yellow.paint(mark, style.is_colored),
        paint(&service),
        cut(&name, columns.root.saturating_sub(used)),
    )
}

/// The start with three digits of a second.
fn start(trace: &Trace) -> String {
    let second = time(trace.start_ns.div_euclid(1_000_000_000) * 1_000_000_000);
    let ms = trace.start_ns.rem_euclid(1_000_000_000) / 1_000_000;
    format!("{}.{ms:03}Z", second.trim_end_matches('Z'))
}

/// A bar in eighths of a column.
fn bar(part: i64, whole: i64) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = part as f64 / whole.max(1) as f64 * (BAR_COLUMNS * 8) as f64;
    let eighths = (eighths.round() as usize).clamp(1, BAR_COLUMNS * 8);
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bars_have_eighths() {
        assert_eq!((bar(8, 8), bar(1, 8), bar(0, 8)), ("█".repeat(8), "█".into(), "▏".into()));
        assert_eq!((bar(3, 16), bar(0, 0)), ("█▌".into(), "▏".into()));
    }
}
