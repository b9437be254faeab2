//! Bounds of traces and samplings.

/// Keys of one `target` or `rate` line that are followed each by itself; further ones share one
/// place.
pub const SAMPLE_KEYS_MAX: usize = 500;

/// Verdicts that one shard of trace ids remembers exactly, of the newest traces.
pub const VERDICTS_RECENT_PER_SHARD: usize = 128;

/// Verdicts to keep that one shard of trace ids remembers exactly beyond the newest.
pub const VERDICTS_KEPT_PER_SHARD: usize = 512;

/// Verdicts of one shard that wait to be remembered together.
pub const VERDICTS_WAITING_PER_SHARD: usize = 32;

/// Places of one generation of one shard's memory of dropped trace ids, four bytes each; a
/// generation is full at three quarters.
pub const VERDICTS_DROPPED_PLACES: usize = 2_048;

/// Generations of one shard's memory of dropped trace ids; the oldest gives way.
pub const VERDICTS_DROPPED_GENERATIONS: usize = 4;

/// Words of one shard that tell of most ids, when a trace closes, that no verdict of theirs is
/// remembered; a power of two.
pub const VERDICTS_SEEN_WORDS: usize = 1_024;

/// Verdicts after which those words of a shard are filled anew from what is remembered.
pub const VERDICTS_SEEN_ADDED: u32 = 4_096;

/// Spans of one trace where no rule states it; a trace with more is decided early.
pub const TRACE_SPANS_MAX: u32 = 20_000;

/// Bytes of one trace where no rule states it; a trace with more is decided early.
pub const TRACE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of payloads of which a 32nd or less is still held by open traces, of one `traces` rule on
/// one worker: beyond, what is left of the oldest is copied and the payload let go.
pub const TRACE_SPARSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Groups of slices that have not ended in which a worker holds what it aggregates of the rows of
/// traces, for one table; with more of them all leave for the rule at the end of the epoch.
pub const LOCAL_GROUPS_MAX: usize = 65_536;

/// Different values, beyond as many again as spans of open traces carry, that a worker holds for
/// one `traces` rule before it forgets those that no span carries any more.
pub const TRACE_VALUES_IDLE_MAX: usize = 4_096;

/// Spans of open traces in one shard of trace ids, for one `traces` rule; with more of them the
/// oldest traces of the shard are decided early. Where the rule lets a trace have more than
/// [`TRACE_SPANS_MAX`], as many more: a trace has room beside others.
pub const TRACE_SPANS_PER_SHARD_MAX: usize = 32_768;

/// How long a closed trace is remembered, nanoseconds of event time: its late spans are known as
/// such.
pub const TRACE_CLOSED_KEPT_NS: i64 = 60_000_000_000;

/// Closed traces that are remembered in one shard of trace ids, for one `traces` rule.
pub const TRACES_CLOSED_PER_SHARD_MAX: usize = 4_096;

/// Closed traces that are forgotten together, on one worker.
pub const TRACES_CLOSED_RUN: usize = 4_096;

/// Words of eight bytes of one generation of the bits that tell traces which may have closed from
/// others; with more ids than have room in them they tell fewer apart.
pub const TRACES_CLOSED_WORDS_MAX: usize = 1 << 20;

/// Conditions over single spans in the rules that read one `traces` rule.
pub const TRACE_CONDITIONS_MAX: usize = 64;

/// Named spans in one condition over the structure of a trace.
pub const TRACE_NAMES_MAX: usize = 4;

/// Pairs of spans that are looked at for one condition with named spans, in one trace; with more of
/// them it is unknown.
pub const TRACE_PAIRS_MAX: u64 = 250_000;

/// Different keys of one trace by which `matched` and `firing` ask about other rules; of more the
/// first by value are asked for.
pub const SAMPLE_TRACE_KEYS_MAX: usize = 1_000;

/// Keys of a pattern's matches, or of an alert's firing instances, that one sampling remembers; the
/// oldest gives way and is counted.
pub const SAMPLE_FACT_KEYS_MAX: usize = 10_000;

/// Ids of traces that rows and alerts have named, remembered by one sampling; the oldest gives way
/// and is counted.
pub const SAMPLE_NAMED_MAX: usize = 100_000;

/// Nanoseconds of event time that an item waits for being named by a row or an alert, at most; what
/// names it later comes too late.
pub const SAMPLE_NAMED_WAIT_NS_MAX: i64 = 300_000_000_000;

/// Bytes of spans and log records that one sampling lets wait for other rules, for linked traces or
/// for verdicts; beyond, the oldest are decided by what is known, and counted.
pub const SAMPLE_WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Traces that rows have named as exemplars and whose verdict is open, whether it is awaited or a
/// sink remembers it; the oldest gives way, and is not attached to what leaves.
pub const EXEMPLARS_OPEN_MAX: usize = 10_000;

/// Traces of which a span has left, where spans are sampled each by itself: the oldest gives way,
/// and is not attached to what leaves as an exemplar.
pub const EXEMPLARS_KEPT_MAX: usize = 100_000;

/// Nanoseconds of event time that log records wait for the verdict of their trace beyond the time
/// that a trace may stay open.
pub const SAMPLE_LOGS_WAIT_NS: i64 = 60_000_000_000;

/// Nanoseconds of event time that a trace which no line keeps waits for a linked one to be kept.
pub const SAMPLE_LINKS_WAIT_NS: i64 = 30_000_000_000;

/// Links of kept traces to traces that have not closed, remembered by one sampling; the oldest
/// gives way and is counted.
pub const SAMPLE_LINKS_MAX: usize = 100_000;

/// Links of one trace that a sampling follows; of more the first by id.
pub const SAMPLE_TRACE_LINKS_MAX: usize = 1_000;
