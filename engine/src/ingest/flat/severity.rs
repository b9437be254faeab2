//! Names of log levels.

/// OpenTelemetry's severity number of a level's name, in any case; 0 for an unknown one.
/// Source: OpenTelemetry logs data model, appendix B (example mappings).
pub(super) fn number_of(name: &[u8]) -> i32 {
    const LEVELS: &[(i32, &[&str])] = &[
        (1, &["trace", "finest", "verbose"]),
        (5, &["debug", "dbg", "fine"]),
        (9, &["info", "information", "informational", "inf"]),
        (10, &["notice"]),
        (13, &["warn", "warning", "wrn"]),
        (17, &["error", "err", "severe"]),
        (18, &["dpanic", "panic"]),
        (19, &["alert"]),
        (21, &["fatal", "critical", "crit", "emergency", "emerg"]),
    ];
    LEVELS
        .iter()
        .find(|(_, names)| names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)))
        .map_or(0, |(number, _)| *number)
}
