//! `DELETE /api/messages/{id}`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::{MessagesDelete, MessagesSchedule};
use crm_core::routes;
use crm_core::text::{Language, Text};
use media::remove_files;

crm_core::words! {
    /// The place where a message was deleted.
    pub(crate) DeletedWhere = "local";
}

/// A deleted message.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedMessage {
    #[serde(flatten)]
    message: Message,
    /// `local`: `WhatsApp` does not let businesses revoke messages, so the customer keeps it.
    #[schema(value_type = DeletedWhere)]
    deleted: &'static str,
    /// The same as a sentence, in the language of the request.
    #[schema(example = "The message was deleted here. The customer keeps it.")]
    notice: String,
}

#[derive(Deserialize)]
struct Deleted {
    message: Message,
    paths: Vec<String>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(delete_message))
}

/// Delete a message.
///
/// The text and the file of the message are erased in the product only; the customer keeps them. A scheduled message is
/// cancelled. `messages.delete` is needed; the person who scheduled a message can cancel it without.
#[utoipa::path(
    delete, path = "/api/messages/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the message")),
    responses(
        (status = 200, body = DeletedMessage),
        (status = 409, description = "message_sending, message_not_deletable"),
    ),
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
