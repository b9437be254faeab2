//! What a source offers to its readers: columns, keys, attributes.

use std::rc::Rc;

use crate::catalog::{SourceDef, TotalsDef};
use crate::hir::{FieldRef, SourceRef, TracePart};
use crate::text_range::TextRange;
use crate::types::Type;

/// A column that a declaration made.
#[derive(Debug, Clone)]
pub(super) struct ShapeColumn {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) optional: bool,
    pub(super) is_key: bool,
    pub(super) identifies: bool,
    pub(super) field: FieldRef,
    /// Where it was made; `None` for fields of the catalogue.
    pub(super) range: Option<TextRange>,
}

impl ShapeColumn {
    /// The column as readers of rows see it: under its own name, whatever it was made of.
    pub(super) fn of_rows(self) -> Self {
        Self { field: FieldRef::Column(self.name.clone()), ..self }
    }
}

/// What windows rows are of, as far as their readers must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RowsOf {
    /// Windows that end at the same times for all groups; or items.
    #[default]
    Grid,
    /// Sessions of the rule's own groups.
    Sessions,
    /// Other rows, which are of sessions.
    SessionRows,
    /// So many items of a group.
    Counts,
    /// Transitions of an alert.
    Transitions,
    /// Matches of a pattern.
    Matches,
}

/// The shape of a source's items or rows.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, set by name")]
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) source: SourceRef,
    pub(super) is_rows: bool,
    pub(super) is_alert: bool,
    pub(super) columns: Vec<ShapeColumn>,
    pub(super) has_attributes: bool,
    pub(super) has_start: bool,
    /// Whether its items can leave as they came.
    pub(super) leaves: bool,
    /// The field that may hold totals, unless a filter upstream rules that out.
    pub(super) totals: Option<Rc<TotalsDef>>,
    /// Whether lateness is stated here or upstream.
    pub(super) has_lateness: bool,
    /// Where it is said that late items amend windows.
    pub(super) amends: Option<TextRange>,
    /// Whether these are the late items of a stream.
    pub(super) is_late: bool,
    /// What the spans inside are, for traces.
    pub(super) inner: Option<Rc<Shape>>,
    /// What windows rows are of.
    pub(super) rows_of: RowsOf,
    /// Whether nothing is known, because the declaration could not be read.
    pub(super) is_broken: bool,
}

impl Shape {
    pub(super) fn of_catalog(source: &SourceDef) -> Self {
        let columns = source.fields.iter().map(|field| ShapeColumn {
            name: field.path.clone(),
            ty: field.ty.clone(),
            optional: field.optional,
            is_key: false,
            identifies: field.identifies,
            field: FieldRef::Builtin(field.path.clone()),
            range: None,
        });
        Self {
            name: source.name.clone(),
            source: SourceRef::Catalog(source.name.clone()),
            is_rows: false,
            is_alert: false,
            columns: columns.collect(),
            has_attributes: source.has_attributes,
            has_start: source.has_start,
            leaves: source.leaves,
            totals: source.totals.clone().map(Rc::new),
            has_lateness: false,
            amends: None,
            is_late: false,
            inner: None,
            rows_of: RowsOf::Grid,
            is_broken: false,
        }
    }

    pub(super) fn broken(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: SourceRef::Catalog(name.to_owned()),
            is_rows: false,
            is_alert: false,
            columns: Vec::new(),
            has_attributes: true,
            has_start: true,
            leaves: true,
            totals: None,
            has_lateness: true,
            amends: None,
            is_late: false,
            inner: None,
            rows_of: RowsOf::Grid,
            is_broken: true,
        }
    }

    pub(super) fn rows(name: &str, source: SourceRef, columns: Vec<ShapeColumn>) -> Self {
        let mut shape = Self {
            name: name.to_owned(),
            source,
            is_rows: true,
            is_alert: false,
            columns,
            has_attributes: false,
            has_start: false,
            leaves: false,
            totals: None,
            has_lateness: true,
            amends: None,
            is_late: false,
            inner: None,
            rows_of: RowsOf::Grid,
            is_broken: false,
        };
        for (path, ty) in [("window.start", Type::Time), ("window.end", Type::Time)] {
            shape.columns.push(ShapeColumn {
                name: path.to_owned(),
                ty,
                optional: false,
                is_key: false,
                identifies: false,
                field: FieldRef::Builtin(path.to_owned()),
                range: None,
            });
        }
        shape
    }

    /// Whether its items are whole traces.
    pub(super) fn is_traces(&self) -> bool {
        self.inner.is_some()
    }

    /// Whether its items are told of whole traces: their operations, their edges.
    pub(super) fn is_trace_part(&self) -> bool {
        match &self.source {
            SourceRef::TracePart(..) => true,
            SourceRef::Catalog(name) => TracePart::ALL.iter().any(|part| part.source() == name),
            _ => false,
        }
    }

    /// The same where a declaration was not read whole: what is not known is not reported.
    pub(super) fn partial(self: Rc<Self>, is_partial: bool) -> Rc<Self> {
        if !is_partial || self.is_broken {
            return self;
        }
        Rc::new(Self { is_broken: true, ..(*self).clone() })
    }

    pub(super) fn column(&self, name: &str) -> Option<&ShapeColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.columns.iter().filter(|c| c.is_key).map(|c| c.name.clone()).collect()
    }
}

impl ShapeColumn {
    /// The same as part of a key.
    pub(super) fn keyed(self) -> Self {
        Self { is_key: true, ..self }
    }
}

/// A column made by `set`, `by` or `select`.
pub(super) fn made(name: &str, ty: &Type, optional: bool, range: TextRange) -> ShapeColumn {
    ShapeColumn {
        name: name.to_owned(),
        ty: ty.clone(),
        optional,
        is_key: false,
        identifies: false,
        field: FieldRef::Column(name.to_owned()),
        range: Some(range),
    }
}
