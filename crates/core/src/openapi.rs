//! `GET /api/openapi.json`: the API described, from the handlers themselves.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

use crate::app::App;
use crate::rate_limit::{Limited, PublicRoute};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "WhatsApp CRM",
        description = "Every error has one format: `{\"error\":{\"code\",\"message\",\"fields\"?}}`; messages \
            come in English or Indonesian as `Accept-Language` asks.",
    ),
    paths(
        crate::agents::agent::deactivate_agent,
        crate::agents::agent::get_agent,
        crate::agents::agent::update_agent,
        crate::agents::agent_list::list_agents,
        crate::agents::invitation::invite_agent,
        crate::api_keys::api_key::revoke_api_key,
        crate::api_keys::api_key_list::create_api_key,
        crate::api_keys::api_key_list::list_api_keys,
        crate::audit::audit_log_list::list_audit_logs,
        crate::automations::csat_report::csat_report,
        crate::automations::settings::get_automations,
        crate::automations::settings::set_automations,
        crate::broadcasts::campaign_action::cancel_campaign,
        crate::broadcasts::campaign_action::complete_campaign,
        crate::broadcasts::campaign_action::duplicate_campaign,
        crate::broadcasts::campaign_action::pause_campaign,
        crate::broadcasts::campaign_action::resume_campaign,
        crate::broadcasts::campaign_action::retry_campaign,
        crate::broadcasts::campaign_action::send_campaign,
        crate::broadcasts::campaign_change::delete_campaign,
        crate::broadcasts::campaign_change::update_campaign,
        crate::broadcasts::campaign_check::check_campaign,
        crate::broadcasts::campaign_creation::create_campaign,
        crate::broadcasts::campaign::get_campaign,
        crate::broadcasts::campaign_list::list_campaigns,
        crate::broadcasts::prices::list_prices,
        crate::broadcasts::prices::set_prices,
        crate::broadcasts::process::process_broadcasts,
        crate::broadcasts::recipient_list::list_recipients,
        crate::changes::list_changes,
        crate::contacts::block::block_contact,
        crate::contacts::block::unblock_contact,
        crate::contacts::bulk::change_contacts,
        crate::contacts::consents::list_contact_consents,
        crate::contacts::consents::record_contact_consent,
        crate::contacts::contact::delete_contact,
        crate::contacts::contact::get_contact,
        crate::contacts::contact::update_contact,
        crate::contacts::contact_creation::create_contact,
        crate::contacts::contact_list::list_contacts,
        crate::contacts::duplicates::list_contact_duplicates,
        crate::contacts::export::export_contacts,
        crate::contacts::field::delete_contact_field,
        crate::contacts::field::update_contact_field,
        crate::contacts::fields::create_contact_field,
        crate::contacts::fields::list_contact_fields,
        crate::contacts::import::progress::list_contact_imports,
        crate::contacts::import::submission::begin_contact_import,
        crate::contacts::import::submission::begin_contact_upload,
        crate::contacts::merge::merge_contact,
        crate::contacts::merge::preview_contact_merge,
        crate::contacts::notes::create_contact_note,
        crate::contacts::notes::delete_contact_note,
        crate::contacts::notes::list_contact_notes,
        crate::contacts::personal_data::erase_contact_data,
        crate::contacts::personal_data::get_contact_data,
        crate::contacts::timeline::list_contact_timeline,
        crate::health::service::service_health,
        crate::health::workers::workers_health,
        crate::housekeeping::keep_house,
        crate::inbox::assignment::assign_conversation,
        crate::inbox::assignment::unassign_conversation,
        crate::inbox::bulk::act_on_conversations,
        crate::inbox::conversation::delete_conversation,
        crate::inbox::conversation::get_conversation,
        crate::inbox::conversation::update_conversation,
        crate::inbox::conversation_list::list_conversations,
        crate::inbox::event_list::list_conversation_events,
        crate::inbox::label::add_conversation_labels,
        crate::inbox::label::list_conversation_labels,
        crate::inbox::label::remove_conversation_label,
        crate::inbox::label::replace_conversation_labels,
        crate::inbox::message_deletion::delete_message,
        crate::inbox::message_history::get_message,
        crate::inbox::message_list::list_messages,
        crate::inbox::message_statuses::message_statuses,
        crate::inbox::note_change::delete_note,
        crate::inbox::note_change::update_note,
        crate::inbox::note_list::create_note,
        crate::inbox::note_list::list_notes,
        crate::inbox::outgoing::first_message::send_to,
        crate::inbox::outgoing::forward::forward_message,
        crate::inbox::outgoing::reply::send_message,
        crate::inbox::outgoing::resend::resend_message,
        crate::inbox::read::read_conversation,
        crate::inbox::read::unread_conversation,
        crate::inbox::typing::show_typing,
        crate::labels::label_change::delete_label,
        crate::labels::label_change::update_label,
        crate::labels::label_list::create_label,
        crate::labels::label_list::list_labels,
        crate::media::file::delete_file,
        crate::media::file::get_file,
        crate::media::upload::upload_file,
        crate::modules::module_list::list_modules,
        crate::modules::module_switch::get_module,
        crate::modules::module_switch::set_module,
        crate::openapi::openapi,
        crate::queue::queue_retry::retry_failed,
        crate::queue::queue_status::debug_queue,
        crate::queue::queue_status::get_queue,
        crate::queue::scheduled::list_scheduled,
        crate::queue::scheduler::control_scheduler,
        crate::queue::scheduler::show_scheduler,
        crate::quick_replies::quick_reply::delete_quick_reply,
        crate::quick_replies::quick_reply::get_quick_reply,
        crate::quick_replies::quick_reply::update_quick_reply,
        crate::quick_replies::quick_reply_list::create_quick_reply,
        crate::quick_replies::quick_reply_list::list_quick_replies,
        crate::quick_replies::rendering::render_quick_reply,
        crate::rbac::permission_list::list_permissions,
        crate::rbac::role::delete_role,
        crate::rbac::role::get_role,
        crate::rbac::role::update_role,
        crate::rbac::roles::create_role,
        crate::rbac::roles::list_roles,
        crate::rbac::templates::delete_permission_template,
        crate::rbac::templates::list_permission_templates,
        crate::rbac::templates::save_permission_template,
        crate::rbac::user::get_user_access,
        crate::rbac::user::set_user_roles,
        crate::segments::preview::preview_segment,
        crate::segments::segment::delete_segment,
        crate::segments::segment::get_segment,
        crate::segments::segment::update_segment,
        crate::segments::segment_list::create_segment,
        crate::segments::segment_list::list_segments,
        crate::sessions::connect::connect_number,
        crate::sessions::list::list_numbers,
        crate::sessions::session::change_number,
        crate::sessions::session::delete_number,
        crate::sessions::session::get_number,
        crate::recipient_lists::creation::create_recipient_list,
        crate::recipient_lists::cron::continue_imports_by_cron,
        crate::recipient_lists::entry_list::list_recipient_list_entries,
        crate::recipient_lists::list_index::list_recipient_lists,
        crate::recipient_lists::recipient_list::delete_recipient_list,
        crate::recipient_lists::recipient_list::get_recipient_list,
        crate::recipient_lists::recipient_list::rename_recipient_list,
        crate::recipient_lists::row_error_list::list_recipient_list_errors,
        crate::recipient_lists::template::download_template,
        crate::recipient_lists::upload::begin_upload,
        crate::templates::deletion::delete_template,
        crate::templates::preview::preview_template,
        crate::templates::submission::submit_template,
        crate::templates::sync::sync_templates,
        crate::templates::template::get_template,
        crate::templates::template_changes::change_template,
        crate::templates::template_changes::update_template,
        crate::templates::template_creation::create_template,
        crate::templates::template_list::list_templates,
        crate::tenancy::me::me,
        crate::tenancy::sign_up::create_tenant,
        crate::tenancy::tenant::get_tenant,
        crate::tenancy::tenant::update_tenant,
        crate::webhooks::receive::receive_webhook,
        crate::webhooks::replay::replay_webhooks,
        crate::webhooks::verify::verify_webhook,
    ),
    modifiers(&Security),
    tags(
        (name = "agents", description = "The people of a tenant"),
        (name = "analytics", description = "Reports"),
        (name = "api-keys", description = "Keys for integrations"),
        (name = "audit", description = "Who did what"),
        (name = "auth", description = "Who is asking"),
        (name = "automations", description = "Business hours, and what is said by itself"),
        (name = "broadcasts", description = "Campaigns"),
        (name = "changes", description = "Catching up after a loss of connection"),
        (name = "conversations", description = "The inbox"),
        (name = "cron", description = "Called by Vercel Cron"),
        (name = "health", description = "Is the product well?"),
        (name = "labels", description = "What conversations and contacts are sorted by"),
        (name = "modules", description = "Parts of the product that a tenant switches on and off"),
        (name = "queue", description = "What waits to be sent, and what failed"),
        (name = "quick-replies", description = "Prepared answers"),
        (name = "rbac", description = "Roles and permissions"),
        (name = "recipient-lists", description = "Lists of people that campaigns are sent to"),
        (name = "segments", description = "Saved filters of contacts"),
        (name = "templates", description = "Message templates, from their draft to Meta's approval"),
        (name = "tenant", description = "The organisation"),
        (name = "whatsapp", description = "Called by Meta"),
    )
)]
pub(crate) struct Document;

impl PublicRoute for Document {
    const NAME: &'static str = "openapi";
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("cron", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The description of the whole API.
pub fn document() -> OpenApi {
    Document::openapi()
}

pub(crate) fn router() -> Router<App> {
    Router::new().route("/api/openapi.json", get(openapi))
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(crate) async fn openapi(_: Limited<Document>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document().to_json().unwrap_or_default())
}
