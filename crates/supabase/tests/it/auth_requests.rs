use serde_json::json;
use supabase::AccessToken;
use supabase::auth::AuthError;

use crate::server::{Scripted, Server};

#[tokio::test]
async fn mails_are_asked_for_with_the_service_key() {
    let server = Server::answering(Scripted::json(200, &json!({}))).await;
    let supabase = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let mails = supabase.auth_mails();
    mails
        .send_invitation("a@example.com", "https://crm.example/?invitation=t")
        .await
        .unwrap();
    mails
        .send_sign_in_link("a@example.com", "https://crm.example")
        .await
        .unwrap();

    let seen = server.seen();
    let lines: Vec<String> = seen
        .iter()
        .map(|r| format!("{} {} {}", r.method, r.uri, r.body))
        .collect();
    assert_eq!(
        lines,
        [
            "POST /auth/v1/invite?redirect_to=https%3A%2F%2Fcrm.example%2F%3Finvitation%3Dt \
             {\"data\":{},\"email\":\"a@example.com\"}",
            "POST /auth/v1/otp?redirect_to=https%3A%2F%2Fcrm.example {\"create_user\":false,\"email\":\"a@example.com\"}",
        ]
    );
    assert!(
        seen.iter()
            .all(|r| r.header("apikey") == Some("sb_secret_y") && r.header("authorization").is_none())
    );
}

#[tokio::test]
async fn a_password_is_set_with_the_token_of_its_owner() {
    let server = Server::answering(Scripted::json(200, &json!({}))).await;
    let supabase = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let token = AccessToken::parse("aaa.bbb.ccc").unwrap();
    supabase
        .account(&token)
        .set_password("a-new-password")
        .await
        .unwrap();

    let seen = server.seen();
    let request = seen.first().unwrap();
    assert_eq!(request.uri.to_string(), "/auth/v1/user");
    assert_eq!(request.body, r#"{"password":"a-new-password"}"#);
    assert_eq!(request.header("apikey"), Some("sb_publishable_x"));
    assert_eq!(request.header("authorization"), Some("Bearer aaa.bbb.ccc"));
}

#[tokio::test]
async fn refusals_are_distinguished() {
    type IsExpected = fn(&AuthError) -> bool;
    let table: [(u16, &str, IsExpected); 11] = [
        (422, "email_exists", |e| matches!(e, AuthError::EmailTaken(_))),
        (404, "user_not_found", |e| matches!(e, AuthError::NotFound(_))),
        (
            422,
            "weak_password",
            |e| matches!(e, AuthError::WeakPassword { message } if message == "why"),
        ),
        (422, "same_password", |e| matches!(e, AuthError::SamePassword(_))),
        (403, "session_not_found", |e| matches!(e, AuthError::SignedOut(_))),
        (401, "insufficient_aal", |e| matches!(e, AuthError::SignedOut(_))),
        (429, "over_email_send_rate_limit", |e| {
            matches!(e, AuthError::MailedBefore(_))
        }),
        (400, "validation_failed", |e| matches!(e, AuthError::Invalid(_))),
        (429, "over_request_rate_limit", |e| {
            matches!(e, AuthError::RateLimited(_))
        }),
        (500, "unexpected_failure", |e| {
            matches!(e, AuthError::Unavailable(_))
        }),
        (403, "not_admin", |e| matches!(e, AuthError::Unexpected(_))),
    ];
    for (status, code, is_expected) in table {
        let body = json!({"code": status, "error_code": code, "msg": "why"});
        let server = Server::answering(Scripted::json(status, &body)).await;
        let error = server
            .supabase()
            .auth_mails()
            .send_invitation("a@example.com", "https://crm.example")
            .await
            .unwrap_err();
        assert!(is_expected(&error), "{code}: {error:?}");
        assert!(error.source_text().contains("why"));
    }
}
