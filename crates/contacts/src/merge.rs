//! `GET` and `POST /api/crm/contacts/{id}/merge`: merges two contacts that are the same person.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact::Contact;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::path_id::PathId;
use crm_core::permissions::ContactsMerge;
use crm_core::routes;

/// The contact as it would be after the merge.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MergePreview {
    contact: Contact,
    with: Contact,
    fields: Vec<MergedField>,
    /// The tags of both contacts.
    #[schema(example = json!(["grosir", "vip"]))]
    tags: Vec<String>,
    /// Phone numbers and user ids of the other contact that cannot be kept. If the person writes from one of them
    /// again, a new contact is created.
    #[schema(example = json!(["+6281234567891"]))]
    lost_identities: Vec<String>,
    moves: Moves,
    /// Whether the person has opted out of marketing, by the latest consent of both contacts.
    opted_out: bool,
    blocked: bool,
}

/// A field of the two contacts.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MergedField {
    /// The name of the field in `fields` of the merge: `name`, `phone_number`, `custom_fields.city`.
    #[schema(example = "custom_fields.city")]
    field: String,
    #[schema(value_type = Value, example = "Solo")]
    this: Option<Value>,
    #[schema(value_type = Value, example = "Klaten")]
    other: Option<Value>,
    /// The value after the merge if the field is not chosen: the value of this contact, or else of the other one.
    #[schema(value_type = Value, example = "Solo")]
    result: Option<Value>,
    /// Whether the two values differ, so that one would be lost.
    conflict: bool,
}

/// The numbers of things that move from the other contact.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ContactMergeMoves)]
pub(crate) struct Moves {
    conversations: u64,
    /// The number of moved conversations that are joined with a conversation of this contact.
    joined_conversations: u64,
    messages: u64,
    /// The number of campaigns of the other contact. They count for this contact afterwards.
    #[serde(default)]
    #[schema(required)]
    campaigns: u64,
    notes: u64,
    consents: u64,
    labels: u64,
}

/// The other contact.
#[derive(Deserialize)]
pub(crate) struct MergeQuery {
    with: Uuid,
}

/// A merge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ContactMerge)]
pub(crate) struct Merge {
    /// The other contact. It does not exist afterwards.
    with: Uuid,
    /// Fields whose value is taken from the other contact, named as in the preview.
    #[serde(default)]
    #[schema(example = json!(["custom_fields.city"]))]
    fields: Vec<String>,
}

/// `/api/crm/contacts/{id}/merge`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(preview_contact_merge, merge_contact))
}

/// Preview the merge of two contacts.
///
/// The answer shows both contacts, the value that each field would have, and what would be moved. Nothing is changed.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/merge", tag = "contacts",
    params(
        ("id" = Uuid, Path, description = "The id of the contact"),
        ("with" = Uuid, Query, description = "The id of the other contact"),
    ),
    responses(
        (status = 200, body = MergePreview),
        (status = 403, description = "conversations_hidden"),
    ),
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

/// Merge another contact into this one.
///
/// Conversations, notes, consents, labels and campaigns of the other contact move to this one, and the other contact is
/// removed. `fields` names the fields whose value is taken from the other contact.
#[utoipa::path(
    post, path = "/api/crm/contacts/{id}/merge", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    request_body = Merge,
    responses((status = 200, body = Contact), (status = 403, description = "conversations_hidden")),
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
