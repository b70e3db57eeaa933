//! Campaigns: one template to many recipients, sent by cron.

pub(crate) mod campaign;
pub(crate) mod campaign_action;
pub(crate) mod campaign_change;
pub(crate) mod campaign_check;
pub(crate) mod campaign_creation;
pub(crate) mod campaign_list;
mod hand_over;
mod lease;
mod number_report;
mod number_sender;
mod pace;
pub(crate) mod prices;
mod process;
pub mod queue;
mod recipient;
mod recipient_export;
mod recipient_job;
pub(crate) mod recipient_list;
mod sender_queue;
mod variable_mapping;

use crm_core::contract::Routes;

pub use campaign_action::{cancel, complete, duplicate, pause, resume, retry, send};
pub use campaign_check::router as check;
pub use prices::router as prices;
pub use process::{RunReport, Sender};
pub use recipient_list::router as recipients;

pub(crate) use hand_over::call_for_a_run;
pub use sender_queue::Run;

/// `/api/broadcast/campaigns`.
pub fn campaigns() -> Routes {
    campaign_list::router().merge(campaign_creation::router())
}

/// `/api/broadcast/campaigns/{id}`.
pub fn campaign() -> Routes {
    campaign::router().merge(campaign_change::router())
}
