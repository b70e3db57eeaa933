//! `POST /api/broadcast/recipient-lists/uploads`: where a large file can be put.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use supabase::StorageError;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::created;
use crm_core::permissions::RecipientListsImport;
use tables::file_import::file as import_file;

/// Where a file can be put.
#[derive(Serialize, ToSchema)]
pub(crate) struct Upload {
    /// Takes the file by `PUT`, once, without further credentials, for two hours: up to 10 MB.
    upload_url: String,
    /// To be given to `POST /api/broadcast/recipient-lists` when the file is there.
    storage_path: String,
}

/// `/api/broadcast/recipient-lists/uploads`.
pub fn router() -> Router<App> {
    Router::new().route("/api/broadcast/recipient-lists/uploads", post(begin_upload))
}

/// Gives an address to upload a file to that is larger than a request may be (4.5 MB).
#[utoipa::path(
    post, path = "/api/broadcast/recipient-lists/uploads", tag = "recipient-lists", security(("bearer" = [])),
    responses(
        (status = 201, body = Upload),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    )
)]
pub(crate) async fn begin_upload(
    permitted: Permitted<RecipientListsImport>,
    State(app): State<App>,
) -> Result<(StatusCode, Json<Upload>), ApiError> {
    let storage_path = import_file::new_path(permitted.caller.access.tenant.id);
    let upload_url = import_file::sign_upload(&app, &storage_path)
        .await
        .map_err(|error| match error {
            StorageError::Unavailable(source) => ApiError::unavailable(source.to_string()),
            other => ApiError::internal(other.to_string()),
        })?;
    Ok(created(Upload {
        upload_url,
        storage_path,
    }))
}
