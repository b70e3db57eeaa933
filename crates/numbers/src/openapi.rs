//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::connect::connect_number,
    crate::list::list_numbers,
    crate::session::change_number,
    crate::session::delete_number,
    crate::session::get_number,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
