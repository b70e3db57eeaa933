//! `GET /api/crm/contacts/{id}/timeline`.

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{ContactsView, ConversationsView};

/// Something that happened with a contact.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct TimelineEvent {
    /// Of the message, consent or note; of a change, of the entry alone.
    id: Uuid,
    /// `message`, `campaign`, `event` (of a conversation), `consent`, `note` or `change`
    kind: String,
    at: DateTime<Utc>,
    /// What there is to say of this kind. A change names what was changed, not to what.
    #[schema(value_type = Object)]
    details: Value,
}

/// A page of what happened.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Timeline {
    #[serde(rename(deserialize = "rows"))]
    data: Vec<TimelineEvent>,
    /// To be given as `cursor`, for what was before. Null on the last page.
    next_cursor: Option<String>,
}

/// Which page.
#[derive(Deserialize)]
pub(crate) struct TimelineQuery {
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    cursor: Option<String>,
}

/// `/api/crm/contacts/{id}/timeline`.
pub fn router() -> Router<App> {
    Router::new().route("/api/crm/contacts/{id}/timeline", get(list_contact_timeline))
}

/// What happened with a contact, the latest first, as far as the caller may see each of it.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/timeline", tag = "contacts", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("limit" = Option<u32>, Query, description = "Events of a page, by default 20", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Timeline), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_contact_timeline(
    permitted: Permitted<AnyOf<(ContactsView, ConversationsView)>>,
    PathId(id): PathId,
    QueryParameters(query): QueryParameters<TimelineQuery>,
) -> Result<Json<Timeline>, ApiError> {
    let arguments = json!({ "contact_id": id, "page_size": query.limit, "after": query.cursor });
    let timeline: Option<Timeline> = permitted
        .caller
        .database()
        .rpc("list_contact_timeline", &arguments)
        .await?;
    timeline.map(Json).ok_or_else(ApiError::not_found)
}
