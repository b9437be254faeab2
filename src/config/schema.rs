//! The JSON Schema of a configuration, for editors.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::scalar::Scalar;
use super::section::{Kinds, List, Named, Pairs, Section, Setting, Visit};

/// The schema of a whole file, defaults as in the settings given.
pub(super) fn schema(of: &mut impl Section) -> Json {
    let mut schema = object(of);
    let top = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of tailwater run",
        "$defs": {
            "reference": {
                "description": "A value from the environment or a file.",
                "type": "string",
                "pattern": "\\$\\{(env|file):[^}]+\\}",
            },
        },
    });
    if let (Json::Object(schema), Json::Object(top)) = (&mut schema, top) {
        schema.extend(top);
    }
    schema
}

fn object(of: &mut impl Section) -> Json {
    let mut fields = Fields::default();
    of.visit(&mut fields);
    fields.object()
}

#[derive(Default)]
struct Fields {
    properties: Map<String, Json>,
    required: Vec<&'static str>,
}

impl Fields {
    fn object(self) -> Json {
        let mut object = json!({
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
        });
        if !self.required.is_empty() {
            object["required"] = json!(self.required);
        }
        object
    }

    fn put(&mut self, name: &str, doc: &str, mut schema: Json) {
        schema["description"] = json!(doc);
        self.properties.insert(name.to_owned(), schema);
    }
}

/// Whatever a value is, it may be referred to.
fn value<T: Scalar>() -> Json {
    json!({ "anyOf": [T::schema(), { "$ref": "#/$defs/reference" }] })
}

/// A section of which nothing is said but its name: YAML reads it as null.
fn or_empty(mut object: Json) -> Json {
    object["type"] = json!(["object", "null"]);
    object
}

impl Visit for Fields {
    fn scalar<T: Scalar>(&mut self, name: &'static str, doc: &'static str, of: &mut Setting<T>) {
        let mut schema = value::<T>();
        let default = of.value.json();
        if !default.is_null() && !T::IS_SECRET {
            schema["default"] = default;
        }
        self.put(name, doc, schema);
    }

    fn required<T: Scalar>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        of: &mut Setting<Option<T>>,
    ) {
        if of.value.is_none() {
            self.required.push(name);
        }
        self.put(name, doc, value::<T>());
    }

    fn list<T: Scalar>(&mut self, name: &'static str, doc: &'static str, _: &mut List<T>) {
        self.put(name, doc, json!({ "type": "array", "items": value::<T>() }));
    }

    fn pairs<T: Scalar>(&mut self, name: &'static str, doc: &'static str, _: &mut Pairs<T>) {
        let pairs = json!({ "additionalProperties": value::<T>() });
        self.put(name, doc, or_empty(pairs));
    }

    fn section<S: Section>(&mut self, name: &'static str, doc: &'static str, of: &mut S) {
        self.put(name, doc, or_empty(object(of)));
    }

    fn kinds<K: Kinds>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        of: &mut BTreeMap<String, Named<K>>,
    ) {
        let (mut any, mut by_name) = (Vec::new(), Map::new());
        for (kind, what) in K::KINDS {
            let Some(mut part) = K::of_kind(kind) else { continue };
            let mut schema = typed(&mut part, kind, what);
            // A part that is named like a kind is of that kind, if it says nothing else.
            let mut unsaid = match of.get_mut(*kind) {
                Some(default) => typed(&mut default.part, kind, what),
                None => schema.clone(),
            };
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            schema["required"] = std::iter::once(json!("type")).chain(required).collect();
            any.push(schema);
            unsaid["description"] = json!(what);
            if unsaid["required"].is_null() {
                unsaid = or_empty(unsaid);
            }
            by_name.insert((*kind).to_owned(), unsaid);
        }
        let all = json!({ "anyOf": any });
        let said = json!({ "$ref": format!("#/properties/{name}/additionalProperties") });
        for unsaid in by_name.values_mut() {
            *unsaid = json!({ "anyOf": [unsaid.clone(), said.clone()] });
        }
        let schema = json!({
            "type": ["object", "null"],
            "properties": by_name,
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": all,
        });
        self.put(name, doc, schema);
    }
}

fn typed(part: &mut impl Section, kind: &str, what: &str) -> Json {
    let mut schema = object(part);
    schema["description"] = json!(what);
    schema["properties"]["type"] = json!({ "const": kind });
    schema
}
