//! Charts to SVG 1.1: plain shapes and text, no script, no style sheet of its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tailwater_engine::model::render::time;

use super::scale::{marks, time_marks};
use super::{Chart, Panel};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 40.0;
const TITLE_HEIGHT: f64 = 34.0;
const LEGEND_LINE_HEIGHT: f64 = 18.0;
const PANEL_HEIGHT: f64 = 130.0;
const PANEL_GAP: f64 = 34.0;
const AXIS_HEIGHT: f64 = 46.0;

/// Characters of a legend entry.
const LEGEND_CHARS_MAX: usize = 60;

/// Width of a character of the legend's font, as an estimate for its box.
const CHAR_WIDTH: f64 = 6.4;

/// Eight colours that colour-blind people tell apart, too (Okabe and Ito 2008, yellow darkened).
const COLORS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8a7f00", "#000000"];

/// Where one chart's time lies on the image.
struct TimeAxis {
    low_ns: i64,
    high_ns: i64,
}

impl TimeAxis {
    fn of(chart: &Chart) -> Self {
        let times = || {
            let lines = chart.panels.iter().flat_map(|panel| &panel.lines);
            lines.flat_map(|line| line.points.iter().map(|(time_ns, _)| *time_ns))
        };
        let low_ns = times().min().unwrap_or(0);
        let high_ns = times().max().unwrap_or(0);
        Self { low_ns, high_ns: high_ns.max(low_ns.saturating_add(1)) }
    }

    fn x(&self, time_ns: i64) -> f64 {
        let at = time_ns.clamp(self.low_ns, self.high_ns) as f64 - self.low_ns as f64;
        let share = at / (self.high_ns as f64 - self.low_ns as f64).max(1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }
}

/// The image of all charts, one below the other.
pub(super) fn svg(charts: &[Chart]) -> String {
    let mut body = String::new();
    let mut y = 12.0;
    for chart in charts {
        y = draw_chart(chart, y, &mut body);
    }
    if charts.is_empty() {
        text(&mut body, (WIDTH / 2.0, 40.0), "middle", "#555", "no rows to draw");
        y = 80.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" \
         viewBox=\"0 0 {WIDTH} {y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

fn draw_chart(chart: &Chart, top: f64, body: &mut String) -> f64 {
    let axis = TimeAxis::of(chart);
    let mut y = top + TITLE_HEIGHT / 2.0;
    let name = escape(&chart.name);
    let _ = writeln!(
        body,
        "<text x=\"{LEFT}\" y=\"{y:.1}\" font-size=\"16\" font-weight=\"bold\">{name}</text>"
    );
    if let Some(note) = &chart.note {
        text(body, (WIDTH - RIGHT, y), "end", "#555", note);
    }
    y = draw_legend(chart, y + TITLE_HEIGHT / 2.0 + 6.0, body);
    for panel in &chart.panels {
        y += PANEL_GAP / 2.0;
        draw_panel(chart, panel, &axis, y, body);
        y += PANEL_HEIGHT + PANEL_GAP / 2.0;
    }
    for (at_ns, label) in time_marks(axis.low_ns, axis.high_ns, 8) {
        text(body, (axis.x(at_ns), y + 2.0), "middle", "#333", &label);
    }
    let mut range =
        format!("ends of windows, {} to {} (UTC)", time(axis.low_ns), time(axis.high_ns));
    let alerts: BTreeSet<&str> = chart.shades.iter().map(|(.., alert)| &**alert).collect();
    if !alerts.is_empty() {
        let alerts: Vec<&str> = alerts.into_iter().collect();
        let _ = write!(range, "; shaded: {} fires", alerts.join(", "));
    }
    text(body, (LEFT, y + 20.0), "start", "#555", &range);
    y + AXIS_HEIGHT
}

fn draw_legend(chart: &Chart, top: f64, body: &mut String) -> f64 {
    let half = (WIDTH - LEFT - RIGHT) / 2.0;
    let longest = chart.legend.iter().map(|entry| entry.chars().count()).max().unwrap_or(0);
    let fits = longest.min(LEGEND_CHARS_MAX) as f64 * CHAR_WIDTH + 20.0 < half;
    let columns = if fits { 2 } else { 1 };
    for (index, entry) in chart.legend.iter().enumerate() {
        let x = LEFT + half * (index % columns) as f64;
        let y = top + LEGEND_LINE_HEIGHT * (index / columns) as f64;
        let color = COLORS[index % COLORS.len()];
        let _ = writeln!(
            body,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"14\" height=\"4\" fill=\"{color}\"/>",
            y - 6.0
        );
        let mut short: String = entry.chars().take(LEGEND_CHARS_MAX).collect();
        if short.len() < entry.len() {
            short.push('…');
        }
        text(body, (x + 20.0, y), "start", "#333", &short);
    }
    top + LEGEND_LINE_HEIGHT * chart.legend.len().div_ceil(columns) as f64
}

fn draw_panel(chart: &Chart, panel: &Panel, axis: &TimeAxis, top: f64, body: &mut String) {
    let values = || panel.lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    let marks = marks(panel.unit, low, high, 4);
    let (low, high) = (marks[0], marks[marks.len() - 1]);
    let y = |value: f64| top + PANEL_HEIGHT * (1.0 - (value - low) / (high - low));
    text(body, (LEFT, top - 6.0), "start", "#000", &panel.title);
    for (from_ns, to_ns, alert) in &chart.shades {
        let (from, to) = (axis.x(*from_ns), axis.x(to_ns.unwrap_or(axis.high_ns)));
        let _ = writeln!(
            body,
            "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{PANEL_HEIGHT}\" \
             fill=\"#d62728\" fill-opacity=\"0.12\"><title>{} fires</title></rect>",
            (to - from).max(1.0),
            escape(alert)
        );
    }
    for mark in &marks {
        let y = y(*mark);
        let _ = writeln!(
            body,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>",
            WIDTH - RIGHT
        );
        text(body, (LEFT - 8.0, y + 4.0), "end", "#333", &panel.unit.text(*mark));
    }
    for line in &panel.lines {
        let color = COLORS[line.color % COLORS.len()];
        let place = |point: &(i64, f64)| (axis.x(point.0), y(point.1));
        draw_line(&line.points.iter().map(place).collect::<Vec<_>>(), color, body);
    }
}

/// A point alone gets a dot: a line of one point would not be seen.
fn draw_line(points: &[(f64, f64)], color: &str, body: &mut String) {
    if let [(x, y)] = points {
        let _ = writeln!(body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{color}\"/>");
        return;
    }
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        body,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>",
        points.join(" ")
    );
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, color: &str, content: &str) {
    let content = escape(content);
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{content}</text>"
    );
}

/// Text of telemetry in XML: markup is escaped, characters that XML cannot hold become spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
