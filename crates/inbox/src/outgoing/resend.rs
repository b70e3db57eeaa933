//! `POST /api/messages/{id}/resend`: sends a message again when a person asks for it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::json;

use super::delivery::{CreatedMessage, deliver};
use super::reply::MaySend;
use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::repeatable::idempotency_key;
use crm_core::routes;

/// `/api/messages/{id}/resend`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(resend_message))
}

/// Send a failed message again.
///
/// Messages that failed, and messages whose outcome is unknown, can be sent again; the customer may then get the latter
/// twice. The new message has `metadata.resend_of`.
#[utoipa::path(
    post, path = "/api/messages/{id}/resend", tag = "conversations",
    params(
        ("id" = Uuid, Path, description = "The id of the message"),
        ("Idempotency-Key" = Option<String>, Header, description = "A key of up to 200 characters that makes the request safe to repeat"),
    ),
    responses(
        (status = 201, body = Message),
        (status = 200, description = "The message of the first request with this key", body = Message),
        (status = 409, description = "message_not_failed, already_resent, window_closed, number_unavailable, contact_blocked, contact_opted_out, contact_unreachable"),
        (status = 422, description = "invalid_field, template_not_approved"),
        (status = 503, description = "meta_unavailable"),
    ),
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
