//! The sides and the people of messages that did not pass through us.

use serde_json::{Value, json};
use whatsapp::webhook::{self, Delivery, Direction, Message, Source};

fn parse(field: &str, value: &Value) -> Delivery {
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": field, "value": value}]}]});
    webhook::parse(body.to_string().as_bytes()).unwrap()
}

fn value(parts: &Value) -> Value {
    let mut value = json!({"metadata": {"display_phone_number": "+62 811-0009", "phone_number_id": "555"}});
    for (name, part) in parts.as_object().unwrap() {
        value[name] = part.clone();
    }
    value
}

fn only(delivery: &Delivery) -> &Message {
    assert!(delivery.others.is_empty(), "{:?}", delivery.others);
    assert_eq!(delivery.past.len(), 1);
    &delivery.past[0]
}

fn person(message: &Message) -> (Direction, Option<&str>, Option<&str>) {
    (
        message.direction,
        message.from.as_deref(),
        message.user_id.as_deref(),
    )
}

#[test]
fn what_the_business_sent_is_part_of_the_history() {
    let delivery = parse(
        "history",
        &value(&json!({"message_echoes": [
            {"from": "628110009", "to_user_id": "ID.7", "id": "wamid.1", "timestamp": "1780000000", "type": "image",
                "image": {"id": "77"}}]})),
    );
    let message = only(&delivery);
    assert_eq!(person(message), (Direction::Outbound, None, Some("ID.7")));
    assert_eq!(message.source, Source::History);
}

#[test]
fn a_hidden_customer_of_the_history_stays_the_customer() {
    for from in [json!(null), json!("")] {
        for to in [json!(null), json!("628110009")] {
            for from_user_id in [json!(null), json!("ID.7")] {
                let message = json!({"from": from, "from_user_id": from_user_id, "to": to, "id": "wamid.1",
                    "type": "text", "text": {"body": "hello"}});
                let thread = json!({"id": "", "context": {"user_id": "ID.7", "username": "sari"}, "messages": [message]});
                let delivery = parse("history", &value(&json!({"history": [{"threads": [thread]}]})));
                let read = only(&delivery);
                assert_eq!(
                    person(read),
                    (Direction::Inbound, None, Some("ID.7")),
                    "{message}"
                );
                assert_eq!(read.username.as_deref(), Some("sari"));
            }
        }
    }
}

#[test]
fn the_sender_decides_the_side() {
    let customer = "628990001";
    for (message, display, expected) in [
        // The business writes, and the id beside it is the customer's.
        (
            json!({"from": "628110009", "from_user_id": "ID.7", "to": customer}),
            true,
            Direction::Outbound,
        ),
        (json!({"from": "628110009"}), true, Direction::Outbound),
        (
            json!({"from": customer, "to": "628110009"}),
            true,
            Direction::Inbound,
        ),
        // The number of the business is unknown.
        (
            json!({"from": customer, "to": "628110009"}),
            false,
            Direction::Inbound,
        ),
        (
            json!({"from": "628110009", "to": customer}),
            false,
            Direction::Outbound,
        ),
        (
            json!({"from_user_id": "ID.7", "to": "628110009"}),
            false,
            Direction::Inbound,
        ),
    ] {
        let mut message = message;
        message["id"] = json!("wamid.1");
        let thread = json!({"id": customer, "context": {"user_id": "ID.7"}, "messages": [message]});
        let mut value = value(&json!({"history": [{"threads": [thread]}]}));
        if !display {
            value["metadata"] = json!({"phone_number_id": "555"});
        }
        let delivery = parse("history", &value);
        let read = only(&delivery);
        assert_eq!(
            person(read),
            (expected, Some(customer), Some("ID.7")),
            "{message}"
        );
    }
}

#[test]
fn our_own_number_is_no_customer() {
    let thread =
        json!({"id": "628110009", "messages": [{"from": "628110009", "to": "628110009", "id": "wamid.1"}]});
    let delivery = parse("history", &value(&json!({"history": [{"threads": [thread]}]})));
    assert!(delivery.past.is_empty(), "{:?}", delivery.past);
    assert_eq!(delivery.others.len(), 1);
}

#[test]
fn errors_beside_messages_are_kept() {
    let echo = json!({"from": "628110009", "to": "628990001", "id": "wamid.1"});
    let errors = json!([{"code": 2_593_109, "title": "History sharing is turned off"}]);
    for (field, parts) in [
        (
            "smb_message_echoes",
            json!({"message_echoes": [echo], "errors": errors}),
        ),
        ("history", json!({"message_echoes": [echo], "errors": errors})),
        (
            "history",
            json!({"history": [{"metadata": {"phase": 0}, "threads": []}], "errors": errors}),
        ),
        ("history", json!({"history": [{"threads": [], "errors": errors}]})),
    ] {
        let delivery = parse(field, &value(&parts));
        let others = serde_json::to_value(&delivery.others).unwrap();
        assert_eq!(others[0]["reason"], "value_errors", "{parts}");
        assert_eq!(others[0]["payload"], errors);
    }
}

#[test]
fn echoes_under_the_name_messages_are_read() {
    let delivery = parse(
        "smb_message_echoes",
        &value(
            &json!({"messages": [{"from": "628110009", "to": "628990001", "id": "wamid.1", "type": "text"}]}),
        ),
    );
    assert_eq!(
        person(only(&delivery)),
        (Direction::Outbound, Some("628990001"), None)
    );
}

#[test]
fn a_sender_that_cannot_be_read_is_not_the_only_contact() {
    let of = |message: Value, contact: Value| {
        parse(
            "messages",
            &value(&json!({"messages": [message], "contacts": [contact]})),
        )
    };
    let contact = json!({"wa_id": "628990001", "profile": {"name": "Sari"}});
    for sender in [
        json!({"from": "bla"}),
        json!({"from": "6".repeat(30)}),
        json!({"from_user_id": "x".repeat(200)}),
    ] {
        let mut message = sender;
        message["id"] = json!("wamid.1");
        let delivery = of(message.clone(), contact.clone());
        assert!(delivery.messages.is_empty(), "{message}");
        let others = serde_json::to_value(&delivery.others).unwrap();
        assert_eq!(
            [&others[0]["reason"], &others[1]["reason"]],
            ["no_sender", "unmatched_contact"],
            "{message}"
        );
    }
    // A message without a sender is that of the only person.
    let delivery = of(json!({"id": "wamid.1", "type": "text"}), contact);
    assert_eq!(delivery.messages[0].from.as_deref(), Some("628990001"));
    // A business-scoped id under the name of the number is an id.
    let delivery = of(
        json!({"from": "ID.7", "id": "wamid.1"}),
        json!({"user_id": "ID.7", "profile": {"name": "Sari"}}),
    );
    assert_eq!(delivery.messages[0].user_id.as_deref(), Some("ID.7"));
    assert_eq!(delivery.messages[0].profile_name.as_deref(), Some("Sari"));
}
