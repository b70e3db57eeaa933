//! `PATCH` and `DELETE /api/conversations/notes/{id}`.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::note::{Note, check_mentions, checked_content};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{NotesUpdate, NotesView};
use crm_core::routes;

/// Changes to a note. Fields that are left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConversationNoteChanges)]
pub(crate) struct NoteChanges {
    #[schema(max_length = 5000, example = "Stok sudah ada lagi.")]
    content: Option<String>,
    /// The people who are mentioned. Those who were not mentioned before are notified.
    #[schema(max_items = 50)]
    mentions: Option<Vec<Uuid>>,
}

/// `/api/conversations/notes/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(update_note, delete_note))
}

/// Change a note.
///
/// Only the author can change a note. People who were not mentioned before are notified.
#[utoipa::path(
    patch, path = "/api/conversations/notes/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the note")),
    request_body = NoteChanges,
    responses((status = 200, body = Note)),
)]
pub(crate) async fn update_note(
    permitted: Permitted<NotesUpdate>,
    PathId(id): PathId,
    JsonBody(changes): JsonBody<NoteChanges>,
) -> Result<Json<Note>, ApiError> {
    check_mentions(changes.mentions.as_deref().unwrap_or_default())?;
    let content = match &changes.content {
        Some(content) => Some(checked_content(content)?),
        None => None,
    };
    let arguments = json!({ "note_id": id, "content": content, "mentions": changes.mentions });
    let database = permitted.caller.database();
    Ok(Json(database.rpc("update_note", &arguments).await?))
}

/// Delete a note.
///
/// Callers can delete their own notes, and with `notes.delete` every note.
#[utoipa::path(
    delete, path = "/api/conversations/notes/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the note")),
    responses((status = 204)),
)]
pub(crate) async fn delete_note(
    permitted: Permitted<NotesView>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .rpc::<()>("delete_note", &json!({ "note_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
