//! `GET /api/crm/contacts/duplicates`.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact::Contact;
use crm_core::app::App;
use crm_core::caller::{AllOf, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::permissions::{ContactsMerge, ContactsView};

/// Two contacts that may be one person.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DuplicatePair {
    contact: Contact,
    /// Added before it.
    other: Contact,
    /// What they have in common: `email`, `phone_number` (its last digits), `name`.
    reasons: Vec<String>,
}

/// Pairs, by when the later contact was added.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DuplicatePage {
    #[serde(rename(deserialize = "rows"))]
    data: Vec<DuplicatePair>,
    /// To be given as `cursor`, to go on. A page may be short, or empty, and not be the last: it is the one without.
    next_cursor: Option<Uuid>,
}

/// Where to go on.
#[derive(Deserialize)]
pub(crate) struct DuplicatesQuery {
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    cursor: Option<Uuid>,
}

/// `/api/crm/contacts/duplicates`.
pub fn router() -> Router<App> {
    Router::new().route("/api/crm/contacts/duplicates", get(list_contact_duplicates))
}

/// Contacts that may be one person: of the same address, of the same last digits, or of the same name where the number
/// does not speak against it.
#[utoipa::path(
    get, path = "/api/crm/contacts/duplicates", tag = "contacts", security(("bearer" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "About how many pairs, by default 20", minimum = 1, maximum = 100),
        ("cursor" = Option<Uuid>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = DuplicatePage), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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
