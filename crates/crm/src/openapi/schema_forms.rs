//! Makes derived schemas exact.
//!
//! A derived schema makes every `Option` both optional and nullable. Neither answers nor requests mean that: an answer
//! always has the field, with null for no value; a request leaves the field out, and null is a value only where the
//! description of the field explains it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

const PREFIX: &str = "#/components/schemas/";

/// Adds a schema, and the schemas it refers to.
pub(super) fn add<T: ToSchema>(document: &mut Value) {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    for (name, schema) in schemas {
        document["components"]["schemas"][name] = serde_json::to_value(schema).unwrap_or_default();
    }
}

/// Makes every schema of the document exact.
pub(super) fn make_exact(document: &mut Value) {
    let schemas = document["components"]["schemas"].take();
    let Value::Object(schemas) = schemas else { return };
    let mut schemas: Map<String, Value> = schemas
        .iter()
        .map(|(name, schema)| {
            let mut schema = joined(schema, &schemas);
            join_rows(&mut schema, &schemas);
            (name.clone(), schema)
        })
        .collect();

    let answers = reachable(&answers_of(document), &schemas);
    let requests = reachable(&requests_of(document), &schemas);
    for (name, schema) in &mut schemas {
        open_free_objects(schema);
        match (answers.contains(name), requests.contains(name)) {
            (true, false) => each_object(schema, &mut require_nullable),
            (false, true) => each_object(schema, &mut forbid_null),
            _ => {}
        }
    }
    // Schemas that were only parts of joined schemas are not used any more.
    schemas.retain(|name, _| answers.contains(name) || requests.contains(name));
    document["components"]["schemas"] = Value::Object(schemas);
}

/// Joins an `allOf` into one object schema. Generators read that better, and an object that allows no other fields
/// cannot stand in an `allOf` beside one that has some.
fn joined(schema: &Value, all: &Map<String, Value>) -> Value {
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else {
        return schema.clone();
    };
    let mut whole = json!({"type": "object"});
    for part in parts {
        let part = joined(resolved(part, all), all);
        for list in ["properties", "required"] {
            match (&mut whole[list], &part[list]) {
                (_, Value::Null) => {}
                (Value::Object(known), Value::Object(more)) => known.extend(more.clone()),
                (Value::Array(known), Value::Array(more)) => known.extend(more.clone()),
                (unknown, more) => *unknown = more.clone(),
            }
        }
        if part["additionalProperties"] == json!(false) {
            whole["additionalProperties"] = json!(false);
        }
    }
    for (key, value) in schema.as_object().into_iter().flatten() {
        if key != "allOf" {
            whole[key] = value.clone();
        }
    }
    if let Some(whole) = whole.as_object_mut() {
        whole.retain(|_, value| !value.is_null());
    }
    whole
}

/// Joins the schema of the rows of a page, which stands within the schema of the page.
fn join_rows(page: &mut Value, all: &Map<String, Value>) {
    if let Some(rows) = page.pointer_mut("/properties/data/items") {
        *rows = joined(rows, all);
    }
}

pub(super) fn resolved<'a>(schema: &'a Value, all: &'a Map<String, Value>) -> &'a Value {
    let name = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix(PREFIX));
    name.and_then(|name| all.get(name)).unwrap_or(schema)
}

/// Every operation of the document.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(_, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter_map(|(_, operation)| operation.get("operationId").map(|_| operation))
    })
}

fn answers_of(document: &Value) -> Vec<&Value> {
    let mut answers: Vec<&Value> = operations(document)
        .map(|operation| &operation["responses"])
        .collect();
    answers.push(&document["components"]["responses"]);
    answers
}

fn requests_of(document: &Value) -> Vec<&Value> {
    operations(document)
        .flat_map(|operation| [&operation["requestBody"], &operation["parameters"]])
        .collect()
}

/// The names of all schemas that `roots` refer to, directly or indirectly.
fn reachable(roots: &[&Value], all: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut ahead: Vec<&Value> = roots.to_vec();
    while let Some(value) = ahead.pop() {
        match value {
            Value::Object(members) => {
                let name = members
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|reference| reference.strip_prefix(PREFIX));
                if let Some(name) = name
                    && found.insert(name.to_owned())
                {
                    ahead.extend(all.get(name));
                }
                ahead.extend(members.values());
            }
            Value::Array(list) => ahead.extend(list),
            _ => {}
        }
    }
    found
}

/// Calls `change` with every schema of an object, at any depth.
fn each_object(schema: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) {
                change(members);
            }
            members
                .values_mut()
                .for_each(|member| each_object(member, change));
        }
        Value::Array(list) => list.iter_mut().for_each(|member| each_object(member, change)),
        _ => {}
    }
}

/// Allows any field in an object without described fields: generators would take it for an empty one.
fn open_free_objects(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_object = members.get("type").is_some_and(|kind| {
                *kind == json!("object")
                    || kind
                        .as_array()
                        .is_some_and(|kinds| kinds.contains(&json!("object")))
            });
            if is_object
                && !members.contains_key("properties")
                && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".to_owned(), json!(true));
            }
            for (key, member) in members {
                if !key.starts_with("example") {
                    open_free_objects(member);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(open_free_objects),
        _ => {}
    }
}

fn require_nullable(object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = object.get("properties") else {
        return;
    };
    let nullable: Vec<String> = properties
        .iter()
        .filter(|(_, schema)| is_nullable(schema))
        .map(|(name, _)| name.clone())
        .collect();
    let required = object.entry("required").or_insert_with(|| json!([]));
    let Value::Array(required) = required else { return };
    for name in nullable {
        if !required.contains(&json!(name)) {
            required.push(json!(name));
        }
    }
    if required.is_empty() {
        object.remove("required");
    }
}

fn forbid_null(object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = object.get_mut("properties") else {
        return;
    };
    for schema in properties.values_mut().filter(|schema| is_nullable(schema)) {
        if !explains_null(schema) {
            without_null(schema);
        }
    }
}

/// Whether a description, of the field or of its type, explains null.
fn explains_null(schema: &Value) -> bool {
    let says = |schema: &Value| {
        let description = schema["description"].as_str().unwrap_or_default();
        description.to_lowercase().contains("null")
    };
    let listed = |list: &str| schema[list].as_array().is_some_and(|list| list.iter().any(says));
    says(schema) || listed("oneOf") || listed("anyOf")
}

/// Whether null is a value.
pub(super) fn is_nullable(schema: &Value) -> bool {
    let is_null = |schema: &Value| schema["type"] == json!("null");
    let listed = |list: &str| {
        schema[list]
            .as_array()
            .is_some_and(|list| list.iter().any(is_null))
    };
    schema["type"]
        .as_array()
        .is_some_and(|types| types.contains(&json!("null")))
        || listed("oneOf")
        || listed("anyOf")
}

fn without_null(schema: &mut Value) {
    let null = json!("null");
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(kinds)) = members.get_mut("type") {
        kinds.retain(|kind| *kind != null);
        if let [one] = &kinds[..] {
            let one = one.clone();
            members.insert("type".to_owned(), one);
        }
    }
    for list in ["oneOf", "anyOf"] {
        let Some(Value::Array(kinds)) = members.get_mut(list) else {
            continue;
        };
        kinds.retain(|kind| kind["type"] != null);
        // A single remaining kind replaces the list, beside the description of its field.
        if let [Value::Object(one)] = &kinds[..] {
            let one = one.clone();
            members.remove(list);
            for (key, value) in one {
                members.entry(key).or_insert(value);
            }
        }
    }
}
