//! `GET /api/broadcast/campaigns/{id}/recipients`: the recipients of a campaign, as pages or as a file.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{default_limit, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{BroadcastsExport, BroadcastsView};
use crm_core::routes;
use crm_core::text::Text;
use tables::table_export::{Export, TableFormat, download};

crm_core::words! {
    /// The reason why a recipient was skipped.
    pub(crate) SkipReason = "opted_out", "blocked", "erased", "cancelled";
}

/// A recipient of a campaign.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignRecipient {
    id: Uuid,
    /// The place in the list, from 1.
    pub(super) position: u32,
    #[schema(example = "+6281234567890")]
    pub(super) phone_number: String,
    #[schema(example = "Ani")]
    pub(super) name: Option<String>,
    #[schema(value_type = Value, example = json!(["Ani"]))]
    variables: Value,
    /// `pending`, `sending`, `sent`, `delivered`, `read`, `failed`, `unknown` or `skipped`
    #[schema(value_type = RecipientStatus)]
    pub(super) status: String,
    /// `opted_out` or `cancelled`
    #[schema(value_type = Option<SkipReason>)]
    pub(super) skip_reason: Option<String>,
    /// When a pending recipient is due.
    due_at: Option<DateTime<Utc>>,
    /// The recipient's time zone, if the campaign is sent in each recipient's time zone.
    timezone: Option<String>,
    /// The number of attempts.
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
    /// The reply.
    reply_message_id: Option<Uuid>,
    /// The text of the message with this recipient's values.
    #[schema(example = "Halo Ani, promo akhir tahun sudah dimulai.")]
    pub(super) preview: Option<String>,
}

/// A page of recipients.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RecipientPage {
    #[serde(rename(deserialize = "rows"))]
    pub(super) data: Vec<CampaignRecipient>,
    /// The value of `after` for the next page. Null on the last page.
    pub(super) next_cursor: Option<Uuid>,
    /// The number of recipients on all pages, if the request named a page number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<u64>,
    /// The page, from 1, if the request named a page number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    page: Option<u32>,
}

/// The filters of the list.
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

/// The recipients that a request selects.
pub(super) struct Recipients {
    caller: Caller,
    campaign: Uuid,
    status: Option<RecipientStatus>,
    error_code: Option<i32>,
    search: Option<String>,
    replied: Option<bool>,
}

impl Recipients {
    /// Reads a page, by its number or by `after`. 404 without the campaign.
    pub(super) async fn read(
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

    /// Their download, for the audit log.
    pub(super) fn as_export(&self) -> Export<'_> {
        Export {
            caller: &self.caller,
            table: "broadcast_recipients",
            of: Some(self.campaign),
            filters: json!({
                "status": self.status, "error_code": self.error_code, "search": self.search, "replied": self.replied,
            }),
        }
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
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_recipients))
}

/// List the recipients of a campaign.
///
/// Each recipient has its outcome and the text it gets. Pages go by `after`, or by `page`, which also counts the total.
/// With `format` the answer is a file with all recipients that pass the filters; it needs `broadcasts.export` as well.
#[utoipa::path(
    get, path = "/api/broadcast/campaigns/{id}/recipients", tag = "broadcasts",
    params(
        ("id" = Uuid, Path, description = "The id of the campaign"),
        ("status" = inline(Option<RecipientStatus>), Query, description = "Only recipients in this state"),
        ("error_code" = Option<i32>, Query, description = "Only recipients that failed with this code of Meta"),
        ("search" = Option<String>, Query, description = "A part of a phone number or a name"),
        ("replied" = Option<bool>, Query, description = "Whether the recipient replied"),
        ("after" = Option<Uuid>, Query, description = "The `next_cursor` of the previous page"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1, in place of `after`; the answer then has `total`", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
        ("format" = inline(Option<TableFormat>), Query, description = "Answers with a file of all recipients; it needs `broadcasts.export` as well"),
    ),
    responses(
        (status = 200, content((RecipientPage = "application/json"), (String = "text/csv"),
            (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    ),
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
        Some(format) => download(recipients, format, "campaign-recipients").await,
        None => Ok(Json(recipients.read(filter.page, filter.after, filter.limit).await?).into_response()),
    }
}
