//! The demand of one signal, compiled for matching: which fields and attribute keys are wanted.
//!
//! Invariant: an attribute's slot is its position among the attribute columns; a key is compared
//! only with the demanded keys of its own length.

use std::sync::Arc;

use crate::model::{AttributePlace, Column, ColumnSpec, Demand, Field, FieldKind, Signal};

/// Where an attribute list stands in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// On the resource.
    Resource,
    /// On the instrumentation scope.
    Scope,
    /// On the item itself.
    Item,
    /// On a flat row, which knows neither scope nor resource: both are looked up in it.
    Flat,
}

/// A slot that an attribute fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) at: u16,
    /// Of several attributes that may fill it the one of the lowest rank does; 0 where it is the
    /// only one.
    pub(super) rank: u16,
}

/// Demanded keys of one level and the slots that they fill.
pub(super) struct KeyIndex {
    /// Bit `min(len, 63)` is set iff a key of that length is demanded.
    lengths: u64,
    /// By that number: the first key of the length.
    first: [u16; 64],
    /// Sorted by length, then bytes.
    keys: Vec<(Box<[u8]>, Vec<Slot>)>,
}

impl Default for KeyIndex {
    fn default() -> Self {
        Self { lengths: 0, first: [0; 64], keys: Vec::new() }
    }
}

impl KeyIndex {
    fn add(&mut self, key: &[u8], slot: Slot) {
        self.lengths |= 1 << key.len().min(63);
        match self.keys.iter_mut().find(|(known, _)| **known == *key) {
            Some((_, slots)) => slots.push(slot),
            None => self.keys.push((key.into(), vec![slot])),
        }
        self.keys.sort_by(|a, b| (a.0.len(), &a.0).cmp(&(b.0.len(), &b.0)));
        for (length, first) in self.first.iter_mut().enumerate() {
            *first = self.keys.partition_point(|(known, _)| known.len() < length) as u16;
        }
    }

    /// Whether a key of a length is demanded.
    #[inline]
    pub(super) fn has_length(&self, length: usize) -> bool {
        self.lengths >> length.min(63) & 1 == 1
    }

    /// The slots that a key fills; empty if nobody reads it.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> &[Slot] {
        if !self.has_length(key.len()) {
            return &[];
        }
        self.find_of_length(key)
    }

    fn find_of_length(&self, key: &[u8]) -> &[Slot] {
        let first = self.first[key.len().min(63)];
        for (known, slots) in &self.keys[first.into()..] {
            if known.len() > key.len() {
                break;
            }
            if **known == *key {
                return slots;
            }
        }
        &[]
    }

    /// Whether no key of this level is demanded.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// One signal's demand.
pub(super) struct Layout {
    /// The signal.
    pub(super) signal: Signal,
    /// Whether any rule reads the signal.
    pub(super) wanted: bool,
    /// (field, column) of each demanded field.
    pub(super) fields: Vec<(Field, usize)>,
    /// The column of each attribute slot.
    pub(super) attributes: Vec<usize>,
    mask: u64,
    item: KeyIndex,
    scope: KeyIndex,
    resource: KeyIndex,
    flat: KeyIndex,
}

impl Layout {
    /// Compiles the demand of one signal.
    pub(super) fn new(demand: &Demand, signal: Signal) -> Self {
        let mut layout = Self {
            signal,
            wanted: demand.wants(signal),
            fields: Vec::new(),
            attributes: Vec::new(),
            mask: 0,
            item: KeyIndex::default(),
            scope: KeyIndex::default(),
            resource: KeyIndex::default(),
            flat: KeyIndex::default(),
        };
        for (column, spec) in demand.columns(signal).iter().enumerate() {
            match spec {
                ColumnSpec::Field(field) => {
                    layout.mask |= 1 << (*field as u32);
                    layout.fields.push((*field, column));
                }
                ColumnSpec::Attribute { place, key } => {
                    layout.add_attribute(*place, key.as_bytes(), column);
                }
                ColumnSpec::FirstAttribute(keys) => layout.add_first(keys, column),
            }
        }
        layout
    }

    fn add_attribute(&mut self, place: AttributePlace, key: &[u8], column: usize) {
        let slot = Slot { at: self.attributes.len() as u16, rank: 0 };
        self.attributes.push(column);
        let any = place == AttributePlace::Any;
        if any || place == AttributePlace::Item {
            self.item.add(key, slot);
        }
        if any || place == AttributePlace::Scope {
            self.scope.add(key, slot);
        }
        if any || place == AttributePlace::Resource {
            self.resource.add(key, slot);
        }
        if place != AttributePlace::Scope {
            self.flat.add(key, slot);
        }
    }

    fn add_first(&mut self, keys: &[Arc<str>], column: usize) {
        let at = self.attributes.len() as u16;
        self.attributes.push(column);
        for (rank, key) in (1..).zip(keys) {
            let slot = Slot { at, rank };
            self.item.add(key.as_bytes(), slot);
            self.flat.add(key.as_bytes(), slot);
        }
    }

    /// Whether all attributes count, because a rule tells series apart by them.
    #[inline]
    pub(super) fn identifies(&self) -> bool {
        self.wants(Field::Series)
    }

    /// Whether a field is demanded.
    #[inline]
    pub(super) fn wants(&self, field: Field) -> bool {
        self.mask >> (field as u32) & 1 == 1
    }

    /// The demanded keys of a level.
    #[inline]
    pub(super) fn keys(&self, level: Level) -> &KeyIndex {
        match level {
            Level::Resource => &self.resource,
            Level::Scope => &self.scope,
            Level::Item => &self.item,
            Level::Flat => &self.flat,
        }
    }

    /// Empty columns for a new batch.
    pub(super) fn columns(&self, demand: &Demand) -> Vec<Column> {
        demand.columns(self.signal).iter().map(empty_column).collect()
    }
}

fn empty_column(spec: &ColumnSpec) -> Column {
    let ColumnSpec::Field(field) = spec else {
        return Column::Cells(Vec::new());
    };
    match field.kind() {
        FieldKind::Time => Column::Times(Vec::new()),
        FieldKind::Duration => Column::Durations(Vec::new()),
        FieldKind::TraceId => Column::Ids16(Vec::new()),
        FieldKind::SpanId => Column::Ids8(Vec::new()),
        FieldKind::Text | FieldKind::Enum(_) => Column::Symbols(Vec::new()),
        FieldKind::Int => Column::Ints(Vec::new()),
        FieldKind::Bool => Column::Bools(Vec::new()),
        FieldKind::Any | FieldKind::Texts | FieldKind::Number | FieldKind::Ratio => {
            Column::Cells(Vec::new())
        }
    }
}
