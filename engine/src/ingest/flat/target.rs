//! What a column of a flat row fills, worked out once for each column name.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::mapping::by_common_names;
use super::time::Unit;
use crate::ingest::json::Pattern;
use crate::ingest::layout::{Layout, Level, Slot};
use crate::limits::FLAT_NAMES_MAX;
use crate::model::{ColumnMapping, Field, Signal};

/// What a column fills; of whole words, because it is passed on for every value of every row
/// (as in `Damage`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Target {
    /// Nothing: nobody reads it.
    Skip,
    TraceId,
    SpanId,
    ParentId,
    Start(Unit),
    End(Unit),
    Time(Unit),
    Observed(Unit),
    Duration(Unit),
    Kind,
    Status,
    Severity,
    SeverityNumber,
    MetricType,
    Temporality,
    Monotonic,
    /// The flags of a trace context, or what its flag `sampled` says.
    Sampled,
    /// A text field.
    Text(Field),
    /// A field of any value.
    Any(Field),
    /// An object whose members are attributes.
    Nested,
    /// An attribute: an index into [`FlatSource::slots`].
    Attribute(usize),
}

/// What a column says, whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ingest) enum Meaning {
    /// A field; times and durations in this unit.
    Field(Field, Unit),
    /// An attribute of this key.
    Attribute(Box<str>),
}

/// A column at the place where the last row had it.
pub(super) struct Expected {
    /// `,"name":`, as it stands in a line without spaces; the first one has no comma.
    pub(super) pattern: Pattern,
    /// What it fills.
    pub(super) target: Target,
}

/// The columns of one source, as far as the decoder has met them.
pub(in crate::ingest) struct FlatSource {
    /// The signal of every row.
    pub(in crate::ingest) signal: Signal,
    /// The slots of each attribute target.
    pub(super) slots: Vec<Vec<Slot>>,
    /// Columns in the order of the last row.
    pub(super) expected: Vec<Expected>,
    /// The column whose members are attributes, in formats that have one.
    nested: Option<&'static str>,
    /// (column name, path, unit) of the mapping.
    mapped: Vec<(Box<str>, Box<str>, Option<Unit>)>,
    known: HashMap<Box<[u8]>, Target, FixedState>,
}

impl FlatSource {
    /// The columns of a source by its mapping, or by the common names of logs without one.
    pub(in crate::ingest) fn new(mapping: Option<&ColumnMapping>) -> Self {
        let default;
        let mapping = match mapping {
            Some(mapping) => mapping,
            None => {
                default = by_common_names(Signal::Logs);
                &default
            }
        };
        let mapped = mapping.columns.iter().map(|(path, column)| {
            let suffix =
                column.rsplit_once(':').and_then(|(name, unit)| Some((name, Unit::by_name(unit)?)));
            match suffix {
                Some((name, unit)) => (name.into(), (&**path).into(), Some(unit)),
                None => ((&**column).into(), (&**path).into(), None),
            }
        });
        Self {
            signal: mapping.signal,
            nested: None,
            slots: Vec::new(),
            expected: Vec::new(),
            mapped: mapped.collect(),
            known: HashMap::with_hasher(FixedState::with_seed(0)),
        }
    }

    /// The same, with one column whose members are attributes.
    pub(in crate::ingest) fn with_nested(mapping: &ColumnMapping, nested: &'static str) -> Self {
        Self { nested: Some(nested), ..Self::new(Some(mapping)) }
    }

    /// What the column of this name fills.
    pub(super) fn target(&mut self, name: &[u8], layout: &Layout) -> Target {
        if let Some(&target) = self.known.get(name) {
            return target;
        }
        let target = self.resolve(name, layout);
        if self.known.len() < FLAT_NAMES_MAX {
            self.known.insert(name.into(), target);
        }
        target
    }

    fn resolve(&mut self, name: &[u8], layout: &Layout) -> Target {
        if self.nested.is_some_and(|nested| nested.as_bytes() == name) {
            return Target::Nested;
        }
        let Ok(name) = std::str::from_utf8(name) else { return self.attribute(name, layout) };
        match self.meaning(name) {
            Meaning::Field(field, unit) => field_target(field, unit, layout),
            Meaning::Attribute(key) => self.attribute(key.as_bytes(), layout),
        }
    }

    /// What the column of this name says.
    pub(in crate::ingest) fn meaning(&self, name: &str) -> Meaning {
        let mapped = self.mapped.iter().find(|(column, ..)| **column == *name);
        let Some((_, path, unit)) = mapped else { return Meaning::Attribute(name.into()) };
        match Field::by_path(self.signal, path) {
            Some(field) => Meaning::Field(field, unit.unwrap_or(Unit::Nanoseconds(1))),
            None => Meaning::Attribute(path.clone()),
        }
    }

    fn attribute(&mut self, key: &[u8], layout: &Layout) -> Target {
        let slots = layout.keys(Level::Flat).find(key);
        if slots.is_empty() {
            return Target::Skip;
        }
        let index = self.slots.iter().position(|known| known == slots).unwrap_or_else(|| {
            self.slots.push(slots.to_vec());
            self.slots.len() - 1
        });
        Target::Attribute(index)
    }
}

/// Times are always read: they decide order and lateness, and tell an end before the start.
fn field_target(field: Field, unit: Unit, layout: &Layout) -> Target {
    let target = match field {
        Field::Start => return Target::Start(unit),
        Field::End => return Target::End(unit),
        Field::Duration => return Target::Duration(unit),
        Field::Time => return Target::Time(unit),
        Field::ObservedTime => return Target::Observed(unit),
        Field::Severity => Target::Severity,
        Field::TraceId => Target::TraceId,
        Field::SpanId => Target::SpanId,
        Field::ParentId => Target::ParentId,
        Field::Kind => Target::Kind,
        Field::Status => Target::Status,
        Field::SeverityNumber => Target::SeverityNumber,
        Field::MetricType => Target::MetricType,
        Field::Temporality => Target::Temporality,
        Field::Monotonic => Target::Monotonic,
        Field::Sampled => Target::Sampled,
        Field::Body
        | Field::MetricValue
        | Field::Percent
        | Field::Cpu
        | Field::Memory
        | Field::Disk
        | Field::Network => Target::Any(field),
        Field::EventCount
        | Field::LinkCount
        | Field::EventNames
        | Field::LinkTraceIds
        | Field::Source
        | Field::Series => Target::Skip,
        _ => Target::Text(field),
    };
    let is_read = match field {
        Field::Severity | Field::SeverityNumber | Field::SeverityText => {
            let all = [Field::Severity, Field::SeverityNumber, Field::SeverityText];
            all.iter().any(|&field| layout.wants(field))
        }
        Field::Kind => layout.wants(field) || layout.wants(Field::LinkedKind),
        _ => layout.wants(field),
    };
    if is_read { target } else { Target::Skip }
}
