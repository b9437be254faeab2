//! The schema that ships is the program's, and has every field.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::{YAML, folder, printed, run_in};

const SCHEMA: &str = "docs/config.schema.json";

#[test]
fn the_schema_is_up_to_date_and_has_every_field() {
    let (code, schema, _) =
        run_in(Path::new(env!("CARGO_MANIFEST_DIR")), &["print-config", "--schema"]);
    assert_eq!(code, 0);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests")]
    if std::env::var("UPDATE").is_ok() {
        fs::write(&path, &schema).unwrap();
    }
    assert_eq!(schema, fs::read_to_string(&path).unwrap(), "run it with UPDATE=1");
    let schema: Json = serde_json::from_str(&schema).unwrap();
    let folder = folder("schema", &[("a.yaml", YAML)]);
    let json = printed(&folder, &["-c", "a.yaml", "--otlp", "http://a"]);
    fits(&json["config"], &schema, &schema, "");
    let refused = serde_json::json!({ "workers": 1, "intake": { "wate": "5s" } });
    assert!(std::panic::catch_unwind(|| fits(&refused, &schema, &schema, "")).is_err());
}

/// Fails unless each field of a value is in the schema, and has a description there.
fn fits(value: &Json, schema: &Json, root: &Json, path: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(value, root.pointer(&reference[1..]).unwrap(), root, path);
    }
    let Some(fields) = value.as_object() else { return };
    let kinds = schema["anyOf"].as_array();
    let is_kind = |kind: &&Json| kind["properties"]["type"]["const"] == fields["type"];
    if let Some(kinds) = kinds {
        let kind = kinds.iter().find(is_kind).or(kinds.last()).unwrap();
        return fits(value, kind, root, path);
    }
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        let of_field = match &schema["properties"][name] {
            Json::Null => &schema["additionalProperties"],
            of_field => of_field,
        };
        assert!(of_field.is_object(), "`{path}` is not in the schema");
        fits(value, of_field, root, &path);
    }
}
