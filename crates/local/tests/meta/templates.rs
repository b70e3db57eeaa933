//! Tests of creating, listing, reviewing and deleting templates.

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
async fn lists_are_paged_by_cursor() {
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

/// An edit of an approved template.
fn edit(text: &str) -> Value {
    json!({"components": [{"type": "BODY", "text": text}]})
}

#[tokio::test]
async fn an_edit_is_reviewed_again() {
    let mut meta = Meta::start().await;
    meta.settings(&json!({"template_review_ms": 0})).await;
    let (_, created) = meta.post(&path(), &new("ready", "id")).await;
    let place = format!("/v25.0/{}", created["id"].as_str().unwrap());
    assert_eq!(meta.receiver.next().await.value()["event"], "APPROVED");
    let (status, body) = meta.post(&place, &edit("Pesanan Anda siap diambil.")).await;
    assert_eq!((status, body), (200, json!({"success": true})));
    assert_eq!(meta.receiver.next().await.value()["event"], "PENDING");
    assert_eq!(meta.receiver.next().await.value()["event"], "APPROVED");
    let (_, shown) = meta.get(&place).await;
    assert_eq!(shown["components"][0]["text"], "Pesanan Anda siap diambil.");
    assert_eq!(shown["id"], created["id"]);
}

#[tokio::test]
async fn edits_have_their_limits() {
    let meta = Meta::start().await;
    meta.settings(&json!({"template_review_ms": 0})).await;
    let edited = |id: &str, body: Value| {
        let place = format!("/v25.0/{id}");
        let meta = &meta;
        async move { meta.post(&place, &body).await }
    };
    // "waiting" is under review, "disabled" is disabled, "promo" is approved, "paused" is paused.
    for id in ["777", "778"] {
        assert_eq!(
            edited(id, edit("Halo semua")).await.1["error"]["error_subcode"],
            2_388_039,
            "{id}"
        );
    }
    let category = json!({"category": "UTILITY"});
    assert_eq!(
        edited("775", category.clone()).await.1["error"]["error_subcode"],
        2_388_039
    );
    assert_eq!(
        edited("776", category).await.0,
        200,
        "the category of a paused template can be changed"
    );
    let wrong = edit("{{1}} sudah siap untuk diambil di toko kami");
    assert_eq!(edited("775", wrong).await.1["error"]["error_subcode"], 2_388_299);
    assert_eq!(edited("775", json!({})).await.0, 400);

    assert_eq!(edited("775", edit("Halo semua")).await.0, 200);
    meta.becomes_approved("775").await;
    assert_eq!(
        edited("775", edit("Halo lagi")).await.1["error"]["error_subcode"],
        2_388_039
    );
    meta.clock.advance(24 * 60 * 60 * 1_000);
    assert_eq!(edited("775", edit("Halo lagi")).await.0, 200);
}

#[tokio::test]
async fn a_sample_is_uploaded_and_referenced_by_its_handle() {
    let meta = Meta::start().await;
    let begin = "/v25.0/9/uploads?file_name=a.png&file_length=4&file_type=image/png";
    let (status, session) = meta.post(begin, &json!({})).await;
    assert_eq!(status, 200, "{session}");
    let place = format!("{}/v25.0/{}", meta.url, session["id"].as_str().unwrap());
    let upload = |scheme: &str, bytes: &'static [u8]| {
        let request = meta
            .client
            .post(&place)
            .header("authorization", format!("{scheme} {}", crate::simulator::TOKEN))
            .header("file_offset", "0")
            .body(bytes);
        meta.send_request(request)
    };
    assert_eq!(upload("Bearer", b"1234").await.0, 401);
    assert_eq!(upload("OAuth", b"12345").await.0, 400);
    let (status, uploaded) = upload("OAuth", b"1234").await;
    assert_eq!(status, 200, "{uploaded}");
    assert_eq!(
        upload("OAuth", b"1234").await.0,
        400,
        "the session can be used only once"
    );
    for wrong in [
        "/v25.0/8/uploads?file_name=a.png&file_length=4&file_type=image/png",
        "/v25.0/9/uploads?file_name=a.png&file_length=4&file_type=image/webp",
        "/v25.0/9/uploads?file_name=a.png&file_length=0&file_type=image/png",
        "/v25.0/9/uploads?file_length=4&file_type=image/png",
    ] {
        assert_eq!(meta.post(wrong, &json!({})).await.0, 400, "{wrong}");
    }

    let with_image = |name: &str, handle: &Value| {
        let mut template = new(name, "id");
        let header = json!({"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [handle]}});
        template["components"].as_array_mut().unwrap().insert(0, header);
        template
    };
    let (_, created) = meta.post(&path(), &with_image("pictured", &uploaded["h"])).await;
    let (_, shown) = meta
        .get(&format!("/v25.0/{}", created["id"].as_str().unwrap()))
        .await;
    let address = &shown["components"][0]["example"]["header_handle"][0];
    assert!(address.as_str().unwrap().starts_with("https://"), "{shown}");
    for handle in [address, &json!("4::made-up")] {
        let (status, body) = meta.post(&path(), &with_image("other", handle)).await;
        assert_eq!(
            (status, &body["error"]["error_subcode"]),
            (400, &json!(2_494_102))
        );
    }
}

#[tokio::test]
async fn a_paused_template_can_be_reactivated() {
    let mut meta = Meta::start().await;
    let (status, body) = meta.post("/v25.0/776/unpause", &json!({})).await;
    assert_eq!((status, body), (200, json!({"success": true})));
    assert_eq!(meta.receiver.next().await.value()["event"], "APPROVED");
    let (status, body) = meta.post("/v25.0/776/unpause", &json!({})).await;
    assert_eq!((status, &body["success"]), (200, &json!(false)));
}

#[tokio::test]
async fn a_language_is_deleted_by_id_and_a_disabled_template_is_not() {
    let meta = Meta::start().await;
    let (_, kept) = meta.post(&path(), &new("ready", "id")).await;
    let (_, gone) = meta.post(&path(), &new("ready", "en_US")).await;
    let by_id = |id: &str| format!("{}?name=ready&hsm_id={id}", path());
    assert_eq!(meta.delete(&by_id(gone["id"].as_str().unwrap())).await.0, 200);
    assert_eq!(meta.delete(&by_id(gone["id"].as_str().unwrap())).await.0, 400);
    let (_, rows) = meta.get(&format!("{}?name=ready", path())).await;
    assert_eq!(rows["data"][0]["id"], kept["id"]);
    assert_eq!(meta.delete(&format!("{}?name=disabled", path())).await.0, 400);
}

#[tokio::test]
async fn a_rejection_has_a_reason() {
    let mut meta = Meta::start().await;
    let mut rejected = crate::simulator::template("waiting", "REJECTED", "Halo");
    rejected["rejected_reason"] = json!("PROMOTIONAL");
    rejected["quality_score"] = json!("RED");
    meta.post("/_sim/templates", &rejected).await;
    let webhook = meta.receiver.next().await.value();
    assert_eq!(
        (&webhook["event"], &webhook["reason"]),
        (&json!("REJECTED"), &json!("PROMOTIONAL"))
    );
    let (_, shown) = meta.get("/v25.0/777").await;
    assert_eq!(shown["rejected_reason"], "PROMOTIONAL");
    assert_eq!(shown["quality_score"]["score"], "RED");
}
