//! `GET`, `PATCH` and `DELETE /api/broadcast/recipient-lists/{id}`, and a recipient list as clients see it.

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
use tables::file_import::failure::FailureReason;

const MAX_NAME: usize = 200;

/// A list of people for campaigns.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RecipientList {
    id: Uuid,
    #[schema(example = "Pelanggan Solo")]
    name: String,
    source: Source,
    /// `importing`, `ready`, `refused` (a row has an error, and `on_error` is `refuse`) or `failed`. Only a list that
    /// is ready has entries.
    #[schema(value_type = super::list_index::ListStatus)]
    status: String,
    #[serde(flatten)]
    failure: FailureReason,
    /// `keep` keeps the correct rows; `refuse` refuses the whole file if one row has an error.
    #[schema(value_type = super::submission::OnError)]
    on_error: String,
    /// The variables that every entry has, in the order of the columns.
    #[schema(example = json!(["city"]))]
    columns: Vec<String>,
    /// The number of rows of the file.
    total_rows: u64,
    /// The number of rows that have been read.
    read_rows: u64,
    /// The number of people on the list.
    entry_count: u64,
    /// The number of rows that were left out because of an error.
    error_count: u64,
    /// The number of rows that were left out because their phone number is on the list already.
    duplicate_count: u64,
    /// The share of the rows that has been read.
    progress_percent: f64,
    /// The person who created the list. Null for an API key.
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

/// A recipient list, with the number of people who have opted out of marketing.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RecipientListDetail {
    #[serde(flatten)]
    list: RecipientList,
    /// The number of people who have opted out. They stay on the list, and marketing campaigns skip them.
    opted_out_count: u64,
}

/// Changes to a recipient list.
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
