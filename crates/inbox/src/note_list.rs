//! `GET` and `POST /api/conversations/{id}/notes`.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::note::{Note, check_mentions, checked_content};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{default_limit, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{NotesCreate, NotesView};

/// Which part of the list.
#[derive(Deserialize)]
pub(crate) struct NotesQuery {
    before: Option<Uuid>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// One page of notes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Notes {
    /// The newest first.
    data: Vec<Note>,
    /// Pass it as `before` for the next, older page. Null on the last.
    next_cursor: Option<Uuid>,
}

#[derive(Deserialize)]
struct NoteRows {
    rows: Vec<Note>,
    next_cursor: Option<Uuid>,
}

/// A new note.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNote {
    #[schema(max_length = 5000)]
    content: String,
    /// People who may see the conversation. They are told.
    #[serde(default)]
    #[schema(max_items = 50)]
    mentions: Vec<Uuid>,
}

/// `/api/conversations/{id}/notes`.
pub fn router() -> Router<App> {
    Router::new().route("/api/conversations/{id}/notes", get(list_notes).post(create_note))
}

/// The notes of a conversation, the newest first.
#[utoipa::path(
    get, path = "/api/conversations/{id}/notes", tag = "conversations", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("before" = Option<Uuid>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, description = "By default 20", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Notes),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_notes(
    permitted: Permitted<NotesView>,
    PathId(id): PathId,
    QueryParameters(query): QueryParameters<NotesQuery>,
) -> Result<Json<Notes>, ApiError> {
    let arguments = json!({ "conversation_id": id, "before": query.before, "page_size": query.limit });
    let notes: Option<NoteRows> = permitted.caller.database().rpc("list_notes", &arguments).await?;
    let NoteRows { rows, next_cursor } = notes.ok_or_else(ApiError::not_found)?;
    Ok(Json(Notes {
        data: rows,
        next_cursor,
    }))
}

/// Writes a note, and tells those it mentions.
#[utoipa::path(
    post, path = "/api/conversations/{id}/notes", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    request_body(content = NewNote, example = json!({"content": "Stok habis, tanya gudang", "mentions": ["<id>"]})),
    responses(
        (status = 201, body = Note),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn create_note(
    permitted: Permitted<NotesCreate>,
    PathId(id): PathId,
    JsonBody(note): JsonBody<NewNote>,
) -> Result<(StatusCode, Json<Note>), ApiError> {
    check_mentions(&note.mentions)?;
    let arguments = json!({
        "conversation_id": id, "content": checked_content(&note.content)?, "mentions": note.mentions,
    });
    let database = permitted.caller.database();
    Ok(created(database.rpc("create_note", &arguments).await?))
}
