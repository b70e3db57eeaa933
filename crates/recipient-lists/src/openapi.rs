//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::creation::create_recipient_list,
    crate::entry_list::list_recipient_list_entries,
    crate::list_index::list_recipient_lists,
    crate::recipient_list::delete_recipient_list,
    crate::recipient_list::get_recipient_list,
    crate::recipient_list::rename_recipient_list,
    crate::row_error_list::list_recipient_list_errors,
    crate::template::download_template,
    crate::upload::begin_upload,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
