//! What the host offers to rules: sources with their fields, functions, sinks.
//!
//! Plain data, filled by the host; the language knows no field and no function by itself.

use crate::types::Type;

/// Says what is wrong with a regular expression.
pub type CheckRegex = fn(&str) -> Result<(), String>;

/// Everything that rules may name without declaring it.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Sources without a rule, such as `spans`.
    pub sources: Vec<SourceDef>,
    /// Functions of every class.
    pub functions: Vec<FunctionDef>,
    /// Names of configured sinks; `None` where any name may be one (no configuration at hand).
    pub sinks: Option<Vec<String>>,
    /// Whether the host can compile a regular expression that the language can read; says what is
    /// wrong if not. `None` where any will do.
    pub check_regex: Option<CheckRegex>,
    /// Classes of text that `redact` finds.
    pub value_classes: Vec<ValueClassDef>,
}

/// A class of text that can be told by its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueClassDef {
    /// Its name.
    pub name: String,
    /// Bits of an address of which a mask may leave the first; `None` for other text.
    pub address_bits: Option<u8>,
}

impl Catalog {
    /// The source of that name.
    pub fn source(&self, name: &str) -> Option<&SourceDef> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&FunctionDef> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// A source that exists without a rule.
#[derive(Debug, Clone, Default)]
pub struct SourceDef {
    /// Its name in rules.
    pub name: String,
    /// One sentence for users.
    pub doc: String,
    /// Fields that every item has.
    pub fields: Vec<FieldDef>,
    /// Whether items carry attributes, so that any further name reads one.
    pub has_attributes: bool,
    /// Which time an item counts at, for people: `end of the span`.
    pub time: String,
    /// Whether `at start` may be asked for.
    pub has_start: bool,
    /// Whether items can leave as they came, by a route or a sampling.
    pub leaves: bool,
    /// The source of the items inside each item, as traces hold spans.
    pub inner: Option<String>,
    /// A field whose values may be totals already, so that adding them up counts twice.
    pub totals: Option<TotalsDef>,
}

/// A field whose values may be totals since some start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalsDef {
    /// Its path.
    pub field: String,
    /// Aggregate functions that add up.
    pub functions: Vec<String>,
    /// (field, member): where one of these holds, values are no totals.
    pub unless: Vec<(String, String)>,
    /// What to write in place of the sum.
    pub instead: String,
}

impl SourceDef {
    /// The field with that dotted path.
    pub fn field(&self, path: &str) -> Option<&FieldDef> {
        self.fields.iter().find(|field| field.path == path)
    }
}

/// A field of a source.
#[derive(Debug, Clone)]
pub struct FieldDef {
    /// Dotted path: `trace.id`.
    pub path: String,
    /// Type of its values; enums carry their members, in order.
    pub ty: Type,
    /// Whether it may be null.
    pub optional: bool,
    /// One sentence for users.
    pub doc: String,
    /// Whether values are ids or other text that hardly repeats: a bad group key.
    pub identifies: bool,
}

/// Where a function may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionClass {
    /// One value from values, anywhere.
    Scalar,
    /// One value from the items of a window: in an aggregate's `select` and `having`.
    Aggregate,
    /// One value from a row's own past (`ewma`, `zscore`, `mad`): over items of a `select`.
    RowWindow,
}

/// A function.
#[derive(Debug, Clone)]
pub struct FunctionDef {
    /// Its name.
    pub name: String,
    /// Where it may stand.
    pub class: FunctionClass,
    /// Parameters in order; the last may repeat.
    pub params: Vec<ParamDef>,
    /// Whether the last parameter may be given any number of times.
    pub variadic: bool,
    /// Whether only one of its parameters may be given.
    pub alternatives: bool,
    /// Fields without which items mean nothing to it.
    pub needs: Vec<String>,
    /// How the result's type follows.
    pub result: ResultRule,
    /// Whether the result may be null though no argument is.
    pub optional: bool,
    /// What it does, with error bound and memory where it is an estimate.
    pub doc: String,
    /// A call that shows it.
    pub example: String,
}

/// A parameter of a function.
#[allow(clippy::struct_excessive_bools, reason = "independent facts of a signature, set by name")]
#[derive(Debug, Clone, Default)]
pub struct ParamDef {
    /// Its name, for `name: value`.
    pub name: String,
    /// Types that it takes; empty for any. `List(Any)` takes every list.
    pub types: Vec<Type>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it must be given as `name: value`.
    pub named_only: bool,
    /// Whether it must be a constant: a literal, a `const` or a `param`.
    pub literal_only: bool,
    /// Whether it is a regular expression, which is compiled when rules are checked.
    pub regex: bool,
    /// The least and the greatest number that it takes as a constant, a ratio counted in percent.
    pub bounds: Option<(f64, f64)>,
}

/// How a function's result type follows from its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultRule {
    /// Always this type.
    Fixed(Type),
    /// The type of the argument with this index.
    SameAs(usize),
    /// The type of the elements of the list or map with this index.
    ElementOf(usize),
    /// A list of the type of the argument with this index.
    ListOf(usize),
    /// The type of the argument; a float where that is an integer (`avg`).
    MeanOf(usize),
    /// The argument's type per second: a rate for numbers.
    PerSecondOf(usize),
    /// The type that holds all arguments (`coalesce`, `max`).
    Join,
}
