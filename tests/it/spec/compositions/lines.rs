//! Random telemetry, as specs write it.

use proptest::collection::vec;
use proptest::prelude::*;

/// A line: how far from the time of the log, how far that goes on before it, and what it is.
pub(super) type Line = (i64, usize, [usize; 8]);

/// Mostly in order, some ahead, some far behind.
pub(super) fn lines() -> impl Strategy<Value = Vec<Line>> {
    let offset_ms = prop_oneof![4 => Just(0), 2 => -3_000..3_000_i64, 1 => -15_000..0_i64];
    let parts = any::<[u8; 8]>().prop_map(|parts| parts.map(usize::from));
    vec((offset_ms, 0..5_usize, parts), 5..45)
}

/// The text of lines.
pub(super) fn input(lines: &[Line]) -> Vec<String> {
    let mut time_ms = 0;
    let text = |line: &Line| {
        let (offset_ms, step, [what, service, name, status, length, trace, span, source]) = *line;
        time_ms += [0, 100, 700, 2_000, 9_000][step];
        let at_ms = (time_ms + offset_ms).max(0);
        let (service, name) = (["shop", "bank", "mail"][service % 3], ["x", "y"][name % 2]);
        let (trace, source) = (1 + trace % 4, ["a", "b"][source % 2]);
        let severity = ["info", "warn"][span % 2];
        if what % 12 == 11 {
            return format!("tick {time_ms}ms");
        }
        if what % 12 >= 8 {
            return format!(
                "{at_ms}ms log {service} {severity} \"{name}\" trace:{trace} @{source}"
            );
        }
        let (kind, status) =
            (["server", "client", ""][length / 4 % 3], ["ok", "ok", "error"][status % 3]);
        let length_ms = [0, 10, 500, 3_000][length % 4];
        let parent = match span % 5 {
            0 => String::new(),
            parent => format!(" parent:{parent}"),
        };
        format!(
            "{at_ms}ms span {service} \"{name}\" {kind} {status} {length_ms}ms \
             trace:{trace} span:{}{parent} @{source}",
            1 + span / 5
        )
    };
    lines.iter().map(text).collect()
}
