//! `GET /api/broadcast/campaigns`.

use axum::Json;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::campaign::Campaign;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::BroadcastsView;
use crm_core::routes;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default, deserialize_with = "status")]
    status: Option<CampaignStatus>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// The state of a campaign.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CampaignStatus {
    Draft,
    Scheduled,
    Sending,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

/// Reads a state in upper or lower case. An empty filter of a form counts as none.
fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CampaignStatus>, D::Error> {
    let word = String::deserialize(deserializer)?.trim().to_lowercase();
    if word.is_empty() {
        return Ok(None);
    }
    CampaignStatus::deserialize(word.into_deserializer()).map(Some)
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_campaigns))
}

/// List the campaigns.
///
/// The newest campaign comes first. The statistics are counted when the list is read.
#[utoipa::path(
    get, path = "/api/broadcast/campaigns", tag = "broadcasts",
    params(
        ("status" = inline(Option<CampaignStatus>), Query, description = "Only campaigns in this state"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<Campaign>)),
)]
pub(crate) async fn list_campaigns(
    permitted: Permitted<BroadcastsView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<Paged<Campaign>>, ApiError> {
    let Filter { status, page, limit } = filter;
    let arguments = json!({ "status_filter": status, "page": page, "page_size": limit });
    let rows: Rows<Campaign> = permitted
        .caller
        .database()
        .rpc("list_campaigns", &arguments)
        .await?;
    Ok(Json(rows.into_page(PageNumber { page, limit })))
}
