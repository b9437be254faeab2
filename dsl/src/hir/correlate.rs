//! Correlations: items of two sources that belong together.

use super::{PatternSymbol, SelectItem};

/// A correlation.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlate {
    /// Left and right side, as what an event can be; keys in step with `Correlate::by`.
    pub sides: [PatternSymbol; 2],
    /// Names of the key values.
    pub by: Vec<String>,
    /// Least and most time of the right item minus that of the left one, ns, inclusive.
    pub within_ns: (i64, i64),
    /// Which right items a left one takes.
    pub pick: Pick,
    /// Selected values; they see keys and earlier values as `FieldRef::Item`, items of sides as
    /// `ExprKind::Step` with the side's index as the symbol.
    pub items: Vec<SelectItem>,
    /// Names of sinks, for the matched ones.
    pub to: Vec<String>,
}

/// Which right items a left one takes of those that it could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pick {
    /// The first.
    First,
    /// The last.
    Last,
    /// The first so many.
    All {
        /// Right items of one left item.
        limit: u64,
    },
}

/// What became of an item of a correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A pair.
    Matched,
    /// A left item that found none.
    LeftOnly,
    /// A right item that no left one could have taken.
    RightOnly,
    /// A right item that left ones could have taken, and all took others.
    Duplicates,
}

impl Outcome {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 4] = [Self::Matched, Self::LeftOnly, Self::RightOnly, Self::Duplicates];

    /// The name behind the correlation's.
    pub fn word(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::LeftOnly => "left_only",
            Self::RightOnly => "right_only",
            Self::Duplicates => "duplicates",
        }
    }

    /// The index of the side without an item, if there is one.
    pub fn absent(self) -> Option<usize> {
        match self {
            Self::Matched => None,
            Self::LeftOnly => Some(1),
            Self::RightOnly | Self::Duplicates => Some(0),
        }
    }
}
