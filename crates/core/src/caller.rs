//! The caller of a request, and what they may do.
//!
//! A caller is a person with an access token of Supabase Auth, or an integration with an API key. Both come as a
//! bearer. Handlers take [`Caller`] or [`Permitted`] as an argument.

mod access;
mod credential;
mod database;
mod permitted;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use supabase::Database;
use supabase::auth::TokenError;
use uuid::Uuid;

pub use access::{Access, AccessCache, CallerKind, RoleSummary};
pub(crate) use database::CallerDatabase;
pub use permitted::{AllOf, AnyOf, Needed, Permitted, Requirement};

use crate::app::App;
use crate::contract::{self, Argument, Contract};
use crate::error::ApiError;
use crate::rate_limit::{self, Guarded};
use crate::repeatable;
use crate::text::Text;
use crate::trace::{Actor, Trace};
use credential::Credential;

/// A member of a tenant: a person, or an integration.
pub struct Caller {
    /// The access of the caller when the request began, as the database knows it.
    pub access: Arc<Access>,
    /// The e-mail address of a person.
    pub email: Option<String>,
    credential: Credential,
    /// Whether `access` comes from the memory of the process.
    remembered: bool,
    /// The version of the caller's access that this request relies on. Every call sends it to the database.
    version: AtomicI64,
    /// The check of what the handler needs. It runs again if the caller's access changes during the request.
    check: fn(&Access) -> Result<(), ApiError>,
    trace: Arc<Trace>,
    app: App,
}

impl Caller {
    /// The database with the caller's rights: row level security applies.
    pub fn database(&self) -> CallerDatabase<'_> {
        CallerDatabase::new(self)
    }

    /// The database with every right, for steps that no caller may do directly. The tenant must come from stored rows.
    pub fn service(&self) -> Database<'_> {
        self.trace.mark(self.app.supabase().as_service())
    }

    /// The access of the caller at this moment, read from the database if the process only remembered it.
    pub async fn current_access(&self) -> Result<Arc<Access>, ApiError> {
        if self.remembered {
            self.renewed_access().await
        } else {
            Ok(Arc::clone(&self.access))
        }
    }

    async fn renewed_access(&self) -> Result<Arc<Access>, ApiError> {
        let access = self.credential.access(&self.app, &self.trace).await?;
        self.version.store(access.version, Ordering::Relaxed);
        Ok(access)
    }

    /// Refuses unless the caller meets a further requirement, which depends on the request.
    pub fn require<R: Requirement>(&self) -> Result<(), ApiError> {
        R::permit(&self.access)
    }

    /// Records in the audit log that the caller downloads a table, or the part of it that belongs to one row. `details`
    /// must name no person.
    pub async fn record_export(
        &self,
        table: &'static str,
        of: Option<Uuid>,
        details: &Value,
    ) -> Result<(), ApiError> {
        let arguments = json!({
            "actor_type": self.access.kind, "actor_id": self.access.user_id, "entity": table, "entity_id": of,
            "details": details,
        });
        Ok(self.service().rpc("record_export", &arguments).await?)
    }

    async fn identify(
        parts: &mut Parts,
        app: &App,
        check: fn(&Access) -> Result<(), ApiError>,
    ) -> Result<Self, ApiError> {
        let trace = Trace::of(parts);
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let authorization = authorization.map(|value| value.to_str().unwrap_or_default());
        let credential = Credential::from_authorization(authorization)?;
        let remembered = app.access().remembered(credential.as_str());
        let is_remembered = remembered.is_some();
        let known = async {
            let email = credential.verify(app, &trace).await?;
            let access = match remembered {
                Some(access) => access,
                None => credential.access(app, &trace).await?,
            };
            Ok::<_, ApiError>((email, access))
        };
        let (email, access) = match known.await {
            Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
                rate_limit::admit(app, &trace, Guarded::Credentials).await?;
                return Err(error);
            }
            known => known?,
        };
        trace.identify(Actor {
            kind: access.kind,
            id: access.user_id,
        });
        let mut caller = Self {
            version: AtomicI64::new(access.version),
            access,
            email,
            remembered: is_remembered,
            credential,
            check,
            trace,
            app: app.clone(),
        };
        // A remembered refusal may be out of date. A remembered permission cannot: the database compares the version.
        if caller.remembered && (check)(&caller.access).is_err() {
            caller.access = caller.renewed_access().await?;
            caller.remembered = false;
        }
        (check)(&caller.access)?;
        repeatable::begin(app, &caller.trace, &caller.access).await?;
        Ok(caller)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Self::identify(parts, app, |_| Ok(())).await
    }
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

impl Argument for Caller {
    fn state(contract: &mut Contract) {
        contract.access = contract::Access::Member;
        contract.refuses(&[
            &contract::UNAUTHORIZED,
            &contract::NO_TENANT,
            &contract::ACCESS_CHANGED,
            &contract::TOO_MANY,
            &contract::UNAVAILABLE,
        ]);
    }
}
