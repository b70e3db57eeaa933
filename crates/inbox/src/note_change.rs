//! `PATCH` and `DELETE /api/conversations/notes/{id}`.

use axum::http::StatusCode;
use axum::routing::patch;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::note::{Note, check_mentions, checked_content};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{NotesUpdate, NotesView};

/// What to change; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteChanges {
    #[schema(max_length = 5000)]
    content: Option<String>,
    /// Who was not mentioned before is told.
    #[schema(max_items = 50)]
    mentions: Option<Vec<Uuid>>,
}

/// `/api/conversations/notes/{id}`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/conversations/notes/{id}",
        patch(update_note).delete(delete_note),
    )
}

/// Corrects a note. Only who wrote it may.
#[utoipa::path(
    patch, path = "/api/conversations/notes/{id}", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)), request_body = NoteChanges,
    responses(
        (status = 200, body = Note),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
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

/// Removes a note: one's own, or with `notes.delete` anybody's.
#[utoipa::path(
    delete, path = "/api/conversations/notes/{id}", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
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
