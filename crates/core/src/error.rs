//! The one error format of the HTTP edge: `{"error":{"code","message","fields"?}}`.
//!
//! Use the named constructors for errors that every route can answer. A feature adds its own codes with
//! [`ApiError::new`]. Errors of the layers below become an `ApiError` by `From`, so that handlers use `?`. The internal
//! cause is logged once, here, and never sent.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::text::{Language, Text};

/// The answer to a request that cannot be fulfilled.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: Text,
    fields: Vec<(String, Text)>,
    retry_after_seconds: Option<u32>,
    /// The internal cause, for the log only.
    source: Option<String>,
    request_id: Option<String>,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetails,
}

/// The error itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetails {
    /// The code that programs decide on: stable, in snake case.
    #[schema(example = "invalid_field")]
    code: String,
    /// A sentence for people, in English or Indonesian as `Accept-Language` asks.
    #[schema(example = "Some fields are not valid.")]
    message: String,
    /// For a refused body or query: each wrong field by its path, with what is wrong with it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(nullable = false)]
    fields: BTreeMap<String, String>,
}

impl ApiError {
    /// An error of a feature. Programs decide on `code`.
    pub fn new(status: StatusCode, code: &'static str, message: Text) -> Self {
        Self(Box::new(Refusal {
            status,
            code,
            message,
            fields: Vec::new(),
            retry_after_seconds: None,
            source: None,
            request_id: None,
        }))
    }

    /// 401: the request has no valid credentials.
    pub fn unauthorized(message: Text) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403: the caller may not do this.
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            Text::new("You may not do this.", "Anda tidak berhak melakukan ini."),
        )
    }

    /// 403: the caller lacks a permission. The sentence names it, and who can give it.
    pub(crate) fn lacks_permission(english: &str, indonesian: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            Text::new(
                format!(
                    "You need the permission {english}. An administrator of your organisation can give it."
                ),
                format!(
                    "Anda memerlukan izin {indonesian}. Administrator organisasi Anda dapat memberikannya."
                ),
            ),
        )
    }

    /// 404: it does not exist, or the caller may not see it.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            Text::new(
                "It does not exist, or you may not see it.",
                "Yang Anda cari tidak ada di sini.",
            ),
        )
    }

    /// 422: one field is wrong.
    pub fn field(field: impl Into<String>, problem: Text) -> Self {
        Self::fields(vec![(field.into(), problem)])
    }

    /// 422: a field is missing.
    pub fn required(field: impl Into<String>) -> Self {
        Self::field(field, Text::new("is required", "wajib diisi"))
    }

    /// 422: a field names something that does not exist.
    pub fn unknown(field: impl Into<String>) -> Self {
        Self::field(field, Text::new("is not known", "tidak dikenal"))
    }

    /// 422: several fields are wrong.
    pub fn fields(fields: Vec<(String, Text)>) -> Self {
        let mut error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
            Text::new("Some fields are not valid.", "Beberapa isian tidak valid."),
        );
        error.0.fields = fields;
        error
    }

    /// 413: the body is longer than the route reads.
    pub fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            Text::new("The request body is too large.", "Isi permintaan terlalu besar."),
        )
    }

    /// 503: a service that we need is unavailable. Nothing was done, or repeating it is safe.
    pub fn unavailable(source: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            Text::new(
                "The service is not available at the moment. Please try again.",
                "Layanan sedang tidak tersedia. Silakan coba lagi.",
            ),
        );
        error.0.retry_after_seconds = Some(2);
        error.0.source = Some(source.into());
        error
    }

    /// 500: a fault of ours. `source` is logged, never sent.
    pub fn internal(source: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            Text::new(
                "Something went wrong on our side.",
                "Terjadi kesalahan di pihak kami.",
            ),
        );
        error.0.source = Some(source.into());
        error
    }

    /// The same error, with the time to wait before the next request.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// The same error, with one more wrong field.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, problem: Text) -> Self {
        self.0.fields.push((field.into(), problem));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code that programs decide on.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Adds the id of the request to the log entry.
    pub(crate) fn trace(&mut self, request_id: &str) {
        self.0.request_id = Some(request_id.to_owned());
    }

    /// Renders the error in the language of the client, and logs it if it is a fault of ours.
    pub(crate) fn render(&self, language: Language) -> Response {
        self.log();
        self.rendered(language)
    }

    fn log(&self) {
        if self.0.status.is_server_error() {
            log::error!(
                "{}: {}: {}",
                self.0.request_id.as_deref().unwrap_or("no request"),
                self.0.code,
                self.0.source.as_deref().unwrap_or("no details")
            );
        }
    }

    /// Renders the error in the language of the client.
    pub(crate) fn rendered(&self, language: Language) -> Response {
        let body = ErrorBody {
            error: ErrorDetails {
                code: self.0.code.to_owned(),
                message: self.0.message.in_language(language).to_owned(),
                fields: self
                    .0
                    .fields
                    .iter()
                    .map(|(field, problem)| (field.clone(), problem.in_language(language).to_owned()))
                    .collect(),
            },
        };
        let mut response = (self.0.status, Json(body)).into_response();
        if self.0.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        if let Some(seconds) = self.0.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Carries the error to [`shell`](crate::shell), which knows the client's language.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
