//! Tests of the webhooks with statuses and customer messages.

use serde_json::{Value, json};

use crate::simulator::{ACCOUNT, APP_SECRET, CUSTOMER, Meta, NUMBER, promo, text};

fn expected_signature(body: &[u8]) -> String {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, APP_SECRET.as_bytes());
    let hex = hmac::sign(&key, body)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("sha256={hex}")
}

#[tokio::test]
async fn an_accepted_message_is_sent_delivered_and_read() {
    let mut meta = Meta::start().await;
    let mut message = promo("+62 812-3456-7890");
    message["biz_opaque_callback_data"] = json!("m-1");
    let (status, body) = meta.send(&message).await;
    assert_eq!(status, 200);
    assert_eq!(body["messaging_product"], "whatsapp");
    assert_eq!(
        body["contacts"],
        json!([{"input": "+62 812-3456-7890", "wa_id": CUSTOMER}])
    );
    assert_eq!(body["messages"][0]["message_status"], "accepted");
    let wamid = body["messages"][0]["id"].as_str().unwrap().to_owned();
    assert!(wamid.starts_with("wamid."));
    let mut seen: Vec<Value> = Vec::new();
    while seen.len() < 3 {
        let webhook = meta.receiver.next().await;
        assert_eq!(webhook.signature, expected_signature(&webhook.body));
        let body = webhook.json();
        assert_eq!(
            (&body["object"], &body["entry"][0]["id"]),
            (&json!("whatsapp_business_account"), &json!(ACCOUNT))
        );
        assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
        let value = webhook.value();
        assert_eq!(
            value["metadata"],
            json!({"display_phone_number": "6281110000001", "phone_number_id": NUMBER})
        );
        seen.extend(value["statuses"].as_array().unwrap().iter().cloned());
    }
    seen.sort_by_key(|status| status["status"] != "sent");
    let expected = json!({"id": wamid, "status": "sent", "timestamp": "1795341600", "recipient_id": CUSTOMER,
        "biz_opaque_callback_data": "m-1", "pricing":
            {"billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing"}});
    assert_eq!(seen[0], expected);
    let names: std::collections::BTreeSet<_> = seen
        .iter()
        .map(|status| status["status"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["delivered", "read", "sent"].into());
    meta.becomes_idle().await;
    assert_eq!(meta.summary().await["webhooks"]["sent"], 3);
}

#[tokio::test]
async fn a_number_that_is_not_on_whatsapp_fails_after_acceptance() {
    let mut meta = Meta::start().await;
    let (status, body) = meta.send(&promo("62812000000")).await;
    assert_eq!(status, 200);
    let webhook = meta.receiver.next().await;
    let value = webhook.value();
    assert!(value.get("contacts").is_none());
    let failed = &value["statuses"][0];
    assert_eq!(
        (&failed["status"], &failed["id"]),
        (&json!("failed"), &body["messages"][0]["id"])
    );
    assert_eq!(failed["errors"][0]["code"], 131_026);
    assert_eq!(failed["errors"][0]["title"], "Message undeliverable");
    meta.becomes_idle().await;
    assert!(meta.receiver.is_empty());
    assert_eq!(meta.summary().await["by_status"], json!({"failed": 1}));
}

#[tokio::test]
async fn a_webhook_that_is_not_answered_with_200_is_redelivered() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"redelivery_ms": [1]})).await;
    meta.receiver.answers(&[500, 503, 404]);
    meta.send(&promo("62812000000")).await;
    let first = meta.receiver.next().await;
    for _ in 0..3 {
        let again = meta.receiver.next().await;
        assert_eq!(
            (again.body, again.signature),
            (first.body.clone(), first.signature.clone())
        );
    }
    meta.becomes_idle().await;
    assert!(meta.receiver.is_empty());
    assert_eq!(
        meta.summary().await["webhooks"],
        json!({"sent": 1, "failed": 3, "pending": 0})
    );
}

#[tokio::test]
async fn due_statuses_share_a_post() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"throughput": 0, "webhook_concurrency": 1, "webhook_batch": 50}))
        .await;
    meta.receiver.hold_answers();
    for n in 0..40 {
        assert_eq!(meta.send(&promo(&format!("6281200001{n:02}"))).await.0, 200);
    }
    meta.receiver.answer_again();
    meta.becomes_idle().await;
    let (mut posts, mut statuses) = (0, Vec::new());
    while !meta.receiver.is_empty() {
        let webhook = meta.receiver.next().await;
        let batch = webhook.statuses();
        assert!(batch.len() <= 50);
        posts += 1;
        statuses.extend(batch);
    }
    assert_eq!(statuses.len(), 120);
    assert!(posts <= 10, "{posts} posts for 120 statuses");
    statuses.sort();
    statuses.dedup();
    assert_eq!(statuses.len(), 120);
}

#[tokio::test]
async fn withheld_webhooks_are_not_lost() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"deliver_webhooks": false})).await;
    meta.send(&promo("62812000000")).await;
    let said = json!({"phone_number_id": NUMBER, "from": CUSTOMER, "text": "Halo?"});
    let answer = meta.post("/_sim/customer/messages", &said).await.1;
    assert_eq!(
        (&answer["webhook_status"], &answer["queued"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(meta.get("/_sim/idle").await.1["pending_webhooks"], 2);
    assert!(meta.receiver.is_empty());
    meta.settings(&json!({"deliver_webhooks": true})).await;
    meta.receiver.next().await;
    meta.receiver.next().await;
    meta.becomes_idle().await;
}

#[tokio::test]
async fn delays_put_statuses_in_order() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"webhook_delay_ms": {"sent": 20, "delivered": 120, "read": 220}}))
        .await;
    meta.send(&promo(CUSTOMER)).await;
    let mut order = Vec::new();
    while order.len() < 3 {
        order.extend(
            meta.receiver
                .next()
                .await
                .statuses()
                .into_iter()
                .map(|(status, _)| status),
        );
    }
    assert_eq!(order, ["sent", "delivered", "read"]);
}

#[tokio::test]
async fn the_read_ratio_sets_the_share_of_read_messages() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"read_ratio": 0.5, "throughput": 0})).await;
    for n in 0..10 {
        meta.send(&promo(&format!("62812000010{n}"))).await;
    }
    meta.becomes_idle().await;
    assert!(!meta.receiver.is_empty());
    assert_eq!(
        meta.summary().await["by_status"],
        json!({"delivered": 5, "read": 5})
    );
}

#[tokio::test]
async fn a_customer_message_is_signed_escaped_and_answered_with_its_outcome() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"redelivery_ms": [1]})).await;
    meta.receiver.answers(&[500]);
    let said =
        json!({"phone_number_id": NUMBER, "from": "+62 812-3456-7890", "name": "Aña", "text": "a/b@c 👍"});
    let answer = meta.post("/_sim/customer/messages", &said).await.1;
    assert_eq!(
        (&answer["webhook_status"], &answer["queued"]),
        (&json!(500), &json!(true))
    );
    let webhook = meta.receiver.next().await;
    assert_eq!(webhook.signature, expected_signature(&webhook.body));
    let raw = String::from_utf8(webhook.body.to_vec()).unwrap();
    assert!(
        raw.is_ascii() && raw.contains(r"a\/b\u0040c \ud83d\udc4d") && raw.contains(r"A\u00f1a"),
        "{raw}"
    );
    let value = webhook.value();
    assert_eq!(
        value["contacts"],
        json!([{"profile": {"name": "Aña"}, "wa_id": CUSTOMER}])
    );
    let expected = json!({"from": CUSTOMER, "id": answer["wamid"], "timestamp": "1795341600", "type": "text",
        "text": {"body": "a/b@c 👍"}});
    assert_eq!(value["messages"], json!([expected]));
    assert_eq!(meta.receiver.next().await.body, webhook.body);
    meta.becomes_idle().await;
}

#[tokio::test]
async fn raw_elements_and_users_without_a_phone_number_are_supported() {
    let mut meta = Meta::start().await;
    let said = json!({"phone_number_id": NUMBER, "user_id": "ID.123", "name": "Ana", "message":
        {"id": "own-id", "type": "location", "location": {"latitude": -6.2, "longitude": 106.8}}});
    assert_eq!(
        meta.post("/_sim/customer/messages", &said).await.1["wamid"],
        "own-id"
    );
    let value = meta.receiver.next().await.value();
    assert_eq!(
        value["contacts"],
        json!([{"profile": {"name": "Ana"}, "user_id": "ID.123"}])
    );
    assert_eq!(value["messages"][0]["from_user_id"], "ID.123");
    assert!(value["messages"][0].get("from").is_none());
    let mut answer = text("unused");
    answer.as_object_mut().unwrap().remove("to");
    answer["recipient"] = json!("ID.123");
    let (status, body) = meta.send(&answer).await;
    assert_eq!((status, &body["contacts"][0]["user_id"]), (200, &json!("ID.123")));
    let status = meta.receiver.next().await.value()["statuses"][0].clone();
    assert_eq!(status["recipient_user_id"], "ID.123");
    assert!(status.get("recipient_id").is_none());
}

#[tokio::test]
async fn an_unsubscribed_account_gets_no_webhooks() {
    let mut meta = Meta::start().await;
    let path = format!("/v25.0/{ACCOUNT}/subscribed_apps");
    assert_eq!(meta.delete(&path).await, (200, json!({"success": true})));
    assert_eq!(meta.get(&path).await.1, json!({"data": []}));
    assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
    meta.becomes_idle().await;
    assert!(meta.receiver.is_empty());
    assert_eq!(meta.post(&path, &json!({})).await.0, 200);
    meta.send(&promo(CUSTOMER)).await;
    meta.receiver.next().await;
}

#[tokio::test]
async fn an_override_must_answer_the_challenge() {
    let mut meta = Meta::start().await;
    let path = format!("/v25.0/{ACCOUNT}/subscribed_apps");
    let mut other = crate::receiver::Receiver::start().await;
    let wish = |token: &str| json!({"override_callback_uri": other.url, "verify_token": token});
    assert_eq!(meta.post(&path, &wish("wrong")).await.0, 400);
    assert_eq!(meta.post(&path, &wish("verify-me")).await.0, 200);
    assert_eq!(
        meta.get(&path).await.1["data"][0]["override_callback_uri"],
        other.url
    );
    meta.send(&promo("62812000000")).await;
    other.next().await;
    assert!(meta.receiver.is_empty());
}
