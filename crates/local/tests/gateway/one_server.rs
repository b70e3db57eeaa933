//! One process behind all functions, and a new one in its place.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::site::{Site, eventually, is_gone, kill};

fn pid(answer: &Value) -> u64 {
    answer["pid"].as_u64().unwrap()
}

#[tokio::test]
async fn every_function_is_served_by_the_same_process_as_on_vercel() {
    let site = Site::start_server().await;
    assert_eq!(site.listed("echo").await["pid"], Value::Null);
    let paths = [
        "/api/echo?limit=2",
        "/api/items/7",
        "/things/7",
        "/api/openapi.json",
        "/api/unbuilt",
    ];
    let answers = join_all(paths.map(|path| site.get(path))).await;
    let addresses: Vec<&Value> = answers.iter().map(|(_, answer)| &answer["address"]).collect();
    assert_eq!(
        addresses,
        [
            "/api/echo?limit=2",
            "/api/items/7?id=7",
            "/things/7?id=7",
            "/api/openapi.json",
            "/api/unbuilt"
        ]
    );
    let processes: BTreeSet<u64> = answers.iter().map(|(_, answer)| pid(answer)).collect();
    assert_eq!(processes.len(), 1);

    assert_eq!(site.get("/").await, (200, json!("home")));
    assert_eq!(site.get("/api/nothing").await.1["error"]["code"], "not_found");
    let items = site.listed("items-id").await;
    assert_eq!(
        (&items["requests"], &items["pid"]),
        (&json!(2), &answers[0].1["pid"])
    );
}

#[tokio::test]
async fn limits_are_those_of_each_function() {
    let site = Site::start_server().await;
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
async fn a_server_that_ends_is_started_anew() {
    let site = Site::start_server().await;
    let (status, body) = site.get("/api/echo?exit=1").await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (500, &json!("function_crashed"))
    );
    for _ in 0..5 {
        let answer = site.get("/api/echo").await.1;
        kill(&answer["pid"], Signal::KILL);
        eventually(async || site.listed("echo").await["pid"].is_null().then_some(())).await;
        assert_ne!(pid(&site.get("/api/items/1").await.1), pid(&answer));
    }
}

#[tokio::test]
async fn an_answer_ends_a_request() {
    let site = Site::start_server().await;
    let file = site.repository.file("go");
    let path = format!("/api/echo?until={file}");
    let waiting = async {
        site.has_open_requests("echo", 1).await;
        std::fs::write(&file, "").unwrap();
    };
    let ((status, _), ()) = tokio::join!(site.get(&path), waiting);
    assert_eq!(status, 200);
    site.has_open_requests("echo", 0).await;
}

#[tokio::test]
async fn a_new_build_takes_over_while_the_old_one_finishes() {
    let site = Site::start_server().await;
    // A server that does not run has nothing to replace.
    site.gateway.replace_running().await.unwrap();
    assert_eq!(site.listed("echo").await["pid"], Value::Null);

    let before = pid(&site.get("/api/echo").await.1);
    let file = site.repository.file("go");
    let path = format!("/api/echo?until={file}");
    let taking_over = async {
        site.has_open_requests("echo", 1).await;
        site.gateway.replace_running().await.unwrap();
        let answers = join_all((0..20).map(|_| site.get("/api/echo"))).await;
        let processes: BTreeSet<u64> = answers.iter().map(|(_, answer)| pid(answer)).collect();
        assert_eq!(processes.len(), 1);
        assert!(!processes.contains(&before) && !is_gone(before));
        std::fs::write(&file, "").unwrap();
    };
    let ((status, answer), ()) = tokio::join!(site.get(&path), taking_over);
    assert_eq!((status, pid(&answer)), (200, before));
    eventually(async || is_gone(before).then_some(())).await;
}

#[tokio::test]
async fn a_new_build_that_does_not_start_takes_over_nothing() {
    let site = Site::start_server().await;
    let before = pid(&site.get("/api/echo").await.1);
    site.repository.break_server();
    let refusal = site.gateway.replace_running().await.unwrap_err().to_string();
    assert!(
        refusal.starts_with("the new server failed to start: "),
        "{refusal}"
    );
    assert_eq!(pid(&site.get("/api/echo").await.1), before);
}

#[tokio::test]
async fn a_stop_ends_the_old_one_and_the_new_one() {
    let site = Site::start_server().await;
    let before = pid(&site.get("/api/echo").await.1);
    let path = format!("/api/echo?until={}", site.repository.file("never"));
    let stopping = async {
        site.has_open_requests("echo", 1).await;
        site.gateway.replace_running().await.unwrap();
        let after = pid(&site.get("/api/echo").await.1);
        site.gateway.stop().await;
        assert!(is_gone(before) && is_gone(after));
    };
    let ((status, _), ()) = tokio::join!(site.get(&path), stopping);
    assert_eq!(status, 500);
}
