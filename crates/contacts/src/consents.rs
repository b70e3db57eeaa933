//! `GET` and `POST /api/crm/contacts/{id}/consents`: consent to marketing.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, created};
use crm_core::path_id::PathId;
use crm_core::permissions::{ContactsUpdate, ContactsView, ConversationsView};
use crm_core::routes;

const MAX_NOTE: usize = 1000;

/// The marketing consents of a contact, the latest first. The latest counts.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Consents {
    /// When the person opted out of marketing; null if they did not.
    marketing_opted_out_at: Option<DateTime<Utc>>,
    #[serde(rename(deserialize = "rows"))]
    data: Vec<Consent>,
}

crm_core::words! {
    /// The purpose of a consent.
    pub(crate) ConsentPurpose = "marketing";
    /// The way in which a consent came.
    pub(crate) ConsentSource = "meta_preference", "keyword", "person", "import", "error_131050";
}

/// One consent to marketing, or its refusal.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Consent {
    id: Uuid,
    /// `marketing`
    #[schema(value_type = ConsentPurpose)]
    purpose: String,
    state: ConsentState,
    /// `meta_preference`, `keyword`, `person`, `import` or `error_131050`
    #[schema(value_type = ConsentSource)]
    source: String,
    /// The evidence: Meta's notice, the message, or the person who entered it with their note.
    #[schema(value_type = Object, example = json!({"note": "Signed form of 17 February"}))]
    proof: Value,
    occurred_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

/// Whether the contact agreed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsentState {
    OptedIn,
    OptedOut,
}

/// A consent that the contact gave elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConsent {
    state: ConsentState,
    /// Where and how the contact gave it.
    #[schema(example = "Signed form of 17 February")]
    note: Option<String>,
}

/// `/api/crm/contacts/{id}/consents`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_contact_consents, record_contact_consent))
}

/// List the marketing consents of a contact.
///
/// The latest entry comes first, and the latest entry counts.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/consents", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    responses((status = 200, body = Consents)),
)]
pub(crate) async fn list_contact_consents(
    permitted: Permitted<AnyOf<(ContactsView, ConversationsView)>>,
    PathId(id): PathId,
) -> Result<Json<Consents>, ApiError> {
    let consents: Option<Consents> = permitted
        .caller
        .database()
        .rpc("list_contact_consents", &json!({ "contact_id": id }))
        .await?;
    consents.map(Json).ok_or_else(ApiError::not_found)
}

/// Record a marketing consent.
///
/// Use it for what a contact has said elsewhere: on the phone, in the shop, on paper.
#[utoipa::path(
    post, path = "/api/crm/contacts/{id}/consents", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    request_body(content = NewConsent, example = json!({"state": "opted_in", "note": "Signed form of 17 February"})),
    responses((status = 201, body = Consents)),
)]
pub(crate) async fn record_contact_consent(
    permitted: Permitted<ContactsUpdate>,
    PathId(id): PathId,
    JsonBody(consent): JsonBody<NewConsent>,
) -> Result<(StatusCode, Json<Consents>), ApiError> {
    let note = consent
        .note
        .map(|note| optional_text("note", &note, MAX_NOTE))
        .transpose()?;
    let arguments = json!({ "contact_id": id, "state": consent.state, "note": note });
    let consents = permitted
        .caller
        .database()
        .rpc("record_contact_consent", &arguments)
        .await?;
    Ok(created(consents))
}
