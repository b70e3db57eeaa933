use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use serde_json::{Value, json};
use supabase::{AccessToken, DatabaseError};
use tokio::task::JoinSet;

use crate::server::{SERVICE_JWT, Scripted, Seen, Server};

const HEADER: &str = "x-function-proof";
const REGISTER: &str = "/rest/v1/rpc/register_function_proof";

fn token() -> AccessToken {
    AccessToken::parse("user.user.user").unwrap()
}

fn refusal() -> Scripted {
    let body = json!({"code": "PT401", "message": "m", "details": "unknown_function_proof", "hint": null});
    Scripted::json(401, &body)
}

fn sha256(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server that refuses each proof until its hash is registered.
async fn server() -> Server {
    let server = Server::answering(Scripted::json(200, &json!({"n": 3}))).await;
    let known = Arc::new(Mutex::new(HashSet::new()));
    server.answers_also(move |request| {
        let mut known = known.lock().unwrap();
        if request.uri.path() == REGISTER {
            let arguments: Value = serde_json::from_str(&request.body).unwrap();
            known.insert(arguments["proof_hash"].as_str().unwrap().to_owned());
            return Some(Scripted {
                status: 204,
                ..Scripted::default()
            });
        }
        let proof = request.header(HEADER)?;
        (!known.contains(&sha256(proof))).then(refusal)
    });
    server
}

fn registrations(server: &Server) -> Vec<Seen> {
    let mut seen = server.seen();
    seen.retain(|request| request.uri.path() == REGISTER);
    seen
}

#[tokio::test]
async fn every_client_call_carries_the_proof_and_no_call_of_the_service_does() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    let supabase = server.supabase();
    let user = token();
    let clients = [supabase.as_anonymous(), supabase.as_user(&user)];
    for client in clients {
        let _: Option<Value> = client.from("things").fetch_optional().await.unwrap();
        let _: Value = client.rpc("who", &json!({})).await.unwrap();
    }
    let proofs: HashSet<String> = server
        .seen()
        .iter()
        .map(|request| request.header(HEADER).unwrap().to_owned())
        .collect();
    assert_eq!(proofs.len(), 1);
    assert!(
        proofs
            .iter()
            .all(|proof| proof.len() == 64 && !proof.contains(SERVICE_JWT))
    );

    let before = server.seen().len();
    let _: Value = supabase.as_service().rpc("who", &json!({})).await.unwrap();
    assert_eq!(server.seen()[before].header(HEADER), None);
}

#[tokio::test]
async fn an_unknown_proof_is_registered_with_the_service_key_and_the_call_repeated() {
    let server = server().await;
    let supabase = server.supabase();
    let user = token();
    for _ in 0..2 {
        let result: Value = supabase
            .as_user(&user)
            .rpc("store_it", &json!({"a": 1}))
            .await
            .unwrap();
        assert_eq!(result, json!({"n": 3}));
    }

    let seen = server.seen();
    let paths: Vec<&str> = seen.iter().map(|request| request.uri.path()).collect();
    let call = "/rest/v1/rpc/store_it";
    assert_eq!(paths, [call, REGISTER, call, call]);
    assert_eq!(seen[1].header("apikey"), Some(SERVICE_JWT));
    assert_eq!(
        seen[1].header("authorization"),
        Some("Bearer service.service.service")
    );
    assert_eq!(seen[2].body, r#"{"a":1}"#);
    assert_eq!(seen[2].header("authorization"), Some("Bearer user.user.user"));
    let proof = seen[0].header(HEADER).unwrap();
    assert!(!seen[1].body.contains(proof), "only its hash is registered");
}

#[tokio::test]
async fn calls_that_are_refused_at_once_register_once() {
    let server = server().await;
    let supabase = server.supabase();
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let supabase = supabase.clone();
        calls.spawn(async move { supabase.as_user(&token()).rpc::<Value>("who", &json!({})).await });
    }
    for answer in calls.join_all().await {
        assert_eq!(answer.unwrap(), json!({"n": 3}));
    }
    assert_eq!(registrations(&server).len(), 1);
}

#[tokio::test]
async fn a_proof_that_the_database_forgets_is_registered_again() {
    let server = server().await;
    let supabase = server.supabase();
    let user = token();
    let _: Value = supabase.as_user(&user).rpc("who", &json!({})).await.unwrap();
    let forgets = AtomicBool::new(true);
    server.answers_also(move |request| {
        (request.uri.path() != REGISTER && forgets.swap(false, Ordering::Relaxed)).then(refusal)
    });
    let _: Value = supabase.as_user(&user).rpc("who", &json!({})).await.unwrap();
    assert_eq!(registrations(&server).len(), 2);
}

#[tokio::test]
async fn a_proof_that_stays_unknown_is_our_defect_and_not_the_callers() {
    let server = Server::answering(refusal()).await;
    server.answers_also(|request| {
        (request.uri.path() == REGISTER).then(|| Scripted {
            status: 204,
            ..Scripted::default()
        })
    });
    let supabase = server.supabase();
    let error = supabase
        .as_user(&token())
        .rpc::<Value>("who", &json!({}))
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Unexpected(_)), "{error:?}");
    assert_eq!(server.seen().len(), 3, "it is tried once more, and no more");
    let proof = server.seen()[0].header(HEADER).unwrap().to_owned();
    for text in [
        format!("{error:?}"),
        error.to_string(),
        error.source_text().to_owned(),
    ] {
        assert!(!text.contains(&proof));
    }
}

#[tokio::test]
async fn a_registration_that_fails_is_the_answer() {
    let server = Server::answering(refusal()).await;
    server.answers_also(|request| (request.uri.path() == REGISTER).then(|| Scripted::json(503, &json!({}))));
    let supabase = server.supabase();
    let error = supabase
        .as_user(&token())
        .rpc::<Value>("who", &json!({}))
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error:?}");
    assert_eq!(server.seen().len(), 2);
}
