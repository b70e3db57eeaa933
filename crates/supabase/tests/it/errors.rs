use std::time::Duration;

use serde_json::{Value, json};
use supabase::{AccessToken, Config, DatabaseError, Supabase};
use tokio::net::TcpListener;

use crate::server::{ANON_JWT, SERVICE_JWT, Scripted, Server, client_builder};

fn name(error: &DatabaseError) -> &'static str {
    match error {
        DatabaseError::Unauthorized(_) => "unauthorized",
        DatabaseError::Forbidden(_) => "forbidden",
        DatabaseError::NotFound(_) => "not found",
        DatabaseError::Refused { .. } => "refused",
        DatabaseError::Conflict { .. } => "conflict",
        DatabaseError::Invalid(_) => "invalid",
        DatabaseError::Retryable(_) => "retryable",
        DatabaseError::Unavailable(_) => "unavailable",
        DatabaseError::Unexpected(_) => "unexpected",
    }
}

async fn as_user(status: u16, body: Value) -> DatabaseError {
    let server = Server::answering(Scripted::json(status, &body)).await;
    let token = AccessToken::parse("a.b.c").unwrap();
    server
        .supabase()
        .as_user(&token)
        .rpc::<Value>("f", &json!({}))
        .await
        .unwrap_err()
}

async fn as_service(status: u16, body: Value) -> DatabaseError {
    let server = Server::answering(Scripted::json(status, &body)).await;
    server
        .supabase()
        .as_service()
        .rpc::<Value>("f", &json!({}))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn codes_are_sorted_by_what_a_caller_can_do() {
    let table = [
        (401, "PGRST301", "unauthorized"),
        (401, "PGRST302", "unauthorized"),
        (401, "PGRST303", "unauthorized"),
        (401, "42501", "forbidden"),
        (403, "42501", "forbidden"),
        (406, "PGRST116", "not found"),
        (404, "PGRST202", "unexpected"),
        (404, "PGRST205", "unexpected"),
        (404, "42P01", "unexpected"),
        (404, "42883", "unexpected"),
        (409, "23505", "conflict"),
        (409, "23503", "invalid"),
        (400, "23514", "invalid"),
        (400, "23502", "invalid"),
        (400, "22P02", "invalid"),
        (400, "22001", "invalid"),
        (400, "PGRST100", "invalid"),
        (400, "PGRST102", "invalid"),
        (400, "PGRST204", "invalid"),
        (400, "P0001", "unexpected"),
        (400, "42703", "unexpected"),
        (500, "40001", "retryable"),
        (500, "40P01", "retryable"),
        (500, "55P03", "retryable"),
        (500, "57014", "unavailable"),
        (503, "57P01", "unavailable"),
        (503, "53300", "unavailable"),
        (503, "08006", "unavailable"),
        (503, "PGRST000", "unavailable"),
        (503, "PGRST002", "unavailable"),
        (504, "PGRST003", "unavailable"),
        (500, "XX000", "unexpected"),
    ];
    for (status, code, expected) in table {
        let error = as_user(
            status,
            json!({"code": code, "message": "m", "details": null, "hint": null}),
        )
        .await;
        assert_eq!(name(&error), expected, "{status} {code}: {error:?}");
    }
}

#[tokio::test]
async fn answers_from_other_servers_are_read_by_their_status() {
    for (status, expected) in [
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not found"),
        (429, "unavailable"),
        (500, "unavailable"),
        (502, "unavailable"),
        (504, "unavailable"),
        (400, "unexpected"),
        (302, "unexpected"),
    ] {
        let html = Scripted {
            status,
            body: "<html>".into(),
            ..Scripted::default()
        };
        let server = Server::answering(html).await;
        let token = AccessToken::parse("a.b.c").unwrap();
        let error = server
            .supabase()
            .as_user(&token)
            .rpc::<Value>("f", &json!({}))
            .await
            .unwrap_err();
        assert_eq!(name(&error), expected, "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_refused_service_key_is_not_a_fault_of_the_user() {
    let error = as_service(
        401,
        json!({"message": "Invalid API key", "hint": "Double check your key"}),
    )
    .await;
    assert_eq!(name(&error), "unexpected");
    let error = as_service(401, json!({"code": "PGRST301", "message": "JWT invalid"})).await;
    assert_eq!(name(&error), "unexpected");
}

#[tokio::test]
async fn our_own_refusals_arrive_completely() {
    let body =
        json!({"code": "PT422", "message": "The name is taken.", "details": "name_taken", "hint": "name"});
    match as_user(422, body).await {
        DatabaseError::Refused {
            status,
            code,
            message,
            field,
        } => {
            assert_eq!(
                (status, &*code, &*message),
                (422, "name_taken", "The name is taken.")
            );
            assert_eq!(field.as_deref(), Some("name"));
        }
        other => panic!("{other:?}"),
    }
    // Some servers in front of Postgres do not turn the SQLSTATE into a status.
    match as_user(
        400,
        json!({"code": "PT409", "message": "No.", "details": null, "hint": null}),
    )
    .await
    {
        DatabaseError::Refused {
            status, code, field, ..
        } => {
            assert_eq!((status, &*code, field), (409, "refused", None));
        }
        other => panic!("{other:?}"),
    }
    // A refusal cannot have any of these statuses.
    for code in ["PT200", "PT9", "PTxyz", "PT999"] {
        assert_eq!(
            name(&as_user(400, json!({"code": code, "message": "m"})).await),
            "unexpected",
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_conflict_names_its_constraint() {
    let duplicate = json!({
        "code": "23505",
        "message": "duplicate key value violates unique constraint \"contacts_wa_id_key\"",
        "details": "Key (wa_id)=(628110001) already exists.",
        "hint": null,
    });
    let DatabaseError::Conflict { constraint, .. } = as_user(409, duplicate).await else {
        panic!("conflict")
    };
    assert_eq!(constraint.as_deref(), Some("contacts_wa_id_key"));

    let referenced = json!({
        "code": "23503",
        "message": "update or delete on table \"a\" violates foreign key constraint \"b_a_fkey\" on table \"b\"",
        "details": "Key (id)=(1) is still referenced from table \"b\".",
    });
    let DatabaseError::Conflict { constraint, .. } = as_user(409, referenced).await else {
        panic!("conflict")
    };
    assert_eq!(constraint.as_deref(), Some("b_a_fkey"));
}

#[tokio::test]
async fn database_text_is_for_logs_only() {
    let body = json!({"code": "23505", "message": "secret text", "details": "secret detail"});
    let error = as_user(409, body).await;
    assert_eq!(error.to_string(), "it conflicts with what is already there");
    assert_eq!(error.source_text(), "HTTP 409: 23505: secret text");
}

#[tokio::test]
async fn the_log_contains_no_values() {
    for (message, logged) in [
        (
            "invalid input syntax for type bigint: \"6281234567\"",
            "HTTP 400: 22P02: invalid input syntax for type bigint",
        ),
        (
            "contact 6281234567 sent wamid.HBgN",
            "HTTP 400: 22P02: contact (value) sent (value)",
        ),
        (
            "relation \"messages\" does not exist",
            "HTTP 400: 22P02: relation \"messages\" does not exist",
        ),
    ] {
        let error = as_user(
            400,
            json!({"code": "22P02", "message": message, "details": "62811222333"}),
        )
        .await;
        assert_eq!(error.source_text(), logged);
    }
}

#[tokio::test]
async fn a_closed_port_and_a_late_answer_are_unavailable() {
    // Bound and dropped: the port is closed again.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    // Listens, but never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();

    for address in [nobody, silent.local_addr().unwrap()] {
        let config = Config {
            url: format!("http://{address}"),
            anon_key: ANON_JWT.into(),
            service_role_key: SERVICE_JWT.into(),
        };
        let http = client_builder()
            .timeout(Duration::from_millis(100))
            .build()
            .unwrap();
        let supabase = Supabase::new(&config, http).unwrap();
        let error = supabase
            .as_service()
            .from("n")
            .eq("phone", "62811")
            .fetch_optional::<Value>()
            .await
            .unwrap_err();
        assert_eq!(name(&error), "unavailable");
        assert!(error.is_transient());
        assert!(!error.source_text().contains("62811"), "{}", error.source_text());
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_shape_is_unexpected() {
    let server = Server::answering(Scripted::json(200, &json!({"a": "text"}))).await;
    let error = server
        .supabase()
        .as_service()
        .rpc::<Vec<i32>>("f", &json!({}))
        .await
        .unwrap_err();
    assert_eq!(name(&error), "unexpected");
}

#[test]
fn debug_output_shows_no_secret() {
    let config = Config {
        url: "https://project.supabase.co".into(),
        anon_key: ANON_JWT.into(),
        service_role_key: SERVICE_JWT.into(),
    };
    let supabase = Supabase::new(&config, crate::server::http_client()).unwrap();
    let token = AccessToken::parse("very.secret.token").unwrap();
    let shown = format!("{config:?} {supabase:?} {token:?}");
    assert!(shown.contains("project.supabase.co"));
    for secret in [ANON_JWT, SERVICE_JWT, "secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn an_invalid_configuration_is_refused() {
    let config = |url: &str, anon: &str, service: &str| {
        let config = Config {
            url: url.into(),
            anon_key: anon.into(),
            service_role_key: service.into(),
        };
        Supabase::new(&config, crate::server::http_client())
            .unwrap_err()
            .to_string()
    };
    assert!(config("not a url", "a", "b").contains("URL"));
    assert!(config("ftp://x", "a", "b").contains("URL"));
    assert!(config("https://x.co", "", "b").contains("anon"));
    assert!(config("https://x.co", "a", "b\n c").contains("service role"));
}
