//! `GET /api/broadcast/campaigns/{id}/recipients`: a campaign, one recipient at a time.

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::caller::Permitted;
use crate::error::{ApiError, ErrorBody};
use crate::field_rules::optional_text;
use crate::json_body::{QueryParameters, truth};
use crate::paging::{default_limit, page_size};
use crate::path_id::PathId;
use crate::permissions::BroadcastsView;

/// A recipient of a campaign.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignRecipient {
    id: Uuid,
    /// In the order they were listed, from 1.
    position: u32,
    phone_number: String,
    name: Option<String>,
    #[schema(value_type = Object)]
    variables: Value,
    /// `pending`, `sending`, `sent`, `delivered`, `read`, `failed`, `unknown` or `skipped`
    status: String,
    /// `opted_out` or `cancelled`
    skip_reason: Option<String>,
    /// Of a pending one.
    due_at: Option<DateTime<Utc>>,
    /// Whose clock it goes by, where each recipient's counts.
    timezone: Option<String>,
    /// How often Meta was asked.
    attempts: i32,
    message_id: Option<Uuid>,
    error_code: Option<i64>,
    error_title: Option<String>,
    error_details: Option<String>,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    replied_at: Option<DateTime<Utc>>,
    /// The answer.
    reply_message_id: Option<Uuid>,
    /// The text of the message, with this recipient's values.
    preview: Option<String>,
}

/// A page of recipients.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RecipientPage {
    #[serde(rename(deserialize = "rows"))]
    data: Vec<CampaignRecipient>,
    /// To be given as `after`, for the next page. Null on the last.
    next_cursor: Option<Uuid>,
}

/// Whom to list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    status: Option<RecipientStatus>,
    #[serde(default, deserialize_with = "number")]
    error_code: Option<i32>,
    search: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    replied: Option<bool>,
    after: Option<Uuid>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// The state of a recipient.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RecipientStatus {
    Pending,
    Sending,
    Sent,
    Delivered,
    Read,
    Failed,
    Unknown,
    Skipped,
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map(Some)
        .map_err(|_| serde::de::Error::custom("must be a number"))
}

/// `/api/broadcast/campaigns/{id}/recipients`.
pub fn router() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}/recipients", get(list_recipients))
}

/// The recipients of a campaign in their order, each with its outcome and the text it gets.
#[utoipa::path(
    get, path = "/api/broadcast/campaigns/{id}/recipients", tag = "broadcasts", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("status" = Option<RecipientStatus>, Query),
        ("error_code" = Option<i32>, Query, description = "Meta's code"),
        ("search" = Option<String>, Query, description = "Part of a number or a name"),
        ("replied" = Option<bool>, Query),
        ("after" = Option<Uuid>, Query, description = "The `next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = RecipientPage), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_recipients(
    permitted: Permitted<BroadcastsView>,
    PathId(id): PathId,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<RecipientPage>, ApiError> {
    let search = filter
        .search
        .map(|text| optional_text("search", &text, 200))
        .transpose()?;
    let arguments = json!({
        "campaign_id": id, "status_filter": filter.status, "error_code": filter.error_code,
        "search": search.filter(|text| !text.is_empty()), "replied": filter.replied, "after": filter.after,
        "page_size": filter.limit,
    });
    let page: Option<RecipientPage> = permitted
        .caller
        .database()
        .rpc("list_campaign_recipients", &arguments)
        .await?;
    page.map(Json).ok_or_else(ApiError::not_found)
}
