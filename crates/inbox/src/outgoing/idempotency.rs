//! The `Idempotency-Key` of a request.

use axum::http::HeaderMap;

use crm_core::error::ApiError;
use crm_core::text::Text;

/// The key, if the request has one. It is valid for 24 hours within a conversation.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        ApiError::field(
            "Idempotency-Key",
            Text::new(
                "must have 1 to 200 plain characters",
                "harus terdiri dari 1 sampai 200 karakter biasa",
            ),
        )
    })
}
