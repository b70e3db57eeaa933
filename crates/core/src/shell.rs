//! The layers around every router: the one error format, and an answer to every request.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::oneshot;

use crate::app::App;
use crate::background::Background;
use crate::error::ApiError;
use crate::repeatable::{self, IDEMPOTENCY_KEY};
use crate::text::{Language, Text};
use crate::trace::{Actor, REQUEST_ID, Trace};

/// Completes a router: unknown paths, wrong methods, errors and panics all answer in the one error format, in the
/// language that the client asks for.
pub fn shell(router: impl Into<Router<App>>, app: App) -> Router {
    router
        .into()
        .fallback(|| async { ApiError::not_found() })
        .layer(from_fn_with_state(app.clone(), trace_request))
        .layer(from_fn(answer_in_one_format))
        .with_state(app)
}

/// Gives the request an id that the answer carries, and records refusals in the audit log.
async fn trace_request(State(app): State<App>, mut request: Request<Body>, next: Next) -> Response {
    let trace = Trace::begin(request.headers());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let route = route.map(|path| format!("{} {path}", request.method()));
    let background = request
        .extensions()
        .get::<Background>()
        .cloned()
        .unwrap_or_default();
    request.extensions_mut().insert(Arc::clone(&trace));

    let has_key = request.method() == Method::POST && request.headers().contains_key(IDEMPOTENCY_KEY);
    let answer = answer(app, trace, background.clone(), route, request, next);
    if !has_key {
        return answer.await;
    }
    // Not part of the connection's future: a client that hangs up finds the answer when it repeats the request.
    let (sender, receiver) = oneshot::channel();
    background.run(Language::of_request().speaks(async move { drop(sender.send(answer.await)) }));
    receiver
        .await
        .unwrap_or_else(|_| ApiError::internal("a request with an Idempotency-Key panicked").into_response())
}

async fn answer(
    app: App,
    trace: Arc<Trace>,
    background: Background,
    route: Option<String>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let mut response = repeatable::finish(&app, &trace, next.run(request).await).await;
    if let Ok(id) = HeaderValue::from_str(trace.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let Some(error) = response.extensions_mut().get_mut::<ApiError>() else {
        return response;
    };
    error.trace(trace.request_id());
    if let (Some(action), Some(actor), Some(route)) = (refusal(error), trace.actor(), route) {
        let reason = error.code();
        background.run(async move { record_refusal(&app, &trace, action, actor, &route, reason).await });
    }
    response
}

/// The security event that an answer stands for, if it does.
fn refusal(error: &ApiError) -> Option<&'static str> {
    match (error.status(), error.code()) {
        (StatusCode::UNAUTHORIZED, _) | (_, "no_tenant") => Some("auth.refused"),
        (StatusCode::FORBIDDEN, _) => Some("permission.refused"),
        _ => None,
    }
}

async fn record_refusal(app: &App, trace: &Trace, action: &str, actor: Actor, route: &str, reason: &str) {
    let arguments = json!({
        "action": action, "actor_type": actor.kind, "actor_id": actor.id, "route": route, "reason": reason,
    });
    let service = trace.mark(app.supabase().as_service());
    if let Err(error) = service.rpc::<()>("record_refusal", &arguments).await {
        log::error!(
            "{action} of {} was not recorded: {}",
            actor.id,
            error.source_text()
        );
    }
}

async fn answer_in_one_format(request: Request<Body>, next: Next) -> Response {
    let language = language_of(request.headers());
    let mut response = match AssertUnwindSafe(language.speaks(next.run(request)))
        .catch_unwind()
        .await
    {
        Ok(response) => response,
        Err(panic) => ApiError::internal(panic_message(panic.as_ref())).into_response(),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.extensions_mut().insert(method_not_allowed());
    }
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let headers = std::mem::take(response.headers_mut());
        response = error.render(language);
        for kept in [header::ALLOW, REQUEST_ID] {
            if let Some(value) = headers.get(&kept) {
                response.headers_mut().insert(kept, value.clone());
            }
        }
    }
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        let no_store = HeaderValue::from_static("private, no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    }
    response
}

fn language_of(headers: &HeaderMap) -> Language {
    let header = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    Language::from_accept_language(header.unwrap_or_default())
}

fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        Text::new(
            "This method is not allowed here.",
            "Metode ini tidak diizinkan di sini.",
        ),
    )
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn ask(method: &str, path: &str, language: &str) -> (Response, serde_json::Value) {
        let router = Router::<()>::new()
            .route("/panics", get(|| async { panic!("secret") as &str }))
            .route(
                "/wrong",
                get(|| async { ApiError::field("name", Text::new("is empty", "kosong")) }),
            )
            .fallback(|| async { ApiError::not_found() })
            .layer(from_fn(answer_in_one_format));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept-language", language)
            .body(Body::empty())
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let json = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
        (Response::from_parts(parts, Body::empty()), json)
    }

    #[tokio::test]
    async fn a_panic_is_answered_without_its_message() {
        let (response, body) = ask("GET", "/panics", "en").await;
        assert_eq!(response.status(), 500);
        assert_eq!(body["error"]["code"], "internal");
        assert!(!body.to_string().contains("secret"));
    }

    #[tokio::test]
    async fn a_refused_method_names_the_allowed_ones() {
        let (response, body) = ask("POST", "/wrong", "en").await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET,HEAD");
        assert_eq!(body["error"]["code"], "method_not_allowed");
    }

    #[tokio::test]
    async fn errors_are_in_the_language_of_the_client() {
        let (response, body) = ask("GET", "/wrong", "id-ID").await;
        assert_eq!(response.status(), 422);
        assert_eq!(body["error"]["fields"]["name"], "kosong");
        let (_, body) = ask("GET", "/nowhere", "en").await;
        assert_eq!(body["error"]["code"], "not_found");
    }
}
