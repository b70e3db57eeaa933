//! Tests of the state that survives a restart.

use serde_json::json;

use crate::simulator::{ACCOUNT, CUSTOMER, Meta, NUMBER, text};

#[tokio::test]
async fn windows_numbers_templates_and_subscriptions_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meta.json");
    let first = Meta::start_with(Some(file.clone())).await;
    let said = json!({"phone_number_id": NUMBER, "from": CUSTOMER, "text": "Halo?"});
    let received = first.post("/_sim/customer/messages", &said).await.1["wamid"].clone();
    first.open_window("6281200000001").await;
    let closed = json!({"phone_number_id": NUMBER, "contact": "6281200000001", "open": false});
    first.post("/_sim/windows", &closed).await;
    let number =
        json!({"phone_number_id": "55", "display_phone_number": "+1 555 0100", "business_account_id": "66"});
    first.post("/_sim/numbers", &number).await;
    let templates = format!("/v25.0/{ACCOUNT}/message_templates");
    let new = json!({"name": "ready", "language": "id", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Pesanan Anda sudah siap."}]});
    first.post(&templates, &new).await;
    first.delete(&format!("{templates}?name=promo")).await;
    first.delete("/v25.0/66/subscribed_apps").await;
    let wamid = first.send(&text(CUSTOMER)).await.1["messages"][0]["id"].clone();
    drop(first);

    for _ in 0..2 {
        let again = Meta::start_with(Some(file.clone())).await;
        let (status, sent) = again.send(&text(CUSTOMER)).await;
        assert_eq!(status, 200);
        assert_ne!(sent["messages"][0]["id"], wamid);
        let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": received});
        assert_eq!(again.send(&read).await.0, 200);
        assert_eq!(again.refusal(&text("6281200000001")).await, (400, 131_047));
        assert_eq!(again.get("/v25.0/55").await.0, 200);
        assert_eq!(again.get("/v25.0/66/subscribed_apps").await.1["data"], json!([]));
        let (_, list) = again.get(&templates).await;
        let names: Vec<_> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["paused", "disabled", "waiting", "named", "ready"]);
        again.clock.advance(24 * 3_600_000);
        assert_eq!(again.refusal(&text(CUSTOMER)).await, (400, 131_047));
    }
}
