//! Conversations and their messages.

pub(crate) mod conversation;
pub(crate) mod conversation_list;
mod failure;
mod message;
pub(crate) mod message_history;
pub(crate) mod message_list;
pub(crate) mod message_statuses;
pub(crate) mod reply;

use axum::Router;

use crate::app::App;

pub use conversation::router as conversation;
pub use conversation_list::router as conversations;

pub(crate) use reply::break_session;

/// `/api/conversations/{id}/messages`.
pub fn messages() -> Router<App> {
    message_list::router().merge(reply::router())
}

/// `/api/messages/{id}`.
pub fn message() -> Router<App> {
    message_history::router()
}

/// `/api/messages/status`.
pub fn message_status() -> Router<App> {
    message_statuses::router()
}
