//! The shared core of the WhatsApp CRM: domain modules with their routers, and what a request needs around them.
//!
//! Knows nothing of the platform it runs on. `crates/function` serves a router of this crate as a Vercel
//! function; [`router`] is all of them at once.

pub mod agents;
pub mod api_keys;
mod app;
pub mod audit;
pub mod automations;
mod background;
pub mod broadcasts;
mod caller;
pub mod changes;
mod config;
pub mod contacts;
mod cron_secret;
mod csv_table;
mod database_error;
mod error;
mod field_rules;
mod file_import;
pub mod health;
pub mod housekeeping;
mod http_client;
pub mod inbox;
mod json_body;
pub mod labels;
pub mod media;
pub mod modules;
mod openapi;
mod outcome;
mod paging;
mod path_id;
mod permissions;
mod phone_number;
pub mod queue;
pub mod quick_replies;
mod rate_limit;
pub mod rbac;
pub mod recipient_lists;
mod redis;
pub mod segments;
pub mod sessions;
mod shell;
mod table_export;
mod table_file;
pub mod templates;
pub mod tenancy;
mod text;
mod token_seal;
mod trace;
pub mod webhooks;

pub use app::App;
pub use background::Background;
pub use config::{Config, ConfigError, DefaultNumber, RedisConfig};
pub use error::ApiError;
pub use openapi::document as openapi_document;
pub use shell::shell;
pub use token_seal::{InvalidTokenKeys, TokenKeys};

use axum::Router;

/// Every route of the product in one router.
pub fn router() -> Router<App> {
    Router::new()
        .merge(agents::agents())
        .merge(agents::agent())
        .merge(api_keys::api_keys())
        .merge(api_keys::api_key())
        .merge(audit::audit_logs())
        .merge(automations::automations())
        .merge(automations::csat())
        .merge(broadcasts::campaigns())
        .merge(broadcasts::campaign())
        .merge(broadcasts::cancel())
        .merge(broadcasts::check())
        .merge(broadcasts::complete())
        .merge(broadcasts::duplicate())
        .merge(broadcasts::pause())
        .merge(broadcasts::prices())
        .merge(broadcasts::process())
        .merge(broadcasts::recipients())
        .merge(broadcasts::resume())
        .merge(broadcasts::retry())
        .merge(broadcasts::send())
        .merge(changes::router())
        .merge(contacts::block())
        .merge(contacts::bulk())
        .merge(contacts::consents())
        .merge(contacts::contact())
        .merge(contacts::contacts())
        .merge(contacts::duplicates())
        .merge(contacts::export())
        .merge(contacts::field())
        .merge(contacts::fields())
        .merge(contacts::import())
        .merge(contacts::merge())
        .merge(contacts::notes())
        .merge(contacts::personal_data())
        .merge(contacts::timeline())
        .merge(health::service())
        .merge(health::workers())
        .merge(housekeeping::housekeeping())
        .merge(inbox::assign())
        .merge(inbox::bulk())
        .merge(inbox::conversations())
        .merge(inbox::conversation())
        .merge(inbox::events())
        .merge(inbox::first_message())
        .merge(inbox::forward())
        .merge(inbox::labels())
        .merge(inbox::messages())
        .merge(inbox::message())
        .merge(inbox::message_status())
        .merge(inbox::note())
        .merge(inbox::notes())
        .merge(inbox::read())
        .merge(inbox::resend())
        .merge(inbox::typing())
        .merge(labels::label())
        .merge(labels::labels())
        .merge(media::file())
        .merge(media::upload())
        .merge(modules::modules())
        .merge(modules::module())
        .merge(openapi())
        .merge(queue::debug_queue())
        .merge(queue::retry())
        .merge(queue::scheduled())
        .merge(queue::scheduler())
        .merge(queue::status())
        .merge(quick_replies::quick_replies())
        .merge(quick_replies::quick_reply())
        .merge(quick_replies::render())
        .merge(rbac::permissions())
        .merge(rbac::role())
        .merge(rbac::roles())
        .merge(rbac::templates())
        .merge(rbac::user())
        .merge(segments::preview())
        .merge(segments::segment())
        .merge(segments::segments())
        .merge(sessions::session())
        .merge(sessions::sessions())
        .merge(recipient_lists::entries())
        .merge(recipient_lists::imports())
        .merge(recipient_lists::recipient_list())
        .merge(recipient_lists::recipient_lists())
        .merge(recipient_lists::row_errors())
        .merge(recipient_lists::template())
        .merge(recipient_lists::uploads())
        .merge(templates::templates())
        .merge(templates::template())
        .merge(templates::preview())
        .merge(templates::submit())
        .merge(templates::sync())
        .merge(tenancy::me())
        .merge(tenancy::tenant())
        .merge(webhooks::webhook())
        .merge(webhooks::replay())
}

/// `/api/openapi.json`.
pub fn openapi() -> Router<App> {
    openapi::router()
}

/// Answers every path with 404: where the platform sends what matches no route.
pub fn not_found() -> Router<App> {
    Router::new()
}
