//! How the parts of a configuration are described: once, for reading, printing and the schema.
//!
//! A [`Section`] shows its fields to a [`Visit`]: one reads them from a file, one prints them, one
//! writes the schema. So a field that can be read is printed and in the schema, too.

use std::collections::BTreeMap;
use std::ops::Range;

use super::scalar::Scalar;

/// Where a value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// An option of the command line.
    Option(&'static str),
    /// The file, there.
    File(Range<usize>),
    /// What the file, there, refers to: `${env:X}`.
    Reference {
        /// Where it is written.
        at: Range<usize>,
        /// What is written.
        from: Vec<String>,
    },
}

impl Origin {
    /// Its place in the file, if it has one.
    pub(super) fn place(&self) -> Option<&Range<usize>> {
        match self {
            Self::File(at) | Self::Reference { at, .. } => Some(at),
            Self::Default | Self::Option(_) => None,
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl<T> Setting<T> {
    /// A default.
    pub(crate) fn new(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }

    /// Whether anybody said it.
    pub(super) fn is_said(&self) -> bool {
        self.origin != Origin::Default
    }

    /// Sets it by an option, where that is given.
    pub(crate) fn set<U: Into<T>>(&mut self, option: &'static str, value: Option<U>) {
        if let Some(value) = value {
            *self = Self { value: value.into(), origin: Origin::Option(option) };
        }
    }
}

/// Several values of one kind, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List<T> {
    /// The values.
    pub(crate) items: Vec<Setting<T>>,
    /// Where the list as a whole came from.
    pub(crate) origin: Origin,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), origin: Origin::Default }
    }
}

/// Values by names of somebody's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pairs<T> {
    /// The values.
    pub(crate) items: BTreeMap<String, Setting<T>>,
    /// Where the map as a whole came from.
    pub(crate) origin: Origin,
}

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), origin: Origin::Default }
    }
}

/// A part of a configuration.
pub(crate) trait Section {
    /// Shows its fields, in the order in which they are printed.
    fn visit<V: Visit>(&mut self, visit: &mut V);
}

/// A part with a name of somebody's choice.
#[derive(Debug, Clone)]
pub(crate) struct Named<K> {
    /// Where its kind came from.
    pub(crate) origin: Origin,
    /// The part.
    pub(crate) part: K,
}

/// A part of a configuration that is one of several kinds, told by its field `type`.
pub(crate) trait Kinds: Section + Clone {
    /// The kinds and what each is.
    const KINDS: &'static [(&'static str, &'static str)];

    /// One of a kind, with its defaults.
    fn of_kind(kind: &str) -> Option<Self>;

    /// Its kind.
    fn kind(&self) -> &'static str;
}

/// Whoever wants to know the fields. Names are those of the file; documentation is one sentence.
pub(crate) trait Visit {
    /// A single value.
    fn scalar<T: Scalar>(&mut self, name: &'static str, doc: &'static str, of: &mut Setting<T>);

    /// A single value without a default that makes sense.
    fn required<T: Scalar>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        of: &mut Setting<Option<T>>,
    );

    /// Several values.
    fn list<T: Scalar>(&mut self, name: &'static str, doc: &'static str, of: &mut List<T>);

    /// Values by name.
    fn pairs<T: Scalar>(&mut self, name: &'static str, doc: &'static str, of: &mut Pairs<T>);

    /// Further fields.
    fn section<S: Section>(&mut self, name: &'static str, doc: &'static str, of: &mut S);

    /// Parts by name, each of one of several kinds.
    fn kinds<K: Kinds>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        of: &mut BTreeMap<String, Named<K>>,
    );
}
