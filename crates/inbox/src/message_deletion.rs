//! `DELETE /api/messages/{id}`.

use axum::extract::State;
use axum::routing::delete;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::path_id::PathId;
use crm_core::permissions::{MessagesDelete, MessagesSchedule};
use crm_core::text::{Language, Text};
use media::remove_files;

/// A message that says nothing any more.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedMessage {
    #[serde(flatten)]
    message: Message,
    /// `local`: `WhatsApp` offers businesses no way to take a message back, so the customer keeps it.
    deleted: &'static str,
    /// The same in words, in the language of the request.
    notice: String,
}

#[derive(Deserialize)]
struct Deleted {
    message: Message,
    paths: Vec<String>,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/messages/{id}", delete(delete_message))
}

/// Erases what a message says, here only, with its file; or cancels one that is scheduled. It takes `messages.delete`;
/// who scheduled a message may cancel it without.
#[utoipa::path(
    delete, path = "/api/messages/{id}", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = DeletedMessage),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, description = "`message_sending` or `message_not_deletable`", body = ErrorBody),
    )
)]
pub(crate) async fn delete_message(
    State(app): State<App>,
    permitted: Permitted<AnyOf<(MessagesDelete, MessagesSchedule)>>,
    PathId(id): PathId,
    background: Background,
) -> Result<Json<DeletedMessage>, ApiError> {
    let database = permitted.caller.database();
    let deleted: Deleted = database
        .rpc("delete_message", &json!({ "message_id": id }))
        .await?;
    background.run(async move { remove_files(&app, &deleted.paths).await });
    let notice = Text::new(
        "Deleted here only: WhatsApp does not let businesses take messages back.",
        "Hanya dihapus di sini: WhatsApp tidak mengizinkan bisnis menarik kembali pesan.",
    );
    Ok(Json(DeletedMessage {
        message: deleted.message,
        deleted: "local",
        notice: notice.in_language(Language::of_request()).to_owned(),
    }))
}
