//! `POST /api/conversations/{id}/typing`: the customer sees that somebody is writing.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::json;

use super::read::{CustomerMessage, tell};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::path_id::PathId;
use crm_core::permissions::MessagesSend;

/// `/api/conversations/{id}/typing`.
pub fn router() -> Router<App> {
    Router::new().route("/api/conversations/{id}/typing", post(show_typing))
}

/// Shows the customer for up to 25 seconds that somebody is writing, and marks what they wrote as read. Does nothing
/// when they have not written within 24 hours.
#[utoipa::path(
    post, path = "/api/conversations/{id}/typing", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn show_typing(
    State(app): State<App>,
    permitted: Permitted<MessagesSend>,
    PathId(id): PathId,
    background: Background,
) -> Result<StatusCode, ApiError> {
    let arguments = json!({ "conversation_id": id });
    let target: Option<CustomerMessage> = permitted
        .caller
        .database()
        .rpc("typing_target", &arguments)
        .await?;
    if let Some(message) = target {
        background.run(async move { tell(&app, &message, true).await });
    }
    Ok(StatusCode::NO_CONTENT)
}
