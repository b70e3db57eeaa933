//! `GET /api/crm/contacts/{id}/timeline`: the timeline of a contact.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{ContactsView, ConversationsView};
use crm_core::routes;

crm_core::words! {
    /// The kind of an event.
    pub(crate) TimelineKind = "message", "campaign", "event", "consent", "note", "change";
}

/// An event of a contact.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct TimelineEvent {
    /// The id of the message, consent or note; for a change, the id of the event itself.
    id: Uuid,
    /// `message`, `campaign`, `event` (of a conversation), `consent`, `note` or `change`
    #[schema(value_type = TimelineKind)]
    kind: String,
    at: DateTime<Utc>,
    /// The details of this kind of event. A change names the changed fields without their values.
    #[schema(value_type = Object, example = json!({"direction": "inbound", "preview": "Halo"}))]
    details: Value,
}

/// A page of the timeline.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Timeline {
    #[serde(rename(deserialize = "rows"))]
    data: Vec<TimelineEvent>,
    /// The value of `cursor` for the next, older page. Null on the last page.
    next_cursor: Option<String>,
}

/// The page to list.
#[derive(Deserialize)]
pub(crate) struct TimelineQuery {
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    cursor: Option<String>,
}

/// `/api/crm/contacts/{id}/timeline`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_contact_timeline))
}

/// List what happened with a contact.
///
/// The latest event comes first. The list has only the events that the caller may see.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/timeline", tag = "contacts",
    params(
        ("id" = Uuid, Path, description = "The id of the contact"),
        ("limit" = Option<u32>, Query, description = "The most events of a page; 20 if left out", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous page"),
    ),
    responses((status = 200, body = Timeline)),
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
