//! `POST /api/conversations/{id}/typing`: shows the customer that a reply is being written.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::read::{CustomerMessage, report_read};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::MessagesSend;
use crm_core::routes;

/// `/api/conversations/{id}/typing`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(show_typing))
}

/// Show the customer that a person is typing.
///
/// The typing indicator disappears after 25 seconds, and what the customer wrote is marked as read. If the customer has
/// not written within 24 hours, nothing happens.
#[utoipa::path(
    post, path = "/api/conversations/{id}/typing", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    responses((status = 204)),
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
        background.run(async move { report_read(&app, &message, true).await });
    }
    Ok(StatusCode::NO_CONTENT)
}
