//! `GET`, `PATCH` and `DELETE /api/broadcast/recipient-lists/{id}`, and what a list looks like.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::list_source::Source;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{RecipientListsCreate, RecipientListsDelete, RecipientListsView};
use crm_core::routes;
use tables::file_import;

const MAX_NAME: usize = 200;

crm_core::words! {
    /// Why a list cannot be used.
    pub(crate) RecipientListFailure = "rows_with_errors", "no_recipients", "file_unreadable", "gave_up";
}

/// People that a campaign can be sent to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RecipientList {
    id: Uuid,
    #[schema(example = "Pelanggan Solo")]
    name: String,
    source: Source,
    /// `importing`; `ready`; `refused`: a row has an error, and `on_error` is `refuse`; or `failed`. Only a list that is
    /// ready has entries to be sent to.
    #[schema(value_type = super::list_index::ListStatus)]
    status: String,
    /// Why it is refused or failed: `rows_with_errors`, `no_recipients`, `file_unreadable`, `gave_up`.
    #[schema(value_type = Option<RecipientListFailure>)]
    status_reason: Option<String>,
    /// `keep` the good rows, or `refuse` them all if one is bad.
    #[schema(value_type = super::submission::OnError)]
    on_error: String,
    /// The variables that every entry has, in the order of the columns.
    #[schema(example = json!(["city"]))]
    columns: Vec<String>,
    /// Rows of the file.
    total_rows: u64,
    /// Rows that have been read.
    read_rows: u64,
    /// People on the list.
    entry_count: u64,
    /// Rows that are not on the list because something is wrong with them.
    error_count: u64,
    /// Rows that are not on the list because their number is there already.
    duplicate_count: u64,
    /// Rows that have been read, of all.
    progress_percent: f64,
    /// Nobody, for a list that an API key made.
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl RecipientList {
    pub(super) fn id(&self) -> Uuid {
        self.id
    }
}

/// A list, and how many of its people want no marketing.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RecipientListDetail {
    #[serde(flatten)]
    list: RecipientList,
    /// People who have opted out: they stay on the list, and marketing campaigns skip them.
    opted_out_count: u64,
}

/// What can be changed of a list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListChanges {
    #[schema(example = "Pelanggan Solo")]
    name: String,
}

/// `/api/broadcast/recipient-lists/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(
        get_recipient_list,
        rename_recipient_list,
        delete_recipient_list
    ))
}

pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    required_text("name", name, MAX_NAME)
}

/// Get one recipient list.
///
/// The answer has the counts of the list and the progress of its import.
#[utoipa::path(
    get, path = "/api/broadcast/recipient-lists/{id}", tag = "recipient-lists",
    params(("id" = Uuid, Path, description = "The id of the recipient list")),
    responses((status = 200, body = RecipientListDetail)),
)]
pub(crate) async fn get_recipient_list(
    permitted: Permitted<RecipientListsView>,
    PathId(id): PathId,
) -> Result<Json<RecipientListDetail>, ApiError> {
    let list: Option<RecipientListDetail> = permitted
        .caller
        .database()
        .rpc("get_recipient_list", &json!({ "list_id": id }))
        .await?;
    list.map(Json).ok_or_else(ApiError::not_found)
}

/// Rename a recipient list.
///
/// Only the name of a list can be changed.
#[utoipa::path(
    patch, path = "/api/broadcast/recipient-lists/{id}", tag = "recipient-lists",
    params(("id" = Uuid, Path, description = "The id of the recipient list")),
    request_body = ListChanges,
    responses((status = 200, body = RecipientList)),
)]
pub(crate) async fn rename_recipient_list(
    permitted: Permitted<RecipientListsCreate>,
    PathId(id): PathId,
    JsonBody(changes): JsonBody<ListChanges>,
) -> Result<Json<RecipientList>, ApiError> {
    let name = checked_name(&changes.name)?;
    let arguments = json!({ "list_id": id, "name": name });
    let list = permitted
        .caller
        .database()
        .rpc("rename_recipient_list", &arguments)
        .await?;
    Ok(Json(list))
}

/// Delete a recipient list.
///
/// The entries are deleted, and an import that fills the list ends. Campaigns keep the recipients they were given.
#[utoipa::path(
    delete, path = "/api/broadcast/recipient-lists/{id}", tag = "recipient-lists",
    params(("id" = Uuid, Path, description = "The id of the recipient list")),
    responses((status = 204)),
)]
pub(crate) async fn delete_recipient_list(
    permitted: Permitted<RecipientListsDelete>,
    State(app): State<App>,
    background: Background,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    let file: Option<String> = permitted
        .caller
        .database()
        .rpc("delete_recipient_list", &json!({ "list_id": id }))
        .await?;
    background.run(async move { file_import::forget(&app, file.as_slice()).await });
    Ok(StatusCode::NO_CONTENT)
}
