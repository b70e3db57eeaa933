//! A server for the gateway's tests, as `crates/server` is started: answers with the request and its process id.

use std::error::Error;

use axum::http::Uri;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("the address is missing")?;
    let listener = TcpListener::bind(address).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, Router::new().fallback(echo))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}

async fn echo(address: Uri) -> Json<Value> {
    let query = address.query().unwrap_or_default().to_owned();
    if query.contains("exit") {
        std::process::exit(3);
    }
    if let Some((_, file)) = query.split_once("until=") {
        while !std::path::Path::new(file).exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    Json(json!({"address": address.to_string(), "pid": std::process::id()}))
}
