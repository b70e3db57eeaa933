//! Requests through the gateway.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::StreamBody;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::site::{Site, answer, eventually, handles_sigterm, is_gone, kill};

#[tokio::test]
async fn a_function_sees_the_original_address_with_its_parameters() {
    let site = Site::start().await;
    let (status, echo) = site.get("/api/items/a%20b?limit=2").await;
    assert_eq!(
        (status, &echo["address"]),
        (200, &json!("/api/items/a%20b?id=a%20b&limit=2"))
    );
    assert!(echo["name"].as_str().unwrap().ends_with("/items-id"));
    assert_eq!(site.get("/things/7").await.1["address"], "/things/7?id=7");
    assert_eq!(
        site.get("/api/openapi.json").await.1["address"],
        "/api/openapi.json"
    );
    assert_eq!(site.get("/").await, (200, json!("home")));
    let (status, body) = site.get("/api/nothing").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn clients_cannot_forge_vercel_headers() {
    let site = Site::start().await;
    let request = site.client.post(format!("{}/api/echo", site.url)).body("hello");
    let request = request
        .header("x-vercel-internal-request-id", "abc")
        .header("x-vercel-internal-trust", "me");
    let (_, echo) = answer(
        request
            .header("x-forwarded-for", "9.9.9.9")
            .header("x-mine", "kept"),
    )
    .await;
    assert_eq!((&echo["method"], &echo["length"]), (&json!("POST"), &json!(5)));
    let headers = &echo["headers"];
    assert!(
        headers["x-vercel-internal-request-id"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .is_ok()
    );
    assert!(
        !headers["x-vercel-internal-invocation-id"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    assert!(headers.get("x-vercel-internal-trust").is_none());
    assert_eq!(
        (&headers["x-forwarded-for"], &headers["x-forwarded-proto"]),
        (&json!("127.0.0.1"), &json!("http"))
    );
    let host = site.url.strip_prefix("http://").unwrap();
    assert_eq!(
        (&headers["host"], &headers["x-forwarded-host"]),
        (&json!(host), &json!(host))
    );
    assert!(headers["x-vercel-id"].as_str().unwrap().starts_with("local1::"));
    assert_eq!(headers["x-mine"], "kept");
}

#[tokio::test]
async fn all_answers_carry_the_configured_headers() {
    let site = Site::start().await;
    for path in ["/", "/api/echo", "/api/nothing"] {
        let response = site
            .client
            .get(format!("{}{path}", site.url))
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["x-frame-options"], "DENY", "{path}");
    }
}

#[tokio::test]
async fn a_function_gets_only_its_own_environment() {
    let site = Site::start().await;
    let (_, echo) = site.get("/api/echo").await;
    let names: BTreeSet<&str> = echo["environment"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let allowed = BTreeSet::from([
        "HOME",
        "PATH",
        "SETTING",
        "TZ",
        "VERCEL_DEV_PORT",
        "VERCEL_IPC_PATH",
    ]);
    assert!(
        names.is_subset(&allowed) && names.contains("SETTING"),
        "{names:?}"
    );
}

#[tokio::test]
async fn simultaneous_first_requests_start_one_process() {
    let site = Site::start().await;
    assert_eq!(site.listed("echo").await["pid"], Value::Null);
    let answers = join_all((0..20).map(|_| site.get("/api/echo"))).await;
    let pids: BTreeSet<u64> = answers
        .iter()
        .map(|(_, echo)| echo["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(pids.len(), 1);
    let listed = site.listed("echo").await;
    assert_eq!(
        (listed["pid"].as_u64(), &listed["requests"]),
        (pids.first().copied(), &json!(20))
    );
    assert_eq!(listed["route"], "/api/echo");
    assert_eq!(site.listed("slow").await["pid"], Value::Null);
}

#[tokio::test]
async fn bodies_are_streamed() {
    let site = Site::start().await;
    let (chunks, mut received) = mpsc::unbounded_channel::<Bytes>();
    let frames = futures_util::stream::poll_fn(move |context| {
        received
            .poll_recv(context)
            .map(|chunk| chunk.map(|chunk| Ok::<_, std::io::Error>(http_body::Frame::data(chunk))))
    });
    let request = site.client.post(format!("{}/api/echo?stream=1", site.url));
    chunks.send(Bytes::from_static(b"one")).unwrap();
    let mut response = request
        .body(reqwest::Body::wrap(StreamBody::new(frames)))
        .send()
        .await
        .unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "one");
    chunks.send(Bytes::from_static(b"two")).unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "two");
    drop(chunks);
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    const LIMIT: usize = 4_718_592;
    let site = Site::start().await;
    let url = format!("{}/api/echo", site.url);
    let (status, echo) = answer(site.client.post(&url).body(vec![b'x'; LIMIT])).await;
    assert_eq!((status, &echo["length"]), (200, &json!(LIMIT)));
    let (status, body) = answer(site.client.post(&url).body(vec![b'x'; LIMIT + 1])).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (413, &json!("payload_too_large"))
    );
    let chunks = futures_util::stream::iter(
        (0..=LIMIT / 65_536)
            .map(|_| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![b'x'; 65_536])))),
    );
    let unannounced = reqwest::Body::wrap(StreamBody::new(chunks));
    let (status, body) = answer(site.client.post(&url).body(unannounced)).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (413, &json!("payload_too_large"))
    );
    assert_eq!(site.get("/api/echo").await.0, 200);
}

#[tokio::test]
async fn a_client_that_sends_far_too_much_gets_413() {
    const LENGTH: usize = 20_000_000;
    let site = Site::start().await;
    let address = site.url.trim_start_matches("http://").to_owned();
    let answered = tokio::task::spawn_blocking(move || {
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /api/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {LENGTH}\r\n\r\n"
        );
        // Like most clients, this one sends everything before it reads an answer.
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&vec![b'x'; LENGTH]).unwrap();
        let mut answered = String::new();
        connection.read_to_string(&mut answered).unwrap();
        answered
    });
    assert!(answered.await.unwrap().starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_killed_function_fails_its_requests_and_restarts_on_the_next() {
    let site = Site::start().await;
    let never = site.repository.file("never");
    let path = format!("/api/echo?until={never}");
    let (waiting, pid) = tokio::join!(site.get(&path), async {
        let listed = site.has_open_requests("echo", 1).await;
        kill(&listed["pid"], Signal::KILL);
        listed["pid"].clone()
    });
    assert_eq!(
        (waiting.0, &waiting.1["error"]["code"]),
        (500, &json!("function_crashed"))
    );
    let (status, echo) = site.get("/api/echo").await;
    assert_eq!(status, 200);
    assert_ne!(echo["pid"], pid);
}

#[tokio::test]
async fn a_killed_idle_function_is_restarted() {
    let site = Site::start().await;
    for _ in 0..5 {
        let pid = site.get("/api/echo").await.1["pid"].clone();
        kill(&pid, Signal::KILL);
        eventually(async || site.listed("echo").await["pid"].is_null().then_some(())).await;
        let (status, echo) = site.get("/api/echo").await;
        assert_eq!(status, 200, "{echo}");
        assert_ne!(echo["pid"], pid);
    }
}

#[tokio::test]
async fn a_function_that_exits_during_a_request_is_a_crash() {
    let site = Site::start().await;
    let (status, body) = site.get("/api/echo?exit=1").await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (500, &json!("function_crashed"))
    );
    assert_eq!(site.get("/api/echo").await.0, 200);
}

#[tokio::test]
async fn a_function_that_cannot_start_fails_every_request() {
    let site = Site::start().await;
    for path in ["/api/broken", "/api/broken", "/api/unbuilt"] {
        let (status, body) = site.get(path).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (500, &json!("function_failed_to_start")),
            "{body}"
        );
    }
    let answers = join_all((0..5).map(|_| site.get("/api/broken"))).await;
    assert!(answers.iter().all(|(status, _)| *status == 500));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_504() {
    let site = Site::start().await;
    let never = site.repository.file("never");
    let (status, body) = site.get(&format!("/api/slow?until={never}")).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (504, &json!("function_timeout"))
    );
    assert_eq!(site.listed("slow").await["open_requests"], 0);
    assert_eq!(site.get("/api/slow").await.0, 200);
}

#[tokio::test]
async fn background_work_keeps_a_request_open_and_finishes_on_stop() {
    let site = Site::start().await;
    let done = site.repository.file("done");
    let pid = site
        .get(&format!("/api/echo?afterwards={done}&log=a%20line"))
        .await
        .1["pid"]
        .as_u64()
        .unwrap();
    assert_eq!(site.listed("echo").await["open_requests"], 1);
    std::fs::write(&done, "").unwrap();
    site.has_open_requests("echo", 0).await;
    let done = site.repository.file("done later");
    site.get(&format!("/api/echo?afterwards={}", done.replace(' ', "%20")))
        .await;
    handles_sigterm(pid).await;
    let stopping = tokio::spawn({
        let gateway = site.gateway.clone();
        async move { gateway.stop().await }
    });
    let refused = eventually(async || {
        let (status, body) = site.get("/api/echo").await;
        (status == 500).then_some(body)
    })
    .await;
    assert_eq!(refused["error"]["code"], "function_failed_to_start");
    assert!(!is_gone(pid) && !stopping.is_finished());
    std::fs::write(&done, "").unwrap();
    stopping.await.unwrap();
    assert!(is_gone(pid));
}
