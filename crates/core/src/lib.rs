//! The shared core of the WhatsApp CRM: the HTTP edge, callers and their permissions, configuration, and clients of
//! services.
//!
//! The crate knows neither the platform it runs on nor any feature.

pub mod app;
mod auth_error;
pub mod background;
pub mod business_hours;
pub mod caller;
mod campaign_progress;
mod config;
pub mod contact_filter;
pub mod contract;
pub mod cron_secret;
mod database_error;
pub mod error;
pub mod field_rules;
pub mod http_client;
pub mod json_body;
pub mod log_lines;
pub mod paging;
pub mod path_id;
pub mod permissions;
pub mod public_media;
pub mod rate_limit;
mod reader_words;
#[doc(hidden)]
pub mod reading;
mod redis;
mod refusals;
pub mod repeatable;
pub mod shell;
pub mod text;
pub mod token_seal;
pub mod trace;
pub mod words;

pub use app::App;
pub use background::Background;
pub use config::{Config, ConfigError, DefaultNumber, RedisConfig};
pub use error::ApiError;
pub use shell::shell;
pub use token_seal::{InvalidTokenKeys, TokenKeys};

use contract::Routes;

#[doc(hidden)]
pub use utoipa_axum;

/// Answers every path with 404. The platform sends requests here that match no route.
pub fn not_found() -> Routes {
    Routes::new()
}
