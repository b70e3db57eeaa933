//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::block::block_contact,
    crate::block::unblock_contact,
    crate::bulk::change_contacts,
    crate::consents::list_contact_consents,
    crate::consents::record_contact_consent,
    crate::contact::delete_contact,
    crate::contact::get_contact,
    crate::contact::update_contact,
    crate::contact_creation::create_contact,
    crate::contact_list::list_contacts,
    crate::duplicates::list_contact_duplicates,
    crate::export::export_contacts,
    crate::field::delete_contact_field,
    crate::field::update_contact_field,
    crate::fields::create_contact_field,
    crate::fields::list_contact_fields,
    crate::import::progress::list_contact_imports,
    crate::import::submission::begin_contact_import,
    crate::import::submission::begin_contact_upload,
    crate::merge::merge_contact,
    crate::merge::preview_contact_merge,
    crate::notes::create_contact_note,
    crate::notes::delete_contact_note,
    crate::notes::list_contact_notes,
    crate::personal_data::erase_contact_data,
    crate::personal_data::get_contact_data,
    crate::timeline::list_contact_timeline,
    crate::segments::preview::preview_segment,
    crate::segments::segment::delete_segment,
    crate::segments::segment::get_segment,
    crate::segments::segment::update_segment,
    crate::segments::segment_list::create_segment,
    crate::segments::segment_list::list_segments,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
