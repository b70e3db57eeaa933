use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use whatsapp::GraphVersion;
use whatsapp::client::{GraphClient, SendError, SystemToken, TemplateSubmission};

type Requests = Arc<Mutex<Vec<String>>>;

/// A server that gives these answers in turn, each with its status, and records the requests.
async fn server(answers: Vec<(&'static str, Value)>) -> (GraphClient, Requests) {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Requests::default();
    let requests = Arc::clone(&asked);
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
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
                        requests.lock().unwrap().push(text);
                        break;
                    }
                }
                assert!(
                    stream.read_buf(&mut bytes).await.unwrap() > 0,
                    "broke off: {text}"
                );
            }
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let http = reqwest::Client::builder().tls_certs_only([]).no_proxy();
    let graph = GraphClient::new(http.build().unwrap(), &url, GraphVersion::DEFAULT).unwrap();
    (graph, asked)
}

fn token() -> SystemToken {
    SystemToken::parse("EAAG-token").unwrap()
}

fn first_line(requests: &Requests, at: usize) -> String {
    let requests = requests.lock().unwrap();
    requests[at].lines().next().unwrap().to_owned()
}

fn row(name: &str) -> Value {
    json!({"id": "9007199254740993", "name": name, "language": "id", "status": "APPROVED", "category": "UTILITY",
        "components": [], "quality_score": {"score": "GREEN"}, "unknown_field": {}})
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    let first = json!({"data": [row("a"), row("b")], "paging": {"cursors": {"after": "X Y"}, "next": "https://elsewhere.test/"}});
    let last = json!({"data": [row("c")], "paging": {"cursors": {"after": "Z"}}});
    let (graph, asked) = server(vec![("200 OK", first), ("200 OK", last)]).await;
    let token = token();
    let all = graph.templates("12", &token).all().await.unwrap();
    let names: Vec<_> = all.iter().map(|template| template.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(all[0].id, "9007199254740993");
    let second = first_line(&asked, 1);
    assert!(second.starts_with("GET /v25.0/12/message_templates?"), "{second}");
    assert!(second.contains("after=X+Y"), "{second}");
}

#[tokio::test]
async fn half_a_list_is_none() {
    let first = json!({"data": [row("a")], "paging": {"cursors": {"after": "X"}, "next": "n"}});
    let error = json!({"error": {"message": "x", "code": 131_059}});
    let (graph, _) = server(vec![("200 OK", first), ("400 Bad Request", error)]).await;
    let token = token();
    let outcome = graph.templates("12", &token).all().await;
    assert!(matches!(outcome, Err(SendError::Rejected { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_submission_carries_everything_and_its_refusal_says_why() {
    let refusal = json!({"error": {"message": "Invalid parameter", "code": 100, "error_subcode": 2_388_299,
        "error_user_title": "t", "error_user_msg": "Variables can't be at the start or end of the template."}});
    let accepted = json!({"id": "77", "status": "PENDING", "category": "MARKETING"});
    let (graph, asked) = server(vec![("200 OK", accepted), ("400 Bad Request", refusal)]).await;
    let token = token();
    let components = json!([{"type": "BODY", "text": "Halo"}]);
    let submission = TemplateSubmission {
        name: "promo",
        language: "id",
        category: "UTILITY",
        parameter_format: "POSITIONAL",
        components: &components,
    };
    let templates = graph.templates("12", &token);
    let made = templates.create(&submission).await.unwrap();
    assert_eq!(
        (made.id.as_str(), made.category.as_deref()),
        ("77", Some("MARKETING"))
    );
    let body = asked.lock().unwrap()[0]
        .split_once("\r\n\r\n")
        .unwrap()
        .1
        .to_owned();
    let expected = json!({"name": "promo", "language": "id", "category": "UTILITY", "parameter_format": "POSITIONAL",
        "components": components});
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    let refused = templates.create(&submission).await.unwrap_err();
    let error = refused.meta_error().unwrap();
    assert_eq!(error.subcode, Some(2_388_299));
    assert!(error.text().starts_with("Variables can't"), "{error}");
}

#[tokio::test]
async fn a_200_with_success_false_is_an_error() {
    let (graph, asked) = server(vec![
        ("200 OK", json!({"success": false, "reason": "not paused"})),
        ("200 OK", json!({"success": true})),
        ("200 OK", json!({"success": true})),
    ])
    .await;
    let token = token();
    let templates = graph.templates("12", &token);
    assert!(matches!(
        templates.unpause("5").await,
        Err(SendError::Rejected { .. })
    ));
    templates.delete("a b", Some("5")).await.unwrap();
    templates.delete("promo", None).await.unwrap();
    assert!(first_line(&asked, 1).starts_with("DELETE /v25.0/12/message_templates?name=a+b&hsm_id=5 "));
    assert!(first_line(&asked, 2).starts_with("DELETE /v25.0/12/message_templates?name=promo "));
}

#[tokio::test]
async fn an_upload_uses_two_calls_with_different_schemes() {
    let (graph, asked) = server(vec![
        ("200 OK", json!({"id": "upload:MTphd?sig=ARZ+x"})),
        ("200 OK", json!({"h": "4::aW"})),
    ])
    .await;
    let token = token();
    let uploads = graph.uploads("99", &token);
    let handle = uploads
        .upload("menu baru.png", "image/png", b"1234".to_vec())
        .await
        .unwrap();
    assert_eq!(handle, "4::aW");
    assert!(
        first_line(&asked, 0).starts_with(
            "POST /v25.0/99/uploads?file_name=menu+baru.png&file_length=4&file_type=image%2Fpng "
        )
    );
    let second = asked.lock().unwrap()[1].clone();
    assert!(
        second.starts_with("POST /v25.0/upload:MTphd?sig=ARZ+x "),
        "{second}"
    );
    let lower = second.to_lowercase();
    assert!(lower.contains("authorization: oauth eaag-token\r\n"), "{second}");
    assert!(
        lower.contains("file_offset: 0\r\n") && second.ends_with("1234"),
        "{second}"
    );
}
