//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::deletion::delete_template,
    crate::preview::preview_template,
    crate::submission::submit_template,
    crate::sync::sync_templates,
    crate::template::get_template,
    crate::template_changes::change_template,
    crate::template_changes::update_template,
    crate::template_creation::create_template,
    crate::template_list::list_templates,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
