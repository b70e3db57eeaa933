//! `GET` and `POST /api/crm/contacts/{id}/merge`: two contacts that are one person.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact::Contact;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::path_id::PathId;
use crm_core::permissions::ContactsMerge;

/// What would become of a contact.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MergePreview {
    contact: Contact,
    with: Contact,
    fields: Vec<MergedField>,
    /// Of both.
    tags: Vec<String>,
    /// Numbers and user ids of the other contact that cannot be kept: when somebody writes from there again, a new contact
    /// begins.
    lost_identities: Vec<String>,
    moves: Moves,
    /// Whether either of them wants no marketing: the latest word of both holds.
    opted_out: bool,
    blocked: bool,
}

/// A field of both.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MergedField {
    /// As `fields` of the merge names it: `name`, `phone_number`, `custom_fields.city`.
    field: String,
    #[schema(value_type = Object)]
    this: Option<Value>,
    #[schema(value_type = Object)]
    other: Option<Value>,
    /// What results when nothing is chosen: what this contact has, or else what the other one has.
    #[schema(value_type = Object)]
    result: Option<Value>,
    /// Whether one of two values would be lost.
    conflict: bool,
}

/// What the other contact brings along.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Moves {
    conversations: u64,
    /// Of them, those that become one with a conversation of this contact.
    joined_conversations: u64,
    messages: u64,
    /// Campaigns the other contact was in: what was done with them counts for this one.
    #[serde(default)]
    campaigns: u64,
    notes: u64,
    consents: u64,
    labels: u64,
}

/// Which other contact.
#[derive(Deserialize)]
pub(crate) struct MergeQuery {
    with: Uuid,
}

/// A merge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Merge {
    /// The other contact. It is no more afterwards.
    with: Uuid,
    /// Fields to take from the other contact, as the preview names them.
    #[serde(default)]
    fields: Vec<String>,
}

/// `/api/crm/contacts/{id}/merge`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/crm/contacts/{id}/merge",
        get(preview_contact_merge).post(merge_contact),
    )
}

/// What would become of a contact with which another one is merged. Nothing is changed.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/merge", tag = "contacts", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("with" = Uuid, Query, description = "The other contact")),
    responses(
        (status = 200, body = MergePreview), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn preview_contact_merge(
    permitted: Permitted<ContactsMerge>,
    PathId(id): PathId,
    QueryParameters(query): QueryParameters<MergeQuery>,
) -> Result<Json<MergePreview>, ApiError> {
    let arguments = json!({ "contact_id": id, "other_id": query.with });
    let preview = permitted
        .caller
        .database()
        .rpc("preview_contact_merge", &arguments)
        .await?;
    Ok(Json(preview))
}

/// Merges another contact into this one, with its conversations and everything else.
#[utoipa::path(
    post, path = "/api/crm/contacts/{id}/merge", tag = "contacts", security(("bearer" = [])), params(("id" = Uuid, Path)),
    request_body = Merge,
    responses(
        (status = 200, body = Contact), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn merge_contact(
    permitted: Permitted<ContactsMerge>,
    PathId(id): PathId,
    JsonBody(merge): JsonBody<Merge>,
) -> Result<Json<Contact>, ApiError> {
    let arguments = json!({ "contact_id": id, "other_id": merge.with, "fields": merge.fields });
    let contact = permitted
        .caller
        .database()
        .rpc("merge_contact", &arguments)
        .await?;
    Ok(Json(contact))
}
