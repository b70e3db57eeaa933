//! The state that all requests of a process share.

use std::sync::Arc;
use std::time::Duration;

use supabase::Supabase;
use supabase::auth::TokenVerifier;
use whatsapp::client::{GraphClient, InvalidBaseUrl};

use crate::caller::AccessCache;
use crate::campaign_progress::ProgressAnnouncer;
use crate::config::Config;
use crate::http_client::{self, HttpClientError};
use crate::redis::Redis;

/// Time limit of a call to Supabase. The statement time limits of the database are shorter.
const DATABASE_TIME_LIMIT: Duration = Duration::from_secs(15);
/// Time limit of a call to Meta, which now and then takes ten seconds to accept a message.
const META_TIME_LIMIT: Duration = Duration::from_secs(20);
const REDIS_TIME_LIMIT: Duration = Duration::from_secs(2);

/// The shared state of a process: configuration and clients. Cheap to clone.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    supabase: Supabase,
    tokens: TokenVerifier,
    graph: GraphClient,
    redis: Option<Redis>,
    http: reqwest::Client,
    access: AccessCache,
    progress: ProgressAnnouncer,
}

/// A reason why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A client cannot be built.
    #[error(transparent)]
    Http(#[from] HttpClientError),
    /// Supabase's settings make no sense.
    #[error(transparent)]
    Supabase(#[from] supabase::ConfigError),
    /// Meta's address makes no sense.
    #[error(transparent)]
    Meta(#[from] InvalidBaseUrl),
}

impl App {
    /// Builds the clients. Connects to nothing.
    pub fn new(config: Config) -> Result<Self, AppError> {
        let tls = http_client::tls()?;
        let database_http = http_client::client(&tls, DATABASE_TIME_LIMIT)?;
        let supabase = Supabase::new(&config.supabase, database_http.clone())?;
        let http = database_http.clone();
        let tokens = TokenVerifier::new(&config.supabase.url, config.jwt_secret.as_deref(), database_http)?;
        let meta_http = http_client::client(&tls, META_TIME_LIMIT)?;
        let graph = GraphClient::new(meta_http, &config.graph_base_url, config.graph_version)?;
        let redis = match &config.redis {
            Some(redis) => Some(Redis::new(redis, http_client::client(&tls, REDIS_TIME_LIMIT)?)),
            None => None,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                progress: ProgressAnnouncer::new(supabase.clone()),
                config,
                supabase,
                tokens,
                graph,
                redis,
                http,
                access: AccessCache::default(),
            }),
        })
    }

    /// The configuration of the process.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The client of Supabase.
    pub fn supabase(&self) -> &Supabase {
        &self.shared.supabase
    }

    /// The verifier of access tokens.
    pub fn tokens(&self) -> &TokenVerifier {
        &self.shared.tokens
    }

    /// The client of Meta's Graph API.
    pub fn graph(&self) -> &GraphClient {
        &self.shared.graph
    }

    /// The client of Redis, where one is configured.
    pub fn redis(&self) -> Option<&Redis> {
        self.shared.redis.as_ref()
    }

    /// For calls of the deployment's own functions.
    pub fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    pub(crate) fn access(&self) -> &AccessCache {
        &self.shared.access
    }

    /// The announcer of campaigns' progress.
    pub fn progress(&self) -> &ProgressAnnouncer {
        &self.shared.progress
    }
}
