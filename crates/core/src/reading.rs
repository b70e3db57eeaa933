//! Reads requests before their handlers do: what their operations do not read is refused, and a key is noted.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{RawPathParams, Request};
use axum::http::header;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::MethodRouter;
use axum::{RequestExt, http::Method};
use serde_json::Value;

use crate::app::App;
use crate::contract::Reading;
use crate::error::ApiError;
use crate::json_body::{is_of_path, no_such_field};
use crate::repeatable;
use crate::text::Text;

/// The longest body that is looked at, in bytes. It belongs to an operation that needs none.
const MAX_BODY: usize = 64 * 1024;

/// Lets the operations of a path refuse query parameters and bodies that they do not read: a request that was meant
/// differently must not be carried out. `{}` and an empty body say nothing and are no body. Also notes the
/// `Idempotency-Key` of a repeatable operation.
pub fn apply(methods: MethodRouter<App>, reading: Reading) -> MethodRouter<App> {
    let reading = Arc::new(reading);
    methods.layer(from_fn(move |request: Request, next: Next| {
        let reading = Arc::clone(&reading);
        async move {
            match read(request, &reading).await {
                Ok(request) => next.run(request).await,
                Err(refusal) => refusal.into_response(),
            }
        }
    }))
}

async fn read(mut request: Request, reading: &Reading) -> Result<Request, ApiError> {
    // A HEAD request runs the operation of GET.
    let method = match *request.method() {
        Method::HEAD => Method::GET,
        ref method => method.clone(),
    };
    if reading.no_query.contains(&method) && request.uri().query().is_some_and(|query| !query.is_empty()) {
        let path = request.extract_parts::<RawPathParams>().await.ok();
        let query = request.uri().query().unwrap_or_default();
        let unknown = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, value)| !is_of_path(path.as_ref(), name, value));
        if let Some((name, _)) = unknown {
            return Err(ApiError::field(name.clone(), no_such_field(&name, &[])));
        }
    }
    if reading.no_body.contains(&method) && has_body(&request) {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, MAX_BODY)
            .await
            .map_err(|_| ApiError::too_large())?;
        refuse_content(&bytes)?;
        request = Request::from_parts(parts, Body::empty());
    }
    if reading.repeatable && method == Method::POST {
        return repeatable::note(request).await;
    }
    Ok(request)
}

fn has_body(request: &Request) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
}

fn refuse_content(body: &[u8]) -> Result<(), ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Ok(()),
        Ok(Value::Object(members)) => match members.keys().next() {
            Some(name) => Err(ApiError::field(name.replace('\0', ""), no_such_field(name, &[]))),
            None => Ok(()),
        },
        _ => Err(ApiError::field(
            "body",
            Text::new("is not read by this request", "tidak dibaca oleh permintaan ini"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::refuse_content;

    #[test]
    fn a_body_that_says_something_is_refused() {
        for empty in ["", " \n", "{}", "null"] {
            assert!(refuse_content(empty.as_bytes()).is_ok(), "{empty}");
        }
        for content in [r#"{"scheduled_at": "2027"}"#, "[]", "[1]", "3", "send it"] {
            assert!(refuse_content(content.as_bytes()).is_err(), "{content}");
        }
    }
}
