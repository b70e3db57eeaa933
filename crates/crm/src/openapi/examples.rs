//! Examples of requests and answers, composed of the examples of their fields.
//!
//! An annotation may give a whole example. Otherwise one is composed: a field has its own example; without one a
//! nullable field is null, and an optional field of a request is left out.

use serde_json::{Map, Value, json};

use super::schema_forms::{is_nullable, resolved};

/// The depth at which schemas that contain themselves end.
const DEEPEST: usize = 8;

/// Adds an example to every request and every success that has none.
pub(super) fn compose(document: &mut Value) {
    let schemas = document["components"]["schemas"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    let items = paths.values_mut().filter_map(Value::as_object_mut);
    for operation in items.flat_map(|item| item.values_mut()) {
        if let Some(body) = operation.get_mut("requestBody") {
            complete(
                body,
                &Composer {
                    schemas: &schemas,
                    complete: false,
                },
            );
        }
        let answers = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, answer) in answers.into_iter().flatten() {
            if status.starts_with('2') || answer.pointer("/content/application~1json/examples").is_none() {
                complete(
                    answer,
                    &Composer {
                        schemas: &schemas,
                        complete: true,
                    },
                );
            }
        }
    }
}

fn complete(body: &mut Value, composer: &Composer<'_>) {
    let content = body.get_mut("content").and_then(Value::as_object_mut);
    for (_, media) in content.into_iter().flatten() {
        if media.get("example").is_none() && media.get("examples").is_none() {
            let example = composer.example(&media["schema"], 0);
            media["example"] = example;
        }
    }
}

struct Composer<'a> {
    schemas: &'a Map<String, Value>,
    /// Whether every field is shown, as in an answer.
    complete: bool,
}

impl Composer<'_> {
    fn example(&self, schema: &Value, depth: usize) -> Value {
        if let Some(example) = own_example(schema) {
            return example.clone();
        }
        let named = resolved(schema, self.schemas);
        if let Some(example) = own_example(named) {
            return example.clone();
        }
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(first) = named["enum"].as_array().and_then(|values| values.first()) {
            return first.clone();
        }
        for list in ["oneOf", "anyOf", "allOf"] {
            let chosen = named[list].as_array().into_iter().flatten();
            if let Some(chosen) = chosen.into_iter().find(|one| one["type"] != json!("null")) {
                return self.example(chosen, depth + 1);
            }
        }
        match kind(named) {
            "array" => json!([self.example(&named["items"], depth + 1)]),
            "object" => self.object(named, depth),
            "string" => text(named),
            "integer" | "number" => named.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "boolean" => json!(true),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = |name: &str| {
            schema["required"]
                .as_array()
                .is_some_and(|list| list.contains(&json!(name)))
        };
        let mut object = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let has_own = own_example(property).is_some();
            if is_nullable(property) && !has_own {
                if required(name) || self.complete && required(name) {
                    object.insert(name.clone(), Value::Null);
                }
            } else if required(name) || has_own {
                object.insert(name.clone(), self.example(property, depth + 1));
            }
        }
        Value::Object(object)
    }
}

fn own_example(schema: &Value) -> Option<&Value> {
    schema.get("example").or_else(|| {
        schema["examples"]
            .as_array()
            .and_then(|examples| examples.first())
    })
}

fn kind(schema: &Value) -> &str {
    let types = match &schema["type"] {
        Value::Array(types) => types
            .iter()
            .find(|kind| **kind != json!("null"))
            .unwrap_or(&Value::Null),
        one => one,
    };
    types.as_str().unwrap_or_default()
}

/// An example of a text with this format.
fn text(schema: &Value) -> Value {
    json!(match schema["format"].as_str() {
        Some("uuid") => "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10",
        Some("date-time") => "2026-11-24T09:30:00Z",
        Some("date") => "2026-11-24",
        Some("binary") => "(the bytes of the file)",
        _ => "text",
    })
}
