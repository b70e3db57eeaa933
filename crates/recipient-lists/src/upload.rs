//! `POST /api/broadcast/recipient-lists/uploads`: an address for the upload of a large file.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::created;
use crm_core::permissions::RecipientListsImport;
use crm_core::routes;
use tables::file_import::{ImportAddress, new_address};

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
    responses((status = 201, body = ImportAddress)),
)]
pub(crate) async fn begin_upload(
    permitted: Permitted<RecipientListsImport>,
    State(app): State<App>,
) -> Result<(StatusCode, Json<ImportAddress>), ApiError> {
    let address = new_address(&app, &permitted.caller).await?;
    Ok(created(address))
}
