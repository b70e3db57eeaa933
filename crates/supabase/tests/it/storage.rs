use std::time::Duration;

use serde_json::json;
use supabase::{NewObject, StorageError};

use crate::server::{Scripted, Server};

const OBJECT: NewObject<'_> = NewObject {
    bucket: "chat-media",
    path: "tenant/number/1",
    content_type: "image/png",
    length: Some(3),
};

#[tokio::test]
async fn a_file_goes_in_and_comes_out_with_the_service_key() {
    let server = Server::answering(Scripted::json(200, &json!({"Key": "x"}))).await;
    let supabase = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let storage = supabase.storage();
    storage.upload(&OBJECT, "abc").await.unwrap();
    server.answers_from_now_on(Scripted {
        status: 200,
        body: "abc".to_owned(),
        ..Scripted::default()
    });
    let file = storage.download("chat-media", "tenant/number/1").await.unwrap();
    assert_eq!(file.text().await.unwrap(), "abc");

    let seen = server.seen();
    let lines: Vec<String> = seen
        .iter()
        .map(|r| format!("{} {} {}", r.method, r.uri, r.body))
        .collect();
    assert_eq!(
        lines,
        [
            "POST /storage/v1/object/chat-media/tenant/number/1 abc",
            "GET /storage/v1/object/chat-media/tenant/number/1 ",
        ]
    );
    let upload = &seen[0];
    assert_eq!(upload.header("content-type"), Some("image/png"));
    assert_eq!(upload.header("content-length"), Some("3"));
    assert_eq!(upload.header("x-upsert"), Some("true"));
    assert!(
        seen.iter()
            .all(|r| r.header("apikey") == Some("sb_secret_y") && r.header("authorization").is_none())
    );
}

#[tokio::test]
async fn a_path_cannot_leave_its_bucket() {
    let server = Server::answering(Scripted::json(200, &json!({}))).await;
    let supabase = server.supabase();
    let path = "tenant/a b?c#d%2f";
    supabase.storage().download("chat-media", path).await.unwrap();
    assert_eq!(
        server.only_request().uri,
        "/storage/v1/object/chat-media/tenant/a%20b%3Fc%23d%252f"
    );
}

#[tokio::test]
async fn a_signed_address_is_of_the_project_and_may_name_the_file() {
    let signed = json!({"signedURL": "/object/sign/chat-media/x?token=t"});
    let server = Server::answering(Scripted::json(200, &signed)).await;
    let supabase = server.supabase();
    let lifetime = Duration::from_secs(300);
    let shown = supabase.storage().sign("chat-media", "x", lifetime, None).await;
    let saved = supabase
        .storage()
        .sign("chat-media", "x", lifetime, Some("faktur 1.pdf"))
        .await;
    let base = format!("{}/storage/v1/object/sign/chat-media/x?token=t", server.url);
    assert_eq!(shown.unwrap(), base);
    assert_eq!(saved.unwrap(), format!("{base}&download=faktur+1.pdf"));
    assert!(server.seen().iter().all(|r| r.body == r#"{"expiresIn":300}"#));
}

#[tokio::test]
async fn an_address_to_upload_to_is_of_the_project() {
    let signed = json!({"url": "/object/upload/sign/imports/x?token=t"});
    let server = Server::answering(Scripted::json(200, &signed)).await;
    let supabase = server.supabase();
    let address = supabase.storage().sign_upload("imports", "x").await.unwrap();
    assert_eq!(
        address,
        format!("{}/storage/v1/object/upload/sign/imports/x?token=t", server.url)
    );
    server.answers_from_now_on(Scripted::json(200, &json!({"path": "x"})));
    let unreadable = supabase.storage().sign_upload("imports", "x").await;
    assert!(matches!(unreadable, Err(StorageError::Refused(_))));
}

#[tokio::test]
async fn files_are_removed_by_their_paths() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    server
        .supabase()
        .storage()
        .remove("chat-media", &["a/1", "a/2"])
        .await
        .unwrap();
    let seen = server.only_request();
    assert_eq!(
        format!("{} {} {}", seen.method, seen.uri, seen.body),
        r#"DELETE /storage/v1/object/chat-media {"prefixes":["a/1","a/2"]}"#
    );
}

#[tokio::test]
async fn refusals_are_distinguished_and_quote_no_path() {
    let refusal = |status, code: &str, error: &str| {
        Scripted::json(
            status,
            &json!({"statusCode": code, "error": error, "message": "secret/path is bad"}),
        )
    };
    for (answer, expected) in [
        (refusal(400, "404", "not_found"), "not found"),
        (refusal(404, "404", "Bucket not found"), "not found"),
        (refusal(400, "413", "Payload too large"), "refused"),
        (refusal(403, "403", "Unauthorized"), "refused"),
        (refusal(429, "429", "Too many"), "unavailable"),
        (refusal(503, "503", "down"), "unavailable"),
        (
            Scripted {
                status: 502,
                body: "<html>".to_owned(),
                ..Scripted::default()
            },
            "unavailable",
        ),
    ] {
        let server = Server::answering(answer).await;
        let supabase = server.supabase();
        let error = supabase
            .storage()
            .download("chat-media", "secret/path")
            .await
            .unwrap_err();
        let kind = match &error {
            StorageError::NotFound => "not found",
            StorageError::Refused(_) => "refused",
            StorageError::Unavailable(_) => "unavailable",
        };
        assert_eq!(kind, expected);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
