//! Connected numbers: how they come and go, what Meta says of them, and what it takes to send for them.

mod access;
pub(crate) mod connect;
pub(crate) mod health;
pub(crate) mod list;
mod meta_refusal;
pub(crate) mod number;
mod reseal;
pub(crate) mod session;
mod validation;

use axum::Router;

use crate::app::App;

pub use session::router as session;

pub(crate) use access::{
    AccessError, NumberAccess, SendWatch, break_session, breaking, number_token, unusable_token,
};
pub(crate) use health::refresh_stale;
pub(crate) use list::ensure_default_number;
pub(crate) use meta_refusal::sentence as meta_sentence;
pub(crate) use reseal::reseal_tokens;

/// `/api/whatsapp/sessions`.
pub fn sessions() -> Router<App> {
    list::router().merge(connect::router())
}
