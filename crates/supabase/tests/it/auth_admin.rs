use serde_json::json;
use supabase::AccessToken;
use supabase::auth::{AuthError, NewUser, UserChanges};
use uuid::Uuid;

use crate::server::{Scripted, Server};

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn user() -> serde_json::Value {
    json!({"id": ID, "email": "a@example.com", "app_metadata": {"provider": "email"}, "user_metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z", "aud": "authenticated"})
}

#[tokio::test]
async fn users_are_created_read_changed_and_removed_with_the_service_key() {
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
    assert_eq!(created.app_metadata["provider"], "email");
    supabase.auth_admin().get_user(id).await.unwrap();
    let changes = UserChanges {
        ban_duration: Some("none".into()),
        ..UserChanges::default()
    };
    supabase.auth_admin().update_user(id, &changes).await.unwrap();
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
            format!("GET /auth/v1/admin/users/{ID} "),
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
async fn users_are_listed_by_page() {
    let answer = Scripted::json(200, &json!({"users": [user()], "aud": "authenticated"}));
    let server = Server::answering(answer.with("x-total-count", "31")).await;
    let page = server.supabase().auth_admin().list_users(2, 10).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 31));
    assert_eq!(
        server.only_request().uri,
        "/auth/v1/admin/users?page=2&per_page=10"
    );
    assert_eq!(
        server.only_request().header("authorization"),
        Some("Bearer service.service.service")
    );
}

#[tokio::test]
async fn signing_out_everywhere_acts_with_the_users_token() {
    let server = Server::answering(Scripted {
        status: 204,
        ..Scripted::default()
    })
    .await;
    let token = AccessToken::parse("user.user.user").unwrap();
    server
        .supabase()
        .auth_admin()
        .sign_out_everywhere(&token)
        .await
        .unwrap();
    let request = server.only_request();
    assert_eq!(
        (request.method.as_str(), request.uri.to_string().as_str()),
        ("POST", "/auth/v1/logout?scope=global")
    );
    assert_eq!(request.header("authorization"), Some("Bearer user.user.user"));
}

#[tokio::test]
async fn refusals_are_told_apart() {
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
