//! `GET`, `POST` and `DELETE /api/crm/contacts/{id}/notes`.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::required_text;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{NotesCreate, NotesView};

const MAX_CONTENT: usize = 5000;

/// What somebody of the organisation noted about a contact.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ContactNote {
    id: Uuid,
    content: String,
    /// Null: an integration, or somebody who is gone.
    created_by: Option<Uuid>,
    created_by_name: Option<String>,
    created_at: DateTime<Utc>,
}

/// A note to keep.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContactNote {
    /// 1 to 5000 characters.
    content: String,
}

/// Which page.
#[derive(Deserialize)]
pub(crate) struct NotesQuery {
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// Which note.
#[derive(Deserialize)]
pub(crate) struct WhichNote {
    note_id: Uuid,
}

/// `/api/crm/contacts/{id}/notes`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/crm/contacts/{id}/notes",
        get(list_contact_notes)
            .post(create_contact_note)
            .delete(delete_contact_note),
    )
}

/// The notes about a contact, the latest first.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/notes", tag = "contacts", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "Rows of a page, by default 20", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Paged<ContactNote>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_contact_notes(
    permitted: Permitted<NotesView>,
    PathId(id): PathId,
    QueryParameters(NotesQuery { page, limit }): QueryParameters<NotesQuery>,
) -> Result<Json<Paged<ContactNote>>, ApiError> {
    let arguments = json!({ "contact_id": id, "page": page, "page_size": limit });
    let notes: Option<Rows<ContactNote>> = permitted
        .caller
        .database()
        .rpc("list_contact_notes", &arguments)
        .await?;
    let notes = notes.ok_or_else(ApiError::not_found)?;
    Ok(Json(notes.into_page(PageNumber { page, limit })))
}

/// Notes something about a contact.
#[utoipa::path(
    post, path = "/api/crm/contacts/{id}/notes", tag = "contacts", security(("bearer" = [])), params(("id" = Uuid, Path)),
    request_body = NewContactNote,
    responses(
        (status = 201, body = ContactNote), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn create_contact_note(
    permitted: Permitted<NotesCreate>,
    PathId(id): PathId,
    JsonBody(note): JsonBody<NewContactNote>,
) -> Result<(StatusCode, Json<ContactNote>), ApiError> {
    let content = required_text("content", &note.content, MAX_CONTENT)?;
    let arguments = json!({ "contact_id": id, "content": content });
    let note = permitted
        .caller
        .database()
        .rpc("create_contact_note", &arguments)
        .await?;
    Ok(created(note))
}

/// Removes a note of one's own; anybody's with `notes.delete`.
#[utoipa::path(
    delete, path = "/api/crm/contacts/{id}/notes", tag = "contacts", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("note_id" = Uuid, Query)),
    responses(
        (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn delete_contact_note(
    permitted: Permitted<NotesView>,
    PathId(id): PathId,
    QueryParameters(which): QueryParameters<WhichNote>,
) -> Result<StatusCode, ApiError> {
    let arguments = json!({ "contact_id": id, "note_id": which.note_id });
    permitted
        .caller
        .database()
        .rpc::<()>("delete_contact_note", &arguments)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
