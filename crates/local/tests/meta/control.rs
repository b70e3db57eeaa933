//! Tests of the ledger, faults, raw webhooks and the reset.

use serde_json::{Value, json};

use crate::simulator::{CUSTOMER, Meta, NUMBER, OTHER_NUMBER, PATIENCE, promo, template, text};

#[tokio::test]
async fn the_ledger_lists_accepted_messages_in_order() {
    let meta = Meta::start().await;
    let mut first = promo("6281200000001");
    first["biz_opaque_callback_data"] = json!("m-1");
    let wamid = meta.send(&first).await.1["messages"][0]["id"].clone();
    meta.send(&promo("6281200000002")).await;
    meta.send(&promo("6281200000001")).await;
    meta.send(&text("6281200000001")).await;
    meta.becomes_idle().await;
    let (_, ledger) = meta.get("/_sim/ledger?to=6281200000001").await;
    assert_eq!(
        (&ledger["total"], ledger["entries"].as_array().unwrap().len()),
        (&json!(2), 2)
    );
    let entry = &ledger["entries"][0];
    assert_eq!(
        (&entry["wamid"], &entry["phone_number_id"]),
        (&wamid, &json!(NUMBER))
    );
    assert_eq!(
        (&entry["type"], &entry["template"]),
        (&json!("template"), &json!("promo"))
    );
    assert_eq!(
        (&entry["biz_opaque_callback_data"], &entry["payload"]),
        (&json!("m-1"), &first)
    );
    assert_eq!(entry["accepted_at"], "2026-11-22T10:00:00.000Z");
    assert_eq!(entry["statuses"].as_array().unwrap().len(), 3);
    let (_, page) = meta.get("/_sim/ledger?offset=1&limit=1").await;
    assert_eq!(
        (&page["total"], &page["entries"][0]["to"]),
        (&json!(3), &json!("6281200000002"))
    );
    let summary = meta.summary().await;
    assert_eq!(summary["refused"], json!({"131047": 1}));
    assert_eq!(
        (&summary["accepted"], &summary["recipients"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(
        (&summary["duplicates"], &summary["max_per_recipient"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(
        meta.get(&format!("/_sim/ledger?phone_number_id={OTHER_NUMBER}"))
            .await
            .1["total"],
        0
    );
    assert_eq!(meta.get("/_sim/ledger?limit=x").await.0, 400);
}

#[tokio::test]
async fn the_same_callback_data_to_the_same_recipient_is_a_duplicate() {
    let meta = Meta::start().await;
    let mut message = promo(CUSTOMER);
    message["biz_opaque_callback_data"] = json!("m-1");
    meta.send(&message).await;
    meta.send(&message).await;
    assert_eq!(meta.summary().await["duplicates"], 1);
}

#[tokio::test]
async fn an_error_fault_accepts_nothing_and_is_counted() {
    let meta = Meta::start().await;
    meta.fault(&json!({"kind": "error_code", "code": 131_000, "times": 1, "is_transient": true}))
        .await;
    let (status, body) = meta.send(&promo(CUSTOMER)).await;
    assert_eq!((status, &body["error"]["code"]), (500, &json!(131_000)));
    assert_eq!(body["error"]["is_transient"], true);
    assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
    let summary = meta.summary().await;
    assert_eq!(
        (&summary["accepted"], &summary["refused"]),
        (&json!(1), &json!({"131000": 1}))
    );
}

#[tokio::test]
async fn a_bare_http_status_has_no_graph_body() {
    let meta = Meta::start().await;
    meta.fault(&json!({"kind": "http_status", "status": 503, "to": CUSTOMER}))
        .await;
    assert_eq!(meta.send(&promo("6281200000001")).await.0, 200);
    assert_eq!(meta.send(&promo(CUSTOMER)).await, (503, Value::Null));
    assert_eq!(meta.delete("/_sim/faults").await.0, 200);
    assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
    assert_eq!(meta.summary().await["refused"], json!({"http_503": 1}));
}

#[tokio::test]
async fn a_message_with_a_dropped_answer_is_accepted_and_gets_statuses() {
    let mut meta = Meta::start().await;
    meta.fault(&json!({"kind": "accept_then_drop", "times": 1})).await;
    let url = format!("{}/v25.0/{NUMBER}/messages", meta.url);
    let request = meta
        .client
        .post(url)
        .bearer_auth(crate::simulator::TOKEN)
        .json(&promo("62812000000"));
    let error = request.send().await.unwrap_err();
    assert!(error.is_request(), "{error}");
    assert_eq!(
        meta.receiver.next().await.value()["statuses"][0]["status"],
        "failed"
    );
    let (_, ledger) = meta.get("/_sim/ledger").await;
    assert_eq!(
        (&ledger["total"], &ledger["entries"][0]["answer"]),
        (&json!(1), &json!("dropped"))
    );
}

#[tokio::test]
async fn a_malformed_answer_is_200_without_json() {
    let meta = Meta::start().await;
    meta.fault(&json!({"kind": "malformed"})).await;
    assert_eq!(meta.send(&promo(CUSTOMER)).await, (200, Value::Null));
    assert_eq!(meta.summary().await["accepted"], 1);
}

#[tokio::test]
async fn a_timeout_fault_accepts_only_if_configured() {
    let meta = Meta::start().await;
    for (accept, accepted, refused) in [(false, json!(0), json!(1)), (true, json!(1), json!(1))] {
        meta.fault(&json!({"kind": "timeout", "times": 1, "accept": accept}))
            .await;
        let url = format!("{}/v25.0/{NUMBER}/messages", meta.url);
        let request = meta
            .client
            .post(url)
            .bearer_auth(crate::simulator::TOKEN)
            .json(&promo(CUSTOMER));
        let mut asked = tokio::spawn(request.send());
        let decided = async {
            while meta.summary().await["accepted"] != accepted
                || meta.summary().await["refused"]["timeout"] != refused
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, decided)
            .await
            .expect("the simulator decides");
        let answer = tokio::time::timeout(std::time::Duration::from_millis(200), &mut asked).await;
        assert!(answer.is_err(), "{answer:?}");
        asked.abort();
    }
}

#[tokio::test]
async fn a_failed_status_can_be_injected() {
    let mut meta = Meta::start().await;
    meta.fault(&json!({"kind": "failed_status", "code": 131_049, "to": CUSTOMER}))
        .await;
    assert_eq!(meta.send(&promo(CUSTOMER)).await.0, 200);
    let status = meta.receiver.next().await.value()["statuses"][0].clone();
    assert_eq!(
        (&status["status"], &status["errors"][0]["code"]),
        (&json!("failed"), &json!(131_049))
    );
}

#[tokio::test]
async fn invalid_faults_and_settings_are_400() {
    let meta = Meta::start().await;
    for fault in [
        json!({"kind": "error_code"}),
        json!({"kind": "explode"}),
        json!({"kind": "timeout", "tims": 1}),
    ] {
        let (status, body) = meta.post("/_sim/faults", &fault).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (400, &json!("invalid_request")),
            "{fault}"
        );
    }
    assert_eq!(meta.put("/_sim/settings", &json!({"read_ratio": 2})).await.0, 400);
}

#[tokio::test]
async fn a_raw_body_is_posted_unchanged() {
    let mut meta = Meta::start().await;
    meta.receiver.answers(&[202]);
    let (_, answer) = meta.post("/_sim/webhooks", &json!({"any": "thing/@"})).await;
    assert_eq!(answer["status"], 202);
    let webhook = meta.receiver.next().await;
    assert_eq!(webhook.body, r#"{"any":"thing/@"}"#);
    assert!(webhook.signature.starts_with("sha256="));
}

#[tokio::test]
async fn the_webhook_can_be_verified() {
    let meta = Meta::start().await;
    assert_eq!(
        meta.post("/_sim/webhooks/verification", &json!({})).await.1["verified"],
        true
    );
}

#[tokio::test]
async fn a_reset_clears_ledger_faults_settings_rates_and_waiting_webhooks() {
    let mut meta = Meta::start().await;
    meta.open_window(CUSTOMER).await;
    meta.settings(&json!({"webhook_delay_ms": {"sent": 600_000}, "throughput": 1}))
        .await;
    meta.fault(&json!({"kind": "timeout", "to": "6281200000009"}))
        .await;
    assert_eq!(meta.send(&text(CUSTOMER)).await.0, 200);
    assert_eq!(meta.get("/_sim/idle").await.1["pending_webhooks"], 3);
    assert_eq!(meta.post("/_sim/reset", &json!({})).await.0, 200);
    let summary = meta.summary().await;
    assert_eq!(
        (&summary["accepted"], &summary["webhooks"]["pending"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(meta.get("/_sim/settings").await.1["webhook_delay_ms"]["sent"], 0);
    assert_eq!(meta.get("/_sim/faults").await.1["faults"], json!([]));
    assert!(meta.receiver.is_empty());
    assert_eq!(meta.send(&text(CUSTOMER)).await.0, 200);
    assert_eq!(meta.post("/_sim/reset", &json!({"windows": true})).await.0, 200);
    assert_eq!(meta.refusal(&text(CUSTOMER)).await, (400, 131_047));
}

#[tokio::test]
async fn a_webhook_in_progress_at_a_reset_is_not_redelivered() {
    let mut meta = Meta::start().await;
    meta.receiver.hold_answers();
    meta.send(&promo("62812000000")).await;
    meta.receiver.next().await;
    assert_eq!(meta.post("/_sim/reset", &json!({})).await.0, 200);
    meta.settings(&json!({"redelivery_ms": [1]})).await;
    meta.receiver.answers(&[500]);
    meta.receiver.answer_again();
    let fails = async {
        while meta.summary().await["webhooks"]["failed"] == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, fails)
        .await
        .expect("the webhook fails");
    meta.send(&promo("62813000000")).await;
    assert_eq!(
        meta.receiver.next().await.value()["statuses"][0]["recipient_id"],
        "62813000000"
    );
    meta.becomes_idle().await;
    assert!(meta.receiver.is_empty());
    assert_eq!(
        meta.summary().await["webhooks"],
        json!({"sent": 1, "failed": 1, "pending": 0})
    );
}

#[tokio::test]
async fn numbers_and_templates_can_be_added() {
    let mut meta = Meta::start().await;
    let number =
        json!({"phone_number_id": "55", "display_phone_number": "+1 555 0100", "business_account_id": "66"});
    assert_eq!(meta.post("/_sim/numbers", &number).await.0, 200);
    let (status, body) = meta.post("/v25.0/55/messages", &promo(CUSTOMER)).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!(132_001)));
    let mut added = template("promo", "APPROVED", "Halo {{1}}, ada promo untuk Anda.");
    added["business_account_id"] = json!("66");
    added.as_object_mut().unwrap().remove("id");
    let (_, kept) = meta.post("/_sim/templates", &added).await;
    assert!(!kept["id"].as_str().unwrap().is_empty());
    assert_eq!(meta.post("/v25.0/55/messages", &promo(CUSTOMER)).await.0, 200);
    meta.becomes_idle().await;
    while !meta.receiver.is_empty() {
        meta.receiver.next().await;
    }
    added["status"] = json!("PAUSED");
    meta.post("/_sim/templates", &added).await;
    let webhook = meta.receiver.next().await;
    assert_eq!(
        webhook.json()["entry"][0]["changes"][0]["field"],
        "message_template_status_update"
    );
    assert_eq!(webhook.value()["event"], "PAUSED");
}

#[tokio::test]
async fn a_changed_number_keeps_its_windows() {
    let meta = Meta::start().await;
    meta.open_window(CUSTOMER).await;
    let number = json!({"phone_number_id": NUMBER, "display_phone_number": "+62 811-1000-0001",
        "business_account_id": crate::simulator::ACCOUNT, "verified_name": "Toko Baru"});
    assert_eq!(meta.post("/_sim/numbers", &number).await.0, 200);
    assert_eq!(
        meta.get(&format!("/v25.0/{NUMBER}")).await.1["verified_name"],
        "Toko Baru"
    );
    assert_eq!(meta.send(&text(CUSTOMER)).await.0, 200);
}
