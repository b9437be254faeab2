//! Every bound of the engine, by name and unit. A bound that is reached is counted, never silent.
//!
//! Each constant here has a line in `docs/limits.md`; the tidy test compares the two.

mod traces;

pub use traces::*;

/// Events that a file frame holds at most before it is cut.
pub const FRAME_EVENTS_MAX: usize = 8_192;

/// Payload bytes of a file frame at which it is cut; one larger item makes a frame of its own.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one request, line or message after decompression, as OTLP 1.11 recommends.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of one record of the input log: a message and what is said about it, or all rules.
pub const LOG_RECORD_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 1024 * 1024;

/// Bytes of one line of the line protocol.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a file from which its format is recognised; more only while its first item goes on.
pub const READ_HEAD_BYTES: usize = 64 * 1024;

/// Column names of one plain NDJSON or CSV source that a decoder remembers; others are looked up
/// again in every row.
pub const FLAT_NAMES_MAX: usize = 1_024;

/// Bytes of items that sorting by time holds in memory before it writes them to a file.
pub const SORT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sorted files that sorting by time has open at once; they are merged into one when reached.
pub const SORT_RUNS_MAX: usize = 64;

/// Items of one signal that one frame may hold; the rest of it is set aside. A message of empty
/// items would otherwise fill a hundred times its size.
pub const FRAME_ITEMS_MAX: u64 = 1 << 20;

/// Messages that an item which is said again nests, at most: of a value in a list or map two or
/// three a level. One that nests deeper cannot be written as JSON.
pub const ITEM_DEPTH_MAX: usize = 4 + 3 * VALUE_DEPTH_MAX;

/// Names that may be keys of attributes in the items of one frame that leave together; with more
/// they are written one by one, and one that has more alone is refused.
pub const EMIT_KEYS_MAX: usize = 1_024;

/// Elements of one list or map in an attribute or body, and buckets of one histogram, that are
/// decoded; an item with more is set aside.
pub const VALUE_ITEMS_MAX: usize = 1 << 16;

/// Nesting of attribute values (lists and maps) that is decoded; deeper values are set aside.
pub const VALUE_DEPTH_MAX: usize = 32;

/// Payload bytes of one epoch at which a replay cuts it.
pub const EPOCH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Epochs that may be under way in the dataflow at once.
pub const EPOCHS_IN_FLIGHT_MAX: usize = 8;

/// Distinct strings that a worker's symbol table holds before it is replaced by a new one.
pub const SYMBOLS_MAX: usize = 1 << 20;

/// Bytes of strings that a worker's symbol table holds before it is replaced by a new one.
pub const SYMBOL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Items set aside whose place and reason are kept for the report; further ones are counted only.
pub const SET_ASIDE_KEPT_MAX: usize = 100;

/// Virtual shards that keys are mapped to; shards are mapped to workers.
pub const SHARDS: u64 = 1_024;

/// Nanoseconds that a timestamp may lie ahead of its arrival, or of its file, before it is an
/// outlier: 5 minutes.
pub const AHEAD_MAX_NS: i64 = 300_000_000_000;

/// Rows that follow a jump in a file's time and decide whether it is an outlier.
pub const AHEAD_ROWS: usize = 100;

/// Log frames after which a jump in a file's time is decided with the rows seen by then.
pub const AHEAD_FRAMES: usize = 100;

/// Senders (`src`) of the line protocol that are remembered for each source. With more at once the
/// source does not retire with the last goodbye; it goes idle as others do.
pub const SENDERS_MAX: usize = 10_000;

/// Payload bytes after which a jump in a file's time is decided with the rows seen by then.
pub const AHEAD_WAIT_BYTES: u64 = 16 * 1024 * 1024;

/// Frames under way below which further epochs are let in although [`EPOCHS_IN_FLIGHT_MAX`] is
/// reached: a jump's decision may wait for [`AHEAD_FRAMES`] small frames.
pub const FRAMES_IN_FLIGHT_MIN: usize = 256;

/// Output messages (one an epoch, and parts of snapshots) that wait for the caller.
pub const OUTPUT_QUEUE_MAX: usize = 64;

/// Columns' worth of spent batches that a worker keeps for reuse.
pub const SPENT_BATCHES_MAX: usize = 64;

/// Bytes of one stage's state on one worker in a snapshot.
pub const SNAPSHOT_PART_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Worker threads of one process.
pub const WORKERS_MAX: usize = 256;

/// Payload bytes under way at which no further epoch is let in, however small the epochs are.
/// Twice [`AHEAD_WAIT_BYTES`], so that a jump in a file's time can always be decided.
pub const BYTES_IN_FLIGHT_MAX: usize = 32 * 1024 * 1024;

/// Epochs that wait in a worker's queue beside those under way.
pub const JOBS_QUEUED_MAX: usize = 2;

/// The latest event time, nanoseconds since the Unix epoch (2116-02-20); later ones count as it.
pub const TIME_MAX_NS: i64 = 1 << 62;

/// Slices up to which a window is read where they lie, for each slice that it moves by; longer
/// windows are held merged.
pub const SLICES_READ_IN_PARTS_MAX: i64 = 10;

/// Values of a group in a slice up to which they are laid out beside those of the other groups, 2
/// bytes each, for windows over several slices; more are read where they lie.
pub const COLUMN_VALUES_MAX: usize = 128;

/// Rows of an epoch for which room is made at once, where so many are to come; further ones make
/// room as they come.
pub const ROWS_EXPECTED_MAX: usize = 1 << 20;

/// Ends of windows of one table in an epoch whose rows are counted before they come.
pub const ENDS_EXPECTED_MAX: usize = 1_024;

/// Buckets of each sign in a base-2 exponential histogram: six decades are held to 1.1 %.
pub const DISTRIBUTION_BUCKETS_MAX: usize = 640;

/// Distinct values of a group that are counted exactly before they are estimated.
pub const DISTINCT_EXACT_MAX: usize = 256;

/// Distinct values of a group that `top` counts exactly, and candidates that it keeps beyond.
pub const TOP_VALUES_MAX: usize = 1_024;

/// Events that stand for a group in one row.
pub const EXEMPLARS_MAX: usize = 3;

/// Values that `collect` keeps of a group.
pub const COLLECTED_MAX: u32 = 1_024;

/// Explicit bounds of a histogram point that is taken into a distribution; one with more is
/// counted as refused.
pub const DISTRIBUTION_BOUNDS_MAX: usize = 1_024;

/// Levels of rules about rules: each is an operator of the graph.
pub const LEVELS_MAX: u32 = 8;

/// Bytes of a text that a function makes; a longer result is null.
pub const FUNCTION_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Items of a list or entries of a map that a function makes; a longer result is null.
pub const FUNCTION_ITEMS_MAX: usize = 4_096;

/// Bytes of a regular expression in a rule.
pub const REGEX_BYTES_MAX: usize = 4 * 1024;

/// Bytes of memory of one compiled regular expression.
pub const REGEX_PROGRAM_BYTES_MAX: usize = 1024 * 1024;

/// Conditions of one filter that the index of filters tells apart; the rest is asked as one.
pub const FILTER_TREE_DEPTH_MAX: usize = 16;

/// Branches by the text of one column from which on a lookup decides among them.
pub const FILTER_LOOKUP_MIN: usize = 4;

/// Batches for which tables look for their keys themselves, once nearly every row had its own.
pub const KEYS_SHARED_PAUSE_BATCHES: u32 = 64;

/// Keys of slices that keep a number from batch to batch, for tables which differ in their filter
/// only; with more of them numbers are given anew.
pub const KEYS_NUMBERED_MAX: usize = 1 << 16;

/// Expressions whose results by text a worker remembers.
pub const MEMO_EXPRESSIONS_MAX: usize = 4_096;

/// Remembered results by text of all expressions of a worker; at this many it starts over.
pub const MEMO_RESULTS_MAX: usize = 4 * 1024 * 1024;

/// Groups of one rule in one shard of keys whose past is remembered; beyond that the one without a
/// row for longest is forgotten.
pub const PAST_GROUPS_MAX: usize = 256;

/// Rows of one `rows` rule with calls over the past that may be withdrawn, and whose values are
/// remembered for that; beyond, the oldest give way, are counted, and are withdrawn as the past is
/// by then.
pub const PAST_SAID_MAX: usize = 100_000;

/// Rows of a group's past that a call may ask for.
pub const PAST_ROWS_MAX: u32 = 1_024;

/// Points of counters that one group holds of a window; with more its increase is unknown.
pub const SERIES_POINTS_MAX: usize = 100_000;

/// How far before a window the point before it is looked for, nanoseconds: 10 min.
pub const SERIES_LOOKBACK_NS: i64 = 600_000_000_000;

/// Items that wait between the listeners and the input log.
pub const INTAKE_ITEMS_MAX: u64 = 100_000;

/// Payload bytes that wait between the listeners and the input log.
pub const INTAKE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of request bodies that are being received, decompressed and checked, of all listeners.
pub const INTAKE_READING_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Requests that wait for room, for each of the two budgets; one more is refused at once.
pub const INTAKE_WAITING_MAX: usize = 1_024;

/// Senders of one listener whose rates are followed one by one; further ones share one bucket until
/// those are forgotten whose bucket is full again.
pub const RATE_SENDERS_MAX: usize = 16_384;

/// Bytes of a body that are reserved before its first byte; more is reserved as bytes arrive,
/// doubling, so that a claimed length alone takes no memory.
pub const BODY_STEP_BYTES: usize = 64 * 1024;

/// How many times its size a compressed body may grow to, above [`RATIO_FREE_BYTES`].
pub const RATIO_MAX: usize = 200;

/// Bytes that a compressed body may grow to whatever its ratio.
pub const RATIO_FREE_BYTES: usize = 1024 * 1024;

/// Members of one gzip body.
pub const GZIP_MEMBERS_MAX: usize = 16 * 1024;

/// Window of a zstd body, as a power of two: 8 MiB, what the format asks every decoder to have.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Window of a zstd file, as a power of two: 128 MiB, what `zstd -d` has unless asked for more.
pub const ZSTD_FILE_WINDOW_LOG_MAX: u32 = 27;

/// Bytes of all header names and values of one request.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Header fields of one request.
pub const HEADER_FIELDS_MAX: usize = 100;

/// Bytes of a connection's read buffer.
pub const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;

/// Requests under way on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 128;

/// HTTP/2 streams that were opened and reset before they were accepted; more end the connection.
pub const STREAM_RESETS_MAX: usize = 20;

/// HTTP/2 streams that were reset for a sender's errors; more end the connection.
pub const STREAM_ERRORS_MAX: usize = 64;

/// Bytes that a sender may send ahead on one HTTP/2 stream, and twice that on a connection.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Connections of one listener; the one idle for longest makes room for a new one.
pub const CONNECTIONS_MAX: usize = 1_024;

/// Connections of one peer address to one listener.
pub const CONNECTIONS_PER_PEER_MAX: usize = 512;

/// Connections of one listener of the line protocol.
pub const LINE_CONNECTIONS_MAX: usize = 100;

/// Bytes of lines that one connection gathers into a frame.
pub const LINE_FRAME_BYTES: usize = 256 * 1024;

/// Frames of lines that one listener keeps the memory of, 288 KiB each, to fill them again: as many
/// as one sender may have in the queue, of lines of usual length.
pub const LINE_FRAMES_KEPT_MAX: usize = 72;

/// As many as it keeps while a connection is silent.
pub const LINE_FRAMES_SILENT_MAX: usize = 4;

/// Bytes of a file with certificates or a key.
pub const TLS_FILE_BYTES_MAX: usize = 1024 * 1024;

/// TLS sessions of one listener that a client may resume.
pub const TLS_SESSIONS_MAX: usize = 1_024;
/// Series on the page for Prometheus; further ones are left out and counted.
pub const PROMETHEUS_SERIES_MAX: usize = 100_000;

/// How long a series stays on the page for Prometheus without being renewed, nanoseconds: 5 min.
pub const PROMETHEUS_EXPIRY_NS: i64 = 300_000_000_000;

/// Connections of one page server; further ones are closed at once.
pub const PAGE_CONNECTIONS_MAX: usize = 64;

/// Bytes of the head of a request for a page.
pub const PAGE_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Rows and transitions that wait for one sink; further ones are dropped and counted.
pub const SINK_QUEUE_MAX: usize = 10_000;

/// How often a full queue halves the spans of a request, at most: a 64th is left, and waits where
/// it does not fit.
pub const SAMPLE_HALVINGS_MAX: u8 = 6;

/// Bytes that wait for one sink or are being sent, unless it is told otherwise; of OTLP for
/// metrics, logs and spans each. Further items are dropped and counted.
pub const SINK_HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Items of one batch of a sink.
pub const SINK_BATCH_MAX: usize = 500;

/// Bytes of a receiver's answer that a sink reads.
pub const SINK_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Instances of alerts that a sink follows at once, firing or resolved and not yet delivered.
pub const SINK_ALERTS_MAX: usize = 10_000;

/// How long durations are gathered for the quantiles of health before those of the time before are
/// forgotten, seconds: a quantile is that of one to two minutes.
pub const RECENT_SPAN_S: u64 = 60;

/// The longest duration that those quantiles tell from longer ones, seconds.
pub const RECENT_DURATION_S_MAX: u64 = 3_600;

/// Places of a table that are looked at in an epoch to estimate the bytes of its state.
pub const STATE_LOOKS: usize = 4;

/// Bytes of a batch of a sink before compression.
pub const SINK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of the head of a receiver's answer.
pub const SINK_ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Header fields of a receiver's answer.
pub const SINK_ANSWER_FIELDS_MAX: usize = 100;

/// Connections without a request that a sink keeps.
pub const SINK_CONNECTIONS_MAX: usize = 2;

/// Characters of a text from elsewhere that are told in a message.
pub const SINK_TOLD_CHARS_MAX: usize = 200;

/// Bytes of a file with a token.
pub const BEARER_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Series whose sums an OTLP sink keeps; what further ones count goes into one series a metric.
pub const SINK_SERIES_MAX: usize = 100_000;

/// Buckets of a sign of a distribution that a sink adds up; more are joined in pairs.
pub const SINK_HISTOGRAM_BUCKETS_MAX: usize = 320;

/// Items of one key that wait on one side of a correlation; further ones are refused.
pub const CORRELATE_ITEMS_PER_KEY_MAX: usize = 4_096;

/// Keys with waiting items in one correlation, in one shard of keys; items of further keys are
/// refused.
pub const CORRELATE_KEYS_PER_SHARD_MAX: u32 = 2_048;

/// Bytes of items that wait for a partner in one correlation, in one shard of keys; further items
/// are refused.
pub const CORRELATE_BYTES_PER_SHARD_MAX: usize = 512 * 1024;

/// Derived traces of one rule that collect at once; beyond, the oldest end early.
pub const RETRACE_TRACES_MAX: usize = 100_000;

/// Bytes of the spans of one rule's derived traces that collect; beyond, the oldest end early.
pub const RETRACE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Unfinished matches of one key in one pattern; an event that would begin one more begins none.
pub const PATTERN_RUNS_PER_KEY_MAX: usize = 1_024;

/// Keys with unfinished matches in one pattern, in one shard of keys; an event of a further key
/// begins none.
pub const PATTERN_KEYS_PER_SHARD_MAX: u32 = 1_024;

/// Events of one key of which `match all` makes combinations; a further one ends combinations and
/// begins none.
pub const PATTERN_EVENTS_PER_KEY_MAX: usize = 1_024;

/// Bytes of events that wait for the watermark in one pattern or correlation, in one shard of keys
/// (`by all` is in one); further ones are refused. A third of a million events of a few values.
pub const EVENTS_WAITING_BYTES_PER_SHARD_MAX: usize = 64 * 1024 * 1024;

/// Events looked at for the combinations that one event completes; what is behind them is not
/// found, which is counted.
pub const PATTERN_WALK_MAX: usize = 100_000;

/// Bytes from which a file of a sink is rotated.
pub const SINK_FILE_BYTES: u64 = 100 * 1024 * 1024;

/// Rotated files of a sink that are kept.
pub const SINK_FILES_KEPT: usize = 5;

/// Bytes of lines that a file sink gathers before it writes them.
pub const SINK_FILE_WRITE_BYTES: usize = 64 * 1024;

/// Bytes of a tracestate beyond which a threshold written into it displaces members; one that came
/// longer does not get longer.
pub const TRACESTATE_BYTES_MAX: usize = 512;

/// Bytes of a baggage that is read, as W3C lets one be at least; a longer one is null.
pub const BAGGAGE_BYTES_MAX: usize = 8_192;

/// Members of a baggage; one with more is null. W3C asks for 64 at least.
pub const BAGGAGE_MEMBERS_MAX: usize = 180;

/// Members of a tracestate; one with more is refused whole.
pub const TRACESTATE_MEMBERS_MAX: usize = 32;
