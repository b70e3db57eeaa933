//! Conversations and their messages.

pub(crate) mod conversation;
pub(crate) mod conversation_list;
mod failure;
mod message;
pub(crate) mod message_history;
pub(crate) mod message_list;
pub(crate) mod message_statuses;
pub(crate) mod outgoing;
pub(crate) mod read;
pub(crate) mod typing;

use axum::Router;

use crate::app::App;

pub use conversation::router as conversation;
pub use conversation_list::router as conversations;
pub use outgoing::first_message::router as first_message;
pub use read::router as read;
pub use typing::router as typing;

/// `/api/conversations/{id}/messages`.
pub fn messages() -> Router<App> {
    message_list::router().merge(outgoing::reply::router())
}

/// `/api/messages/{id}`.
pub fn message() -> Router<App> {
    message_history::router()
}

/// `/api/messages/status`.
pub fn message_status() -> Router<App> {
    message_statuses::router()
}
