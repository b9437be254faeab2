//! Items that left, as specs write them.

use serde_json::Value;
use tailwater_engine::model::EmittedItem;
use tailwater_engine::model::render::duration;
use tailwater_engine::plan::Plan;
use tailwater_engine::sink::otlp::{Encoding, item_requests};

use super::input::BASE_NS;

/// An item: who says it, when, then what stands around it and what is in it.
pub(super) fn line(plan: &Plan, item: &EmittedItem) -> String {
    let rule = &plan.rules[item.rule.0 as usize].name;
    let at = duration(item.decision_ns - BASE_NS);
    let mut text = format!("{rule} {} at {at}", item.signal.name());
    let requests = item_requests(Encoding::Json, &[item]);
    let Some(request) = requests.first().filter(|request| request.items == 1) else {
        return text + " | cannot be written as JSON";
    };
    let request: Value = serde_json::from_slice(&request.body).expect("JSON was written");
    let group = only(request.as_object().and_then(|request| request.values().next()));
    let scoped =
        only(["scopeSpans", "scopeLogs", "scopeMetrics"].iter().find_map(|n| group.get(n)));
    let item = only(["spans", "logRecords", "metrics"].iter().find_map(|name| scoped.get(name)));
    for (group, head) in [(group, "resource"), (scoped, "scope")] {
        text += " |";
        for (name, part) in [("", head), ("schema", "schemaUrl")] {
            flat(name, group.get(part).unwrap_or(&Value::Null), &mut text);
        }
    }
    text += " |";
    flat("", item, &mut text);
    text
}

fn only(list: Option<&Value>) -> &Value {
    list.and_then(|list| list.get(0)).unwrap_or(&Value::Null)
}

/// ` name=value` for everything in a value.
fn flat(name: &str, value: &Value, text: &mut String) {
    let inside = |member: &str| {
        if name.is_empty() { member.to_owned() } else { format!("{name}.{member}") }
    };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            let (key, held) = (value["key"].as_str(), value.get("value"));
            match (key, held) {
                (Some(key), Some(held)) => flat(&inside(key), any(held), text),
                _ => members.iter().for_each(|(member, value)| flat(&inside(member), value, text)),
            }
        }
        Value::Array(list) if name.ends_with("ttributes") => {
            let within = name.rsplit_once('.').map_or("", |(within, _)| within);
            list.iter().for_each(|one| flat(within, one, text));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, one)| flat(&inside(&at.to_string()), one, text));
        }
        Value::String(held) if name.ends_with("UnixNano") => {
            let time_ns: i64 = held.parse().unwrap_or_default();
            let name = name.trim_end_matches("UnixNano");
            *text += &format!(" {name}={}", duration(time_ns - BASE_NS));
        }
        Value::String(held) => *text += &format!(" {name}={held}"),
        other => *text += &format!(" {name}={other}"),
    }
}

/// What a value holds.
fn any(value: &Value) -> &Value {
    value.as_object().and_then(|value| value.values().next()).unwrap_or(value)
}
