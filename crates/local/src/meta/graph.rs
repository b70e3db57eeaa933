//! The routes `/{version}/{id}` and `/{version}/{id}/{edge}`: the token check, the lookup of the object and
//! its handler.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;

use super::Simulator;
use super::graph_error::{GraphError, RefusedWith};
use super::{media, messages, numbers, subscriptions, template_changes, template_uploads, templates};

/// The largest body: the largest media file has 100 MB, and the multipart frame needs some room.
const BODY_LIMIT: usize = 110 * 1_024 * 1_024;

/// The query parameters of a call.
pub(crate) type Parameters = HashMap<String, String>;

pub(crate) fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/{version}/{node}", any(node))
        .route("/{version}/{node}/{edge}", any(edge))
        .route("/_media/{id}", get(media::download))
        .fallback(|| async { unknown_path().into_response() })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(simulator)
}

fn unknown_path() -> GraphError {
    GraphError::of(2500)
}

/// A Graph call with a valid version and token.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) node: String,
    pub(crate) parameters: Parameters,
    pub(crate) request: Request<Body>,
}

impl Call {
    pub(crate) fn no_such_object(&self) -> GraphError {
        GraphError::no_such_object(&self.method, &self.node)
    }

    pub(crate) async fn body(self) -> Result<Bytes, GraphError> {
        let body = http_body_util::Limited::new(self.request.into_body(), BODY_LIMIT)
            .collect()
            .await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|_| GraphError::invalid_parameter("The body could not be read"))
    }

    pub(crate) async fn json(self) -> Result<Value, GraphError> {
        let body = self.body().await?;
        if body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&body).map_err(|_| GraphError::invalid_parameter("Invalid JSON in the body"))
    }

    pub(crate) async fn multipart(self) -> Result<Multipart, GraphError> {
        Multipart::from_request(self.request, &())
            .await
            .map_err(|_| GraphError::invalid_parameter("The body must be multipart/form-data"))
    }
}

/// A 200 answer of the Graph API.
pub(crate) fn answer(value: &Value) -> Response {
    text_answer(StatusCode::OK, value.to_string())
}

pub(crate) fn text_answer(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Checks the bearer token.
pub(crate) fn check_token(simulator: &Simulator, headers: &HeaderMap) -> Result<(), GraphError> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = given
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if simulator.tokens.is_valid(given) {
        return Ok(());
    }
    Err(GraphError::of(190))
}

fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(major, minor)| number(major) && number(minor))
}

async fn node(
    State(simulator): State<Arc<Simulator>>,
    Path((version, node)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
    request: Request<Body>,
) -> Response {
    let outcome = match authorize(&simulator, &version, node, parameters, request) {
        Ok(call) => node_call(&simulator, call).await,
        Err(refusal) => Err(refusal),
    };
    count_refusal(&simulator, outcome)
}

async fn edge(
    State(simulator): State<Arc<Simulator>>,
    Path((version, node, edge)): Path<(String, String, String)>,
    Query(parameters): Query<Parameters>,
    request: Request<Body>,
) -> Response {
    let outcome = match authorize(&simulator, &version, node, parameters, request) {
        Ok(call) => edge_call(&simulator, &edge, call).await,
        Err(refusal) => Err(refusal),
    };
    count_refusal(&simulator, outcome)
}

fn count_refusal(simulator: &Simulator, outcome: Result<Response, GraphError>) -> Response {
    let response = outcome.unwrap_or_else(IntoResponse::into_response);
    if let Some(RefusedWith(code)) = response.extensions().get::<RefusedWith>() {
        simulator.ledger.refuse(code.to_string());
    }
    response
}

fn authorize(
    simulator: &Simulator,
    version: &str,
    node: String,
    parameters: Parameters,
    request: Request<Body>,
) -> Result<Call, GraphError> {
    if !is_version(version) {
        return Err(unknown_path());
    }
    if node.starts_with(template_uploads::PREFIX) {
        template_uploads::check_token(simulator, request.headers())?;
    } else {
        check_token(simulator, request.headers())?;
    }
    Ok(Call {
        method: request.method().clone(),
        node,
        parameters,
        request,
    })
}

async fn node_call(simulator: &Arc<Simulator>, call: Call) -> Result<Response, GraphError> {
    if call.method == Method::GET {
        if let Some(number) = simulator.accounts.number(&call.node) {
            return numbers::show(simulator, &number, &call.parameters).map(|value| answer(&value));
        }
        if let Some(template) = simulator.accounts.template_by_id(&call.node) {
            return Ok(answer(&templates::row(&template)));
        }
        return media::show(simulator, &call).map(|value| answer(&value));
    }
    if call.method == Method::POST {
        if call.node.starts_with(template_uploads::PREFIX) {
            let uploaded = template_uploads::receive(simulator, call).await;
            return uploaded.map(|value| answer(&value));
        }
        if let Some(template) = simulator.accounts.template_by_id(&call.node) {
            let edited = template_changes::edit(simulator, &template, call).await;
            return edited.map(|value| answer(&value));
        }
    }
    if call.method == Method::DELETE {
        return media::delete(simulator, &call).map(|value| answer(&value));
    }
    Err(call.no_such_object())
}

async fn edge_call(simulator: &Arc<Simulator>, edge: &str, call: Call) -> Result<Response, GraphError> {
    match (edge, call.method.as_str()) {
        ("messages", "POST") => messages::post(simulator, call).await,
        ("media", "POST") => media::upload(simulator, call).await.map(|value| answer(&value)),
        ("register", "POST") => numbers::register(simulator, call)
            .await
            .map(|value| answer(&value)),
        ("deregister", "POST") => numbers::deregister(simulator, &call).map(|value| answer(&value)),
        ("block_users", "POST" | "DELETE") => numbers::block(simulator, call).await,
        ("block_users", "GET") => numbers::blocked(simulator, &call).map(|value| answer(&value)),
        ("phone_numbers", "GET") => numbers::list(simulator, &call).map(|value| answer(&value)),
        ("message_templates", "GET") => templates::list(simulator, &call).map(|value| answer(&value)),
        ("message_templates", "POST") => templates::create(simulator, call)
            .await
            .map(|value| answer(&value)),
        ("message_templates", "DELETE") => templates::delete(simulator, &call).map(|value| answer(&value)),
        ("unpause", "POST") => template_changes::unpause(simulator, &call).map(|value| answer(&value)),
        ("uploads", "POST") => template_uploads::begin(simulator, &call).map(|value| answer(&value)),
        ("subscribed_apps", "GET") => subscriptions::list(simulator, &call).map(|value| answer(&value)),
        ("subscribed_apps", "POST") => subscriptions::add(simulator, call)
            .await
            .map(|value| answer(&value)),
        ("subscribed_apps", "DELETE") => subscriptions::remove(simulator, &call).map(|value| answer(&value)),
        _ => Err(call.no_such_object()),
    }
}

/// One page of a list by `limit`, `after` and `before`. Cursors are opaque to callers.
pub(crate) fn page(call: &Call, rows: Vec<Value>) -> Result<Value, GraphError> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    const DEFAULT: usize = 25;
    let cursor = |position: usize| URL_SAFE_NO_PAD.encode(format!("row:{position}"));
    let position = |name: &str| -> Result<Option<usize>, GraphError> {
        let Some(text) = call.parameters.get(name) else {
            return Ok(None);
        };
        let decoded = URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let row = decoded
            .as_deref()
            .and_then(|text| text.strip_prefix("row:"))
            .and_then(|text| text.parse().ok());
        row.filter(|row| *row < rows.len())
            .map(Some)
            .ok_or_else(|| GraphError::of(131_059))
    };
    let limit = match call.parameters.get("limit") {
        None => DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=1_000).contains(limit))
            .ok_or_else(|| {
                GraphError::invalid_parameter("Param limit must be a number between 1 and 1000")
            })?,
    };
    let start = match (position("after")?, position("before")?) {
        (Some(after), _) => after + 1,
        (None, Some(before)) => before.saturating_sub(limit),
        (None, None) => 0,
    };
    let total = rows.len();
    let data: Vec<Value> = rows.into_iter().skip(start).take(limit).collect();
    let mut value = serde_json::json!({"data": data});
    if !data.is_empty() {
        let last = start + data.len() - 1;
        value["paging"] = serde_json::json!({"cursors": {"before": cursor(start), "after": cursor(last)}});
        if last + 1 < total {
            value["paging"]["next"] = serde_json::json!(format!(
                "{}?limit={limit}&after={}",
                call.request.uri().path(),
                cursor(last)
            ));
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_two_numbers() {
        assert!(is_version("v25.0") && is_version("v9.10"));
        for text in ["25.0", "v25", "v.0", "v25.", "vx.y", "v25.0.1"] {
            assert!(!is_version(text), "{text}");
        }
    }
}
