//! Upstash's Redis REST API: `POST /`, `/pipeline` and `/multi-exec` with a bearer token.

mod command;
mod store;

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use command::Command;
use store::Store;

/// A database and its token.
pub struct Upstash {
    token: String,
    store: Mutex<Store>,
}

impl Upstash {
    /// An empty database.
    pub fn new(token: String) -> Arc<Self> {
        Arc::new(Self {
            token,
            store: Mutex::default(),
        })
    }

    /// The router of the REST API.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", post(single))
            .route("/pipeline", post(pipeline))
            .route("/multi-exec", post(transaction))
            .fallback(|| async { Refusal(StatusCode::NOT_FOUND, "Not Found".to_owned()) })
            .with_state(self.clone())
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let given = given
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        !self.token.is_empty() && verify_slices_are_equal(given.as_bytes(), self.token.as_bytes()).is_ok()
    }
}

/// An authorised call: its body and the encoding of its answer.
struct Call {
    body: Value,
    encoding: Encoding,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    /// Base64 for all texts except `OK`, as the official client requests.
    Base64,
}

impl Encoding {
    fn apply(self, value: Value) -> Value {
        match value {
            Value::String(text) if self == Self::Base64 && text != "OK" => {
                Value::String(STANDARD.encode(text))
            }
            Value::Array(values) => values.into_iter().map(|value| self.apply(value)).collect(),
            other => other,
        }
    }

    fn outcome(self, outcome: Result<Value, String>) -> Value {
        match outcome {
            Ok(result) => json!({"result": self.apply(result)}),
            Err(error) => json!({"error": error}),
        }
    }
}

fn answer(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A call that is refused before any command runs.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad_request(message: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, message.to_owned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        answer(self.0, &json!({"error": self.1}))
    }
}

fn authorize(upstash: &Upstash, headers: &HeaderMap, body: &[u8]) -> Result<Call, Refusal> {
    if !upstash.admits(headers) {
        return Err(Refusal(StatusCode::UNAUTHORIZED, "Unauthorized".to_owned()));
    }
    let body = serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("ERR failed to parse the body as JSON"))?;
    let base64 = headers
        .get("upstash-encoding")
        .is_some_and(|value| value == "base64");
    Ok(Call {
        body,
        encoding: if base64 { Encoding::Base64 } else { Encoding::Plain },
    })
}

impl Call {
    fn commands(&self) -> Result<Vec<Result<Command, String>>, Refusal> {
        let commands = self.body.as_array().ok_or_else(|| {
            Refusal::bad_request("ERR failed to parse the body: an array of commands is expected")
        })?;
        Ok(commands.iter().map(Command::parse).collect())
    }
}

async fn single(
    State(upstash): State<Arc<Upstash>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = authorize(&upstash, &headers, &body)?;
    let command = Command::parse(&call.body);
    let outcome = command.and_then(|command| command.run(&mut upstash.store.lock(), Instant::now()));
    let status = if outcome.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    Ok(answer(status, &call.encoding.outcome(outcome)))
}

async fn pipeline(
    State(upstash): State<Arc<Upstash>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = authorize(&upstash, &headers, &body)?;
    // Each command takes the lock separately. As at Upstash, other commands may run in between.
    let outcomes = call.commands()?.into_iter().map(|command| {
        let outcome = command.and_then(|command| command.run(&mut upstash.store.lock(), Instant::now()));
        call.encoding.outcome(outcome)
    });
    Ok(answer(StatusCode::OK, &outcomes.collect()))
}

async fn transaction(
    State(upstash): State<Arc<Upstash>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = authorize(&upstash, &headers, &body)?;
    let commands: Vec<Command> = call
        .commands()?
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| {
            Refusal::bad_request(&format!(
                "EXECABORT Transaction discarded because of previous errors: {error}"
            ))
        })?;
    let mut store = upstash.store.lock();
    let now = Instant::now();
    let outcomes = commands
        .into_iter()
        .map(|command| call.encoding.outcome(command.run(&mut store, now)));
    Ok(answer(StatusCode::OK, &outcomes.collect()))
}
