//! Checks the OpenAPI document: references resolve, names are unique, operations are described.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crm::openapi_document;
use serde_json::Value;

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Calls `look` with every value of the document.
fn each<'a>(value: &'a Value, look: &mut dyn FnMut(&'a Value)) {
    look(value);
    match value {
        Value::Object(members) => members.values().for_each(|member| each(member, look)),
        Value::Array(list) => list.iter().for_each(|member| each(member, look)),
        _ => {}
    }
}

#[test]
fn every_reference_resolves() {
    let document = openapi_document();
    let mut lost = BTreeSet::new();
    each(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.trim_start_matches('#');
            if document.pointer(pointer).is_none() {
                lost.insert(reference);
            }
        }
    });
    assert!(lost.is_empty(), "{lost:?}");
}

/// Two types with the same name would silently overwrite each other in the document.
#[test]
fn every_schema_name_belongs_to_one_type() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources() {
        let source = std::fs::read_to_string(&file).unwrap();
        let mut named = None;
        let mut derived = false;
        for line in source.lines() {
            let line = line.trim();
            if line.starts_with("#[derive(")
                || derived && line.starts_with(|first: char| first.is_uppercase())
            {
                derived = derived || line.contains("ToSchema");
            }
            if let Some(name) = line.strip_prefix("#[schema(as = ") {
                named = name.split([',', ')']).next().map(str::to_owned);
            }
            let declared = line
                .split(['(', ' ', '<'])
                .skip_while(|word| !["struct", "enum"].contains(word))
                .nth(1);
            if let Some(declared) = declared {
                if derived {
                    let name = named.take().unwrap_or_else(|| declared.to_owned());
                    places.entry(name).or_default().push(file.display().to_string());
                }
                (named, derived) = (None, false);
            }
        }
    }
    assert!(places.len() > 150, "only {} schemas were found", places.len());
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap();
    for folder in std::fs::read_dir(crates).unwrap() {
        let source = folder.unwrap().path().join("src");
        if source.is_dir() {
            files_below(&source, &mut files);
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files
}

#[test]
fn every_operation_is_described() {
    let document = openapi_document();
    let mut lacking = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut needs = |there: bool, what: &str| {
                if !there {
                    lacking.push(format!("{method} {path} lacks {what}"));
                }
            };
            for field in ["operationId", "summary", "description"] {
                needs(
                    operation[field].as_str().is_some_and(|text| !text.is_empty()),
                    field,
                );
            }
            needs(
                ids.insert(operation["operationId"].to_string()),
                "an operationId of its own",
            );
            needs(operation["tags"][0].is_string(), "a tag");
            needs(
                !operation["x-permission"].is_null() || operation["x-public"] == true,
                "x-permission or x-public",
            );
            let contents = operation["responses"].as_object().unwrap().values();
            let contents = contents
                .chain([&operation["requestBody"]])
                .map(|body| &body["content"]);
            for media in contents
                .filter_map(Value::as_object)
                .flat_map(|content| content.values())
            {
                needs(
                    media.get("example").is_some() || media.get("examples").is_some(),
                    "an example",
                );
            }
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
    assert!(ids.len() > 150);
}
