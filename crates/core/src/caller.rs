//! Who is asking, and what they may do.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use supabase::auth::TokenError;
use supabase::{AccessToken, Database};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::error::ApiError;
use crate::permissions::Permission;
use crate::text::Text;

/// How long a process remembers what a caller may do. A change of roles is felt after that at the latest;
/// rows are guarded by the database's own check at every query.
const REMEMBERED: Duration = Duration::from_secs(15);
/// More callers than that at once and the memory starts anew.
const MAX_REMEMBERED: usize = 1000;

/// What the database knows of a caller.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Access {
    pub(crate) user_id: Uuid,
    pub(crate) display_name: String,
    /// The language of the person: `id` or `en`.
    pub(crate) locale: String,
    pub(crate) tenant: TenantSummary,
    pub(crate) roles: Vec<RoleSummary>,
    /// Keys such as `messages.send`.
    pub(crate) permissions: Vec<String>,
}

/// The caller's tenant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct TenantSummary {
    id: Uuid,
    name: String,
    slug: String,
    /// IANA name, for example `Asia/Jakarta`: times are shown in it.
    timezone: String,
    /// `id` or `en`
    locale: String,
}

/// A role the caller holds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct RoleSummary {
    id: Uuid,
    key: String,
    name: String,
    /// 10 is the highest.
    level: u8,
}

/// A signed-in person of a tenant.
pub(crate) struct Caller {
    pub(crate) access: Arc<Access>,
    pub(crate) email: Option<String>,
    token: AccessToken,
    app: App,
}

impl Caller {
    /// The database as the caller sees it: row level security holds.
    pub(crate) fn database(&self) -> Database<'_> {
        self.app.supabase().as_user(&self.token)
    }

    fn may(&self, permission: &str) -> bool {
        self.access.permissions.iter().any(|held| held == permission)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let authorization = authorization.map(|value| value.to_str().unwrap_or_default());
        let token = AccessToken::from_authorization(authorization)?;
        let claims = app.tokens().verify(&token).await?;
        let access = match app.access().remembered(&token) {
            Some(access) => access,
            None => app.access().remember(&token, read_access(app, &token).await?),
        };
        Ok(Self {
            access,
            email: claims.email,
            token,
            app: app.clone(),
        })
    }
}

async fn read_access(app: &App, token: &AccessToken) -> Result<Access, ApiError> {
    let access: Option<Access> = app.supabase().as_user(token).rpc("current_access", &()).await?;
    access.ok_or_else(|| {
        ApiError::new(
            axum::http::StatusCode::FORBIDDEN,
            "no_tenant",
            Text::new(
                "Your account belongs to no organisation, or has been deactivated.",
                "Akun Anda tidak terdaftar di organisasi mana pun, atau telah dinonaktifkan.",
            ),
        )
    })
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Missing => Self::unauthorized(Text::new("Please sign in.", "Silakan masuk.")),
            TokenError::Expired => Self::unauthorized(Text::new(
                "Your session has expired. Please sign in again.",
                "Sesi Anda telah berakhir. Silakan masuk lagi.",
            )),
            TokenError::Malformed | TokenError::Untrusted => Self::unauthorized(Text::new(
                "The access token is not valid.",
                "Token akses tidak valid.",
            )),
            TokenError::Unavailable => {
                Self::unavailable("the signing keys of Supabase Auth cannot be fetched")
            }
        }
    }
}

/// A caller who holds permission `P`. As a handler's argument it is what lets the handler run.
pub(crate) struct Permitted<P> {
    pub(crate) caller: Caller,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<App> for Permitted<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if !caller.may(P::KEY) {
            return Err(ApiError::forbidden());
        }
        Ok(Self {
            caller,
            permission: PhantomData,
        })
    }
}

/// What recent callers may do, by their token.
#[derive(Default)]
pub(crate) struct AccessCache {
    entries: Mutex<HashMap<String, (Instant, Arc<Access>)>>,
}

impl AccessCache {
    fn remembered(&self, token: &AccessToken) -> Option<Arc<Access>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, access) = entries.get(token.as_str())?;
        (since.elapsed() < REMEMBERED).then(|| Arc::clone(access))
    }

    fn remember(&self, token: &AccessToken, access: Access) -> Arc<Access> {
        let access = Arc::new(access);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_REMEMBERED {
            entries.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        }
        if entries.len() >= MAX_REMEMBERED {
            entries.clear();
        }
        entries.insert(token.as_str().to_owned(), (Instant::now(), Arc::clone(&access)));
        access
    }
}
