//! Tests of the Redis REST API over HTTP.

#![expect(clippy::unwrap_used, reason = "a test helper fails by panicking")]

use std::time::Duration;

use crm_local::http_server;
use crm_local::upstash::Upstash;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A wait that takes longer fails. Nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(120);

struct Redis {
    url: String,
    client: reqwest::Client,
    _stop: tokio_util::sync::DropGuard,
}

impl Redis {
    async fn start() -> Self {
        let listener = http_server::bind(0, "Redis REST API").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = Upstash::new("secret".to_owned()).router();
        tokio::spawn(http_server::serve_router(
            listener,
            stop.clone(),
            Duration::ZERO,
            router,
        ));
        let client = crm_local::http_client::build(PATIENCE).unwrap();
        Self {
            url,
            client,
            _stop: stop.drop_guard(),
        }
    }

    fn request(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).json(body)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.answer(self.request(path, &body).bearer_auth("secret")).await
    }
}

#[tokio::test]
async fn every_address_needs_the_token() {
    let redis = Redis::start().await;
    let refused = (401, json!({"error": "Unauthorized"}));
    for (path, body) in [
        ("/", json!(["PING"])),
        ("/pipeline", json!([["PING"]])),
        ("/multi-exec", json!([["PING"]])),
    ] {
        assert_eq!(redis.answer(redis.request(path, &body)).await, refused);
        assert_eq!(
            redis
                .answer(redis.request(path, &body).bearer_auth("secre"))
                .await,
            refused
        );
        assert_eq!(
            redis
                .answer(redis.request(path, &body).bearer_auth("secret"))
                .await
                .0,
            200
        );
    }
}

#[tokio::test]
async fn a_command_answers_with_result_or_error() {
    let redis = Redis::start().await;
    assert_eq!(
        redis.post("/", json!(["SET", "a", 5, "EX", 100])).await,
        (200, json!({"result": "OK"}))
    );
    assert_eq!(
        redis.post("/", json!(["GET", "a"])).await,
        (200, json!({"result": "5"}))
    );
    assert_eq!(
        redis.post("/", json!(["INCR", "a"])).await,
        (200, json!({"result": 6}))
    );
    let (status, body) = redis.post("/", json!(["EVAL", "return 1", 0])).await;
    assert_eq!(status, 400);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .starts_with("ERR unknown command 'EVAL'"),
        "{body}"
    );
    assert_eq!(redis.post("/", json!({"not": "a command"})).await.0, 400);
}

#[tokio::test]
async fn a_pipeline_answers_each_command() {
    let redis = Redis::start().await;
    let (status, body) = redis
        .post(
            "/pipeline",
            json!([["SET", "a", "x"], ["INCR", "a"], ["NOPE"], ["GET", "a"]]),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body[0], &body[3]),
        (&json!({"result": "OK"}), &json!({"result": "x"}))
    );
    assert!(
        body[1]["error"].is_string() && body[2]["error"].is_string(),
        "{body}"
    );
}

#[tokio::test]
async fn a_transaction_with_an_unknown_command_does_nothing() {
    let redis = Redis::start().await;
    let (status, body) = redis
        .post("/multi-exec", json!([["SET", "a", "x"], ["NOPE"]]))
        .await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().starts_with("EXECABORT"), "{body}");
    assert_eq!(
        redis.post("/", json!(["GET", "a"])).await.1,
        json!({"result": null})
    );
    let done = redis
        .post("/multi-exec", json!([["SET", "a", "x"], ["GET", "a"]]))
        .await;
    assert_eq!(done, (200, json!([{"result": "OK"}, {"result": "x"}])));
}

#[tokio::test]
async fn texts_are_base64_encoded_on_request() {
    let redis = Redis::start().await;
    let ask = |body: Value| {
        redis.answer(
            redis
                .request("/", &body)
                .bearer_auth("secret")
                .header("Upstash-Encoding", "base64"),
        )
    };
    assert_eq!(ask(json!(["SET", "a", "x"])).await.1, json!({"result": "OK"}));
    assert_eq!(
        ask(json!(["MGET", "a", "b"])).await.1,
        json!({"result": ["eA==", null]})
    );
}
