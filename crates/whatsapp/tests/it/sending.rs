use std::time::Duration;

use reqwest::dns::{Name, Resolve, Resolving};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use whatsapp::GraphVersion;
use whatsapp::client::{
    Accepted, Content, GraphClient, MetaError, OutboundMessage, Recipient, SendError, SystemToken,
};
use whatsapp::error_codes::Scope;

const NUMBER: &str = "555000000000009";

/// A server that answers one request with these bytes and then closes the connection.
async fn server(answer: impl Into<Vec<u8>>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.into();
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        stream.write_all(&answer).await.unwrap();
        request
    });
    (url, seen)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse::<usize>()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        assert!(
            stream.read_buf(&mut bytes).await.unwrap() > 0,
            "the request broke off: {text}"
        );
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn client_builder() -> reqwest::ClientBuilder {
    // This fails if another test was first, which does not matter.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([]).no_proxy()
}

fn graph(url: &str) -> GraphClient {
    GraphClient::new(client_builder().build().unwrap(), url, GraphVersion::DEFAULT).unwrap()
}

fn message() -> OutboundMessage {
    let content = Content::Text {
        body: "hello".into(),
        preview_url: true,
    };
    OutboundMessage {
        callback_data: Some("our-id".into()),
        ..OutboundMessage::new(Recipient::Phone("628990001".into()), content)
    }
}

async fn send_to(url: &str) -> Result<Accepted, SendError> {
    let token = SystemToken::parse("EAAG-token").unwrap();
    graph(url).number(NUMBER, &token).send(&message()).await
}

async fn answer(status: &str, headers: &str, body: &str) -> Result<Accepted, SendError> {
    let (url, seen) = server(http(status, headers, body)).await;
    let result = send_to(&url).await;
    seen.await.unwrap();
    result
}

fn meta_error(code: i64, extra: &Value) -> String {
    let mut error = json!({"message": format!("(#{code}) short"), "type": "OAuthException", "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": "long"}, "fbtrace_id": "trace"});
    error
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    json!({"error": error}).to_string()
}

fn name(result: &Result<Accepted, SendError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(SendError::Rejected { .. }) => "rejected",
        Err(SendError::Retryable { .. }) => "retryable",
        Err(SendError::OutcomeUnknown { .. }) => "unknown",
        Err(SendError::NotSent { .. }) => "not sent",
        Err(SendError::TokenInvalid { .. }) => "token",
        Err(SendError::AccountBlocked { .. }) => "blocked",
    }
}

#[tokio::test]
async fn a_message_is_sent_in_the_shape_meta_requires() {
    let body = json!({"messaging_product": "whatsapp", "contacts": [{"input": "+628990001", "wa_id": "628990001"}],
        "messages": [{"id": "wamid.X", "message_status": "accepted"}]});
    let (url, seen) = server(http("200 OK", "", &body.to_string())).await;

    let accepted = send_to(&format!("{url}/prefix/")).await.unwrap();

    assert_eq!(accepted.wamid, "wamid.X");
    assert_eq!(accepted.wa_id.as_deref(), Some("628990001"));
    assert_eq!(accepted.message_status.as_deref(), Some("accepted"));
    let request = seen.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with(&format!("POST /prefix/v25.0/{NUMBER}/messages HTTP/1.1\r\n")),
        "{head}"
    );
    for header in [
        "authorization: Bearer EAAG-token",
        "user-agent: whatsapp-crm/",
        "content-type: application/json",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["to"], "+628990001");
    assert_eq!(body["biz_opaque_callback_data"], "our-id");
}

#[tokio::test]
async fn an_acceptance_with_few_fields_is_accepted() {
    let result = answer("200 OK", "", r#"{"messages":[{"id":"wamid.X"}]}"#)
        .await
        .unwrap();
    assert_eq!(result.wamid, "wamid.X");
    assert_eq!(
        (result.wa_id, result.user_id, result.message_status),
        (None, None, None)
    );
    let hidden = r#"{"contacts":[{"input":"ID.7","user_id":"ID.7"}],"messages":[{"id":"wamid.X"}]}"#;
    assert_eq!(
        answer("200 OK", "", hidden).await.unwrap().user_id.as_deref(),
        Some("ID.7")
    );
}

#[tokio::test]
async fn a_connection_refused_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(name(&send_to(&url).await), "not sent");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_sent() {
    struct NoSuchName;
    impl Resolve for NoSuchName {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async { Err("no such name".into()) })
        }
    }
    let http = client_builder().dns_resolver(NoSuchName).build().unwrap();
    let graph = GraphClient::new(http, "http://graph.example", GraphVersion::DEFAULT).unwrap();
    let token = SystemToken::parse("EAAG-token").unwrap();
    let result = graph.number(NUMBER, &token).send(&message()).await;
    assert_eq!(name(&result), "not sent", "{result:?}");
}

#[tokio::test]
async fn a_failed_tls_handshake_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0; 16];
        stream.read_exact(&mut first).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    assert_eq!(name(&send_to(&url).await), "not sent");
    seen.await.unwrap();
}

#[tokio::test]
async fn a_read_but_unanswered_request_has_an_unknown_outcome() {
    let (url, seen) = server("").await;
    assert_eq!(name(&send_to(&url).await), "unknown");
    assert!(seen.await.unwrap().contains("hello"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_the_outcome_unknown() {
    let broken = [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"messages\":[{\"id\":\"wamid.X\"}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"mes",
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 100\r\n\r\n{\"error\":",
        "nonsense\r\n\r\n",
    ];
    for bytes in broken {
        let (url, seen) = server(bytes).await;
        assert_eq!(name(&send_to(&url).await), "unknown", "{bytes}");
        seen.await.unwrap();
    }
}

#[tokio::test]
async fn a_timeout_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let http = client_builder()
        .timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let graph = GraphClient::new(http, &url, GraphVersion::DEFAULT).unwrap();
    let token = SystemToken::parse("EAAG-token").unwrap();
    let result = graph.number(NUMBER, &token).send(&message()).await;
    assert_eq!(name(&result), "unknown");
    let text = result.unwrap_err().to_string();
    assert!(text.contains("time limit") && !text.contains(NUMBER), "{text}");
}

#[tokio::test]
async fn an_unreadable_200_leaves_the_outcome_unknown() {
    for body in [
        "",
        "ok",
        "{}",
        r#"{"messages":[]}"#,
        r#"{"messages":[{"id":""}]}"#,
        r#"{"success":true}"#,
    ] {
        assert_eq!(name(&answer("200 OK", "", body).await), "unknown", "{body}");
    }
}

#[tokio::test]
async fn answers_without_a_meta_error_are_classified_by_status() {
    for (status, expected) in [
        ("500 Internal Server Error", "unknown"),
        ("502 Bad Gateway", "unknown"),
        ("503 Service Unavailable", "unknown"),
        ("408 Request Timeout", "unknown"),
        ("204 No Content", "unknown"),
        ("429 Too Many Requests", "retryable"),
        ("404 Not Found", "rejected"),
        ("403 Forbidden", "rejected"),
        ("400 Bad Request", "rejected"),
    ] {
        for body in ["<html>", "", r#"{"error":"text"}"#] {
            let body = if status.starts_with("204") { "" } else { body };
            assert_eq!(name(&answer(status, "", body).await), expected, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn errors_are_classified_by_code_not_status() {
    let table = [
        ("401 Unauthorized", 190, "token"),
        ("400 Bad Request", 190, "token"),
        ("401 Unauthorized", 0, "token"),
        ("403 Forbidden", 368, "blocked"),
        ("403 Forbidden", 131_031, "blocked"),
        ("400 Bad Request", 131_042, "blocked"),
        ("400 Bad Request", 100, "rejected"),
        ("400 Bad Request", 131_026, "rejected"),
        ("400 Bad Request", 131_047, "rejected"),
        ("500 Internal Server Error", 131_045, "rejected"),
        ("404 Not Found", 132_001, "rejected"),
        ("400 Bad Request", 131_048, "rejected"),
        ("400 Bad Request", 1, "rejected"),
        ("503 Service Unavailable", 2, "retryable"),
        ("500 Internal Server Error", 131_000, "retryable"),
        ("400 Bad Request", 131_016, "retryable"),
        ("429 Too Many Requests", 130_429, "retryable"),
        ("500 Internal Server Error", 131_057, "retryable"),
        ("503 Service Unavailable", 133_004, "retryable"),
        // Codes that Meta does not document.
        ("400 Bad Request", 999_999, "rejected"),
        ("401 Unauthorized", 999_999, "token"),
        ("500 Internal Server Error", 999_999, "rejected"),
    ];
    for (status, code, expected) in table {
        let result = answer(status, "", &meta_error(code, &json!({}))).await;
        assert_eq!(name(&result), expected, "{status} {code}: {result:?}");
    }
}

#[tokio::test]
async fn retryable_errors_have_a_scope_and_an_optional_delay() {
    for (code, scope) in [
        (130_429, Scope::Number),
        (131_056, Scope::Pair),
        (4, Scope::App),
        (80_007, Scope::Account),
        (131_208, Scope::None),
    ] {
        let result = answer(
            "400 Bad Request",
            "retry-after: 7\r\n",
            &meta_error(code, &json!({})),
        )
        .await;
        let Err(SendError::Retryable {
            scope: found,
            retry_after,
            error,
        }) = result
        else {
            panic!("{code}: {result:?}")
        };
        assert_eq!(
            (found, retry_after, error.code),
            (scope, Some(Duration::from_secs(7)), code)
        );
    }
    let dated = answer(
        "429 Too Many Requests",
        "retry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n",
        "",
    )
    .await;
    assert!(
        matches!(
            dated,
            Err(SendError::Retryable {
                retry_after: None,
                ..
            })
        ),
        "{dated:?}"
    );
}

#[tokio::test]
async fn transient_errors_are_retryable() {
    let transient = json!({"is_transient": true});
    let of = |status: &'static str, code| {
        let body = meta_error(code, &transient);
        async move { name(&answer(status, "", &body).await) }
    };
    assert_eq!(of("400 Bad Request", 100).await, "retryable");
    assert_eq!(of("400 Bad Request", 999_999).await, "retryable");
    assert_eq!(of("500 Internal Server Error", 999_999).await, "retryable");
    assert_eq!(of("500 Internal Server Error", 131_000).await, "retryable");
    assert_eq!(of("500 Internal Server Error", 131_045).await, "retryable");
    assert_eq!(of("400 Bad Request", 190).await, "token");
}

#[tokio::test]
async fn metas_error_texts_are_kept() {
    let result = answer(
        "400 Bad Request",
        "",
        &meta_error(131_026, &json!({"error_subcode": 2_494_010})),
    )
    .await;
    let Err(SendError::Rejected { error }) = result else {
        panic!("{result:?}")
    };
    let expected = MetaError {
        code: 131_026,
        subcode: Some(2_494_010),
        message: "(#131026) short".into(),
        details: Some("long".into()),
        status: 400,
        trace_id: Some("trace".into()),
        is_transient: false,
    };
    assert_eq!(*error, expected);
    assert_eq!(error.to_string(), "131026/2494010 long");

    // The longer text may be a bare string, or it may be missing.
    let bare = answer(
        "400 Bad Request",
        "",
        &meta_error(100, &json!({"error_data": "bare"})),
    )
    .await
    .unwrap_err();
    assert_eq!(bare.meta_error().unwrap().text(), "bare");
    let none = answer(
        "400 Bad Request",
        "",
        &meta_error(100, &json!({"error_data": null})),
    )
    .await
    .unwrap_err();
    assert_eq!(none.to_string(), "Meta refused: 100 short");
}

#[tokio::test]
async fn a_message_is_marked_as_read() {
    let (url, seen) = server(http("200 OK", "", r#"{"success":true}"#)).await;
    let token = SystemToken::parse("EAAG-token").unwrap();
    graph(&url)
        .number(NUMBER, &token)
        .mark_read("wamid.X")
        .await
        .unwrap();
    let request = seen.await.unwrap();
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body,
        json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.X"})
    );
}

#[tokio::test]
async fn number_health_is_read_with_any_set_of_fields() {
    let body = json!({"id": NUMBER, "display_phone_number": "+62 811", "quality_rating": "GREEN",
        "throughput": {"level": "STANDARD"}, "health_status": {"can_send_message": "AVAILABLE"}});
    let (url, seen) = server(http("200 OK", "", &body.to_string())).await;
    let token = SystemToken::parse("EAAG-token").unwrap();
    let health = graph(&url).number(NUMBER, &token).health().await.unwrap();
    assert_eq!(health.quality_rating.as_deref(), Some("GREEN"));
    assert_eq!(health.throughput.unwrap()["level"], "STANDARD");
    assert_eq!(health.verified_name, None);
    let request = seen.await.unwrap();
    let expected = format!("GET /v25.0/{NUMBER}?fields=id%2Cdisplay_phone_number%2C");
    assert!(request.starts_with(&expected), "{request}");
    assert!(
        request.contains("whatsapp_business_manager_messaging_limit "),
        "{request}"
    );
}

#[tokio::test]
async fn a_number_id_cannot_change_the_path() {
    let (url, seen) = server(http("200 OK", "", r#"{"success":true}"#)).await;
    let token = SystemToken::parse("t").unwrap();
    graph(&url)
        .number("../../other?x=", &token)
        .mark_read("wamid.X")
        .await
        .unwrap();
    let request = seen.await.unwrap();
    assert!(
        request.starts_with("POST /v25.0/..%2F..%2Fother%3Fx=/messages "),
        "{request}"
    );
}

#[test]
fn invalid_configuration_is_refused_and_debug_hides_the_token() {
    for token in ["", " ", "a b", "a\r\nb", "\u{e9}"] {
        assert!(SystemToken::parse(token).is_err(), "{token:?}");
    }
    assert_eq!(
        format!("{:?}", SystemToken::parse("hidden").unwrap()),
        "SystemToken(..)"
    );
    let http = client_builder().build().unwrap();
    for url in [
        "",
        "graph.facebook.com",
        "ftp://graph.facebook.com",
        "data:text/plain,x",
    ] {
        assert!(
            GraphClient::new(http.clone(), url, GraphVersion::DEFAULT).is_err(),
            "{url:?}"
        );
    }
}
