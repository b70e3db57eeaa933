//! What stands around every router: the one error format, and an answer whatever happens.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use futures_util::FutureExt;

use crate::app::App;
use crate::error::ApiError;
use crate::text::{Language, Text};

/// Completes a router of this crate: unknown paths, wrong methods, errors and panics all answer in the one
/// error format, in the language the client asks for.
pub fn shell(router: Router<App>, app: App) -> Router {
    router
        .fallback(|| async { ApiError::not_found() })
        .layer(from_fn(answer_in_one_format))
        .with_state(app)
}

async fn answer_in_one_format(request: Request<Body>, next: Next) -> Response {
    let language = language_of(request.headers());
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => return ApiError::internal(panic_message(panic.as_ref())).render(language),
    };

    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        return error.render(language);
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return method_not_allowed(&response, language);
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

fn method_not_allowed(refusal: &Response, language: Language) -> Response {
    let error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        Text::new(
            "This method is not allowed here.",
            "Metode ini tidak diizinkan di sini.",
        ),
    );
    let mut response = error.render(language);
    if let Some(allowed) = refusal.headers().get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    response
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
    async fn a_panic_is_answered_and_tells_nothing() {
        let (response, body) = ask("GET", "/panics", "en").await;
        assert_eq!(response.status(), 500);
        assert_eq!(body["error"]["code"], "internal");
        assert!(!body.to_string().contains("secret"));
    }

    #[tokio::test]
    async fn a_wrong_method_names_the_right_ones() {
        let (response, body) = ask("POST", "/wrong", "en").await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET,HEAD");
        assert_eq!(body["error"]["code"], "method_not_allowed");
    }

    #[tokio::test]
    async fn errors_speak_the_language_of_the_client() {
        let (response, body) = ask("GET", "/wrong", "id-ID").await;
        assert_eq!(response.status(), 422);
        assert_eq!(body["error"]["fields"]["name"], "kosong");
        let (_, body) = ask("GET", "/nowhere", "en").await;
        assert_eq!(body["error"]["code"], "not_found");
    }
}
