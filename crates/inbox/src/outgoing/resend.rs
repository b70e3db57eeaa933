//! `POST /api/messages/{id}/resend`: once more, because somebody wants it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;

use super::delivery::{CreatedMessage, deliver};
use super::idempotency::idempotency_key;
use super::reply::MaySend;
use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::path_id::PathId;

/// `/api/messages/{id}/resend`.
pub fn router() -> Router<App> {
    Router::new().route("/api/messages/{id}/resend", post(resend_message))
}

/// Sends a message again that failed, or whose outcome is unknown: the customer may then have it twice. It is a message
/// of its own, with `metadata.resend_of`.
#[utoipa::path(
    post, path = "/api/messages/{id}/resend", tag = "conversations", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 200 characters"),
    ),
    responses(
        (status = 201, body = Message), (status = 200, description = "Repeated", body = Message),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, description = "`message_not_failed`, `already_resent`, `window_closed` or `number_unavailable`", body = ErrorBody),
        (status = 422, body = ErrorBody),
        (status = 503, description = "`meta_unavailable`", body = ErrorBody),
    )
)]
pub(crate) async fn resend_message(
    State(app): State<App>,
    permitted: Permitted<MaySend>,
    PathId(id): PathId,
    background: Background,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let arguments = json!({ "message_id": id, "idempotency_key": idempotency_key(&headers)? });
    let database = permitted.caller.database();
    let made: CreatedMessage = database.rpc("resend_message", &arguments).await?;
    deliver(app, &background, made).await
}
