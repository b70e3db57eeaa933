//! `PATCH` and `DELETE /api/broadcast/campaigns/{id}`, for campaigns that have not started.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::campaign::{Campaign, QuietHours, TIME_LIMIT};
use super::campaign_creation::{checked_recipients, one_source, read_template};
use super::recipient::RecipientInput;
use super::variable_mapping::VariableMapping;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::json_body::{JsonBody, nullable};
use crm_core::path_id::PathId;
use crm_core::permissions::{BroadcastsDelete, BroadcastsUpdate};
use crm_core::routes;

/// Changes to a campaign. Fields that are left out stay as they are.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Promo akhir tahun")]
    name: Option<String>,
    /// A time ahead, with an offset or without one in the tenant's time zone. Null removes it. `send_at` is another name
    /// of it.
    #[serde(
        default,
        alias = "send_at",
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, example = "2026-12-01T09:00")]
    scheduled_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_local: Option<bool>,
    /// Null removes them.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<QuietHours>)]
    quiet_hours: Option<Option<QuietHours>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_id: Option<Uuid>,
    /// The number that sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Uuid>,
    /// New recipients, in the same form as for a new campaign: these, ...
    #[serde(skip_serializing)]
    #[schema(max_items = 10000, min_items = 1)]
    recipients: Option<Vec<RecipientInput>>,
    /// ... all entries of this recipient list, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_list_id: Option<Uuid>,
    /// ... or all contacts that are in this segment now.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment_id: Option<Uuid>,
    /// The sources of the variables for entries of a list or a segment. The values are read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable_mapping: Option<VariableMapping>,
    /// For a campaign that waits for its time: the errors of its check to send in spite of, by their codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["missing_variables"]))]
    accept_problems: Option<Vec<String>>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(update_campaign, delete_campaign))
}

/// Change a campaign.
///
/// Only drafts and campaigns that wait for their time can be changed. Fields that are left out stay as they are. New
/// recipients replace the old ones.
#[utoipa::path(
    patch, path = "/api/broadcast/campaigns/{id}", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    request_body = CampaignChanges,
    responses(
        (status = 200, body = Campaign),
        (status = 403, description = "role_too_high"),
        (status = 409, description = "campaign_state, list_not_ready"),
        (status = 422, description = "template_not_approved, variables_unmapped, invalid_filter, campaign_problems"),
    ),
)]
pub(crate) async fn update_campaign(
    permitted: Permitted<BroadcastsUpdate>,
    PathId(id): PathId,
    JsonBody(mut changes): JsonBody<CampaignChanges>,
) -> Result<Json<Campaign>, ApiError> {
    if let Some(name) = &changes.name {
        changes.name = Some(required_text("name", name, 200)?);
    }
    if let Some(Some(hours)) = &changes.quiet_hours {
        hours.check()?;
    }
    one_source(
        changes.recipients.is_some(),
        changes.recipient_list_id,
        changes.segment_id,
    )?;
    let caller = &permitted.caller;
    let recipients = match changes.recipients.take() {
        None => None,
        Some(listed) => {
            let template = match changes.template_id {
                Some(template) => template,
                None => template_of(caller, id).await?,
            };
            let template = read_template(caller, template).await?;
            Some(checked_recipients(listed, &template)?)
        }
    };
    let mut changes = json!(changes);
    if let Some(recipients) = recipients {
        changes["recipients"] = json!(recipients);
    }
    let arguments = json!({ "campaign_id": id, "changes": changes });
    let database = caller.database().with_time_limit(TIME_LIMIT);
    Ok(Json(database.rpc("update_campaign", &arguments).await?))
}

async fn template_of(caller: &Caller, campaign: Uuid) -> Result<Uuid, ApiError> {
    #[derive(Deserialize)]
    struct Row {
        template_id: Uuid,
    }
    let row: Option<Row> = caller
        .database()
        .from("broadcast_campaigns")
        .select("template_id")
        .eq("id", campaign)
        .fetch_optional()
        .await?;
    row.map(|row| row.template_id).ok_or_else(ApiError::not_found)
}

/// Delete a campaign.
///
/// Only a campaign that has sent nothing can be deleted.
#[utoipa::path(
    delete, path = "/api/broadcast/campaigns/{id}", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    responses((status = 204), (status = 409, description = "campaign_state")),
)]
pub(crate) async fn delete_campaign(
    permitted: Permitted<BroadcastsDelete>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .with_time_limit(TIME_LIMIT)
        .rpc::<()>("delete_campaign", &json!({ "campaign_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
