//! Campaigns: one template to many recipients, sent by cron.

pub(crate) mod campaign;
pub(crate) mod campaign_creation;
pub(crate) mod campaign_list;
mod number_sender;
mod pace;
pub(crate) mod process;
mod progress;
mod recipient;
mod sender_queue;

use axum::Router;

use crate::app::App;

pub use campaign::router as campaign;
pub use process::router as process;

pub(crate) use progress::ProgressAnnouncer;
pub(crate) use recipient::normalise as normalise_phone;

/// `/api/broadcast/campaigns`.
pub fn campaigns() -> Router<App> {
    campaign_list::router().merge(campaign_creation::router())
}
