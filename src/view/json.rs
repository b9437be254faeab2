//! Traces as JSON lines: a stable format, version 1; `docs/output.md` lists the members.

use std::fmt::Write as _;

use tailwater_engine::model::render::{time, write_json_text};
use tailwater_engine::trace::Role;

use crate::render::rows::JSON_VERSION;
use crate::trace::{Trace, TraceSpan};

/// One trace on one line; with its spans and critical path unless it is for a list.
pub(crate) fn json_line(trace: &Trace, keys: &[std::sync::Arc<str>], with_spans: bool) -> String {
    let totals = trace.totals();
    let mut out = format!("{{\"v\":{JSON_VERSION},\"trace\":\"{}\"", trace.id_text());
    let _ = write!(out, ",\"start\":\"{}\"", time(trace.start_ns));
    let _ = write!(out, ",\"duration\":{}", trace.duration_ns());
    out.push_str(",\"root\":");
    match trace.forest.root().map(|index| trace.span(index)) {
        Some(root) => {
            out.push('{');
            operation(root, &mut out);
            out.push('}');
        }
        None => out.push_str("null"),
    }
    let forest = &trace.forest;
    let _ = write!(
        out,
        ",\"span_count\":{},\"services\":{},\"errors\":{},\"depth\":{},\"complete\":{},\
         \"orphans\":{},\"duplicates\":{},\"loops\":{},\"left_out\":{},\"critical_path\":{}",
        totals.spans,
        totals.services,
        totals.errors,
        forest.depth(),
        forest.is_complete(),
        forest.orphan_count(),
        forest.duplicate_count(),
        forest.loop_count(),
        trace.left_out,
        trace.path.duration_ns()
    );
    if with_spans {
        spans(trace, keys, &mut out);
        segments(trace, &mut out);
    }
    out.push_str("}\n");
    out
}

/// `"service":…,"name":…`
fn operation(span: &TraceSpan, out: &mut String) {
    out.push_str("\"service\":");
    match &span.service {
        Some(service) => write_json_text(service, out),
        None => out.push_str("null"),
    }
    out.push_str(",\"name\":");
    write_json_text(&span.name, out);
}

fn id(id: u64) -> String {
    if id == 0 { "null".to_owned() } else { format!("\"{id:016x}\"") }
}

fn spans(trace: &Trace, keys: &[std::sync::Arc<str>], out: &mut String) {
    out.push_str(",\"spans\":[");
    for (place, &index) in trace.forest.preorder().iter().enumerate() {
        let span = trace.span(index);
        if place > 0 {
            out.push(',');
        }
        let _ = write!(out, "{{\"span\":{},\"parent\":{},", id(span.id), id(span.parent_id));
        operation(span, out);
        let _ = write!(
            out,
            ",\"kind\":\"{}\",\"status\":\"{}\",\"message\":",
            span.kind.kind.name(),
            span.status.name()
        );
        write_json_text(&span.message, out);
        let _ = write!(
            out,
            ",\"start\":\"{}\",\"duration\":{},\"depth\":{},\"role\":\"{}\",\"self\":{},\
             \"exclusive\":{},\"inclusive\":{},\"match\":{}",
            time(span.start_ns),
            span.duration_ns(),
            trace.forest.depth_of(index),
            role(trace.forest.role(index)),
            trace.path.self_ns(index),
            trace.path.exclusive_ns(index),
            trace.path.inclusive_ns(index),
            span.is_match
        );
        out.push_str(",\"attributes\":{");
        for (count, (key, value)) in span.shown.iter().enumerate() {
            if count > 0 {
                out.push(',');
            }
            write_json_text(&keys[*key as usize], out);
            out.push(':');
            value.write_json(out);
        }
        out.push_str("},\"events\":[");
        for (count, event) in trace.events(span).iter().enumerate() {
            let comma = if count > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{{\"time\":\"{}\",\"text\":", time(event.time_ns));
            write_json_text(&event.text, out);
            out.push('}');
        }
        out.push_str("]}");
    }
    out.push(']');
}

fn segments(trace: &Trace, out: &mut String) {
    out.push_str(",\"path\":[");
    for (place, segment) in trace.path.segments().iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let _ = write!(
            out,
            "{comma}{{\"span\":{},\"start\":\"{}\",\"duration\":{}}}",
            id(trace.span(segment.span).id),
            time(segment.start_ns),
            segment.duration_ns()
        );
    }
    out.push(']');
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Root => "root",
        Role::Child => "child",
        Role::Orphan => "orphan",
        Role::LoopHead => "loop_head",
        Role::Duplicate => "duplicate",
    }
}
