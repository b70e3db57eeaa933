//! Tests of reading numbers, registration and media files.

use serde_json::{Value, json};

use crate::simulator::{ACCOUNT, CUSTOMER, Meta, NUMBER, TOKEN};

#[tokio::test]
async fn a_number_has_the_requested_fields() {
    let meta = Meta::start().await;
    let (_, number) = meta
        .get(&format!("/v25.0/{NUMBER}?fields=verified_name,quality_rating"))
        .await;
    assert_eq!(
        number,
        json!({"verified_name": "Toko Satu", "quality_rating": "GREEN", "id": NUMBER})
    );
    let (_, number) = meta.get(&format!("/v25.0/{NUMBER}")).await;
    assert_eq!(number["display_phone_number"], "+62 811-1000-0001");
    assert_eq!(number["throughput"]["level"], "STANDARD");
    let (status, body) = meta.get(&format!("/v25.0/{NUMBER}?fields=shoe_size")).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(100)));
}

#[tokio::test]
async fn an_account_lists_only_its_own_numbers() {
    let meta = Meta::start().await;
    let (_, list) = meta.get(&format!("/v25.0/{ACCOUNT}/phone_numbers")).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["id"], NUMBER);
    let (status, body) = meta.get("/v25.0/1/phone_numbers").await;
    assert_eq!((status, &body["error"]["error_subcode"]), (400, &json!(33)));
}

#[tokio::test]
async fn an_unknown_edge_does_not_exist() {
    let meta = Meta::start().await;
    let (status, body) = meta.get(&format!("/v25.0/{NUMBER}/friends")).await;
    assert_eq!((status, &body["error"]["error_subcode"]), (400, &json!(33)));
}

#[tokio::test]
async fn registering_needs_a_pin_of_6_digits() {
    let meta = Meta::start().await;
    let path = format!("/v25.0/{NUMBER}/register");
    let with = |pin: Value| json!({"messaging_product": "whatsapp", "pin": pin});
    assert_eq!(
        meta.post(&path, &with(json!("123456"))).await,
        (200, json!({"success": true}))
    );
    assert_eq!(
        meta.post(&path, &with(json!("12345"))).await.1["error"]["code"],
        131_009
    );
    assert_eq!(
        meta.post(&path, &json!({"messaging_product": "whatsapp"}))
            .await
            .1["error"]["code"],
        131_008
    );
}

fn form(parts: &[(&str, Option<&str>, &str)]) -> (String, String) {
    let mut body = String::new();
    for (name, mime_type, content) in parts {
        let file = if *name == "file" { "; filename=\"f\"" } else { "" };
        body.push_str(&format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n"
        ));
        if let Some(mime_type) = mime_type {
            body.push_str(&format!("Content-Type: {mime_type}\r\n"));
        }
        body.push_str(&format!("\r\n{content}\r\n"));
    }
    body.push_str("--b--\r\n");
    ("multipart/form-data; boundary=b".to_owned(), body)
}

async fn upload(meta: &Meta, parts: &[(&str, Option<&str>, &str)]) -> (u16, Value) {
    let (content_type, body) = form(parts);
    let request = meta
        .client
        .post(format!("{}/v25.0/{NUMBER}/media", meta.url))
        .bearer_auth(TOKEN);
    meta.send_request(request.header("content-type", content_type).body(body))
        .await
}

#[tokio::test]
async fn media_are_uploaded_shown_fetched_sent_and_deleted() {
    let meta = Meta::start().await;
    let product = ("messaging_product", None, "whatsapp");
    let (status, body) = upload(&meta, &[product, ("file", Some("text/plain"), "hello")]).await;
    assert_eq!(status, 200, "{body}");
    let id = body["id"].as_str().unwrap().to_owned();
    let (_, shown) = meta.get(&format!("/v25.0/{id}")).await;
    assert_eq!(
        (&shown["mime_type"], &shown["file_size"]),
        (&json!("text/plain"), &json!(5))
    );
    assert_eq!(
        shown["sha256"],
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    let url = shown["url"].as_str().unwrap();
    let fetch = |request: reqwest::RequestBuilder| async { request.send().await.unwrap() };
    assert_eq!(fetch(meta.client.get(url)).await.status(), 401);
    assert_eq!(fetch(meta.client.get(url).bearer_auth(TOKEN)).await.status(), 403);
    let agent = meta
        .client
        .get(url)
        .bearer_auth(TOKEN)
        .header("user-agent", "crm");
    assert_eq!(fetch(agent).await.text().await.unwrap(), "hello");
    meta.open_window(CUSTOMER).await;
    let message =
        json!({"messaging_product": "whatsapp", "to": CUSTOMER, "type": "document", "document": {"id": id}});
    assert_eq!(meta.send(&message).await.0, 200);
    assert_eq!(meta.delete(&format!("/v25.0/{id}")).await.0, 200);
    assert_eq!(meta.refusal(&message).await, (400, 131_009));
}

#[tokio::test]
async fn media_of_unknown_type_or_size_are_refused() {
    let meta = Meta::start().await;
    let product = ("messaging_product", None, "whatsapp");
    let code = |answer: (u16, Value)| answer.1["error"]["code"].as_u64().unwrap();
    assert_eq!(
        code(upload(&meta, &[product, ("file", Some("text/x-odd"), "x")]).await),
        131_053
    );
    let long = "x".repeat(500 * 1_024 + 1);
    assert_eq!(
        code(upload(&meta, &[product, ("file", Some("image/webp"), &long)]).await),
        131_053
    );
    assert_eq!(code(upload(&meta, &[product]).await), 100);
    assert_eq!(
        code(upload(&meta, &[("file", Some("text/plain"), "x")]).await),
        100
    );
}

#[tokio::test]
async fn issued_tokens_work_until_they_are_revoked() {
    let meta = Meta::start().await;
    let url = format!("{}/v25.0/{NUMBER}", meta.url);
    let status = async |token: &str| {
        meta.client
            .get(&url)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(status("EAAown").await, 401);
    meta.post("/_sim/tokens", &json!({"token": "EAAown", "valid": true}))
        .await;
    assert_eq!(status("EAAown").await, 200);
    meta.post("/_sim/tokens", &json!({"token": "EAAown", "valid": false}))
        .await;
    assert_eq!(status("EAAown").await, 401);
    assert_eq!(status(TOKEN).await, 200);
}

#[tokio::test]
async fn a_number_with_a_pin_registers_only_with_that_pin() {
    let meta = Meta::start().await;
    let number = json!({"phone_number_id": "5559", "display_phone_number": "+62 9", "business_account_id": "5558",
        "pin": "123456", "quality_rating": "RED"});
    meta.post("/_sim/numbers", &number).await;
    let register = async |pin: &str| {
        let body = json!({"messaging_product": "whatsapp", "pin": pin});
        meta.post("/v25.0/5559/register", &body).await
    };
    assert_eq!(register("654321").await.1["error"]["code"], 133_005);
    assert_eq!(register("123456").await.0, 200);
    let (_, shown) = meta.get("/v25.0/5559?fields=quality_rating,status").await;
    assert_eq!(
        (&shown["quality_rating"], &shown["status"]),
        (&json!("RED"), &json!("CONNECTED"))
    );
}

#[tokio::test]
async fn people_are_blocked_and_unblocked() {
    let meta = Meta::start().await;
    let path = format!("/v25.0/{NUMBER}/block_users");
    let list = json!({"messaging_product": "whatsapp", "block_users": [{"user": "+62 811"}]});
    let (status, body) = meta.post(&path, &list).await;
    assert_eq!(
        (
            status,
            &body["error"]["code"],
            &body["block_users"]["failed_users"][0]["errors"][0]["code"]
        ),
        (400, &json!(139_100), &json!(131_047)),
        "people who have not written within 24 hours cannot be blocked"
    );
    meta.open_window("62811").await;
    let (status, body) = meta.post(&path, &list).await;
    assert_eq!(
        (status, &body["block_users"]["added_users"][0]["wa_id"]),
        (200, &json!("62811"))
    );
    assert_eq!(meta.get(&path).await.1["data"][0]["wa_id"], "62811");
}
