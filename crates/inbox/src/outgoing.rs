//! Messages that people and integrations send, into a conversation or to a number.

mod delivery;
pub(crate) mod first_message;
pub(crate) mod forward;
pub(crate) mod input;
mod problem;
pub(crate) mod reply;
pub(crate) mod resend;
pub(crate) mod scheduled;
mod template;
mod turn;
