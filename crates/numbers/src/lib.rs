//! Connected numbers: connecting, changing and removing them, and their health.

pub(crate) mod connect;
pub(crate) mod health;
pub(crate) mod list;
mod meta_refusal;
pub(crate) mod number;
mod reseal;
pub(crate) mod session;
mod validation;

use crm_core::contract::Routes;

pub use session::router as session;

pub use health::refresh_stale;
pub use list::ensure_default_number;
pub use reseal::reseal_tokens;

/// `/api/whatsapp/sessions`.
pub fn sessions() -> Routes {
    list::router().merge(connect::router())
}
