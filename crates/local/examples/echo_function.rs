//! A function for the gateway's tests: answers with the request it received, and misbehaves on request. It goes by the name it
//! was started under: `broken` ends before it listens.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;
use vercel_runtime::{AppState, Error, Request, Response, ResponseBody, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    if std::env::args()
        .next()
        .is_some_and(|name| name.ends_with("/broken"))
    {
        return Err("SETTING is missing".into());
    }
    run(service_fn(handle)).await
}

async fn handle(request: Request, state: AppState) -> Result<Response<ResponseBody>, Error> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    if let Some(line) = query.get("log") {
        state.log_context.warn(line);
    }
    if query.contains_key("exit") {
        std::process::exit(3);
    }
    if let Some(file) = query.get("until").cloned() {
        exists(&file).await;
    }
    if let Some(file) = query.get("afterwards").cloned() {
        state.wait_until(async move {
            exists(&file).await;
            let _ = std::fs::write(format!("{file}.done"), "");
        });
    }
    if query.contains_key("stream") {
        return Ok(Response::new(ResponseBody(body.map_err(Error::from).boxed())));
    }
    let length = body.collect().await?.to_bytes().len();
    let headers: BTreeMap<&str, &str> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
        .collect();
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let received = json!({
        "method": parts.method.as_str(), "address": parts.uri.to_string(), "headers": headers, "length": length,
        "environment": environment, "pid": std::process::id(), "name": std::env::args().next(),
    });
    let body = ResponseBody::from(received.to_string());
    Ok(Response::builder()
        .header("content-type", "application/json")
        .body(body)?)
}

async fn exists(file: &str) {
    while !std::path::Path::new(file).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
