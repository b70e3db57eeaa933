//! A contact as clients see it, and `GET`, `PATCH` and `DELETE /api/crm/contacts/{id}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact_input::ContactInput;
use super::erased_files;
use super::personal_data::Erased;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, from_value};
use crm_core::path_id::PathId;
use crm_core::permissions::{ContactsDelete, ContactsUpdate, ContactsView, ConversationsView};
use crm_core::routes;
use crm_core::text::Text;

/// A person that the organisation is in contact with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Contact {
    pub(super) id: Uuid,
    /// The name that a person of the organisation entered. It takes precedence over `profile_name`.
    #[schema(example = "Sari Dewi")]
    pub(super) name: Option<String>,
    /// The name on WhatsApp.
    #[schema(example = "Sari")]
    pub(super) profile_name: Option<String>,
    pub(super) username: Option<String>,
    /// Null while Meta hides it.
    #[schema(example = "+6281234567890")]
    pub(super) phone_number: Option<String>,
    /// The phone number as WhatsApp writes it: digits only.
    #[schema(example = "6281234567890")]
    wa_id: Option<String>,
    /// Meta's id of the person for this business.
    user_id: Option<String>,
    #[schema(example = "sari@example.com")]
    pub(super) email: Option<String>,
    #[schema(example = "id")]
    pub(super) language: Option<String>,
    #[schema(example = json!(["grosir"]))]
    pub(super) tags: Vec<String>,
    /// The custom values, by the keys of the custom fields.
    #[schema(value_type = Object, example = json!({"city": "Solo"}))]
    pub(super) custom_fields: Map<String, Value>,
    owner_id: Option<Uuid>,
    pub(super) owner_name: Option<String>,
    pub(super) labels: Vec<ContactLabel>,
    /// When the person opted out of marketing.
    pub(super) marketing_opted_out_at: Option<DateTime<Utc>>,
    pub(super) blocked_at: Option<DateTime<Utc>>,
    /// When the last message was exchanged.
    pub(super) last_activity_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A label on a contact. The list is empty for callers who may not see labels.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ContactLabel {
    id: Uuid,
    #[schema(example = "VIP")]
    pub(super) name: String,
    #[schema(example = "#64748b")]
    color: String,
}

/// `/api/crm/contacts/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_contact, update_contact, delete_contact))
}

/// Get one contact.
///
/// Callers with `contacts.view` see every contact; others see the contacts of the conversations they may see.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    responses((status = 200, body = Contact)),
)]
pub(crate) async fn get_contact(
    permitted: Permitted<AnyOf<(ContactsView, ConversationsView)>>,
    PathId(id): PathId,
) -> Result<Json<Contact>, ApiError> {
    let contact: Option<Contact> = permitted
        .caller
        .database()
        .rpc("get_contact", &json!({ "contact_id": id }))
        .await?;
    contact.map(Json).ok_or_else(ApiError::not_found)
}

/// Change a contact.
///
/// Fields that are left out stay as they are, and null removes a value. `tags` and `label_ids` replace the old lists;
/// `custom_fields` are changed key by key. Send the `updated_at` you read to be refused with `contact_changed` if the
/// contact has changed meanwhile. A wrong custom field is named like `custom_fields.city`.
#[utoipa::path(
    patch, path = "/api/crm/contacts/{id}", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    request_body(content = ContactInput, example = json!({"name": "Sari", "custom_fields": {"city": "Solo", "tier": null}})),
    responses((status = 200, body = Contact), (status = 409, description = "contact_changed")),
)]
pub(crate) async fn update_contact(
    permitted: Permitted<ContactsUpdate>,
    PathId(id): PathId,
    JsonBody(mut body): JsonBody<Map<String, Value>>,
) -> Result<Json<Contact>, ApiError> {
    if body.contains_key("phone_number") {
        let problem = Text::new(
            "cannot be changed: the history belongs to the number",
            "tidak dapat diubah: riwayatnya milik nomor ini",
        );
        return Err(ApiError::field("phone_number", problem));
    }
    let read_at: Option<DateTime<Utc>> = match body.remove("updated_at") {
        None => None,
        Some(time) => {
            let Read { updated_at } = from_value(json!({ "updated_at": time }))?;
            updated_at
        }
    };
    let input: ContactInput = from_value(Value::Object(body))?;
    let arguments = json!({
        "contact_id": id, "changes": input.checked()?, "unless_changed_since": read_at,
    });
    let contact = permitted
        .caller
        .database()
        .rpc("update_contact", &arguments)
        .await?;
    Ok(Json(contact))
}

#[derive(Deserialize)]
struct Read {
    updated_at: Option<DateTime<Utc>>,
}

/// Delete a contact.
///
/// Everything that identifies the person is removed, and so are the texts of the conversations. What statistics count
/// stays.
#[utoipa::path(
    delete, path = "/api/crm/contacts/{id}", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    responses((status = 204), (status = 403, description = "conversations_hidden")),
)]
pub(crate) async fn delete_contact(
    State(app): State<App>,
    permitted: Permitted<ContactsDelete>,
    PathId(id): PathId,
    background: Background,
) -> Result<StatusCode, ApiError> {
    let _erased: Erased = permitted
        .caller
        .database()
        .rpc("delete_contact", &json!({ "contact_id": id }))
        .await?;
    background.run(async move { erased_files::remove_soon(&app).await });
    Ok(StatusCode::NO_CONTENT)
}
