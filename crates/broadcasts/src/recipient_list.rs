//! `GET /api/broadcast/campaigns/{id}/recipients`: a campaign, one recipient at a time.

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::recipient_export::export;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::optional_text;
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{default_limit, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{BroadcastsExport, BroadcastsView};
use crm_core::text::Text;
use tables::table_export::TableFormat;

/// A recipient of a campaign.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignRecipient {
    id: Uuid,
    /// In the order they were listed, from 1.
    pub(super) position: u32,
    pub(super) phone_number: String,
    pub(super) name: Option<String>,
    #[schema(value_type = Object)]
    variables: Value,
    /// `pending`, `sending`, `sent`, `delivered`, `read`, `failed`, `unknown` or `skipped`
    pub(super) status: String,
    /// `opted_out` or `cancelled`
    pub(super) skip_reason: Option<String>,
    /// Of a pending one.
    due_at: Option<DateTime<Utc>>,
    /// Whose clock it goes by, where each recipient's counts.
    timezone: Option<String>,
    /// How often Meta was asked.
    pub(super) attempts: i32,
    message_id: Option<Uuid>,
    pub(super) error_code: Option<i64>,
    pub(super) error_title: Option<String>,
    pub(super) error_details: Option<String>,
    pub(super) sent_at: Option<DateTime<Utc>>,
    pub(super) delivered_at: Option<DateTime<Utc>>,
    pub(super) read_at: Option<DateTime<Utc>>,
    pub(super) failed_at: Option<DateTime<Utc>>,
    pub(super) replied_at: Option<DateTime<Utc>>,
    /// The answer.
    reply_message_id: Option<Uuid>,
    /// The text of the message, with this recipient's values.
    pub(super) preview: Option<String>,
}

/// A page of recipients.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RecipientPage {
    #[serde(rename(deserialize = "rows"))]
    pub(super) data: Vec<CampaignRecipient>,
    /// To be given as `after`, for the next page. Null on the last.
    pub(super) next_cursor: Option<Uuid>,
    /// How many there are on all pages, where a page was asked for by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// The page, from 1, where it was asked for by its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
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
    #[serde(default, deserialize_with = "numbered")]
    page: Option<u32>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    format: Option<TableFormat>,
}

/// Recipients of a campaign as they are asked for.
pub(super) struct Recipients {
    caller: Caller,
    campaign: Uuid,
    status: Option<RecipientStatus>,
    error_code: Option<i32>,
    search: Option<String>,
    replied: Option<bool>,
}

impl Recipients {
    /// A page of them: by its number, or behind `after`. 404 without the campaign.
    pub(super) async fn page(
        &self,
        number: Option<u32>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<RecipientPage, ApiError> {
        let arguments = json!({
            "campaign_id": self.campaign, "status_filter": self.status, "error_code": self.error_code,
            "search": self.search, "replied": self.replied, "after": after, "page_size": limit, "page": number,
        });
        let page: Option<RecipientPage> = self
            .caller
            .database()
            .rpc("list_campaign_recipients", &arguments)
            .await?;
        let page = page.ok_or_else(ApiError::not_found)?;
        Ok(RecipientPage { page: number, ..page })
    }
}

fn numbered<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    page_number(deserializer).map(Some)
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

/// The recipients of a campaign in their order, each with its outcome and the text it gets. With `format` all of them, as a
/// file.
#[utoipa::path(
    get, path = "/api/broadcast/campaigns/{id}/recipients", tag = "broadcasts", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("status" = Option<RecipientStatus>, Query),
        ("error_code" = Option<i32>, Query, description = "Meta's code"),
        ("search" = Option<String>, Query, description = "Part of a number or a name"),
        ("replied" = Option<bool>, Query),
        ("after" = Option<Uuid>, Query, description = "The `next_cursor` of the page before"),
        ("page" = Option<u32>, Query, description = "From 1, in place of `after`; the answer has the `total` then", minimum = 1),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("format" = Option<TableFormat>, Query, description = "A file with everybody; needs `broadcasts.export` too"),
    ),
    responses(
        (status = 200, content((RecipientPage = "application/json"), (String = "text/csv"),
            (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_recipients(
    permitted: Permitted<BroadcastsView>,
    PathId(id): PathId,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Response, ApiError> {
    if filter.page.is_some() && filter.after.is_some() {
        let problem = Text::new("give `page` or `after`", "berikan `page` atau `after`");
        return Err(ApiError::field("page", problem));
    }
    let search = filter
        .search
        .map(|text| optional_text("search", &text, 200))
        .transpose()?;
    if filter.format.is_some() {
        permitted.caller.require::<BroadcastsExport>()?;
    }
    let recipients = Recipients {
        caller: permitted.caller,
        campaign: id,
        status: filter.status,
        error_code: filter.error_code,
        search: search.filter(|text| !text.is_empty()),
        replied: filter.replied,
    };
    match filter.format {
        Some(format) => export(recipients, format).await,
        None => Ok(Json(recipients.page(filter.page, filter.after, filter.limit).await?).into_response()),
    }
}
