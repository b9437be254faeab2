//! The data model: values, columns, batches, frames. Plain data, no behaviour of the engine.
//!
//! Must not know: any other module of the engine.

mod batch;
mod column;
mod demand;
mod digits;
mod emitted;
mod exemplar;
mod field;
mod frame;
mod ledger;
mod metric;
mod raw;
pub mod render;
mod row;
mod signal;
mod symbol;
mod transition;
mod value;

pub use batch::Batch;
pub use column::{Cell, Column};
pub use demand::{AttributePlace, ColumnSpec, Demand};
pub use emitted::{EmittedItem, ItemAround, ItemContent, ItemKey};
pub use exemplar::{EXEMPLAR_MARK, ExemplarVerdict};
pub use field::{Field, FieldKind};
pub use frame::{
    ColumnMapping, Compression, DataFrame, Frame, FrameBody, PayloadFormat, SourceId, SourceSpec,
};
pub use ledger::{DropReason, Ledger, SetAside, SignalCounts};
pub use metric::{ExponentialBuckets, HistogramPoint};
pub use raw::{ByteRange, RawContext, RawHeads, RawItems, RawRow};
pub use row::{Row, RowKind, RuleId};
pub use signal::Signal;
pub use symbol::{Interner, Symbol, Symbols};
pub use transition::{AlertState, Transition};
pub use value::Value;
pub(crate) use value::int_to_float;
