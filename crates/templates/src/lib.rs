//! Message templates: people write them here, Meta reviews them, campaigns and agents send them.

pub(crate) mod deletion;
mod examples;
mod input;
mod meta_access;
mod meta_refusal;
pub(crate) mod preview;
mod problem;
mod reader;
mod sample;
pub(crate) mod submission;
pub(crate) mod sync;
pub(crate) mod template;
pub(crate) mod template_changes;
pub(crate) mod template_creation;
pub(crate) mod template_list;
mod working_copy;

use axum::extract::DefaultBodyLimit;
use crm_core::contract::Routes;

pub use preview::router as preview;
pub use submission::router as submit;
pub use sync::router as sync;

/// The largest body, far above Meta's limits: drafts may have mistakes, but must not be huge.
const MAX_BODY: usize = 128 * 1024;

/// `/api/broadcast/templates`.
pub fn templates() -> Routes {
    template_list::router().merge(template_creation::router().layer(DefaultBodyLimit::max(MAX_BODY)))
}

/// `/api/broadcast/templates/{id}`.
pub fn template() -> Routes {
    template::router()
        .merge(template_changes::router().layer(DefaultBodyLimit::max(MAX_BODY)))
        .merge(deletion::router())
}
