//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(crate::file::delete_file, crate::file::get_file, crate::upload::upload_file,))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
