//! Log lines on standard error: levels, fields, text or JSON, nothing of a payload unescaped.
//!
//! Invariant: one line a record. What comes from elsewhere (answers of receivers, keys, names)
//! cannot end a line, move the cursor or change the direction of text, and is cut at
//! [`TEXT_CHARS_MAX`]. Must not know what happened: it is told.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value as Json, json};
use tailwater_engine::clock::wall_clock;
use tailwater_engine::model::render::time;

use crate::args::{LogFormat, LogLevel};
use crate::terminal::write_stderr;

/// Characters of a message or a field that are shown; the rest is cut, and that is said.
pub(crate) const TEXT_CHARS_MAX: usize = 1_000;

/// What a line begins with that warns.
const WARNING: &str = "warning: ";

/// Set once, when a run begins; other commands write text.
static STYLE: OnceLock<(LogFormat, LogLevel)> = OnceLock::new();

/// Records written, by level.
static WRITTEN: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// Decides how everything after this is written. The first call counts.
pub(crate) fn set(format: LogFormat, level: LogLevel) {
    // A second run in one process writes like the first.
    let _ = STYLE.set((format, level));
}

fn style() -> (LogFormat, LogLevel) {
    STYLE.get().copied().unwrap_or((LogFormat::Text, LogLevel::Info))
}

/// Records written so far, by level.
pub(crate) fn written() -> [(&'static str, u64); 4] {
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug]
        .map(|level| (name(level), WRITTEN[level as usize].load(Ordering::Relaxed)))
}

/// A line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Record<'a> {
    /// How much it matters.
    pub(crate) level: LogLevel,
    /// What happened.
    pub(crate) message: &'a str,
    /// Name and value, in this order; those without a value are left out.
    pub(crate) fields: &'a [(&'static str, &'a str)],
    /// How often the same was left out before.
    pub(crate) left_out: u64,
}

/// Writes a record, unless its level is left out.
pub(crate) fn log(record: &Record<'_>) {
    let (format, level) = style();
    if record.level > level {
        return;
    }
    WRITTEN[record.level as usize].fetch_add(1, Ordering::Relaxed);
    let line = match format {
        LogFormat::Text => text_line(record),
        LogFormat::Json => json_line(record, wall_clock()()),
    };
    write_stderr(&line);
}

/// Writes what only those who look for it want to know.
pub(crate) fn debug(message: &str) {
    log(&Record { level: LogLevel::Debug, message, fields: &[], left_out: 0 });
}

/// What is said otherwise (greeting, summary, errors), in the format of the log: as it is, or a
/// record for each line, with the level that its first word names. Lines that warn are left out
/// where only errors are wanted.
pub(crate) fn in_format(text: &str) -> Cow<'_, str> {
    let (format, level) = style();
    let text = of_level(text, level);
    if format == LogFormat::Text {
        return text;
    }
    let text = &text;
    Cow::Owned(lines_as_json(text, wall_clock()()))
}

/// A text without lines that warn, where only errors are wanted.
fn of_level(text: &str, level: LogLevel) -> Cow<'_, str> {
    let is_warning = |line: &str| line.starts_with(WARNING);
    if level >= LogLevel::Warn || !text.lines().any(is_warning) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split_inclusive('\n').filter(|line| !is_warning(line)).collect())
}

fn lines_as_json(text: &str, now_ns: i64) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let record = |line: &str| {
        let known = [("error: ", LogLevel::Error), ("warning: ", LogLevel::Warn)];
        let of_level =
            known.iter().find_map(|(prefix, level)| Some((line.strip_prefix(prefix)?, *level)));
        let (message, level) = of_level.unwrap_or((line, LogLevel::Info));
        json_line(&Record { level, message, fields: &[], left_out: 0 }, now_ns)
    };
    lines.map(record).collect()
}

fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

fn text_line(record: &Record<'_>) -> String {
    let mut line = match record.level {
        LogLevel::Error => String::from("error: "),
        LogLevel::Warn => String::from("warning: "),
        LogLevel::Info => String::new(),
        LogLevel::Debug => String::from("debug: "),
    };
    let given = || record.fields.iter().filter(|(_, value)| !value.is_empty());
    if let Some((_, sink)) = given().find(|(name, _)| *name == "sink") {
        let _ = write!(line, "sink `{}`: ", escaped(sink));
    }
    line.push_str(&escaped(record.message));
    let rest: Vec<String> = given()
        .filter(|(name, _)| *name != "sink")
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    if !rest.is_empty() {
        let _ = write!(line, " [{}]", rest.join(" "));
    }
    if record.left_out > 0 {
        let _ = write!(line, " (and {} times before)", record.left_out);
    }
    line.push('\n');
    line
}

fn json_line(record: &Record<'_>, now_ns: i64) -> String {
    let mut object = Map::new();
    object.insert("time".to_owned(), json!(time(now_ns)));
    object.insert("level".to_owned(), json!(name(record.level)));
    object.insert("message".to_owned(), json!(escaped(record.message)));
    for (name, value) in record.fields.iter().filter(|(_, value)| !value.is_empty()) {
        let number = value.parse::<u64>().ok();
        let value = number.map_or_else(|| json!(escaped(value)), |number| json!(number));
        object.insert((*name).to_owned(), value);
    }
    if record.left_out > 0 {
        object.insert("left_out".to_owned(), json!(record.left_out));
    }
    format!("{}\n", Json::Object(object))
}

/// Text that is safe to show: controls, line ends and marks of direction are written out as
/// `\u{…}`, and what is too long is cut.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let is_short = text.len() <= TEXT_CHARS_MAX || text.chars().nth(TEXT_CHARS_MAX).is_none();
    if is_short && !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(TEXT_CHARS_MAX) + 32);
    for c in text.chars().take(TEXT_CHARS_MAX) {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    if !is_short {
        let left_out = text.chars().count() - TEXT_CHARS_MAX;
        let _ = write!(out, "… ({left_out} more characters)");
    }
    Cow::Owned(out)
}

/// Controls (C0, C1, DEL), line and paragraph separators, marks and overrides of direction, and
/// characters without width, which hide what is there.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_payload_moves_the_cursor_or_ends_a_line() {
        let shown = escaped("a\nb\r\t\u{1b}[31mred\u{7}\u{9b}2J\u{202e}gpj.exe\u{2066}\u{2028}ü日");
        assert_eq!(
            shown,
            "a\\nb\\r\\t\\u{1b}[31mred\\u{7}\\u{9b}2J\\u{202e}gpj.exe\\u{2066}\\u{2028}ü日"
        );
        assert!(matches!(escaped("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn what_is_too_long_is_cut_and_that_is_said() {
        let long = "é".repeat(TEXT_CHARS_MAX + 5);
        let shown = escaped(&long);
        assert!(shown.ends_with("é… (5 more characters)"), "{shown}");
        assert_eq!(shown.chars().filter(|c| *c == 'é').count(), TEXT_CHARS_MAX);
        assert!(matches!(escaped(&long[..2 * TEXT_CHARS_MAX]), Cow::Borrowed(_)));
    }

    #[test]
    fn a_record_is_one_line_with_its_fields() {
        let record = Record {
            level: LogLevel::Warn,
            message: "it answered 503: \"x\ny\"",
            fields: &[("sink", "web\u{1b}hook"), ("items", "3"), ("rule", ""), ("key", "a b")],
            left_out: 2,
        };
        assert_eq!(
            text_line(&record),
            "warning: sink `web\\u{1b}hook`: it answered 503: \"x\\ny\" [items=3 key=a b] \
             (and 2 times before)\n"
        );
        let line = json_line(&record, 0);
        let read: Json = serde_json::from_str(&line).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(
            read,
            json!({
                "time": "1970-01-01T00:00:00Z", "level": "warn", "left_out": 2, "key": "a b",
                "message": "it answered 503: \"x\\ny\"", "sink": "web\\u{1b}hook", "items": 3,
            })
        );
    }

    #[test]
    fn other_lines_become_records_by_their_first_word() {
        let lines = lines_as_json("\nerror: a\nwarning: b\nread 3 spans\n", 0);
        let levels: Vec<Json> = lines
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap()["level"].clone())
            .collect();
        assert_eq!(levels, ["error", "warn", "info"]);
    }

    #[test]
    fn lines_that_warn_are_left_out_where_only_errors_are_wanted() {
        let text = "read 3\nwarning: a\nerror: b\nwarning: c\n";
        assert_eq!(of_level(text, LogLevel::Warn), text);
        assert_eq!(of_level(text, LogLevel::Error), "read 3\nerror: b\n");
    }
}
