//! Tests of each rule for sending.

use serde_json::{Value, json};

use crate::simulator::{CUSTOMER, Meta, NUMBER, TOKEN, promo, text};

fn without(mut message: Value, name: &str) -> Value {
    message.as_object_mut().unwrap().remove(name);
    message
}

fn with(mut message: Value, name: &str, value: Value) -> Value {
    message[name] = value;
    message
}

#[tokio::test]
async fn a_call_without_the_right_token_is_401_code_190() {
    let meta = Meta::start().await;
    let url = format!("{}/v25.0/{NUMBER}/messages", meta.url);
    for request in [
        meta.client.post(&url),
        meta.client.post(&url).bearer_auth("wrong"),
    ] {
        let (status, body) = meta.send_request(request.json(&promo(CUSTOMER))).await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!(190)));
    }
    assert_eq!(meta.summary().await["refused"]["190"], 2);
}

#[tokio::test]
async fn an_unknown_number_is_code_100_subcode_33() {
    let meta = Meta::start().await;
    let (status, body) = meta.post("/v25.0/123/messages", &promo(CUSTOMER)).await;
    let error = &body["error"];
    assert_eq!(
        (status, &error["code"], &error["error_subcode"]),
        (400, &json!(100), &json!(33))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("Unsupported post request. Object with ID '123' does not exist"),
        "{message}"
    );
}

#[tokio::test]
async fn a_path_without_a_version_is_unknown() {
    let meta = Meta::start().await;
    let (status, body) = meta
        .post(&format!("/latest/{NUMBER}/messages"), &promo(CUSTOMER))
        .await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(2500)));
}

#[tokio::test]
async fn the_messaging_product_is_needed() {
    let meta = Meta::start().await;
    assert_eq!(
        meta.refusal(&without(promo(CUSTOMER), "messaging_product")).await,
        (400, 100)
    );
    assert_eq!(
        meta.refusal(&with(promo(CUSTOMER), "messaging_product", json!("sms")))
            .await,
        (400, 100)
    );
}

#[tokio::test]
async fn a_body_must_be_json() {
    let meta = Meta::start().await;
    let request = meta
        .client
        .post(format!("{}/v25.0/{NUMBER}/messages", meta.url))
        .bearer_auth(TOKEN)
        .body("{");
    let (status, body) = meta.send_request(request).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(100)));
}

#[tokio::test]
async fn a_recipient_is_needed_and_has_8_to_15_digits() {
    let meta = Meta::start().await;
    assert_eq!(
        meta.refusal(&without(promo(CUSTOMER), "to")).await,
        (400, 131_008)
    );
    for to in ["1234567", "1234567890123456", "someone"] {
        assert_eq!(meta.refusal(&promo(to)).await, (400, 131_009), "{to}");
    }
    for to in ["12345678", "123456789012345"] {
        assert_eq!(meta.send(&promo(to)).await.0, 200, "{to}");
    }
}

#[tokio::test]
async fn a_number_cannot_write_to_itself() {
    let meta = Meta::start().await;
    assert_eq!(meta.refusal(&promo("+62 811-1000-0001")).await, (400, 131_021));
}

#[tokio::test]
async fn a_text_has_at_most_4096_characters() {
    let meta = Meta::start().await;
    meta.open_window(CUSTOMER).await;
    let long = with(text(CUSTOMER), "text", json!({"body": "x".repeat(4_097)}));
    assert_eq!(meta.refusal(&long).await, (400, 131_009));
}

#[tokio::test]
async fn an_unknown_type_is_131051() {
    let meta = Meta::start().await;
    assert_eq!(
        meta.refusal(&with(text(CUSTOMER), "type", json!("hologram")))
            .await,
        (400, 131_051)
    );
}

#[tokio::test]
async fn callback_data_has_at_most_512_characters() {
    let meta = Meta::start().await;
    let data = |length| {
        with(
            promo(CUSTOMER),
            "biz_opaque_callback_data",
            json!("x".repeat(length)),
        )
    };
    assert_eq!(meta.send(&data(512)).await.0, 200);
    assert_eq!(meta.refusal(&data(513)).await, (400, 131_009));
}

#[tokio::test]
async fn a_template_must_exist_in_the_language() {
    let meta = Meta::start().await;
    let mut message = promo(CUSTOMER);
    message["template"]["language"]["code"] = json!("en_US");
    assert_eq!(meta.refusal(&message).await, (404, 132_001));
    let mut message = promo(CUSTOMER);
    message["template"]["name"] = json!("nothing");
    assert_eq!(meta.refusal(&message).await, (404, 132_001));
}

#[tokio::test]
async fn a_template_must_be_approved() {
    let meta = Meta::start().await;
    for (name, refusal) in [
        ("paused", (400, 132_015)),
        ("disabled", (400, 132_016)),
        ("waiting", (404, 132_001)),
    ] {
        let message = with(
            promo(CUSTOMER),
            "template",
            json!({"name": name, "language": {"code": "id"}}),
        );
        assert_eq!(meta.refusal(&message).await, refusal, "{name}");
    }
}

#[tokio::test]
async fn a_template_of_another_account_is_unknown() {
    let meta = Meta::start().await;
    let path = format!("/v25.0/{}/messages", crate::simulator::OTHER_NUMBER);
    let (status, body) = meta.post(&path, &promo(CUSTOMER)).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!(132_001)));
}

#[tokio::test]
async fn parameters_must_be_as_many_as_the_variables() {
    let meta = Meta::start().await;
    let mut message = promo(CUSTOMER);
    message["template"]["components"] = json!([]);
    let (status, body) = meta.send(&message).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(132_000)));
    let details = body["error"]["error_data"]["details"].as_str().unwrap();
    assert_eq!(
        details,
        "body: number of localizable_params (0) does not match the expected number of params (1)"
    );
}

#[tokio::test]
async fn named_parameters_need_their_name() {
    let meta = Meta::start().await;
    let message = |parameter: Value| {
        with(
            promo(CUSTOMER),
            "template",
            json!({"name": "named", "language": {"code": "id"},
            "components": [{"type": "body", "parameters": [parameter]}]}),
        )
    };
    assert_eq!(
        meta.refusal(&message(json!({"type": "text", "text": "Ana"})))
            .await,
        (400, 100)
    );
    let named = json!({"type": "text", "parameter_name": "name", "text": "Ana"});
    assert_eq!(meta.send(&message(named)).await.0, 200);
}

#[tokio::test]
async fn the_window_closes_24_hours_after_the_last_customer_message() {
    let meta = Meta::start().await;
    assert_eq!(meta.refusal(&text(CUSTOMER)).await, (400, 131_047));
    let said = json!({"phone_number_id": NUMBER, "from": CUSTOMER, "name": "Ana", "text": "Halo?"});
    assert_eq!(
        meta.post("/_sim/customer/messages", &said).await.1["webhook_status"],
        200
    );
    assert_eq!(meta.send(&text(CUSTOMER)).await.0, 200);
    meta.clock.advance(24 * 3_600_000 - 1);
    assert_eq!(meta.send(&text(CUSTOMER)).await.0, 200);
    meta.clock.advance(1);
    assert_eq!(meta.refusal(&text(CUSTOMER)).await, (400, 131_047));
    assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
}

#[tokio::test]
async fn a_pair_is_limited_to_45_messages_then_one_per_6_seconds() {
    let meta = Meta::start().await;
    for _ in 0..45 {
        assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
    }
    assert_eq!(meta.refusal(&promo(CUSTOMER)).await, (400, 131_056));
    assert_eq!(meta.send(&promo("6281234567891")).await.0, 200);
    meta.clock.advance(6_000);
    assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
    assert_eq!(meta.refusal(&promo(CUSTOMER)).await, (400, 131_056));
    meta.settings(&json!({"pair_limit": false})).await;
    assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
}

#[tokio::test]
async fn a_number_is_limited_per_second() {
    let meta = Meta::start().await;
    meta.settings(&json!({"throughput": 3})).await;
    let to = |n: usize| promo(&format!("62812000001{n}"));
    for n in 0..3 {
        assert_eq!(meta.send(&to(n)).await.0, 200);
    }
    assert_eq!(meta.refusal(&to(3)).await, (400, 130_429));
    meta.clock.advance(1_000);
    assert_eq!(meta.send(&to(3)).await.0, 200);
    meta.settings(&json!({"throughput": 0})).await;
    for n in 4..9 {
        assert_eq!(meta.send(&to(n)).await.0, 200);
    }
    assert_eq!(meta.summary().await["refused"], json!({"130429": 1}));
}

#[tokio::test]
async fn only_a_received_message_can_be_marked_as_read() {
    let meta = Meta::start().await;
    let said = json!({"phone_number_id": NUMBER, "from": CUSTOMER, "text": "Halo?"});
    let wamid = meta.post("/_sim/customer/messages", &said).await.1["wamid"].clone();
    let read = |id: Value| {
        json!({"messaging_product": "whatsapp", "status": "read", "message_id": id,
            "typing_indicator": {"type": "text"}})
    };
    assert_eq!(meta.send(&read(wamid)).await, (200, json!({"success": true})));
    assert_eq!(meta.refusal(&read(json!("wamid.unknown"))).await, (400, 131_009));
    assert_eq!(
        meta.refusal(&without(read(json!("x")), "message_id")).await,
        (400, 131_008)
    );
}
