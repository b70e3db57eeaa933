//! Nothing of a delivery disappears: each of its leaf objects ends as a row or as a leftover.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use whatsapp::webhook;

/// The objects without an object inside, by their JSON texts. Objects that only say where a delivery belongs or how far
/// it is are no content: `metadata` of a value or of a chunk of the history.
fn leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            let parent = path.iter().rev().nth(1).map(String::as_str);
            let is_place = match path.last().map(String::as_str) {
                None => true,
                Some("entry" | "changes") => path.len() < 3,
                Some("metadata") => matches!(parent, Some("value" | "history")),
                Some(_) => false,
            };
            let is_leaf = !members.values().any(holds_object);
            if is_leaf && !is_place && !members.is_empty() {
                found.push(value.clone());
            }
            for (name, member) in members {
                path.push(name.clone());
                leaves(member, path, found);
                path.pop();
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, path, found)),
        _ => {}
    }
}

fn holds_object(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => items.iter().any(holds_object),
        _ => false,
    }
}

fn contains(place: &Value, leaf: &Value) -> bool {
    place == leaf
        || match place {
            Value::Object(members) => members.values().any(|member| contains(member, leaf)),
            Value::Array(items) => items.iter().any(|item| contains(item, leaf)),
            _ => false,
        }
}

/// A person of `contacts`, or the context of a thread, is accounted for if a row carries the person's names and ids.
fn names_a_row(kept: &Value, leaf: &Map<String, Value>) -> bool {
    let names = ["name", "username", "wa_id", "user_id"];
    let rows: Vec<&Value> = ["messages", "statuses", "past"]
        .iter()
        .flat_map(|list| kept[*list].as_array().unwrap())
        .collect();
    let words: Vec<&str> = names
        .iter()
        .filter_map(|name| leaf.get(*name)?.as_str())
        .collect();
    !words.is_empty()
        && rows.iter().any(|row| {
            let fields = [
                "from",
                "user_id",
                "profile_name",
                "username",
                "recipient_id",
                "recipient_user_id",
            ];
            words
                .iter()
                .all(|word| word.trim().is_empty() || fields.iter().any(|field| row[*field] == word.trim()))
        })
}

/// The leaf objects of a body that are in no row and in no leftover.
fn lost(body: &Value) -> Vec<Value> {
    let delivery = webhook::parse(body.to_string().as_bytes()).unwrap();
    let kept = serde_json::to_value(&delivery).unwrap();
    let mut all = Vec::new();
    leaves(body, &mut Vec::new(), &mut all);
    all.retain(|leaf| !contains(&kept, leaf) && !names_a_row(&kept, leaf.as_object().unwrap()));
    // A member of a value that is kept alone.
    let is_kept = |member: &Value| {
        kept["others"]
            .as_array()
            .unwrap()
            .iter()
            .any(|other| other["payload"] == *member)
    };
    all.retain(|leaf| !leaf.as_object().unwrap().values().all(is_kept));
    // Statuses keep no names, and the person is named by the ids beside the profile.
    let has_people =
        !delivery.statuses.is_empty() || !delivery.messages.is_empty() || !delivery.past.is_empty();
    all.retain(|leaf| !(has_people && is_profile(leaf)));
    all
}

fn is_profile(leaf: &Value) -> bool {
    leaf.as_object().is_some_and(|leaf| {
        leaf.keys()
            .all(|name| name == "name" || name == "username" || name == "country_code")
    })
}

#[test]
fn nothing_of_a_sample_is_lost() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/meta");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut losses = Vec::new();
    for folder in [shared.join("peer-fixtures"), shared.join("webhook-samples"), own] {
        for file in fs::read_dir(&folder).into_iter().flatten() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let Ok(body) = serde_json::from_slice::<Value>(&fs::read(&path).unwrap()) else {
                continue;
            };
            let lost = lost(&body);
            if !lost.is_empty() {
                losses.push(format!("{}: {lost:?}", path.display()));
            }
        }
    }
    assert!(losses.is_empty(), "{}", losses.join("\n"));
}

/// An object that says which one it is, among members that the parser reads.
fn marked() -> impl Strategy<Value = Value> {
    let member = prop::sample::select(vec![
        "id",
        "from",
        "to",
        "from_user_id",
        "to_user_id",
        "type",
        "status",
        "wa_id",
    ]);
    let text = prop::sample::select(vec!["", "628110009", "628990001", "ID.7", "text", "wamid.1", "?"]);
    (any::<u64>(), prop::collection::btree_map(member, text, 0..5)).prop_map(|(mark, members)| {
        let mut object: Map<String, Value> = members
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect();
        object.insert("text".to_owned(), json!({"body": mark.to_string()}));
        object.into()
    })
}

/// A value of a change: the parts that Meta has in some field, at their places and at others.
fn value() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "messages",
        "statuses",
        "errors",
        "message_echoes",
        "history",
        "threads",
        "contacts_seen",
        "calls",
        "groups",
    ]);
    let leaf = || prop::collection::vec(marked(), 0..3);
    let thread = (
        prop::sample::select(vec!["", "628990001"]),
        leaf(),
        prop::option::of(marked()),
    )
        .prop_map(|(id, messages, other)| json!({"id": id, "messages": messages, "other": other}));
    let chunk = (prop::collection::vec(thread, 0..3), prop::option::of(leaf()), prop::option::of(marked()))
        .prop_map(|(threads, errors, other)| {
            json!({"metadata": {"phase": 0}, "threads": threads, "errors": errors, "other": other})
        });
    let part = prop_oneof![
        3 => leaf().prop_map(Value::from),
        1 => marked(),
        2 => prop::collection::vec(chunk, 0..3).prop_map(Value::from),
    ];
    (prop::collection::btree_map(name, part, 0..5), any::<bool>()).prop_map(|(parts, has_number)| {
        let mut value: Map<String, Value> = parts
            .into_iter()
            .map(|(name, part)| (name.to_owned(), part))
            .collect();
        if has_number {
            let metadata = json!({"display_phone_number": "628110009", "phone_number_id": "555"});
            value.insert("metadata".to_owned(), metadata);
        }
        value.into()
    })
}

proptest! {
    #[test]
    fn nothing_of_a_delivery_is_lost(
        changes in prop::collection::vec((
            prop::sample::select(vec!["messages", "smb_message_echoes", "history", "calls", "account_update"]),
            value(),
            prop::option::of(marked()),
        ), 1..4),
        beside_changes in prop::option::of(marked()),
        beside_entry in prop::option::of(marked()),
    ) {
        let changes: Vec<Value> = changes
            .into_iter()
            .map(|(field, value, other)| json!({"field": field, "value": value, "other": other}))
            .collect();
        let entry = json!({"id": "1", "changes": changes, "messaging": beside_changes});
        let body = json!({"object": "whatsapp_business_account", "entry": [entry], "other": beside_entry});
        prop_assert_eq!(lost(&body), Vec::<Value>::new());
    }
}
