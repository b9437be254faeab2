//! `table`: a file of values, and the names that read them.
//!
//! A table is a constant: `owners.team` becomes a look-up of the item's own key in a map of that
//! column. The file reaches the language as text, as imports do.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::csv::{Cell, Csv, CsvMistake};
use super::expr::article;
use super::scope::{Scope, broken, constant};
use super::{Checker, Entity};
use crate::ast::{Declaration, Name, NumberText, TableSource};
use crate::diagnostic::suggest::{listed, nearest};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{BinaryOp, Expr, ExprKind, Literal, TableColumn};
use crate::limits::{
    FILES_MAX, SOURCE_BYTES_MAX, TABLE_CELLS_MAX, TABLE_COLUMNS_MAX, TABLE_MISTAKES_MAX,
    TABLE_ROWS_MAX,
};
use crate::text_range::{FileId, TextRange};
use crate::types::Type;
use crate::{NoImport, SourceFile};

/// Between the parts of a key. No part of a table's key has it, so that an item's parts with it
/// inside are equal to none.
const KEY_SEPARATOR: char = '\u{1f}';

/// The function of every catalogue that makes a value text.
const TEXT_FUNCTION: &str = "string";

/// A table that was read.
#[derive(Debug)]
pub(super) struct Table {
    /// What an item looks up.
    keys: Vec<Name>,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    ty: Type,
    /// Values by key; absent ones are left out.
    values: Vec<(String, Literal)>,
}

impl Checker<'_> {
    /// Reads the file of a table, once.
    pub(super) fn load_table(&mut self, full: String, tree: &Declaration, source: &TableSource) {
        if self.tables.contains_key(&full) {
            return; // declared twice, which is reported where names are bound
        }
        let table = self.read_table(tree, source).map(Rc::new);
        self.tables.insert(full, table);
    }

    fn read_table(&mut self, tree: &Declaration, source: &TableSource) -> Option<Table> {
        if source.format.text != "csv" {
            self.unknown_word(&source.format, "table", &["csv"]);
            return None;
        }
        let target = self.unescape(&source.file);
        if self.files.len() >= FILES_MAX {
            let message = format!("there are more than {FILES_MAX} files, tables included");
            self.report(Diagnostic::new(codes::TOO_LARGE, tree.range, message));
            return None;
        }
        if !self.table_files.contains(&target) {
            self.table_files.push(target.clone());
        }
        let text = match (self.options.importer)(&target) {
            Ok(text) => text,
            Err(missing) => {
                let told = |text| Diagnostic::new(codes::UNKNOWN_IMPORT, source.file.range, text);
                self.report(match missing {
                    NoImport::Absent => told(format!("there is no file `{target}`"))
                        .note("files are looked for beside the given ones"),
                    NoImport::Refused(why) => told(why),
                });
                return None;
            }
        };
        if text.len() > SOURCE_BYTES_MAX {
            let message =
                format!("`{target}` has {} bytes, {SOURCE_BYTES_MAX} are allowed", text.len());
            self.report(Diagnostic::new(codes::TOO_LARGE, source.file.range, message));
            return None;
        }
        let id = FileId(self.files.iter().map(|file| file.id.0 + 1).max().unwrap_or(0));
        self.files.push(SourceFile { id, name: target.clone(), text: text.clone() });
        let csv = Csv::read(&text, TABLE_ROWS_MAX, TABLE_COLUMNS_MAX);
        let mut mistakes = csv.mistakes;
        let mut key_columns = Vec::new();
        for key in &source.keys {
            let Some(at) = csv.names.iter().position(|name| name.text == key.text) else {
                self.table_mistakes(id, mistakes);
                self.no_key_column(&target, key, &csv.names, id);
                return None;
            };
            if key_columns.contains(&at) {
                let first = source.keys.iter().find(|first| first.text == key.text);
                self.given_twice(key, first.map_or(key.range, |first| first.range));
                return None;
            }
            key_columns.push(at);
        }
        let keys = keys(&csv.rows, &key_columns, &mut mistakes);
        let is_good = mistakes.is_empty();
        self.table_mistakes(id, mistakes);
        if !is_good {
            return None;
        }
        let columns = csv.names.iter().enumerate().filter(|(at, _)| !key_columns.contains(at));
        let columns = columns.map(|(at, name)| column(&name.text, at, &csv.rows, &keys)).collect();
        Some(Table { keys: source.keys.clone(), columns })
    }

    fn table_mistakes(&mut self, id: FileId, mistakes: Vec<CsvMistake>) {
        for mistake in mistakes.into_iter().take(TABLE_MISTAKES_MAX) {
            let range = TextRange::new(id, mistake.bytes.start, mistake.bytes.end);
            let mut diagnostic = Diagnostic::new(codes::TABLE, range, mistake.text);
            if let Some(first) = mistake.first {
                let first = TextRange::new(id, first.start, first.end);
                diagnostic = diagnostic.label("again").because(first, "first here");
            }
            self.report(diagnostic.help(mistake.help));
        }
    }

    fn no_key_column(&mut self, target: &str, key: &Name, names: &[Cell], id: FileId) {
        let message = format!("`{target}` has no column `{}`", key.text);
        let known = || names.iter().map(|name| name.text.as_str());
        let mut diagnostic = Diagnostic::new(codes::TABLE, key.range, message)
            .note(format!("its columns: {}", listed(known(), 10)));
        if let Some(first) = names.first() {
            let range = TextRange::new(id, first.bytes.start, first.bytes.end);
            diagnostic = diagnostic.because(range, "its first line names them");
        }
        if let Some(near) = nearest(&key.text, known()) {
            diagnostic = diagnostic.did_you_mean(key.range, near);
        }
        self.report(diagnostic);
    }

    /// What a path refers to, if it is anything but an attribute; tables come last.
    pub(super) fn known_or_table(
        &mut self,
        path: &str,
        range: TextRange,
        scope: &mut Scope,
    ) -> Option<Expr> {
        let known = self.known(path, range, scope);
        known.or_else(|| self.table_path(path, range, scope))
    }

    /// What `owners.team` reads, if a table has that name.
    fn table_path(&mut self, path: &str, range: TextRange, scope: &mut Scope) -> Option<Expr> {
        let (full, name) = path.match_indices('.').find_map(|(at, _)| {
            let full = self.full(&path[..at], scope.module);
            let is_table = matches!(self.names.get(&full), Some(Entity::Table(_)));
            is_table.then(|| (full, path[at + 1..].to_owned()))
        })?;
        self.mark_used(&full);
        // One that could not be read has been reported.
        let Some(Some(table)) = self.tables.get(&full).cloned() else {
            return Some(broken(range));
        };
        let Some(column) = table.columns.iter().find(|column| column.name == name) else {
            self.unknown_table_column(&full, &name, &table, range);
            return Some(broken(range));
        };
        self.table_cells += column.values.len();
        if self.table_cells > TABLE_CELLS_MAX {
            let message = format!("the rules look up more than {TABLE_CELLS_MAX} values in all");
            self.report(
                Diagnostic::new(codes::TOO_LARGE, range, message)
                    .note("each place that reads a column counts with all its values"),
            );
            return Some(broken(range));
        }
        let Some(key) = self.table_key(&full, &table, range, scope) else {
            return Some(broken(range));
        };
        let of = Type::Map(Box::new(column.ty.clone()));
        let known = TableColumn { name: format!("{full}.{name}"), values: column.values.clone() };
        let values = constant(Literal::Table(known), of, range);
        let kind = ExprKind::Index(Box::new(values), Box::new(key));
        Some(Expr { ty: column.ty.clone(), optional: true, range, kind })
    }

    /// The key of an item as a table has it: the parts joined.
    fn table_key(
        &mut self,
        full: &str,
        table: &Table,
        range: TextRange,
        scope: &mut Scope,
    ) -> Option<Expr> {
        let mut joined: Option<Expr> = None;
        for part in &table.keys {
            let key = self.path(&part.text, range, scope);
            if key.ty == Type::Broken {
                return None;
            }
            let key = match &key.ty {
                Type::String | Type::Enum(_) => key,
                ty if ty.is_dynamic() || ty.is_number() || *ty == Type::Bool => as_text(key),
                _ => {
                    let message =
                        format!("the key `{}` of `{full}` is {} here", part.text, article(&key.ty));
                    self.report(
                        Diagnostic::new(codes::ARGUMENT, range, message)
                            .because(part.range, "what the table is read by")
                            .help("a table is read by a text, a number or a truth value"),
                    );
                    return None;
                }
            };
            joined = Some(match joined {
                None => key,
                Some(before) => {
                    let separator = Literal::String(KEY_SEPARATOR.to_string());
                    let separator = constant(separator, Type::String, range);
                    add(add(before, separator), key)
                }
            });
        }
        joined
    }

    fn unknown_table_column(&mut self, full: &str, name: &str, table: &Table, range: TextRange) {
        let known = || table.columns.iter().map(|column| column.name.as_str());
        let message = format!("the table `{full}` has no column `{name}`");
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_NAME, range, message)
            .note(format!("columns: {}", listed(known(), 10)));
        match nearest(name, known()) {
            Some(near) if is_readable(near) => {
                let whole = format!("{full}.{near}");
                diagnostic = diagnostic.help(format!("did you mean `{near}`?")).guess(range, whole);
            }
            Some(near) => {
                diagnostic = diagnostic.help(format!(
                    "rules cannot write `{full}.{near}`: give the column `{near}` a name of letters, \
                     digits and `_` in the file"
                ));
            }
            None => {}
        }
        self.report(diagnostic);
    }
}

/// Whether a column's name can stand behind its table's in a rule.
fn is_readable(name: &str) -> bool {
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.split('.').all(|part| {
        part.bytes().next().is_some_and(starts)
            && part.bytes().all(|byte| starts(byte) || byte.is_ascii_digit())
    })
}

/// A key whose type is known by item only, as the text that it is looked up by.
fn as_text(key: Expr) -> Expr {
    let range = key.range;
    let kind = ExprKind::Function { name: TEXT_FUNCTION.to_owned(), args: vec![Some(key)] };
    Expr { ty: Type::String, optional: true, range, kind }
}

fn add(left: Expr, right: Expr) -> Expr {
    let range = right.range;
    let kind = ExprKind::Binary(BinaryOp::Add, Box::new(left), Box::new(right));
    Expr { ty: Type::String, optional: true, range, kind }
}

/// The key of every row; empty ones and second ones are mistakes.
fn keys(rows: &[Vec<Cell>], at: &[usize], mistakes: &mut Vec<CsvMistake>) -> Vec<String> {
    let joined = |row: &Vec<Cell>| {
        let parts: Vec<&str> = at.iter().map(|at| row[*at].text.as_str()).collect();
        parts.join(&KEY_SEPARATOR.to_string())
    };
    let mut seen: BTreeMap<String, &Cell> = BTreeMap::new();
    for row in rows {
        let parts = || at.iter().map(|at| &row[*at]);
        let odd = parts().find(|part| part.text.contains(KEY_SEPARATOR));
        if let Some(cell) = odd.filter(|_| at.len() > 1) {
            mistakes.push(CsvMistake {
                bytes: cell.bytes.clone(),
                text: "a part of a key holds the control character U+001F".to_owned(),
                help: "remove it",
                first: None,
            });
        }
        let empty = parts().find(|part| part.text.is_empty());
        let cell = empty.unwrap_or(&row[at[0]]);
        if empty.is_some() {
            mistakes.push(CsvMistake {
                bytes: cell.bytes.clone(),
                text: "the key of this row is empty".to_owned(),
                help: "give it a key, or remove the row",
                first: None,
            });
        } else if let Some(first) = seen.insert(joined(row), cell) {
            mistakes.push(CsvMistake {
                bytes: cell.bytes.clone(),
                text: {
                    let parts: Vec<&str> = parts().map(|part| part.text.as_str()).collect();
                    format!("the key `{}` has two rows", parts.join(", "))
                },
                help: "remove one of them",
                first: Some(first.bytes.clone()),
            });
        }
    }
    rows.iter().map(joined).collect()
}

/// A column: of the one type that all its values have, else text.
fn column(name: &str, at: usize, rows: &[Vec<Cell>], keys: &[String]) -> Column {
    let literals: Vec<Literal> = rows.iter().map(|row| literal(&row[at])).collect();
    let mut types = literals.iter().map(Literal::ty).filter(|ty| *ty != Type::Null);
    let first = types.next().unwrap_or(Type::String);
    let common = types.try_fold(first, |ty, next| match (&ty, &next) {
        _ if ty == next => Some(ty),
        (Type::Int, Type::Float) | (Type::Float, Type::Int) => Some(Type::Float),
        _ => None,
    });
    let ty = common.unwrap_or(Type::String);
    let value = |(literal, row): (Literal, &Vec<Cell>)| match (&ty, literal) {
        (_, Literal::Null) => None,
        (Type::Float, Literal::Int(value)) => Some(Literal::Float(value as f64)),
        (Type::String, _) => Some(Literal::String(row[at].text.clone())),
        (_, literal) => Some(literal),
    };
    let values = literals.into_iter().zip(rows).map(value).zip(keys);
    let values = values.filter_map(|(value, key)| Some((key.clone(), value?)));
    Column { name: name.to_owned(), values: values.collect(), ty }
}

/// What a field says: text in quotes is text, nothing is null, and a number is one as the rules
/// write it, except one with zeros in front, which is a name.
fn literal(cell: &Cell) -> Literal {
    let text = cell.text.as_str();
    match text {
        _ if cell.is_quoted => return Literal::String(text.to_owned()),
        "" => return Literal::Null,
        "true" => return Literal::Bool(true),
        "false" => return Literal::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_number = match digits {
        [b'0', next, ..] => !next.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit() && !text.contains('_'),
        [] => false,
    };
    let nowhere = TextRange::new(FileId(0), 0, 0);
    let number = NumberText { text: text.to_owned(), per: None };
    let value = is_number.then(|| crate::syntax::literal::number(&number, nowhere).ok()).flatten();
    value.unwrap_or_else(|| Literal::String(text.to_owned()))
}
