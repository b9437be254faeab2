//! Every bound of the language. Rule files are untrusted input.

/// Largest source file, bytes.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Files of one compilation, imports included.
pub const FILES_MAX: usize = 1_000;
/// Imports inside imports inside imports, levels.
pub const IMPORT_DEPTH_MAX: usize = 8;
/// Open brackets around a place, levels; bounds the recursion of every later pass.
pub const NESTING_MAX: usize = 64;
/// Parts of one expression without brackets, at most one level of the tree each: its values, the
/// operators between them, `not`, `-` and `[…]`.
pub const CHAIN_MAX: usize = 256;
/// Levels of one expression's tree as written: parts in a row, of all the brackets around a place.
pub const TREE_LEVELS_MAX: usize = 512;
/// Levels of an expression with its constants and functions written out; bounds the recursion of
/// every later pass. A constant or a function counts as four.
pub const EXPRESSION_LEVELS_MAX: usize = 1_000;
/// Stack of the thread that compiles rules, bytes: the deepest expressions take 6 MiB of it in a
/// build without optimisation, 2 MiB in others.
pub const COMPILER_STACK_BYTES: usize = 32 << 20;
/// Declarations of one file.
pub const DECLARATIONS_MAX: usize = 10_000;
/// Nodes of one expression after functions were inlined.
pub const EXPRESSION_NODES_MAX: usize = 10_000;
/// Nodes of all expressions of one compilation after functions were inlined.
pub const PROGRAM_NODES_MAX: usize = 1_000_000;
/// Columns of one `set`, `by`, `select`, `labels` or `annotations`, equalities of one `on`.
pub const COLUMNS_MAX: usize = 1_000;
/// Distinct aggregate calls of one declaration.
pub const AGGREGATE_CALLS_MAX: usize = 1_000;
/// Parameters of a function of the rules.
pub const FUNCTION_PARAMS_MAX: usize = 64;
/// Functions inlined into functions, levels.
pub const INLINE_DEPTH_MAX: usize = 32;
/// Length of a name, bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Length of a regular expression, bytes.
pub const REGEX_BYTES_MAX: usize = 4_096;
/// Nesting inside a regular expression, levels.
pub const REGEX_NESTING_MAX: u32 = 50;
/// Diagnostics reported by one compilation; the rest is counted in a last one.
pub const DIAGNOSTICS_MAX: usize = 500;
/// Diagnostics kept of one compilation before they are sorted; behind an eighth of them no nearest
/// names are looked for, and further ones are counted only.
pub const DIAGNOSTICS_KEPT_MAX: usize = 10_000;
/// Names compared with misspelt ones in one compilation, before no nearest name is looked for.
pub const COMPARISONS_MAX: usize = 20_000_000;
/// Bytes of a declaration of which edits of its syntax are tried before they are offered; of longer
/// ones none is.
pub const TRIED_BYTES_MAX: usize = 64 * 1024;
/// Clauses set aside in one declaration before its parse is given up.
pub const RECOVERIES_MAX: usize = 8;
/// Length of a time span in rules, ns: 100 years.
pub const DURATION_NS_MAX: i64 = 100 * 365 * 86_400 * 1_000_000_000;
/// Items that one `given` line may stand for.
pub const GIVEN_TIMES_MAX: u64 = 1_000_000;
/// Width of a formatted line, columns.
pub const LINE_COLUMNS_MAX: usize = 100;
/// Rows of one table.
pub const TABLE_ROWS_MAX: usize = 10_000;
/// Columns of one table.
pub const TABLE_COLUMNS_MAX: usize = 64;
/// Values of all columns of tables that expressions read, each place of use counted.
pub const TABLE_CELLS_MAX: usize = 1_000_000;
/// Mistakes of one table that are told.
pub const TABLE_MISTAKES_MAX: usize = 10;
/// Keys and classes that one `redact` names.
pub const REDACT_ITEMS_MAX: usize = 1_000;
/// Lines of one sample.
pub const SAMPLE_LINES_MAX: usize = 100;
/// Keys of one line of a sample.
pub const SAMPLE_KEYS_MAX: usize = 16;
/// Steps, absences and guards of one pattern.
pub const PATTERN_STEPS_MAX: usize = 64;
/// Sequences that a pattern's alternatives, branches and orders come to, written out.
pub const PATTERN_LANES_MAX: usize = 128;
/// Events that a quantity may ask for.
pub const PATTERN_REPEATS_MAX: u32 = 1_000;
/// Steps of one `any order`: their orders are written out, 120 at most.
pub const PATTERN_ANY_ORDER_MAX: usize = 5;
/// Named spans in one `has`, `count` or `any`.
pub const SPAN_NAMES_MAX: usize = 4;
/// Matches that one event of a `match all` may complete.
pub const PATTERN_MATCHES_MAX: u64 = 10_000;
/// Right items of one left item of a `pick all`.
pub const CORRELATE_PICKS_MAX: u64 = 1_000;
/// Spans that a `retrace` may put into one trace before it ends.
pub const RETRACE_SPANS_MAX: u64 = 100_000;
/// Groups that `limit groups` may state.
pub const GROUPS_LIMIT_MAX: u64 = 1_000_000_000;
/// Items that a `count(n)` window may hold.
pub const COUNT_WINDOW_MAX: u64 = 1_000_000;
/// Windows that may hold one item.
pub const WINDOW_OVERLAP_MAX: i64 = 10_000;
/// Ways to close that a declaration may list, written out.
pub const CLOSE_TERMS_MAX: usize = 32;
/// Spans that a trace may be limited to.
pub const TRACES_SPANS_MAX: u64 = 1_000_000;
/// Bytes that a trace may be limited to: 1 GiB.
pub const TRACES_BYTES_MAX: u64 = 1 << 30;
/// Rows that `top` may keep of a window.
pub const TOP_ROWS_MAX: u64 = 100_000;
/// Keys that `dedupe … limit` may state.
pub const DEDUPE_KEYS_MAX: u64 = 1_000_000_000;
