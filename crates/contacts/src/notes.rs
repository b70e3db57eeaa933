//! `GET`, `POST` and `DELETE /api/crm/contacts/{id}/notes`.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{NotesCreate, NotesView};
use crm_core::routes;

const MAX_CONTENT: usize = 5000;

/// A note about a contact.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ContactNote {
    id: Uuid,
    #[schema(example = "Minta dihubungi setelah jam 5.")]
    content: String,
    /// The author. Null: an integration, or a person who has been removed.
    created_by: Option<Uuid>,
    #[schema(example = "Putri Ayu")]
    created_by_name: Option<String>,
    created_at: DateTime<Utc>,
}

/// A note to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContactNote {
    /// 1 to 5000 characters.
    #[schema(example = "Minta dihubungi setelah jam 5.")]
    content: String,
}

/// The page to list.
#[derive(Deserialize)]
pub(crate) struct NotesQuery {
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// The note to delete.
#[derive(Deserialize)]
pub(crate) struct WhichNote {
    note_id: Uuid,
}

/// `/api/crm/contacts/{id}/notes`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(
        list_contact_notes,
        create_contact_note,
        delete_contact_note
    ))
}

/// List the notes about a contact.
///
/// The latest note comes first.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/notes", tag = "contacts",
    params(
        ("id" = Uuid, Path, description = "The id of the contact"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<ContactNote>)),
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

/// Add a note about a contact.
///
/// People of the organisation see the note; the customer never does.
#[utoipa::path(
    post, path = "/api/crm/contacts/{id}/notes", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    request_body = NewContactNote,
    responses((status = 201, body = ContactNote)),
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

/// Delete a note about a contact.
///
/// Callers can delete their own notes, and with `notes.delete` every note.
#[utoipa::path(
    delete, path = "/api/crm/contacts/{id}/notes", tag = "contacts",
    params(
        ("id" = Uuid, Path, description = "The id of the contact"),
        ("note_id" = Uuid, Query, description = "The id of the note"),
    ),
    responses((status = 204)),
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
