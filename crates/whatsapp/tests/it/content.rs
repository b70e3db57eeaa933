//! Tests of Meta's limits: each at its edge and one beyond.

use serde_json::{Value, json};
use whatsapp::client::limits::MediaKind;
use whatsapp::client::{Content, Interactive, OutboundMessage, Reason, Recipient, TemplateComponent};

fn content(kind: &str, body: Value) -> Content {
    match kind {
        "text" => Content::Text {
            body: body["body"].as_str().unwrap().into(),
            preview_url: false,
        },
        "location" => Content::Location(serde_json::from_value(body).unwrap()),
        "contacts" => Content::Contacts(serde_json::from_value(body).unwrap()),
        "reaction" => Content::Reaction(serde_json::from_value(body).unwrap()),
        "interactive" => {
            let interactive: Interactive = serde_json::from_value(body).unwrap();
            Content::Interactive(Box::new(interactive.completed()))
        }
        kind => Content::Media(
            MediaKind::named(kind).unwrap(),
            serde_json::from_value(body).unwrap(),
        ),
    }
}

/// The problems, as `field: reason`.
fn wrong(kind: &str, body: Value) -> Vec<String> {
    let problems = content(kind, body).check();
    problems
        .into_iter()
        .map(|problem| format!("{}: {:?}", problem.field, problem.reason))
        .collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn fine(kind: &str, body: Value) {
    assert_eq!(wrong(kind, body.clone()), Vec::<String>::new(), "{kind} {body}");
}

fn chars(count: usize) -> String {
    "é".repeat(count)
}

#[test]
fn text_limits() {
    fine("text", json!({"body": chars(4096)}));
    assert_eq!(
        wrong("text", json!({"body": chars(4097)})),
        ["text.body: TooLong(4096)"]
    );
    assert_eq!(wrong("text", json!({"body": " "})), ["text.body: Missing"]);
    assert_eq!(wrong("text", json!({"body": "a\0"})), ["text.body: Null"]);
}

#[test]
fn media_limits() {
    fine("image", json!({"id": "123", "caption": chars(1024)}));
    fine(
        "document",
        json!({"link": "https://x.test/a.pdf", "filename": "a.pdf", "caption": "x"}),
    );
    fine("image", json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff"}));
    for (kind, body, expected) in [
        ("image", json!({}), "image: IdOrLink"),
        (
            "image",
            json!({"id": "1", "link": "https://x.test"}),
            "image: IdOrLink",
        ),
        ("image", json!({"id": "../1"}), "image.id: Unknown"),
        (
            "video",
            json!({"link": "file:///etc/passwd"}),
            "video.link: NotALink",
        ),
        (
            "video",
            json!({"id": "1", "caption": chars(1025)}),
            "video.caption: TooLong(1024)",
        ),
        (
            "audio",
            json!({"id": "1", "caption": "x"}),
            "audio.caption: NotAllowed",
        ),
        (
            "sticker",
            json!({"id": "1", "caption": "x"}),
            "sticker.caption: NotAllowed",
        ),
        (
            "image",
            json!({"id": "1", "filename": "x"}),
            "image.filename: NotAllowed",
        ),
        (
            "document",
            json!({"id": "1", "filename": chars(241)}),
            "document.filename: TooLong(240)",
        ),
    ] {
        assert_eq!(wrong(kind, body), [expected]);
    }
}

#[test]
fn location_contact_and_reaction_limits() {
    fine(
        "location",
        json!({"latitude": -90, "longitude": 180, "name": "A"}),
    );
    assert_eq!(
        wrong("location", json!({"latitude": 90.1, "longitude": -180.1})),
        [
            "location.latitude: Degrees(90)",
            "location.longitude: Degrees(180)"
        ]
    );
    fine(
        "contacts",
        json!([{"name": {"formatted_name": "Rina S", "first_name": "Rina"}, "phones": [{"phone": "+62"}]}]),
    );
    assert_eq!(
        wrong("contacts", json!([])),
        ["contacts: Count { min: 1, max: 100 }"]
    );
    assert_eq!(
        wrong("contacts", json!([{"name": {"formatted_name": "Rina"}}])),
        ["contacts[0].name.first_name: Missing"]
    );
    fine("reaction", json!({"message_id": "wamid.x", "emoji": "👩‍👩‍👧‍👦"}));
    fine("reaction", json!({"message_id": "wamid.x", "emoji": ""}));
    assert_eq!(
        wrong("reaction", json!({"message_id": "wamid.x", "emoji": "ok"})),
        ["reaction.emoji: Unknown"]
    );
}

fn buttons(count: usize, id: usize, title: usize) -> Value {
    let buttons: Vec<Value> = (0..count)
        .map(|n| json!({"reply": {"id": format!("{n:0>id$}"), "title": format!("{n:0>title$}")}}))
        .collect();
    json!({"type": "button", "body": {"text": chars(1024)}, "footer": {"text": chars(60)}, "action": {"buttons": buttons}})
}

#[test]
fn reply_button_limits() {
    fine("interactive", buttons(3, 256, 20));
    for (body, expected) in [
        (
            buttons(4, 1, 1),
            "interactive.action.buttons: Count { min: 1, max: 3 }",
        ),
        (
            buttons(0, 1, 1),
            "interactive.action.buttons: Count { min: 1, max: 3 }",
        ),
        (
            buttons(1, 257, 1),
            "interactive.action.buttons[0].reply.id: TooLong(256)",
        ),
        (
            buttons(1, 1, 21),
            "interactive.action.buttons[0].reply.title: TooLong(20)",
        ),
    ] {
        assert_eq!(wrong("interactive", body), [expected]);
    }
    let mut same = buttons(2, 1, 1);
    same["action"]["buttons"][1] = same["action"]["buttons"][0].clone();
    same["body"]["text"] = chars(1025).into();
    same["header"] = json!({"type": "text", "text": chars(61)});
    assert_eq!(
        wrong("interactive", same),
        [
            "interactive.body.text: TooLong(1024)",
            "interactive.header.text: TooLong(60)",
            "interactive.action.buttons[1].reply.id: Repeated",
            "interactive.action.buttons[1].reply.title: Repeated",
        ]
    );
}

fn list(sections: usize, rows: usize) -> Value {
    let sections: Vec<Value> = (0..sections)
        .map(|s| {
            let rows: Vec<Value> = (0..rows)
                .map(|r| json!({"id": format!("{s}-{r}"), "title": chars(24), "description": chars(72)}))
                .collect();
            json!({"title": chars(24), "rows": rows})
        })
        .collect();
    json!({"type": "list", "body": {"text": chars(4096)}, "action": {"button": chars(20), "sections": sections}})
}

#[test]
fn list_limits() {
    fine("interactive", list(10, 1));
    fine("interactive", list(1, 10));
    assert_eq!(
        wrong("interactive", list(1, 11)),
        ["interactive.action.sections.rows: Count { min: 1, max: 10 }"]
    );
    assert_eq!(
        wrong("interactive", list(11, 1)),
        [
            "interactive.action.sections: Count { min: 1, max: 10 }",
            "interactive.action.sections.rows: Count { min: 1, max: 10 }",
        ]
    );
    let mut body = list(2, 1);
    let sections = &mut body["action"]["sections"];
    sections[0]["title"] = Value::Null;
    sections[1]["rows"][0] = json!({"id": "0-0", "title": chars(25), "description": chars(73)});
    body["action"]["button"] = chars(21).into();
    body["header"] = json!({"type": "image", "image": {"id": "1"}});
    assert_eq!(
        wrong("interactive", body),
        [
            "interactive.header.type: NotAllowed",
            "interactive.action.button: TooLong(20)",
            "interactive.action.sections[0].title: Missing",
            "interactive.action.sections[1].rows[0].title: TooLong(24)",
            "interactive.action.sections[1].rows[0].description: TooLong(72)",
            "interactive.action.sections[1].rows[0].id: Repeated",
        ]
    );
}

#[test]
fn link_button_and_location_request_limits() {
    let link = |label: &str, url: &str| json!({"type": "cta_url", "body": {"text": "x"}, "action": {"parameters": {"display_text": label, "url": url}}});
    fine("interactive", link(&chars(20), "https://x.test"));
    assert_eq!(
        content("interactive", link("x", "https://x.test")).body()["action"]["name"],
        "cta_url"
    );
    assert_eq!(
        wrong("interactive", link(&chars(21), "javascript:alert(1)")),
        [
            "interactive.action.parameters.display_text: TooLong(20)",
            "interactive.action.parameters.url: NotALink",
        ]
    );
    let place = json!({"type": "location_request_message", "body": {"text": "Where?"}});
    fine("interactive", place.clone());
    assert_eq!(
        content("interactive", place).body()["action"],
        json!({"name": "send_location"})
    );
}

#[test]
fn every_kind_of_template_value() {
    let components = |parameter: Value| -> Vec<TemplateComponent> {
        serde_json::from_value(json!([{"type": "body", "parameters": [parameter]}])).unwrap()
    };
    for parameter in [
        json!({"type": "text", "text": "Rina"}),
        json!({"type": "text", "parameter_name": "name", "text": "Rina"}),
        json!({"type": "currency", "currency": {"fallback_value": "Rp 1", "code": "IDR", "amount_1000": 1000}}),
        json!({"type": "date_time", "date_time": {"fallback_value": "1 Mei"}}),
        json!({"type": "image", "image": {"link": "https://x.test/a.jpg"}}),
        json!({"type": "video", "video": {"id": "1"}}),
        json!({"type": "document", "document": {"id": "1", "filename": "a.pdf"}}),
        json!({"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "A", "address": "B"}}),
        json!({"type": "payload", "payload": "yes"}),
        json!({"type": "coupon_code", "coupon_code": "HEMAT20"}),
        json!({"type": "action", "action": {"flow_token": "x"}}),
    ] {
        let sent = components(parameter.clone());
        assert_eq!(TemplateComponent::check_all(&sent), [], "{parameter}");
        let written = serde_json::to_value(&sent).unwrap();
        assert_eq!(written[0]["parameters"][0]["type"], parameter["type"]);
    }
    for (parameter, reason) in [
        (json!({"type": "text"}), Reason::Missing),
        (json!({"type": "text", "text": "a\nb"}), Reason::Whitespace),
        (json!({"type": "text", "text": "a     b"}), Reason::Whitespace),
        (
            json!({"type": "text", "text": chars(1025)}),
            Reason::TooLong(1024),
        ),
        (
            json!({"type": "coupon_code", "coupon_code": "x".repeat(21)}),
            Reason::TooLong(20),
        ),
        (json!({"type": "image"}), Reason::Missing),
        (json!({"type": "telepathy"}), Reason::Unknown),
    ] {
        let problems = TemplateComponent::check_all(&components(parameter.clone()));
        let reasons: Vec<Reason> = problems.iter().map(|problem| problem.reason).collect();
        assert_eq!(reasons, [reason], "{parameter}");
    }
}

#[test]
fn template_buttons_need_an_index() {
    let button = |index: Value| -> Vec<TemplateComponent> {
        serde_json::from_value(json!([{"type": "button", "sub_type": "url", "index": index,
            "parameters": [{"type": "text", "text": "x"}]}]))
        .unwrap()
    };
    let written = serde_json::to_value(button(json!(0))).unwrap();
    assert_eq!(written[0]["index"], "0");
    assert_eq!(TemplateComponent::check_all(&button(json!("9"))), []);
    for (index, reason) in [(json!("10"), Reason::Unknown), (json!(null), Reason::Missing)] {
        assert_eq!(TemplateComponent::check_all(&button(index))[0].reason, reason);
    }
}

#[test]
fn a_message_carries_its_content_under_its_type() {
    let message = OutboundMessage {
        reply_to: Some("wamid.x".into()),
        ..OutboundMessage::new(
            Recipient::Phone("62811".into()),
            content("document", json!({"id": "1", "filename": "a.pdf"})),
        )
    };
    assert_eq!(
        serde_json::to_value(&message).unwrap(),
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+62811", "type": "document",
            "document": {"id": "1", "filename": "a.pdf"}, "context": {"message_id": "wamid.x"}})
    );
}
