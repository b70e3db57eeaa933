//! `GET` and `POST /api/conversations/{id}/notes`.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::note::{Note, check_mentions, checked_content};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{default_limit, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{NotesCreate, NotesView};
use crm_core::routes;

/// The part of the list to read.
#[derive(Deserialize)]
pub(crate) struct NotesQuery {
    before: Option<Uuid>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// One page of notes.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationNotes)]
pub(crate) struct Notes {
    /// The notes, newest first.
    data: Vec<Note>,
    /// The value of `before` for the next, older page. Null on the last page.
    next_cursor: Option<Uuid>,
}

#[derive(Deserialize)]
struct NoteRows {
    rows: Vec<Note>,
    next_cursor: Option<Uuid>,
}

/// A note to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConversationNote)]
pub(crate) struct NewNote {
    #[schema(max_length = 5000, example = "Stok habis, tanya gudang.")]
    content: String,
    /// People to notify. They must be allowed to see the conversation.
    #[serde(default)]
    #[schema(max_items = 50)]
    mentions: Vec<Uuid>,
}

/// `/api/conversations/{id}/notes`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_notes, create_note))
}

/// List the notes of a conversation.
///
/// The newest note comes first. The customer never sees notes.
#[utoipa::path(
    get, path = "/api/conversations/{id}/notes", tag = "conversations",
    params(
        ("id" = Uuid, Path, description = "The id of the conversation"),
        ("before" = Option<Uuid>, Query, description = "The `next_cursor` of the previous page"),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Notes)),
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

/// Add a note to a conversation.
///
/// People in `mentions` are notified; they must be allowed to see the conversation.
#[utoipa::path(
    post, path = "/api/conversations/{id}/notes", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    request_body(content = NewNote, example = json!({"content": "Stok habis, tanya gudang", "mentions": ["3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10"]})),
    responses((status = 201, body = Note)),
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
