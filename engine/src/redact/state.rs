//! `tracestate`: its members may leave, not change.
//!
//! A member with something in it is taken out whole, whatever the action: a vendor must find its
//! own value or none (W3C Trace Context, §3.3.1). OpenTelemetry's own `th` and `rv` are hexadecimal
//! numbers that decide sampling; they are no text.

use super::policy::{Fate, Policy};

/// Rewrites a `tracestate` without the members that hold something.
pub(super) fn trace_state(policy: &Policy, text: &[u8], out: &mut Vec<u8>) -> Fate {
    let (start, mut is_changed) = (out.len(), false);
    for member in text.split(|byte| *byte == b',') {
        if holds_something(policy, member) {
            is_changed = true;
            continue;
        }
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(member);
    }
    if !is_changed {
        out.truncate(start);
        return Fate::Same;
    }
    if out.len() == start { Fate::Drop } else { Fate::Changed }
}

fn holds_something(policy: &Policy, member: &[u8]) -> bool {
    let mut scratch = Vec::new();
    let mut is_hit = |text: &[u8]| policy.text(text, &mut scratch) != Fate::Same;
    match member.trim_ascii_start().strip_prefix(b"ot=") {
        Some(parts) => {
            parts.split(|byte| *byte == b';').any(|part| !is_number(part) && is_hit(part))
        }
        None => is_hit(member),
    }
}

fn is_number(part: &[u8]) -> bool {
    const DIGITS_MAX: usize = 14;
    let digits = part.strip_prefix(b"th:").or_else(|| part.strip_prefix(b"rv:"));
    digits.is_some_and(|digits| {
        (1..=DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit)
    })
}
