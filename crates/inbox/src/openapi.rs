//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::changes::list_changes,
    crate::assignment::assign_conversation,
    crate::assignment::unassign_conversation,
    crate::bulk::act_on_conversations,
    crate::conversation::delete_conversation,
    crate::conversation::get_conversation,
    crate::conversation::update_conversation,
    crate::conversation_list::list_conversations,
    crate::event_list::list_conversation_events,
    crate::label::add_conversation_labels,
    crate::label::list_conversation_labels,
    crate::label::remove_conversation_label,
    crate::label::replace_conversation_labels,
    crate::message_deletion::delete_message,
    crate::message_history::get_message,
    crate::message_list::list_messages,
    crate::message_statuses::message_statuses,
    crate::note_change::delete_note,
    crate::note_change::update_note,
    crate::note_list::create_note,
    crate::note_list::list_notes,
    crate::outgoing::first_message::send_to,
    crate::outgoing::forward::forward_message,
    crate::outgoing::reply::send_message,
    crate::outgoing::resend::resend_message,
    crate::read::read_conversation,
    crate::read::unread_conversation,
    crate::typing::show_typing,
    crate::labels::label_change::delete_label,
    crate::labels::label_change::update_label,
    crate::labels::label_list::create_label,
    crate::labels::label_list::list_labels,
    crate::quick_replies::quick_reply::delete_quick_reply,
    crate::quick_replies::quick_reply::get_quick_reply,
    crate::quick_replies::quick_reply::update_quick_reply,
    crate::quick_replies::quick_reply_list::create_quick_reply,
    crate::quick_replies::quick_reply_list::list_quick_replies,
    crate::quick_replies::rendering::render_quick_reply,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
