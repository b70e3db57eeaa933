//! `POST` and `DELETE /api/conversations/{id}/read`: marks a conversation as read or unread.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::MessagesView;
use crm_core::routes;
use sending::number_token;

/// The message of a customer that is reported to Meta as read.
#[derive(Deserialize)]
pub(super) struct CustomerMessage {
    pub(super) session_id: Uuid,
    pub(super) phone_number_id: String,
    pub(super) wamid: String,
}

/// `/api/conversations/{id}/read`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(read_conversation, unread_conversation))
}

/// Mark a conversation as read.
///
/// WhatsApp shows the customer that their messages were read.
#[utoipa::path(
    post, path = "/api/conversations/{id}/read", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    responses((status = 204)),
)]
pub(crate) async fn read_conversation(
    State(app): State<App>,
    permitted: Permitted<MessagesView>,
    PathId(id): PathId,
    background: Background,
) -> Result<StatusCode, ApiError> {
    let arguments = json!({ "conversation_id": id });
    let unread: Option<CustomerMessage> = permitted
        .caller
        .database()
        .rpc("read_conversation", &arguments)
        .await?;
    if let Some(message) = unread {
        background.run(async move { report_read(&app, &message, false).await });
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Mark a conversation as unread.
///
/// The customer still sees their messages as read.
#[utoipa::path(
    delete, path = "/api/conversations/{id}/read", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    responses((status = 204)),
)]
pub(crate) async fn unread_conversation(
    permitted: Permitted<MessagesView>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .rpc::<()>("unread_conversation", &json!({ "conversation_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reports to Meta that a message was read, and optionally that a person is typing. Errors are only logged.
pub(super) async fn report_read(app: &App, message: &CustomerMessage, typing: bool) {
    let token = match number_token(app, message.session_id).await {
        Ok(token) => token,
        Err(error) => return log::warn!("number {}: {error}", message.session_id),
    };
    let number = app.graph().number(&message.phone_number_id, &token);
    let reported = if typing {
        number.show_typing(&message.wamid).await
    } else {
        number.mark_read(&message.wamid).await
    };
    if let Err(error) = reported {
        log::warn!(
            "number {}: a read message was not reported: {error}",
            message.session_id
        );
    }
}
