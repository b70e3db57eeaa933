//! Creating, listing, reviewing and deleting templates.

use serde_json::{Value, json};

use crate::simulator::{ACCOUNT, Meta};

fn path() -> String {
    format!("/v25.0/{ACCOUNT}/message_templates")
}

fn new(name: &str, language: &str) -> Value {
    json!({"name": name, "language": language, "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Pesanan Anda sudah siap."}]})
}

#[tokio::test]
async fn a_new_template_is_pending_until_its_review() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"template_review_ms": 0})).await;
    let (status, created) = meta.post(&path(), &new("ready", "id")).await;
    assert_eq!(
        (status, &created["status"], &created["category"]),
        (200, &json!("PENDING"), &json!("UTILITY"))
    );
    let webhook = meta.receiver.next().await;
    let body = webhook.json();
    assert_eq!(body["entry"][0]["id"], ACCOUNT);
    assert_eq!(
        body["entry"][0]["changes"][0]["field"],
        "message_template_status_update"
    );
    let id: u64 = created["id"].as_str().unwrap().parse().unwrap();
    let expected = json!({"event": "APPROVED", "message_template_id": id, "message_template_name": "ready",
        "message_template_language": "id", "message_template_category": "UTILITY", "reason": "NONE"});
    assert_eq!(webhook.value(), expected);
    let (_, shown) = meta.get(&format!("/v25.0/{id}")).await;
    assert_eq!(shown["status"], "APPROVED");
}

#[tokio::test]
async fn a_name_exists_once_in_each_language() {
    let meta = Meta::start().await;
    assert_eq!(meta.post(&path(), &new("ready", "id")).await.0, 200);
    assert_eq!(meta.post(&path(), &new("ready", "en_US")).await.0, 200);
    let (status, body) = meta.post(&path(), &new("ready", "id")).await;
    assert_eq!(
        (status, &body["error"]["error_subcode"]),
        (400, &json!(2_388_024))
    );
}

#[tokio::test]
async fn a_wrong_template_is_refused_with_an_explanation() {
    let meta = Meta::start().await;
    let mut wrong = new("ready", "id");
    wrong["components"][0]["text"] = json!("{{1}} sudah siap untuk diambil di toko kami");
    let (status, body) = meta.post(&path(), &wrong).await;
    assert_eq!(
        (status, &body["error"]["error_subcode"]),
        (400, &json!(2_388_299))
    );
    assert!(body["error"]["error_user_msg"].is_string());
}

#[tokio::test]
async fn lists_are_walked_by_cursor() {
    let meta = Meta::start().await;
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let (_, page) = meta.get(&format!("{}?limit=2&fields=name{after}", path())).await;
        let rows = page["data"].as_array().unwrap();
        assert!(
            rows.len() <= 2 && rows.iter().all(|row| row.as_object().unwrap().len() == 2),
            "{page}"
        );
        names.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        if page["paging"].get("next").is_none() {
            break;
        }
        after = format!("&after={}", page["paging"]["cursors"]["after"].as_str().unwrap());
    }
    assert_eq!(names, ["promo", "paused", "disabled", "waiting", "named"]);
    let (_, approved) = meta.get(&format!("{}?status=approved", path())).await;
    assert_eq!(approved["data"].as_array().unwrap().len(), 2);
    let (status, body) = meta.get(&format!("{}?after=nonsense", path())).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(131_059)));
}

#[tokio::test]
async fn deleting_a_name_deletes_all_its_languages() {
    let meta = Meta::start().await;
    meta.post(&path(), &new("ready", "id")).await;
    meta.post(&path(), &new("ready", "en_US")).await;
    assert_eq!(
        meta.delete(&format!("{}?name=ready", path())).await,
        (200, json!({"success": true}))
    );
    assert_eq!(
        meta.get(&format!("{}?name=ready", path())).await.1["data"],
        json!([])
    );
    assert_eq!(meta.delete(&format!("{}?name=ready", path())).await.0, 400);
}
