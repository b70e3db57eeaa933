//! `POST /api/broadcast/recipient-lists/uploads`: where a large file can be put.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use supabase::StorageError;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::created;
use crm_core::permissions::RecipientListsImport;
use crm_core::routes;
use tables::file_import::file as import_file;

/// Where a file can be put.
#[derive(Serialize, ToSchema)]
#[schema(as = RecipientListUpload)]
pub(crate) struct Upload {
    /// Takes the file by `PUT`, once, without further credentials, for two hours: up to 10 MB.
    #[schema(
        format = "uri",
        example = "https://project.supabase.co/storage/v1/object/upload/sign/imports/daftar.csv?token=..."
    )]
    upload_url: String,
    /// To be given to `POST /api/broadcast/recipient-lists` when the file is there.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/daftar.csv")]
    storage_path: String,
}

/// `/api/broadcast/recipient-lists/uploads`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(begin_upload))
}

/// Get an address to upload a recipient file to.
///
/// Use it for files that are larger than a request may be (4.5 MB). `PUT` the file to `upload_url`, then create the
/// list with `storage_path`.
#[utoipa::path(
    post, path = "/api/broadcast/recipient-lists/uploads", tag = "recipient-lists",
    responses((status = 201, body = Upload)),
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
