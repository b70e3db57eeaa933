//! Conversations and their messages.

pub(crate) mod assignment;
pub(crate) mod bulk;
pub mod changes;
pub(crate) mod conversation;
pub(crate) mod conversation_list;
pub(crate) mod event_list;
mod failure;
pub(crate) mod label;
pub mod labels;
mod message;
pub(crate) mod message_deletion;
pub(crate) mod message_history;
pub(crate) mod message_list;
pub(crate) mod message_statuses;
mod note;
pub(crate) mod note_change;
pub(crate) mod note_list;
pub(crate) mod outgoing;
pub mod quick_replies;
pub(crate) mod read;
pub(crate) mod typing;

use crm_core::app::App;
use crm_core::contract::Routes;
use serde_json::json;

pub use assignment::router as assign;
pub use bulk::router as bulk;
pub use conversation::router as conversation;
pub use conversation_list::router as conversations;
pub use event_list::router as events;
pub use label::router as labels;
pub use note_change::router as note;
pub use note_list::router as notes;
pub use outgoing::first_message::router as first_message;
pub use outgoing::forward::router as forward;
pub use outgoing::resend::router as resend;
pub use read::router as read;
pub use typing::router as typing;

/// `/api/conversations/{id}/messages`.
pub fn messages() -> Routes {
    message_list::router().merge(outgoing::reply::router())
}

/// `/api/messages/{id}`.
pub fn message() -> Routes {
    message_history::router().merge(message_deletion::router())
}

/// `/api/messages/status`.
pub fn message_status() -> Routes {
    message_statuses::router()
}

/// Does the inbox's work of every minute: opens snoozed conversations whose time has come, and sends scheduled
/// messages.
pub async fn run_minute_tasks(app: &App) {
    let woken = app
        .supabase()
        .as_service()
        .rpc::<u64>("wake_conversations", &json!({}))
        .await;
    if let Err(error) = woken {
        log::error!("snoozed conversations: {}", error.source_text());
    }
    outgoing::scheduled::send_scheduled(app).await;
}
