//! `GET /api/crm/contacts/duplicates`: contacts that may be the same person.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact::Contact;
use crm_core::caller::{AllOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::permissions::{ContactsMerge, ContactsView};
use crm_core::routes;

crm_core::words! {
    /// What two contacts have in common.
    pub(crate) DuplicateReason = "email", "phone_number", "name";
}

/// Two contacts that may be the same person.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DuplicatePair {
    contact: Contact,
    /// The contact that was added earlier.
    other: Contact,
    /// What they have in common: `email`, `phone_number` (its last digits), `name`.
    #[schema(value_type = Vec<DuplicateReason>)]
    reasons: Vec<String>,
}

/// Pairs of contacts, sorted by when the later one was added.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DuplicatePage {
    #[serde(rename(deserialize = "rows"))]
    data: Vec<DuplicatePair>,
    /// The value of `cursor` for the next page. A short or empty page may have a next one; only null marks the last
    /// page.
    next_cursor: Option<Uuid>,
}

/// The position in the list.
#[derive(Deserialize)]
pub(crate) struct DuplicatesQuery {
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    cursor: Option<Uuid>,
}

/// `/api/crm/contacts/duplicates`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_contact_duplicates))
}

/// List contacts that may be the same person.
///
/// Two contacts are paired if they have the same e-mail address, the same last digits of the number, or the same name
/// and no numbers that contradict it.
#[utoipa::path(
    get, path = "/api/crm/contacts/duplicates", tag = "contacts",
    params(
        ("limit" = Option<u32>, Query, description = "About how many pairs to list; 20 if left out", minimum = 1, maximum = 100),
        ("cursor" = Option<Uuid>, Query, description = "The `next_cursor` of the previous page"),
    ),
    responses((status = 200, body = DuplicatePage)),
)]
pub(crate) async fn list_contact_duplicates(
    permitted: Permitted<AllOf<(ContactsMerge, ContactsView)>>,
    QueryParameters(query): QueryParameters<DuplicatesQuery>,
) -> Result<Json<DuplicatePage>, ApiError> {
    let arguments = json!({ "page_size": query.limit, "after": query.cursor });
    let page = permitted
        .caller
        .database()
        .rpc("list_contact_duplicates", &arguments)
        .await?;
    Ok(Json(page))
}
