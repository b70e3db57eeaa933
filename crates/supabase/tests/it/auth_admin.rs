use serde_json::json;
use supabase::auth::{AuthError, NewUser};
use uuid::Uuid;

use crate::server::{Scripted, Server};

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn user() -> serde_json::Value {
    json!({"id": ID, "email": "a@example.com", "app_metadata": {"provider": "email"}, "user_metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z", "aud": "authenticated"})
}

#[tokio::test]
async fn users_are_created_banned_and_removed_with_the_service_key() {
    let server = Server::answering(Scripted::json(200, &user())).await;
    let supabase = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let id: Uuid = ID.parse().unwrap();

    let new = NewUser {
        email: "a@example.com".into(),
        email_confirm: true,
        ..NewUser::default()
    };
    let created = supabase.auth_admin().create_user(&new).await.unwrap();
    assert_eq!(created.id, id);
    supabase.auth_admin().ban_user(id, "none").await.unwrap();
    supabase.auth_admin().delete_user(id).await.unwrap();

    let seen = server.seen();
    let lines: Vec<String> = seen
        .iter()
        .map(|r| format!("{} {} {}", r.method, r.uri, r.body))
        .collect();
    assert_eq!(
        lines,
        [
            r#"POST /auth/v1/admin/users {"email":"a@example.com","email_confirm":true}"#.to_owned(),
            format!(r#"PUT /auth/v1/admin/users/{ID} {{"ban_duration":"none"}}"#),
            format!("DELETE /auth/v1/admin/users/{ID} "),
        ]
    );
    assert!(
        seen.iter()
            .all(|r| r.header("apikey") == Some("sb_secret_y") && r.header("authorization").is_none())
    );
}

#[tokio::test]
async fn refusals_are_distinguished() {
    type IsExpected = fn(&AuthError) -> bool;
    let table: [(u16, &str, IsExpected); 7] = [
        (422, "email_exists", |e| matches!(e, AuthError::EmailTaken(_))),
        (404, "user_not_found", |e| matches!(e, AuthError::NotFound(_))),
        (
            422,
            "weak_password",
            |e| matches!(e, AuthError::WeakPassword { message } if message == "why"),
        ),
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
            .auth_admin()
            .create_user(&NewUser::default())
            .await
            .unwrap_err();
        assert!(is_expected(&error), "{code}: {error:?}");
        assert!(error.source_text().contains("why"));
    }
}
