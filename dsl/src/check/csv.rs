//! CSV by RFC 4180, with the place of every field.

use std::ops::Range;

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) is_quoted: bool,
    /// Where it stands, quotes included.
    pub(super) bytes: Range<usize>,
}

/// Something that is wrong in a file.
#[derive(Debug)]
pub(super) struct CsvMistake {
    pub(super) bytes: Range<usize>,
    pub(super) text: String,
    pub(super) help: &'static str,
    /// Where the other one of two stands.
    pub(super) first: Option<Range<usize>>,
}

/// A file as read.
#[derive(Debug, Default)]
pub(super) struct Csv {
    /// The first line.
    pub(super) names: Vec<Cell>,
    /// All others; each has as many fields as there are names.
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) mistakes: Vec<CsvMistake>,
}

impl Csv {
    /// Reads a whole file.
    pub(super) fn read(text: &str, rows_max: usize, columns_max: usize) -> Self {
        let mut csv = Self::default();
        let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        while at < text.len() {
            let start = at;
            let Some(row) = csv.row(text, &mut at) else { return csv };
            let is_empty = row.len() == 1 && row[0].text.is_empty() && !row[0].is_quoted;
            if is_empty {
                continue;
            }
            let line = start..line_end(text, start);
            if csv.names.is_empty() {
                csv.header(row, columns_max, line);
                continue;
            }
            if row.len() != csv.names.len() {
                let (found, wanted) = (row.len(), csv.names.len());
                let fields = if found == 1 { "field" } else { "fields" };
                csv.mistake(
                    line,
                    format!("this row has {found} {fields}, the first line names {wanted} columns"),
                    "add what is missing, or put a field with commas into quotes",
                );
                continue;
            }
            if csv.rows.len() == rows_max {
                let text = format!("a table has at most {rows_max} rows");
                csv.mistake(line, text, "look up in fewer rows");
                return csv;
            }
            csv.rows.push(row);
        }
        if csv.names.is_empty() {
            csv.mistake(0..0, "the file is empty".to_owned(), "its first line names the columns");
        }
        csv
    }

    fn header(&mut self, mut row: Vec<Cell>, columns_max: usize, line: Range<usize>) {
        if row.len() > columns_max {
            let text = format!("a table has at most {columns_max} columns");
            self.mistake(line, text, "leave columns out that nobody reads");
        }
        for cell in &mut row {
            cell.text = cell.text.trim().to_owned();
        }
        for (at, cell) in row.iter().enumerate() {
            if let Some(first) = row[..at].iter().find(|first| first.text == cell.text) {
                self.mistakes.push(CsvMistake {
                    bytes: cell.bytes.clone(),
                    text: format!("the column `{}` is named twice", cell.text),
                    help: "give one of them another name",
                    first: Some(first.bytes.clone()),
                });
            }
        }
        self.names = row;
    }

    fn mistake(&mut self, bytes: Range<usize>, text: String, help: &'static str) {
        self.mistakes.push(CsvMistake { bytes, text, help, first: None });
    }

    /// The fields of the row at a place, which is then behind its line end; `None` where the rest
    /// cannot be told apart.
    fn row(&mut self, text: &str, at: &mut usize) -> Option<Vec<Cell>> {
        let mut cells = Vec::new();
        loop {
            let start = *at;
            if text[start..].starts_with('"') {
                let Some(end) = closing_quote(text, start + 1) else {
                    let line = start..line_end(text, start);
                    self.mistake(line, "this quote is not closed".to_owned(), "close it by `\"`");
                    return None;
                };
                let inner = text[start + 1..end].replace("\"\"", "\"");
                cells.push(Cell { text: inner, is_quoted: true, bytes: start..end + 1 });
                *at = end + 1;
                let rest = &text[*at..];
                if !(rest.is_empty() || rest.starts_with([',', '\n', '\r'])) {
                    let line = start..line_end(text, start);
                    let help = "a quote inside a field is written twice: `\"\"`";
                    self.mistake(line, "text behind a closing quote".to_owned(), help);
                    return None;
                }
            } else {
                let rest = &text[start..];
                let length = rest.find([',', '\n']).unwrap_or(rest.len());
                let field = &rest[..length];
                let field = field.strip_suffix('\r').unwrap_or(field);
                let bytes = start..start + field.len();
                cells.push(Cell { text: field.trim().to_owned(), is_quoted: false, bytes });
                *at = start + length;
            }
            let rest = &text[*at..];
            if rest.starts_with(',') {
                *at += 1;
                continue;
            }
            *at += rest.len().min(if rest.starts_with("\r\n") { 2 } else { 1 });
            return Some(cells);
        }
    }
}

fn closing_quote(text: &str, mut at: usize) -> Option<usize> {
    loop {
        at += text[at..].find('"')?;
        if !text[at + 1..].starts_with('"') {
            return Some(at);
        }
        at += 2;
    }
}

fn line_end(text: &str, start: usize) -> usize {
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start + text[start..end].trim_end().len()
}
