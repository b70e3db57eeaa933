use std::fs;
use std::path::Path;

use insta::assert_json_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use whatsapp::webhook::{self, Delivery, NotJson};

fn parse(value: &Value) -> Delivery {
    webhook::parse(value.to_string().as_bytes()).unwrap()
}

fn as_value(delivery: &Delivery) -> Value {
    serde_json::to_value(delivery).unwrap()
}

fn envelope(changes: &Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "555100000000009", "changes": changes}]})
}

fn messages(messages: &Value) -> Value {
    envelope(&json!([{"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "628110009", "phone_number_id": "555000000000009"},
        "contacts": [{"wa_id": "628990001", "profile": {"name": "Sari"}}],
        "messages": messages,
    }}]))
}

fn text(id: &str) -> Value {
    json!({"from": "628990001", "id": id, "timestamp": "1790000000", "type": "text", "text": {"body": "hello"}})
}

fn reasons(delivery: &Delivery) -> Vec<String> {
    let others = as_value(delivery)["others"].clone();
    others
        .as_array()
        .unwrap()
        .iter()
        .map(|other| other["reason"].as_str().unwrap_or("-").to_owned())
        .collect()
}

#[test]
fn fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let delivery = webhook::parse(&fs::read(&file).unwrap()).unwrap();
        assert_json_snapshot!(name, as_value(&delivery));
    }
}

#[test]
fn a_body_that_is_not_json_is_the_only_error() {
    for raw in [
        &b""[..],
        b"{",
        b"not json",
        b"{\"entry\":[}",
        b"\xff\xfe",
        b"{} {}",
    ] {
        assert_eq!(webhook::parse(raw).unwrap_err(), NotJson);
    }
}

#[test]
fn json_of_another_shape_is_kept_unchanged() {
    for (body, reason) in [
        (json!(null), "not_an_object"),
        (json!([1, 2]), "not_an_object"),
        (json!({}), "empty"),
        (json!({"entry": {"id": "1"}}), "not_a_list"),
        (json!({"entry": []}), "empty"),
        (
            json!({"object": "page", "entry": [{"id": "1"}]}),
            "foreign_object",
        ),
    ] {
        let delivery = parse(&body);
        assert_eq!(reasons(&delivery), [reason], "{body}");
        assert_eq!(as_value(&delivery)["others"][0]["payload"], body);
    }
    let entries = json!({"entry": [7, {"id": "1"}, {"id": "2", "changes": []}, {"id": "3", "changes": [
        5, {"field": "messages"}, {"field": "messages", "value": "x"}, {"value": {}}]}]});
    let delivery = parse(&entries);
    assert_eq!(
        reasons(&delivery),
        [
            "not_an_object",
            "empty",
            "empty",
            "not_an_object",
            "empty",
            "not_an_object",
            "-"
        ]
    );
    assert_eq!(as_value(&delivery)["others"][6]["business_account_id"], "3");
}

#[test]
fn unexpected_types_are_tolerated() {
    let body = json!({"entry": [{"id": 555_100_000_000_009_u64, "time": "1790000001", "changes": [{
    "field": "messages", "value": {
        "metadata": {"phone_number_id": 555_000_000_000_009_u64},
        "contacts": [null, "x", {"wa_id": 628_990_001, "profile": "none"}, {"user_id": "ID.7", "wa_id": "628990001",
            "profile": {"name": "Sari", "username": "sari.c"}}],
        "statuses": null,
        "messages": [{"from": 628_990_001, "from_user_id": "ID.7", "id": "wamid.1", "timestamp": 1_790_000_000,
            "type": "text", "text": {"body": 12}, "context": []}],
    }}]}]});
    let delivery = parse(&body);
    assert!(delivery.others.is_empty(), "{:?}", delivery.others);
    let message = &delivery.messages[0];
    assert_eq!(message.phone_number_id, "555000000000009");
    assert_eq!(message.business_account_id.as_deref(), Some("555100000000009"));
    assert_eq!(message.from.as_deref(), Some("628990001"));
    assert_eq!(message.timestamp, Some(1_790_000_000));
    assert_eq!(message.preview, "12");
}

#[test]
fn people_are_matched_by_id_and_never_by_position() {
    let body = envelope(&json!([{"field": "messages", "value": {
        "metadata": {"phone_number_id": "1"},
        "contacts": [
            {"wa_id": "222", "user_id": "ID.2", "profile": {"name": "Two"}},
            {"user_id": "ID.3", "profile": {"name": "Three", "username": "three"}},
            {"wa_id": "111", "profile": {"name": "One"}},
        ],
        "messages": [
            {"from": "111", "id": "a", "type": "text"},
            {"from": "+222", "id": "b", "type": "text"},
            {"from_user_id": "ID.3", "id": "c", "type": "text"},
            {"from_user_id": "ID.2", "id": "d", "type": "text"},
            {"from": "999", "id": "e", "type": "text"},
        ],
        "statuses": [{"id": "s", "status": "read", "recipient_id": "222"}],
    }}]));
    let delivery = parse(&body);
    let seen: Vec<_> = delivery
        .messages
        .iter()
        .map(|m| (m.from.as_deref(), m.user_id.as_deref(), m.profile_name.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("111"), None, Some("One")),
            (Some("222"), Some("ID.2"), Some("Two")),
            (None, Some("ID.3"), Some("Three")),
            (Some("222"), Some("ID.2"), Some("Two")),
            (Some("999"), None, None),
        ]
    );
    assert_eq!(delivery.messages[2].username.as_deref(), Some("three"));
    assert_eq!(delivery.statuses[0].recipient_user_id.as_deref(), Some("ID.2"));
}

#[test]
fn a_name_of_white_space_is_absent() {
    let delivery = parse(&envelope(&json!([{"field": "messages", "value": {
        "metadata": {"phone_number_id": "1"},
        "contacts": [{"wa_id": "111", "profile": {"name": " \u{a0} ", "username": " one "}}],
        "messages": [{"from": "111", "id": "a", "type": "text"}],
    }}])));
    let message = &delivery.messages[0];
    assert_eq!(
        (&message.profile_name, message.username.as_deref()),
        (&None, Some("one"))
    );
}

#[test]
fn a_failure_always_has_a_reason() {
    let first = |errors: Value| {
        let delivery = parse(&envelope(&json!([{"field": "messages", "value": {
            "metadata": {"phone_number_id": "1"},
            "statuses": [{"id": "s", "status": "failed", "errors": errors}],
        }}])));
        let error = delivery.statuses[0].errors[0].clone();
        (error.code, error.title)
    };
    let nothing = (None, Some("Failed without a reason".to_owned()));
    for errors in [json!(null), json!([]), json!("x"), json!([null, {}])] {
        assert_eq!(first(errors.clone()), nothing, "{errors}");
    }
    let expected = (Some(131_026), Some("Message undeliverable".to_owned()));
    let undeliverable = json!({"code": 131_026, "title": "Message undeliverable"});
    assert_eq!(first(json!([{"title": "Something"}, undeliverable])), expected);
    let details = json!([{"error_data": {"details": "Too long"}}]);
    assert_eq!(first(details), (None, Some("Too long".to_owned())));
}

#[test]
fn a_message_without_a_sender_belongs_to_the_only_contact() {
    let of = |contacts: Value, message: Value| {
        let delivery = parse(&envelope(&json!([{"field": "messages", "value": {
            "metadata": {"phone_number_id": "1"}, "contacts": contacts, "messages": [message],
        }}])));
        let seen = delivery.messages.first();
        seen.map(|message| (message.from.clone(), message.user_id.clone()))
    };
    let phone = |digits: &str| Some((Some(digits.to_owned()), None));
    let hidden = Some((None, Some("ID.3".to_owned())));
    let no_sender = json!({"id": "a", "type": "text"});
    assert_eq!(of(json!([{"wa_id": "111"}]), no_sender.clone()), phone("111"));
    assert_eq!(of(json!([{"user_id": "ID.3"}]), no_sender.clone()), hidden);
    assert_eq!(
        of(json!([{"wa_id": "111"}, {"wa_id": "222"}]), no_sender.clone()),
        None
    );
    assert_eq!(of(json!([{"profile": {"name": "One"}}]), no_sender), None);
    // An invalid phone number or user id affects neither the other one nor the message.
    let garbled = json!({"id": "a", "from": "anonymous", "from_user_id": "ID.3", "type": "text"});
    assert_eq!(of(json!([]), garbled), hidden);
    let long = json!({"id": "a", "from": "111", "from_user_id": "x".repeat(161), "type": "text"});
    assert_eq!(of(json!([]), long), phone("111"));
    let neither = json!({"id": "a", "from": "9".repeat(21), "type": "text"});
    assert_eq!(of(json!([]), neither), None);
    let delivery = parse(&messages(&json!([{"id": "a", "type": "text"}])));
    assert!(delivery.others.is_empty(), "{:?}", delivery.others);
}

#[test]
fn elements_that_are_not_messages_are_kept_with_a_reason() {
    let delivery = parse(&messages(&json!([
        text("wamid.1"),
        "x",
        null,
        {"from": "1", "type": "text"},
        {"from": "1", "id": "", "type": "text"},
        {"from": "1", "id": "w".repeat(513), "type": "text"},
        {"from": "1", "id": ["wamid.3"]},
        {"from": "1", "id": "wamid.4"},
    ])));
    let ids: Vec<_> = delivery
        .messages
        .iter()
        .map(|message| (&*message.wamid, &*message.kind))
        .collect();
    assert_eq!(ids, [("wamid.1", "text"), ("wamid.4", "unknown")]);
    assert_eq!(
        reasons(&delivery),
        [
            "not_an_object",
            "not_an_object",
            "no_id",
            "no_id",
            "no_id",
            "no_id"
        ]
    );

    let no_number = envelope(&json!([{"field": "messages", "value": {
        "messages": [text("a")], "statuses": [{"id": "b", "status": "sent"}]}}]));
    assert_eq!(
        reasons(&parse(&no_number)),
        ["no_phone_number", "no_phone_number"]
    );

    let statuses = envelope(&json!([{"field": "messages", "value": {
        "metadata": {"phone_number_id": "1"},
        "statuses": [{"id": "a"}, {"id": "b", "status": "RINGING", "type": "call"}, {"status": "sent"}, {"id": "c", "status": "sent"}],
    }}]));
    let delivery = parse(&statuses);
    assert_eq!(reasons(&delivery), ["no_status", "call_status", "no_id"]);
    assert_eq!(delivery.statuses.len(), 1);
}

#[test]
fn every_part_of_a_value_is_kept() {
    let value = |extra: &Value| {
        let mut value =
            json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}, "contacts": []});
        value
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        reasons(&parse(&envelope(&json!([{"field": "messages", "value": value}]))))
    };
    assert_eq!(value(&json!({})), ["empty"]);
    assert_eq!(
        value(&json!({"messages": [], "statuses": null, "errors": []})),
        ["empty"]
    );
    assert_eq!(value(&json!({"errors": [{"code": 131_000}]})), ["value_errors"]);
    assert_eq!(
        value(&json!({"messages": [text("a")], "errors": [{"code": 1}]})),
        ["value_errors"]
    );
    assert_eq!(
        value(&json!({"messages": [text("a")], "brand_new": [{"id": 1}]})),
        ["unknown_part"]
    );
    assert_eq!(
        value(&json!({"messages": [text("a")], "brand_new": [ ]})),
        Vec::<String>::new()
    );
    assert_eq!(value(&json!({"messages": {"0": text("a")}})), ["not_a_list"]);
}

#[test]
fn repeated_names_do_not_hide_messages() {
    let raw = format!(
        r#"{{"entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"metadata":{{"phone_number_id":"1"}},
        "messages":[{}],"messages":[{}]}}}}]}}]}}"#,
        text("a"),
        text("b")
    );
    let delivery = webhook::parse(raw.as_bytes()).unwrap();
    let ids: Vec<_> = delivery.messages.iter().map(|message| &*message.wamid).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn the_state_of_a_payment_is_no_state_of_its_message() {
    for state in ["captured", "failed", "pending"] {
        let delivery = parse(&envelope(&json!([{"field": "messages", "value": {
            "metadata": {"phone_number_id": "1"},
            "statuses": [{"id": "s", "type": "payment", "status": state, "payment": {"reference_id": "76"}}],
        }}])));
        let status = &delivery.statuses[0];
        assert_eq!(status.status, format!("payment_{state}"));
        assert!(status.errors.is_empty());
    }
}

#[test]
fn times_are_seconds_or_absent() {
    for (timestamp, expected) in [
        (json!("1790000000"), Some(1_790_000_000)),
        (json!(1_790_000_000), Some(1_790_000_000)),
        (json!(1_790_000_000_123_i64), Some(1_790_000_000)),
        (json!("yesterday"), None),
        (json!(""), None),
        (json!(0), None),
        (json!(-5), None),
        (json!(i64::MAX), None),
        (json!(1.5), None),
        (json!(null), None),
        (json!({}), None),
    ] {
        let mut message = text("a");
        message["timestamp"] = timestamp.clone();
        assert_eq!(
            parse(&messages(&json!([message]))).messages[0].timestamp,
            expected,
            "{timestamp}"
        );
    }
}

#[test]
fn every_field_is_storable_in_postgres() {
    let raw = messages(&json!([text("wamid.1")]))
        .to_string()
        .replace("hello", r"he\u0000llo \ud83d \ud83d\ude00")
        .replace("Sari", r"Sa\u0000ri\udc00");
    let delivery = webhook::parse(raw.as_bytes()).unwrap();
    let message = &delivery.messages[0];
    assert_eq!(message.preview, "hello \u{fffd} \u{1f600}");
    assert_eq!(message.profile_name.as_deref(), Some("Sari\u{fffd}"));
    let json = serde_json::to_string(&delivery).unwrap();
    assert!(!json.contains(r"\u0000") && !json.contains(r"\ud83d "), "{json}");
}

#[test]
fn an_element_nested_too_deeply_does_not_affect_others() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let raw = messages(&json!([text("a"), "DEEP", text("b")]))
        .to_string()
        .replace(
            "\"DEEP\"",
            &format!(r#"{{"from":"1","id":"c","type":"text","text":{deep}}}"#),
        );
    let delivery = webhook::parse(raw.as_bytes()).unwrap();
    assert_eq!(delivery.messages.len(), 2);
    assert_eq!(reasons(&delivery), ["too_deep"]);
    // It is kept as text, because a value of this depth could not be stored.
    assert!(
        as_value(&delivery)["others"][0]["payload"]
            .as_str()
            .unwrap()
            .contains("[[[[")
    );

    let only_deep = format!(r#"{{"entry":{deep}}}"#);
    assert_eq!(
        reasons(&webhook::parse(only_deep.as_bytes()).unwrap()),
        ["too_deep"]
    );
}

/// Any JSON value, with many of the names that the parser reads.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "object",
        "entry",
        "id",
        "changes",
        "field",
        "value",
        "metadata",
        "phone_number_id",
        "contacts",
        "wa_id",
        "messages",
        "statuses",
        "errors",
        "type",
        "text",
        "body",
        "from",
        "timestamp",
        "status",
        "interactive",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "messages",
            "whatsapp_business_account",
            "text",
            "wamid.9",
            "628990001"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_handled(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = webhook::parse(&raw);
    }

    #[test]
    fn any_json_parses_to_storable_elements(value in any_json()) {
        let delivery = parse(&value);
        let count =
            delivery.messages.len() + delivery.statuses.len() + delivery.past.len() + delivery.others.len();
        prop_assert!(count > 0, "nothing is left of {}", value);
        let json = serde_json::to_string(&delivery).unwrap();
        prop_assert!(webhook::storable_json(json.as_bytes()).is_ok());
    }

    #[test]
    fn a_bad_element_does_not_affect_others(
        good in 0usize..5,
        bad in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 0..5),
        at in 0usize..4,
    ) {
        // The bad elements stand among messages, statuses, changes or entries.
        let messages: Vec<Value> = (0..good).map(|n| text(&format!("wamid.good.{n}"))).collect();
        let statuses: Vec<Value> =
            (0..good).map(|n| json!({"id": format!("wamid.good.{n}"), "status": "sent"})).collect();
        let mut lists = [messages, statuses, Vec::new(), Vec::new()];
        for (index, element) in &bad {
            let list = &mut lists[at];
            list.insert(index.index(list.len() + 1), element.clone());
        }
        let [messages, statuses, changes, entries] = lists;
        let value = json!({"metadata": {"phone_number_id": "1"}, "messages": messages, "statuses": statuses});
        let mut all_changes = changes;
        all_changes.insert(all_changes.len() / 2, json!({"field": "messages", "value": value}));
        let mut all_entries = entries;
        all_entries.insert(all_entries.len() / 2, json!({"id": "1", "changes": all_changes}));

        let delivery = parse(&json!({"object": "whatsapp_business_account", "entry": all_entries}));
        let good_messages = delivery.messages.iter().filter(|m| m.wamid.starts_with("wamid.good.")).count();
        let good_statuses = delivery.statuses.iter().filter(|s| s.wamid.starts_with("wamid.good.")).count();
        prop_assert_eq!((good_messages, good_statuses), (good, good));
        // The bad elements are kept as well.
        let count =
            delivery.messages.len() + delivery.statuses.len() + delivery.past.len() + delivery.others.len();
        prop_assert!(count >= 2 * good + bad.len());
    }
}
