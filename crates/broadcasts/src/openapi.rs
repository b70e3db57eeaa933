//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::campaign_action::cancel_campaign,
    crate::campaign_action::complete_campaign,
    crate::campaign_action::duplicate_campaign,
    crate::campaign_action::pause_campaign,
    crate::campaign_action::resume_campaign,
    crate::campaign_action::retry_campaign,
    crate::campaign_action::send_campaign,
    crate::campaign_change::delete_campaign,
    crate::campaign_change::update_campaign,
    crate::campaign_check::check_campaign,
    crate::campaign_creation::create_campaign,
    crate::campaign::get_campaign,
    crate::campaign_list::list_campaigns,
    crate::prices::list_prices,
    crate::prices::set_prices,
    crate::recipient_list::list_recipients,
    crate::queue::queue_retry::retry_failed,
    crate::queue::queue_status::debug_queue,
    crate::queue::queue_status::get_queue,
    crate::queue::scheduled::list_scheduled,
    crate::queue::scheduler::control_scheduler,
    crate::queue::scheduler::show_scheduler,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
