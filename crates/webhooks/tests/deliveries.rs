//! One delivery of Meta takes one call of the database, whatever its size.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use crm_core::{App, Config, shell};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;
use webhooks::webhook;
use whatsapp::signature::AppSecrets;

const SECRET: &str = "secret";

/// A database that gives the prepared answers in turn, and afterwards reports success.
#[derive(Clone, Default)]
struct Database {
    calls: Arc<Mutex<Vec<(String, Value)>>>,
    answers: Arc<Mutex<Vec<(StatusCode, Value)>>>,
}

impl Database {
    async fn start(&self) -> String {
        let database = self.clone();
        let answer = move |uri: Uri, body: String| {
            let database = database.clone();
            async move { database.answer(&uri, &body) }
        };
        let server = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, server).await });
        format!("http://{address}")
    }

    fn answer(&self, uri: &Uri, body: &str) -> Response {
        let arguments = serde_json::from_str(body).unwrap();
        self.calls
            .lock()
            .unwrap()
            .push((uri.path().to_owned(), arguments));
        let mut answers = self.answers.lock().unwrap();
        let (status, answer) = if answers.is_empty() {
            (StatusCode::OK, json!({"event_id": 1, "campaigns": []}))
        } else {
            answers.remove(0)
        };
        (status, axum::Json(answer)).into_response()
    }

    fn calls(&self) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        assert!(
            calls
                .iter()
                .all(|(path, _)| path == "/rest/v1/rpc/ingest_webhook"),
            "{calls:?}"
        );
        calls.iter().map(|(_, arguments)| arguments.clone()).collect()
    }
}

async fn deliver(database: &Database, body: &str) -> StatusCode {
    let variables: HashMap<String, String> = [
        ("SUPABASE_URL", &*database.start().await),
        ("SUPABASE_ANON_KEY", "anon"),
        ("SUPABASE_SERVICE_ROLE_KEY", "service"),
        ("META_APP_SECRET", SECRET),
        ("META_WEBHOOK_VERIFY_TOKEN", "verify"),
        ("META_WHATSAPP_TOKEN", "token"),
        ("CRON_SECRET", "cron"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let app = App::new(Config::read(&variables).unwrap()).unwrap();
    let signature = AppSecrets::parse(SECRET).unwrap().sign(body.as_bytes());
    let request = Request::post("/api/whatsapp/webhook")
        .header("x-hub-signature-256", signature)
        .body(Body::from(body.to_owned()))
        .unwrap();
    shell(webhook(), app).oneshot(request).await.unwrap().status()
}

fn envelope(changes: &Value) -> String {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "5551", "time": 1, "changes": changes}]})
        .to_string()
}

fn text(n: usize, length: usize) -> Value {
    json!({"from": "628990001", "id": format!("wamid.{n}"), "timestamp": "1790000000", "type": "text",
        "text": {"body": "x".repeat(length)}})
}

#[tokio::test]
async fn a_thousand_updates_of_every_field_in_three_megabytes_are_one_call() {
    let number = json!({"phone_number_id": "5550", "display_phone_number": "628110009"});
    let messages: Vec<Value> = (0..600).map(|n| text(n, 4_600)).collect();
    let statuses: Vec<Value> = (0..395)
        .map(|n| json!({"id": format!("wamid.s{n}"), "status": "read", "timestamp": "1790000000"}))
        .collect();
    let body = envelope(&json!([
        {"field": "messages", "value": {"metadata": number, "messages": messages, "statuses": statuses}},
        {"field": "smb_message_echoes", "value": {"metadata": number, "message_echoes": [
            {"from": "628110009", "to": "628990001", "id": "wamid.e", "type": "text", "text": {"body": "hi"}}]}},
        {"field": "account_update", "value": {"event": "ACCOUNT_DELETED"}},
        {"field": "user_preferences", "value": {"metadata": number, "user_preferences": []}},
        {"field": "calls", "value": {"metadata": number, "calls": []}},
        {"field": "brand_new", "value": {}},
    ]));
    assert!((2_800_000..4_000_000).contains(&body.len()), "{}", body.len());

    let database = Database::default();
    assert_eq!(deliver(&database, &body).await, StatusCode::OK);
    let [call] = &database.calls()[..] else {
        panic!("more than one call")
    };
    let count = |list: &str| call[list].as_array().unwrap().len();
    assert_eq!(
        (
            count("messages"),
            count("statuses"),
            count("events"),
            count("others")
        ),
        (601, 395, 2, 2)
    );
    assert_eq!(call["body"].as_str().unwrap(), body);
    assert_eq!(call["messages"][600]["direction"], "outbound");
    assert_eq!(call["events"][0]["payload"]["event"], "ACCOUNT_DELETED");
    assert_eq!(call["others"][1]["reason"], "not_handled");
}

#[tokio::test]
async fn a_delivery_that_conflicts_repeatedly_is_stored_after_retries() {
    let database = Database::default();
    let conflict = (
        StatusCode::CONFLICT,
        json!({"code": "23505", "message": "duplicate key"}),
    );
    *database.answers.lock().unwrap() = vec![conflict; 5];
    let body = envelope(&json!([{"field": "messages", "value": {
        "metadata": {"phone_number_id": "5550"}, "messages": [text(1, 1)]}}]));
    assert_eq!(deliver(&database, &body).await, StatusCode::OK);
    let calls = database.calls();
    assert_eq!(calls.len(), 6);
    assert!(calls[..5].iter().all(|call| call.get("patient").is_none()));
    assert_eq!(calls[5]["patient"], true);
}

#[tokio::test]
async fn an_element_that_the_database_cannot_read_is_skipped_alone() {
    let database = Database::default();
    let unreadable = (
        StatusCode::BAD_REQUEST,
        json!({"code": "22P05", "message": "unsupported Unicode"}),
    );
    let fine = (StatusCode::OK, json!({"campaigns": []}));
    *database.answers.lock().unwrap() = vec![unreadable.clone(), unreadable, fine];
    let body = envelope(&json!([{"field": "messages", "value": {
        "metadata": {"phone_number_id": "5550"}, "messages": [text(1, 1), text(2, 1)]}}]));
    assert_eq!(deliver(&database, &body).await, StatusCode::OK);
    let calls = database.calls();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[2]["messages"][0]["wamid"], "wamid.2");
    assert_eq!(calls[3]["others"], json!([{"reason": "refused_by_database"}]));
    assert_eq!(calls[3]["body"].as_str().unwrap(), body);
}

#[tokio::test]
async fn an_unavailable_database_is_reported_to_meta() {
    let database = Database::default();
    let away = (
        StatusCode::SERVICE_UNAVAILABLE,
        json!({"code": "PGRST000", "message": "away"}),
    );
    *database.answers.lock().unwrap() = vec![away; 10];
    let body = envelope(&json!([{"field": "messages", "value": {
        "metadata": {"phone_number_id": "5550"}, "messages": [text(1, 1)]}}]));
    assert_eq!(deliver(&database, &body).await, StatusCode::SERVICE_UNAVAILABLE);
}
