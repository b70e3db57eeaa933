//! A client for Supabase: PostgREST calls, Auth administration, Storage, and verification of access tokens.
//!
//! The crate knows no table. It takes an HTTP client (with its root certificates, pool and time limits) and a
//! [`Config`]. Its [`Database`] handles act either as a signed-in user, under row level security, or as the service.

pub mod auth;
mod database;
mod database_error;
mod function_proof;
mod key;
mod query;
mod storage;

use std::fmt;
use std::sync::Arc;

use reqwest::Url;

pub use auth::AccessToken;
pub use database::Database;
pub use database_error::{DatabaseError, Source};
pub use query::Query;
pub use storage::{NewObject, Storage, StorageError};

use function_proof::FunctionProof;
use key::ApiKey;

/// The address and the keys of a project.
#[derive(Clone)]
pub struct Config {
    /// `https://<ref>.supabase.co`, without a path.
    pub url: String,
    /// The publishable key (`sb_publishable_...`) or the older `anon` JWT.
    pub anon_key: String,
    /// The secret key (`sb_secret_...`) or the older `service_role` JWT.
    pub service_role_key: String,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The reason why a [`Config`] is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address is not an http(s) address.
    #[error("the Supabase URL is not an http(s) address")]
    Url,
    /// The anonymous key is empty or not valid in a header.
    #[error("the Supabase anon key is empty or holds characters no key has")]
    AnonKey,
    /// The service key is empty or not valid in a header.
    #[error("the Supabase service role key is empty or holds characters no key has")]
    ServiceRoleKey,
}

/// A Supabase project. Cheap to clone.
#[derive(Clone)]
pub struct Supabase {
    project: Arc<Project>,
}

struct Project {
    http: reqwest::Client,
    url: Url,
    anon_key: ApiKey,
    service_role_key: ApiKey,
    proof: FunctionProof,
}

impl Supabase {
    /// A project that is called through `http`. The client's time limits apply to every call.
    pub fn new(config: &Config, http: reqwest::Client) -> Result<Self, ConfigError> {
        Ok(Self {
            project: Arc::new(Project {
                http,
                url: project_url(&config.url)?,
                anon_key: ApiKey::parse(&config.anon_key).ok_or(ConfigError::AnonKey)?,
                service_role_key: ApiKey::parse(&config.service_role_key)
                    .ok_or(ConfigError::ServiceRoleKey)?,
                proof: FunctionProof::new(&config.service_role_key).ok_or(ConfigError::ServiceRoleKey)?,
            }),
        })
    }

    /// The database with every right: row level security does not apply.
    pub fn as_service(&self) -> Database<'_> {
        Database::as_service(&self.project)
    }

    /// The database without a signed-in user. The project's pre-request function decides by the headers which rights a
    /// request has.
    pub fn as_anonymous(&self) -> Database<'_> {
        Database::as_client(&self.project, None)
    }

    /// The database as the user who holds `token`.
    pub fn as_user(&self, token: &AccessToken) -> Database<'_> {
        Database::as_client(&self.project, Some(token.bearer()))
    }

    /// Files, with the rights of the service key.
    pub fn storage(&self) -> Storage<'_> {
        Storage::new(
            &self.project.http,
            &self.project.url,
            &self.project.service_role_key,
        )
    }

    /// The mails that Auth sends, with the service key.
    pub fn auth_mails(&self) -> auth::AuthMails<'_> {
        auth::AuthMails::new(
            &self.project.http,
            &self.project.url,
            &self.project.service_role_key,
        )
    }

    /// The account of the person who holds `token`.
    pub fn account<'a>(&'a self, token: &'a AccessToken) -> auth::Account<'a> {
        auth::Account::new(
            &self.project.http,
            &self.project.url,
            &self.project.anon_key,
            token,
        )
    }
}

impl fmt::Debug for Supabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supabase")
            .field("url", &self.project.url.as_str())
            .finish_non_exhaustive()
    }
}

/// The project's address, always without a trailing slash so that paths can be appended to it.
fn project_url(text: &str) -> Result<Url, ConfigError> {
    let mut url = Url::parse(text.trim()).map_err(|_| ConfigError::Url)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(ConfigError::Url);
    }
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
    }
    Ok(url)
}

/// `{project}/{segments...}`, each segment percent-encoded.
fn endpoint(project: &Url, segments: &[&str]) -> Url {
    let mut url = project.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
