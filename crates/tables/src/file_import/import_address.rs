//! Upload addresses for files that are larger than a request may be.

use serde::Serialize;
use supabase::StorageError;
use utoipa::ToSchema;

use super::file;
use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::error::ApiError;

/// An address for the upload of a file.
#[derive(Serialize, ToSchema)]
pub struct ImportAddress {
    /// The address accepts one file of up to 10 MB by `PUT`, without further credentials, for two hours.
    #[schema(
        format = "uri",
        example = "https://project.supabase.co/storage/v1/object/upload/sign/imports/kontak.csv?token=..."
    )]
    upload_url: String,
    /// The path to send to the request that imports the file after the upload.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/kontak.csv")]
    storage_path: String,
}

/// Creates an upload address for a file of the caller's tenant.
pub async fn new_address(app: &App, caller: &Caller) -> Result<ImportAddress, ApiError> {
    let storage_path = file::new_path(caller.access.tenant.id);
    let signed = file::sign_upload(app, &storage_path).await;
    let upload_url = signed.map_err(|error| match error {
        StorageError::Unavailable(source) => ApiError::unavailable(source.to_string()),
        other => ApiError::internal(other.to_string()),
    })?;
    Ok(ImportAddress {
        upload_url,
        storage_path,
    })
}
